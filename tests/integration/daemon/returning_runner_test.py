"""A runner that was given up comes back while its job waits to run again: it keeps the job, or its result counts, as long as the
token it holds is the one that was granted last."""
import time
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

ACK_STATE = 5
LOST_SOON = ["jobs.lease=1s", "interface.fallback_timeout=1s", "interface.retry_delay=60s"]


class ReturningRunner(PuppetTest):
    def lost(self, d, p, **document):
        """A job whose runner was given up while it ran it: its id and the offer. It waits, as there is no other runner."""
        job_id = d.submit(command=["true"], **document)
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        p.hang_up()
        job = wait_until("it is given up", lambda: (lambda j: j if j["attempts"][-1]["state"] == "lost" else None)(d.job(job_id)))
        self.assertEqual((job["state"], len(job["attempts"])), ("queued", 1), job)
        return job_id, offer

    def one_attempt(self, d, p, job_id):
        job = d.finished(job_id)
        self.assertEqual((job["state"], [a["state"] for a in job["attempts"]]), ("succeeded", ["succeeded"]), job)
        self.assertIsNone(job["attempts"][0]["failure"], job)
        p.expect("ack", job_id, ACK_STATE)
        wait_until("the place is free", lambda: d.runner(p.name)["in_flight"] == 0)
        self.assertEqual(d.get("/v1/stats")["jobs"], {"succeeded": 1})

    def test_it_keeps_the_job_that_nobody_else_was_given(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job_id, offer = self.lost(d, p)
        self.assertEqual(p.connect([p.listed(offer)]), {(job_id, 1): "keep"})
        job = d.job(job_id)
        self.assertEqual((job["state"], job["attempts"][0]["state"], d.runner("puppet")["in_flight"]), ("running", "running", 1), job)
        p.end(offer)
        self.one_attempt(d, p, job_id)

    def test_its_result_counts_when_it_has_ended_meanwhile(self):
        for durability in ("fsync", "relaxed"):
            with self.subTest(durability):
                d = self.daemon(name=durability, settings=LOST_SOON)
                p = self.puppet(d)
                job_id, offer = self.lost(d, p, durability=durability)
                self.assertEqual(p.connect([p.listed(offer, "finished")]), {(job_id, 1): "report"})
                p.end(offer)
                self.one_attempt(d, p, job_id)
                d.stop()

    def test_its_result_counts_when_it_lists_nothing_and_says_it_anyway(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job_id, offer = self.lost(d, p)
        p.connect()
        p.end(offer)
        self.one_attempt(d, p, job_id)

    def test_it_keeps_the_job_over_a_restart_of_the_daemon(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        p = self.puppet(d)
        job_id, offer = self.lost(d, p)
        d.kill()
        d = self.daemon(port=port, settings=LOST_SOON)
        self.assertEqual(p.connect([p.listed(offer)]), {(job_id, 1): "keep"})
        p.end(offer)
        self.one_attempt(d, p, job_id)

    def test_that_it_was_taken_up_again_is_remembered_over_a_restart(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        p = self.puppet(d)
        job_id, offer = self.lost(d, p)
        p.connect([p.listed(offer)])
        other = d.submit(command=["true"], requires='label.never == "x"')  # its record is on the disk, and so is what came before
        self.assertEqual(d.job(other)["state"], "queued")
        p.vanish()
        d.kill()
        d = self.daemon(port=port, settings=LOST_SOON)
        self.assertEqual(d.job(job_id)["state"], "running")

    def test_being_lost_and_back_costs_no_try(self):
        d = self.daemon(settings=[*LOST_SOON[:2], "interface.retry_delay=1ms"])
        p = self.puppet(d)
        job_id, offer = self.lost(d, p, retry={"infrastructure": 1})
        p.connect([p.listed(offer)])
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {
            "state": "failed", "failure": {"class": "infra_runner", "code": "broken", "message": "the machine is broken"}}})
        second = p.expect("offer", job_id)  # its one retry is still there
        p.accept(second)
        p.end(second)
        self.assertEqual([a["state"] for a in d.finished(job_id)["attempts"]], ["failed", "succeeded"])

    def test_a_runner_that_was_given_the_job_meanwhile_has_it(self):
        d = self.daemon(settings=[*LOST_SOON[:2], "interface.retry_delay=1ms"])
        p = self.puppet(d)
        job_id, offer = self.lost(d, p)
        other = self.puppet(d, name="other")
        second = other.expect("offer", job_id)
        other.accept(second)
        wait_until("it runs there", lambda: d.job(job_id)["runner"]["name"] == "other" and d.job(job_id)["state"] == "running")
        self.assertEqual(p.connect([p.listed(offer)]), {(job_id, 1): "kill"})
        p.end(offer)  # what it says of it is of no interest any more
        p.expect("ack", job_id, ACK_STATE)
        self.assertEqual(d.job(job_id)["state"], "running")
        other.end(second)
        job = d.finished(job_id)
        self.assertEqual([a["state"] for a in job["attempts"]], ["lost", "succeeded"], job)

    def test_another_token_than_the_last_is_told_to_stop(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job_id, offer = self.lost(d, p)
        stranger = {**p.listed(offer), "token": "1:0000000000000000"}
        self.assertEqual(p.connect([stranger]), {(job_id, 1): "kill"})
        self.assertEqual(d.job(job_id)["state"], "queued")

    def test_a_runner_that_falls_silent_has_lost_its_job_after_10_s(self):
        d = self.daemon()
        p = self.puppet(d)
        job_id = d.submit(command=["true"])
        p.accept(p.expect("offer", job_id))
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        p.vanish()
        silent_since = time.monotonic()
        wait_until("it is given up", lambda: d.job(job_id)["attempts"][-1]["state"] == "lost")
        took = time.monotonic() - silent_since
        self.assertLessEqual(took, 10.5)
        self.assertGreater(took, 8)  # not at the first beat that is missed


if __name__ == "__main__":
    unittest.main()
