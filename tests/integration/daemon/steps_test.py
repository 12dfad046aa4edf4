"""Jobs of several steps: each with its own result, told while the job runs, kept over restarts of daemon and runner."""
import json
import signal
import unittest

from harness import FleetTest, free_port, wait_until


def step(name, script, **more):
    return {"name": name, "command": ["sh", "-c", script], **more}


class Steps(FleetTest):
    def results(self, job, *members):
        return [tuple(s.get(m) for m in ("name", "state", *members)) for s in job["attempts"][-1].get("steps", [])]

    def test_each_step_has_its_result_and_one_that_may_fail_does_not_count(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(steps=[step("build", "echo built"), step("lint", "echo bad; exit 3", continue_on_error=True),
                           step("absent", "", command=["no-such-program"], continue_on_error=True), step("test", "exit 4"), step("pack", "echo no")],
                    retry={"user": 0})
        self.assertEqual((job["state"], job["exit_code"], job["failure"]["message"]), ("failed", 4, "step 4 of 5 (test) exited with code 4"), job)
        self.assertEqual(self.results(job, "exit_code"), [("build", "succeeded", 0), ("lint", "failed", 3), ("absent", "failed", 127),
                                                          ("test", "failed", 4), ("pack", "skipped", None)])
        self.assertEqual(d.log(job["id"]), "built\nbad\n")
        began = [s["started_at"] for s in job["attempts"][-1]["steps"][:4]]
        self.assertEqual(began, sorted(began))
        self.assertTrue(all(s["wall_ms"] >= 0 for s in job["attempts"][-1]["steps"][:4]))
        shown = self.sigrun(d, "job", "show", job["id"], check=0).stdout
        self.assertRegex(shown, r"2 lint: failed \(exit code 3\) in ")
        self.assertIn("5 pack: skipped", shown)
        # The last one, too.
        job = d.run(steps=[["true"], step("last", "kill -9 $$", continue_on_error=True)])
        self.assertEqual((job["state"], job["exit_code"]), ("succeeded", 0), job)
        self.assertEqual(self.results(job, "signal"), [("", "succeeded", None), ("last", "failed", 9)])
        # One command has no steps; one that has a name has one.
        self.assertNotIn("steps", d.run(command=["true"])["attempts"][-1])
        self.assertEqual(self.results(d.run(steps=[step("only", "true")])), [("only", "succeeded")])

    def test_a_step_that_is_not_as_it_is_to_be_is_refused(self):
        d = self.daemon()
        for bad, field in (({"name": "a", "command": ["true"], "continue_on_error": "yes"}, "steps[0].continue_on_error"),
                           ({"command": ["true"], "continue": True}, "steps[0].continue")):
            status, why = d.request("POST", "/v1/jobs", {"steps": [bad]})
            self.assertEqual((status, why["field"]), (400, field), why)

    def test_they_are_told_while_the_job_runs_and_known_after_restarts(self):
        port = free_port()
        d = self.daemon(port=port)
        runner = self.runner_for(d)
        gates = [self.dir / f"gate{n}" for n in range(3)]
        wait_for = lambda gate: f"until [ -e {gate} ]; do sleep 0.05; done"
        job_id = d.submit(steps=[step(f"s{n}", wait_for(gate), continue_on_error=n == 1) for n, gate in enumerate(gates)])
        wait_until("the first runs", lambda: d.job(job_id)["state"] == "running" and
                   self.results(d.job(job_id)) == [("s0", "running"), ("s1", "waiting"), ("s2", "waiting")])
        gates[0].touch()
        wait_until("the second runs", lambda: self.results(d.job(job_id)) == [("s0", "succeeded"), ("s1", "running"), ("s2", "waiting")])
        runner.process.send_signal(signal.SIGKILL)
        runner.process.wait()
        gates[1].touch()  # while nobody looks
        runner = self.runner_for(d)
        wait_until("the new agent knows the third", lambda: self.results(d.job(job_id)) ==
                   [("s0", "succeeded"), ("s1", "succeeded"), ("s2", "running")])
        d.kill()
        d = self.daemon(port=port)
        gates[2].touch()
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        self.assertEqual([s for _, s in self.results(job)], ["succeeded"] * 3)
        self.assertEqual(d.stop(), 0)
        d = self.daemon(port=port)
        self.assertEqual([s for _, s in self.results(d.job(job_id))], ["succeeded"] * 3)

    def test_files_of_jobs_name_steps_that_may_fail(self):
        d = self.daemon()
        self.runner_for(d)
        file = self.dir / "jobs.ini"
        file.write_text("[job.a]\nstep.lint = false\nstep.test = true\ncontinue_on_error = lint\n")
        for scheme in ("http", "grpc", "ws", "valkyrie"):
            self.sigrun(d, "--url", f"{scheme}://127.0.0.1:{d.port}", "submit", file, "--wait", check=0)
        job = d.job(d.get("/v1/jobs?limit=1")["items"][0]["id"])
        self.assertEqual(self.results(job), [("lint", "failed"), ("test", "succeeded")])
        file.write_text("[job.a]\nstep.lint = false\ncontinue_on_error = lit\n")
        done = self.sigrun(d, "submit", file)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('jobs.ini:3', done.stderr)
        self.assertIn('"lit"', done.stderr)


if __name__ == "__main__":
    unittest.main()
