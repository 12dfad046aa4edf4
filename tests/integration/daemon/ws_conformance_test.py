"""RFC 6455 and RFC 7692 as a peer meets them that writes every frame by hand, and as Autobahn's library does."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import unittest
import zlib

from harness import SOURCE, FleetTest
from ws_frames import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, RSV2, RSV3, TEXT, Deflater, Wire, close, fragments, frame

CALL = json.dumps({"kind": "call", "id": 1, "method": "jobs.get", "params": {"id": "ä€😀"}}, ensure_ascii=False).encode()
DEFLATE = "permessage-deflate"
PIECES = [CALL[i:i + 7] for i in range(0, len(CALL), 7)]  # cuts characters
PINGS = frame(FIN | PING, b"are you there") + frame(FIN | PONG, b"nobody asked")
ANSWER = "answer"  # instead of a close code: the call is answered, and the connection goes on


def rows():
    yield "in one frame", frame(FIN | TEXT, CALL), ANSWER
    yield "in fragments that cut characters", fragments(TEXT, PIECES), ANSWER
    yield "in fragments with control frames between", fragments(TEXT, PIECES, PINGS), ANSWER
    yield "a byte a fragment", fragments(TEXT, [CALL[i:i + 1] for i in range(len(CALL))]), ANSWER
    yield "with empty fragments", fragments(TEXT, [b"", b"", CALL, b""]), ANSWER
    yield "as binary, in fragments", fragments(BINARY, [struct.pack(">I", len(CALL))[:3], struct.pack(">I", len(CALL))[3:] + CALL]), ANSWER
    yield "after a ping of 125 bytes", frame(FIN | PING, b"p" * 125) + frame(FIN | TEXT, CALL), ANSWER
    # Framing.
    yield "not masked", frame(FIN | TEXT, CALL, masked=False), 1002
    yield "a ping that is not masked", frame(FIN | PING, b"x", masked=False), 1002
    yield "a ping of 126 bytes", frame(FIN | PING, b"p" * 126), 1002
    yield "a close of 126 bytes", close(1000, b"r" * 124), 1002
    for name, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE)):
        yield f"a fragmented {name}", frame(opcode, b""), 1002
    for bit in (RSV1, RSV2, RSV3):
        yield f"reserved bit {bit:#x}, which was not agreed on", frame(FIN | bit | TEXT, CALL), 1002
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"opcode {opcode}", frame(FIN | opcode, b"x"), 1002
    yield "a continuation of nothing", frame(FIN | CONTINUATION, b"x"), 1002
    yield "a message within a message", frame(TEXT, b"{") + frame(FIN | TEXT, CALL), 1002
    yield "a length of 2^63 and more", struct.pack(">BBQ", FIN | BINARY, 0xff, 1 << 63) + b"mask", (1002, 1009)
    yield "a length beyond max_message", struct.pack(">BBQ", FIN | BINARY, 0xff, 1 << 40) + b"mask", 1009
    # UTF-8, told as soon as it is certain: none of these messages ends.
    for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xfe"):
        yield f"text that cannot become UTF-8: {bad!r}", frame(TEXT, bad), 1007
        yield f"the same, cut in two: {bad!r}", frame(TEXT, bad[:1]) + frame(CONTINUATION, bad[1:] or b"x"), 1007
    yield "text that ends within a character", frame(FIN | TEXT, "€".encode()[:2]), 1007
    yield "text whose character is cut by the end of the last fragment", fragments(TEXT, [b"{", "😀".encode()[:3]]), 1007
    # Closing.
    yield "a close without a code", frame(FIN | CLOSE), (0, 1000)
    yield "a close of one byte", frame(FIN | CLOSE, b"\x03"), 1002
    yield "a close whose reason is no UTF-8", close(1000, b"\xff\xfe"), (1002, 1007)
    yield "a close with the longest reason", close(1000, b"r" * 123), 1000
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        yield f"close code {code}", close(code), (code, 1002) if 1012 <= code <= 1014 else code
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999):
        yield f"close code {code}", close(code), 1002
    yield "close code 5000, which Beast lets pass", close(5000), (1002, 5000)
    yield "a close, and data behind it", close(1001) + frame(FIN | TEXT, CALL), 1001
    yield "a close within a message", frame(TEXT, b"{") + close(1000), 1000


def deflated_rows():
    """Each gets a connection on which compression was agreed on; the first element makes the bytes of a new Deflater."""
    def cut(z):
        data = z(CALL)
        return frame(RSV1 | TEXT, data[:5]) + PINGS + frame(CONTINUATION, data[5:9]) + frame(FIN | CONTINUATION, data[9:])
    final = zlib.compressobj(9, zlib.DEFLATED, -15)
    ended = final.compress(CALL) + final.flush(zlib.Z_FINISH)  # a final block; RFC 7692, section 7.2.3.4
    stored = b"\0" + struct.pack("<HH", len(CALL), len(CALL) ^ 0xffff) + CALL + b"\0"
    yield "compressed", lambda z: frame(FIN | RSV1 | TEXT, z(CALL)), ANSWER
    yield "compressed, in fragments with pings between", cut, ANSWER
    yield "not compressed although it was agreed on", lambda z: frame(FIN | TEXT, CALL), ANSWER
    yield "compressed in a block without compression", lambda z: frame(FIN | RSV1 | TEXT, stored), ANSWER
    # Beast does not take it, which the README says.
    yield "compressed in a final block", lambda z: frame(FIN | RSV1 | TEXT, ended + b"\0"), 1007
    yield "reserved bit 1 on a continuation", lambda z: frame(RSV1 | TEXT, z(CALL)) + frame(FIN | RSV1 | CONTINUATION), 1002
    yield "reserved bit 1 on a ping", lambda z: frame(FIN | RSV1 | PING, b"x"), 1002
    yield "reserved bit 2", lambda z: frame(FIN | RSV2 | TEXT, z(CALL)), 1002
    yield "bytes that are not deflated", lambda z: frame(FIN | RSV1 | TEXT, b"\xff" * 40), 1007
    yield "a reference to before the beginning", lambda z: frame(FIN | RSV1 | TEXT, b"\x2a\x86\xb1\x84\x03\x00"), 1007
    yield "what is no UTF-8, compressed", lambda z: frame(FIN | RSV1 | TEXT, z(b"{\xff}")), 1007


class WsConformance(FleetTest):
    def speaks(self, wire, expected):
        """`expected` is a close code, several, or ANSWER: then the connection is asked once more, too."""
        if expected is not ANSWER:
            codes = expected if isinstance(expected, tuple) else (expected,)
            self.assertIn(wire.hear_end(), codes)
            return
        for again in (False, True):
            if again:
                wire.say(frame(FIN | TEXT, CALL))
            _, text = wire.hear_message()
            answer = json.loads(text)
            self.assertEqual((answer["id"], answer["flags"], answer["json"]["field"]), (1, 3, "id"), answer)

    def test_each_frame_is_taken_or_ends_with_the_code_of_the_rfc(self):
        d = self.daemon()
        for name, data, expected in rows():
            with self.subTest(name):
                wire = Wire(d.port)
                wire.say(data)
                self.speaks(wire, expected)
                wire.quit()
        for name, make, expected in deflated_rows():
            with self.subTest(name):
                wire = Wire(d.port, DEFLATE)
                self.assertIn(DEFLATE, wire.head)
                wire.say(make(Deflater()))
                self.speaks(wire, expected)
                wire.quit()
        self.assertEqual(d.get("/healthz")["status"], "ok")

    def test_pings_are_answered_between_the_fragments_and_close_is_answered_first(self):
        d = self.daemon()
        wire = Wire(d.port)
        wire.say(frame(TEXT, CALL[:9]) + frame(FIN | PING, b"now"))
        self.assertEqual(wire.hear(), (FIN | PONG, b"now"), "a pong waits for no end of a message")
        wire.say(frame(FIN | CONTINUATION, CALL[9:]))
        self.speaks(wire, ANSWER)
        wire.say(close(1000, b"done"))
        self.assertEqual(wire.hear_end(), 1000)

    def test_the_window_of_compression_is_kept_both_ways_or_not_as_agreed(self):
        d = self.daemon()
        documents = json.dumps({"command": ["true"], "labels": {f"label{i}": "value" * 20 for i in range(20)}})
        submit = json.dumps({"kind": "call", "id": 1, "method": "jobs.submit", "json": json.loads(documents)}).encode()
        for extensions in (DEFLATE, f"{DEFLATE}; client_no_context_takeover", f"{DEFLATE}; server_no_context_takeover",
                           f"{DEFLATE}; client_max_window_bits; server_max_window_bits=10"):
            with self.subTest(extensions):
                wire, window, sizes = Wire(d.port, extensions), Deflater(), []
                agreed = wire.head.lower()
                if "server_no" in extensions:
                    self.assertIn("server_no_context_takeover", agreed)
                bits = [int(part.split("=")[1]) for part in agreed.replace("\r\n", ";").split(";") if "server_max_window_bits=" in part]
                self.assertTrue(all(b <= 13 for b in bits), wire.head)
                for _ in range(4):
                    if "client_no_context_takeover" in agreed:
                        window.out = zlib.compressobj(9, zlib.DEFLATED, -15)
                    data = window(submit)
                    sizes.append(len(data))
                    wire.say(frame(FIN | RSV1 | TEXT, data))
                    first, text = wire.hear_message()
                    self.assertTrue(first & RSV1, "a large answer is compressed")
                    if "server_no_context_takeover" in agreed:
                        window.back = zlib.decompressobj(-15)
                    self.assertEqual(json.loads(window.undo(text))["json"]["labels"]["label7"], "value" * 20)
                if "client_no" not in agreed:
                    self.assertLess(sizes[1], sizes[0] / 4, "the second refers to the first")
                wire.quit()

    def test_a_bomb_ends_at_the_limit_and_not_in_memory(self):
        d = self.daemon()

        def resident():
            return int(pathlib.Path(f"/proc/{d.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
        before = resident()
        bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(512)) + bomb.flush(zlib.Z_SYNC_FLUSH)
        self.assertLess(len(data), 1 << 20, "512 MiB in less than one")
        for _ in range(4):
            wire = Wire(d.port, DEFLATE)
            wire.say(frame(FIN | RSV1 | BINARY, data[:-4]))
            self.assertEqual(wire.hear_end(), 1009)
            wire.quit()
        self.assertLess(resident() - before, 96, "MiB; max_message is 16")
        self.assertEqual(d.get("/healthz")["status"], "ok")

    def test_a_peer_that_ends_only_its_side_has_its_calls_ended(self):
        d = self.daemon()
        wire = Wire(d.port)
        wire.say(frame(FIN | TEXT, json.dumps({"kind": "call", "id": 1, "method": "events.watch"}).encode()))
        wire.say(frame(TEXT, b"half of"))
        wire.socket.shutdown(1)
        while True:  # no reset, and no endless wait
            try:
                wire.hear()
            except EOFError:
                break
        self.assertEqual(d.get("/healthz")["status"], "ok")

    def test_autobahn_drives_the_control_api_in_fragments_and_compressed(self):
        d = self.daemon()
        self.runner_for(d)
        python = sys.executable
        if subprocess.run([python, "-c", "import autobahn"], capture_output=True).returncode:
            python = "/usr/bin/python3"  # which Debian's python3-autobahn is for
        peer = SOURCE / "tests/integration/daemon/ws_peers/autobahn_caller.py"
        done = subprocess.run([python, "-W", "ignore", peer, f"ws://127.0.0.1:{d.port}/v1/session"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for result in json.loads(done.stdout):
            with self.subTest(result["how"]):
                self.assertEqual((result["state"], result["log"]), ("succeeded", "x" * 100_000 + "\n"))
                self.assertEqual((result["echoed"], result["pong"]), (True, True))
                self.assertEqual((result["clean"], result["code"]), (True, 1000))


if __name__ == "__main__":
    unittest.main()
