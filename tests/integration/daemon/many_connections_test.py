"""Thousands of connections that say nothing, or a byte now and then: they end at their limits, cost little, and disturb nobody."""
import os
import pathlib
import resource
import select
import socket
import ssl
import struct
import threading
import time
import unittest

from harness import FleetTest, wait_until
from secure_fleet import key, make_certificates, pem

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the beginning of one
LIMITS = ["server.peek_timeout=2s", "instance http.header_timeout=2s", "instance http.body_timeout=2s",
          "instance websocket.handshake_timeout=2s", "instance grpc.preface_timeout=2s", "instance valkyrie.read_timeout=2s"]


def resident_mb(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class Crowd:
    """Sockets of which one learns when the peer has ended them."""

    def __init__(self):
        self.poll, self.open, self.lost = select.epoll(), {}, 0

    def add(self, s):
        s.setblocking(False)
        self.open[s.fileno()] = s
        self.poll.register(s.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def connect(self, port, first, count):
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", port), timeout=30)
            try:
                s.sendall(first)
            except OSError:
                pass
            self.add(s)

    def reap(self, wait=0.0):
        """How many are still open; what the others were told does not matter."""
        for fd, _ in self.poll.poll(wait, 4096):
            s = self.open[fd]
            try:
                if s.recv(65536):
                    continue
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except OSError:
                pass
            self.drop(fd)
        return len(self.open)

    def drop(self, fd):
        self.poll.unregister(fd)
        self.open.pop(fd).close()

    def say(self, byte):
        for fd, s in list(self.open.items()):
            try:
                s.send(byte)
            except (BlockingIOError, ssl.SSLError):
                pass
            except OSError:
                self.drop(fd)

    def close(self):
        for fd in list(self.open):
            self.drop(fd)
        self.poll.close()


class ManyConnections(FleetTest):
    @classmethod
    def setUpClass(cls):
        make_certificates()

    def setUp(self):
        super().setUp()
        self.crowd = Crowd()
        self.addCleanup(self.crowd.close)

    def encrypted(self):
        return [f"tls.certificate={pem('server')}", f"tls.key={key('server')}"]

    def number(self, wanted):
        """As many as the limit of open files leaves, here and in the daemon."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
        if most < wanted:
            print(f"{most} connections instead of {wanted}: the limit of open files")
        return min(wanted, most)

    def served_meanwhile(self, d):
        began = time.monotonic()
        self.assertEqual(d.get("/healthz")["status"], "ok")
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        self.sigrun(d, "runner", "ls", check=0)
        return time.monotonic() - began

    def all_end(self, d, within=15):
        """The most memory that the daemon had meanwhile, in MB."""
        end, most = time.monotonic() + within, resident_mb(d.pid)
        while self.crowd.reap(0.1):
            self.assertLess(time.monotonic(), end, f"{len(self.crowd.open)} are still open")
            most = max(most, resident_mb(d.pid))
        return most

    def test_ten_thousand_idle_connections_end_at_the_deadline_and_others_are_served(self):
        d = self.daemon(settings=[*LIMITS, *self.encrypted()])
        self.runner_for(d)
        self.served_meanwhile(d)
        before = resident_mb(d.pid)
        count = self.number(10_000)
        firsts = (b"", b"GET /healthz HTTP/1.1\r\nHost: loc", CLIENT_HELLO, b"VLK")
        for first in firsts:
            self.crowd.connect(d.port, first, count // len(firsts))
        took = self.served_meanwhile(d)
        self.assertLess(took, 5)
        most = self.all_end(d)
        print(f"{count} connections: {most - before:.0f} MB, three calls meanwhile in {took:.2f} s")
        self.assertLess(most - before, 200, "MB for 10,000 connections")
        # It keeps nothing of them: the next crowd fits into what the first one took, but for what the allocator scatters.
        for first in firsts:
            self.crowd.connect(d.port, first, count // len(firsts))
        self.assertLess(self.all_end(d) - most, 80, "MB more for the second crowd: 8 KB and more of each connection")
        self.served_meanwhile(d)

    def test_who_drips_bytes_ends_at_the_limit_of_what_it_drips(self):
        d = self.daemon(settings=LIMITS)
        self.runner_for(d)
        drips = {
            "a request's head": (b"GET /healthz HTTP/1.1\r\nX: ", b"x"),
            "a request's head, line by line": (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n", b"A: b\r\n"),
            "a body": (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n", b" "),
            "a chunked body": (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            "an upgrade": (b"GET /v1/session HTTP/1.1\r\nUpgrade: websocket\r\nX: ", b"x"),
            "SETTINGS that never end": (PREFACE + struct.pack(">I", 6 * 2048)[1:] + b"\x04\0" + b"\0\0\0\0", b"\0"),
            "a preface of HTTP/2": (PREFACE[:6], b""),
            "a preface of Valkyrie": (b"V", b""),
        }
        began = time.monotonic()
        crowds = {}
        for name, (first, _) in drips.items():
            crowds[name] = Crowd()
            self.addCleanup(crowds[name].close)
            crowds[name].connect(d.port, first, 50)
        took = self.served_meanwhile(d)
        self.assertLess(took, 5)
        ended = {}
        while len(ended) < len(drips):
            for name, crowd in crowds.items():
                if name in ended:
                    continue
                crowd.say(drips[name][1])
                if not crowd.reap():
                    ended[name] = round(time.monotonic() - began, 1)
            self.assertLess(time.monotonic() - began, 20, {n: len(c.open) for n, c in crowds.items() if n not in ended})
            threading.Event().wait(0.1)
        print(ended)
        self.served_meanwhile(d)

    def test_silence_before_within_and_after_a_tls_handshake_ends(self):
        d = self.daemon(settings=[*LIMITS, *self.encrypted()])
        self.runner_for(d)
        before = resident_mb(d.pid)
        context = ssl.create_default_context(cafile=pem("ca"))
        hello = ssl.MemoryBIO()
        half = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
        try:
            half.do_handshake()
        except ssl.SSLWantReadError:
            pass
        whole_hello = hello.read()
        self.crowd.connect(d.port, whole_hello, 300)  # whose answer is never taken up
        self.crowd.connect(d.port, whole_hello[:-1], 300)
        for _ in range(200):
            s = context.wrap_socket(socket.create_connection(("127.0.0.1", d.port), timeout=30), server_hostname="localhost")
            self.crowd.add(s)
        took = self.served_meanwhile(d)
        self.assertLess(took, 5)
        self.assertLess(self.all_end(d) - before, 200, "MB for 800 connections")
        wait_until("the daemon has none left", lambda: "sigrun_connections_waiting 0\n" in d.get("/metrics"), 10)
        self.served_meanwhile(d)


if __name__ == "__main__":
    unittest.main()
