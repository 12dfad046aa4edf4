"""The dashboard in a real browser, on a real daemon with real runners: what a person does there, and what comes of it."""
import http.client
import json
import os
import shutil
import subprocess
import unittest

from harness import BUILD, SOURCE, FleetTest, wait_until
from secure_fleet import SecureFleet

HERE = SOURCE / "tests/integration/daemon/dashboard"
TOOLS = BUILD / "tests" / "dashboard"
CHROMIUM = os.environ.get("SIGRUN_CHROMIUM") or shutil.which("chromium")


class Dashboard(SecureFleet, FleetTest):
    @classmethod
    def setUpClass(cls):
        if not CHROMIUM:
            raise unittest.SkipTest("chromium is not installed (etc/install-deps.sh)")
        (BUILD / "tests").mkdir(exist_ok=True)
        done = subprocess.run([HERE.parent / "npm_tools.sh", HERE, TOOLS], capture_output=True, text=True)
        if done.returncode == 77:
            raise unittest.SkipTest(done.stdout.strip())
        assert done.returncode == 0, done.stdout + done.stderr

    def flow(self, d, name, *arguments):
        done = subprocess.run(["node", TOOLS / "flows.mjs", name, f"http://127.0.0.1:{d.port}", *map(str, arguments)],
                              capture_output=True, text=True, timeout=180, env={**os.environ, "SIGRUN_CHROMIUM": CHROMIUM})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def fleet(self, **more):
        d = self.daemon(settings=["metrics.history_step=1s", *more.pop("settings", ())], **more)
        self.runner_for(d, "r1", labels=["zone=eu"])
        return d

    def get(self, d, path, **headers):
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        c.request("GET", path, headers=headers)
        r = c.getresponse()
        body = r.read()
        c.close()
        return r.status, dict(r.getheaders()), body

    def test_the_page_is_part_of_the_daemon_and_browsers_may_keep_its_parts(self):
        d = self.daemon()
        status, head, page = self.get(d, "/", Accept="text/html,*/*;q=0.8")
        self.assertEqual((status, head["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'self'", head["Content-Security-Policy"])
        self.assertEqual(head["X-Content-Type-Options"], "nosniff")
        self.assertEqual(head["Cache-Control"], "no-cache")
        for name in ("app.js", "app.css"):
            link = next(p for p in page.decode().split('"') if p.startswith(f"/ui/{name}?v="))
            status, head, plain = self.get(d, link)
            self.assertEqual((status, "immutable" in head["Cache-Control"], "Content-Encoding" in head), (200, True, False))
            status, zipped_head, zipped = self.get(d, link, **{"Accept-Encoding": "gzip, br"})
            self.assertEqual((status, zipped_head["Content-Encoding"], zipped_head["Vary"]), (200, "gzip", "Accept-Encoding"))
            import gzip
            self.assertEqual(gzip.decompress(zipped), plain)
            status, _, nothing = self.get(d, link, **{"If-None-Match": head["ETag"]})
            self.assertEqual((status, nothing), (304, b""))
        # A program that asks for the same address gets the list of routes, as ever.
        self.assertEqual(json.loads(self.get(d, "/")[2])["name"], "Sigrun")
        self.assertEqual(self.get(d, "/ui/../etc/passwd")[0], 404)
        self.assertEqual(self.get(d, "/ui/nothing.js")[0], 404)

    def test_mission_g5_a_job_is_submitted_followed_searched_and_cancelled(self):
        d = self.fleet()
        script = r"for i in 1 2 3; do echo tick $i; done; printf '\033[31mred\033[0m\n'; exec sleep 600"
        job = self.flow(d, "submit", script, 'label.zone == "eu"')["id"]
        self.assertEqual(d.job(job)["command"], ["sh", "-c", script])
        seen = self.flow(d, "follow", job, "tick 3", "tick 2")
        self.assertEqual((seen["hits"], seen["marked"], seen["red"]), ("1 of 1", ["tick 2"], ["red"]))
        lanes = self.flow(d, "cancel", job)["timeline"]
        self.assertEqual([lanes[0], lanes[1]], ["waiting", "1. r1"])
        self.assertEqual(d.finished(job)["state"], "cancelled")
        told = self.flow(d, "refused", "cpu.cores >=")["told"]
        self.assertIn("requires", told)

    def test_a_job_that_waits_says_why(self):
        d = self.fleet()
        job = d.submit(command=["true"], requires="gpu.count >= 64")
        seen = self.flow(d, "explain", job)
        self.assertIn("gpu.count >= 64", seen["answer"][0])
        self.assertIn("gpu.count >= 64", seen["terms"])

    def test_a_runner_is_drained_and_resumed_and_the_fleet_filtered(self):
        d = self.fleet()
        seen = self.flow(d, "drain", "r1")
        self.assertEqual((seen["protocols"], seen["facts"]), (["valkyrie"], ["host.arch"]))
        self.assertIn("RunnerStatusChanged", seen["events"])
        self.assertEqual(d.runner("r1")["status"], "online")
        self.runner_for(d, "r2", labels=["zone=us"])
        seen = self.flow(d, "filter", 'label.zone == "us"', "label.zone ==")
        self.assertEqual((seen["shown"], seen["listed"]), ("1 of 2", ["r2"]))
        self.assertIn("label.zone ==", seen["told"])
        self.assertIn("where=label.zone", seen["url"])

    def test_a_plugin_is_reloaded_and_balancers_and_metrics_are_told(self):
        d = self.fleet()
        for _ in range(40):
            d.run(kind="call", command=["echo"])
        self.assertIn("sigrun.round_robin", self.flow(d, "reload", "sigrun.round_robin")["note"])
        rows = self.flow(d, "balancers")["rows"]
        self.assertTrue(any("%" in row for row in rows), rows)
        wait_until("a step is over", lambda: d.get("/v1/stats/history?window=5m")["points"] > 1)
        self.assertIn("Jobs ended", self.flow(d, "metrics")["charts"])

    def test_a_token_is_asked_for_and_a_reader_may_only_look(self):
        d = self.daemon(settings=["auth.required=yes", "auth.trust_loopback=no"])
        d.socket = f"valkyrie+unix://{d.state_dir}/sigrun.sock"
        reader = self.token(d, "me", "--role", "reader")
        join = self.token(d, "--join")
        self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{d.port}", "--join", join, wait="connected")
        self.assertIn("may not do this", self.flow(d, "token", reader)["told"])

    def test_every_page_is_accessible_in_both_themes(self):
        d = self.fleet()
        job = d.run(command=["sh", "-c", "echo hello"])["id"]
        wait_until("a step is over", lambda: d.get("/v1/stats/history?window=5m")["points"] > 1)
        self.assertEqual(self.flow(d, "accessible", job)["found"], [])


if __name__ == "__main__":
    unittest.main()
