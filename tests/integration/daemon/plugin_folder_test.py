"""The plugin folder of a running daemon: files that change, come, go and break, probation, pins, install and rm."""
import os
import shutil
import signal
import threading
import unittest

from harness import BUILD, FleetTest, wait_until

FIXTURES = BUILD / "tests" / "fixtures" / "plugins"


class PluginFolder(FleetTest):
    crashes_on_purpose = True

    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins)
        self.round_robin = self.plugins / "balancers" / "round_robin.so"

    def rebuilt(self, path, version):
        """What a rebuild with another version number would give."""
        return (BUILD / "plugins" / path.relative_to(self.plugins)).read_bytes().replace(b"1.0.0", version.encode())

    def put(self, path, content):
        """By rename, as it should be done."""
        part = path.with_name("." + path.name + ".part")
        part.write_bytes(content)
        os.rename(part, path)

    def plugin(self, d, name):
        status, body = d.request("GET", f"/v1/plugins/{name}")
        return body if status == 200 else {}

    def version_is(self, d, name, version):
        return wait_until(f"{name} is {version}", lambda: self.plugin(d, name).get("version") == version)

    def job_runs(self, d, **more):
        job = d.run(kind="call", command=["echo"], payload="x", durability="memory", **more)
        self.assertEqual((job["state"], job["result"]), ("succeeded", "x"), job)
        return job

    def events(self, d):
        return self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=Plugin")

    def test_a_file_copied_over_a_live_one_is_taken_and_a_truncated_one_refused(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        seen = self.events(d)
        with open(self.round_robin, "r+b") as f:  # in place, as cp does it
            f.write(self.rebuilt(self.round_robin, "1.0.1"))
        self.version_is(d, "sigrun.round_robin", "1.0.1")
        seen.wait_line("PluginReplaced")
        self.job_runs(d)
        os.truncate(self.round_robin, 20000)
        with open(self.round_robin, "ab"):
            pass  # CLOSE_WRITE
        wait_until("the half file is refused", lambda: "not replaced" in self.plugin(d, "sigrun.round_robin")["reason"])
        seen.wait_line("PluginRejected")
        self.job_runs(d)
        why = self.sigrun(d, "plugin", "why", "sigrun.round_robin", check=0).stdout
        self.assertIn("refused", why)
        with open(self.round_robin, "wb") as f:
            f.write(self.rebuilt(self.round_robin, "1.0.2"))
        self.version_is(d, "sigrun.round_robin", "1.0.2")
        self.assertEqual(self.plugin(d, "sigrun.round_robin")["reason"], "")
        self.assertEqual(d.stop(), 0)

    def test_a_symbolic_link_is_refused_and_said_once(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        real = self.dir / "real.so"
        real.write_bytes(self.rebuilt(self.round_robin, "1.0.1"))
        for _ in range(2):
            link = self.round_robin.with_name(".link")
            link.symlink_to(real)
            os.rename(link, self.round_robin)
            wait_until("it is refused", lambda: "a symbolic link" in self.plugin(d, "sigrun.round_robin")["reason"])
        self.put(self.round_robin, self.rebuilt(self.round_robin, "1.0.2"))
        self.version_is(d, "sigrun.round_robin", "1.0.2")
        self.job_runs(d)
        said = [line for line in d.lines if "a symbolic link" in line]
        self.assertEqual(len(said), 1, said)

    def test_two_hundred_files_at_once_and_more_events_than_the_queue_takes(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        probes = self.plugins / "probes"
        for i in range(200):
            (probes / f"n{i}.so").write_bytes(b"no library %d" % i)
        shutil.copy(FIXTURES / "plain.so", probes / "plain.so")
        self.version_is(d, "test.plain", "1.0.0")
        wait_until("all are refused", lambda: sum(p["state"] == "rejected" for p in d.get("/v1/plugins")["items"]) == 200)
        self.job_runs(d)
        for i in range(200):
            (probes / f"n{i}.so").unlink()
        # Two events each, while the daemon is not given the time to read them.
        os.kill(d.pid, signal.SIGSTOP)
        try:
            for i in range(12000):
                (probes / ("a.tmp", "b.tmp")[i % 2]).write_bytes(b"")
            shutil.copy(FIXTURES / "plain_v2.so", probes / "plain.so")
        finally:
            os.kill(d.pid, signal.SIGCONT)
        self.version_is(d, "test.plain", "2.0.0")
        wait_until("nothing is left of them", lambda: not any(p["state"] == "rejected" for p in d.get("/v1/plugins")["items"]))
        self.job_runs(d)

    def test_the_folder_is_removed_and_made_again(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        shutil.rmtree(self.plugins)
        wait_until("all files are gone", lambda: all(p["file_gone"] for p in d.get("/v1/plugins")["items"]))
        self.job_runs(d)
        shutil.copytree(BUILD / "plugins", self.plugins)
        wait_until("all files are back", lambda: not any(p["file_gone"] for p in d.get("/v1/plugins")["items"]))
        self.put(self.round_robin, self.rebuilt(self.round_robin, "1.0.1"))
        self.version_is(d, "sigrun.round_robin", "1.0.1")
        self.job_runs(d)

    def test_watching_can_be_switched_off(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])
        shutil.copy(FIXTURES / "plain.so", self.plugins / "probes" / "plain.so")
        self.put(self.round_robin, self.rebuilt(self.round_robin, "1.0.1"))
        status, done = d.request("POST", "/v1/plugins/sigrun.round_robin/reload")
        self.assertEqual((status, done["changed"]), (200, True))
        self.assertEqual(self.plugin(d, "test.plain"), {})

    def test_two_reloads_at_once(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])
        self.put(self.round_robin, self.rebuilt(self.round_robin, "1.0.1"))
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(d.request("POST", "/v1/plugins/sigrun.round_robin/reload")))
                   for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([status for status, _ in answers], [200] * 4, answers)
        self.assertEqual(sum(done["changed"] for _, done in answers), 1)

    def test_a_version_that_goes_bad_gives_the_work_back(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.probation=1h"])
        self.runner_for(d, slots=8)
        seen = self.events(d)
        tiring = self.plugins / "balancers" / "tiring.so"
        shutil.copy(FIXTURES / "tiring.so", tiring)
        self.version_is(d, "test.tiring", "1.0.0")
        for _ in range(60):
            self.assertEqual(self.job_runs(d, balancer="tiring")["balancer"], "tiring")
        self.put(tiring, (FIXTURES / "tiring_v2.so").read_bytes())
        self.version_is(d, "test.tiring", "2.0.0")
        self.assertEqual(self.plugin(d, "test.tiring")["state"], "probation")
        self.assertIn("warm", self.sigrun(d, "plugin", "why", "test.tiring", check=0).stdout)

        def jobs_go_on_and_the_old_one_is_back():
            self.job_runs(d, balancer="tiring")  # the kernel picks where the plugin does not
            return self.plugin(d, "test.tiring")["version"] == "1.0.0"
        wait_until("the old one is back", jobs_go_on_and_the_old_one_is_back)
        seen.wait_line("PluginSwappedBack")
        seen.wait_line("PluginRetired")
        after = self.plugin(d, "test.tiring")
        self.assertIn("swapped back from 2.0.0", after["reason"])
        self.assertEqual((after["state"], after["newest"]["state"]), ("active", "rejected"))
        self.assertEqual(self.job_runs(d, balancer="tiring")["balancer"], "tiring")
        os.utime(tiring)  # the same bytes are not tried again
        self.put(tiring, (FIXTURES / "tiring_v3.so").read_bytes())
        self.version_is(d, "test.tiring", "3.0.0")
        metrics = d.request("GET", "/metrics")[1]
        self.assertIn('sigrun_plugin_changes_total{change="swapped_back",plugin="test.tiring"} 1', metrics)
        self.assertIn('sigrun_plugin_generations{state="probation"} 1', metrics)
        self.assertIn("3.0.0", self.sigrun(d, "plugin", "reload", "--no-probation", "test.tiring", check=0).stdout
                      + self.plugin(d, "test.tiring")["version"])
        wait_until("the probation is over", lambda: self.plugin(d, "test.tiring")["state"] == "active")

    def test_install_replaces_adds_and_refuses(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        new = self.dir / "round_robin.so"
        new.write_bytes(self.rebuilt(self.round_robin, "1.0.1"))
        done = self.sigrun(d, "plugin", "install", new, check=0).stdout
        self.assertIn("sigrun.round_robin: 1.0.0 -> 1.0.1", done)
        self.assertEqual(self.round_robin.read_bytes(), new.read_bytes())
        self.assertIn("what runs already", self.sigrun(d, "plugin", "install", new, check=0).stdout)
        done = self.sigrun(d, "plugin", "install", FIXTURES / "tiring.so", "--name", "lazy", check=0).stdout
        self.assertIn("test.tiring: 1.0.0 (generation", done)
        self.assertTrue((self.plugins / "balancers" / "lazy.so").exists())
        self.assertEqual(self.job_runs(d, balancer="tiring")["balancer"], "tiring")
        for bad, reason in (("crashes", "crashed in its trial"), ("no_note", "note")):
            refused = self.sigrun(d, "plugin", "install", FIXTURES / f"{bad}.so")
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(reason, refused.stderr)
        # Its trial goes well, but not its start: what was there before is back.
        self.sigrun(d, "plugin", "install", FIXTURES / "plain.so", check=0)
        refused = self.sigrun(d, "plugin", "install", FIXTURES / "start_fails.so")
        self.assertIn("cannot start", refused.stderr)
        self.assertIn("is back", refused.stderr)
        self.assertEqual((self.plugins / "probes" / "plain.so").read_bytes(), (FIXTURES / "plain.so").read_bytes())
        self.assertEqual([p.name for p in self.plugins.glob("*/.*")], [])

    def test_a_daemon_whose_folder_is_not_here_takes_nothing(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])
        os.rename(self.plugins, self.dir / "moved")
        (self.plugins / "probes").mkdir(parents=True)
        refused = self.sigrun(d, "plugin", "install", FIXTURES / "plain.so")
        self.assertIn("does not run on this machine", refused.stderr)
        self.assertEqual(list((self.plugins / "probes").iterdir()), [])

    def test_rm_takes_a_plugin_out_of_service(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.runner_for(d)
        shutil.copy(FIXTURES / "tiring.so", self.plugins / "balancers" / "tiring.so")
        self.version_is(d, "test.tiring", "1.0.0")
        self.job_runs(d, balancer="tiring")
        seen = self.events(d)
        done = self.sigrun(d, "plugin", "rm", "test.tiring", check=0).stdout
        self.assertIn(".tiring.so.removed", done)
        seen.wait_line("PluginRemoved")
        wait_until("it is gone", lambda: not self.plugin(d, "test.tiring"))
        status, problem = d.request("POST", "/v1/jobs", {"command": ["true"], "balancer": "tiring"})
        self.assertGreaterEqual(status, 400)
        self.assertNotIn("tiring", problem["expected"])
        os.rename(self.plugins / "balancers" / ".tiring.so.removed", self.plugins / "balancers" / "tiring.so")
        self.version_is(d, "test.tiring", "1.0.0")
        self.assertEqual(self.job_runs(d, balancer="tiring")["balancer"], "tiring")
        refused = self.sigrun(d, "plugin", "rm", "sigrun.adaptive")
        self.assertIn("default", refused.stderr)
        self.assertTrue((self.plugins / "balancers" / "adaptive.so").exists())
        refused = self.sigrun(d, "plugin", "rm", "--force", "sigrun.sqlite")
        self.assertNotEqual(refused.returncode, 0)
        self.job_runs(d)
        self.assertEqual(self.sigrun(d, "plugin", "rm", "sigrun.nothing").returncode, 4)

    def test_a_pinned_plugin_stays_as_it_is_over_restarts(self):
        d = self.daemon(plugin_dir=self.plugins)
        self.assertIn("is pinned", self.sigrun(d, "plugin", "pin", "sigrun.round_robin", check=0).stdout)
        self.put(self.round_robin, self.rebuilt(self.round_robin, "1.0.1"))
        wait_until("it is left alone", lambda: "pinned" in str(self.plugin(d, "sigrun.round_robin")["newest"]))
        self.assertIn("pinned", self.sigrun(d, "plugin", "ls", check=0).stdout)
        self.assertEqual(d.stop(), 0)
        d = self.daemon(plugin_dir=self.plugins)
        p = self.plugin(d, "sigrun.round_robin")
        self.assertEqual((p["version"], p["pinned"]), ("1.0.0", True))
        self.runner_for(d)
        self.job_runs(d)
        self.sigrun(d, "plugin", "pin", "--unpin", "sigrun.round_robin", check=0)
        self.sigrun(d, "plugin", "reload", "sigrun.round_robin", check=0)
        self.version_is(d, "sigrun.round_robin", "1.0.1")

    def test_the_daemon_can_be_ended_in_each_state(self):
        cases = {
            "staged": ("hangs", lambda d: self.plugin(d, "test.plain")["newest"]),
            "rejected": ("start_fails", lambda d: "not replaced" in self.plugin(d, "test.plain")["reason"]),
            "probation": ("plain_v2", lambda d: self.plugin(d, "test.plain")["state"] == "probation"),
        }
        for name, (fixture, reached) in cases.items():
            with self.subTest(name):
                path = self.plugins / "probes" / "plain.so"
                shutil.copy(FIXTURES / "plain.so", path)
                d = self.daemon(name, plugin_dir=self.plugins, settings=["plugins.probation=1h"])
                self.put(path, (FIXTURES / f"{fixture}.so").read_bytes())
                wait_until(name, lambda: reached(d))
                self.assertEqual(d.stop(), 0)
                self.assertEqual(list((self.dir / name / "stage").glob("test.plain*")), [])


if __name__ == "__main__":
    unittest.main()
