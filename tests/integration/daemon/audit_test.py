"""The audit log says who did what, and no secret; the log of the daemon as JSON."""
import json
import os
import stat
import unittest

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

import valkyrie_frames  # noqa: E402
import ws_frames  # noqa: E402
from harness import FleetTest, wait_until  # noqa: E402


class AuditTest(FleetTest):
    def audited(self, *settings):
        self.file = self.dir / "audit.log"
        return self.daemon(settings=[f"audit.file={self.file}", *settings])

    def lines(self, file=None):
        return [json.loads(line) for line in (file or self.file).read_text().splitlines()]

    def test_each_change_is_told_with_who_what_and_how_it_ended(self):
        d = self.audited("auth.required=yes", "auth.trust_loopback=no")
        env = dict(os.environ, SIGRUN_URL=f"valkyrie+unix://{d.state_dir}/sigrun.sock")

        def token(role):
            import subprocess
            from harness import BIN
            made = subprocess.run([BIN / "sigrun", "-o", "json", "token", "create", f"the-{role}", "--role", role], env=env,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
            return json.loads(made.stdout)
        admin, reader = token("admin"), token("reader")
        bearer = {who: {"Authorization": f"Bearer {t['token']}"} for who, t in (("admin", admin), ("reader", reader))}
        secret = "no-line-must-have-this"
        status, job = d.request("POST", "/v1/jobs", {"command": ["echo", secret], "secrets": {"PASSWORD": secret}, "env": {"A": secret}},
                                headers={**bearer["admin"], "X-Request-Id": "r-submit"})
        self.assertEqual(status, 201)
        d.request("POST", f"/v1/jobs/{job['id']}/cancel", headers={**bearer["admin"], "X-Request-Id": "r-cancel"})
        self.assertEqual(d.request("GET", "/v1/jobs", headers=bearer["reader"])[0], 200)  # a look: not told
        self.assertEqual(d.request("POST", f"/v1/jobs/{job['id']}/cancel", headers={**bearer["reader"], "X-Request-Id": "r-denied"})[0], 403)
        self.assertEqual(d.request("GET", "/v1/jobs", headers={"X-Request-Id": "r-stranger"})[0], 401)
        self.assertEqual(d.request("POST", "/v1/runners", {"name": 7}, headers={**bearer["admin"], "X-Request-Id": "r-wrong"})[0], 400)
        by_request = {line["request"]: line for line in self.lines()}
        created = [line for line in self.lines() if line["method"] == "tokens.create"]
        self.assertEqual([(c["object"], c["result"], c["who"]["kind"], c["protocol"]) for c in created],
                         [(t["id"], "ok", "local", "valkyrie") for t in (admin, reader)])
        self.assertEqual(created[0]["who"]["name"], f"uid {os.getuid()}")
        submit = by_request["r-submit"]
        self.assertEqual((submit["method"], submit["object"], submit["result"], submit["protocol"]), ("jobs.submit", job["id"], "ok", "http"))
        self.assertEqual(submit["who"], {"name": "token the-admin", "kind": "token", "role": "admin", "address": "127.0.0.1"})
        self.assertEqual((by_request["r-cancel"]["object"], by_request["r-cancel"]["result"]), (job["id"], "ok"))
        self.assertEqual((by_request["r-denied"]["who"]["role"], by_request["r-denied"]["result"]), ("reader", "forbidden"))
        self.assertEqual((by_request["r-stranger"]["who"]["kind"], by_request["r-stranger"]["result"]), ("anonymous", "unauthenticated"))
        self.assertEqual((by_request["r-wrong"]["method"], by_request["r-wrong"]["result"]), ("runners.add", "invalid"))
        self.assertEqual({line["method"] for line in self.lines() if line["result"] == "ok"}, {"tokens.create", "jobs.submit", "jobs.cancel"})
        text = self.file.read_text()
        for hidden in (secret, admin["token"], reader["token"], admin["token"].rsplit("_", 1)[1]):
            self.assertNotIn(hidden, text)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)

    def test_every_protocol_is_told_of(self):
        d = self.audited()
        none = {"id": "01a21d32-cfbd-720e-965c-5a0c80793bd4"}
        d.request("POST", f"/v1/jobs/{none['id']}/cancel", headers={"X-Request-Id": "http"})
        pb = grpc_peers.Stubs(self.dir / "stubs")
        with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
            with self.assertRaises(grpc.RpcError):
                pb.jobs_grpc.JobsStub(channel).Cancel(pb.jobs.CancelJobRequest(**none), metadata=[("x-request-id", "grpc")], timeout=30)
        valkyrie, wire = valkyrie_frames.Caller(d.port), ws_frames.Wire(d.port)
        valkyrie.call("jobs.cancel", {**none, "request_id": "valkyrie"})
        valkyrie.close()
        wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps(
            {"kind": "call", "id": 1, "method": "jobs.cancel", "params": {**none, "request_id": "websocket"}}).encode()))
        wire.hear_message()
        self.assertEqual({(line["request"], line["protocol"], line["object"], line["result"]) for line in self.lines()},
                         {(p, p, none["id"], "not_found") for p in ("http", "grpc", "valkyrie", "websocket")})

    def test_the_file_is_put_aside_when_it_is_full_and_only_so_many_are_kept(self):
        d = self.audited("audit.max_size=4096", "audit.keep=2")
        for n in range(60):
            d.request("POST", "/v1/runners/none/drain", headers={"X-Request-Id": f"n-{n}"})
        files = sorted(self.dir.glob("audit.log*"))
        self.assertEqual([f.name for f in files], ["audit.log", "audit.log.1", "audit.log.2"])
        numbers = []
        for f in (files[2], files[1], files[0]):
            self.assertLessEqual(f.stat().st_size, 4096)
            self.assertEqual(stat.S_IMODE(f.stat().st_mode), 0o600)
            numbers += [int(line["request"][2:]) for line in self.lines(f)]
        self.assertEqual(numbers, list(range(60 - len(numbers), 60)))  # none between is missing

    def test_strangers_cannot_fill_it(self):
        d = self.audited("auth.required=yes", "auth.trust_loopback=no")
        with __import__("socket").create_connection(("127.0.0.1", d.port)) as s:
            s.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
            got = b""
            while got.count(b"HTTP/1.1 401") < 1000:
                got += s.recv(1 << 20)
        told = len(self.lines())
        self.assertTrue(0 < told < 1000, told)
        reader = ["--url", f"valkyrie+unix://{d.state_dir}/sigrun.sock"]
        self.assertEqual(self.sigrun(d, *reader, "version").returncode, 0)

    def test_an_audit_log_that_cannot_be_written_stops_the_start(self):
        from harness import BIN
        p = self.program(BIN / "sigrund", "--state-dir", self.dir / "s", "--set", "server.listen=127.0.0.1:0", "--set",
                         f"audit.file={self.dir}/no/such/folder/audit.log")
        p.wait_line("audit.file")
        self.assertNotEqual(p.process.wait(30), 0)

    def test_the_log_as_json_is_one_object_a_line_whatever_is_in_it(self):
        d = self.daemon(settings=["log.format=json", "log.level=debug", f"log.file={self.dir}/log"])
        self.runner_for(d, "r1")
        d.request("GET", "/v1/jobs/nothing%0a%22", headers={"X-Request-Id": "mine"})

        def told():
            lines = [json.loads(line) for line in (self.dir / "log").read_text().splitlines()]
            return lines if any(line.get("request") == "mine" for line in lines) else None
        lines = wait_until("the request is in the log", told)
        for line in lines:
            self.assertEqual({"time", "level", "source", "text"}, set(line) - {"request"})
            self.assertIn(line["level"], ("error", "warning", "info", "debug"))
        self.assertTrue(any(line["source"] == "fleet" and "r1 connected" in line["text"] for line in lines))
        mine = next(line for line in lines if line.get("request") == "mine")
        self.assertTrue(mine["text"].startswith("jobs.get answers invalid"), mine)


if __name__ == "__main__":
    unittest.main()
