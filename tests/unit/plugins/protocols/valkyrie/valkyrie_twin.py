"""Valkyrie/1 a second time, from SPEC.md and the Python standard library alone.

    valkyrie_twin.py check FILE            every vector of FILE decodes to its meaning and encodes to its bytes
    valkyrie_twin.py dial HOST PORT        talks to an acceptor: handshake, pings, a call, a call in pieces, a session
    valkyrie_twin.py dial_on HOST PORT     talks to an acceptor that retires meanwhile, first without a session, then with one
    valkyrie_twin.py serve                 prints a port, then answers one dialler
"""
import json
import os
import socket
import struct
import sys
import zlib  # only to make sure that CRC32C below is not the zip checksum by mistake

MAGIC = bytes.fromhex("9d564c4b310d0a1a")
PREFACE = MAGIC + struct.pack("<HH", 1, 0)
TYPES = {"HELLO": 0x00, "PING": 0x01, "PONG": 0x02, "CREDIT": 0x03, "BATCH": 0x04, "GOAWAY": 0x05,
         "RECONNECT": 0x06, "CALL": 0x20, "REPLY": 0x21, "CALL_END": 0x22, "OFFER": 0x23, "ACK": 0x24, "STATE": 0x25,
         "CANCEL": 0x26, "DRAIN": 0x27, "BYE": 0x28, "FACTS": 0x29, "LOG": 0x40, "BEAT": 0x41}
NAMES = {v: k for k, v in TYPES.items()}
LAST, ERROR, LINK, CRC, SEQ, ACK, OFFSET, TIME = 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80
ATTEMPT, JOB_TEXT, JSON, PAYLOAD, SUBSTREAM, HASH, MORE = 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x8000
PARAMS, AUTH = SUBSTREAM, HASH
MARKS = {"LAST": LAST, "ERROR": ERROR, "LINK": LINK, "MORE": MORE}
SESSION = {"RECONNECT", "REPLY", "OFFER", "ACK", "STATE", "CANCEL", "DRAIN", "BYE", "FACTS", "LOG", "BEAT"}

TABLE = []
for n in range(256):
    c = n
    for _ in range(8):
        c = (c >> 1) ^ 0x82F63B78 if c & 1 else c >> 1
    TABLE.append(c)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = TABLE[(c ^ b) & 0xFF] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def text(s):
    raw = s.encode() if isinstance(s, str) else s
    return varint(len(raw)) + raw


class Body:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, n):
        assert self.at + n <= len(self.raw), "a field is longer than the frame"
        self.at += n
        return self.raw[self.at - n:self.at]

    def varint(self):
        v = shift = 0
        while True:
            b = self.take(1)[0]
            v |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return v
            assert shift < 70, "a varint is too long"

    def text(self):
        return self.take(self.varint()).decode()

    def rest(self):
        return self.take(len(self.raw) - self.at)


def canonical_uuid(s):
    plain = s.replace("-", "")
    if len(s) != 36 or len(plain) != 32 or any(c not in "0123456789abcdef" for c in plain):
        return None
    return bytes.fromhex(plain) if [i for i, c in enumerate(s) if c == "-"] == [8, 13, 18, 23] else None


def uuid_text(raw):
    h = raw.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


def encode(m):
    """From a meaning, as in golden_vectors.txt, to one frame."""
    name, flags, body = m["type"], 0, b""
    for mark in m.get("flags", []):
        flags |= MARKS[mark]
    payload = bytes.fromhex(m["payload"]) if "payload" in m else None
    if name == "HELLO":
        body = struct.pack("<HHIIIIIQQ", m["version_min"], m["version_max"], m["max_frame"], m["max_message"],
                           m["max_streams"], m["log_window"], m["call_window"], m["features"], m["required"])
        body += bytes.fromhex(m["nonce"]) + bytes.fromhex(m["echo"]) + text(m["agent"])
    elif name in ("PING", "PONG"):
        body = bytes.fromhex(m["opaque"])
    elif name == "CREDIT":
        body = varint(m["bytes"])
    elif name == "BATCH":
        body = b"".join(encode(inner) for inner in m["frames"])
    elif name in ("GOAWAY", "CALL_END"):
        body = varint(m["code"]) + m["reason"].encode()
    elif name == "CALL":
        body = text(m["method"])
        for key, flag in (("params", PARAMS), ("auth", AUTH), ("left_us", TIME), ("json", JSON)):
            if key in m:
                flags |= flag
                body += varint(m[key]) if key == "left_us" else text(m[key])
    else:
        assert name in SESSION, name
        for key, flag in (("seq", SEQ), ("ack", ACK), ("substream", SUBSTREAM), ("offset", OFFSET), ("time", TIME),
                          ("hash", HASH)):
            if key in m:
                flags |= flag
                body += varint(m[key])
        if "job" in m:
            flags |= ATTEMPT
            raw = canonical_uuid(m["job"])
            if raw is None:
                flags |= JOB_TEXT
            body += (text(m["job"]) if raw is None else raw) + varint(m["number"]) + text(m["token"])
        if "json" in m:
            flags |= JSON
            body += text(m["json"])
    if payload is not None:
        flags |= PAYLOAD
        body += payload
    return frame(TYPES[name], flags, m.get("stream", 0), body, m.get("priority", 0), m.get("crc", False))


