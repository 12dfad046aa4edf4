"""A WebSocket client that writes every frame by hand (RFC 6455, RFC 7692), to say what no library would."""
import base64
import os
import socket
import struct
import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10


def frame(first, payload=b"", masked=True, length=None):
    """`first`: FIN, reserved bits and opcode. `length`: what the head says, if it is not the truth."""
    size = len(payload) if length is None else length
    mask = 0x80 if masked else 0
    if size < 126:
        head = struct.pack(">BB", first, mask | size)
    elif size < 65536:
        head = struct.pack(">BBH", first, mask | 126, size)
    else:
        head = struct.pack(">BBQ", first, mask | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i & 3] for i, b in enumerate(payload))


def fragments(opcode, pieces, between=b""):
    """One message in these pieces, with the bytes `between` after each but the last."""
    out = b""
    for i, piece in enumerate(pieces):
        last = i == len(pieces) - 1
        out += frame((opcode if i == 0 else CONTINUATION) | (FIN if last else 0), piece) + (b"" if last else between)
    return out


def close(code, reason=b""):
    return frame(FIN | CLOSE, struct.pack(">H", code) + reason)


class Deflater:
    """One side of permessage-deflate with its window kept over messages."""

    def __init__(self, bits=15):
        self.out, self.back = zlib.compressobj(9, zlib.DEFLATED, -bits), zlib.decompressobj(-15)

    def __call__(self, text):
        data = self.out.compress(text) + self.out.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(b"\0\0\xff\xff")
        return data[:-4]

    def undo(self, data):
        return self.back.decompress(data + b"\0\0\xff\xff")


class Wire:
    def __init__(self, port, extensions="", host="127.0.0.1", token=None):
        self.socket = socket.create_connection((host, port), timeout=20)
        self.data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        offered = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        offered += f"Authorization: Bearer {token}\r\n" if token else ""
        self.say((f"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{offered}"
                  f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sigrun.v1\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        assert self.head.startswith("HTTP/1.1 101"), self.head

    def say(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # what the peer said last is what counts

    def _more(self):
        part = self.socket.recv(65536)
        if not part:
            raise EOFError
        self.data += part

    def hear(self):
        """(first byte, payload) of the next frame; EOFError at the end."""
        while len(self.data) < 2:
            self._more()
        first, size = self.data[0], self.data[1]
        assert not size & 0x80, "a server must not mask"
        at, more = 2, {126: 2, 127: 8}.get(size, 0)
        while len(self.data) < at + more:
            self._more()
        if more:
            size = int.from_bytes(self.data[at:at + more], "big")
        at += more
        while len(self.data) < at + size:
            self._more()
        payload, self.data = self.data[at:at + size], self.data[at + size:]
        return first, payload

    def hear_message(self):
        """(first byte of the first frame, payload) of the next message; control frames between are left out."""
        begun, whole = None, b""
        while True:
            first, payload = self.hear()
            if first & 0x08:
                assert first & 0xf != CLOSE, payload
                continue
            begun = first if begun is None else begun
            whole += payload
            if first & FIN:
                return begun, whole

    def hear_end(self):
        """The code of the peer's Close (0: it had none), and that the connection ends without more of us."""
        while True:
            first, payload = self.hear()
            if first & 0xf == CLOSE:
                break
        assert first == FIN | CLOSE and len(payload) != 1 and len(payload) <= 125, (first, payload)
        payload[2:].decode()
        try:
            assert self.socket.recv(1) == b"", "bytes after Close"
        except ConnectionResetError:
            pass
        return int.from_bytes(payload[:2], "big") if payload else 0

    def quit(self):
        self.socket.close()
