"""How fast this machine is: measured when it is asked for, told with units, and by a runner that has nothing else to do."""
import json
import os
import pathlib
import re
import subprocess
import time
import unittest

from harness import BIN, FleetTest, wait_until

FIGURES = ("single_int", "single_fp", "all_int", "aes_bps", "sha256_bps", "mem_copy_bps", "mem_triad_bps", "mem_latency_ns",
           "disk_seq_read_bps", "disk_seq_write_bps", "disk_rand_iops", "fsync_p50_us", "fsync_p95_us", "spawn_us")
# Whoever else works on the machine may take part of one of two measurements made one after the other, not all of it.
WIDE = 20
# A runner that measures itself soon; those of other tests do not.
MEASURED = ("--set", "runner.facts_interval=1s", "--set", "runner.benchmark=yes")


def probe(*arguments, cwd="/tmp", before=()):
    return subprocess.run([*before, str(BIN / "sigrun"), "probe", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, NO_COLOR="1"))


def facts_of(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return {f["key"]: f for f in json.loads(done.stdout)["facts"]}


def openssl_bytes_per_second(algorithm):
    done = subprocess.run(["openssl", "speed", "-mr", "-seconds", "1", "-bytes", "16384", "-evp", algorithm], capture_output=True,
                          text=True, timeout=60)
    return float(re.search(r"^\+F:\d+:[^:]+:([\d.]+)", done.stdout, re.M)[1])


class Benchmark(FleetTest):
    def test_mission_D14_it_says_every_figure_or_why_not_within_its_budget(self):
        facts = facts_of(probe("--benchmark", "--json"))
        for name in FIGURES:
            fact = facts[f"perf.{name}"]
            if fact["status"] == "ok":
                self.assertGreater(fact["value"], 0, fact)
                self.assertIn(fact["method"], ("measured", "derived"), fact)
            else:
                self.assertTrue(fact["detail"], fact)
        self.assertEqual(facts["perf.budget_ms"]["value"], 3000)
        self.assertEqual(facts["perf.suite"]["status"], "ok")
        self.assertIn("noise_ratio", "".join(facts))
        for ratio in ("noise_ratio", "steal_ratio"):
            self.assertTrue(0 <= facts[f"perf.{ratio}"]["value"] <= 1, facts[f"perf.{ratio}"])
        cores = facts["cpu.effective_cores"]["value"]
        tier = facts["tier.cpu"]
        if tier["status"] == "ok":
            self.assertIn(tier["value"], ("basic", "standard", "high", "ultra"))
            if cores < 8:
                self.assertIn(tier["value"], ("basic", "standard"))
            self.assertTrue(tier["value"] == "ultra" or "needs" in tier["detail"], tier)

    def test_mission_D14_ciphers_are_as_fast_as_openssl_says(self):
        facts = facts_of(probe("--benchmark", "--only", "perf", "--json"))
        for name, algorithm in (("aes_bps", "aes-256-gcm"), ("sha256_bps", "sha256")):
            fact = facts[f"perf.{name}"]
            self.assertEqual(fact["status"], "ok", fact)
            theirs = openssl_bytes_per_second(algorithm) * 8
            self.assertTrue(theirs / WIDE < fact["value"] < theirs * WIDE, (name, fact["value"], theirs))

    def test_figures_have_units_people_read(self):
        shown = probe("--benchmark", "--only", "perf,tier").stdout
        for pattern in (r"aes_bps +[\d.]+ [MG]B/s", r"budget_ms +3 s", r"spawn_us +[\d.]+ (us|ms)", r"noise_ratio +[\d.]+ %"):
            self.assertRegex(shown, pattern)
        self.assertRegex(shown, r"disk_rand_iops +([\d.]+ k?IOPS|\w+ \()")
        self.assertRegex(shown, r"overall +(basic|standard|high|ultra|\w+ \()")
        self.assertNotIn("effective_bytes", shown)

    def test_without_being_asked_nothing_is_measured_and_that_is_said(self):
        facts = facts_of(probe("--json"))
        self.assertFalse([key for key in facts if key.startswith("perf")])
        if facts["cpu.effective_cores"]["value"] >= 2:
            self.assertEqual(facts["tier.cpu"]["status"], "error")
            self.assertIn("perf.single_int is not measured", facts["tier.cpu"]["detail"])
        done = probe("--only", "perf")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--benchmark", done.stderr)

    def test_a_recorded_machine_cannot_be_measured(self):
        done = probe("--benchmark", "--sysroot", "/tmp")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--sysroot", done.stderr)

    def measured_on(self, options):
        """The figures with a file system of its own as the current folder."""
        folder = self.dir / "disk"
        folder.mkdir()
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            self.skipTest("no mount name space can be made here")
        script = f"mount -t tmpfs -o {options} none {folder} && cd {folder} && exec \"$0\" \"$@\""
        return facts_of(probe("--benchmark", "--only", "perf", "--json", before=("unshare", "--mount", "sh", "-c", script)))

    def test_a_full_disk_costs_its_figures_alone_and_they_say_so(self):
        facts = self.measured_on("size=16m")
        self.assertEqual(facts["perf.disk_seq_write_bps"]["status"], "error", facts["perf.disk_seq_write_bps"])
        self.assertIn("No space left", facts["perf.disk_seq_write_bps"]["detail"])
        self.assertIn(facts["perf.sha256_bps"]["status"], ("ok", "timeout"))

    def test_a_disk_that_is_read_only_says_so(self):
        facts = self.measured_on("ro")
        for name in ("disk_seq_write_bps", "disk_rand_iops", "fsync_p50_us"):
            self.assertIn(facts[f"perf.{name}"]["status"], ("error", "denied"), facts[f"perf.{name}"])
            self.assertIn("Read-only", facts[f"perf.{name}"]["detail"])

    # -- a runner ------------------------------------------------------------------------------------------------------

    def runner_facts(self, d):
        return {f["key"]: f for f in d.runner("r1")["facts"]}

    def measured(self, d):
        return wait_until("the runner is measured", lambda: "perf.single_int" in self.runner_facts(d) and self.runner_facts(d), 90)

    def test_an_idle_runner_measures_itself_once_and_keeps_the_result_when_it_starts_again(self):
        d = self.daemon()
        extra = (*MEASURED, "--set", "runner.log_level=debug")
        r = self.runner_for(d, extra=extra)
        facts = self.measured(d)
        r.wait_line("measuring this machine")
        self.assertIn("perf.noise_ratio", facts)
        self.assertIn("tier.overall", facts)
        before = facts["perf.single_int"]
        kept = self.dir / "r1" / "benchmark.json"
        wait_until("the result is kept", kept.exists)
        r.stop()
        again = self.runner_for(d, extra=extra)
        now = wait_until("it tells what it knew", lambda: self.runner_facts(d).get("perf.single_int"))
        self.assertEqual(now["value"], before["value"])
        for _ in range(3):  # the first times it reads its facts and could measure
            self.assertEqual(d.request("POST", "/v1/runners/r1/detect")[0], 200)
        self.assertFalse([line for line in again.lines if "measuring this machine" in line])
        again.stop()
        # What is no such file is none.
        kept.write_text("{\"version\":1,\"facts\":[{\"key\":\"cpu.cores\",\"value\":99}]}")
        r = self.runner_for(d, extra=extra)
        r.wait_line("is no result of a measurement")
        self.assertNotEqual(d.facts("r1", "cpu.cores")["cpu.cores"]["value"], 99)

    def test_mission_D14_jobs_come_first(self):
        d = self.daemon()
        self.runner_for(d, extra=MEASURED)
        # A stream of jobs from the start: each is accepted, and nothing is measured as long as they come.
        end = time.monotonic() + 6
        while time.monotonic() < end:
            job = d.run(command=["true"])
            self.assertEqual(job["state"], "succeeded", job)
            self.assertEqual(len(job["attempts"]), 1, job)
        self.assertNotIn("perf.single_int", self.runner_facts(d))
        self.measured(d)

    def test_a_runner_that_is_told_not_to_measures_nothing(self):
        d = self.daemon()
        r = self.runner_for(d, extra=("--set", "runner.facts_interval=1s", "--set", "runner.benchmark=no", "--set",
                                      "runner.log_level=debug"))

        for _ in range(4):  # each time facts are read an idle runner looks whether to measure
            code, body = d.request("POST", "/v1/runners/r1/detect")
            self.assertEqual(code, 200, body)
        self.assertNotIn("perf.single_int", self.runner_facts(d))
        r.stop()
        self.assertFalse([line for line in r.lines if "measuring this machine" in line])


if __name__ == "__main__":
    unittest.main()
