"""Retries that do not make an outage worse, and offers that do not wait for a runner that does not answer."""
import collections
import queue
import threading
import time
import unittest

from harness import FleetTest, wait_until
from puppet import Puppet


class Retries(FleetTest):
    def puppet(self, d, name="puppet", **kwargs):
        p = Puppet(d, name=name, **kwargs)
        p.connect()
        d.runner_status(p.name, "online")
        self.addCleanup(p.vanish)
        return p

    @staticmethod
    def fail(p, offer):
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "offset": 0, "json": {
            "state": "failed", "failure": {"class": "infra_runner", "code": "broken", "message": "the machine is broken"}}})

    def offers_of(self, p, handle):
        """Calls handle(offer) for each, until the test ends; keeps what is called off in p.cancels."""
        p.cancels = []

        def loop():
            while p.running:
                try:
                    frame = p.frames.get(timeout=0.2)
                except queue.Empty:
                    continue
                if frame["kind"] == "offer":
                    handle(frame)
                elif frame["kind"] == "cancel":
                    p.cancels.append(frame["attempt"]["token"])
        threading.Thread(target=loop, daemon=True).start()

    def test_mission_I8_a_total_outage_is_amplified_at_most_1_2_times(self):
        d = self.daemon(settings=["interface.retry_delay=50ms"])
        lock, count, ok = threading.Lock(), collections.Counter(), threading.Event()
        first_ended = threading.Semaphore(0)

        def handle(p):
            def one(offer):
                p.accept(offer)
                first = offer["attempt"]["number"] == 1

                def end():
                    p.end(offer) if ok.is_set() else self.fail(p, offer)
                    if first:
                        first_ended.release()
                with lock:
                    count["first" if first else "again"] += 1
                threading.Timer(0.3, end).start()
            return one

        puppets = [self.puppet(d, name=f"p{i}", slots=40) for i in range(3)]
        for p in puppets:
            self.offers_of(p, handle(p))
        jobs = [d.submit(command=["true"], durability="memory") for _ in range(60)]
        while len(jobs) < 500:
            self.assertTrue(first_ended.acquire(timeout=30))
            jobs.append(d.submit(command=["true"], durability="memory"))
        with lock:
            seen = dict(count)
        self.assertGreater(seen["again"], 0)
        self.assertLessEqual((seen["first"] + seen["again"]) / seen["first"], 1.2, seen)
        # Nobody is forgotten: when the outage is over, who may still try runs.
        ok.set()
        for job_id in jobs:
            job = d.finished(job_id, 120)
            self.assertTrue(job["state"] == "succeeded" or len(job["attempts"]) == 4, job)

    def test_who_is_over_the_budget_waits_and_says_so_or_expires(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        p = self.puppet(d, slots=10)
        jobs = [d.submit(command=["true"], timeouts={"queue": "2m"}) for _ in range(6)]
        offers = [p.expect("offer") for _ in jobs]
        for offer in offers:
            p.accept(offer)
        for offer in offers:
            self.fail(p, offer)
        again = [p.expect("offer") for _ in range(3)]
        for offer in again:
            p.accept(offer)
        held = {o["attempt"]["job"] for o in again}
        denied = [j for j in jobs if j not in held]
        for job_id in denied:
            wait_until("it waits for the budget", lambda: "retry_budget" in d.job(job_id)["reason"])
            job = d.job(job_id)
            self.assertEqual(job["state"], "queued")
            self.assertIn("the machine is broken", job["reason"])
            self.assertIn("retry_budget", d.get(f"/v1/jobs/{job_id}/explain")["reason"])
        # One that ends lets the next one in; a cancelled one is none of them.
        d.request("POST", f"/v1/jobs/{denied[0]}/cancel")
        self.assertEqual(d.finished(denied[0])["state"], "cancelled")
        p.end(again[0])
        self.assertEqual(p.expect("offer")["attempt"]["job"], denied[1])

    def test_a_job_that_waits_for_the_budget_expires_at_its_deadline(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        p = self.puppet(d, slots=10)
        for _ in range(3):
            d.submit(command=["true"])
        first = [p.expect("offer") for _ in range(3)]
        for offer in first:
            p.accept(offer)
            self.fail(p, offer)
        for _ in range(3):
            p.accept(p.expect("offer"))
        job_id = d.submit(command=["true"], timeouts={"queue": "1500ms"})
        offer = p.expect("offer", job_id)
        p.accept(offer)
        self.fail(p, offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"]), ("expired", "queue_timeout"), job)
        self.assertIn("retry_budget", job["failure"]["message"])

    def test_a_retry_waits_for_another_runner_while_one_matches(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        a, b = self.puppet(d, name="a", labels={"box": "a"}), self.puppet(d, name="b", labels={"box": "b"})
        long = d.submit(command=["true"], requires='label.box == "b"')
        held = b.expect("offer", long)
        b.accept(held)
        job_id = d.submit(command=["true"])
        offer = a.expect("offer", job_id)
        a.accept(offer)
        self.fail(a, offer)
        wait_until("it waits", lambda: d.job(job_id)["state"] == "queued")
        # Others behind it get the place it must not have.
        other = d.submit(command=["true"])
        offer = a.expect("offer", other)
        a.accept(offer)
        a.end(offer)
        d.finished(other)
        self.stays_waiting(d, job_id)
        b.end(held)
        offer = b.expect("offer", job_id)
        b.accept(offer)
        # Now both have failed it: either is better than none.
        self.fail(b, offer)
        wait_until("it is offered again", lambda: len(d.job(job_id)["attempts"]) == 3)

    def stays_waiting(self, d, job_id):
        """Over a sweep of the queue and more."""
        wait_until("it waits", lambda: d.job(job_id)["state"] == "queued")
        time.sleep(1.5)
        self.assertEqual(d.job(job_id)["state"], "queued")

    def test_a_retry_goes_back_when_the_other_runner_is_gone(self):
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        a, b = self.puppet(d, name="a", labels={"box": "a"}), self.puppet(d, name="b", labels={"box": "b"})
        held = b.expect("offer", d.submit(command=["true"], requires='label.box == "b"'))
        b.accept(held)
        job_id = d.submit(command=["true"])
        offer = a.expect("offer", job_id)
        a.accept(offer)
        self.fail(a, offer)
        wait_until("it waits", lambda: d.job(job_id)["state"] == "queued")
        self.assertEqual(d.request("POST", "/v1/runners/b/maintenance?reason=disk")[0], 200)
        a.accept(a.expect("offer", job_id))

    def test_a_retry_goes_to_another_machine_while_a_runner_there_matches(self):
        def on(boot):
            return [{"key": "host.boot_id", "value": boot, "unique": True}]
        d = self.daemon(settings=["interface.retry_delay=1ms"])
        a1, a2 = self.puppet(d, name="a1", labels={"n": "1"}, facts=on("A")), self.puppet(d, name="a2", facts=on("A"))
        b = self.puppet(d, name="b", labels={"box": "b"}, facts=on("B"))
        held = b.expect("offer", d.submit(command=["true"], requires='label.box == "b"'))
        b.accept(held)
        job_id = d.submit(command=["true"], prefers=[{"if": 'label.n == "1"'}])
        offer = a1.expect("offer", job_id)
        a1.accept(offer)
        self.fail(a1, offer)
        # a2 is free, but on the machine that failed it; b is busy.
        self.stays_waiting(d, job_id)
        b.end(held)
        offer = b.expect("offer", job_id)
        b.accept(offer)
        self.fail(b, offer)
        # Now all machines have failed it: what is left is the runner that has not.
        a2.accept(a2.expect("offer", job_id))

    def acquainted(self, d, puppets, n=200):
        """Runs jobs, so that it is known how soon these runners answer."""
        for p in puppets:
            p.answers = True

            def one(offer, p=p):
                if p.answers:
                    p.accept(offer)
                    p.end(offer)
                else:
                    p.kept.append(offer)
            p.kept = []
            self.offers_of(p, one)
        for job_id in [d.submit(command=["true"], durability="memory") for _ in range(n)]:
            self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_an_offer_that_is_not_answered_goes_to_another_runner_early(self):
        d = self.daemon(settings=["jobs.early_reoffer=yes"])
        silent, other = self.puppet(d, name="silent", slots=8, labels={"box": "silent"}), self.puppet(d, name="other", slots=8)
        self.acquainted(d, [silent, other])
        silent.answers = False
        began = time.monotonic()
        job_id = d.submit(command=["true"], prefers=[{"if": 'label.box == "silent"'}])
        wait_until("the silent one has it", lambda: silent.kept)
        job = d.finished(job_id)
        self.assertLess(time.monotonic() - began, 4)  # the offer itself is good for 5 s
        self.assertEqual([(a["state"], a["runner"]["name"]) for a in job["attempts"]],
                         [("lost", "silent"), ("succeeded", "other")], job)
        self.assertEqual(job["attempts"][0]["failure"]["code"], "late_ack")
        late = silent.kept[0]
        token = late["attempt"]["token"]
        wait_until("it is called off", lambda: token in silent.cancels)
        # What it says now is refused, and its place is free again.
        silent.accept(late)
        wait_until("it is told so", lambda: silent.cancels.count(token) == 2)
        silent.end(late, exit_code=9)
        self.assertEqual(d.job(job_id)["exit_code"], 0)
        wait_until("its place is free", lambda: d.runner("silent")["in_flight"] == 0)

    def test_a_job_that_must_not_run_twice_is_not_offered_early_to_another(self):
        d = self.daemon(settings=["jobs.early_reoffer=yes"])
        silent, other = self.puppet(d, name="silent", slots=8, labels={"box": "silent"}), self.puppet(d, name="other", slots=8)
        self.acquainted(d, [silent, other])
        silent.answers = False
        job_id = d.submit(command=["true"], idempotent=False, prefers=[{"if": 'label.box == "silent"'}])
        wait_until("the silent one has it", lambda: silent.kept)
        time.sleep(2)
        self.assertEqual(len(d.job(job_id)["attempts"]), 1)
        silent.accept(silent.kept[0])
        silent.end(silent.kept[0])
        self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_extra_offers_are_few(self):
        d = self.daemon(settings=["jobs.early_reoffer=yes"])
        silent, other = self.puppet(d, name="silent", slots=40, labels={"box": "silent"}), self.puppet(d, name="other", slots=40)
        self.acquainted(d, [silent, other])
        silent.answers = False
        for _ in range(20):
            d.submit(command=["true"], durability="memory", prefers=[{"if": 'label.box == "silent"'}])
        wait_until("it has them", lambda: len(silent.kept) == 20)

        def value(name):
            return int(next(m for m in d.get("/metrics").splitlines() if m.startswith(name + " ")).split()[1])

        wait_until("some went to the other", lambda: value("sigrun_offers_moved_total"))
        time.sleep(1.5)  # the rest of them are late by now, too
        self.assertLessEqual(value("sigrun_offers_moved_total") * 50, value("sigrun_offers_total"))
        self.assertGreater(value("sigrun_offers_total"), 200)


if __name__ == "__main__":
    unittest.main()
