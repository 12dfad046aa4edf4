"""A requirement that nothing satisfies: what is said about it."""
import unittest

from harness import FleetTest, wait_until
from puppet import Puppet

GIB = 1 << 30
WANTED = "any(g in gpu, g.memory_bytes >= 40GiB)"


class NoMatch(FleetTest):
    def runner(self, d, name, facts):
        p = Puppet(d, name=name, facts=facts)
        p.connect()
        self.addCleanup(p.vanish)
        d.runner_status(name, "online")

    def fleet(self):
        d = self.daemon()
        self.runner(d, "plain-1", [{"key": "gpu", "value": []}])
        self.runner(d, "plain-2", [{"key": "gpu", "status": "absent"}])
        self.runner(d, "small", [{"key": "gpu", "value": [{"model": "A10", "memory_bytes": 24 * GIB}]}])
        self.runner(d, "smaller", [{"key": "gpu", "value": [{"model": "T4", "memory_bytes": 16 * GIB}]}])
        self.runner(d, "mute", [{"key": "gpu", "status": "timeout", "detail": "the driver does not answer"}])
        return d

    def test_mission_D5_what_is_missing_is_said_with_the_nearest_runner_and_why_others_are_unknown(self):
        d = self.fleet()
        job = d.submit(command=["true"], requires=WANTED)
        reason = wait_until("it is explained", lambda: (lambda e: e["reason"] if "none of" in e["reason"] else None)(
            d.get(f"/v1/jobs/{job}/explain")))
        self.assertEqual(reason, f"none of 5 runners satisfies the requirement; {WANTED}: 2 have no gpu, the closest is 24.0 GiB on "
                                 "small, of 1 nobody knows (mute: gpu was not read in time: the driver does not answer)")
        term = d.get(f"/v1/jobs/{job}/explain")["terms"][0]
        self.assertEqual((term["false"], term["absent"], term["unknown"]), (4, 2, 1))
        self.assertEqual(term["closest"], {"value": "24.0 GiB", "runner": "small"})
        self.assertEqual(term["causes"][0]["runner"], "mute")
        shown = self.sigrun(d, "job", "explain", job, check=0).stdout
        for words in ("2 have no gpu", "24.0 GiB on small", "mute"):
            self.assertIn(words, shown)

    def test_either_spelling_of_the_flag_asks_for_it(self):
        d = self.fleet()
        for flag in ("--require", "--requires"):
            done = self.sigrun(d, "submit", flag, WANTED, "--", "true", check=0)
            job = done.stdout.split()[0]
            self.assertEqual(d.job(job)["requires"], WANTED)

    def test_a_runner_that_can_is_used_when_it_comes(self):
        d = self.fleet()
        job = d.submit(command=["true"], requires=WANTED)
        big = Puppet(d, name="big", facts=[{"key": "gpu", "value": [{"model": "H100", "memory_bytes": 80 * GIB}]}])
        big.connect()
        self.addCleanup(big.vanish)
        offer = big.expect("offer", job)
        big.accept(offer)
        big.end(offer)
        self.assertEqual(d.finished(job)["state"], "succeeded")


if __name__ == "__main__":
    unittest.main()
