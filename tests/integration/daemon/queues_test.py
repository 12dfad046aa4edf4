"""Which waiting job is next, and who may still come: tenants, priorities, queues, limits, deadlines."""
import collections
import time
import unittest

from harness import BIN, wait_until
from puppet import PuppetTest


class Queues(PuppetTest):
    def offers(self, p, n):
        """The jobs of the next n offers, each ended at once so that the next can come."""
        out = []
        for _ in range(n):
            offer = p.expect("offer")
            out.append(offer["attempt"]["job"])
            p.accept(offer)
            p.end(offer)
        return out

    def waiting(self, d, **document):
        """A job that has been looked at and waits: it is acknowledged a moment before that."""
        job = d.submit(command=["true"], **document)
        wait_until("it waits", lambda: d.job(job)["reason"].startswith("waits"))
        return job

    def busy_puppet(self, d):
        """A runner whose only place is taken, and what ends that."""
        p = self.puppet(d)
        d.submit(command=["true"], durability="memory")
        offer = p.expect("offer")
        p.accept(offer)
        return p, lambda: p.end(offer)

    def test_tenants_share_a_runner_by_weight(self):
        d = self.daemon(config=self.config("[tenant gold]\nweight = 3\n[jobs]\ntenant_weight = 1\n"))
        p, free = self.busy_puppet(d)
        owner = {}
        for tenant, n in (("flood", 60), ("gold", 30), ("", 10)):
            for _ in range(n):
                owner[d.submit(command=["true"], tenant=tenant, durability="memory")] = tenant
        free()
        got = [owner[j] for j in self.offers(p, 50)]
        self.assertEqual(collections.Counter(got), {"gold": 30, "flood": 10, "": 10})
        # Who has nothing left to run does not slow the others down.
        self.assertEqual({owner[j] for j in self.offers(p, 50)}, {"flood"})

    def test_a_job_that_waited_long_goes_before_those_of_a_higher_priority(self):
        d = self.daemon(settings=["jobs.ageing=500ms"])
        p, free = self.busy_puppet(d)
        first = self.waiting(d, priority="background")
        time.sleep(1.6)  # what is tested is time itself
        second = self.waiting(d, priority="high")
        urgent = self.waiting(d, priority="critical")
        free()
        self.assertEqual(self.offers(p, 3), [urgent, first, second])

    def test_without_ageing_priority_alone_decides(self):
        d = self.daemon(settings=["jobs.ageing=0s"])
        p, free = self.busy_puppet(d)
        jobs = {band: self.waiting(d, priority=band)
                for band in ("background", "low", "normal", "high", "critical")}
        free()
        self.assertEqual(self.offers(p, 5), [jobs[b] for b in ("critical", "high", "normal", "low", "background")])

    def test_a_job_with_a_deadline_goes_before_those_of_its_tenant_without(self):
        d = self.daemon()
        p, free = self.busy_puppet(d)
        late = d.submit(command=["true"])
        soon = d.submit(command=["true"], timeouts={"queue": "1h"})
        sooner = d.submit(command=["true"], timeouts={"queue": "30m"})
        free()
        self.assertEqual(self.offers(p, 3), [sooner, soon, late])

    def test_limits_of_tenants_and_queues_answer_busy_and_name_what_is_full(self):
        d = self.daemon(config=self.config("[jobs]\nmax_waiting = 7\ntenant_max_waiting = 3\n"
                                           "[tenant big]\nmax_waiting = 5\n[queue builds]\nmax_waiting = 2\n"))
        p, free = self.busy_puppet(d)

        def submit(**document):
            return d.request("POST", "/v1/jobs", {"command": ["true"], **document})

        def refused(field, limit, count, **document):
            status, body = submit(**document)
            self.assertEqual((status, body["code"], body["field"], body["found"]), (429, "busy", field, str(count)), body)
            self.assertIn(f"fewer than {limit} waiting jobs", body["expected"])
            self.assertGreaterEqual(int(d.last_headers["Retry-After"]), 1)
            return body["expected"]

        for _ in range(2):
            self.assertEqual(submit(queue="builds", tenant="big")[0], 201)
        self.assertIn('"builds"', refused("queue", 2, 2, queue="builds", tenant="big"))
        for _ in range(3):
            self.assertEqual(submit(tenant="small")[0], 201)
        self.assertIn('"small"', refused("tenant", 3, 3, tenant="small"))
        for _ in range(2):
            self.assertEqual(submit(tenant="big")[0], 201)
        refused("jobs.max_waiting", 7, 7, tenant="other")
        # A place for each that went: one has ended, one is offered.
        free()
        self.offers(p, 1)
        wait_until("there is room for one", lambda: submit(tenant="other")[0] == 201)
        wait_until("and for one more", lambda: submit(tenant="other")[0] == 201)
        refused("jobs.max_waiting", 7, 7, tenant="other")

    def test_limits_and_weights_change_while_jobs_wait(self):
        file = self.config("[tenant a]\nmax_waiting = 1\n")
        d = self.daemon(config=file)
        d.submit(command=["true"], tenant="a")
        self.assertEqual(d.request("POST", "/v1/jobs", {"command": ["true"], "tenant": "a"})[0], 429)
        file.write_text("[tenant a]\nmax_waiting = 2\n")
        wait_until("there is room", lambda: d.request("POST", "/v1/jobs", {"command": ["true"], "tenant": "a"})[0] == 201)
        self.assertEqual(d.request("POST", "/v1/jobs", {"command": ["true"], "tenant": "a"})[0], 429)

    def test_a_cancelled_or_expired_job_makes_room(self):
        d = self.daemon(settings=["jobs.tenant_max_waiting=1"])
        first = d.submit(command=["true"])
        self.assertEqual(d.request("POST", "/v1/jobs", {"command": ["true"]})[0], 429)
        d.request("POST", f"/v1/jobs/{first}/cancel")
        d.finished(first)
        second = d.submit(command=["true"], timeouts={"queue": "200ms"})
        self.assertEqual(d.finished(second)["state"], "expired")
        d.submit(command=["true"])

    def test_jobs_that_waited_before_a_restart_count_after_it(self):
        d = self.daemon(settings=["jobs.tenant_max_waiting=2"])
        for _ in range(2):
            d.submit(command=["true"])
        d.stop()
        d = self.daemon(settings=["jobs.tenant_max_waiting=2"])
        self.assertEqual(d.request("POST", "/v1/jobs", {"command": ["true"]})[0], 429)

    def test_mission_L4_a_job_its_queue_or_its_priority_says_who_picks(self):
        default = "[balancer]\ndefault_algorithm = round_robin\n"
        file = self.config(default + "priority_rule = high=least_connections\n[queue builds]\nbalancer = least_connections\n"
                           "priority = low\n")
        d = self.daemon(config=file)
        self.runner_for(d)

        def decided(**document):
            job = d.run(command=["true"], durability="memory", **document)
            return job["attempts"][0]["reason"].split(" took ")[0], job["priority"]

        self.assertEqual(decided(), ("round_robin", "normal"))
        self.assertEqual(decided(priority="high"), ("least_connections", "high"))
        self.assertEqual(decided(queue="builds"), ("least_connections", "low"))
        self.assertEqual(decided(queue="builds", priority="high", balancer="round_robin"), ("round_robin", "high"))
        # From a reload on, the new rule.
        file.write_text(default + "[queue builds]\nbalancer = round_robin\n")
        wait_until("the new rule", lambda: decided(queue="builds") == ("round_robin", "normal"))
        self.assertEqual(decided(priority="high")[0], "round_robin")

    def test_a_balancer_that_is_not_there_is_an_error_wherever_it_is_named(self):
        for text, field in (("[balancer]\npriority_rule = high=nobody\n", "balancer.priority_rule"),
                            ("[balancer]\npriority_rule = urgent=round_robin\n", "balancer.priority_rule"),
                            ("[balancer]\npriority_rule = high\n", "balancer.priority_rule"),
                            ("[queue q]\nbalancer = nobody\n", "queue q.balancer")):
            file = self.config(text)
            p = self.program(BIN / "sigrund", "--state-dir", self.dir / "d", "--config", file)
            self.assertNotEqual(p.process.wait(30), 0)
            p._reader.join(5)
            self.assertIn(f"{field}: expected", "\n".join(p.lines))
            self.assertIn("sigrun.ini:2", "\n".join(p.lines))
            checked = self.program(BIN / "sigrun", "config", "check", file)
            self.assertNotEqual(checked.process.wait(30), 0)
            checked._reader.join(5)
            self.assertIn(field, "\n".join(checked.lines))
        d = self.daemon()
        status, body = d.request("POST", "/v1/jobs", {"command": ["true"], "balancer": "nobody"})
        self.assertEqual((status, body["field"]), (400, "balancer"), body)
        self.assertIn("round_robin", body["expected"])

    def test_sections_of_queues_and_tenants_are_checked(self):
        for text, part in (("[tenant a]\nwieght = 2\n", "weight"), ("[queue a]\nmax_waiting = -1\n", "max_waiting"),
                           ("[tenant a]\nweight = 1001\n", "1000")):
            p = self.program(BIN / "sigrund", "--state-dir", self.dir / "d", "--config", self.config(text))
            self.assertNotEqual(p.process.wait(30), 0)
            p._reader.join(5)
            self.assertIn(part, "\n".join(p.lines))

if __name__ == "__main__":
    unittest.main()