def frame(kind, flags, stream, body, priority=0, crc=False):
    if not crc:
        return struct.pack("<IBBHI", len(body), kind, priority, flags, stream) + body
    raw = struct.pack("<IBBHI", len(body) + 4, kind, priority, flags | CRC, stream) + body
    return raw + struct.pack("<I", crc32c(raw))


def decode(raw):
    """One frame to its meaning and the bytes after it."""
    length, kind, priority, flags, stream = struct.unpack_from("<IBBHI", raw)
    assert len(raw) >= 12 + length, "incomplete"
    content, after = raw[12:12 + length], raw[12 + length:]
    m = {"type": NAMES.get(kind, kind)}
    if priority:
        m["priority"] = priority
    if stream:
        m["stream"] = stream
    if m["type"] == kind:
        return m, after
    if flags & CRC:
        assert crc32c(raw[:12 + length - 4]) == struct.unpack("<I", content[-4:])[0], "checksum"
        content, m["crc"] = content[:-4], True
    marks = [k for k, v in MARKS.items() if flags & v]
    if marks:
        m["flags"] = marks
    b, name = Body(content), m["type"]
    if name == "HELLO":
        keys = ("version_min", "version_max", "max_frame", "max_message", "max_streams", "log_window", "call_window",
                "features", "required")
        m.update(zip(keys, struct.unpack("<HHIIIIIQQ", b.take(40))))
        m["nonce"], m["echo"], m["agent"] = b.take(16).hex(), b.take(16).hex(), b.text()
    elif name in ("PING", "PONG"):
        m["opaque"] = b.take(8).hex()
    elif name == "CREDIT":
        m["bytes"] = b.varint()
    elif name == "BATCH":
        m["frames"], inner = [], b.rest()
        while inner:
            one, inner = decode(inner)
            m["frames"].append(one)
    elif name in ("GOAWAY", "CALL_END"):
        m["code"], m["reason"] = b.varint(), b.rest().decode()
    elif name == "CALL":
        m["method"] = b.text()
        for key, flag in (("params", PARAMS), ("auth", AUTH), ("left_us", TIME), ("json", JSON)):
            if flags & flag:
                m[key] = b.varint() if key == "left_us" else b.text()
    else:
        for key, flag in (("seq", SEQ), ("ack", ACK), ("substream", SUBSTREAM), ("offset", OFFSET), ("time", TIME),
                          ("hash", HASH)):
            if flags & flag:
                m[key] = b.varint()
        if flags & ATTEMPT:
            m["job"] = b.text() if flags & JOB_TEXT else uuid_text(b.take(16))
            m["number"], m["token"] = b.varint(), b.text()
        if flags & JSON:
            m["json"] = b.text()
    if flags & PAYLOAD:
        m["payload"] = b.rest().hex()
    assert b.at == len(b.raw), "bytes after the last field"
    return m, after


def vectors(path):
    name = meaning = None
    for line in open(path, encoding="utf-8"):
        word, _, rest = line.strip().partition(" ")
        if word == "vector":
            name = rest
        elif word == "meaning":
            meaning = json.loads(rest)
        elif word == "bytes":
            yield name, meaning, bytes.fromhex(rest)


def check_pieces():
    """A CREDIT between the pieces of a message on the same stream is a message of its own."""
    ours, theirs = socket.socketpair()
    p, offer = Peer(theirs), {"type": "OFFER", "stream": 2, "job": "j", "number": 1, "token": "t", "payload": "ab" * 100}
    flags, body = struct.unpack_from("<H", encode(offer), 6)[0], encode(offer)[12:]
    credit = {"type": "CREDIT", "stream": 2, "bytes": 7}
    ours.sendall(frame(TYPES["OFFER"], flags | MORE, 2, body[:50]) + encode(credit) + frame(TYPES["OFFER"], flags, 2, body[50:]))
    assert p.next() == credit and p.next() == offer


