"""A probe that is late: its runner starts without it, and what it says counts when it says it."""
import os
import shutil
import unittest

from harness import BUILD, FleetTest, wait_until

WANTED, OTHER = 'custom.late == "here"', 'custom.late != "here"'


class LateProbe(FleetTest):
    def plugins(self):
        folder = self.dir / "plugins"
        for part in ("protocols", "executors"):
            shutil.copytree(BUILD / "plugins" / part, folder / part)
        (folder / "probes").mkdir()
        for file in (BUILD / "plugins" / "probes" / "memory.so", BUILD / "tests/fixtures/plugins/unruly_probe.so"):
            shutil.copy(file, folder / "probes")
        return folder

    def runner_with(self, d, isolated, hard_ms=60_000):
        """A runner with a probe that waits at a gate, a pipe, until somebody opens it for writing."""
        self.gate = self.dir / "gate"
        if not self.gate.exists():
            os.mkfifo(self.gate)
            self.addCleanup(self.open_gate)
        config = self.dir / "runner.ini"
        config.write_text(f"""[instance late]
component = test.unruly:unruly
isolated = {isolated}
mode = hang
hard = {hard_ms}
gate = {self.gate}
keys = custom.late
facts = [{{"key":"custom.late","value":"here","method":"read","source":"gate","volatility":"static"}}]
""")
        return self.runner_for(d, "r1", extra=("--plugin-dir", self.plugins(), "--config", config))

    def open_gate(self):
        if self.gate.exists():
            os.close(os.open(self.gate, os.O_RDWR | os.O_NONBLOCK))

    def fact(self, d):
        return {f["key"]: f for f in d.runner("r1")["facts"]}.get("custom.late", {})

    def waits_for_one_job_only(self, isolated):
        d = self.daemon()
        self.runner_with(d, isolated)  # connected, although the gate is shut
        late = self.fact(d)
        self.assertEqual((late.get("status"), late.get("detail")), ("timeout", "not known yet: its probe has not answered"))
        wanted, other = (d.submit(command=["true"], requires=requires) for requires in (WANTED, OTHER))
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        self.assertEqual(d.run(command=["true"], requires="memory.total_bytes >= 1MiB")["state"], "succeeded")
        for job in (wanted, other):
            self.assertEqual(d.job(job)["state"], "queued")
            reason = wait_until("it is explained", lambda: (lambda e: e["reason"] if "none of" in e["reason"] else None)(
                d.get(f"/v1/jobs/{job}/explain")))
            self.assertIn("nobody can tell whether custom.late", reason)
            self.assertIn("r1: custom.late was not read in time: not known yet: its probe has not answered", reason)
        kept = self.dir / "r1" / "facts.cache"
        wait_until("what is known is kept", lambda: kept.exists() and "memory.total_bytes" in kept.read_text())
        self.assertNotIn("custom.late", kept.read_text())
        gate = os.open(self.gate, os.O_RDWR)
        self.addCleanup(os.close, gate)
        self.assertEqual(d.finished(wanted)["state"], "succeeded")
        self.assertEqual((self.fact(d)["status"], self.fact(d)["value"]), ("ok", "here"))
        self.assertEqual(d.job(other)["state"], "queued", "it was not known to be another one, and it is not")

    def test_mission_D20_a_late_probe_in_the_process_of_the_runner_holds_up_only_who_needs_it(self):
        self.waits_for_one_job_only("no")

    def test_mission_D20_a_late_probe_in_a_process_of_its_own_holds_up_only_who_needs_it(self):
        self.waits_for_one_job_only("yes")

    def test_mission_D20_a_probe_that_never_answers_ends_at_its_hard_limit_and_the_controller_is_told(self):
        d = self.daemon()
        self.runner_with(d, "yes", hard_ms=3000)
        self.assertTrue(self.fact(d)["detail"].startswith("not known yet"), self.fact(d))
        known = d.facts("r1", "custom.late")
        self.assertEqual((known["custom.late"]["status"], known["custom.late"]["detail"]),
                         ("timeout", "the probe did not answer within its hard limit"))
        self.assertEqual(known["memory.total_bytes"]["status"], "ok")
        self.assertEqual(d.job(d.submit(command=["true"], requires=WANTED))["state"], "queued")


if __name__ == "__main__":
    unittest.main()
