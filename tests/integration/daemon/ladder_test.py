"""A runner's protocols break, stall and come back while jobs run: the work goes on over another one, once."""
import datetime
import hashlib
import json
import os
import signal
import time
import unittest

from broken_network import Way
from harness import FleetTest, free_port, wait_until

# Quick to come back to a rung that has returned, and to measure.
QUICK = ["interface.strategy=valkyrie_first", "interface.switch_dwell=1s", "interface.migration_dwell=1s",
         "balancer.performance_monitoring_interval=1s"]
PRINTER = "i=0; while [ ! -e '{gate}' ]; do echo line $i; i=$((i+1)); sleep 0.01; done; echo end $i"


def seconds_between(earlier, later):
    def moment(text):
        return datetime.datetime.fromisoformat(text[:26].rstrip("Z").ljust(26, "0") if "." in text else text.rstrip("Z"))
    return (moment(later) - moment(earlier)).total_seconds()


SHIPPED = ("valkyrie", "grpc", "websocket", "http")


class Ladder(FleetTest):
    def fleet(self, settings=(), slots=4, dials_in=False, protocols=("valkyrie", "http"), first="valkyrie", delays=()):
        """A daemon and a runner, with a way between them that can be broken."""
        unused = ",".join(p for p in SHIPPED if p not in protocols)
        self.d = self.daemon(settings=[*QUICK, f"detector.disabled={unused}", *settings])
        self.protocols = protocols
        self.way = Way(self.d.port)
        self.addCleanup(self.way.close)
        self.way.delays.update(delays)
        if dials_in:
            self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{self.way.port}", "--slots", slots, "--set", "runner.rung_retry=1s",
                              "--set", "runner.protocols=" + ",".join(protocols))
            self.d.runner_status("r1", "online", "busy")
        else:
            self.way.target = free_port()
            self.start_runner("r1", "--listen", f"127.0.0.1:{self.way.target}", "--slots", slots, wait="listening")
            code, body = self.d.request("POST", "/v1/runners", {"name": "r1", "endpoint": f"127.0.0.1:{self.way.port}"})
            self.assertEqual(code, 201, body)
            self.all_up()
        self.rung_is(first)

    def state_of(self, protocol):
        return next((p["state"] for p in self.d.runner("r1")["protocols"] if p["name"] == protocol), "absent")

    def all_up(self, deadline=30):
        wait_until("all protocols are up", lambda: all(self.state_of(p) == "up" for p in self.protocols), deadline)

    def rung_is(self, protocol, deadline=30):
        began = time.monotonic()
        wait_until(f"the rung is {protocol}", lambda: self.d.runner("r1")["rung"] == protocol, deadline)
        return time.monotonic() - began

    def printer(self):
        self.gate = self.dir / "gate"
        job = self.d.submit(command=["sh", "-c", PRINTER.format(gate=self.gate)])
        wait_until("it prints", lambda: self.d.job(job)["log_bytes"] > 0)
        return job

    def prints_on(self, job, deadline=5):
        before = self.d.job(job)["log_bytes"]
        wait_until("it goes on printing", lambda: self.d.job(job)["log_bytes"] > before + 100, deadline)

    def check_printed(self, job, *rungs):
        """Ends it: every line once and in order, in one attempt, over these protocols at least, in this order."""
        self.gate.touch()
        end = self.d.finished(job)
        self.assertEqual((end["state"], len(end["attempts"])), ("succeeded", 1), end)
        lines = self.d.log(job).splitlines()
        self.assertEqual(lines[:-1], [f"line {i}" for i in range(len(lines) - 1)])
        self.assertEqual(lines[-1], f"end {len(lines) - 1}")
        seen = [r["protocol"] for r in end["attempts"][0]["rungs"]]
        self.assertTrue(all(r["reason"] for r in end["attempts"][0]["rungs"]), end)
        rest = iter(seen)
        self.assertTrue(all(r in rest for r in rungs), (seen, rungs))
        return end["attempts"][0]["rungs"]

    # -- one protocol after another breaks -----------------------------------------------------------------------------

    def each_breaks(self, how, within, **kwargs):
        self.fleet(**kwargs)
        job = self.printer()
        self.way.set("valkyrie", how)
        self.assertLess(self.rung_is("http"), within)
        self.prints_on(job)
        self.way.set("valkyrie", "open")
        wait_until("valkyrie is back", lambda: self.state_of("valkyrie") == "up", 60)
        self.way.set("http", how)
        wait_until("the job is on valkyrie", lambda: self.d.job(job)["protocol"] == "valkyrie", 30)
        self.prints_on(job)
        self.way.set("http", "open")
        rungs = self.check_printed(job, "valkyrie", "http", "valkyrie")
        return rungs

    def test_mission_Q11_each_protocol_of_a_dialled_runner_is_refused_in_turn_while_a_job_prints(self):
        rungs = self.each_breaks("refuse", 5)
        self.assertIn("was lost", rungs[1]["reason"])

    def test_mission_Q11_each_protocol_of_a_dialled_runner_stalls_in_turn_while_a_job_prints(self):
        rungs = self.each_breaks("stall", 8)
        self.assertRegex(rungs[1]["reason"], "suspect|was lost")

    def test_mission_Q9_each_protocol_of_a_runner_that_dials_in_is_refused_in_turn_while_a_job_prints(self):
        self.each_breaks("refuse", 6, dials_in=True)

    def test_mission_Q9_each_protocol_of_a_runner_that_dials_in_stalls_in_turn_while_a_job_prints(self):
        self.each_breaks("stall", 7, dials_in=True)

    def all_four_break(self, how, within, **kwargs):
        """The best of those that are left, until one is left; then they come back, and it breaks, too."""
        self.fleet(protocols=SHIPPED, **kwargs)
        job = self.printer()
        used = ["valkyrie"]
        while len(used) < len(SHIPPED):
            self.way.set(used[-1], how)
            began = time.monotonic()
            wait_until("another protocol has the job", lambda: self.d.job(job)["protocol"] not in used, within)
            self.prints_on(job)
            used.append(self.d.job(job)["protocol"])
            print(f"{how}: {used[-2]} -> {used[-1]} after {time.monotonic() - began:.2f} s")
        self.assertEqual(sorted(used), sorted(SHIPPED))
        for protocol in used[:-1]:
            self.way.set(protocol, "open")
        wait_until("valkyrie is back", lambda: self.state_of("valkyrie") == "up" or self.d.job(job)["protocol"] == "valkyrie", 90)
        self.way.set(used[-1], how)
        wait_until("it leaves the last one", lambda: self.d.job(job)["protocol"] != used[-1], within)
        self.prints_on(job)
        self.check_printed(job, *used)

    def test_mission_Q11_all_four_protocols_of_a_dialled_runner_are_refused_in_turn_while_a_job_prints(self):
        self.all_four_break("refuse", 8)

    def test_mission_Q11_all_four_protocols_of_a_dialled_runner_stall_in_turn_while_a_job_prints(self):
        self.all_four_break("stall", 10)

    def test_mission_Q9_all_four_protocols_of_a_runner_that_dials_in_are_refused_in_turn_while_a_job_prints(self):
        self.all_four_break("refuse", 12, dials_in=True)

    def test_mission_Q9_all_four_protocols_of_a_runner_that_dials_in_stall_in_turn_while_a_job_prints(self):
        self.all_four_break("stall", 10, dials_in=True)

    def stands_still_for_a_moment(self, **kwargs):
        self.fleet(**kwargs)
        job = self.printer()
        for program in (self.d, self._programs[-1]):
            for _ in range(2):
                os.kill(program.pid, signal.SIGSTOP)
                try:
                    time.sleep(2.5)
                finally:
                    os.kill(program.pid, signal.SIGCONT)
                self.prints_on(job)
                time.sleep(2)
        self.assertEqual([r["protocol"] for r in self.d.job(job)["attempts"][0]["rungs"]], ["valkyrie"])
        self.assertEqual(self.d.runner("r1")["rung"], "valkyrie")
        self.check_printed(job, "valkyrie")

    def test_mission_Q7_a_dialled_runner_or_its_controller_that_stands_still_for_a_moment_moves_nothing(self):
        self.stands_still_for_a_moment()

    def test_mission_Q7_a_runner_that_dials_in_or_its_controller_that_stands_still_for_a_moment_moves_nothing(self):
        self.stands_still_for_a_moment(dials_in=True)

    def test_a_rung_that_is_only_reset_is_used_again_and_the_job_does_not_notice(self):
        self.fleet()
        job = self.printer()
        for _ in range(3):
            self.way.reset("valkyrie")
            self.prints_on(job)
            self.all_up()
        self.check_printed(job, "valkyrie", "http")

    # -- an operator moves it ------------------------------------------------------------------------------------------

    def switch_each_second(self, dials_in):
        self.fleet(dials_in=dials_in)
        size = 100_000_000
        command = f"i=0; while [ $i -lt 100 ]; do head -c {size // 100} /dev/urandom | tee -a data; i=$((i+1)); sleep 0.1; done; sha256sum data >&2"
        job = self.d.submit(command=["sh", "-c", command])
        wait_until("it prints", lambda: self.d.job(job)["log_bytes"] > 0)
        turns, protocols = 0, ("http", "valkyrie")
        while not self.d.job(job)["finished_at"]:
            to = protocols[turns % 2]
            code, body = self.d.request("POST", f"/v1/runners/r1/migrate?to={to}")
            self.assertEqual(code, 200, body)
            self.assertEqual(body["rung"], to)
            turns += 1
            time.sleep(1)
        end = self.d.job(job)
        self.assertEqual((end["state"], len(end["attempts"])), ("succeeded", 1), end)
        self.assertGreaterEqual(turns, 4)
        self.assertGreaterEqual(len(end["attempts"][0]["rungs"]), min(turns, 5) - 1, end)
        return end, job

    def whole_log(self, job):
        status, text = self.raw(f"/v1/jobs/{job}/logs")
        self.assertEqual(status, 200)
        return text

    def raw(self, path):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        try:
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def check_hash(self, job):
        log = self.whole_log(job)
        digest = log[-(64 + len("  data\n")):-len("  data\n")].decode()
        self.assertEqual(hashlib.sha256(log[:100_000_000]).hexdigest(), digest)

    def test_mission_F2_switched_each_second_the_log_of_100_mb_has_the_same_hash(self):
        _, job = self.switch_each_second(dials_in=False)
        self.check_hash(job)

    def test_mission_F2_switched_each_second_a_runner_that_dials_in_sends_the_log_of_100_mb_unharmed(self):
        _, job = self.switch_each_second(dials_in=True)
        self.check_hash(job)

    def test_mission_Q6_migrate_moves_what_runs_stays_there_and_tells_it(self):
        self.fleet()
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{self.d.port}/v1/events?types=ProtocolMigrated")
        job = self.printer()
        done = self.sigrun(self.d, "runner", "migrate", "r1", "--to", "http", check=0)
        self.assertIn("r1 works over http", done.stdout)
        wait_until("the job has moved", lambda: self.d.job(job)["protocol"] == "http")
        event = json.loads(watch.wait_line('"to":"http"')[len("data:"):])
        self.assertIn("operator", json.dumps(event))
        time.sleep(2.5)  # longer than both dwells: valkyrie would be first by the strategy
        r = self.d.runner("r1")
        self.assertEqual((r["rung"], r["choice"]["wanted"]), ("http", "http"))
        self.assertEqual((r["choice"]["last_switch"]["from"], r["choice"]["last_switch"]["to"]), ("valkyrie", "http"))
        self.assertEqual(self.d.run(command=["true"])["protocol"], "http")
        self.sigrun(self.d, "runner", "migrate", "r1", "--to", "auto", check=0)
        self.rung_is("valkyrie")
        rungs = self.check_printed(job, "valkyrie", "http")
        self.assertIn("operator", rungs[1]["reason"])
        metrics = self.d.request("GET", "/metrics")[1]
        self.assertRegex(metrics, r'sigrun_rung_switch_total\{from="valkyrie",reason="operator",to="http"\} 1')
        shown = self.sigrun(self.d, "runner", "show", "r1", check=0).stdout
        self.assertIn("http -> valkyrie", shown)
        self.assertIn("then http (asked by an operator)", self.sigrun(self.d, "job", "show", job, check=0).stdout)

    # -- a lower protocol than it could be -----------------------------------------------------------------------------

    def test_mission_I11_a_runner_and_a_fleet_on_a_lower_protocol_are_told_and_so_is_their_return(self):
        self.fleet()
        ways = [self.way]
        for name in ("r2", "r3"):
            way = Way(free_port())
            self.addCleanup(way.close)
            self.start_runner(name, "--listen", f"127.0.0.1:{way.target}", wait="listening")
            self.d.request("POST", "/v1/runners", {"name": name, "endpoint": f"127.0.0.1:{way.port}"})
            wait_until(f"{name} is up", lambda: sum(p["state"] == "up" for p in self.d.runner(name)["protocols"]) == 2)
            ways.append(way)
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{self.d.port}/v1/events?types=ProtocolDegraded,ProtocolRestored")
        time.sleep(2)
        self.assertFalse(any("Protocol" in line for line in watch.lines))
        for way in ways:
            way.set("valkyrie", "refuse")
        told = json.loads(watch.wait_line('"scope":"fleet"')[len("data:"):])
        self.assertEqual((told["type"], told["runners"], told["of"], told["missed"]), ("ProtocolDegraded", 3, 3, {"valkyrie": 3}))
        mine = json.loads(next(line for line in watch.lines if '"name":"r1"' in line)[len("data:"):])
        self.assertEqual((mine["protocol"], mine["missed"]), ("http", "valkyrie"))
        self.assertTrue(mine["reason"])
        self.assertIn("sigrun_runners_on_lower_protocol 3", self.d.request("GET", "/metrics")[1])
        for way in ways:
            way.set("valkyrie", "open")
        for name in ("r1", "r2", "r3"):
            self.d.request("POST", f"/v1/runners/{name}/detect")
        wait_until("their return is told", lambda: sum("ProtocolRestored" in line and "data:" in line for line in watch.lines) == 4, 60)

    # -- a protocol gets slow ------------------------------------------------------------------------------------------

    FAR = {"http": 0.01}  # so that the better one is certain on a busy machine, too
    MEASURED = ["interface.strategy=performance", "interface.switch_dwell=1s", "balancer.protocol_weights=valkyrie=1.2,http=1.0"]

    def test_mission_F3_a_job_leaves_a_protocol_that_stays_slow_for_three_windows(self):
        self.fleet(settings=self.MEASURED, delays=self.FAR)
        job = self.printer()
        self.assertEqual(self.d.job(job)["protocol"], "valkyrie")
        self.way.delays["valkyrie"] = 0.05
        self.rung_is("http", 60)
        self.assertEqual(self.d.job(job)["protocol"], "valkyrie")  # what runs stays for three windows more
        wait_until("the job has moved", lambda: self.d.job(job)["protocol"] == "http", 60)
        self.prints_on(job)
        switched = self.d.runner("r1")["choice"]["last_switch"]["at"]
        rungs = self.check_printed(job, "valkyrie", "http")
        self.assertIn("measurement", rungs[1]["reason"])
        self.assertGreater(seconds_between(switched, rungs[1]["at"]), 2)

    def test_mission_F3_a_job_stays_when_its_protocol_was_slow_for_a_moment_only(self):
        self.fleet(settings=[*self.MEASURED, "balancer.performance_monitoring_interval=2s"], delays=self.FAR)
        job = self.printer()
        self.way.delays["valkyrie"] = 0.05
        self.rung_is("http", 90)
        del self.way.delays["valkyrie"]
        time.sleep(9)
        self.assertEqual(self.d.job(job)["protocol"], "valkyrie")
        self.assertEqual([r["protocol"] for r in self.d.job(job)["attempts"][0]["rungs"]], ["valkyrie"])
        self.check_printed(job, "valkyrie")

    # -- what a job may ask for ----------------------------------------------------------------------------------------

    def test_mission_I9_a_preferred_protocol_and_a_latency_limit_are_flags_and_explained(self):
        # With enough measurements a preference counts 20 %, and a busy machine can make one of two round trips slower by more.
        self.fleet(settings=["interface.min_sample_size=1000"])
        wait_until("it is measured", lambda: all(p["latency_us"] for p in self.d.runner("r1")["protocols"]))
        self.sigrun(self.d, "run", "--preferred-protocol", "http", "--max-latency", "10s", "--", "true", check=0)
        job = self.d.get("/v1/jobs")["items"][0]
        self.assertEqual(job["protocol"], "http")
        self.assertIn("preferred by the job", job["reason"])
        self.assertIn("preferred by the job", self.sigrun(self.d, "job", "show", job["id"], check=0).stdout)
        job = self.d.run(command=["true"], preferred_protocol="grpc")  # not used here
        self.assertIn("as the preferred protocol cannot be used", job["reason"])
        self.way.delays["valkyrie"] = 0.2
        wait_until("it got slow", lambda: next(p["latency_us"] for p in self.d.runner("r1")["protocols"] if p["name"] == "valkyrie") > 60_000, 60)
        done = self.sigrun(self.d, "submit", "--max-latency", "50ms", "--wait", "--", "true", check=0)
        job = self.d.job(done.stdout.split()[0])
        self.assertEqual(job["protocol"], "http")
        self.assertIn("1 slower than max_latency", job["reason"])
        for flag, value in (("--max-latency", "soon"), ("--preferred-protocol", "pigeon")):
            failed = self.sigrun(self.d, "submit", flag, value, "--", "true")
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn(flag[2:].replace("-", "_"), failed.stderr)
        for command in ("run", "submit", "bench"):
            text = self.sigrun(self.d, command, "--help", check=0).stdout
            self.assertIn("--preferred-protocol", text)
            self.assertIn("--max-latency", text)

    def test_migrate_says_what_is_wrong(self):
        self.fleet()
        code, body = self.d.request("POST", "/v1/runners/r1/migrate?to=pigeon")
        self.assertEqual((code, body["field"]), (400, "to"), body)
        self.assertIn("valkyrie", body["expected"])
        self.assertEqual(self.d.request("POST", "/v1/runners/r1/migrate")[0], 400)
        self.assertEqual(self.d.request("POST", "/v1/runners/nobody/migrate?to=http")[0], 404)

    def test_migrate_to_a_protocol_that_cannot_be_reached_fails_and_changes_nothing(self):
        self.fleet(dials_in=True)
        self.way.set("http", "refuse")
        job = self.printer()
        code, body = self.d.request("POST", "/v1/runners/r1/migrate?to=http")
        self.assertIn(code, (503, 504), body)
        self.assertEqual(self.d.runner("r1")["rung"], "valkyrie")
        self.prints_on(job)
        self.check_printed(job, "valkyrie")

    # -- offers --------------------------------------------------------------------------------------------------------

    def test_mission_I7_http_that_is_refused_is_left_as_soon_as_other_protocols(self):
        self.fleet(settings=["interface.strategy=http_first"], protocols=("http", "websocket"), first="http")
        job = self.printer()
        for _ in range(2):
            self.way.set("http", "refuse")
            print(f"refuse: http -> websocket after {self.rung_is('websocket', 4):.2f} s")
            self.prints_on(job)
            self.way.set("http", "open")
            self.d.request("POST", "/v1/runners/r1/detect")
            wait_until("the job is on http again", lambda: self.d.job(job)["protocol"] == "http", 60)
        self.check_printed(job, "http", "websocket", "http")

    def test_mission_I7_valkyrie_is_cut_with_1000_jobs_in_flight_and_all_end_in_one_attempt(self):
        self.fleet(slots=1000)
        out = self.dir / "ran"
        out.mkdir()
        jobs = [self.d.submit(command=["sh", "-c", f"sleep 3; echo x >> {out}/$SIGRUN_JOB"], durability="relaxed", retry={"infrastructure": 0})
                for _ in range(1000)]
        self.way.set("valkyrie", "refuse")
        self.rung_is("http", 5)
        ended = [self.d.finished(j, 120) for j in jobs]
        self.assertEqual({e["state"] for e in ended}, {"succeeded"})
        self.assertEqual({len(e["attempts"]) for e in ended}, {1})
        ran = [f.read_text().count("x") for f in out.iterdir()]
        self.assertEqual((len(ran), set(ran)), (1000, {1}))

    def test_mission_I7_offers_that_stall_are_sent_over_the_other_protocol_and_run_once(self):
        self.fleet(slots=20)
        self.way.set("valkyrie", "stall")
        out = self.dir / "ran"
        began = time.monotonic()
        jobs = [self.d.submit(command=["sh", "-c", f"echo x >> {out}"]) for _ in range(10)]
        ended = [self.d.finished(j, 20) for j in jobs]
        self.assertLess(time.monotonic() - began, 12)
        self.assertEqual({len(e["attempts"]) for e in ended}, {1}, ended[0])
        self.assertEqual({e["protocol"] for e in ended}, {"http"})
        self.way.set("valkyrie", "open")  # what was stuck arrives now
        self.d.run(command=["true"])
        self.assertEqual(out.read_text().count("x"), 10)

    # -- breaker, flapping ---------------------------------------------------------------------------------------------

    def test_a_rung_in_trouble_is_left_to_its_breaker_and_shown_as_such(self):
        self.fleet()
        self.way.set("valkyrie", "refuse")

        def evidence():
            return next(p["evidence"] for p in self.d.runner("r1")["protocols"] if p["name"] == "valkyrie")
        seen = wait_until("the breaker opens", lambda: (lambda e: e if e["breaker"] == "open" else None)(evidence()), 40)
        self.assertTrue(seen["next_trial_at"], seen)
        self.assertTrue(seen["last_failure"], seen)
        self.assertIn("breaker open", self.sigrun(self.d, "runner", "show", "r1", check=0).stdout)
        self.way.set("valkyrie", "open")
        code, _ = self.d.request("POST", "/v1/runners/r1/detect")  # an operator need not wait for the trial
        self.assertEqual(code, 200)
        self.all_up()
        self.assertEqual(evidence()["breaker"], "closed")

    def test_mission_F7_a_rung_that_flaps_is_left_alone(self):
        self.fleet()

        def seen():
            one = next(p for p in self.d.runner("r1")["protocols"] if p["name"] == "valkyrie")
            return "open" if one["evidence"]["breaker"] == "open" else "up" if one["state"] == "up" else None
        for _ in range(8):
            self.way.reset("valkyrie")
            if wait_until("valkyrie is back, or its breaker has opened", seen, 20) == "open":
                break
            time.sleep(0.3)
        self.assertLessEqual(self.d.runner("r1")["choice"]["switches"], 4, self.d.runner("r1")["choice"])
        self.assertEqual(self.d.runner("r1")["rung"], "http")

    # -- options -------------------------------------------------------------------------------------------------------

    def test_mission_C14_without_migration_what_runs_stays_and_is_lost_with_its_protocol(self):
        self.fleet(settings=["interface.enable_protocol_migration=no", "jobs.lease=2s"])
        job = self.printer()
        code, body = self.d.request("POST", "/v1/runners/r1/migrate?to=http")
        self.assertEqual((code, body["field"]), (403, "interface.enable_protocol_migration"), body)
        self.way.set("valkyrie", "refuse")
        wait_until("the attempt is lost", lambda: self.d.job(job)["attempts"][0]["state"] == "lost", 20)
        self.gate.touch()
        self.assertEqual(self.d.finished(job)["attempts"][1]["protocol"], "http")

    def test_mission_C11_without_automatic_choice_the_job_or_the_runner_names_the_protocol(self):
        self.fleet(settings=["interface.auto_protocol_selection=no"])
        waiting = self.d.submit(command=["true"])
        wait_until("it says why it waits", lambda: "names a protocol" in self.d.job(waiting)["reason"])
        for protocol in ("http", "valkyrie"):
            job = self.d.run(command=["true"], protocol=protocol)
            self.assertEqual((job["protocol"], job["state"]), (protocol, "succeeded"))
        self.runner_for(self.d, "r2", protocol="http")
        self.assertEqual(self.d.finished(waiting)["runner"]["name"], "r2")

    def test_mission_C13_an_offer_that_reaches_no_protocol_is_void_after_the_fallback_timeout(self):
        self.fleet(settings=["interface.fallback_timeout=1s"])
        self.way.set("http", "refuse")
        wait_until("http is gone", lambda: self.state_of("http") == "down", 20)
        self.way.set("valkyrie", "stall")
        job = self.d.submit(command=["true"])
        wait_until("it was offered", lambda: self.d.job(job)["state"] == "offered")
        self.way.set("valkyrie", "refuse")
        began = time.monotonic()
        wait_until("the offer is void", lambda: self.d.job(job)["attempts"][0]["state"] in ("lost", "refused"), 10)
        self.assertLess(time.monotonic() - began, 3)

    def test_mission_I9_a_job_with_max_latency_waits_and_says_so_when_no_protocol_is_fast_enough(self):
        self.fleet()
        wait_until("it is measured", lambda: all(p["latency_us"] for p in self.d.runner("r1")["protocols"]))
        job = self.d.submit(command=["true"], max_latency="1us")
        wait_until("it says why", lambda: "max_latency" in self.d.job(job)["reason"])
        self.assertEqual(self.d.run(command=["true"], max_latency="10s")["state"], "succeeded")
        code, body = self.d.request("POST", "/v1/jobs", {"command": ["true"], "max_latency": "soon"})
        self.assertEqual((code, body["field"]), (400, "max_latency"), body)

    def test_mission_I6_round_robin_uses_each_protocol_in_turn(self):
        self.fleet(settings=["interface.strategy=round_robin"], protocols=SHIPPED)
        used = [self.d.run(command=["true"])["protocol"] for _ in range(20)]
        self.assertEqual({p: used.count(p) for p in SHIPPED}, dict.fromkeys(SHIPPED, 5))

    def test_mission_I5_adaptive_begins_with_the_prior_and_goes_by_measurement(self):
        self.d = self.daemon(settings=["interface.strategy=adaptive", "interface.switch_dwell=2s", "detector.disabled=grpc,websocket",
                                       "balancer.performance_monitoring_interval=1s"])
        self.protocols = ("valkyrie", "http")
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", "--slots", "4", wait="listening")
        way = Way(port)
        self.addCleanup(way.close)
        way.delays["http"] = 0.01
        self.d.request("POST", "/v1/runners", {"name": "r1", "endpoint": f"127.0.0.1:{way.port}"})
        self.all_up()
        self.assertEqual(self.d.run(command=["true"], priority="high")["protocol"], "valkyrie")
        self.rung_is("valkyrie", 30)
        self.assertIn("measurement", self.d.runner("r1")["choice"]["last_switch"]["reason"])
        job = self.d.run(command=["true"])
        self.assertEqual(job["protocol"], "valkyrie")
        self.assertIn("score", job["reason"])


if __name__ == "__main__":
    unittest.main()
