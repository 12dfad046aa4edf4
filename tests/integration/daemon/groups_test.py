"""Concurrency groups: only so many jobs of a group run at once, whatever happens to them, their runners and the daemon."""
import os
import signal
import time
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

LOST_SOON = ["jobs.lease=1s", "interface.fallback_timeout=1s", "interface.retry_delay=1ms"]


class Groups(PuppetTest):
    def states(self, d, *ids):
        return [d.job(i)["state"] for i in ids]

    def started(self, d, job_id):
        return wait_until(f"{job_id} runs", lambda: (lambda j: j if j["state"] == "running" else None)(d.job(job_id)))

    def blocked(self, d, job_id):
        self.assertEqual(d.job(job_id)["state"], "blocked")

    def holder(self, d, **document):
        """A job that runs until the test lets it end."""
        gate = self.dir / f"gate{time.monotonic_ns()}"
        job_id = d.submit(command=["sh", "-c", f"until [ -e {gate} ]; do sleep 0.02; done"], **document)
        return job_id, gate.touch

    def test_one_runs_and_the_others_wait_for_it_in_their_order(self):
        d = self.daemon()
        self.runner_for(d)
        first, end_first = self.holder(d, group="deploy")
        self.started(d, first)
        second, end_second = self.holder(d, group="deploy", durability="memory")
        third, end_third = self.holder(d, group="deploy", durability="relaxed")
        other, end_other = self.holder(d, group="build")
        self.started(d, other)  # another group is not concerned
        job = d.job(third)
        self.assertEqual(job["state"], "blocked", job)
        self.assertEqual(job["group"], {"name": "deploy", "policy": "queue", "max": 1})
        self.assertIn(f'waits for its turn in group "deploy", of which 1 runs at once; in it: {first}; 1 job is before it', job["reason"])
        told = d.get(f"/v1/jobs/{second}/explain")
        self.assertEqual(told["state"], "blocked")
        self.assertIn(f"in it: {first}; it is next", told["answer"][0])
        self.assertEqual({j["id"] for j in d.get("/v1/jobs?state=blocked")["items"]}, {second, third})
        end_first()
        self.assertEqual(d.finished(first)["state"], "succeeded")
        self.started(d, second)
        self.blocked(d, third)
        end_second()
        self.started(d, third)
        end_third()
        end_other()
        self.assertEqual([d.finished(i)["state"] for i in (second, third, other)], ["succeeded"] * 3)

    def test_never_more_than_its_max_run_however_many_there_are(self):
        d = self.daemon()
        self.runner_for(d, slots=16)
        place = self.dir / "running"
        place.mkdir()
        # Each tells how many it sees beside itself.
        script = f"touch {place}/$$; ls {place} | wc -l; sleep 0.05; rm {place}/$$"
        ids = [d.submit(command=["sh", "-c", script], group={"name": "g", "max": 3}, durability=("fsync", "relaxed", "memory")[i % 3])
               for i in range(30)]
        seen = []
        for i in ids:
            self.assertEqual(d.finished(i)["state"], "succeeded")
            seen.append(int(d.log(i)))
        self.assertLessEqual(max(seen), 3)
        self.assertGreaterEqual(max(seen), 2)

    def test_tenants_do_not_share_a_group(self):
        d = self.daemon()
        self.runner_for(d)
        mine, end_mine = self.holder(d, group="g", tenant="we")
        theirs, end_theirs = self.holder(d, group="g", tenant="they")
        self.started(d, mine)
        self.started(d, theirs)
        end_mine()
        end_theirs()

    def test_the_place_is_kept_over_retries_and_given_back_at_the_end(self):
        d = self.daemon(settings=["interface.retry_delay=100ms"])
        self.runner_for(d)
        count = self.dir / "count"
        script = f"echo >> {count}; test $(wc -l < {count}) -ge 3"
        first = d.submit(command=["sh", "-c", script], group="g", retry={"user": 5})
        second = d.submit(command=["sh", "-c", f"wc -l < {count}"], group="g")
        self.assertEqual(d.finished(second)["state"], "succeeded")
        self.assertEqual(int(d.log(second)), 3)
        self.assertEqual(len(d.job(first)["attempts"]), 3)

    def test_who_is_cancelled_in_line_or_inside_leaves_no_place_behind(self):
        d = self.daemon()
        self.runner_for(d)
        first, _ = self.holder(d, group="g")
        self.started(d, first)
        second, _ = self.holder(d, group="g")
        third, end_third = self.holder(d, group="g")
        for job_id in (second, first):
            d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=1s")
            self.assertEqual(d.finished(job_id)["state"], "cancelled")
        self.started(d, third)
        end_third()
        self.assertEqual(d.finished(third)["state"], "succeeded")
        self.assertEqual(d.run(command=["true"], group="g")["state"], "succeeded")

    def test_one_that_refuses_is_answered_409_while_the_group_is_full(self):
        d = self.daemon()
        self.runner_for(d)
        first, end_first = self.holder(d, group="g")
        self.started(d, first)
        document = {"command": ["true"], "group": {"name": "g", "policy": "refuse"}}
        status, body = d.request("POST", "/v1/jobs", document, {"Idempotency-Key": "k"})
        self.assertEqual((status, body["code"], body["field"]), (409, "conflict", "group"), body)
        self.assertIn(first, body["found"])
        end_first()
        d.finished(first)
        status, body = d.request("POST", "/v1/jobs?wait=30s", document, {"Idempotency-Key": "k"})  # the key was not used up
        self.assertEqual((status, body["state"]), (201, "succeeded"), body)
        self.assertEqual(d.run(**document)["state"], "succeeded")

    def test_the_newest_of_those_that_wait_wins(self):
        d = self.daemon()
        self.runner_for(d)
        first, end_first = self.holder(d, group="g")
        self.started(d, first)
        group = {"name": "g", "policy": "cancel_waiting"}
        second = d.submit(command=["true"], group=group)
        third = d.submit(command=["true"], group=group)
        job = d.finished(second)
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("cancelled", "cancelled", "group"), job)
        self.assertIn(third, job["failure"]["message"])
        self.assertEqual(self.states(d, first, third), ["running", "blocked"])
        end_first()
        self.assertEqual(d.finished(third)["state"], "succeeded")
        self.assertEqual(d.job(first)["state"], "succeeded")

    def test_the_newest_ends_what_runs_and_starts_when_that_is_over(self):
        d = self.daemon()
        self.runner_for(d)
        stamp = self.dir / "ended"
        group = {"name": "g", "policy": "cancel_running"}
        first = d.submit(command=["sh", "-c", f"trap 'sleep 0.3; touch {stamp}; exit 0' TERM; echo begun; while :; do sleep 0.02; done"],
                         group=group)
        wait_until("it has begun", lambda: "begun" in d.log(first))
        waits = d.submit(command=["true"], group="g")
        last = d.submit(command=["test", "-e", str(stamp)], group=group)
        self.assertEqual(d.finished(last)["state"], "succeeded")  # what it replaced had ended
        for job_id in (first, waits):
            job = d.job(job_id)
            self.assertEqual((job["state"], job["failure"]["code"]), ("cancelled", "group"), job)
            self.assertIn(last, job["failure"]["message"])

    def test_a_restart_of_the_daemon_keeps_who_is_in_and_who_waits(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d)
        group = {"name": "g", "max": 2}
        jobs = [self.holder(d, group=group) for _ in range(5)]
        ids = [i for i, _ in jobs]
        self.started(d, ids[0])
        self.started(d, ids[1])
        for turn in range(2):
            d.kill()
            d = self.daemon(port=port)
            self.assertEqual(self.states(d, *ids[2:]), ["blocked"] * 3)
            d.runner_status("r1", "online", "busy")
            self.started(d, ids[0])
            self.started(d, ids[1])
            self.assertEqual(self.states(d, *ids[2:]), ["blocked"] * 3)
        jobs[0][1]()
        self.started(d, ids[2])
        self.assertEqual(self.states(d, *ids[3:]), ["blocked"] * 2)
        for _, end in jobs:
            end()
        self.assertEqual([d.finished(i)["state"] for i in ids], ["succeeded"] * 5)
        self.assertEqual(d.run(command=["true"], group=group)["state"], "succeeded")

    def lost(self, d, p, **document):
        job_id = d.submit(command=["true"], group="g", **document)
        offer = p.expect("offer", job_id)
        p.accept(offer)
        self.started(d, job_id)
        p.hang_up()
        job = wait_until("it is given up", lambda: (lambda j: j if j["attempts"][-1]["state"] == "lost" else None)(d.job(job_id)))
        return job, offer

    def test_a_job_whose_runner_was_lost_does_not_run_beside_itself(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        p = self.puppet(d, name="p1")
        other = self.puppet(d, name="p2")
        other.hang_up()
        job, _ = self.lost(d, p)
        other.connect()
        d.runner_status("p2", "online")
        self.assertEqual(job["state"], "queued", job)
        self.assertIn("it may still run on p1, and counts in group \"g\" until that runner is back, or until 2", job["reason"])
        second = d.submit(command=["true"], group="g")
        for _ in range(2):
            # Another runner is free, and nobody gets it.
            with self.assertRaises(AssertionError):
                other.expect("offer", deadline=1.5)
            self.assertEqual(self.states(d, job["id"], second), ["queued", "blocked"])
            d.kill()
            d = self.daemon(port=port, settings=LOST_SOON)
            other.connect()
            d.runner_status("p2", "online")
        p.connect()  # it has nothing of it
        p.hang_up()
        offer = other.expect("offer", job["id"])
        other.accept(offer)
        other.end(offer)
        self.assertEqual(d.finished(job["id"])["state"], "succeeded")
        offer = other.expect("offer", second)
        other.accept(offer)
        other.end(offer)
        self.assertEqual(d.finished(second)["state"], "succeeded")

    def test_a_runner_that_comes_back_keeps_the_job_and_its_place(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job, offer = self.lost(d, p)
        second = d.submit(command=["true"], group="g")
        self.assertEqual(p.connect([p.listed(offer)]), {(job["id"], 1): "keep"})
        self.assertEqual(self.states(d, job["id"], second), ["running", "blocked"])
        p.end(offer)
        self.assertEqual(d.finished(job["id"])["state"], "succeeded")
        offer = p.expect("offer", second)
        p.accept(offer)
        p.end(offer)
        self.assertEqual(d.finished(second)["state"], "succeeded")

    def test_a_lost_attempt_counts_until_its_runner_has_ended_it(self):
        port = free_port()
        d = self.daemon(port=port, settings=LOST_SOON)
        p = self.puppet(d, slots=2)
        job, offer = self.lost(d, p, retry={"infrastructure": 0})
        self.assertEqual(d.finished(job["id"])["failure"]["code"], "lost")
        second = d.submit(command=["true"], group="g")
        self.blocked(d, second)
        d.kill()
        d = self.daemon(port=port, settings=LOST_SOON)
        self.blocked(d, second)
        self.assertEqual(p.connect([p.listed(offer)]), {(job["id"], 1): "kill"})
        with self.assertRaises(AssertionError):
            p.expect("offer", second, deadline=0.5)
        p.end(offer, 9)  # it is told to stop, and says when it has
        offer = p.expect("offer", second)
        p.accept(offer)
        p.end(offer)
        self.assertEqual(d.finished(second)["state"], "succeeded")

    def test_a_runner_that_comes_back_with_a_lost_attempt_ends_it_and_says_so(self):
        d = self.daemon(settings=LOST_SOON)
        r = self.runner_for(d)
        job_id, _ = self.holder(d, group="g", retry={"infrastructure": 0}, timeouts={"run": "1h"})
        self.started(d, job_id)
        os.kill(r.pid, signal.SIGSTOP)
        self.assertEqual(d.finished(job_id)["failure"]["code"], "lost")
        second = d.submit(command=["true"], group="g")
        self.blocked(d, second)
        os.kill(r.pid, signal.SIGCONT)
        self.assertEqual(d.finished(second)["state"], "succeeded")

    def test_who_is_cancelled_while_nobody_knows_what_its_runner_does_keeps_its_place_until_that_is_known(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job, offer = self.lost(d, p)
        d.request("POST", f"/v1/jobs/{job['id']}/cancel")
        self.assertEqual(d.finished(job["id"])["state"], "cancelled")
        second = d.submit(command=["true"], group="g")
        self.blocked(d, second)
        p.connect([p.listed(offer)])
        p.end(offer, 9)
        p.accept(p.expect("offer", second))

    def test_an_offer_that_was_lost_on_its_way_counts_too(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job_id = d.submit(command=["true"], group="g")
        offer = p.expect("offer", job_id)
        p.hang_up()  # it may run the job all the same
        job = wait_until("it is taken back", lambda: (lambda j: j if j["state"] == "queued" else None)(d.job(job_id)))
        self.assertIn("it may still run on puppet", job["reason"])
        other = self.puppet(d, name="other")
        with self.assertRaises(AssertionError):
            other.expect("offer", job_id, deadline=1)
        p.connect([p.listed(offer, "finished")])  # it is over there
        p.hang_up()
        other.accept(other.expect("offer", job_id))

    def test_a_lost_attempt_counts_no_longer_than_it_may_run(self):
        d = self.daemon(settings=LOST_SOON)
        p = self.puppet(d)
        job, _ = self.lost(d, p, timeouts={"run": "1s"})
        until = job["reason"].rsplit("until ", 1)[1]
        at = time.mktime(time.strptime(until[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        self.assertAlmostEqual(at, time.time() + 61, delta=5)

    def test_the_configuration_limits_a_group_and_can_be_changed(self):
        config = self.config("[group g]\nmax = 2\n")
        d = self.daemon(config=config)
        self.runner_for(d)
        jobs = [self.holder(d, group=group) for group in ("g", {"name": "g", "max": 9}, "g", "g")]
        ids = [i for i, _ in jobs]
        self.started(d, ids[0])
        self.started(d, ids[1])
        self.assertEqual(self.states(d, *ids[2:]), ["blocked"] * 2)
        config.write_text("[group g]\nmax = 3\n")
        d.request("POST", "/v1/config/reload")
        self.started(d, ids[2])
        self.assertEqual(self.states(d, ids[3]), ["blocked"])
        for _, end in jobs:
            end()
        self.assertEqual(d.finished(ids[3])["state"], "succeeded")

    def test_a_rate_lets_jobs_start_one_after_the_other(self):
        d = self.daemon(config=self.config("[group g]\nmax = 100\nrate = 5\n"))
        self.runner_for(d, slots=16)
        ids = [d.submit(command=["date", "+%s.%N"], group="g") for _ in range(8)]
        for i in ids:
            self.assertEqual(d.finished(i)["state"], "succeeded")
        began = sorted(float(d.log(i)) for i in ids)
        # By the daemon's clock 1.4 s; how long each took to be started varies.
        self.assertGreaterEqual(began[-1] - began[0], 1.2)
        self.assertLess(began[-1] - began[0], 5)

    def test_a_delayed_job_comes_into_its_group_at_its_time(self):
        d = self.daemon()
        self.runner_for(d)
        later = d.submit(command=["true"], group="g", delay="1s")
        first, end_first = self.holder(d, group="g")
        self.started(d, first)  # the place was not kept for it
        wait_until("its time has come", lambda: d.job(later)["state"] == "blocked")
        end_first()
        self.assertEqual(d.finished(later)["state"], "succeeded")

    def test_the_command_line_names_a_group(self):
        d = self.daemon()
        self.runner_for(d)
        first, end_first = self.holder(d, group="g")
        self.started(d, first)
        job_id = self.sigrun(d, "submit", "--group", "g:2", "--", "true", check=0).stdout.strip()
        self.assertEqual(d.job(job_id)["group"]["max"], 1)  # as the one inside allows
        self.assertIn("blocked", self.sigrun(d, "job", "ls", "--state", "blocked", check=0).stdout)
        self.assertIn("Waits for its turn in group", self.sigrun(d, "job", "explain", job_id, check=0).stdout)
        self.assertIn("g, 1 at once", self.sigrun(d, "job", "show", job_id, check=0).stdout)
        done = self.sigrun(d, "submit", "--group", "g", "--group-policy", "refuse", "--", "true", check=5)
        self.assertIn("the group is full", done.stderr)
        self.sigrun(d, "submit", "--group-policy", "refuse", "--", "true", check=2)
        end_first()
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        self.sigrun(d, "run", "--group", "g", "--", "true", check=0)


if __name__ == "__main__":
    unittest.main()
