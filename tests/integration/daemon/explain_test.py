"""What `sigrun job explain` answers in situations that people ask about."""
import unittest

from harness import FleetTest, wait_until
from puppet import Puppet


class Explain(FleetTest):
    def puppet(self, d, name="p1", **kwargs):
        p = Puppet(d, name=name, **kwargs)
        p.connect()
        d.runner_status(name, "online")
        self.addCleanup(p.vanish)
        return p

    def running(self, d, p, **document):
        """A job that p runs until the returned offer is ended."""
        job = d.submit(command=["true"], durability="memory", **document)
        offer = p.expect("offer", job)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job)["state"] == "running")
        return offer

    def breaks(self, p, offer):
        p.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "offset": 0, "json": {
            "state": "failed", "failure": {"class": "infra_runner", "code": "broken", "message": "the machine is broken"}}})

    def all_failed(self, d, offers):
        """Their jobs, once the first attempt of each has ended."""
        jobs = [o["attempt"]["job"] for o in offers]
        wait_until("all failed", lambda: all(d.job(j)["attempts"][0]["state"] == "failed" for j in jobs))
        return jobs

    def line(self, d, job):
        """Where it waits; empty if it does not."""
        return d.get(f"/v1/jobs/{job}/explain").get("line") or {}

    def answer(self, d, job, *parts):
        """The answer once it has all the parts; each must be shown by the command, too."""
        last = []

        def look():
            last[:] = [d.get(f"/v1/jobs/{job}/explain")]
            text = "\n".join(last[0]["answer"])
            return last[0] if all(part in text for part in parts) else None
        try:
            found = wait_until("the answer", look, 20)
        except AssertionError:
            raise AssertionError(f"expected {parts}, got:\n" + "\n".join(last[0]["answer"])) from None
        return found

    def shown(self, d, job, *parts):
        text = self.sigrun(d, "job", "explain", job, check=0).stdout
        for part in parts:
            self.assertIn(part, text)
        return text

    def test_no_runner_at_all(self):
        d = self.daemon()
        job = d.submit(command=["true"])
        e = self.answer(d, job, "No runner is registered", "Start a runner with sigrun-runner")
        self.assertEqual((e["advice"]["kind"], e["runners"], e["candidates_now"], e["attempts"]), ("runner", 0, [], []))
        self.shown(d, job, "Start a runner with sigrun-runner")

    def test_none_matches_and_the_one_term_that_helps_is_named(self):
        d = self.daemon()
        self.puppet(d, "small", labels={"zone": "x"}, facts=[{"key": "cpu.cores", "value": 8}])
        self.puppet(d, "smaller", labels={"zone": "x"}, facts=[{"key": "cpu.cores", "value": 4}])
        self.puppet(d, "far", labels={"zone": "y"}, facts=[{"key": "cpu.cores", "value": 64}])
        job = d.submit(command=["true"], requires='label.zone == "x" && cpu.cores >= 32')
        e = self.answer(d, job, "None of 3 runners satisfies the requirement",
                        "Without `cpu.cores >= 32` 2 of 3 runners would match; the nearest to it has 8 (small).")
        self.assertEqual((e["advice"]["term"], e["advice"]["runners"], e["advice"]["runner"]), ("cpu.cores >= 32", 2, "small"))
        hopeless = d.submit(command=["true"], requires='label.zone == "z" && cpu.cores >= 128')
        self.answer(d, hopeless, "No single change is enough")

    def test_a_fact_is_unknown(self):
        d = self.daemon()
        self.puppet(d, "mute", facts=[{"key": "gpu", "status": "denied", "detail": "no permission"}])
        job = d.submit(command=["true"], requires="any(g in gpu, g.memory_bytes >= 40GiB)")
        e = self.answer(d, job, "mute: gpu may not be read: no permission")
        self.assertEqual((e["unknown"], e["terms"][0]["causes"][0]["runner"]), (1, "mute"))

    def test_all_are_busy_with_its_place_in_line_and_how_long_it_will_wait(self):
        d = self.daemon()
        p = self.puppet(d)
        offer = self.running(d, p)
        first = d.submit(command=["true"], durability="memory")
        second = d.submit(command=["true"], durability="memory", timeouts={"queue": "1h"})
        e = self.answer(d, first, "1 of 1 runner matches: 1 has no free place (1 of 1 place taken).",
                        "How long it will wait is not known: no job of this requirement has succeeded",
                        "It runs when p1 has a free place; sooner if p1 takes 2 jobs at once instead of 1")
        self.assertIsNone(e["expected_wait"])
        self.assertEqual((e["advice"]["kind"], e["advice"]["slots"], e["hindrances"]["full"]), ("place", 1, 1))
        # The second has a deadline, and is therefore next.
        self.answer(d, first, "1 job of the same requirement is before it.")
        self.answer(d, second, "It is the first in line for its requirement.", "Without a place it expires in 5")
        for n in range(12):  # enough of them to say how long they take
            job = d.submit(command=["true"], durability="memory") if n else None
            p.end(offer)
            offer = p.expect("offer")
            p.accept(offer)
        last = d.submit(command=["true"], durability="memory")
        e = self.answer(d, last, "It will wait about", "jobs of this requirement that succeeded")
        self.assertLessEqual(e["expected_wait"]["least_ms"], e["expected_wait"]["most_ms"])
        self.shown(d, last, "It will wait about", "who could be chosen now", "1/1")

    def test_only_runners_that_drain_or_are_gone_match(self):
        d = self.daemon()
        self.puppet(d, "north", labels={"zone": "north"})
        d.request("POST", "/v1/runners/north/drain?reason=new+disk")
        job = d.submit(command=["true"], requires='label.zone == "north"')
        e = self.answer(d, job, "1 of 1 runner matches: 1 is not online (north is draining (new disk)).",
                        "`sigrun runner resume north` lets it run there.")
        self.assertEqual((e["advice"]["kind"], e["hindrances"]["closed"]), ("resume", 1))
        gone = self.puppet(d, "south", labels={"zone": "south"})
        gone.vanish()
        job = d.submit(command=["true"], requires='label.zone == "south"')
        d.runner_status("south", "offline", deadline=90)
        self.answer(d, job, "south is offline", "It runs when south is connected again.")

    def test_the_runner_that_matches_is_ejected(self):
        d = self.daemon(settings=["balancer.panic_threshold=0", "balancer.ejection_time=10m"])
        bad = self.puppet(d, "bad", labels={"zone": "b"}, slots=10)
        self.puppet(d, "good", labels={"zone": "g"})
        for _ in range(5):
            self.breaks(bad, self.running(d, bad, requires='label.zone == "b"', retry={"infrastructure": 0}))
        job = d.submit(command=["true"], requires='label.zone == "b"')
        e = self.answer(d, job, "1 is ejected (bad for another 9m", "too many jobs in a row failed there",
                        "bad is tried again in 9m")
        self.assertEqual((e["hindrances"]["ejected"], e["hindrances"]["absences"][0]["runner"]), (1, "bad"))

    def test_the_runner_that_matches_speaks_another_protocol(self):
        d = self.daemon()
        self.puppet(d)
        job = d.submit(command=["true"], protocol="valkyrie")
        e = self.answer(d, job, "1 is connected only over http, and the job asks for valkyrie.",
                        "If the job allows http, 1 runner could run it: p1.")
        self.assertEqual((e["advice"]["kind"], e["advice"]["protocols"]), ("protocol", "http"))

    def test_tenants_take_turns_and_limits_are_told(self):
        config = self.dir / "sigrun.ini"
        config.write_text("[tenant gold]\nweight = 2\nmax_waiting = 5\n[queue builds]\nmax_waiting = 9\n")
        d = self.daemon(config=config)
        p = self.puppet(d)
        self.running(d, p)
        for _ in range(4):
            d.submit(command=["true"], tenant="flood")
        for _ in range(2):
            d.submit(command=["true"], tenant="gold")
        job = d.submit(command=["true"], tenant="gold", queue="builds")
        e = self.answer(d, job, "2 jobs of the same requirement are before it; it takes turns with 4 jobs of 1 other tenant, and up "
                        "to 2 of them may come first (its tenant's weight is 2).",
                        'Of the jobs of tenant "gold", 3 wait and at most 5 may.', 'Of the jobs of queue "builds", 1 waits and at most 9 may.')
        self.assertEqual((e["line"]["before"], e["line"]["others"], e["line"]["tenant"]["waiting"]), (2, 4, 3))

    def test_a_retry_waits_for_its_backoff_or_the_budget(self):
        # Each waits for a random part of a minute: of three, one waits long enough to be looked at.
        d = self.daemon(settings=["interface.retry_delay=30s"])
        p = self.puppet(d, slots=3)
        offers = [self.running(d, p) for _ in range(3)]
        for offer in offers:
            self.breaks(p, offer)
        jobs = self.all_failed(d, offers)
        job = max(jobs, key=lambda j: self.line(d, j).get("backoff_ms", 0))
        e = self.answer(d, job, "Waits to run again: the machine is broken", "Its next attempt begins in ",
                        "It failed on 1 runner", "Attempt 1: performance chose p1",
                        "adaptive chooses which balancer picks; it has not seen a job of this requirement end yet.")
        self.assertGreater(e["line"]["backoff_ms"], 5_000)
        self.assertIsNone(e["advice"])

        d = self.daemon("budget", settings=["interface.retry_delay=30s"])
        p = self.puppet(d, slots=10)
        offers = [self.running(d, p) for _ in range(6)]
        for offer in offers:
            self.breaks(p, offer)
        held = [j for j in self.all_failed(d, offers) if self.line(d, j).get("denied_by_retry_budget")]
        self.assertEqual(len(held), 3)
        self.answer(d, held[0], "The retry budget holds it back (jobs.retry_budget): 3 retries and 0 other attempts are under way.")

    def test_a_place_kept_for_urgent_jobs_is_not_for_all_and_the_built_in_choice_gives_it(self):
        d = self.daemon(settings=["balancer.max_runner_load=0.8", "balancer.reserve_for_urgent=true"])
        p = self.puppet(d, slots=5)
        for _ in range(4):
            self.running(d, p)
        job = d.submit(command=["true"])
        e = self.answer(d, job, "1 keeps the last 1 place for jobs of priority high or critical.",
                        "With priority high it may take one of the 1 place kept for urgent jobs.")
        self.assertEqual((e["advice"]["kind"], e["hindrances"]["kept_places"]), ("priority", 1))
        offer = self.running(d, p, priority="high")
        e = self.answer(d, offer["attempt"]["job"], "Attempt 1: no balancer named a runner with a free place, so the built-in choice "
                        "took p1 (the built-in two-choice pick).", "Then it was in a place kept for urgent jobs.", "Now p1 has 5 jobs in flight")
        attempt = e["attempts"][0]
        self.assertEqual((attempt["balancer"], attempt["choice"]["built_in"], attempt["choice"]["tier"]), ("built_in", True, 8))

    def test_what_a_pick_saw_is_kept_of_jobs_that_ask_and_of_some_others(self):
        d = self.daemon(settings=["balancer.trace_every=4"])
        p = self.puppet(d, slots=20)
        self.puppet(d, "other", slots=20)
        asked = d.submit(command=["true"], explain=True)
        e = self.answer(d, asked, "Attempt 1: ")
        trace = e["attempts"][0]["trace"]
        self.assertEqual(sorted(c["runner"] for c in trace["candidates"]), ["other", "p1"])
        self.assertEqual((trace["looked_at"], [c["picked"] for c in trace["candidates"]]), (2, [True, False]))
        self.assertEqual((trace["candidates"][0]["runner"], trace["candidates"][0]["in_flight"], trace["candidates"][0]["places"]),
                         (e["attempts"][0]["runner"], 0, 20))
        self.assertEqual(trace["candidates"][0]["score"], 64 * 256)
        self.shown(d, asked, "what attempt 1 was chosen from, of 2 runners looked at", "picked")
        jobs = [d.submit(command=["true"]) for _ in range(32)]
        wait_until("all have a place", lambda: all(d.job(j)["attempts"] for j in jobs))
        traced = [j for j in jobs if d.get(f"/v1/jobs/{j}/explain")["attempts"][0]["trace"]]
        self.assertTrue(4 <= len(traced) <= 8, traced)  # of each thread one in four
        status, problem = d.request("POST", "/v1/jobs", {"command": ["true"], "explain": 1})
        self.assertEqual((status, problem["field"], problem["expected"]), (400, "explain", "true or false"))

    def test_mission_L4_the_balancer_that_decided_is_named_and_what_it_saw_then_and_now(self):
        d = self.daemon()
        p = self.puppet(d, labels={"zone": "x"})
        here = "label.zone == \"x\""
        self.puppet(d, "other", labels={"zone": "y"})
        for name in ("least_connections", "round_robin"):
            offer = self.running(d, p, balancer=name, requires=here)
            job = offer["attempt"]["job"]
            e = self.answer(d, job, f"Attempt 1: {name} chose p1: ", "Then it was in tier ", "Protocol http: ", "Now p1 has 1 job in flight")
            self.assertEqual((e["attempts"][0]["balancer"], e["attempts"][0]["choice"]["after_waiting"]), (name, False))
            # Who waited for that place says so, and names who picked.
            late = d.submit(command=["true"], balancer=name, requires=here)
            self.answer(d, late, "1 has no free place")
            p.end(offer)
            offer = p.expect("offer", late)
            p.accept(offer)
            e = self.answer(d, late, f"Attempt 1: {name} chose p1: ", ", when a place became free.")
            self.assertTrue(e["attempts"][0]["choice"]["after_waiting"])
            p.end(offer)
            d.finished(late)
            self.answer(d, late, "Now p1 has 0 jobs in flight")
        self.shown(d, late, "round_robin chose p1")


if __name__ == "__main__":
    unittest.main()
