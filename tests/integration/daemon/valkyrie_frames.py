"""A caller that speaks Valkyrie/1, written from plugins/protocols/valkyrie/SPEC.md alone: the opening, CALL and REPLY."""
import json
import os
import socket
import struct

MAGIC = bytes.fromhex("9D564C4B310D0A1A")
HELLO, PING, PONG, CREDIT, CALL, REPLY, CALL_END = 0x00, 0x01, 0x02, 0x03, 0x20, 0x21, 0x22
LAST, ERROR, CRC, SEQ, ACK, OFFSET, TIME, JSON, PAYLOAD, PARAMS, AUTH, HASH, MORE = \
    1, 2, 8, 0x10, 0x20, 0x40, 0x80, 0x400, 0x800, 0x1000, 0x2000, 0x2000, 0x8000


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def text(s):
    data = s.encode()
    return varint(len(data)) + data


def read_varint(data, at):
    n = shift = 0
    while True:
        byte = data[at]
        at += 1
        n |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return n, at


class Caller:
    def __init__(self, port, host="127.0.0.1", token=None):
        self.token = token
        self.socket = socket.create_connection((host, port), timeout=30)
        self.data, self.stream = b"", 15
        hello = struct.pack("<HHIIIIIQQ", 1, 1, 1 << 20, 16 << 20, 64, 1 << 20, 1 << 20, 0, 0) + os.urandom(16) + bytes(16) + text("python")
        self.socket.sendall(MAGIC + struct.pack("<HH", 1, 0) + self.frame(HELLO, 0, 0, hello))
        assert self.take(12) == MAGIC + struct.pack("<HH", 1, 0)
        kind, *_ = self.next()
        assert kind == HELLO, kind

    @staticmethod
    def frame(kind, flags, stream, body):
        return struct.pack("<IBBHI", len(body), kind, 0, flags, stream) + body

    def take(self, n):
        while len(self.data) < n:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError
            self.data += part
        out, self.data = self.data[:n], self.data[n:]
        return out

    def next(self):
        """(type, flags, stream, body) of the next message; pings are answered, pieces joined."""
        whole = b""
        while True:
            size, kind, _, flags, stream = struct.unpack("<IBBHI", self.take(12))
            body = self.take(size)
            if kind == PING:
                self.socket.sendall(self.frame(PONG, 0, 0, body))
            elif kind != CREDIT:
                whole += body
                if not flags & MORE:
                    return kind, flags, stream, whole

    def call(self, method, params=None, document=None):
        """(flags, json, payload) of the first reply; what is left of a call that streams is ended."""
        self.stream += 1
        flags, body = 0, text(method)
        if params is not None:
            flags, body = flags | PARAMS, body + text(json.dumps(params))
        if self.token:
            flags, body = flags | AUTH, body + text("bearer " + self.token)
        if document is not None:
            flags, body = flags | JSON, body + text(json.dumps(document))
        self.socket.sendall(self.frame(CALL, flags, self.stream, body))
        first = self.reply()
        if not first[0] & LAST:
            self.socket.sendall(self.frame(CALL_END, 0, self.stream, varint(0) + text("")))
            while not self.reply()[0] & LAST:
                pass
        return first

    def reply(self):
        kind, flags, stream, body = self.next()
        assert (kind, stream) == (REPLY, self.stream), (kind, stream)
        at, document = 0, None
        for bit in (SEQ, ACK, PARAMS, OFFSET, TIME, HASH):  # PARAMS is SUBSTREAM here
            if flags & bit:
                _, at = read_varint(body, at)
        if flags & JSON:
            size, at = read_varint(body, at)
            document, at = json.loads(body[at:at + size]), at + size
        return flags, document, body[at:] if flags & PAYLOAD else None

    def close(self):
        self.socket.close()
