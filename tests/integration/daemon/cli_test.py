"""The command line against real daemons and runners: output, exit codes, Ctrl-C, every way to reach the daemon."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import unittest

from harness import BIN, SOURCE, FleetTest, free_port, processes_with, wait_until


class CommandLine(FleetTest):
    def start(self, daemon, *arguments):
        """sigrun in the background, with stdout and stderr apart."""
        env = dict(os.environ, SIGRUN_URL=f"valkyrie://127.0.0.1:{daemon.port}", NO_COLOR="1")
        p = subprocess.Popen([str(BIN / "sigrun"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.addCleanup(lambda: (p.kill(), p.communicate()))
        return p

    def job_ended(self, daemon, job_id):
        return wait_until("the job ends", lambda: (lambda j: j if j["finished_at"] else None)(daemon.job(job_id)))

    # run

    def test_run_passes_on_output_exit_code_and_says_where_it_ran(self):
        d = self.daemon()
        self.runner_for(d, "r1")
        done = self.sigrun(d, "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=7)
        self.assertEqual(done.stdout, "out\n")
        self.assertIn("err\n", done.stderr)
        self.assertRegex(done.stderr, r"sigrun: job [0-9a-f-]{36} on r1 over valkyrie: .+")
        quiet = self.sigrun(d, "run", "-q", "--", "sh", "-c", "echo err >&2", check=0)
        self.assertEqual(quiet.stderr, "err\n")
        self.sigrun(d, "run", "-q", "--", "sh", "-c", "kill -SEGV $$", check=128 + signal.SIGSEGV)
        self.sigrun(d, "run", "-q", "true", check=0)
        self.sigrun(d, "run", "-q", "--", "/no/such/program", check=127)

    def test_run_options_reach_the_job(self):
        d = self.daemon()
        self.runner_for(d, "r1", labels=["zone=eu"])
        self.runner_for(d, "r2")
        done = self.sigrun(d, "run", "--requires", 'label.zone == "eu"', "--env", "GREETING=a b", "--workdir", "/",
                           "--label", "team=core", "--priority", "high", "--", "sh", "-c", "pwd; echo $GREETING", check=0)
        self.assertEqual(done.stdout, "/\na b\n")
        self.assertIn(" on r1 ", done.stderr)
        job = json.loads(self.sigrun(d, "job", "ls", "--output", "json").stdout)["items"][0]
        job = d.job(job["id"])
        self.assertEqual((job["labels"], job["priority"]), ({"team": "core"}, "high"))

    def test_run_brings_a_call_s_result_and_its_binary_payload(self):
        d = self.daemon()
        self.runner_for(d)
        done = self.sigrun(d, "run", "--kind", "call", "--payload", "hello", "--", "echo", check=0)
        self.assertEqual(done.stdout, "hello")
        payload = self.dir / "payload"
        payload.write_bytes(bytes(range(256)))
        p = self.start(d, "run", "-q", "--kind", "call", "--payload", f"@{payload}", "--", "echo")
        self.assertEqual(p.communicate(timeout=60)[0], bytes(range(256)))

    def test_run_works_over_every_way_to_the_daemon(self):
        d = self.daemon()
        self.runner_for(d)
        for url in (f"valkyrie://127.0.0.1:{d.port}", f"http://127.0.0.1:{d.port}", f"127.0.0.1:{d.port}",
                    f"{d.state_dir}/sigrun.sock"):
            with self.subTest(url=url):
                done = self.sigrun(d, "--url", url, "run", "-q", "--", "echo", "hello", check=0)
                self.assertEqual(done.stdout, "hello\n")

    def test_a_long_output_arrives_complete_and_in_order(self):
        d = self.daemon()
        self.runner_for(d)
        p = self.start(d, "run", "-q", "--", "seq", "1", "1000000")
        out, err = p.communicate(timeout=120)
        self.assertEqual(p.returncode, 0, err)
        expected = "".join(f"{i}\n" for i in range(1, 1000001)).encode()
        self.assertEqual(hashlib.sha256(out).hexdigest(), hashlib.sha256(expected).hexdigest(), len(out))

    def test_ctrl_c_cancels_the_job_and_waits_for_its_end(self):
        d = self.daemon()
        self.runner_for(d)
        marker = f"cli-cancel-{os.getpid()}"
        p = self.start(d, "run", "--env", f"MARKER={marker}", "--", "sh", "-c", "echo started; exec sleep 300")
        self.assertEqual(p.stdout.readline(), b"started\n")
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 122, err)
        job = json.loads(self.sigrun(d, "job", "ls", "-o", "json").stdout)["items"][0]
        self.assertEqual(job["state"], "cancelled")
        wait_until("no process of the job is left", lambda: not processes_with(marker))

    def test_a_second_ctrl_c_leaves_the_job_alone(self):
        d = self.daemon()
        self.runner_for(d)
        p = self.start(d, "run", "--", "sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.1; done")
        self.assertEqual(p.stdout.readline(), b"started\n")
        p.send_signal(signal.SIGINT)
        seen = b""
        while b"cancelling job" not in seen:
            line = p.stderr.readline()
            self.assertTrue(line, seen)
            seen += line
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 130, err)
        self.assertIn(b"left job", err)

    def test_sigterm_cancels_the_job_too(self):
        d = self.daemon()
        self.runner_for(d)
        p = self.program(BIN / "sigrun", "run", "--", "sh", "-c", "echo begun; sleep 600",
                         env={"SIGRUN_URL": f"valkyrie://127.0.0.1:{d.port}"})
        p.wait_line("begun")
        p.process.send_signal(signal.SIGTERM)
        self.assertEqual(p.process.wait(30), 122)
        self.assertEqual(d.get("/v1/jobs")["items"][0]["state"], "cancelled")

    def test_a_command_that_cannot_be_started_is_named(self):
        d = self.daemon()
        self.runner_for(d)
        done = self.sigrun(d, "run", "--", "no-such-command", check=127)
        self.assertIn("no-such-command", done.stderr.split("(user)")[1])
        done = self.sigrun(d, "run", "--workdir", str(self.dir / "no-such-folder"), "--", "pwd", check=125)
        self.assertIn("working directory", done.stderr)
        self.sigrun(d, "run", "--env", "NOVALUE", "--", "true", check=125)  # not even sent
        self.sigrun(d, "run", "--timeout", "abc", "--", "true", check=121)  # refused by the daemon

    def test_a_reader_that_goes_away_cancels_the_job(self):
        d = self.daemon()
        self.runner_for(d)
        p = self.start(d, "run", "-q", "--", "yes")
        self.assertEqual(p.stdout.readline(), b"y\n")
        p.stdout.close()
        self.assertEqual(p.wait(60), 141)
        job = json.loads(self.sigrun(d, "job", "ls", "-o", "json").stdout)["items"][0]
        self.assertEqual(self.job_ended(d, job["id"])["state"], "cancelled")

    def test_a_job_that_takes_too_long_ends_with_124(self):
        d = self.daemon()
        self.runner_for(d)
        done = self.sigrun(d, "run", "--timeout", "300ms", "--", "sleep", "300", check=124)
        self.assertIn("user_timeout", done.stderr)
        self.sigrun(d, "run", "--queue-timeout", "200ms", "--requires", 'label.x == "y"', "--", "true", check=124)

    # exit codes and messages

    def test_what_is_wrong_has_a_code_and_a_hint(self):
        d = self.daemon()
        self.runner_for(d, "build-1")
        nobody = f"valkyrie://127.0.0.1:{free_port()}"
        unreachable = self.sigrun(d, "--url", nobody, "job", "ls", check=3)
        self.assertIn("is sigrund running", unreachable.stderr)
        self.sigrun(d, "--url", nobody, "run", "--", "true", check=120)
        self.assertIn("perhaps \"job\"", self.sigrun(d, "jobs", check=2).stderr)
        self.sigrun(d, "run", "--no-such-option", check=125)  # 2 could be a job's own code
        self.sigrun(d, "job", "ls", "--no-such-option", check=2)
        self.assertIn("build-1", self.sigrun(d, "runner", "show", "bild-1", check=4).stderr)
        self.sigrun(d, "job", "show", "0123456789ab", check=4)
        self.sigrun(d, "job", "show", "01900000-0000-7000-8000-000000000000", check=4)
        wrong = self.sigrun(d, "submit", "--requires", "cpu.cores >=", "--", "true", check=5)
        self.assertIn("^", wrong.stderr)
        self.sigrun(d, "run", "--requires", "cpu.cores >=", "--", "true", check=121)
        self.assertIn("NAME=VALUE", self.sigrun(d, "submit", "--env", "X", "--", "true", check=5).stderr)
        self.sigrun(d, "--url", "gopher://x", "job", "ls", check=5)

    # submit and job

    def test_submit_takes_documents_and_keys(self):
        d = self.daemon()
        self.runner_for(d)
        file = self.dir / "job.json"
        file.write_text(json.dumps({"command": ["sh", "-c", "exit 9"]}))
        done = self.sigrun(d, "submit", file, "--wait", check=9)
        self.assertEqual(d.job(done.stdout.strip())["exit_code"], 9)
        done = self.sigrun(d, "submit", "-", input='{"command":["true"]}', check=0)
        self.assertEqual(self.job_ended(d, done.stdout.strip())["state"], "succeeded")
        first = self.sigrun(d, "submit", "--key", "k1", "--", "true", check=0).stdout
        self.assertEqual(self.sigrun(d, "submit", "--key", "k1", "--", "true", check=0).stdout, first)
        self.sigrun(d, "submit", "--key", "k1", "--", "false", check=5)
        self.sigrun(d, "submit", check=5)
        self.sigrun(d, "submit", "-", input="{nonsense", check=5)

    def test_jobs_are_known_by_the_end_of_their_id(self):
        d = self.daemon()
        self.runner_for(d)
        job_id = self.sigrun(d, "submit", "--wait", "-q", "--", "sh", "-c", "echo one; echo two >&2", check=0).stdout.strip()
        short = job_id[-12:]
        self.assertIn(short, self.sigrun(d, "job", "ls", "--state", "succeeded", check=0).stdout)
        self.assertNotIn(short, self.sigrun(d, "job", "ls", "--state", "failed", check=0).stdout)
        shown = self.sigrun(d, "job", "show", short, check=0).stdout
        self.assertIn(job_id, shown)
        self.assertIn("attempts", shown)
        logs = self.sigrun(d, "job", "logs", short, check=0)
        self.assertEqual((logs.stdout, logs.stderr), ("one\n", "two\n"))
        pieces = [json.loads(line) for line in self.sigrun(d, "job", "logs", short, "-o", "json", check=0).stdout.splitlines()]
        self.assertEqual({p["stream"]: p["data"] for p in pieces}, {"stdout": "one\n", "stderr": "two\n"})
        self.assertEqual(self.sigrun(d, "job", "logs", short, "--offset", "8", check=0).stdout, "")

    def test_explain_and_cancel_a_job_that_waits(self):
        d = self.daemon()
        self.runner_for(d)
        job_id = self.sigrun(d, "submit", "--requires", 'label.zone == "moon"', "--", "true", check=0).stdout.strip()
        told = self.sigrun(d, "job", "explain", job_id, check=0).stdout
        self.assertIn('label.zone == "moon"', told)
        self.assertIn("0 of 1 match", told)
        self.assertIn("cancelled", self.sigrun(d, "job", "cancel", job_id, check=0).stdout)
        self.assertEqual(d.job(job_id)["state"], "cancelled")

    def test_logs_can_be_followed_from_elsewhere(self):
        d = self.daemon()
        self.runner_for(d)
        go = self.dir / "go"
        job_id = self.sigrun(d, "submit", "--", "sh", "-c",
                             f"echo first; while [ ! -e {go} ]; do sleep 0.05; done; echo last", check=0).stdout.strip()
        p = self.start(d, "job", "logs", "-f", job_id)
        self.assertEqual(p.stdout.readline(), b"first\n")
        go.touch()
        self.assertEqual(p.communicate(timeout=60)[0], b"last\n")
        self.assertEqual(p.returncode, 0)

    # runner, plugin, events

    def test_runners_are_listed_drained_resumed_and_removed(self):
        d = self.daemon()
        self.runner_for(d, "r1", labels=["zone=eu"])
        self.assertIn("r1", self.sigrun(d, "runner", "ls", "--where", 'label.zone == "eu"', check=0).stdout)
        self.assertIn("no runner meets", self.sigrun(d, "runner", "ls", "--where", 'label.zone == "us"', check=0).stdout)
        self.assertIn("machine", self.sigrun(d, "runner", "show", "r1", check=0).stdout)
        d.facts("r1", "cpu.effective_cores")
        self.assertIn("effective_cores", self.sigrun(d, "runner", "show", "r1", "--facts", check=0).stdout)
        self.assertIn("draining: disk swap", self.sigrun(d, "runner", "drain", "r1", "--reason", "disk swap", check=0).stdout)
        self.assertEqual(d.runner("r1")["status"], "draining")
        self.sigrun(d, "runner", "resume", "r1", check=0)
        d.runner_status("r1", "online")
        self.assertIn("maintenance", self.sigrun(d, "runner", "maintenance", "r1", check=0).stdout)
        self.assertIn("removed", self.sigrun(d, "runner", "rm", "r1", "--force", check=0).stdout)

    def test_a_listening_and_a_legacy_runner_are_added_and_run_jobs(self):
        d = self.daemon()
        port = free_port()
        self.start_runner("wide", "--listen", f"127.0.0.1:{port}", wait="listen")
        legacy = self.program(sys.executable, SOURCE / "tests/fixtures/legacy_runner/legacy_runner.py")
        old = legacy.wait_line("listening on ").rsplit(" ", 1)[1]
        self.sigrun(d, "runner", "add", "wide", f"127.0.0.1:{port}", check=0)
        self.sigrun(d, "runner", "add", "old", old, "--profile", "rustci", "--slots", "1", "--label", "kind=old", check=0)
        self.assertEqual(d.runner_status("wide", "online")["type"], "hybrid")
        self.assertEqual(d.runner_status("old", "online")["type"], "legacy")
        done = self.sigrun(d, "run", "--requires", 'label.kind == "old"', "--", "sh", "-c", "echo 'a  b'; exit 4", check=4)
        self.assertEqual(done.stdout, "a  b\n")
        self.assertIn(" on old over http", done.stderr)

    def test_plugins_and_version_are_shown(self):
        d = self.daemon()
        self.assertIn("sigrun.valkyrie", self.sigrun(d, "plugin", "ls", check=0).stdout)
        self.assertIn("connect_timeout", self.sigrun(d, "plugin", "show", "sigrun.valkyrie", check=0).stdout)
        self.assertIn("sigrun.valkyrie", self.sigrun(d, "plugin", "show", "sigrun.valkyry", check=4).stderr)
        self.assertIn("sigrund ", self.sigrun(d, "version", check=0).stdout)
        d.stop()
        gone = self.sigrun(d, "version")
        self.assertEqual((gone.returncode, gone.stdout.startswith("sigrun  "), "not asked" in gone.stdout), (3, True, True), gone)

    def test_events_are_watched_until_enough_were_seen(self):
        d = self.daemon()
        self.runner_for(d)
        self.sigrun(d, "run", "-q", "--", "true", check=0)
        done = self.sigrun(d, "events", "--type", "Job", "--after", "0", "-n", "3", "-o", "json", check=0)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(events[0]["type"], "JobSubmitted")
        self.assertEqual([e["seq"] for e in events], sorted(e["seq"] for e in events))
        self.assertIn("JobSubmitted", self.sigrun(d, "events", "--type", "JobSub", "--after", "0", "-n", "1", check=0).stdout)

    # bench, config, probe, tables

    def test_bench_counts_the_jobs_it_ran(self):
        d = self.daemon()
        self.runner_for(d)
        done = self.sigrun(d, "bench", "--command", "echo", "--payload", "hello", "--outstanding", "8", "--jobs", "200",
                           "--durability", "memory", "-o", "json", check=0)
        report = json.loads(done.stdout)
        self.assertEqual((report["jobs"], report["errors"]), (200, 0))
        self.assertLessEqual(report["p50_us"], report["p99_us"])
        self.assertGreater(report["jobs_per_s"], 0)
        bad = self.sigrun(d, "bench", "--command", "no-such-function", "--outstanding", "1", "--jobs", "3", "-o", "json", check=7)
        self.assertEqual(json.loads(bad.stdout)["errors"], 3)

    def test_the_documented_configuration_is_a_valid_one(self):
        nowhere = {**os.environ, "SIGRUN_URL": "valkyrie://127.0.0.1:1"}
        def sigrun(*arguments):
            return subprocess.run([str(BIN / "sigrun"), *map(str, arguments)], capture_output=True, text=True, env=nowhere,
                                  timeout=60, cwd=self.dir)
        doc = sigrun("config", "doc")
        self.assertEqual(doc.returncode, 0, doc.stderr)
        self.assertIn("[server]", doc.stdout)
        file = self.dir / "sigrun.ini"
        file.write_text(doc.stdout)
        checked = sigrun("config", "check", file)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        for shipped in ("etc/sigrun.ini", "etc/runner.ini"):
            checked = sigrun("config", "check", SOURCE / shipped)
            self.assertEqual(checked.returncode, 0, checked.stderr)
        for program in ("daemon", "runner"):
            file.write_text(sigrun("config", "example", program).stdout)
            self.assertEqual(sigrun("config", "check", file).returncode, 0, program)
        for text, hint in (("[server]\nlisten_on = x\n", "listen"), ("[sever]\nlisten = x\n", "server"),
                           ("[jobs]\nmax_waiting = many\n", "max_waiting"),
                           ("[instance valkyrie]\ncomponent = valkyrie:valkyrie\nthread = 2\n", "threads"),
                           ("[server]\nlisten = 0.0.0.0:7070\n", "allow_remote"), ("[server]\nlisten = here\n", "sigrun.ini:2"),
                           ("[balancer]\ndefault_algorithm = fair\n", "round_robin"),
                           ("[runner far]\nend_point = 10.0.0.7:7071\n", "endpoint"),
                           ("[runner]\nslotz = 3\n", "slots"), ("[runner]\nlabels = zone\n", "sigrun.ini:2"),
                           ("[runner]\nslots = 3\n[instance process]\nkill_grace = soon\n", "kill_grace")):
            file.write_text(text)
            wrong = sigrun("config", "check", file)
            self.assertEqual(wrong.returncode, 5, text + wrong.stdout + wrong.stderr)
            self.assertIn(hint, wrong.stderr)
        self.assertEqual([p.name for p in self.dir.iterdir()], ["sigrun.ini"], "nothing is written by checking")

    def test_probe_needs_no_daemon(self):
        done = subprocess.run([str(BIN / "sigrun"), "probe", "--only", "cpu", "--json"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        facts = json.loads(done.stdout)["facts"]
        cores = [f for f in facts if f["key"] == "cpu.effective_cores"]
        self.assertGreater(cores[0]["value"], 0)
        self.assertTrue(all(f["key"].startswith("cpu") for f in facts))
        none = subprocess.run([str(BIN / "sigrun"), "probe", "--only", "nonsense"], capture_output=True, text=True, timeout=60)
        self.assertEqual(none.returncode, 4, none.stdout)

    def probe(self, *arguments):
        return subprocess.run([str(BIN / "sigrun"), "probe", *arguments], capture_output=True, text=True, timeout=60)

    def test_explain_shows_where_a_fact_comes_from(self):
        done = self.probe("--explain", "memory.total_bytes", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        one = json.loads(done.stdout)["explained"]
        self.assertEqual([k["key"] for k in one], ["memory.total_bytes"])
        winner = one[0]["answers"][0]
        self.assertEqual((winner["plugin"], winner["method"], winner["source"]), ("sigrun.memory", "read", "/proc/meminfo"))
        kib = int(next(line for line in winner["raw"].splitlines() if line.startswith("MemTotal:")).split()[1])
        self.assertEqual(winner["value"], kib * 1024, "the raw text and the value agree")
        self.assertLess(winner["age_s"], 60)
        text = self.probe("--explain", "nic[0].mtu")
        self.assertEqual(text.returncode, 0, text.stderr)
        for part in ("nic[0].mtu", "value", "network", "rtnetlink", "confidence", "good for", "the only answer"):
            self.assertIn(part, text.stdout)
        several = json.loads(self.probe("--explain", "cpu.effective", "--json").stdout)["explained"]
        self.assertTrue(several and all(k["key"].startswith("cpu.effective") for k in several))

    def test_explain_of_an_unknown_key_names_the_nearest(self):
        for wrong, nearest in (("memory.totel_bytes", "memory.total_bytes"), ("memry.total_bytes", "memory.total_bytes")):
            done = self.probe("--explain", wrong)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(nearest, done.stderr)
        self.assertEqual(self.probe("--explain", "cpu.cores", "--only", "cpu").returncode, 2)

    def test_watch_tells_what_changes_until_it_is_interrupted(self):
        for json_lines in (False, True):
            arguments = ["probe", "--watch", "--only", "memory.available_bytes", *(["--json"] if json_lines else [])]
            watch = self.program(BIN / "sigrun", *arguments)
            if json_lines:
                first = json.loads(watch.wait_line('{"facts":'))
                self.assertEqual([f["key"] for f in first["facts"]], ["memory.available_bytes"])
                change = json.loads(watch.wait_line('"change"'))
                self.assertEqual((change["change"], change["key"]), ("~", "memory.available_bytes"))
                self.assertNotEqual(change["old"], change["new"])
            else:
                self.assertRegex(watch.wait_line("~ memory.available_bytes"), r"^\d{4}-\d\d-\d\dT\S+Z ~ memory\.available_bytes .+ -> .+")
            os.kill(watch.pid, signal.SIGINT)
            self.assertEqual(watch.process.wait(30), 0)

    def test_tables_fit_the_width(self):
        d = self.daemon()
        self.runner_for(d, "a-runner-with-a-rather-long-name", labels=["zone=eu", "cache=warm", "owner=somebody"])
        self.sigrun(d, "run", "-q", "--", "sh", "-c", ": " + "x" * 300, check=0)
        os.environ["COLUMNS"] = "60"
        self.addCleanup(os.environ.pop, "COLUMNS", None)
        for what in (("runner", "ls"), ("job", "ls"), ("plugin", "ls")):
            for line in self.sigrun(d, *what, check=0).stdout.splitlines():
                self.assertLessEqual(len(line), 60, line)


if __name__ == "__main__":
    unittest.main()
