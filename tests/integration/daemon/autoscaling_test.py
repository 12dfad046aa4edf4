"""The program that is told of the demand: when it is called, what it gets, and what becomes of one that fails or hangs."""
import json
import os
import pathlib
import shlex
import signal
import time
import unittest

from harness import BIN, SOURCE, FleetTest, processes_with, wait_until

GPU = 'label.pool == "gpu"'


class NoDaemon:
    port = 1


class AutoscalingTest(FleetTest):
    def hook(self, body, name="hook.sh"):
        """A program, and the folder it works in."""
        path = self.dir / name
        path.write_text(f"#!/bin/sh\ncd {shlex.quote(str(self.dir))}\n{body}\n")
        path.chmod(0o755)
        return path

    def scaled(self, hook, *settings, **kwargs):
        return self.daemon(settings=[f"autoscaling.hook={hook}", "autoscaling.interval=100ms", "autoscaling.hold=0s", *settings], **kwargs)

    def lines(self, name):
        try:
            return (self.dir / name).read_text().splitlines()
        except OSError:
            return []

    def metric(self, d, line):
        found = [x for x in d.get("/metrics").splitlines() if x.startswith(line + " ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else None

    def test_it_gets_the_demand_and_is_called_when_that_changes_only(self):
        hook = self.hook('printf "%s|%s|%s|%s\\n" "$1" "$2" "$SIGRUN_SHORTFALL" "$SIGRUN_URL" >> calls; cat >> documents')
        d = self.scaled(f"{hook} 'two words' \"$HOME\"")
        wait_until("it was called once at the start", lambda: self.lines("calls"))
        # Neither a shell's variables nor its patterns: the words are the program's.
        self.assertEqual(self.lines("calls")[0], f"two words|$HOME|0|valkyrie+unix://{d.state_dir}/sigrun.sock")
        for _ in range(3):
            d.submit(command=["true"], requires=GPU, queue="q")
        wait_until("it knows of three places", lambda: "3" in [x.split("|")[2] for x in self.lines("calls")])
        document = json.loads(self.lines("documents")[-1])
        self.assertEqual(document["total"]["shortfall"], 3)
        one = document["classes"][0]
        self.assertEqual((one["requires"], one["labels"], one["queued"], one["shortfall"], one["unsatisfiable"], one["queues"]),
                         (GPU, {"pool": "gpu"}, 3, 3, 3, [{"name": "q", "queued": 3}]))
        asked = d.get("/v1/demand")
        for part in (document["total"], asked["total"]):
            part.pop("oldest_wait_s")
        self.assertEqual(document["total"], asked["total"])
        # Nothing changes, so it is not called; that intervals pass is seen by the next change.
        calls = len(self.lines("calls"))
        wait_until("each call has ended", lambda: self.metric(d, 'sigrun_scaling_hook_runs_total{outcome="done"}') == calls)
        d.submit(command=["true"], requires=GPU)
        wait_until("it knows of the fourth", lambda: self.lines("calls")[-1].split("|")[2] == "4")
        self.assertEqual([x.split("|")[2] for x in self.lines("calls")[calls - 1:]], ["3", "4"])

    def test_always_means_each_time(self):
        d = self.scaled(self.hook("echo x >> calls"), "autoscaling.on=always")
        wait_until("it is called again and again", lambda: len(self.lines("calls")) >= 5)
        self.assertEqual(d.get("/v1/demand")["total"]["queued"], 0)

    def test_a_job_counts_once_it_has_waited_for_hold(self):
        d = self.scaled(self.hook('echo "$SIGRUN_QUEUED $SIGRUN_SHORTFALL" >> calls'), "autoscaling.hold=3s", "autoscaling.on=always")
        d.submit(command=["true"], requires=GPU)
        wait_until("it is missing", lambda: "1 1" in self.lines("calls"))
        self.assertIn("1 0", self.lines("calls"))
        self.assertLess(self.lines("calls").index("1 0"), self.lines("calls").index("1 1"))

    def test_one_that_fails_is_told_and_tried_again_and_it_is_told_when_it_works(self):
        hook = self.hook('echo x >> calls; echo "first line"; echo "no such cloud" >&2; test -e works')
        d = self.scaled(hook)
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=ScalingHook&after=0")
        wait_until("it is tried again", lambda: len(self.lines("calls")) >= 3)
        event = json.loads(watch.wait_line('"failures":2').split("data:", 1)[1])
        self.assertEqual((event["type"], event["reason"], event["output"]), ("ScalingHookFailed", "exit code 1", "first line\nno such cloud"))
        self.assertGreater(event["next_in_s"], 0.1)
        d.wait_line("no such cloud")
        self.assertEqual(self.metric(d, "sigrun_scaling_hook_failing"), 1)
        (self.dir / "works").touch()
        watch.wait_line("ScalingHookRestored")
        wait_until("it does not fail any more", lambda: self.metric(d, "sigrun_scaling_hook_failing") == 0)
        self.assertGreaterEqual(self.metric(d, 'sigrun_scaling_hook_runs_total{outcome="failed"}'), 3)

    def test_one_that_hangs_is_killed_with_what_it_started(self):
        marker = f"sigrun-hang-{os.getpid()}"
        hook = self.hook(f'trap "" TERM; MARKER={marker} sleep 600 & echo "I hang"; MARKER={marker} sleep 600')
        d = self.scaled(hook, "autoscaling.timeout=500ms")
        wait_until("both sleep", lambda: len(processes_with(marker)) >= 2)
        d.wait_line("it did not end within 500ms and was killed; it said: I hang")
        self.assertGreaterEqual(self.metric(d, 'sigrun_scaling_hook_runs_total{outcome="timeout"}'), 1)
        d.stop()
        self.assertEqual(processes_with(marker), [])
        children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        self.assertNotIn(str(d.pid), children)

    def test_a_stop_of_the_daemon_does_not_wait_for_it(self):
        marker = f"sigrun-stop-{os.getpid()}"
        d = self.scaled(self.hook(f"MARKER={marker} exec sleep 600"), "autoscaling.timeout=1h")
        wait_until("it runs", lambda: processes_with(marker))
        begin = time.monotonic()
        self.assertEqual(d.stop(), 0)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual(processes_with(marker), [])

    def test_there_are_never_two_at_once_and_none_leaves_anything(self):
        # A second one would find the folder there.
        hook = self.hook('mkdir one || echo two >> two; cat > /dev/null; head -c 100000 /dev/zero | tr "\\0" x; rmdir one; echo x >> calls')
        d = self.scaled(hook, "autoscaling.on=always")
        wait_until("it has run often", lambda: len(self.lines("calls")) >= 3)
        open_then = len(os.listdir(f"/proc/{d.pid}/fd"))
        seen = len(self.lines("calls"))
        for i in range(20):  # the demand changes while it runs
            d.submit(command=["true"], requires=f'label.n == "{i}"')
        wait_until("it has run more often", lambda: len(self.lines("calls")) >= seen + 20)
        self.assertEqual(self.lines("two"), [])
        wait_until("no descriptor is left", lambda: len(os.listdir(f"/proc/{d.pid}/fd")) <= open_then + 6)
        zombies = lambda: [p for p in pathlib.Path("/proc").glob("[0-9]*/stat") if (lambda s: s[0] == "Z" and s[1] == str(d.pid))(
            self.stat(p))]
        wait_until("no process is left", lambda: not zombies())

    @staticmethod
    def stat(path):
        try:
            return path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            return ["", ""]

    def test_a_hook_that_cannot_be_run_is_refused_with_the_reason(self):
        plain = self.dir / "plain"
        plain.write_text("#!/bin/sh\n")
        anybodys = self.hook("true", "anybodys.sh")
        anybodys.chmod(0o777)
        for hook, why in ((f"{self.dir}/nothing", "No such file"), ("relative/path", "absolute path"), (str(self.dir), "regular file"), (str(plain), "chmod +x"),
                          (str(anybodys), "chmod o-w"), (f"{self.dir}/x 'open", "closing '")):
            file = self.dir / "sigrun.ini"
            file.write_text(f"[autoscaling]\nhook = {hook}\n")
            done = self.sigrun(NoDaemon, "config", "check", file)
            self.assertNotEqual(done.returncode, 0, hook)
            self.assertIn("autoscaling.hook", done.stdout + done.stderr)
            self.assertIn(why, done.stdout + done.stderr)
        refused = self.program(BIN / "sigrund", "--state-dir", self.dir / "d", "--set", f"autoscaling.hook={self.dir}/nothing", "--set", "server.listen=127.0.0.1:0")
        refused.wait_line("autoscaling.hook")
        self.assertNotEqual(refused.process.wait(30), 0)

    def test_settings_are_used_at_a_reload_and_a_bad_one_changes_nothing(self):
        first, second = self.hook("echo x >> first", "first.sh"), self.hook("echo x >> second", "second.sh")
        file = self.dir / "sigrun.ini"

        def write(text):
            file.write_text(f"[server]\nwatch_config = no\n[autoscaling]\ninterval = 100ms\n{text}")
        write("")
        d = self.daemon(config=file)
        reload = lambda status=200: (lambda r: (self.assertEqual(r[0], status, r[1]), r[1])[1])(d.request("POST", "/v1/config/reload"))
        self.assertEqual(self.metric(d, 'sigrun_scaling_hook_runs_total{outcome="done"}'), 0)
        write(f"hook = {first}\n")
        self.assertEqual([c["effect"] for c in reload()["changes"]], ["hot"])
        wait_until("the first one is called", lambda: self.lines("first"))
        write(f"hook = {self.dir}/nothing\n")
        self.assertIn("autoscaling.hook", reload(400)["field"])
        write(f"hook = {second}\non = always\n")
        reload()
        wait_until("the second one is called", lambda: len(self.lines("second")) >= 2)
        self.assertEqual(len(self.lines("first")), 1)
        write("")
        reload()
        wait_until("each call has ended", lambda: self.metric(d, 'sigrun_scaling_hook_runs_total{outcome="done"}') ==
                   len(self.lines("first")) + len(self.lines("second")))

    def test_the_example_starts_a_runner_for_jobs_and_stops_it_when_it_is_idle(self):
        folder = self.dir / "runners"
        hook = f"{SOURCE}/etc/autoscaling/local_runners.py --dir {folder} --most 2 --slots 1 --bin {BIN} --set runner.benchmark=no"
        d = self.scaled(hook, "autoscaling.on=always", "autoscaling.interval=500ms", "autoscaling.idle=2s", "auth.required=yes")
        jobs = [d.submit(command=["sh", "-c", "echo done"], requires=GPU) for _ in range(6)]
        try:
            for job in jobs:
                ended = d.finished(job, 90)
                self.assertEqual(ended["state"], "succeeded", ended)
                self.assertRegex(ended["runner"]["name"], "^scaled-[12]$")
            wait_until("they are stopped, and forgotten", lambda: not d.get("/v1/runners")["items"] and not list(folder.iterdir()), 60)
        finally:
            for pid in folder.glob("*/pid"):
                try:
                    os.kill(int(pid.read_text()), signal.SIGKILL)
                except OSError:
                    pass
        self.assertEqual(processes_with(str(folder) + "/scaled"), [])


if __name__ == "__main__":
    unittest.main()
