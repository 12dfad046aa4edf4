"""Runners that refuse, or fail what they accept, again and again are set aside, and come back."""
import time
import unittest

from harness import wait_until
from puppet import PuppetTest

RULES = ["registry.quarantine_refusals=3", "registry.quarantine_crashes=2", "registry.quarantine_time=2s", "interface.retry_delay=1ms"]


class Quarantine(PuppetTest):
    @staticmethod
    def refuse(p, offer, code="unavailable", message="too little disk space"):
        p.send({"kind": "ack", "stream": 2, "flags": 2, "attempt": offer["attempt"], "json": {"code": code, "message": message}})

    @staticmethod
    def fail(p, offer):
        p.accept(offer)
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "json": {
            "state": "failed", "failure": {"class": "infra_runner", "code": "broken", "message": "the machine is broken"}}})

    def refuse_until_set_aside(self, d, p, other_document=True):
        """Of two documents, since one alone may be to blame itself."""
        jobs = [d.submit(command=["true"], requires=f'label.n == "{p.name}"', env={"N": str(i)}) for i in range(2 if other_document else 1)]
        while d.runner(p.name)["status"] != "error":
            self.refuse(p, p.expect("offer"))
        self.refuse_what_is_left(p)
        return jobs

    def refuse_what_is_left(self, p):
        try:
            while True:
                self.refuse(p, p.expect("offer", deadline=0.3))
        except AssertionError:
            pass

    def test_a_runner_that_refuses_is_set_aside_with_its_reason_and_comes_back_by_a_trial(self):
        d = self.daemon(settings=RULES)
        p = self.puppet(d, labels={"n": "puppet"}, slots=4)
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=RunnerQuarantined,RunnerOnTrial,RunnerReleased&after=0")
        began = time.time()
        self.refuse_until_set_aside(d, p)
        self.assertIn("too little disk space", watch.wait_line('"type":"RunnerQuarantined"'))
        # One job at a time until one is done, although it has four places.
        offer = p.expect("offer", deadline=10)
        self.assertGreaterEqual(time.time(), began + 2)
        self.assertEqual(d.runner("puppet")["quarantine"]["state"], "trial")
        p.accept(offer)
        wait_until("it is full with one", lambda: d.runner("puppet")["status"] == "busy")
        p.end(offer, exit_code=3)
        wait_until("it is free", lambda: d.runner("puppet")["quarantine"] is None)
        watch.wait_line('"type":"RunnerOnTrial"')
        self.assertIn("its trial job", watch.wait_line('"type":"RunnerReleased"'))
        again = p.expect("offer")
        self.assertNotEqual(again["attempt"]["job"], offer["attempt"]["job"])
        p.accept(again)
        third = d.submit(command=["true"])
        p.accept(p.expect("offer", third))
        self.assertIn('sigrun_runner_quarantines_total{cause="refusals"} 1', d.request("GET", "/metrics")[1])

    def test_a_failed_trial_doubles_the_pause(self):
        d = self.daemon(settings=RULES)
        p = self.puppet(d, labels={"n": "puppet"})
        self.refuse_until_set_aside(d, p)
        # Both of its jobs, since one alone may be to blame itself.
        while d.runner("puppet")["quarantine"]["times"] == 1:
            self.refuse(p, p.expect("offer", deadline=10))
        began = time.time()
        self.refuse_what_is_left(p)
        p.expect("offer", deadline=10)
        self.assertGreaterEqual(time.time(), began + 3.5)

    def test_everybody_who_asks_is_told_and_an_operator_resumes_it_at_once(self):
        d = self.daemon(settings=RULES + ["registry.quarantine_time=1h"])
        p = self.puppet(d, labels={"n": "puppet"}, slots=2)
        jobs = self.refuse_until_set_aside(d, p)
        r = d.runner("puppet")
        self.assertEqual(r["quarantine"]["state"], "out")
        self.assertIn("too little disk space", r["status_reason"])
        self.assertIn(r["quarantine"]["until"][:19], r["status_reason"])
        self.assertIn("set aside", self.sigrun(d, "runner", "ls", check=0).stdout)
        self.assertIn("too little disk space", self.sigrun(d, "runner", "show", "puppet", check=0).stdout)
        waiting = d.get(f"/v1/jobs/{jobs[0]}/explain")
        self.assertIn("puppet is error (set aside until", " ".join(waiting["answer"]))
        self.sigrun(d, "runner", "resume", "puppet", check=0)
        self.assertIsNone(d.runner("puppet")["quarantine"])
        self.assertEqual({p.expect("offer")["attempt"]["job"] for _ in jobs}, set(jobs))

    def test_attempts_that_fail_for_the_runners_fault_set_it_aside(self):
        d = self.daemon(settings=RULES)
        bad = self.puppet(d, name="bad", labels={"n": "bad"})
        for i in range(2):
            job_id = d.submit(command=["true"], requires='label.n == "bad"', env={"N": str(i)}, retry={"infrastructure": 0})
            self.fail(bad, bad.expect("offer", job_id))
            self.assertEqual(d.finished(job_id)["state"], "failed")
            began = time.monotonic()
            wait_until("a moment is over", lambda: time.monotonic() > began + 1.1)
        r = d.runner("bad")
        self.assertEqual(r["status"], "error")
        self.assertIn("the machine is broken", r["status_reason"])

    def test_the_only_runner_is_not_set_aside_for_one_document_nor_for_what_is_no_fault_of_it(self):
        d = self.daemon(settings=RULES)
        p = self.puppet(d, labels={"n": "puppet"})
        job_id = d.submit(command=["true"])
        for _ in range(5):
            self.refuse(p, p.expect("offer", job_id))
        self.assertEqual(d.runner("puppet")["status"], "online")
        # Now there is another one, although it has no free place.
        offer = p.expect("offer", job_id)
        other = self.puppet(d, name="other", labels={"n": "other"})
        busy = other.expect("offer", d.submit(command=["true"], requires='label.n == "other"'))
        other.accept(busy)
        self.refuse(p, offer)
        self.assertEqual(d.runner("puppet")["status"], "error")
        other.end(busy)
        other.accept(other.expect("offer", job_id))
        self.sigrun(d, "runner", "resume", "puppet", check=0)
        for i in range(2):
            d.submit(command=["true"], requires='label.n == "puppet"', env={"N": str(i)})
        for _ in range(5):
            self.refuse(p, p.expect("offer"), "unsupported", "no executor here runs jobs of this kind")
        self.assertEqual(d.runner("puppet")["status"], "online")

    def test_a_reconnect_does_not_end_it(self):
        d = self.daemon(settings=RULES + ["registry.quarantine_time=1h"])
        p = self.puppet(d, labels={"n": "puppet"})
        self.refuse_until_set_aside(d, p)
        p.hang_up()
        p.connect()
        self.assertEqual(d.runner("puppet")["status"], "error")

    def test_a_real_runner_with_too_little_disk_is_set_aside(self):
        d = self.daemon(settings=RULES + ["registry.quarantine_time=1h"])
        self.runner_for(d, "full", extra=("--set", "runner.min_free_disk=500000TB"))
        for i in range(2):
            d.submit(command=["true"], env={"N": str(i)})
        wait_until("it is set aside", lambda: d.runner("full")["status"] == "error")
        self.assertIn("too little disk space", d.runner("full")["status_reason"])


if __name__ == "__main__":
    unittest.main()
