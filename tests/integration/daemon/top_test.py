"""`sigrun top` in a pseudo-terminal: what it shows, what keys do, how it leaves the terminal."""
import json
import os
import signal
import subprocess
import unittest

from harness import BIN, FleetTest, wait_until
from terminal import Terminal


class TopTest(FleetTest):
    def top(self, daemon, *arguments, columns=100, rows=24, env=None):
        t = Terminal([BIN / "sigrun", "--url", f"valkyrie://127.0.0.1:{daemon.port}", "top", "--interval", "200ms", *arguments],
                     columns, rows, env)
        self.addCleanup(t.close)
        return t

    def test_views_show_runners_jobs_protocols_plugins_and_balancers(self):
        d = self.daemon()
        self.runner_for(d, "r1", labels=["zone=eu"])
        job = d.submit(command=["sh", "-c", "echo begun; sleep 60"])
        t = self.top(d)
        t.shows("connected")
        t.shows("1/1 runners online")
        line = next(x for x in t.shows("1/4").split("\n") if x.startswith("r1"))
        for part in ("valkyrie", "eu", "25%"):
            self.assertIn(part, line)
        t.press("2")
        line = next(x for x in t.shows("running  r1").split("\n") if "running  r1" in x)
        self.assertIn(job[-12:], line)
        self.assertIn("echo begun", line)
        t.press("3")
        t.shows("DEGRADED")
        t.shows("valkyrie")
        t.press("4")
        t.shows("sigrun.adaptive")
        t.press("\t")
        t.shows("adaptive")
        t.shows("(all others)")
        t.press("?")
        t.shows("drain, or resume")

    def test_a_job_is_shown_read_and_cancelled(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.submit(command=["sh", "-c", "echo begun; sleep 60"])
        t = self.top(d, "--view", "jobs")
        t.shows("running")
        t.press("\r")
        t.shows("attempts")
        t.shows("command")
        t.press("l")
        t.shows("begun")
        t.press("qq")
        t.shows("COMMAND")
        t.press("c")
        t.shows("cancel job")
        t.press("n")
        t.shows_no("cancel job")
        self.assertEqual(d.job(job)["state"], "running")
        t.press("cy")
        self.assertEqual(d.finished(job)["state"], "cancelled")
        t.shows("is cancelled")

    def test_a_runner_is_drained_and_resumed(self):
        d = self.daemon()
        self.runner_for(d)
        t = self.top(d)
        t.shows("r1")
        t.press("d")
        t.shows("drain r1? (y/n)")
        t.press("y")
        d.runner_status("r1", "draining")
        t.shows("draining")
        t.press("dy")
        d.runner_status("r1", "online")
        t.shows("takes jobs again")

    def test_what_the_daemon_refuses_is_told(self):
        d = self.daemon(settings=["auth.required=yes", "auth.trust_loopback=no"])
        made = subprocess.run([BIN / "sigrun", "--url", f"unix:{d.state_dir}/sigrun.sock", "-o", "json", "token", "create", "eyes", "--role",
                               "reader"], capture_output=True, text=True)
        token = json.loads(made.stdout)["token"]
        runner = self.program(BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / "r1", "--set", "runner.benchmark=no",
                              "--url", f"valkyrie+unix://{d.state_dir}/sigrun.sock")
        runner.wait_line("runner")
        t = self.top(d, env={"SIGRUN_TOKEN": token})
        t.shows("r1")
        t.press("dy")
        t.shows("runners.drain: ")
        t.shows("role")

    def test_rows_are_sorted_and_filtered_by_text_and_by_expression(self):
        d = self.daemon()
        for name, slots, zone in (("alpha", 2, "eu"), ("beta", 8, "us"), ("gamma", 4, "eu")):
            self.runner_for(d, name, slots=slots, labels=[f"zone={zone}"])
        t = self.top(d)

        def order(*names):
            def look():
                return [x.split()[0] for x in t.lines()[3:-1] if x]
            wait_until(f"the rows are {names}", lambda: look() == list(names))
        order("alpha", "beta", "gamma")
        t.press("r")
        order("gamma", "beta", "alpha")
        t.press("r/ETA")
        order("beta")
        t.press("\r")
        t.shows("/eta")
        t.press("\x1b")
        order("alpha", "beta", "gamma")
        t.press('flabel.zone == "eu"\r')
        order("alpha", "gamma")
        t.press("f" + "\x7f" * 30 + "label.zone ==\r")
        t.shows("expected a value after")
        t.press("f" + "\x7f" * 30 + "\r")
        order("alpha", "beta", "gamma")

    def test_of_a_long_text_the_end_is_seen_in_whole_characters(self):
        d = self.daemon()
        t = self.top(d, columns=40)
        t.shows("quit")
        t.press("/" + "ä" * 60 + "end")
        t.shows("/" + "ä" * 35 + "end")
        t.press("\x7f" * 4)
        t.shows("/" + "ä" * 38)

    def test_the_window_changes_its_size(self):
        d = self.daemon()
        self.runner_for(d)
        t = self.top(d, columns=120, rows=30)
        t.shows("LATENCY")
        t.resize(40, 10)
        t.shows("1/1 up")
        t.shows_no("LATENCY")
        self.assertTrue(any(x.startswith("r1") for x in t.lines()), t.text())
        t.resize(30, 5)
        t.shows("too small")
        t.resize(120, 30)
        t.shows("LATENCY")

    def test_all_of_the_help_can_be_read_in_a_small_window(self):
        t = self.top(self.daemon(), columns=40, rows=10)
        t.shows("connected")
        t.press("?")
        t.shows("runners, jobs, protocols,")
        self.assertNotIn("\u2026", t.text())  # wrapped, not cut
        t.press("j" * 40)
        t.shows("leave")
        t.shows_no("runners, jobs, protocols,")
        self.assertEqual(t.lines()[-1], "arrows move, any other key goes back")
        t.press("k" * 40)
        t.shows("runners, jobs, protocols,")
        t.press("q")
        t.shows("NAME")

    def test_a_long_name_leaves_the_question_readable(self):
        d = self.daemon()
        name = "a-runner-whose-name-is-longer-than-the-window"
        self.runner_for(d, name)
        t = self.top(d, columns=40, rows=10)
        t.shows("a-runner")
        t.press("d")
        t.shows("(y/n)")
        self.assertIn("drain a-runner", t.text())
        t.press("y")
        d.runner_status(name, "draining")

    def test_a_daemon_that_stands_still_holds_up_no_key(self):
        d = self.daemon()
        self.runner_for(d)
        t = self.top(d)
        t.shows("r1")
        d.process.send_signal(signal.SIGSTOP)
        try:
            t.press("2")
            t.shows("COMMAND")
            t.press("?")
            t.shows("sort by another column")
            t.press("xq")
            self.assertEqual(t.ended(), 0)
        finally:
            d.process.send_signal(signal.SIGCONT)

    def test_a_plugin_is_read_again_and_a_yes_is_needed_for_it(self):
        d = self.daemon()
        t = self.top(d, "--view", "plugins", "--filter", "sqlite")
        t.shows("sigrun.sqlite")
        t.press("R")
        t.shows("reload sigrun.sqlite? (y/n)")
        t.press("n")
        t.shows_no("(y/n)")
        self.assertNotIn("read again", t.text())
        t.press("Ry")
        t.shows("its file was read again")

    def test_a_daemon_that_went_away_is_found_again(self):
        d = self.daemon()
        self.runner_for(d)
        t = self.top(d)
        t.shows("r1")
        port = d.port
        d.kill()
        t.shows("daemon unreachable, retrying")
        t.press("2")
        t.shows("COMMAND")  # the keyboard does not wait
        self.daemon(port=port)
        t.shows("connected")
        t.press("1")
        t.shows("r1")

    def test_the_terminal_is_as_it_was_after_q_ctrl_c_and_sigterm(self):
        d = self.daemon()
        for leave in ("q", "\x03", signal.SIGTERM):
            t = self.top(d, env={"TERM": "xterm"})
            before = t.modes
            t.shows("connected")
            self.assertNotEqual(t.modes_now()[3], before[3])
            if isinstance(leave, str):
                t.press(leave)
            else:
                os.kill(t.pid, leave)
            self.assertEqual(t.ended(), 0)
            self.assertEqual(t.modes_now(), before)
            self.assertIn(b"\x1b[?1049l", t.raw)  # the screen from before
            self.assertGreater(t.raw.rfind(b"\x1b[?25h"), t.raw.rfind(b"\x1b[?25l"))  # its cursor, too

    def test_without_colour_there_is_none(self):
        d = self.daemon()
        t = self.top(d, env={"NO_COLOR": "1"})
        t.shows("connected")
        self.assertNotRegex(t.raw.decode(), "\x1b\\[[0-9;]*3[0-7]m")
        coloured = self.top(d)
        coloured.shows("connected")
        self.assertRegex(coloured.raw.decode(), "\x1b\\[[0-9;]*32m")

    def test_a_name_cannot_draw_on_the_screen(self):
        d = self.daemon()
        d.submit(command=["\x1b[2Jevil\n\u4e16\u754c"])
        t = self.top(d, "--view", "jobs")
        t.shows("\\x1b[2Jevil\\n")
        t.shows("connected")

    def test_once_prints_a_table_and_what_cannot_be_done_is_told(self):
        d = self.daemon()
        self.runner_for(d, slots=4)
        self.assertRegex(self.sigrun(d, "top", "--once", check=0).stdout, r"(?m)^NAME .*\nr1 +online .* 0/4 ")
        rows = json.loads(self.sigrun(d, "top", "--once", "-o", "json", check=0).stdout)["items"]
        self.assertEqual([(r["name"], r["jobs"], r["load"]) for r in rows], [("r1", 0, 0)])
        for view in ("jobs", "protocols", "plugins", "balancers"):
            self.sigrun(d, "top", "--once", "--view", view, check=0)
        self.assertIn("needs a terminal", self.sigrun(d, "top", check=2).stderr)
        self.assertIn("one of name, status", self.sigrun(d, "top", "--once", "--sort", "nothing", check=5).stderr)
        self.assertIn("--interval", self.sigrun(d, "top", "--interval", "1ms", check=5).stderr)
        dumb = self.top(d, env={"TERM": "dumb"})
        dumb.shows("cannot draw")
        self.assertEqual(dumb.ended(), 2)


if __name__ == "__main__":
    unittest.main()
