"""Copies of jobs that take longer than usual: who succeeds first has done the job, and there is one result."""
import base64
import hashlib
import pathlib
import threading
import time
import unittest

from harness import free_port, processes_with, wait_until
from stragglers import OFTEN, StragglerTest, log

ARTIFACT, ARTIFACT_ACK = 3, 10


class Hedge(StragglerTest):
    def test_the_copy_is_first_and_the_slow_one_is_told_to_stop(self):
        for durability in ("fsync", "relaxed", "memory"):
            with self.subTest(durability):
                d = self.daemon(name=durability, settings=[OFTEN])
                first, second = self.fleet(d)
                job_id, slow, copy = self.began(d, first, second, durability=durability)
                shown = d.job(job_id)
                self.assertEqual((shown["runner"]["name"], shown["attempts"][0]["hedge"], shown["attempts"][0]["own_log"]),
                                 ("first", True, True))
                self.assertIn("takes longer than usual", shown["attempts"][0]["reason"])
                first.send({**log("slow..."), "attempt": slow["attempt"]})
                second.send({**log("quick\n"), "attempt": copy["attempt"]})
                wait_until("both have written", lambda: d.get(f"/v1/jobs/{job_id}/logs?attempt=2") == "quick\n" and
                           d.log(job_id) == "slow...")
                second.end(copy, log_bytes=6)
                job = d.finished(job_id)
                self.assertEqual((job["state"], job["exit_code"], job["runner"]["name"]), ("succeeded", 0, "second"))
                self.assertEqual(self.attempts(job), [(1, "first", "cancelled", "overtaken"), (2, "second", "succeeded", None)])
                self.assertIn("attempt 2 on second", job["attempts"][0]["failure"]["message"])
                self.assertEqual(d.log(job_id), "slow...quick\n")
                self.assertEqual([d.get(f"/v1/jobs/{job_id}/logs?attempt={n}") for n in (1, 2)], ["slow...", "quick\n"])
                # It has its grace, and its place until it says that it has stopped; what it says of the job is too late.
                cancel = first.expect("cancel", job_id)
                self.assertEqual(cancel["attempt"]["token"], slow["attempt"]["token"])
                self.assertEqual(d.runner("first")["in_flight"], 1)
                first.send({**log("cleaning up", 7), "attempt": slow["attempt"]})
                first.end(slow, exit_code=9, log_bytes=18)
                self.no_job_left(d, "first", "second")
                self.assertEqual((d.job(job_id)["exit_code"], d.log(job_id)), (0, "slow...quick\n"))
                self.assertEqual([self.counted(d, what) for what in ("begun", "won")], [1, 1])
                d.stop()

    def test_the_first_attempt_is_first_and_the_copy_is_told_to_stop(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        second.send({**log("half"), "attempt": copy["attempt"]})
        first.send({**log("whole"), "attempt": slow["attempt"]})
        wait_until("both have written", lambda: d.get(f"/v1/jobs/{job_id}/logs?attempt=2") == "half" and d.log(job_id) == "whole")
        first.end(slow, log_bytes=5)
        job = d.finished(job_id)
        self.assertEqual(self.attempts(job), [(2, "second", "cancelled", "overtaken"), (1, "first", "succeeded", None)])
        self.assertEqual(second.expect("cancel", job_id)["attempt"]["token"], copy["attempt"]["token"])
        second.end(copy)
        self.no_job_left(d, "first", "second")
        # What the copy had written is its own, and can still be read.
        self.assertEqual([d.log(job_id), d.get(f"/v1/jobs/{job_id}/logs?attempt=1"), d.get(f"/v1/jobs/{job_id}/logs?attempt=2")],
                         ["whole", "whole", "half"])
        self.assertEqual(self.counted(d, "won"), 0)

    def test_a_real_straggler_is_beaten_by_the_copy_on_another_runner(self):
        marker = f"straggler-{self.dir.name}"
        slow_here = self.dir / "slow"
        d = self.daemon(settings=[OFTEN])
        self.runner_for(d, "r1", slots=2, labels=["box=first"])
        self.runner_for(d, "r2", slots=2)
        for job_id in [d.submit(command=["true"]) for _ in range(30)]:
            self.assertEqual(d.finished(job_id)["state"], "succeeded")
        # It takes long where it is begun first, whoever that is.
        script = f'if mkdir {slow_here} 2>/dev/null; then echo begun; exec sleep 600; fi; echo done by $SIGRUN_ATTEMPT'
        began = time.monotonic()
        job_id = d.submit(command=["sh", "-c", script], hedge=True, env={"MARK": marker}, prefers=[{"if": 'label.box == "first"'}])
        job = d.finished(job_id)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual([(n, runner, state) for n, runner, state, _ in self.attempts(job)],
                         [(1, "r1", "cancelled"), (2, "r2", "succeeded")], job)
        self.assertEqual(d.log(job_id), "begun\ndone by 2\n")
        wait_until("nothing of the slow one is left", lambda: not processes_with(marker))
        self.no_job_left(d, "r1", "r2")
        shown = self.sigrun(d, "job", "show", job_id, check=0).stdout
        self.assertIn("its copy, attempt 2 on r2, succeeded first", shown)
        self.assertIn("attempt 2 on r2, succeeded first", self.sigrun(d, "job", "explain", job_id, check=0).stdout)

    def test_a_copy_that_wins_leaves_its_own_artifacts(self):
        d = self.daemon(settings=[OFTEN])
        self.runner_for(d, "r1", slots=2, labels=["box=first"])
        self.runner_for(d, "r2", slots=2)
        for job_id in [d.submit(command=["true"]) for _ in range(30)]:
            self.assertEqual(d.finished(job_id)["state"], "succeeded")
        script = ("printf $SIGRUN_ATTEMPT > who; head -c 3000000 /dev/urandom > large; sha256sum large; "
                  "if [ $SIGRUN_ATTEMPT = 1 ]; then exec sleep 600; fi")
        job_id = d.submit(command=["sh", "-c", script], hedge=True, artifacts=["who", "large"],
                          prefers=[{"if": 'label.box == "first"'}])
        job = d.finished(job_id)
        self.assertEqual([(n, state) for n, _, state, _ in self.attempts(job)], [(1, "cancelled"), (2, "succeeded")], job)
        self.assertEqual(d.get(f"/v1/jobs/{job_id}/artifacts/who"), "2")
        self.assertEqual(job["artifacts"][1]["sha256"], d.get(f"/v1/jobs/{job_id}/logs?attempt=2").split()[0])
        self.no_job_left(d, "r1", "r2")
        partial = self.dir / "daemon" / "artifacts" / "partial"
        wait_until("nothing is left half way", lambda: not list(partial.glob("*")))

    def test_an_upload_of_the_attempt_that_is_overtaken_is_dropped(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, artifacts=["f"])
        told = {"kind": "state", "json": {"state": "uploading", "artifacts": [
            {"name": "f", "size": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}]}}
        for puppet, offer in ((first, slow), (second, copy)):
            puppet.send({**told, "attempt": offer["attempt"]})
            self.assertEqual(puppet.expect("ack", job_id, stream=ARTIFACT_ACK).get("offset", 0), 0)
        self.assertEqual(d.job(job_id)["state"], "uploading")
        whole = {"kind": "log", "stream": ARTIFACT, "offset": 0, "time_ns": 1, "payload": base64.b64encode(b"hello").decode()}
        first.send({**whole, "payload": base64.b64encode(b"he").decode(), "attempt": slow["attempt"]})
        second.send({**whole, "attempt": copy["attempt"]})
        while second.expect("ack", job_id, stream=ARTIFACT_ACK).get("offset") != 5:
            pass
        second.end(copy)
        job = d.finished(job_id)
        self.assertEqual(self.attempts(job), [(1, "first", "cancelled", "overtaken"), (2, "second", "succeeded", None)])
        self.assertEqual(d.get(f"/v1/jobs/{job_id}/artifacts/f"), "hello")
        partial = self.dir / "daemon" / "artifacts" / "partial"
        wait_until("nothing is left half way", lambda: not list(partial.glob("*")))
        first.expect("cancel", job_id)
        first.end(slow, exit_code=1)
        self.no_job_left(d, "first", "second")

    def test_jobs_that_do_not_ask_for_it_or_must_not_run_twice_have_none(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        status, problem = d.request("POST", "/v1/jobs", {"command": ["true"], "hedge": True, "idempotent": False})
        self.assertEqual((status, problem["field"]), (400, "hedge"), problem)
        self.assertIn("must not run twice", problem["expected"])
        status, problem = d.request("POST", "/v1/jobs", {"command": ["true"], "hedge": "yes"})
        self.assertEqual((status, problem["field"], problem["expected"]), (400, "hedge", "true or false"), problem)
        plain = [d.submit(command=["true"], prefers=self.hedged["prefers"], **more) for more in ({}, {"idempotent": False})]
        for job_id in plain:
            first.accept(first.expect("offer", job_id))
        self.began(d, first, second)  # later than those, and it has one
        self.assertEqual([len(d.job(job_id)["attempts"]) for job_id in plain], [1, 1])

    def test_copies_are_few(self):
        d = self.daemon(settings=["jobs.hedge_budget=0.02"])
        first, second = self.puppet(d, name="first", labels={"box": "first"}, slots=40), self.puppet(d, name="second", slots=40)
        self.accustom(d, first, second, n=160)
        for _ in range(20):
            first.accept(first.expect("offer", d.submit(**self.hedged, durability="memory")))
        wait_until("some have a copy", lambda: self.counted(d, "begun"))
        wait_until("the others are told that there are enough", lambda: self.counted(d, "over_budget") >= 20)
        offers = int(next(m for m in d.get("/metrics").splitlines() if m.startswith("sigrun_offers_total ")).split()[1])
        self.assertLessEqual(self.counted(d, "begun") / offers, 0.02)
        self.assertGreaterEqual(self.counted(d, "begun"), 3)

    def test_there_is_none_while_the_runners_are_busy_and_one_when_they_are_not(self):
        d = self.daemon(settings=[OFTEN, "jobs.hedge_max_load=0.5"])
        first, second = self.fleet(d)
        others = [second.expect("offer", d.submit(command=["true"], requires='label.box == "second"')) for _ in range(4)]
        for offer in others:
            second.accept(offer)
        job_id = d.submit(**self.hedged)
        first.accept(first.expect("offer", job_id))
        wait_until("it would have one", lambda: self.counted(d, "busy"))
        self.assertEqual((len(d.job(job_id)["attempts"]), self.counted(d, "begun")), (1, 0))
        for offer in others:
            second.end(offer)
        second.accept(second.expect("offer", job_id))

    def test_a_copy_that_fails_changes_nothing(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        second.end(copy, exit_code=127)
        wait_until("it is noted", lambda: self.counted(d, "failed") == 1)
        job = d.job(job_id)
        self.assertEqual((job["state"], job["exit_code"], job["runner"]["name"]), ("running", None, "first"), job)
        self.assertEqual(self.attempts(job)[0], (2, "second", "failed", "exit"))
        self.assertEqual(job["attempts"][0]["exit_code"], 127)
        # There may be another one, and that may be refused, too.
        again = second.expect("offer", job_id)
        self.assertEqual(again["attempt"]["number"], 3)
        second.send({"kind": "ack", "stream": 2, "flags": 2, "attempt": again["attempt"],
                     "json": {"code": "limits", "message": "no room"}})
        wait_until("it is refused", lambda: ("refused" in [a["state"] for a in d.job(job_id)["attempts"]]))
        first.end(slow)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["attempts"][-1]["number"]), ("succeeded", 1), job)

    def test_the_failure_of_the_first_attempt_is_that_of_the_job(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        first.end(slow, exit_code=3)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["exit_code"], job["failure"]["class"]), ("failed", 3, "user"), job)
        second.expect("cancel", job_id)
        second.end(copy)
        self.no_job_left(d, "first", "second")
        self.assertEqual(d.job(job_id)["exit_code"], 3)

    def test_both_end_at_once_and_one_result_counts(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        for n in range(8):
            job_id, slow, copy = self.began(d, first, second, durability=("fsync", "memory")[n % 2])
            together = threading.Barrier(2)

            def end(p, offer, code):
                together.wait()
                p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "offset": 0, "json": {
                    "state": "succeeded", "exit_code": 0, "usage": {"who": code}}})
            threads = [threading.Thread(target=end, args=a) for a in ((first, slow, 1), (second, copy, 2))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            job = d.finished(job_id)
            self.assertEqual((job["state"], [a["state"] for a in job["attempts"]]), ("succeeded", ["cancelled", "succeeded"]), job)
            self.assertEqual(job["usage"]["who"], job["attempts"][-1]["number"])
            self.no_job_left(d, "first", "second")
            for p in (first, second):
                while not p.frames.empty():
                    p.frames.get()
            # Earn the next copy.
            self.accustom(d, first, second, n=6)

    def test_a_cancel_ends_both(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=3s")
        for p, offer in ((first, slow), (second, copy)):
            p.expect("cancel", job_id)
            p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "offset": 0, "json": {
                "state": "cancelled", "failure": {"class": "cancelled", "code": "cancelled", "message": "stopped"}}})
        job = d.finished(job_id)
        self.assertEqual((job["state"], [a["state"] for a in job["attempts"]]), ("cancelled", ["cancelled"] * 2), job)
        self.no_job_left(d, "first", "second")

    def test_a_copy_goes_on_where_the_first_is_lost_and_costs_no_retry(self):
        d = self.daemon(settings=[OFTEN, "jobs.lease=1s", "interface.fallback_timeout=1s"])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, retry={"infrastructure": 0})
        first.send({**log("gone"), "attempt": slow["attempt"]})
        second.send({**log("one "), "attempt": copy["attempt"]})
        wait_until("both have written", lambda: d.get(f"/v1/jobs/{job_id}/logs?attempt=2") == "one " and d.log(job_id) == "gone")
        first.hang_up()
        wait_until("the copy counts", lambda: self.counted(d, "took_over") == 1)
        job = d.job(job_id)
        self.assertEqual((job["state"], job["runner"]["name"]), ("running", "second"), job)
        self.assertEqual(self.attempts(job), [(1, "first", "lost", "lost"), (2, "second", "running", None)])
        # The first comes back too late.
        self.assertEqual(first.connect([first.listed(slow)]), {(job_id, 1): "kill"})
        second.send({**log("two\n", 4), "attempt": copy["attempt"]})
        second.end(copy, log_bytes=8)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["exit_code"]), ("succeeded", 0), job)
        self.assertEqual([d.log(job_id), d.get(f"/v1/jobs/{job_id}/logs?attempt=2")], ["goneone two\n", "one two\n"])
        self.no_job_left(d, "first", "second")

    def test_a_copy_that_is_lost_is_noted_and_one_that_comes_back_goes_on(self):
        d = self.daemon(settings=[OFTEN, "jobs.lease=2s", "interface.fallback_timeout=2s"])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        second.send({**log("before "), "attempt": copy["attempt"]})
        wait_until("it has written", lambda: d.get(f"/v1/jobs/{job_id}/logs?attempt=2") == "before ")
        second.hang_up()
        verdicts = second.connect_fully([second.listed(copy, log_bytes=7)])
        self.assertEqual([(v["verdict"], v["log_offset"]) for v in verdicts], [("keep", 7)])
        second.send({**log("after", 7), "attempt": copy["attempt"]})
        wait_until("it goes on", lambda: d.get(f"/v1/jobs/{job_id}/logs?attempt=2") == "before after")
        second.hang_up()
        wait_until("it is lost", lambda: self.attempts(d.job(job_id))[0] == (2, "second", "lost", "lost"))
        self.assertEqual(d.job(job_id)["state"], "running")
        first.end(slow)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        self.assertEqual(second.connect([second.listed(copy)]), {(job_id, 2): "kill"})
        self.no_job_left(d, "first", "second")

    def test_over_a_restart_of_the_daemon_the_first_goes_on_and_the_copy_is_told_to_stop(self):
        port = free_port()
        d = self.daemon(port=port, settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        other = d.submit(command=["true"], requires='label.never == "x"')  # its record is on the disk, and so is what came before
        d.kill()
        d = self.daemon(port=port, settings=[OFTEN])
        self.assertEqual(d.job(other)["state"], "queued")
        self.assertEqual(second.connect([second.listed(copy)]), {(job_id, 2): "kill"})
        self.assertEqual(first.connect([first.listed(slow)]), {(job_id, 1): "keep"})
        self.assertEqual(self.attempts(d.job(job_id)), [(2, "second", "cancelled", "restart"), (1, "first", "running", None)])
        second.end(copy)  # what it says is of no interest
        first.end(slow)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["runner"]["name"]), ("succeeded", "first"), job)
        self.no_job_left(d, "first", "second")

    def test_over_a_restart_of_the_daemon_a_copy_that_counts_goes_on(self):
        port = free_port()
        settings = [OFTEN, "jobs.lease=1s", "interface.fallback_timeout=1s"]
        d = self.daemon(port=port, settings=settings)
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        second.send({**log("one "), "attempt": copy["attempt"]})
        wait_until("it has written", lambda: d.get(f"/v1/jobs/{job_id}/logs?attempt=2") == "one ")
        first.hang_up()
        wait_until("the copy counts", lambda: self.counted(d, "took_over") == 1)
        d.submit(command=["true"], requires='label.never == "x"')
        d.kill()
        d = self.daemon(port=port, settings=settings)
        self.assertEqual(second.connect([second.listed(copy, log_bytes=4)]), {(job_id, 2): "keep"})
        self.assertEqual(first.connect([first.listed(slow)]), {(job_id, 1): "kill"})
        second.send({**log("two", 4), "attempt": copy["attempt"]})
        second.end(copy, log_bytes=7)
        job = d.finished(job_id)
        self.assertEqual((job["state"], [a["number"] for a in job["attempts"]]), ("succeeded", [1, 2]), job)
        self.assertEqual(d.log(job_id), "one two")

    def test_a_follower_of_the_copy_alone_reads_it_to_its_end(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        second.send({**log("a\n"), "attempt": copy["attempt"]})
        read = []

        def follow():
            read.append(d.get(f"/v1/jobs/{job_id}/logs?attempt=2&follow=true"))
        t = threading.Thread(target=follow)
        t.start()
        second.send({**log("b\n", 2), "attempt": copy["attempt"]})
        second.end(copy, log_bytes=4)
        d.finished(job_id)
        t.join(30)
        self.assertEqual(read, ["a\nb\n"])

    def test_what_is_on_the_disk_goes_with_the_job(self):
        d = self.daemon(settings=[OFTEN, "jobs.keep_finished=80"])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second)
        second.send({**log("half" * 2000), "attempt": copy["attempt"]})
        logs = pathlib.Path(self.dir / "daemon" / "logs")
        wait_until("it is on the disk", lambda: list(logs.rglob(f"{job_id}.2.log")))
        first.end(slow)
        d.finished(job_id)
        self.accustom(d, first, second, n=80)
        wait_until("the job is forgotten", lambda: d.request("GET", f"/v1/jobs/{job_id}")[0] == 404)
        wait_until("so is its output", lambda: not list(logs.rglob(f"{job_id}*")))


if __name__ == "__main__":
    unittest.main()
