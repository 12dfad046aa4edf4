"""The timeouts of a job: start, silent and total. (queue: queues_test, run: first_job_test.)"""
import time
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest


class Timeouts(PuppetTest):
    def began(self, p, offer):
        p.accept(offer)
        p.send({"kind": "state", "attempt": offer["attempt"], "json": {"state": "running"}})

    def test_a_runner_that_accepts_a_job_and_does_not_start_it_loses_it_to_another(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        deaf = self.puppet(d, name="deaf", labels={"n": "1"})
        job_id = d.submit(command=["true"], timeouts={"start": "500ms"})
        offer = deaf.expect("offer", job_id)
        deaf.accept(offer)
        good = self.puppet(d, name="good")
        again = good.expect("offer", job_id)
        self.assertEqual(deaf.expect("cancel", job_id)["attempt"]["number"], offer["attempt"]["number"])
        self.began(good, again)
        time_out = time.monotonic() + 0.8
        wait_until("its time to start would be over", lambda: time.monotonic() > time_out)
        good.end(again)
        job = d.finished(job_id)
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual([(a["runner"]["name"], a["state"]) for a in job["attempts"]], [("deaf", "failed"), ("good", "succeeded")])
        failure = job["attempts"][0]["failure"]
        self.assertEqual((failure["class"], failure["code"]), ("infra_runner", "start_timeout"))
        self.assertIn("timeouts.start (500ms)", failure["message"])
        # What comes too late changes nothing.
        deaf.end(offer, exit_code=1)
        self.assertEqual(d.job(job_id)["state"], "succeeded")

    def test_a_job_that_must_not_run_twice_is_not_started_elsewhere(self):
        d = self.daemon()
        deaf = self.puppet(d)
        job_id = d.submit(command=["true"], idempotent=False, timeouts={"start": "300ms"})
        deaf.accept(deaf.expect("offer", job_id))
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"]), ("failed", "outcome_unknown"), job)
        self.assertIn("timeouts.start", job["failure"]["message"])

    def test_a_runner_that_comes_back_with_a_job_it_has_not_started_has_that_time_again(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id = d.submit(command=["true"], retry={"infrastructure": 0}, timeouts={"start": "1s"})
        offer = p.expect("offer", job_id)
        p.accept(offer)
        p.hang_up()
        p.connect([{**p.listed(offer), "begun": False}])
        job = d.finished(job_id)
        self.assertEqual(job["failure"]["code"], "start_timeout", job)

    def test_a_silent_job_is_ended_and_one_that_speaks_is_not(self):
        d = self.daemon()
        self.runner_for(d)
        talker = d.submit(command=["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.2; done"], timeouts={"silent": "1s"})
        silent = d.run(command=["sh", "-c", "echo begin; sleep 600"], timeouts={"silent": "1s"})
        self.assertEqual((silent["state"], silent["failure"]["class"], silent["failure"]["code"]), ("failed", "user_timeout", "silent"), silent)
        self.assertIn("timeouts.silent (1s)", silent["failure"]["message"])
        self.assertEqual(silent["signal"], 15)
        self.assertEqual(d.log(silent["id"]), "begin\n")
        self.assertEqual(d.finished(talker)["state"], "succeeded")

    def test_the_total_time_ends_a_running_job_and_takes_no_retry(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(command=["sleep", "600"], retry={"user": 5}, timeouts={"total": "1s"})
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("failed", "user_timeout", "total_timeout"), job)
        self.assertIn("timeouts.total (1s)", job["failure"]["message"])
        self.assertEqual(len(job["attempts"]), 1)
        self.assertEqual(job["attempts"][0]["state"], "cancelled")

    def test_the_total_time_goes_over_all_attempts(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        self.runner_for(d)
        job = d.run(command=["sh", "-c", "sleep 0.3; exit 1"], retry={"user": 100}, timeouts={"total": "2s", "run": "30s"})
        self.assertEqual(job["failure"]["code"], "total_timeout", job)
        self.assertGreater(len(job["attempts"]), 1)

    def test_the_total_time_ends_a_waiting_job_and_goes_on_over_a_restart(self):
        port = free_port()
        d = self.daemon(port=port)
        job_id = d.submit(command=["true"], timeouts={"total": "3s"})
        submitted = time.time()
        d.kill()
        wait_until("half of its time is over", lambda: time.time() > submitted + 1.5)
        d = self.daemon(port=port)
        self.assertEqual(d.job(job_id)["state"], "queued")
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("expired", "user_timeout", "total_timeout"), job)
        self.assertLess(time.time(), submitted + 4.5)

    def test_the_total_time_of_a_running_job_goes_on_over_a_restart(self):
        port = free_port()
        d = self.daemon(port=port)
        p = self.puppet(d)
        job_id = d.submit(command=["true"], timeouts={"total": "3s"})
        submitted = time.time()
        offer = p.expect("offer", job_id)
        self.began(p, offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        p.vanish()
        d.kill()
        d = self.daemon(port=port)
        p.connect([p.listed(offer)])
        p.expect("cancel", job_id)
        self.assertGreater(time.time(), submitted + 2.9)
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {
            "state": "cancelled", "failure": {"class": "cancelled", "code": "cancelled", "message": "cancelled"}}})
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"]), ("failed", "total_timeout"), job)

    def test_the_command_line_sets_each_of_them(self):
        d = self.daemon()
        self.runner_for(d)
        out = self.sigrun(d, "run", "--silent-timeout", "500ms", "--", "sleep", "600", check=124)
        self.assertIn("timeouts.silent (500ms)", out.stdout + out.stderr)
        out = self.sigrun(d, "run", "--total-timeout", "500ms", "--start-timeout", "5s", "--", "sleep", "600", check=124)
        self.assertIn("timeouts.total (500ms)", out.stdout + out.stderr)


if __name__ == "__main__":
    unittest.main()
