"""A plugin that crashes is blamed, put in quarantine after three crashes, and its last good version takes its place; nobody
helps. The daemon is started again by its own parent, and jobs survive."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from harness import BIN, BUILD, SOURCE, Daemon, FleetTest, free_port, wait_until

FIXTURES = BUILD / "tests" / "fixtures" / "plugins"


class SupervisedDaemon(Daemon):
    """With --supervise and a fixed port, so that clients find it again."""

    def __init__(self, state_dir, port, settings=(), plugin_dir=None):
        self.state_dir = pathlib.Path(state_dir)
        self.port = port
        argv = [BIN / "sigrund", "--supervise", "--state-dir", state_dir, "--set", f"server.listen=127.0.0.1:{port}",
                "--plugin-dir", plugin_dir]
        for s in settings:
            argv += ["--set", s]
        # Sanitizers leave these signals to the daemon; it is what is tested.
        env = {name: os.environ.get(name, "") + ":handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0"
               for name in ("ASAN_OPTIONS", "TSAN_OPTIONS")}
        super(Daemon, self).__init__(argv, env=env)

    def child(self):
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def answers(self):
        try:
            return self.request("GET", "/readyz", timeout=5)[0] == 200
        except OSError:
            return False


class Crash(FleetTest):
    crashes_on_purpose = True

    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins)
        self.port = free_port()

    def install(self, fixture):
        to = self.plugins / "balancers" / "crasher.so"
        new = to.with_name(".new")
        shutil.copy(FIXTURES / f"{fixture}.so", new)
        os.rename(new, to)

    def start(self, *settings):
        d = SupervisedDaemon(self.dir / "daemon", self.port, settings, self.plugins)
        self._programs.append(d)
        wait_until("the daemon answers", lambda: d.answers() or d.process.poll() is not None)
        self.assertIsNone(d.process.poll(), "\n".join(d.lines))
        return d

    def runner(self, d, name="r1"):
        self.start_runner(name, "--url", f"valkyrie://127.0.0.1:{d.port}", "--slots", "4")
        d.runner_status(name, "online", "busy")

    def submit(self, d, n):
        """Through every restart: the same key is the same job."""
        def once():
            try:
                status, body = d.request("POST", "/v1/jobs", {"command": ["true"], "balancer": "crasher"},
                                         headers={"Idempotency-Key": f"job-{n}"}, timeout=10)
                return body["id"] if status in (200, 201) else None
            except OSError:
                return None
        return wait_until(f"job {n} is taken", once)

    def finished_somehow(self, d, job):
        def look():
            try:
                status, body = d.request("GET", f"/v1/jobs/{job}", timeout=10)
                return body if status == 200 and body["finished_at"] else None
            except OSError:
                return None
        return wait_until(f"job {job} ends", look, 60)

    def crasher(self, d):
        return d.get("/v1/plugins/test.crasher")

    def test_a_plugin_that_crashes_three_times_is_replaced_by_its_last_good_version_and_jobs_go_on(self):
        # A clean run of the version before, so that there is something to go back to.
        self.install("crasher_harmless")
        d = self.start()
        self.runner(d, "first")
        self.assertEqual(d.run(command=["true"], balancer="crasher")["state"], "succeeded")
        self.assertEqual(self.crasher(d)["version"], "1.0.0")
        self.assertEqual(d.stop(), 0, "the parent ends with the child's code")

        self.install("crasher")
        d = self.start()
        self.assertEqual(self.crasher(d)["version"], "1.1.0")
        self.runner(d)
        jobs = [self.submit(d, n) for n in range(20)]
        for job in jobs:
            self.assertEqual(self.finished_somehow(d, job)["state"], "succeeded")
        p = self.crasher(d)
        self.assertEqual((p["version"], p["state"], p["last_good"]), ("1.0.0", "active", True), p)
        self.assertIn("last good; crasher.so 1.1.0 is quarantined: 3 crashes in 10 min, the last one SIGSEGV at test.crasher-g",
                      p["reason"])
        self.assertEqual(p["crashes"], 3)
        again = [line for line in d.lines if "is started again in" in line]
        self.assertEqual(len(again), 3, again)
        told = [line for line in d.lines if line.startswith("sigrund: SIGSEGV in plugin test.crasher 1.1.0 (generation ")]
        self.assertEqual(len(told), 3, d.lines)
        metrics = d.request("GET", "/metrics")[1]
        self.assertIn('sigrun_crashes_total{blame="test.crasher"} 3', metrics)
        self.assertIn("sigrun_plugins_quarantined 1", metrics)
        watch = self.program("curl", "-sSN", "-H", "Last-Event-ID: 1", f"http://127.0.0.1:{d.port}/v1/events?types=Plugin")
        watch.wait_line("PluginQuarantined")
        listed = self.sigrun(d, "plugin", "ls", check=0).stdout
        self.assertIn("1.0.0 (last good)", listed)

        # Lifting it, by hand: the file is used again.
        self.assertIn("quarantine is lifted", self.sigrun(d, "plugin", "admit", "test.crasher", check=0).stdout)
        self.assertIn("nothing of it is in quarantine", self.sigrun(d, "plugin", "admit", "crasher", check=0).stdout)
        self.assertEqual(self.sigrun(d, "plugin", "admit", "test.crashre").returncode, 4)
        watch.wait_line("PluginAdmitted")
        done = self.sigrun(d, "plugin", "reload", "test.crasher", check=0).stdout
        self.assertIn("1.0.0 -> 1.1.0", done)

    def test_each_way_to_crash_is_blamed_on_the_plugin_and_the_daemon_is_back(self):
        self.install("crasher")
        for mode, sig in (("segv", "SIGSEGV"), ("abort", "SIGABRT"), ("null", "SIGSEGV"), ("thread", "SIGSEGV"),
                          ("memcpy", "SIGSEGV")):
            with self.subTest(mode):
                shutil.rmtree(self.dir / "daemon", ignore_errors=True)
                d = self.start(f"instance crasher.mode={mode}", "instance crasher.after=1")
                before = d.child()
                self.runner(d, mode)
                try:
                    d.request("POST", "/v1/jobs", {"command": ["true"], "balancer": "crasher"}, timeout=10)
                except OSError:
                    pass  # the daemon may be gone before it answers
                line = d.wait_line("in plugin test.crasher 1.1.0 (generation ")
                self.assertIn(sig, line)
                wait_until("another process is there and answers", lambda: d.child() not in (None, before) and d.answers())
                ledger = json.loads((d.state_dir / "crashes.json").read_text())
                self.assertEqual((ledger["crashes"][0]["plugin"], ledger["crashes"][0]["version"], ledger["crashes"][0]["blame"]),
                                 ("test.crasher", "1.1.0", "plugin"))
                d.stop()

    def test_a_daemon_that_is_killed_is_started_again_and_nobody_is_blamed(self):
        d = self.start()
        first = d.child()
        os.kill(first, signal.SIGKILL)
        wait_until("another one answers", lambda: d.child() not in (None, first) and d.answers())
        os.kill(d.child(), signal.SIGSEGV)
        d.wait_line("SIGSEGV, sent by another process")
        wait_until("a third one answers", lambda: d.answers())
        self.assertEqual([p["crashes"] for p in d.get("/v1/plugins")["items"] if p["crashes"]], [])
        self.assertIn('sigrun_crashes_total{blame="sent"} 1', d.request("GET", "/metrics")[1])
        delays = [line.rsplit(" ", 1)[1] for line in d.lines if "is started again in" in line]
        self.assertEqual(delays, ["100ms", "200ms"])
        child = d.child()
        self.assertEqual(d.stop(), 0)
        self.assertFalse(pathlib.Path(f"/proc/{child}").exists())

    def test_a_daemon_that_cannot_start_is_not_tried_again(self):
        p = self.program(BIN / "sigrund", "--supervise", "--state-dir", self.dir / "x", "--plugin-dir", self.dir / "nothing")
        self.assertEqual(p.process.wait(30), 1)
        p._reader.join()
        self.assertFalse(any("started again" in line for line in p.lines), p.lines)

    def test_a_parent_that_is_killed_takes_its_child_along(self):
        d = self.start()
        child = d.child()
        d.kill()
        wait_until("the child is gone", lambda: not pathlib.Path(f"/proc/{child}").exists())

    def test_a_plugin_file_that_was_cut_off_while_the_daemon_was_down_is_replaced_by_the_last_good_one(self):
        self.assertEqual(self.start().stop(), 0)
        for name in ("protocols/http.so", "stores/sqlite.so", "balancers/round_robin.so"):
            whole = (BUILD / "plugins" / name).read_bytes()
            (self.plugins / name).write_bytes(whole[:len(whole) // 2])
        d = self.start()
        self.runner(d)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        for name in ("sigrun.http", "sigrun.sqlite", "sigrun.round_robin"):
            p = d.get(f"/v1/plugins/{name}")
            self.assertTrue(p["last_good"], p)
            self.assertIn("is refused", p["reason"])

    def test_plugins_are_signed_and_checked_with_the_command_line(self):
        def sigrun(*arguments, code=0):
            done = subprocess.run([str(BIN / "sigrun"), *map(str, arguments)], capture_output=True, text=True, cwd=self.dir)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            return done.stdout + done.stderr
        sigrun("plugin", "keygen", "release")
        self.assertEqual((self.dir / "release.key").stat().st_mode & 0o777, 0o600)
        self.assertIn("never written over", sigrun("plugin", "keygen", "release", code=5))
        config = self.dir / "etc" / "sigrun.ini"
        (config.parent / "trust.d").mkdir(parents=True)
        config.write_text("[plugins]\nsignature = require\n")
        shutil.copy(self.dir / "release.pub", config.parent / "trust.d")
        for so in self.plugins.glob("*/*.so"):
            if so.name != "least_connections.so":
                self.assertIn("signed by key", sigrun("plugin", "sign", so, "--key", "release.key"))
        some = self.plugins / "balancers" / "round_robin.so"
        self.assertIn("signed by release.pub", sigrun("plugin", "verify", some, "--trust", config.parent / "trust.d"))
        self.assertIn("signed by release.pub", sigrun("plugin", "verify", some, "--key", "release.pub"))
        self.assertIn("FILE.sig", sigrun("plugin", "verify", self.plugins / "balancers" / "least_connections.so", "--key",
                                         "release.pub", code=5))
        # The folder is not followed: a busy machine would take what is installed before the command asks for it.
        d = self.daemon(plugin_dir=self.plugins, config=config, settings=["plugins.watch=no"])
        states = {p["id"] or p["file"]: (p["state"], p["signed_by"]) for p in d.get("/v1/plugins")["items"]}
        self.assertEqual(states["sigrun.round_robin"], ("active", "release.pub"))
        self.assertEqual(states["sigrun.least_connections"], ("rejected", ""))
        shipped = some.read_bytes()
        new = some.with_name(".new")
        new.write_bytes(shipped.replace(b"1.0.0", b"1.0.1"))
        os.rename(new, some)
        status, problem = d.request("POST", "/v1/plugins/sigrun.round_robin/reload")
        self.assertGreaterEqual(status, 400)
        self.assertIn("one over other bytes", str(problem))
        sigrun("plugin", "sign", some, "--key", "release.key")
        self.assertEqual(d.request("POST", "/v1/plugins/sigrun.round_robin/reload")[0], 200)
        # A signature that lies beside the file is installed with it.
        rebuilt = self.dir / "round_robin.so"
        rebuilt.write_bytes(shipped.replace(b"1.0.0", b"1.0.2"))
        sigrun("plugin", "sign", rebuilt, "--key", "release.key")
        self.assertIn("1.0.1 -> 1.0.2", self.sigrun(d, "plugin", "install", rebuilt, check=0).stdout)
        self.assertEqual(d.get("/v1/plugins/sigrun.round_robin")["signed_by"], "release.pub")

    def test_a_runner_is_supervised_as_well(self):
        d = self.daemon()
        p = self.program(BIN / "sigrun-runner", "--supervise", "--name", "r1", "--state-dir", self.dir / "r1", "--url",
                         f"valkyrie://127.0.0.1:{d.port}")
        d.runner_status("r1", "online", "busy")
        child = int(pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()[0])
        os.kill(child, signal.SIGKILL)
        p.wait_line("is started again in 100ms")
        wait_until("it is connected again", lambda: sum("connected to" in line for line in p.lines) == 2)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        self.assertEqual(p.stop(), 0)

    def test_the_service_files_are_right(self):
        for name in ("sigrund", "sigrun-runner"):
            text = (SOURCE / "etc" / "systemd" / f"{name}.service").read_text()
            self.assertIn("Restart=on-failure", text)
            tool = shutil.which("systemd-analyze")
            if not tool:
                continue
            # The programs are where this build put them, and their user is one that exists here.
            here = self.dir / f"{name}.service"
            here.write_text(text.replace("/usr/bin/", f"{BIN}/").replace("User=sigrun\n", "User=root\n"))
            done = subprocess.run([tool, "verify", "--man=no", here], capture_output=True, text=True)
            # Versions before 254 do not know DelegateSubgroup, and skip it.
            ours = [line for line in (done.stdout + done.stderr).splitlines()
                    if name in line and "Unknown key 'DelegateSubgroup'" not in line]
            self.assertEqual(ours, [])


if __name__ == "__main__":
    unittest.main()
