"""Plugins are replaced in a running daemon while jobs run."""
import os
import pathlib
import shutil
import threading
import unittest

from harness import BUILD, FleetTest, wait_until


class Reload(FleetTest):
    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins)

    def daemon_with_plugins(self):
        """Here files are replaced by name; that the folder is followed has tests of its own."""
        return self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])

    def install(self, path, version):
        """What a rebuild with another version number would give, put in place by rename."""
        new = path.with_name("." + path.name + ".new")
        shipped = (BUILD / "plugins" / path.relative_to(self.plugins)).read_bytes()
        self.assertIn(b"1.0.0", shipped)
        new.write_bytes(shipped.replace(b"1.0.0", version.encode()))
        os.rename(new, path)

    def reload(self, d, name):
        return d.request("POST", f"/v1/plugins/{name}/reload")

    def plugin(self, d, name):
        return d.get(f"/v1/plugins/{name}")

    def test_balancers_and_probes_are_replaced_under_load_and_no_job_notices(self):
        d = self.daemon_with_plugins()
        self.runner_for(d, "r1", slots=8)
        self.runner_for(d, "r2", slots=8)
        stop, ended, bad = threading.Event(), [0] * 4, []

        def load(n):
            while not stop.is_set():
                balancer = ("round_robin", "least_connections")[ended[n] % 2]
                job = d.run(kind="call", command=["echo"], payload="x", durability="memory", balancer=balancer)
                if job["state"] != "succeeded" or len(job["attempts"]) != 1 or job["result"] != "x":
                    bad.append(job)
                ended[n] += 1

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        names = [p.relative_to(self.plugins) for kind in ("balancers", "probes") for p in (self.plugins / kind).glob("*.so")]
        for turn in range(20):
            version = f"1.{turn // 10 + 1}.{turn % 10}"
            for name in names:
                before = sum(ended)
                self.install(self.plugins / name, version)
                status, done = self.reload(d, "sigrun." + name.stem)
                self.assertEqual((status, done.get("new", {}).get("version")), (200, version), done)
                wait_until("jobs go on", lambda: sum(ended) > before)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])
        for name in names:
            p = self.plugin(d, "sigrun." + name.stem)
            self.assertEqual(p["version"], "1.2.9")
            wait_until(f"older versions of {name} are gone", lambda: self.plugin(d, "sigrun." + name.stem)["retiring"] == [])
        self.assertTrue(any(f["key"] == "memory.total_bytes" for f in self.probe(d)))
        replaced = [line for line in d.request("GET", "/metrics")[1].splitlines()
                    if line.startswith("sigrun_plugin_reloads_total") and 'outcome="replaced"' in line]
        self.assertEqual(sum(int(float(line.rsplit(" ", 1)[1])) for line in replaced), 20 * len(names))
        maps = pathlib.Path(f"/proc/{d.pid}/maps").read_text()
        generations = {line.rsplit("/", 1)[-1] for line in maps.splitlines() if "/stage/" in line}
        self.assertEqual(len(generations), len(list(self.plugins.glob("*/*.so"))), generations)

    def probe(self, d):
        return d.request("POST", "/v1/call/probe.run")[1]["json"]["facts"]

    def test_a_bad_file_is_refused_and_the_running_version_goes_on(self):
        d = self.daemon_with_plugins()
        self.runner_for(d)
        path = self.plugins / "balancers" / "round_robin.so"
        good = path.read_bytes()
        for content, reason in ((b"no library", "ELF"), (good[:len(good) // 2], ""),
                                ((self.plugins / "balancers" / "least_connections.so").read_bytes(), "id: expected sigrun.round_robin")):
            path.with_name(".new").write_bytes(content)
            os.rename(path.with_name(".new"), path)
            status, problem = self.reload(d, "sigrun.round_robin")
            self.assertGreaterEqual(status, 400)
            self.assertIn(reason, str(problem))
            self.assertIn("not replaced", self.plugin(d, "sigrun.round_robin")["reason"])
            self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        self.assertEqual(self.reload(d, "sigrun.nothing")[0], 404)

    def test_the_command_line_tells_what_it_replaced(self):
        d = self.daemon_with_plugins()
        self.assertIn("holds what runs already", self.sigrun(d, "plugin", "reload", "sigrun.round_robin", check=0).stdout)
        self.install(self.plugins / "balancers" / "round_robin.so", "1.0.1")
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=Plugin")
        done = self.sigrun(d, "plugin", "reload", "sigrun.round_robin", check=0).stdout
        self.assertIn("sigrun.round_robin: 1.0.0 -> 1.0.1 (generation", done)
        watch.wait_line("PluginReplaced")
        self.assertEqual(self.sigrun(d, "plugin", "reload", "sigrun.rund_robin").returncode, 4)


if __name__ == "__main__":
    unittest.main()