def check(path):
    check_pieces()
    assert crc32c(b"123456789") == 0xE3069283 != zlib.crc32(b"123456789")
    count = 0
    for name, meaning, raw in vectors(path):
        if meaning["type"] == "PREFACE":
            assert raw == PREFACE, name
        else:
            found, after = decode(raw)
            assert not after and found == meaning, f"{name}: decoded {found}, expected {meaning}"
            assert encode(meaning) == raw, f"{name}: encoded {encode(meaning).hex()}, expected {raw.hex()}"
        count += 1
    assert count >= 15, f"only {count} vectors"
    print(f"{count} vectors agree")


class Peer:
    """A connection after the sockets are joined."""

    def __init__(self, sock):
        self.sock, self.pending, self.crc = sock, b"", False
        self.pieces, self.batch = {}, []
        sock.settimeout(10)

    def send(self, m):
        self.sock.sendall(encode(dict(m, crc=True) if self.crc else m))

    def more(self):
        got = self.sock.recv(65536)
        assert got, "the peer closed the connection"
        self.pending += got

    def take_preface(self):
        while len(self.pending) < 12:
            self.more()
        assert self.pending[:12] == PREFACE, self.pending[:12]
        self.pending = self.pending[12:]

    def one(self):
        """The next message, joined from its pieces."""
        while True:
            while len(self.pending) < 12 or len(self.pending) < 12 + struct.unpack_from("<I", self.pending)[0]:
                self.more()
            length, kind, priority, flags, stream = struct.unpack_from("<IBBHI", self.pending)
            raw, self.pending = self.pending[:12 + length], self.pending[12 + length:]
            if kind < 0x20 or (not flags & MORE and stream not in self.pieces):  # CREDIT and the like join no message
                return decode(raw)[0]
            assert bool(flags & CRC) == self.crc
            if self.crc:
                assert crc32c(raw[:-4]) == struct.unpack("<I", raw[-4:])[0], "checksum"
                raw, flags = raw[:-4], flags & ~CRC
            begun = self.pieces.setdefault(stream, (kind, flags & ~MORE, bytearray()))
            assert begun[:2] == (kind, flags & ~MORE), "pieces differ"
            begun[2].extend(raw[12:])
            if not flags & MORE:
                del self.pieces[stream]
                return decode(frame(kind, flags, stream, bytes(begun[2]), priority))[0]

    def next(self):
        """The next message, out of its BATCH."""
        if not self.batch:
            m = self.one()
            if m["type"] != "BATCH":
                return m
            self.batch = m["frames"]
        return self.batch.pop(0)

    def expect(self, **wanted):
        m = self.next()
        for key, value in wanted.items():
            assert m.get(key) == value, f"expected {wanted}, found {m}"
        return m


def hello(**more):
    return dict({"type": "HELLO", "version_min": 1, "version_max": 1, "max_frame": 1 << 20, "max_message": 1 << 22,
                 "max_streams": 16, "log_window": 1 << 20, "call_window": 1 << 18, "features": 1, "required": 0,
                 "nonce": os.urandom(16).hex(), "echo": "00" * 16, "agent": "twin"}, **more)


def dial(host, port):
    p = Peer(socket.create_connection((host, int(port)), 10))
    mine = hello()
    p.sock.sendall(PREFACE + encode(mine))
    p.take_preface()
    theirs = p.expect(type="HELLO", version_min=1, version_max=1, echo=mine["nonce"])
    p.crc = bool(theirs["features"] & 1)

    p.send({"type": "PING", "opaque": "0102030405060708"})
    p.expect(type="PONG", opaque="0102030405060708")
    p.sock.sendall(frame(0x77, 0xFFFF, 9, b"from the future"))  # unknown type: skipped

    p.send({"type": "CALL", "stream": 17, "method": "echo", "params": '{"a":1}', "json": '{"b":2}', "payload": "00ff"})
    p.expect(type="REPLY", stream=17, flags=["LAST"], json='{"b":2}', payload="00ff")

    # The same in pieces and in a batch with a ping.
    whole = encode({"type": "CALL", "stream": 18, "method": "echo", "json": '{"c":3}', "payload": "ab" * 1000})
    flags, body = struct.unpack_from("<H", whole, 6)[0], whole[12:]
    for i in range(0, len(body), 300):
        more = MORE if i + 300 < len(body) else 0
        p.sock.sendall(frame(TYPES["CALL"], flags | more, 18, body[i:i + 300], 1, p.crc))
        if more:
            p.send({"type": "CREDIT", "stream": 18, "bytes": 1})  # of a call that is not there yet: ignored
    p.expect(type="REPLY", stream=18, json='{"c":3}', payload="ab" * 1000)
    p.send({"type": "BATCH", "frames": [{"type": "PING", "opaque": "11" * 8}, {"type": "PING", "opaque": "22" * 8}]})
    p.expect(type="PONG", opaque="11" * 8)
    p.expect(type="PONG", opaque="22" * 8)

    # A session: the acceptor offers, this side answers.
    p.send({"type": "CALL", "stream": 19, "method": "link", "json": "{}"})
    p.expect(type="REPLY", stream=19, flags=["LAST", "LINK"])
    offer = p.expect(type="OFFER", number=1)
    p.send({"type": "LOG", "stream": 2, "priority": 1, "job": offer["job"], "number": 1, "token": offer["token"],
            "substream": 1, "time": 5, "payload": b"hello from the twin".hex()})
    p.send({"type": "STATE", "stream": 1, "flags": ["LAST"], "job": offer["job"], "number": 1,
            "token": offer["token"], "offset": 19, "payload": offer.get("payload", "")})
    p.expect(type="ACK", substream=5, job=offer["job"])

    # A forbidden flag ends the connection with its code.
    p.sock.sendall(frame(TYPES["PING"], 0x4000, 0, b"12345678"))
    p.expect(type="GOAWAY", code=0x0104)
    print("dialled")


