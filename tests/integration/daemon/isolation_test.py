"""Users, terminals and isolation of jobs: what is asked for is held or refused, and the attempt says by what."""
import os
import shutil
import unittest

from harness import FleetTest, wait_until


class Isolation(FleetTest):
    def setUp(self):
        super().setUp()
        self.d = self.daemon()

    def fact(self, key, name="r1"):
        return next((f for f in self.d.runner(name)["facts"] if f["key"] == key), None)

    def need(self, part):
        fact = self.fact(f"isolation.{part}")
        if not fact.get("value"):
            self.skipTest(fact.get("detail", "not here"))

    def test_a_private_network_is_held_and_told_and_survives_the_daemon(self):
        self.runner_for(self.d)
        self.need("network")
        job = self.d.run(command=["sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1"], isolation={"network": "none"},
                         requires="isolation.network", wait="60s")
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual(self.sigrun(self.d, "job", "logs", job["id"], check=0).stdout.split(), ["lo"])
        held = {"network": {"value": "none", "by": "network_namespace"}}
        self.assertEqual(job["attempts"][0]["isolation"], held)
        shown = self.sigrun(self.d, "job", "show", job["id"], check=0).stdout
        self.assertIn("network none (network_namespace)", shown)
        self.d.stop()
        self.d = self.daemon()
        self.assertEqual(self.d.job(job["id"])["attempts"][0]["isolation"], held)

    def test_while_it_runs_the_attempt_says_how_it_is_held(self):
        self.runner_for(self.d)
        job_id = self.d.submit(command=["sleep", "60"], isolation={"privileges": "fixed"})
        job = wait_until("it says how", lambda: (lambda j: j if j["attempts"] and "isolation" in j["attempts"][0] else None)(
            self.d.job(job_id)))
        self.assertEqual(job["attempts"][0]["isolation"], {"privileges": {"value": "fixed", "by": "no_new_privs"}})
        self.sigrun(self.d, "job", "cancel", job_id)
        self.d.finished(job_id)

    def test_facts_say_what_a_job_can_ask_for(self):
        self.runner_for(self.d)
        for key in ("limits.memory", "limits.pids", "limits.cpus"):
            self.assertIn(self.fact(key)["value"], ("cgroup_v1", "cgroup_v2", "rlimit", "none"), key)
        for key in ("isolation.mounts", "isolation.processes", "isolation.network", "isolation.ipc", "isolation.seccomp"):
            self.assertIsInstance(self.fact(key)["value"], bool, key)
        self.assertIsInstance(self.fact("isolation.landlock")["value"], int)
        self.assertIn(self.fact("isolation.bubblewrap")["status"], ("ok", "absent"))
        self.assertIn(self.fact("isolation.container")["status"], ("ok", "absent"))
        by = self.fact("limits.memory")["value"]
        job = self.d.run(command=["true"], requires=f'limits.memory == "{by}"', wait="60s")
        self.assertEqual(job["state"], "succeeded", job)
        waiting = self.d.submit(command=["true"], requires="isolation.landlock >= 1000")
        self.assertIn("isolation.landlock", self.sigrun(self.d, "job", "explain", waiting, check=0).stdout)
        self.sigrun(self.d, "job", "cancel", waiting)

    def test_a_user_that_the_runner_does_not_allow_is_refused_before_the_start(self):
        self.runner_for(self.d)
        marker = self.dir / "ran"
        job = self.d.run(command=["touch", str(marker)], user="nobody", retry={"infrastructure": 0}, wait="60s")
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("failed", "refused", "user"), job)
        self.assertIn("users", job["failure"]["message"])
        self.assertFalse(marker.exists())

    def test_a_user_that_it_allows_runs_the_job(self):
        if os.geteuid() != 0:
            self.skipTest("only root runs jobs as another user")
        config = self.dir / "runner.ini"
        config.write_text("[instance process]\ncomponent = sigrun.process:process\nusers = nobody\n")
        self.dir.chmod(0o711)
        self.runner_for(self.d, extra=["--config", str(config), "--set", f"runner.workspace_dir={self.dir}/work"])
        done = self.sigrun(self.d, "run", "--user", "nobody", "--", "sh", "-c", "id -un; echo x > mine && stat -c %U mine", check=0)
        self.assertEqual(done.stdout.split(), ["nobody", "nobody"], done.stderr)

    def test_a_job_at_a_terminal(self):
        self.runner_for(self.d)
        done = self.sigrun(self.d, "run", "--pty-size", "100x30", "--", "sh", "-c", "test -t 1 && stty size", check=0)
        self.assertEqual(done.stdout, "30 100\n")

    def test_read_only_files_by_a_flag(self):
        self.runner_for(self.d)
        if self.fact("isolation.landlock")["value"] < 1:
            self.skipTest("no Landlock")
        done = self.sigrun(self.d, "run", "--isolate", "files,privileges", "--", "sh", "-c",
                           "echo x > mine; (echo y > /var/tmp/sigrun-outside) 2>/dev/null || echo refused", check=0)
        self.assertEqual(done.stdout, "refused\n")

    def test_a_sandbox(self):
        if not shutil.which("bwrap"):
            self.skipTest("bwrap is not installed")
        self.runner_for(self.d)
        done = self.sigrun(self.d, "run", "--kind", "sandbox", "--require", 'isolation.bubblewrap >= v"0.4"', "--", "sh", "-c",
                           "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; (echo y > /etc/sigrun-outside) 2>/dev/null || echo refused",
                           check=0)
        self.assertEqual(done.stdout, "lo\nrefused\n")

    def test_a_container_without_an_engine_is_refused_with_the_reason(self):
        config = self.dir / "runner.ini"
        config.write_text("[instance container]\ncomponent = sigrun.container:container\nsockets = /not/there.sock\n")
        self.runner_for(self.d, extra=["--config", str(config)])
        job = self.d.run(kind="container", container={"image": "debian:12"}, command=["true"], retry={"infrastructure": 0}, wait="60s")
        self.assertEqual((job["failure"]["class"], job["failure"]["code"]), ("refused", "container"), job)
        self.assertIn("/not/there.sock", job["failure"]["message"])

    def test_a_wrong_word_is_refused_with_field_expected_and_found(self):
        status, problem = self.d.request("POST", "/v1/jobs", {"command": ["true"], "isolation": {"network": "off"}})
        self.assertEqual((status, problem["field"], problem["expected"]), (400, "isolation.network", "none or host"), problem)
        done = self.sigrun(self.d, "run", "--isolate", "nework", "--", "true")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("network", done.stderr)


if __name__ == "__main__":
    unittest.main()
