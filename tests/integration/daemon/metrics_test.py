"""What /metrics tells: accepted by promtool, equal to what really happened, and bounded, however many runners there are."""
import json
import re
import shutil
import subprocess
import unittest

import ws_frames
from harness import SOURCE, FleetTest, wait_until
from scrape import Scrape


class MetricsTest(FleetTest):
    def scrape(self, d):
        return Scrape(d.get("/metrics"))

    def promtool(self, text):
        program = shutil.which("promtool")
        self.assertIsNotNone(program, "promtool is missing; etc/install-deps.sh installs it (package prometheus)")
        return subprocess.run([program, "check", "metrics"], input=text, capture_output=True, text=True)

    def test_promtool_finds_nothing_wrong_with_the_metrics(self):
        d = self.daemon()
        self.runner_for(d)
        d.run(command=["true"])
        done = self.promtool(d.get("/metrics"))
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        # It is no yes-man.
        self.assertNotEqual(self.promtool("# TYPE x counter\nx{a=\"b} 1\n").returncode, 0)

    def test_alert_rules_and_dashboard_name_series_that_there_are(self):
        folder = SOURCE / "etc/monitoring"
        shutil.copy(folder / "sigrun-alerts.yml", self.dir)
        shutil.copy(SOURCE / "tests/integration/daemon/alerts_test.yml", self.dir)
        for command in (["check", "rules", "sigrun-alerts.yml"], ["test", "rules", "alerts_test.yml"]):
            done = subprocess.run(["promtool", *command], cwd=self.dir, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        d = self.daemon(settings=["trace.endpoint=http://127.0.0.1:1", f"audit.file={self.dir}/audit"])
        self.runner_for(d)
        d.run(command=["true"])
        known = {name for name, _ in self.scrape(d).samples}
        named = set()
        for file in ("sigrun-alerts.yml", "sigrun-dashboard.json"):
            text = (folder / file).read_text()
            found = set(re.findall(r"\bsigrun_[a-z_]+", text))
            self.assertGreater(len(found), 8, file)
            named |= found
        self.assertEqual(named - known, set())
        panels = json.loads((folder / "sigrun-dashboard.json").read_text())["panels"]
        for expression in (t["expr"] for p in panels for t in p["targets"]):
            # promtool reads the rest of the language; what Grafana fills in, it cannot know.
            rule = {"groups": [{"name": "g", "rules": [{"record": "x", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}]}]}
            (self.dir / "panel.yml").write_text(json.dumps(rule))
            done = subprocess.run(["promtool", "check", "rules", "panel.yml"], cwd=self.dir, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, expression + done.stdout + done.stderr)

    def test_mission_i10_each_job_is_counted_once_and_the_totals_are_those_of_the_jobs(self):
        d = self.daemon(settings=["queue slow.priority=low"])
        self.runner_for(d, slots=2)
        for _ in range(5):
            d.run(command=["true"])
        for _ in range(3):
            d.run(command=["false"], retry={"user": 0})
        cancelled = d.submit(command=["sleep", "600"])
        wait_until("it runs", lambda: d.job(cancelled)["state"] == "running")
        d.request("POST", f"/v1/jobs/{cancelled}/cancel?grace=0s")
        d.finished(cancelled)
        waiting = [d.submit(command=["true"], requires='label.no == "where"', queue="slow") for _ in range(2)]
        waiting += [d.submit(command=["true"], requires='label.no == "where"', queue="nobody-named-it", tenant=f"t{i}") for i in range(3)]
        s = self.scrape(d)
        jobs = d.jobs()
        self.assertEqual(s.get("sigrun_jobs_submitted_total"), len(jobs))
        for outcome in ("succeeded", "failed", "cancelled", "expired", "dead"):
            self.assertEqual(s.get("sigrun_jobs_finished_total", outcome=outcome), sum(j["state"] == outcome for j in jobs), outcome)
        ended = [j for j in jobs if j["finished_at"]]
        for name in ("sigrun_job_total_seconds", "sigrun_job_run_seconds"):
            self.assertEqual(s.get(name + "_count"), len(ended))
            self.assertEqual(s.get(name + "_bucket", le="+Inf"), len(ended))
            self.assertEqual(s.types[name], "histogram")
        took = sum(self.seconds(j["submitted_at"], j["finished_at"]) for j in ended)
        self.assertAlmostEqual(s.get("sigrun_job_total_seconds_sum"), took, delta=0.002 * len(ended))
        # The bucket that the median is in is that of the jobs' own times (which are told in milliseconds).
        own = sorted(self.seconds(j["submitted_at"], j["finished_at"]) for j in ended)[(len(ended) - 1) // 2]
        bounds = sorted((float(dict(labels)["le"]), n) for labels, n in s.of("sigrun_job_total_seconds_bucket").items())
        upper = next(i for i, (_, n) in enumerate(bounds) if n >= (len(ended) + 1) // 2)
        self.assertLessEqual(own, bounds[upper][0] + 0.0015)
        self.assertGreaterEqual(own, (bounds[upper - 1][0] if upper else 0) - 0.0015)
        self.assertEqual(s.get("sigrun_jobs_waiting"), len(waiting))
        self.assertEqual(s.get("sigrun_queue_jobs_waiting", queue="slow"), 2)
        self.assertEqual(s.get("sigrun_queue_jobs_waiting", queue=""), 3)  # names that jobs make up are one series
        self.assertEqual(s.of("sigrun_tenant_jobs_waiting"), {(("tenant", ""),): 5})

    @staticmethod
    def seconds(begin, end):
        from datetime import datetime
        return (datetime.fromisoformat(end.replace("Z", "+00:00")) - datetime.fromisoformat(begin.replace("Z", "+00:00"))).total_seconds()

    def test_protocols_runners_balancers_plugins_and_the_store_are_told(self):
        d = self.daemon()
        self.runner_for(d, "r1", protocol="valkyrie")
        self.runner_for(d, "r2", protocol="grpc")
        for n in range(40):
            d.run(kind="call", command=["echo"], payload="x" * 100)
        wire = ws_frames.Wire(d.port)
        wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps({"kind": "call", "id": 1, "method": "jobs.get", "params": {"id": "x"}}).encode()))
        wire.hear_message()
        s = self.scrape(d)
        for protocol in ("valkyrie", "grpc", "http", "websocket"):
            for direction in ("in", "out"):
                self.assertGreater(s.get("sigrun_protocol_bytes_total", protocol=protocol, direction=direction), 0, (protocol, direction))
                self.assertGreater(s.get("sigrun_protocol_messages_total", protocol=protocol, direction=direction), 0, protocol)
            self.assertEqual(s.get("sigrun_protocol_up", protocol=protocol), 1)
        self.assertEqual(s.get("sigrun_protocol_calls_failed_total", protocol="websocket"), 1)
        # Each call that was answered at once is in the histogram of its protocol; those that waited for their job are not.
        calls = s.get("sigrun_protocol_calls_total", protocol="http")
        self.assertLessEqual(s.get("sigrun_call_seconds_count", protocol="http"), calls - 40)
        self.assertGreater(s.get("sigrun_call_seconds_count", protocol="http"), 0)
        self.assertEqual(s.get("sigrun_runners_by_status", status="online"), 2)
        self.assertEqual(sum(s.of("sigrun_runners_by_status").values()), 2)
        self.assertEqual(sum(s.of("sigrun_runner_jobs_completed_total").values()), 40)
        self.assertEqual(s.get("sigrun_runner_up", runner="r1"), 1)
        self.assertEqual(s.get("sigrun_runner_places", runner="r2"), 4)
        self.assertGreater(s.get("sigrun_runner_latency_seconds", runner="r1", protocol="valkyrie"), 0)
        self.assertTrue(16 <= sum(s.of("sigrun_balancer_picks_total").values()) <= 40)  # threads tell theirs in sixteens
        self.assertEqual(s.get("sigrun_plugin_active", plugin="sigrun.http"), 1)
        self.assertGreater(s.get("sigrun_plugin_calls_total", plugin="sigrun.sqlite"), 0)
        self.assertEqual(s.get("sigrun_plugin_call_failures_total", plugin="sigrun.sqlite"), 0)
        self.assertEqual(s.get("sigrun_store_up"), 1)
        # What a removed runner was is not told any more.
        self.assertEqual(d.request("POST", "/v1/runners/r2/maintenance")[0], 200)
        d.runner_status("r2", "maintenance")
        self.assertEqual(self.scrape(d).get("sigrun_runners_by_status", status="maintenance"), 1)

    def test_numbers_of_single_runners_end_where_the_operator_says(self):
        d = self.daemon(settings=["metrics.runner_series=3"])
        for n in range(3):
            self.assertEqual(d.request("POST", "/v1/runners", {"name": f"x{n}", "endpoint": "http://127.0.0.1:1"})[0], 201)
        s = self.scrape(d)
        self.assertEqual(len(s.of("sigrun_runner_up")), 3)
        self.assertEqual(s.get("sigrun_runners_not_told"), 0)
        before = len(s.samples)
        for n in range(3, 40):
            self.assertEqual(d.request("POST", "/v1/runners", {"name": f"x{n}", "endpoint": "http://127.0.0.1:1"})[0], 201)
        s = self.scrape(d)
        self.assertEqual(s.of("sigrun_runner_up"), {})
        self.assertEqual(s.get("sigrun_runners_not_told"), 40)
        self.assertEqual(s.get("sigrun_runners_by_status", status="offline"), 40)
        self.assertLess(len(s.samples), before)
        for n in range(3, 40):
            self.assertEqual(d.request("DELETE", f"/v1/runners/x{n}")[0], 200)
        s = self.scrape(d)
        self.assertEqual({dict(labels)["runner"] for labels in s.of("sigrun_runner_up")}, {"x0", "x1", "x2"})
        self.assertEqual(s.get("sigrun_runners_by_status", status="offline"), 3)

    def test_the_history_tells_what_happened_step_by_step(self):
        d = self.daemon(settings=["metrics.history_step=1s"])
        self.runner_for(d)
        self.assertEqual(self.history(d)["step_s"], 1)
        for _ in range(6):
            d.run(command=["true"])
        d.run(command=["false"], retry={"user": 0})
        d.submit(command=["true"], requires='label.no == "where"')

        def told():
            h = self.history(d)
            jobs = h["series"]["jobs.succeeded"]
            return h if sum(jobs) > 5 and sum(h["series"]["jobs.failed"]) > 0.8 and h["series"]["jobs.waiting"][-1:] == [1] else None
        h = wait_until("all jobs are in the history", told)
        for name, values in h["series"].items():
            self.assertEqual(len(values), h["points"], name)
        self.assertAlmostEqual(sum(h["series"]["jobs.succeeded"]) * h["step_s"], 6, delta=0.6)  # rates of steps of about a second
        self.assertEqual(h["series"]["runners.online"][-1], 1)
        self.assertGreater(sum(h["series"]["protocols.http.bytes_in"]), 0)
        p50 = [v for v in h["series"]["jobs.total_p50"] if v is not None]
        self.assertTrue(p50 and all(0 < v < 30 for v in p50), p50)
        self.assertLess(h["memory_bytes"], 1 << 20)
        # A part of it, and what cannot be had.
        wait_until("there are three points", lambda: self.history(d)["points"] >= 3)
        part = d.get("/v1/stats/history?window=3s&series=jobs.succeeded,runners.")
        self.assertEqual(set(part["series"]), {"jobs.succeeded", *(f"runners.{s}" for s in
                         ("offline", "online", "busy", "draining", "maintenance", "error"))})
        self.assertEqual(part["points"], 3)
        self.assertEqual(d.get("/v1/stats/history?window=24h")["step_s"], 60)
        for wrong in ("25h", "0s", "soon"):
            status, problem = d.request("GET", f"/v1/stats/history?window={wrong}")
            self.assertEqual((status, problem["field"]), (400, "window"), wrong)

    def history(self, d):
        return d.get("/v1/stats/history?window=5m")


if __name__ == "__main__":
    unittest.main()
