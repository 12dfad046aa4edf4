"""Endpoints that are no runner: silent, closed, of another protocol, slow, encrypted."""
import contextlib
import socket
import ssl
import subprocess
import threading
import time

from broken_network import protocol_of


class Endpoint:
    """Listens on loopback; `answer(socket, first bytes)` is what it does. `seen` has (time, protocol, first bytes) of each
    connection that sent something, `most` how many were open at once."""

    def __init__(self, answer=None, tls=None):
        self.answer, self.tls = answer, tls
        self.seen, self.open, self.most = [], 0, 0
        self._lock, self._live, self._ended = threading.Lock(), [], False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        self._ended = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for s in self._live:
            s.close()

    def protocols(self):
        with self._lock:
            return [protocol for _, protocol, _ in self.seen]

    def _accept(self):
        while not self._ended:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            self._live.append(s)
            threading.Thread(target=self._one, args=(s,), daemon=True).start()

    def _one(self, s):
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        with contextlib.suppress(OSError):
            if self.tls:
                s = self.tls.wrap_socket(s, server_side=True)
                self._live.append(s)
            first = s.recv(65536)
            if first:
                with self._lock:
                    self.seen.append((time.monotonic(), protocol_of(first), first))
                if self.answer:
                    self.answer(s, first)
                while s.recv(65536):
                    pass
        with self._lock:
            self.open -= 1
        s.close()


def http_only(status):
    """Serves HTTP/1.1 with one status for everything, and knows nothing of sessions."""
    def answer(s, first):
        while True:
            if not first[:4].isupper() or b" HTTP/1." not in first:
                return s.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") or s.shutdown(socket.SHUT_WR)
            s.sendall(f"HTTP/1.1 {status} x\r\nServer: other/1\r\nContent-Length: 0\r\n\r\n".encode())
            first = s.recv(65536)
            if not first:
                return None
    return answer


def says(data):
    return lambda s, _: s.sendall(data)


def resets(s, _):
    import struct
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def drips(s, _):
    """A byte each 50 ms, of something that might become an answer."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        s.sendall(bytes([byte]))
        time.sleep(0.05)


def self_signed(folder):
    cert, key = folder / "endpoint.crt", folder / "endpoint.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=endpoint", "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
