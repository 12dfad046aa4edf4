"""Ends that are not what a job hopes for: each is told as what it is, and costs what it should."""
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

ACK_STATE = 5


class AttemptEnds(PuppetTest):
    def running(self, d, p, **document):
        job_id = d.submit(command=["true"], **document)
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        return job_id, offer

    @staticmethod
    def preempt(p, offer):
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {"state": "failed", "failure": {
            "class": "preempted", "code": "drain", "message": "the machine is taken away"}}})

    def test_a_preempted_job_runs_again_at_the_cost_of_no_budget(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        p = self.puppet(d)
        job_id, offer = self.running(d, p, retry={"user": 0, "infrastructure": 0})
        for number in (2, 3):
            self.preempt(p, offer)
            offer = p.expect("offer", job_id)
            self.assertEqual(offer["attempt"]["number"], number)
            p.accept(offer)
        p.end(offer)
        job = d.finished(job_id)
        self.assertEqual([a["state"] for a in job["attempts"]], ["failed", "failed", "succeeded"], job)
        self.assertEqual({a["failure"]["class"] for a in job["attempts"][:2]}, {"preempted"})

    def test_a_preempted_job_that_must_not_run_twice_has_failed_and_says_as_what(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id, offer = self.running(d, p, idempotent=False)
        self.preempt(p, offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("failed", 1), job)
        # Its runner said how it ended: that is known.
        self.assertEqual((job["failure"]["class"], job["failure"]["code"]), ("preempted", "drain"), job)
        self.assertIn("must not run twice", job["failure"]["message"])
        p.expect("ack", job_id, ACK_STATE)

    def test_a_job_that_must_not_run_twice_waits_for_its_lost_runner_so_long_and_no_longer(self):
        d = self.daemon(settings=["jobs.lease=1s", "interface.fallback_timeout=1s", "jobs.lost_after=2s"])
        p = self.puppet(d, labels={"here": "1"})
        other = self.puppet(d, name="other")
        job_id, offer = self.running(d, p, idempotent=False, prefers=[{"if": 'label.here == "1"', "weight": 1}])
        p.hang_up()
        wait_until("it says that it waits", lambda: "must not run twice" in d.job(job_id)["reason"])
        self.assertEqual(d.job(job_id)["state"], "running")
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"], len(job["attempts"])),
                         ("failed", "infra_runner", "outcome_unknown", 1), job)
        self.assertTrue(other.frames.empty())
        # Its end is final, whatever the runner says now.
        self.assertEqual(p.connect([p.listed(offer, "finished")]), {(job_id, 1): "forget"})
        self.assertEqual(d.job(job_id)["failure"]["code"], "outcome_unknown")

    def test_the_runner_of_a_job_that_must_not_run_twice_may_come_back_after_a_restart_of_the_daemon(self):
        port = free_port()
        settings = ["jobs.lease=1s", "interface.fallback_timeout=1s", "jobs.restart_grace=1s", "jobs.lost_after=60s"]
        d = self.daemon(port=port, settings=settings)
        p = self.puppet(d)
        job_id, offer = self.running(d, p, idempotent=False)
        p.hang_up()
        wait_until("it says that it waits", lambda: "must not run twice" in d.job(job_id)["reason"])
        d.kill()
        d = self.daemon(port=port, settings=settings)
        wait_until("it says so again", lambda: "must not run twice" in d.job(job_id)["reason"])
        self.assertEqual(p.connect([p.listed(offer, "finished")]), {(job_id, 1): "report"})
        p.end(offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)

    def test_output_that_is_missing_at_the_end_is_told(self):
        port = free_port()
        d = self.daemon(port=port)
        p = self.puppet(d)
        complete, offer = self.running(d, p)
        p.end(offer)
        self.assertNotIn("log_missing_bytes", d.finished(complete))
        job_id, offer = self.running(d, p)
        p.end(offer, log_bytes=1234)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["log_missing_bytes"]), ("succeeded", 1234), job)
        self.assertTrue(any(f"1234 bytes of the output of {job_id} did not arrive" in line for line in d.lines), d.lines)
        p.vanish()
        d.kill()
        d = self.daemon(port=port)
        self.assertEqual(d.job(job_id)["log_missing_bytes"], 1234)


if __name__ == "__main__":
    unittest.main()
