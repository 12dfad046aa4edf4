"""A TCP proxy that cuts each connection after so many bytes of answers: what a client that resumes must live with."""
import socket
import threading


class Cutting:
    def __init__(self, target, cut_after, cuts=None):
        """To port `target`; connections end after `cut_after` bytes, the first `cuts` of them (None: every one)."""
        self.cuts = 0
        self._target, self._after, self._most = target, cut_after, cuts
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    @staticmethod
    def _pass(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _answer(self, source, to):
        left = self._after
        try:
            while data := source.recv(65536 if self._most is not None and self.cuts >= self._most else min(65536, left)):
                to.sendall(data)
                left -= len(data)
                if left <= 0 and (self._most is None or self.cuts < self._most):
                    self.cuts += 1
                    break
        except OSError:
            pass
        for end in (to, source):
            try:
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it, too
            except OSError:
                pass
            end.close()

    def close(self):
        self._listener.close()
