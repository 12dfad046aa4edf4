"""The Python client (sdk/clients/python) against real daemons: jobs, output, events, artifacts, errors, TLS, broken connections."""
import http.client
import http.server
import sys
import threading
import unittest

from cutting import Cutting
from harness import SOURCE, FleetTest, free_port, wait_until
from secure_fleet import SecureFleet, make_certificates, pem

sys.path.insert(0, str(SOURCE / "sdk" / "clients" / "python"))
from sigrun import ChecksumMismatch, Client, ConnectionLost, DaemonError, WaitTimeout  # noqa: E402


class Careless(http.server.ThreadingHTTPServer):
    """A proxy that says 502 to each path at first, forgets ranges, and breaks off what is large the first time."""

    def __init__(self, port):
        self.refused, self.cut = [], []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def forward(self):
                path = self.path.split("?")[0]
                if path not in owner.refused:
                    owner.refused.append(path)
                    self.send_error(502, "nobody is there")
                    return
                daemon = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                daemon.request(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                answer = daemon.getresponse()
                body = answer.read()
                daemon.close()
                self.send_response(answer.status)
                for name in ("Content-Type", "ETag"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if len(body) > 100_000 and path not in owner.cut:
                    owner.cut.append(path)
                    body = body[:100_000]
                self.wfile.write(body)
                self.close_connection = True

            do_GET = do_POST = forward

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class PythonClient(SecureFleet, FleetTest):
    def client_of(self, d, **options):
        c = Client(f"http://127.0.0.1:{d.port}", **options)
        self.addCleanup(c.close)
        return c

    def through(self, d, cut_after, cuts=None):
        way = Cutting(d.port, cut_after, cuts)
        self.addCleanup(way.close)
        c = Client(f"http://127.0.0.1:{way.port}", timeout=10)
        self.addCleanup(c.close)
        return c, way

    def test_submit_wait_output_and_cancel(self):
        d = self.daemon()
        self.runner_for(d)
        c = self.client_of(d)
        job = c.run(["sh", "-c", "echo out; echo err >&2; exit 3"], env={"A": "b"}, labels={"x": "y"})
        self.assertEqual((job["state"], job["exit_code"], job["labels"]), ("failed", 3, {"x": "y"}))
        self.assertEqual(sorted((p.stream, p.data) for p in c.logs(job["id"])), [("stderr", b"err\n"), ("stdout", b"out\n")])
        binary = c.run(["sh", "-c", r"printf '\377\000x'"])
        self.assertEqual(c.output(binary["id"]), b"\xff\x00x")
        gate = self.dir / "gate"
        waits = ["sh", "-c", f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; echo ended"]
        job = c.submit(waits)
        followed = c.logs(job["id"], follow=True)
        self.assertEqual(next(followed).data, b"begun\n")
        with self.assertRaises(WaitTimeout) as late:
            c.wait(job["id"], timeout=0.1)
        self.assertEqual(late.exception.job["state"], "running")
        with self.assertRaises(WaitTimeout):
            c.run(waits, timeout=0.1, key="the other")
        gate.touch()
        self.assertEqual(b"".join(p.data for p in followed), b"ended\n")
        self.assertEqual(c.wait(job["id"], timeout=30)["state"], "succeeded")
        self.assertEqual(c.run(waits, key="the other")["state"], "succeeded")
        self.assertEqual(len([j for j in c.jobs()]), 4, "a key makes one job")
        gate.unlink()
        job = c.submit(waits)
        next(c.logs(job["id"], follow=True))
        c.cancel(job["id"], grace="1s")
        self.assertEqual(c.wait(job["id"], timeout=30)["state"], "cancelled")
        gate.touch()
        again = c.retry(job["id"])
        self.assertEqual(again["retry_of"], job["id"])
        self.assertEqual(c.wait(again["id"], 30)["state"], "succeeded")

    def test_many_jobs_and_pages(self):
        d = self.daemon()
        self.runner_for(d)
        c = self.client_of(d)
        made = c.submit_many([{"name": "build", "command": ["true"]}, {"name": "test", "needs": ["build"], "command": ["echo", "tested"]}],
                             defaults={"labels": {"of": "one"}}, key="k")
        self.assertEqual(c.submit_many([{"name": "build", "command": ["true"]}, {"name": "test", "needs": ["build"], "command": ["echo", "tested"]}],
                                       defaults={"labels": {"of": "one"}}, key="k")["submission"], made["submission"])
        last = made["items"][-1]["id"]
        self.assertEqual(c.wait(last, 30)["state"], "succeeded")
        self.assertEqual(c.output(last), b"tested\n")
        ids = [c.submit(["true"])["id"] for _ in range(7)]
        self.assertEqual([j["id"] for j in c.jobs(page=2)][:7], ids[::-1])
        for i in ids:
            c.wait(i, 30)
        self.assertEqual(list(c.jobs(state="running")), [])
        with self.assertRaises(DaemonError) as twice:
            c.submit_many([{"name": "a", "command": ["true"]}, {"name": "a", "command": ["true"]}])
        self.assertEqual(twice.exception.status, 400)

    def test_runners(self):
        d = self.daemon()
        self.runner_for(d, labels=["zone=north"])
        c = self.client_of(d)
        self.assertEqual([r["name"] for r in c.runners(where='label.zone == "north"')], ["r1"])
        self.assertEqual(list(c.runners(where='label.zone == "south"')), [])
        self.assertEqual(c.drain("r1", "because")["status"], "draining")
        waiting = c.submit(["true"])
        self.assertTrue(c.explain(waiting["id"])["answer"])
        c.resume("r1")
        self.assertEqual(c.wait(waiting["id"], 30)["state"], "succeeded")
        self.assertIn("facts", c.runner("r1"))
        self.assertTrue(c.version()["version"])

    def test_errors_name_field_expected_and_found(self):
        d = self.daemon()
        c = self.client_of(d)
        with self.assertRaises(DaemonError) as wrong:
            c.submit(["true"], requirez="x")
        e = wrong.exception
        self.assertEqual((e.status, e.code, e.field, e.found), (400, "unknown_field", "requirez", '"requirez"'))
        self.assertIn("requires", e.expected)
        with self.assertRaises(DaemonError) as missing:
            c.job("00000000-0000-0000-0000-000000000000")
        self.assertEqual((missing.exception.status, missing.exception.code), (404, "not_found"))
        with self.assertRaises(DaemonError):
            list(c.logs("../runners"))  # a part of a path stays one
        with self.assertRaises(TypeError):
            c.submit("make test")
        for url in ("ftp://x", "http://", "unix:", "http://x/y"):
            with self.assertRaises(ValueError, msg=url):
                Client(url)
        with self.assertRaisesRegex(ValueError, "token: expected an https url"):
            Client("http://10.0.0.7:7070", token="t")

    def test_a_client_over_a_unix_socket(self):
        d = self.daemon()
        with Client(f"unix:{d.state_dir}/sigrun.sock") as c:
            self.assertTrue(c.version()["version"])

    def test_output_over_connections_that_break_is_whole(self):
        d = self.daemon()
        self.runner_for(d)
        job = self.client_of(d).run(["sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"])
        c, way = self.through(d, cut_after=150_000)
        self.assertEqual(c.output(job["id"]), b"".join(b"line %d\n" % i for i in range(20000)))
        self.assertGreater(way.cuts, 0)

    def test_output_is_followed_over_a_restart_of_the_daemon(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d)
        gate = self.dir / "gate"
        c = self.client_of(d)
        job = c.submit(["sh", "-c", f"echo begun; while [ ! -e {gate} ]; do sleep 0.05; done; echo ended"])
        followed = c.logs(job["id"], follow=True)
        self.assertEqual(next(followed).data, b"begun\n")
        d.kill()
        self.daemon(port=port)
        gate.touch()
        self.assertEqual(b"".join(p.data for p in followed), b"ended\n")
        self.assertEqual(c.wait(job["id"], 30)["state"], "succeeded")

    def test_a_submit_whose_answer_is_lost_makes_one_job(self):
        d = self.daemon()
        c, way = self.through(d, cut_after=10, cuts=3)
        job = c.submit(["true"])
        self.assertEqual(way.cuts, 3)
        self.assertEqual([j["id"] for j in self.client_of(d).jobs()], [job["id"]])
        unlucky, _ = self.through(d, cut_after=10)
        unlucky._transport.retry_for = 0.5
        with self.assertRaises(ConnectionLost):
            unlucky.submit(["true"])
        with self.assertRaises(ConnectionLost):
            Client(f"http://127.0.0.1:{free_port()}", retry_for=0.2).version()

    def test_events_go_on_where_they_were(self):
        d = self.daemon()
        self.runner_for(d)
        direct = self.client_of(d)
        first = direct.run(["true"])
        told = direct.events(after=0, types=["JobSubmitted"])
        self.assertEqual(next(told)["job"], first["id"])
        c, way = self.through(d, cut_after=3000)
        seen, wanted = [], 40
        ids = [first["id"]]

        def watch():
            for event in c.events(after=0, types=["JobSubmitted"]):
                seen.append(event)
                if len(seen) == wanted:
                    return
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        ids += [direct.submit(["true"])["id"] for _ in range(wanted - 1)]
        watcher.join(60)
        self.assertEqual([e["job"] for e in seen], ids)
        self.assertGreater(way.cuts, 0)

    def test_artifacts_come_whole_and_checked(self):
        d = self.daemon()
        self.runner_for(d)
        direct = self.client_of(d)
        job = direct.run(["sh", "-c", "mkdir -p 'a b'; head -c 3000000 /dev/urandom > 'a b/big'; sha256sum < 'a b/big'; : > empty"],
                         artifacts=["a b/*", "empty"])
        named = {a["name"]: a for a in direct.artifacts(job["id"])}
        self.assertEqual(direct.output(job["id"]).split()[0].decode(), named["a b/big"]["sha256"])
        c, way = self.through(d, cut_after=1_000_000)
        path = c.download(job["id"], "a b/big", self.dir)
        self.assertEqual((path, path.stat().st_size), (self.dir / "big", 3_000_000))
        self.assertEqual(way.cuts, 3)
        self.assertEqual(direct.download(job["id"], "empty", self.dir / "e").read_bytes(), b"")
        # Damaged on the controller's disk: nothing is kept.
        stored = [p for p in (d.state_dir / "artifacts").rglob("*") if p.is_file() and p.stat().st_size == 3_000_000]
        with open(stored[0], "r+b") as f:
            f.seek(1000)
            f.write(b"damage")
        with self.assertRaises(ChecksumMismatch):
            self.client_of(d, retry_for=1).download(job["id"], "a b/big", self.dir / "bad")
        self.assertEqual([p.name for p in self.dir.glob("*bad*")], [])
        with self.assertRaises(DaemonError) as missing:
            direct.download(job["id"], "no such", self.dir)
        self.assertEqual(missing.exception.code, "not_found")

    def test_behind_a_proxy_that_refuses_and_knows_no_ranges(self):
        d = self.daemon()
        self.runner_for(d)
        job = self.client_of(d).run(["sh", "-c", "head -c 300000 /dev/urandom > big; echo done"], artifacts=["big"])
        proxy = Careless(d.port)
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        c = Client(f"http://127.0.0.1:{proxy.server_port}", timeout=10)
        self.addCleanup(c.close)
        self.assertEqual(c.output(job["id"]), b"done\n")
        self.assertEqual(c.download(job["id"], "big", self.dir).stat().st_size, 300_000)
        self.assertEqual((len(proxy.refused), len(proxy.cut)), (2, 1))

    def test_tls_and_tokens(self):
        make_certificates()
        d = self.secure_daemon()
        url = f"https://localhost:{d.port}"
        token = self.token(d, "ci", "--role", "reader")
        with Client(url, token=token, ca=str(pem("ca"))) as c:
            self.assertTrue(c.version()["version"])
            with self.assertRaises(DaemonError) as forbidden:
                c.submit(["true"])
            self.assertEqual((forbidden.exception.status, forbidden.exception.code), (403, "forbidden"))
        with self.assertRaises(DaemonError) as nobody:
            Client(url, ca=str(pem("ca"))).stats()
        self.assertEqual(nobody.exception.code, "unauthenticated")
        with self.assertRaisesRegex(ConnectionLost, "(?i)certificate"):
            Client(url, token=token, retry_for=0.2).version()


if __name__ == "__main__":
    unittest.main()
