"""Runners that dial in, listen, or follow the legacy contract: detection, status, choice of protocol."""
import datetime
import sys
import unittest

from harness import SOURCE, FleetTest, free_port, wait_until


class Runners(FleetTest):
    def listening(self, name, *extra):
        port = free_port()
        self.start_runner(name, "--listen", f"127.0.0.1:{port}", *extra, wait="listening")
        return f"127.0.0.1:{port}"

    def legacy(self, *extra):
        port = free_port()
        p = self.program(sys.executable, "-u", SOURCE / "tests/fixtures/legacy_runner/legacy_runner.py", "--port", port, *extra)
        p.wait_line(str(port))
        return f"http://127.0.0.1:{port}"

    def test_a_listening_runner_is_detected_over_every_protocol_and_used_over_each(self):
        d = self.daemon()
        endpoint = self.listening("hybrid", "--slots", "2")
        status, body = d.request("POST", "/v1/runners", {"name": "hybrid", "endpoint": endpoint, "labels": {"kind": "hybrid"}})
        self.assertIn(status, (200, 201), body)

        def all_up():
            r = d.runner("hybrid")
            return r if [p["name"] for p in r["protocols"] if p["state"] == "up"] == ["grpc", "http", "valkyrie", "websocket"] else None

        r = wait_until("all protocols are up", all_up)
        self.assertEqual((r["type"], r["rung"], r["slots"]), ("hybrid", "valkyrie", 2))
        self.assertEqual(wait_until("round trips are measured", lambda: all(
            p["latency_us"] for p in d.runner("hybrid")["protocols"])), True)
        for protocol in ("auto", "grpc", "http", "valkyrie", "websocket"):
            job = d.run(command=["echo", protocol], protocol=protocol)
            self.assertEqual(job["state"], "succeeded", job)
            self.assertEqual(job["protocol"], "valkyrie" if protocol == "auto" else protocol)
            self.assertEqual(d.log(job["id"]), protocol + "\n")
        facts = d.facts("hybrid", "host.arch", "cpu.effective_cores")
        self.assertEqual(facts["host.arch"]["status"], "ok")
        self.assertGreaterEqual(facts["cpu.effective_cores"]["value"], 0.01)
        self.assertTrue(all(f.get("method") != "assumed" for f in facts.values()))

    def test_a_legacy_runner_runs_jobs_and_says_what_it_cannot(self):
        d = self.daemon()
        status, body = d.request("POST", "/v1/runners", {"name": "old", "endpoint": self.legacy(), "profile": "rustci",
                                                         "labels": {"kind": "legacy"}, "slots": 2})
        self.assertIn(status, (200, 201), body)
        r = d.runner_status("old", "online")
        self.assertEqual((r["type"], r["slots"]), ("legacy", 2))
        target = self.dir / "legacy-was-here"
        job = d.run(command=["sh", "-c", f"echo legacy says hi; touch {target}; exit 4"], requires='label.kind == "legacy"')
        self.assertEqual((job["state"], job["exit_code"], job["protocol"]), ("failed", 4, "http"), job)
        self.assertTrue(target.exists())
        self.assertEqual(d.log(job["id"]), "legacy says hi\n")
        waiting = d.submit(kind="call", command=["echo"], payload="x")
        self.assertEqual(d.job(waiting)["state"], "queued")  # a legacy runner runs no calls

    def test_cancel_on_a_runner_that_cannot_cancel_ends_the_job_and_says_so(self):
        d = self.daemon()
        d.request("POST", "/v1/runners", {"name": "old", "endpoint": self.legacy(), "profile": "rustci", "slots": 1})
        d.runner_status("old", "online")
        gate = self.dir / "gate"
        job_id = d.submit(command=["sh", "-c", f"until [ -e {gate} ]; do sleep 0.05; done"])
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        d.request("POST", f"/v1/jobs/{job_id}/cancel")
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["runner_state"]), ("cancelled", "unknown"), job)
        self.assertEqual(d.runner("old")["in_flight"], 1)
        gate.touch()
        wait_until("its place is free again", lambda: d.runner("old")["in_flight"] == 0)

    def test_mission_S4_draining_takes_no_new_job_finishes_the_old_and_survives_a_restart(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d)
        gate = self.dir / "gate"
        running = d.submit(command=["sh", "-c", f"until [ -e {gate} ]; do sleep 0.05; done"])
        wait_until("it runs", lambda: d.job(running)["state"] == "running")
        self.assertEqual(d.request("POST", "/v1/runners/r1/drain?reason=kernel+update")[1]["status"], "draining")
        queued = d.submit(command=["true"])
        gate.touch()
        self.assertEqual(d.finished(running)["state"], "succeeded")
        self.assertEqual(d.job(queued)["state"], "queued")
        d.kill()
        d = self.daemon(port=port)
        r = d.runner_status("r1", "draining")
        self.assertEqual(r["status_reason"], "kernel update")
        self.assertEqual(d.job(queued)["state"], "queued")
        d.request("POST", "/v1/runners/r1/resume")
        self.assertEqual(d.finished(queued)["state"], "succeeded")

    def test_mission_S5_maintenance_has_a_reason_and_survives_a_restart(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d)
        d.request("POST", "/v1/runners/r1/maintenance?reason=new+disk")
        self.assertEqual(d.runner("r1")["status_reason"], "new disk")
        job_id = d.submit(command=["true"])
        d.kill()
        d = self.daemon(port=port)
        d.runner_status("r1", "maintenance")
        self.assertEqual(d.job(job_id)["state"], "queued")
        d.request("POST", "/v1/runners/r1/resume")
        self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_busy_is_no_free_place_and_online_returns_with_the_first(self):
        d = self.daemon()
        self.runner_for(d, slots=1)
        gate = self.dir / "gate"
        job_id = d.submit(command=["sh", "-c", f"until [ -e {gate} ]; do sleep 0.05; done"])
        d.runner_status("r1", "busy")
        gate.touch()
        d.finished(job_id)
        d.runner_status("r1", "online")

    def test_a_killed_runner_goes_offline_and_comes_back_under_the_same_identity(self):
        d = self.daemon()
        p = self.runner_for(d)
        uid = d.runner("r1")["id"]
        p.kill()
        d.runner_status("r1", "offline")
        self.runner_for(d)
        self.assertEqual(d.runner("r1")["id"], uid)

    def test_a_name_belongs_to_the_key_that_registered_it(self):
        d = self.daemon()
        self.runner_for(d)
        thief = self.program(self._programs[1].argv[0], "--name", "r1", "--state-dir", self.dir / "thief",
                             "--url", f"valkyrie://127.0.0.1:{d.port}")
        thief.wait_line("belongs to another runner")

    def test_removing_a_runner_frees_its_name_and_refuses_while_it_works(self):
        d = self.daemon()
        endpoint = self.listening("x")
        d.request("POST", "/v1/runners", {"name": "x", "endpoint": endpoint})
        d.runner_status("x", "online")
        gate = self.dir / "gate"
        job_id = d.submit(command=["sh", "-c", f"until [ -e {gate} ]; do sleep 0.05; done"])
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        self.assertEqual(d.request("DELETE", "/v1/runners/x")[0], 409)
        gate.touch()
        d.finished(job_id)
        self.assertEqual(d.request("DELETE", "/v1/runners/x")[0], 200)
        self.assertEqual(d.request("GET", "/v1/runners/x")[0], 404)

    def test_a_known_runner_that_is_added_at_another_endpoint_is_used_there(self):
        d = self.daemon()
        uid = d.request("POST", "/v1/runners", {"name": "x", "endpoint": self.listening("x", "--label", "at=first")})[1]["id"]
        d.runner_status("x", "online")
        status, body = d.request("POST", "/v1/runners", {"name": "x", "endpoint": self.listening("y", "--slots", "7")})
        self.assertEqual((status, body["id"]), (201, uid), body)
        wait_until("it is connected at the new place", lambda: (lambda r: r["status"] == "online" and r["slots"] == 7)(d.runner("x")))
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_a_fact_that_changes_fast_is_asked_for_while_a_job_waits_for_it(self):
        d = self.daemon()
        self.runner_for(d)

        def available():
            return d.facts("r1", "memory.available_bytes")["memory.available_bytes"]

        before = available()
        end = datetime.datetime.fromisoformat(before["observed_at"]) + datetime.timedelta(seconds=before["ttl_s"])
        wait_until("what was known has passed its ttl", lambda: datetime.datetime.now(datetime.timezone.utc) > end)
        self.assertEqual(available()["observed_at"], before["observed_at"])
        self.assertEqual(d.run(command=["true"], requires="memory.available_bytes >= 1MiB")["state"], "succeeded")

    def test_a_label_may_hold_a_comma(self):
        d = self.daemon()
        self.runner_for(d, labels=["note=a, b", "zone=eu"])
        self.assertEqual(d.runner("r1")["labels"], {"note": "a, b", "zone": "eu"})

    def test_an_endpoint_where_nothing_listens_is_offline_with_the_reason_and_used_when_it_comes(self):
        d = self.daemon()
        port = free_port()
        d.request("POST", "/v1/runners", {"name": "late", "endpoint": f"127.0.0.1:{port}"})
        r = wait_until("a reason is shown", lambda: (lambda r: r if "127.0.0.1" in r["status_reason"] else None)(d.runner("late")))
        self.assertEqual(r["status"], "offline")
        self.start_runner("late", "--listen", f"127.0.0.1:{port}", wait="listening")
        d.runner_status("late", "online", deadline=60)

    def test_events_tell_the_life_of_a_runner_in_order(self):
        d = self.daemon()
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=Runner")
        wait_until("the watcher is there", lambda: True)
        p = self.runner_for(d)
        watch.wait_line("RunnerRegistered")
        watch.wait_line('"to":"online"')
        p.kill()
        watch.wait_line('"to":"offline"')
        numbers = [int(l.split(":")[1]) for l in watch.lines if l.startswith("id:")]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_mission_C22_a_runner_that_has_been_gone_for_long_is_no_candidate_until_it_is_back(self):
        d = self.daemon(settings=["registry.runner_timeout=2s"])
        r = self.runner_for(d, "r1", labels=("only=here",))
        self.assertEqual(r.stop(), 0)
        d.runner_status("r1", "offline")
        job = d.submit(command=["true"], requires='label.only == "here"')
        self.assertIn("1 of 1 runners match", d.job(job)["reason"])
        wait_until("it is no candidate", lambda: "have been gone for long: r1 is offline" in d.job(job)["reason"], 10)
        other = d.submit(command=["true"], requires='label.only == "here"')
        self.assertIn("have been gone for long: r1 is offline", d.job(other)["reason"])
        elsewhere = d.submit(command=["true"], requires='label.only == "there"')
        self.assertIn("no runner is connected", d.job(elsewhere)["reason"])
        d.request("POST", f"/v1/jobs/{elsewhere}/cancel")
        self.assertEqual(d.runner("r1")["status"], "offline")  # known still
        self.runner_for(d, "r1", labels=("only=here",))
        for each in (job, other):
            self.assertEqual(d.finished(each)["state"], "succeeded")


if __name__ == "__main__":
    unittest.main()