def greet(host, port):
    p = Peer(socket.create_connection((host, int(port)), 10))
    mine = hello()
    p.sock.sendall(PREFACE + encode(mine))
    p.take_preface()
    theirs = p.expect(type="HELLO", echo=mine["nonce"])
    p.crc = bool(theirs["features"] & 1)
    return p


def leave(p):
    """The orderly end: GOAWAY 0, then everything is read until the other side has closed, too."""
    p.send({"type": "GOAWAY", "code": 0, "reason": "moved"})
    p.sock.shutdown(socket.SHUT_WR)
    while p.sock.recv(65536):
        pass


def dial_on(host, port):
    plain, linked = greet(host, port), greet(host, port)
    plain.send({"type": "CALL", "stream": 16, "method": "echo", "json": '{"n":1}'})
    plain.expect(type="REPLY", stream=16, json='{"n":1}')
    linked.send({"type": "CALL", "stream": 16, "method": "link", "json": "{}"})
    linked.expect(type="REPLY", flags=["LAST", "LINK"])
    print("ready", flush=True)

    told = plain.expect(type="RECONNECT")
    assert "stream" not in told and json.loads(told["json"])["reconnect"] is True, told
    told = linked.expect(type="BYE", stream=1)
    assert "flags" not in told and json.loads(told["json"])["reconnect"] is True, told
    for n in (17, 18):  # both go on
        for p in (plain, linked):
            p.send({"type": "CALL", "stream": n, "method": "echo", "json": '{"n":2}'})
            p.expect(type="REPLY", stream=n, json='{"n":2}')

    # One that is new, but came to the old acceptor: told at once, and again when it opens a session there.
    late = greet(host, port)
    late.expect(type="RECONNECT")
    late.send({"type": "CALL", "stream": 16, "method": "link", "json": "{}"})
    late.expect(type="REPLY", flags=["LAST", "LINK"])
    late.expect(type="BYE", stream=1)
    for p in (plain, linked, late):
        leave(p)
    print("moved")


def serve():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    listener.settimeout(20)
    p = Peer(listener.accept()[0])
    p.take_preface()
    theirs = p.expect(type="HELLO", echo="00" * 16)
    p.sock.sendall(PREFACE + encode(hello(echo=theirs["nonce"], features=theirs["features"] & 1)))
    p.crc = bool(theirs["features"] & 1)
    while True:
        m = p.next()
        if m["type"] == "PING":
            p.send({"type": "PONG", "opaque": m["opaque"]})
        elif m["type"] == "CALL":
            reply = {"type": "REPLY", "stream": m["stream"], "json": m.get("json", "{}")}
            if m["method"] == "stream":  # more than the window of a call: needs credit
                for i in range(8):
                    p.send(dict(reply, payload=(bytes([i]) * 60000).hex()))
                    if i == 4:
                        p.expect(type="CREDIT", stream=m["stream"])
                p.send(dict(reply, flags=["LAST"]))
            else:
                if m["method"] == "retire":
                    p.send({"type": "RECONNECT", "json": '{"reason":"twin","reconnect":true}'})
                flags = ["LAST", "LINK"] if m["method"] == "link" else ["LAST"]
                p.send(dict(reply, flags=flags, payload=m.get("payload", "")))
        elif m["type"] == "OFFER":
            p.send({"type": "ACK", "stream": 1, "job": m["job"], "number": m["number"], "token": m["token"],
                    "substream": 2})
        elif m["type"] == "GOAWAY":
            print("served")
            return


if __name__ == "__main__":
    {"check": check, "dial": dial, "dial_on": dial_on, "serve": serve}[sys.argv[1]](*sys.argv[2:])
