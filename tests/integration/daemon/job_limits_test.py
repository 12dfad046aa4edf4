"""Limits of jobs: how they are held is told with the attempt, and what ran out is told as that."""
import os
import unittest

from harness import FleetTest, wait_until


class JobLimits(FleetTest):
    def setUp(self):
        super().setUp()
        self.d = self.daemon()

    def limited(self, command, retry=0, **limits):
        return self.d.run(command=["sh", "-c", command], limits=limits, retry={"user": retry}, wait="60s")

    def need(self, job, name):
        """Skips where the kernel does not let the runner hold this limit for a job as a whole."""
        held = job["attempts"][-1]["limits"][name]
        if not held["by"].startswith("cgroup"):
            self.skipTest(held.get("why", "no cgroup"))
        return held

    def test_each_limit_says_by_what_it_is_held_also_while_the_job_runs(self):
        self.runner_for(self.d)
        job_id = self.d.submit(command=["sleep", "60"],
                               limits={"memory": "64MiB", "open_files": 99, "workspace": "1GiB"})
        job = wait_until("it says how", lambda: (lambda j: j if j["attempts"] and "limits" in j["attempts"][0] else None)(
            self.d.job(job_id)))
        limits = job["attempts"][0]["limits"]
        self.assertEqual(limits["open_files"], {"limit": 99, "by": "rlimit"})
        self.assertEqual(limits["workspace"], {"limit": 1 << 30, "by": "watch"})
        self.assertEqual(limits["memory"]["limit"], 64 << 20)
        self.assertIn(limits["memory"]["by"], ("cgroup_v1", "cgroup_v2", "rlimit"))
        shown = self.sigrun(self.d, "job", "show", job_id, check=0).stdout
        self.assertIn("open_files 99 (rlimit)", shown)
        self.assertIn("memory 64.0 MiB (", shown)
        self.sigrun(self.d, "job", "cancel", job_id)
        self.d.finished(job_id)

    def test_lack_of_memory_is_of_class_resource_and_costs_a_try_of_the_user(self):
        self.runner_for(self.d)
        job = self.limited("exec dd if=/dev/zero of=/dev/null bs=200M count=1", retry=1, memory="24MiB")
        self.need(job, "memory")
        self.assertEqual([a["failure"]["class"] for a in job["attempts"]], ["resource", "resource"], job)
        self.assertEqual(job["failure"]["code"], "oom")
        self.assertIn("limits.memory is 24.0 MiB", job["failure"]["message"])
        for attempt in job["attempts"]:
            self.assertGreater(attempt["usage"]["memory_peak_bytes"], 20 << 20, attempt)
        shown = self.sigrun(self.d, "job", "show", job["id"], check=0).stdout
        self.assertIn("resource/oom", shown)
        self.assertIn("attempt 1 used", shown)

    def test_a_retry_has_more_memory_where_the_job_allows_it(self):
        self.runner_for(self.d)
        job = self.d.run(command=["dd", "if=/dev/zero", "of=/dev/null", "bs=40M", "count=1"], limits={"memory": "24MiB"},
                         retry={"user": 2, "memory_factor": 1.5}, wait="60s")
        self.need(job, "memory")
        self.assertEqual([a["limits"]["memory"]["limit"] for a in job["attempts"]], [24 << 20, 36 << 20, 54 << 20], job)
        self.assertEqual([a["failure"]["code"] if a.get("failure") else None for a in job["attempts"]], ["oom", "oom", None], job)
        self.assertEqual(job["state"], "succeeded")
        for retry, field in (({"memory_factor": 1.5}, "retry.memory_factor"), ({"memory_factor": 9}, "retry.memory_factor")):
            status, problem = self.d.request("POST", "/v1/jobs", {"command": ["true"], "retry": retry})
            self.assertEqual((status, problem["field"]), (400, field), problem)

    def test_forks_beyond_the_limit_are_told(self):
        self.runner_for(self.d)
        job = self.limited("for i in 1 2 3 4 5 6 7 8; do sleep 9 & done; wait", pids=4)
        self.need(job, "pids")
        self.assertEqual((job["failure"]["class"], job["failure"]["code"]), ("resource", "pids"), job)

    def test_a_workspace_over_its_limit_is_told(self):
        self.runner_for(self.d)
        job = self.limited("head -c 3M /dev/zero > big; sleep 60", workspace="1MiB")
        self.assertEqual((job["failure"]["class"], job["failure"]["code"]), ("resource", "disk"), job)
        self.assertIn("took 3.0 MiB, limits.workspace is 1.0 MiB", job["failure"]["message"])

    def test_what_was_said_of_limits_and_usage_survives_the_daemon(self):
        self.runner_for(self.d)
        job = self.limited("exit 3", open_files=64)
        self.assertEqual(job["failure"]["class"], "user")
        self.d.stop()
        again = self.daemon()
        kept = again.job(job["id"])["attempts"][0]
        self.assertEqual(kept["limits"], {"open_files": {"limit": 64, "by": "rlimit"}})
        self.assertEqual(kept["usage"], job["usage"])

    def test_a_job_that_requires_its_limits_does_not_run_where_they_cannot_be_held(self):
        config = self.dir / "runner.ini"
        config.write_text("[instance process]\ncomponent = sigrun.process:process\ncgroups = off\n")
        self.runner_for(self.d, extra=["--config", str(config)])
        marker = self.dir / "ran"
        job = self.d.run(command=["touch", str(marker)], limits={"memory": "64MiB", "enforce": "required"},
                         retry={"infrastructure": 0}, wait="60s")
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]),
                         ("failed", "refused", "limits"), job)
        self.assertIn("limits.memory", job["failure"]["message"])
        self.assertFalse(marker.exists())
        # Where it does not insist, it runs, and the attempt says with what.
        job = self.d.run(command=["touch", str(marker)], limits={"memory": "64MiB"}, wait="60s")
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual(job["attempts"][0]["limits"]["memory"]["by"], "rlimit")

    def test_a_job_that_was_killed_for_memory_while_its_runner_was_away_is_told_by_the_next(self):
        r = self.runner_for(self.d)
        gate = self.dir / "gate"
        os.mkfifo(gate)
        job_id = self.d.submit(command=["sh", "-c", f"read x < {gate}; exec dd if=/dev/zero of=/dev/null bs=200M count=1"],
                               limits={"memory": "24MiB"})
        wait_until("it says how it is held", lambda: "limits" in (self.d.job(job_id)["attempts"] or [{}])[0])
        self.need(self.d.job(job_id), "memory")
        r.kill()
        gate.write_text("go\n")
        self.runner_for(self.d)
        job = self.d.finished(job_id)
        self.assertEqual((job["failure"]["class"], job["failure"]["code"]), ("resource", "oom"), job)

    def test_flags_of_run_become_limits(self):
        self.runner_for(self.d)
        done = self.sigrun(self.d, "run", "--open-files", "77", "--core", "0", "--memory", "512MiB", "--cpus", "2", "--",
                           "sh", "-c", "ulimit -n", check=0)
        self.assertEqual(done.stdout.strip(), "77")
        done = self.sigrun(self.d, "run", "--memory", "lots", "--", "true")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("limits.memory", done.stderr)
        self.assertIn("512MiB", done.stderr)


if __name__ == "__main__":
    unittest.main()
