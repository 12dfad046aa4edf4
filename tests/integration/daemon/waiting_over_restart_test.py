"""What a waiting job has behind it counts after a restart of the daemon: its time in the queue, its backoff, who failed it."""
import contextlib
import json
import sqlite3
import time
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest


def seconds(text):
    """An RFC 3339 time of the API, as time.time() counts."""
    whole, fraction = text.rstrip("Z").split(".")
    return time.mktime(time.strptime(whole + "UTC", "%Y-%m-%dT%H:%M:%S%Z")) - time.timezone + float("0." + fraction)


class WaitingOverRestart(PuppetTest):
    @staticmethod
    def record(d, job_id):
        with contextlib.closing(sqlite3.connect(d.state_dir / "sigrun.db")) as db:
            return json.loads(db.execute("SELECT body FROM record WHERE kind = 1 AND key = ?", (job_id,)).fetchone()[0])

    @staticmethod
    def fail(p, offer, cls="infra_runner"):
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {
            "state": "failed", "failure": {"class": cls, "code": "broken", "message": "the machine is broken"}}})

    def begun(self, p, job_id):
        offer = p.expect("offer", job_id)
        p.accept(offer)
        p.send({"kind": "state", "attempt": offer["attempt"], "json": {"state": "running"}})
        return offer

    def test_the_time_in_the_queue_goes_on_and_does_not_begin_again(self):
        port = free_port()
        d = self.daemon(port=port)
        job_id = d.submit(command=["true"], requires='label.never == "x"', timeouts={"queue": "4s"})
        submitted = seconds(d.job(job_id)["submitted_at"])
        d.kill()
        wait_until("half of its time is over", lambda: time.time() > submitted + 2)
        d = self.daemon(port=port)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"]), ("expired", "queue_timeout"), job)
        waited = seconds(job["finished_at"]) - submitted
        self.assertGreaterEqual(waited, 3.9)
        self.assertLess(waited, 5.5)

    def test_a_time_that_was_over_before_the_restart_ends_the_job(self):
        port = free_port()
        d = self.daemon(port=port)
        job_id = d.submit(command=["true"], requires='label.never == "x"', timeouts={"queue": "1s"})
        d.kill()
        submitted = time.time()
        wait_until("its time is over", lambda: time.time() > submitted + 1.2)
        d = self.daemon(port=port)
        self.assertEqual(d.finished(job_id, 2)["state"], "expired")

    def test_a_job_that_ran_for_longer_than_it_may_wait_has_a_time_limit_when_it_waits_again(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        p = self.puppet(d)
        job_id = d.submit(command=["true"], timeouts={"queue": "1s"})
        offer = self.begun(p, job_id)
        began = time.time()
        wait_until("its time would be over", lambda: time.time() > began + 1.5)
        self.assertEqual(d.job(job_id)["state"], "running")
        d.request("POST", "/v1/runners/puppet/drain")
        self.fail(p, offer)
        job = d.finished(job_id, 5)
        self.assertEqual((job["state"], job["failure"]["code"]), ("expired", "queue_timeout"), job)

    def test_a_retry_waits_out_its_backoff(self):
        port = free_port()
        d = self.daemon(port=port, settings=["interface.retry_delay=8s"])
        p = self.puppet(d)

        def patient():
            """A job that is to run again in a while; how long is chosen by chance."""
            job_id = d.submit(command=["true"], retry={"user": 1})
            self.fail(p, self.begun(p, job_id), "user")
            wait_until("it is to run again", lambda: d.job(job_id)["state"] == "queued")
            at = wait_until("the disk knows", lambda: (lambda r: r["state"] == "queued" and r["waits_since_ns"])(self.record(d, job_id))) / 1e9
            if at > time.time() + 3:
                return job_id, at
            d.request("POST", f"/v1/jobs/{job_id}/cancel")
            return None
        job_id, at = wait_until("a long backoff", patient, 60)
        p.vanish()
        d.kill()
        d = self.daemon(port=port)
        p.connect()
        self.begun(p, job_id)
        self.assertGreaterEqual(time.time(), at - 0.1)

    def test_the_runner_that_failed_it_is_avoided_still(self):
        port = free_port()
        d = self.daemon(port=port, settings=["interface.retry_delay=1ms"])
        bad, good = self.puppet(d, name="bad", labels={"good": "0"}), self.puppet(d, name="good", labels={"good": "1"})
        busy_id = d.submit(command=["true"], requires='label.good == "1"')
        busy = self.begun(good, busy_id)
        job_id = d.submit(command=["true"])
        self.fail(bad, self.begun(bad, job_id))
        wait_until("it waits for the other one", lambda: d.job(job_id)["state"] == "queued")
        wait_until("the disk knows", lambda: self.record(d, job_id)["state"] == "queued")
        bad.vanish(), good.vanish()
        d.kill()
        d = self.daemon(port=port, settings=["interface.retry_delay=1ms"])
        good.connect([good.listed(busy)])
        bad.connect()
        d.runner_status("bad", "online")
        other = d.submit(command=["true"], requires='label.good == "0"')
        self.begun(bad, other)  # it takes work, but not that job
        self.assertEqual(d.job(job_id)["state"], "queued")
        good.end(busy)
        self.begun(good, job_id)

    def test_retries_of_an_outage_stay_within_their_budget(self):
        port = free_port()
        settings = ["interface.retry_delay=1ms", "jobs.lease=1s"]
        d = self.daemon(port=port, settings=settings)
        p = self.puppet(d, slots=20)
        ids = [d.submit(command=["true"]) for _ in range(10)]
        offers = [self.begun(p, i) for i in ids]
        d.request("POST", "/v1/runners/puppet/drain")
        for offer in offers:
            self.fail(p, offer)
        wait_until("all are to run again", lambda: all(self.record(d, i)["state"] == "queued" for i in ids))
        p.vanish()
        d.kill()
        d = self.daemon(port=port, settings=settings)
        p.connect()
        d.request("POST", "/v1/runners/puppet/resume")
        first = [p.expect("offer") for _ in range(3)]
        for offer in first:
            p.accept(offer)
        denied = [i for i in ids if "jobs.retry_budget" in d.job(i)["reason"]]
        self.assertEqual(len(denied), 7, [d.job(i)["reason"] for i in ids])
        for offer in first:
            p.end(offer)
        for _ in denied:
            offer = p.expect("offer")
            p.accept(offer)
            p.end(offer)
        for i in ids:
            self.assertEqual(d.finished(i)["state"], "succeeded")


if __name__ == "__main__":
    unittest.main()
