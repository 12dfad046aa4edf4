"""A TCP proxy that can break one protocol and leave the others alone: it looks at the first bytes of each connection."""
import contextlib
import socket
import struct
import threading
import time

HTTP_WORDS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI")


def protocol_of(first):
    if first.startswith(b"PRI "):
        return "grpc"
    if first[:4] in HTTP_WORDS:
        return "websocket" if b"upgrade: websocket" in first.lower() else "http"
    return "valkyrie"


class Way:
    """From its port to `target`. Modes, by protocol: open, refuse (new connections are reset), stall (nothing passes).
    A protocol may be far away as well: what passes then takes so many seconds each way."""

    def __init__(self, target=None):
        self.target = target
        self._modes, self._changed = {}, threading.Condition()
        self._live = {}  # protocol -> sockets
        self.delays = {}  # protocol -> seconds
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def mode(self, protocol):
        return self._modes.get(protocol, "open")

    def set(self, protocol, mode):
        with self._changed:
            self._modes[protocol] = mode
            self._changed.notify_all()
        if mode == "refuse":
            self.reset(protocol)

    def reset(self, protocol):
        """Ends its connections with RST; new ones may come."""
        with self._changed:
            gone = self._live.pop(protocol, [])
        for s in gone:
            self._kill(s)
        return len(gone) // 2

    def close(self):
        self._ended = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for protocol in list(self._live):
            self.reset(protocol)
        with self._changed:
            self._changed.notify_all()

    @staticmethod
    def _kill(s):
        with contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
        s.close()

    def _accept(self):
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        try:
            first = client.recv(65536)
        except OSError:
            return client.close()
        protocol = protocol_of(first)
        if not first or self._ended or self.mode(protocol) == "refuse":
            return self._kill(client)
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            server.settimeout(None)
        except OSError:
            return self._kill(client)
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            self._live.setdefault(protocol, []).extend((client, server))
        threading.Thread(target=self._pump, args=(protocol, server, client, b""), daemon=True).start()
        self._pump(protocol, client, server, first)

    def _pump(self, protocol, source, sink, data):
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or self.mode(protocol) != "stall")
                if data:
                    sink.sendall(data)
                data = source.recv(65536)
                if not data:
                    break
                if delay := self.delays.get(protocol):
                    time.sleep(delay)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        with self._changed:
            live = self._live.get(protocol, [])
            if source in live:
                live.remove(source)
        with contextlib.suppress(OSError):
            source.shutdown(socket.SHUT_RD)
