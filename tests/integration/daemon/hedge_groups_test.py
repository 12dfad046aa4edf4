"""Copies of slow jobs in concurrency groups and among jobs that need each other: a copy runs under the place of its job, and the
place is free when neither of the two may run any more."""
import unittest

from harness import free_port, wait_until
from stragglers import OFTEN, StragglerTest

LOST_SOON = [OFTEN, "jobs.lease=1s", "interface.fallback_timeout=1s", "interface.retry_delay=1ms"]


class HedgedGroups(StragglerTest):
    def state(self, d, job_id):
        return d.job(job_id)["state"]

    def nobody_gets(self, job_id, *puppets, within=0.7):
        for p in puppets:
            with self.assertRaises(AssertionError):
                p.expect("offer", job_id, deadline=within)

    def runs_on(self, d, job_id, p):
        offer = p.expect("offer", job_id)
        p.accept(offer)
        p.end(offer)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def next_one(self, d):
        """Another job of the group, which only `second` may have."""
        job_id = d.submit(command=["true"], group="g", requires='label.box == "second"')
        self.assertEqual(self.state(d, job_id), "blocked")
        return job_id

    def test_both_run_under_one_place_which_is_free_when_both_have_ended(self):
        for durability in ("fsync", "relaxed", "memory"):
            with self.subTest(durability):
                d = self.daemon(name=durability, settings=[OFTEN])
                first, second = self.fleet(d)
                job_id, slow, copy = self.began(d, first, second, group="g", durability=durability)
                after = self.next_one(d)
                self.assertIn(f"in it: {job_id}; it is next", d.job(after)["reason"])
                second.end(copy)
                self.assertEqual(d.finished(job_id)["state"], "succeeded")
                first.expect("cancel", job_id)
                self.nobody_gets(after, second)  # the slow one has its time to stop
                self.assertEqual(self.state(d, after), "blocked")
                first.end(slow, exit_code=9)
                self.runs_on(d, after, second)
                d.stop()

    def test_a_copy_that_was_too_late_keeps_the_place_until_it_has_ended(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, group="g")
        after = self.next_one(d)
        first.end(slow)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        second.expect("cancel", job_id)
        self.nobody_gets(after, second)
        second.end(copy)
        self.runs_on(d, after, second)

    def test_a_copy_that_fails_leaves_nothing_behind(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, group="g")
        after = self.next_one(d)
        second.end(copy, exit_code=1)
        again = second.expect("offer", job_id)  # there may be another one, and that may be refused, too
        second.send({"kind": "ack", "stream": 2, "flags": 2, "attempt": again["attempt"], "json": {"code": "limits", "message": "no room"}})
        wait_until("both are over", lambda: [a["state"] for a in d.job(job_id)["attempts"]] == ["failed", "refused", "running"])
        self.assertEqual(self.state(d, after), "blocked")
        first.end(slow)
        self.runs_on(d, after, second)

    def test_the_first_is_lost_and_counts_until_its_runner_has_ended_it(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, group="g")
        after = self.next_one(d)
        first.hang_up()
        wait_until("the copy counts", lambda: self.counted(d, "took_over") == 1)
        second.end(copy)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        self.nobody_gets(after, second)
        d.kill()
        d = self.daemon(port=port, settings=LOST_SOON)
        second.connect()
        self.nobody_gets(after, second)
        self.assertEqual(self.state(d, after), "blocked")
        self.assertEqual(first.connect([first.listed(slow)]), {(job_id, 1): "kill"})
        self.nobody_gets(after, second)
        first.end(slow, exit_code=9)
        self.runs_on(d, after, second)

    def test_a_copy_that_is_lost_counts_until_its_runner_comes_back_without_it(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, group="g")
        after = d.submit(command=["true"], group="g", requires='label.box == "first"')
        second.hang_up()
        wait_until("it is lost", lambda: d.job(job_id)["attempts"][0]["state"] == "lost")
        first.end(slow)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        self.nobody_gets(after, first)
        d.kill()
        d = self.daemon(port=port, settings=LOST_SOON)
        first.connect()
        self.nobody_gets(after, first)
        second.connect()
        self.runs_on(d, after, first)

    def test_one_that_does_not_stop_counts_until_its_runner_says_that_it_has_ended(self):
        d = self.daemon(settings=LOST_SOON)
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, group="g")
        after = d.submit(command=["true"], group="g", requires='label.box == "second"')
        second.end(copy)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        first.expect("cancel", job_id)
        # Its place at the runner is free after its grace and a lease; that in the group is not.
        wait_until("the runner has no job", lambda: d.runner("first")["in_flight"] == 0)
        self.nobody_gets(after, second)
        first.end(slow, exit_code=9)
        self.runs_on(d, after, second)

    def test_a_copy_of_before_a_restart_counts_until_it_has_been_stopped(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        first, second = self.fleet(d)
        job_id, slow, copy = self.began(d, first, second, group="g")
        after = d.submit(command=["true"], group="g", requires='label.box == "first"')
        d.kill()
        d = self.daemon(port=port, settings=LOST_SOON)
        self.assertEqual(first.connect([first.listed(slow)]), {(job_id, 1): "keep"})
        first.end(slow)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        self.nobody_gets(after, first)
        self.assertEqual(second.connect([second.listed(copy)]), {(job_id, 2): "kill"})
        second.end(copy, exit_code=9)
        self.runs_on(d, after, first)

    def test_who_needs_a_job_starts_when_its_copy_has_done_it(self):
        d = self.daemon(settings=[OFTEN])
        first, second = self.fleet(d)
        needs = {"needs": ["slow"], "command": ["true"], "requires": 'label.box == "second"'}
        jobs = [{"name": "slow", **self.hedged, "group": "g"}, {"name": "free", **needs}, {"name": "grouped", **needs, "group": "g"}]
        status, answer = d.request("POST", "/v1/submissions", {"jobs": jobs})
        self.assertEqual(status, 201, answer)
        ids = {j["name"]: j["id"] for j in answer["items"]}
        slow = first.expect("offer", ids["slow"])
        first.accept(slow)
        copy = second.expect("offer", ids["slow"])
        second.accept(copy)
        self.assertEqual([self.state(d, ids[n]) for n in ("free", "grouped")], ["blocked"] * 2)
        second.end(copy)
        self.runs_on(d, ids["free"], second)
        self.assertIn('waits for its turn in group "g"', d.job(ids["grouped"])["reason"])
        first.expect("cancel", ids["slow"])
        first.end(slow, exit_code=9)
        self.runs_on(d, ids["grouped"], second)
        self.assertEqual(d.job(ids["grouped"])["needs"][0]["ended"], "succeeded")


if __name__ == "__main__":
    unittest.main()
