"""The configuration of a running daemon: loaded again as a whole or not at all, kept, compared and rolled back."""
import json
import os
import signal
import stat
import threading
import unittest

from harness import FleetTest, free_port, wait_until


class ConfigReload(FleetTest):
    def setUp(self):
        super().setUp()
        self.file = self.dir / "etc" / "sigrun.ini"
        self.drop_ins = self.file.parent / "plugins.d"
        self.drop_ins.mkdir(parents=True)

    def started(self, text, watch=False, settings=(), **kwargs):
        self.file.write_text(text)
        return self.daemon(config=self.file, settings=[f"server.watch_config={'yes' if watch else 'no'}", *settings], **kwargs)

    def current(self, d):
        return d.get("/v1/config/revisions/current")

    def values(self, d):
        return d.get("/v1/config")

    def reload(self, d, text=None, dry_run=False, status=200):
        if text is not None:
            self.file.write_text(text)
        got, answer = d.request("POST", "/v1/config/reload" + ("?dry_run=true" if dry_run else ""))
        self.assertEqual(got, status, answer)
        return answer

    def effects(self, answer):
        return {f"{c['section']}.{c['key']}" if c["key"] else f"[{c['section']}]": c["effect"] for c in answer["changes"]}

    def hang_up(self, d):
        d.process.send_signal(signal.SIGHUP)

    def revision(self, d, number):
        wait_until(f"revision {number} is in use", lambda: self.current(d)["revision"] == number)

    def metric(self, d, name):
        for line in d.request("GET", "/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0

    def test_sighup_uses_a_good_file_and_a_bad_one_changes_nothing(self):
        d = self.started("[jobs]\nmax_waiting = 5\n")
        self.runner_for(d)
        self.assertEqual(self.current(d)["revision"], 1)
        watch = self.program("curl", "-sSN", f"http://127.0.0.1:{d.port}/v1/events?types=Config&after=0")
        self.file.write_text("[jobs]\nmax_waiting = 6\n[interface]\nmax_retries = 7\n")
        self.hang_up(d)
        self.revision(d, 2)
        self.assertEqual(self.values(d)["interface"]["max_retries"], "7")
        self.assertIn("jobs.max_waiting", d.wait_line("jobs.max_waiting: 5 -> 6 (hot)"))
        watch.wait_line("ConfigReloaded")
        for bad, complaint in (("[jobs]\nmax_waiting = many\n", f"jobs.max_waiting: expected a whole number, found \"many\" ({self.file}:2)"),
                               ("[jobs]\nmax_waitin = 3\n", f"jobs.max_waitin: expected \"max_waiting\", found \"max_waitin\" ({self.file}:2)"),
                               ("[jbos]\nmax_waiting = 3\n", "[jbos]"), ("max_waiting\n", f"{self.file}:1"),
                               ("[balancer]\ndefault_algorithm = fair\n", f"found \"fair\" ({self.file}:2)"),
                               ("[instance http]\nmax_body = 3\n", f"instance http.max_body: expected 1.0 KiB .. 1.0 GiB, found \"3\" ({self.file}:2)"),
                               ("[instance x]\ncomponent = htp:http\n", f"instance x.component: expected \"http\", found \"htp\" ({self.file}:2)"),
                               ("[runner old]\nendpoint = nowhere\n", "runner old.endpoint")):
            self.file.write_text(bad)
            self.hang_up(d)
            refused = wait_until("the refusal is told", lambda: (self.current(d)["refused"] or {}).get("problem", {}).get("detail", "")
                                 if complaint in str(self.current(d)["refused"]).replace("\\", "") else None)
            self.assertIn(complaint, refused)
            d.wait_line(complaint)
            self.assertEqual(self.current(d)["revision"], 2)
            self.assertEqual(self.values(d)["jobs"]["max_waiting"], "6")
            self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        os.remove(self.file)
        self.hang_up(d)
        d.wait_line("cannot be opened")
        watch.wait_line("ConfigRefused")
        self.assertEqual(self.metric(d, 'sigrun_config_reloads_total{outcome="refused",why="SIGHUP"}'), 9)
        self.assertEqual(self.metric(d, "sigrun_config_revision"), 2)
        # A good file ends the complaint.
        self.file.write_text("[jobs]\nmax_waiting = 8\n")
        self.hang_up(d)
        self.revision(d, 3)
        self.assertIsNone(self.current(d)["refused"])
        self.assertEqual(d.stop(), 0)

    def test_one_bad_section_keeps_all_good_ones_out(self):
        d = self.started("")
        self.runner_for(d)
        body = json.dumps({"kind": "call", "command": ["echo"], "payload": "y" * 100_000, "durability": "memory"})
        answer = self.reload(d, "[instance http]\nmax_body = 64KiB\n[instance round_robin]\nprotocol_weights = http=fast\n"
                             "[jobs]\nmax_waiting = 5\n", status=400)
        self.assertEqual(answer["field"], "instance round_robin.protocol_weights")
        self.assertIn(f"{self.file}:4", answer["detail"])
        self.assertNotEqual(d.request("POST", "/v1/jobs", body)[0], 413)
        self.assertEqual(self.values(d)["jobs"]["max_waiting"], "100000")
        answer = self.reload(d, "[instance http]\nmax_body = 64KiB\n[instance round_robin]\nprotocol_weights = http=2\n")
        self.assertEqual(self.effects(answer), {"instance http.max_body": "hot", "instance round_robin.protocol_weights": "new instance"})
        self.assertEqual(d.request("POST", "/v1/jobs", body)[0], 413)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_jobs_run_on_while_everything_is_changed(self):
        d = self.started("")
        self.runner_for(d, "r1", slots=8)
        self.runner_for(d, "r2", slots=8)
        stop, ended, bad = threading.Event(), [0] * 4, []

        def load(n):
            while not stop.is_set():
                job = d.run(kind="call", command=["echo"], payload="x", durability="memory")
                if job["state"] != "succeeded" or len(job["attempts"]) != 1 or job["result"] != "x":
                    bad.append(job)
                ended[n] += 1

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for turn in range(20):
            before = sum(ended)
            answer = self.reload(d, f"[instance round_robin]\nprotocol_weights = http={turn + 1}\n[instance http]\nmax_header = {turn + 1}KiB\nthreads = {turn % 2 + 1}\n"
                                 f"[instance sqlite]\ncache_size = {turn + 1}MiB\n[instance valkyrie]\nmax_streams = {turn + 100}\n"
                                 f"[balancer]\ndefault_algorithm = {('round_robin', 'least_connections')[turn % 2]}\n"
                                 f"[jobs]\nlease = {turn + 10}s\n[interface]\nstrategy = {('valkyrie', 'http')[turn % 2]}_first\n")
            self.assertEqual(answer["outcome"], "applied")
            for plugin in ("round_robin.protocol_weights", "valkyrie.max_streams", "sqlite.cache_size"):
                self.assertEqual(self.effects(answer)["instance " + plugin], "new instance")
            wait_until("jobs go on", lambda: sum(ended) > before)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])
        for plugin in ("round_robin", "http", "valkyrie", "sqlite"):
            wait_until(f"older instances of {plugin} are gone", lambda: d.get(f"/v1/plugins/sigrun.{plugin}")["retiring"] == [], 8)

    def test_hot_values_are_used_at_once(self):
        d = self.started("[jobs]\nmax_waiting = 5\n")
        def change(text):
            self.assertEqual(set(self.effects(self.reload(d, text)).values()), {"hot"})
        change("[jobs]\nmax_waiting = 1\n")
        d.submit(command=["true"])
        status, problem = d.request("POST", "/v1/jobs", {"command": ["true"]})
        self.assertEqual((status, problem["field"]), (429, "jobs.max_waiting"))
        change("[jobs]\nmax_waiting = 100\nlog_limit = 4KiB\n[balancer]\ndefault_algorithm = least_connections\n")
        self.runner_for(d)
        job = d.run(command=["sh", "-c", "head -c 50000 /dev/zero | tr '\\0' x"])
        self.assertEqual((job["state"], job["balancer"]), ("succeeded", "least_connections"))
        self.assertLessEqual(len(d.log(job["id"])), 4096)
        ids = [d.run(command=["true"], durability="memory")["id"] for _ in range(3)]
        change("[jobs]\nkeep_finished = 1\n")
        last = d.run(command=["true"], durability="memory")["id"]
        self.assertEqual([d.request("GET", f"/v1/jobs/{i}")[0] for i in (*ids, last)], [404, 404, 404, 200])
        self.assertFalse([line for line in d.lines if " debug " in line.lower()])
        change("[log]\nlevel = trace\n")
        change("[log]\nlevel = error\n")

    def test_what_takes_a_restart_is_told_and_waits_for_it(self):
        d = self.started("")
        text = "[server]\npeek_timeout = 7s\n[plugin cpu]\nenabled = no\n[jobs]\nmax_waiting = 9\n"
        answer = self.reload(d, text)
        self.assertEqual(self.effects(answer), {"server.peek_timeout": "restart", "plugin cpu.enabled": "restart", "jobs.max_waiting": "hot"})
        waiting = {"server.peek_timeout", "[plugin cpu]"}
        self.assertEqual(set(answer["restart_needed"]), waiting)
        self.assertEqual(set(self.current(d)["restart_needed"]), waiting)
        self.assertEqual(self.values(d)["server"]["peek_timeout"], "5s", "in effect is what it was")
        self.assertEqual(self.reload(d)["outcome"], "unchanged")
        self.assertEqual(set(self.current(d)["restart_needed"]), waiting)
        # Back to what runs: nothing waits any more.
        answer = self.reload(d, "[jobs]\nmax_waiting = 9\n")
        self.assertEqual((answer["restart_needed"], set(self.effects(answer).values())), ([], {"none"}))
        self.reload(d, text)
        d.stop()
        again = self.daemon(config=self.file, settings=["server.watch_config=no"])
        self.assertEqual(self.values(again)["server"]["peek_timeout"], "7s")
        self.assertEqual(self.current(again)["restart_needed"], [])

    def test_a_changed_file_is_noticed_however_it_was_written(self):
        d = self.started("[jobs]\nmax_waiting = 1\n", watch=True)
        revision = 1
        def expect(value):
            nonlocal revision
            revision += 1
            wait_until(f"max_waiting is {value}", lambda: self.values(d)["jobs"]["max_waiting"] == value)
            self.assertEqual(self.current(d)["revision"], revision)
            self.assertEqual(self.current(d)["why"], "file")
        self.file.write_text("[jobs]\nmax_waiting = 2\n")
        expect("2")
        new = self.file.with_name("sigrun.ini.new")
        new.write_text("[jobs]\nmax_waiting = 3\n")
        os.rename(new, self.file)
        expect("3")
        drop_in = self.drop_ins / "90-local.ini"
        drop_in.write_text("[jobs]\nmax_waiting = 4\n")
        expect("4")
        drop_in.unlink()
        expect("3")
        # The folder itself is another one.
        self.drop_ins.rmdir()
        moved = self.file.parent / "prepared"
        moved.mkdir()
        (moved / "10-local.ini").write_text("[jobs]\nmax_waiting = 5\n")
        os.rename(moved, self.drop_ins)
        expect("5")
        (self.drop_ins / "10-local.ini").write_text("[jobs]\nmax_waiting = 6\n")
        expect("6")
        # Reached over a symlink that is changed.
        for n in ("7", "8"):
            target = self.dir / f"target-{n}.ini"
            target.write_text(f"[jobs]\nmax_waiting = {n}\n")
            link = self.drop_ins / ".next"
            os.symlink(target, link)
            os.rename(link, self.drop_ins / "10-local.ini")
            expect(n)
        # A bad one is refused, and the next good one taken.
        (self.drop_ins / "10-local.ini").unlink()
        expect("3")
        self.file.write_text("[jobs]\nmax_waiting = none\n")
        wait_until("the refusal is told", lambda: self.current(d)["refused"])
        self.file.write_text("[jobs]\nmax_waiting = 9\n")
        expect("9")

    def test_watching_can_be_switched_while_it_runs(self):
        self.file.write_text("[server]\nwatch_config = no\n[jobs]\nmax_waiting = 1\n")
        d = self.daemon(config=self.file)
        answer = self.reload(d, "[server]\nwatch_config = yes\n[jobs]\nmax_waiting = 2\n")
        self.assertEqual(self.effects(answer)["server.watch_config"], "hot")
        self.file.write_text("[server]\nwatch_config = no\n[jobs]\nmax_waiting = 3\n")
        self.revision(d, 3)
        self.file.write_text("[server]\nwatch_config = no\n[jobs]\nmax_waiting = 4\n")
        # Nobody looks: the call is the first to find it.
        answer = self.reload(d)
        self.assertEqual((answer["outcome"], answer["why"], answer["revision"]), ("applied", "api", 4))

    def test_a_dry_run_says_everything_and_does_nothing(self):
        d = self.started("")
        text = ("[server]\npeek_timeout = 7s\n[instance round_robin]\nprotocol_weights = http=3\n[instance http]\nmax_body = 1MiB\n"
                "[runner far]\nendpoint = 127.0.0.1:9\n")
        answer = self.reload(d, text, dry_run=True)
        self.assertEqual(answer["outcome"], "would apply")
        self.assertEqual(self.effects(answer), {"server.peek_timeout": "restart", "instance round_robin.protocol_weights": "new instance",
                                                "instance http.max_body": "hot", "runner far.endpoint": "hot"})
        self.assertEqual(answer["restart_needed"], ["server.peek_timeout"])
        self.assertEqual(self.current(d)["revision"], 1)
        self.assertEqual(self.current(d)["ini"], self.current(d)["ini"].replace("7s", ""))
        self.assertEqual(d.request("GET", "/v1/runners/far")[0], 404)
        self.reload(d, "[server]\npeek_timeout = long\n", dry_run=True, status=400)
        self.assertIsNone(self.current(d)["refused"], "a dry run is no refusal")
        shown = self.sigrun(d, "config", "reload", "--dry-run")
        self.assertEqual(shown.returncode, 5)
        self.assertIn("server.peek_timeout", shown.stderr)

    def test_history_diff_and_rollback(self):
        d = self.started("[jobs]\nmax_waiting = 1\n")
        self.reload(d, "[jobs]\nmax_waiting = 2\n")
        self.reload(d, "[jobs]\nmax_waiting = 3\nlease = 20s\n")
        history = d.get("/v1/config/revisions")["items"]
        self.assertEqual([r["revision"] for r in history], [3, 2, 1])
        self.assertEqual([r["why"] for r in history], ["api", "api", "start"])
        self.assertEqual(history[0]["changes"], ["jobs.lease: 20s (was not set)", "jobs.max_waiting: 2 -> 3"])
        diff = d.get("/v1/config/diff?from=1")["changes"]
        self.assertEqual([(c["key"], c["from"], c["to"]) for c in diff], [("lease", None, "20s"), ("max_waiting", "1", "3")])
        self.assertEqual(d.get("/v1/config/diff?from=1&to=2")["changes"][0]["to"], "2")
        self.assertIn("max_waiting = 1", d.get("/v1/config/revisions/1")["ini"])
        self.assertEqual(d.request("GET", "/v1/config/revisions/99")[0], 404)
        self.assertEqual(d.request("POST", "/v1/config/rollback?revision=99")[0], 404)
        status, answer = d.request("POST", "/v1/config/rollback?revision=1")
        self.assertEqual((status, answer["outcome"], answer["revision"], answer["note"]), (200, "applied", 4, "the files of revision 1"))
        self.assertEqual(self.values(d)["jobs"]["max_waiting"], "1")
        self.assertEqual(self.values(d)["jobs"]["lease"], "10s")
        self.assertIn("max_waiting = 3", self.file.read_text(), "the file is not touched")
        # The files win again at the next reload, which says so.
        answer = self.reload(d)
        self.assertEqual((answer["outcome"], answer["revision"]), ("applied", 5))
        self.assertIn("instead of the files of revision 1", answer["note"])
        self.assertEqual(self.values(d)["jobs"]["max_waiting"], "3")
        # And so does a restart.
        d.request("POST", "/v1/config/rollback?revision=2")
        d.stop()
        again = self.daemon(config=self.file, settings=["server.watch_config=no"])
        self.assertEqual(self.values(again)["jobs"]["max_waiting"], "3")
        self.assertEqual((self.current(again)["revision"], self.current(again)["why"]), (7, "start"))
        again.stop()
        third = self.daemon(config=self.file, settings=["server.watch_config=no"])
        self.assertEqual(self.current(third)["revision"], 7, "the same configuration is no new revision")

    def test_the_command_line(self):
        d = self.started("[jobs]\nmax_waiting = 1\n")
        self.file.write_text("[jobs]\nmax_waiting = 2\n[server]\npeek_timeout = 7s\n")
        out = self.sigrun(d, "config", "reload", check=0).stdout
        self.assertIn("jobs.max_waiting", out)
        self.assertIn("revision 2 is in use", out)
        self.assertIn("waiting for a restart: server.peek_timeout", out)
        self.assertIn("nothing has changed", self.sigrun(d, "config", "reload", check=0).stdout)
        self.assertIn("(in use)", self.sigrun(d, "config", "history", check=0).stdout)
        shown = self.sigrun(d, "config", "show", check=0).stdout
        self.assertIn(f"max_waiting = 2  ; {self.file}:2", shown)
        self.assertIn("max_waiting = 1", self.sigrun(d, "config", "show", "1", check=0).stdout)
        self.assertIn("max_waiting", self.sigrun(d, "config", "diff", "1", check=0).stdout)
        self.assertIn("no difference", self.sigrun(d, "config", "diff", "1", "1", check=0).stdout)
        self.assertIn("the files of revision 1", self.sigrun(d, "config", "rollback", check=0).stdout)
        self.assertEqual(self.sigrun(d, "config", "show", "99").returncode, 4)
        self.file.write_text("[jobs]\nmax_waiting = -3\n")
        refused = self.sigrun(d, "config", "reload")
        self.assertEqual(refused.returncode, 5)
        self.assertIn(f"{self.file}:2", refused.stderr)
        self.assertIn("; refused at ", self.sigrun(d, "config", "show", check=0).stdout)
        answer = json.loads(self.sigrun(d, "--output", "json", "config", "rollback", "2", "--dry-run", check=0).stdout)
        self.assertEqual(answer["outcome"], "would apply")

    def test_environment_and_flags_win_over_every_file(self):
        d = self.started("[jobs]\nmax_waiting = 1\nlease = 11s\nkeep_finished = 5\n", settings=["jobs.keep_finished=77"],
                         env={"SIGRUN_JOBS__LEASE": "33s"})
        before = self.values(d)["jobs"]
        self.assertEqual((before["lease"], before["keep_finished"]), ("33s", "77"))
        answer = self.reload(d, "[jobs]\nmax_waiting = 2\nlease = 12s\nkeep_finished = 6\n")
        self.assertEqual(self.effects(answer), {"jobs.max_waiting": "hot"})
        after = self.values(d)["jobs"]
        self.assertEqual((after["max_waiting"], after["lease"], after["keep_finished"]), ("2", "33s", "77"))
        d.request("POST", "/v1/config/rollback?revision=1")
        after = self.values(d)["jobs"]
        self.assertEqual((after["max_waiting"], after["lease"], after["keep_finished"]), ("1", "33s", "77"))
        self.assertIn("environment SIGRUN_JOBS__LEASE", self.current(d)["ini"])

    def test_reloads_at_once_are_made_one_after_another(self):
        d = self.started("")
        answers = []

        def ask(n):
            for _ in range(5):
                answers.append(d.request("POST", "/v1/config/reload"))

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        for t in threads:
            t.start()
        for n in range(20):
            new = self.file.with_name("new")
            new.write_text(f"[jobs]\nmax_waiting = {n + 1}\n[instance round_robin]\nprotocol_weights = http={n + 1}\n")
            os.rename(new, self.file)
            self.hang_up(d)
        for t in threads:
            t.join()
        self.assertEqual({status for status, _ in answers}, {200}, answers)
        applied = [a["revision"] for _, a in answers if a["outcome"] == "applied"]
        self.assertTrue(applied)
        self.reload(d)
        self.assertEqual(self.values(d)["jobs"]["max_waiting"], "20")
        self.assertIn("http=20", self.current(d)["ini"])
        self.assertEqual(d.stop(), 0)

    def test_revisions_are_kept_for_the_owner_only_and_not_for_ever(self):
        d = self.started("")
        for n in range(25):
            self.reload(d, f"[jobs]\nmax_waiting = {n + 1}\n")
        folder = d.state_dir / "config"
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        files = sorted(folder.iterdir())
        self.assertEqual(len(files), 20)
        self.assertEqual({stat.S_IMODE(f.stat().st_mode) for f in files}, {0o600})
        self.assertEqual([r["revision"] for r in d.get("/v1/config/revisions")["items"]], list(range(26, 6, -1)))
        # A folder that cannot be written refuses the change: what cannot be rolled back is not done.
        if os.geteuid() != 0:
            folder.chmod(0o500)
            self.reload(d, "[jobs]\nmax_waiting = 99\n", status=500)
            folder.chmod(0o700)

    def test_runners_come_change_and_go_with_their_sections(self):
        ports = free_port(), free_port()
        for name, port in zip(("one", "two"), ports):
            self.start_runner(name, "--listen", f"127.0.0.1:{port}", wait="listening")
        d = self.started(f"[runner one]\nendpoint = 127.0.0.1:{ports[0]}\n")
        d.runner_status("one", "online")
        both = f"[runner one]\nendpoint = 127.0.0.1:{ports[0]}\nlabels = zone=eu\nslots = 3\n[runner two]\nendpoint = 127.0.0.1:{ports[1]}\n"
        self.assertEqual(set(self.effects(self.reload(d, both)).values()), {"hot"})
        d.runner_status("two", "online")
        one = d.runner("one")
        self.assertEqual((one["labels"].get("zone"), one["slots"], one["status"]), ("eu", 3, "online"))
        self.assertEqual(d.run(command=["true"], requires='label.zone == "eu"')["runner"]["name"], "one")
        # It goes with its last job, not before.
        go = self.dir / "go"
        job = d.submit(command=["sh", "-c", f"until test -e {go}; do sleep 0.05; done"], requires='label.zone == "eu"')
        wait_until("the job runs", lambda: d.job(job)["state"] == "running")
        self.reload(d, f"[runner two]\nendpoint = 127.0.0.1:{ports[1]}\n")
        self.assertEqual(d.runner("one")["status"], "draining")
        go.write_text("")
        self.assertEqual(d.finished(job)["state"], "succeeded")
        self.assertEqual(len(d.job(job)["attempts"]), 1)
        wait_until("runner one is gone", lambda: d.request("GET", "/v1/runners/one")[0] == 404)
        self.assertEqual(d.runner("two")["status"], "online")
        self.reload(d, both)
        d.runner_status("one", "online")


if __name__ == "__main__":
    unittest.main()
