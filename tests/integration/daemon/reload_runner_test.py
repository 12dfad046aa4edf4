"""The plugins of a runner, and the daemon's store, are replaced while jobs run."""
import collections
import itertools
import os
import pathlib
import shutil
import signal
import sqlite3
import threading
import unittest

from harness import BUILD, FleetTest, free_port, wait_until


def generations(pid):
    """Staged copies that this process has mapped, by plugin: "sigrun.call" -> {"sigrun.call-g3-...so"}."""
    found = collections.defaultdict(set)
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "/stage/" in line:
            name = line.split("/stage/", 1)[1].removesuffix(" (deleted)")
            found[name.rsplit("-g", 1)[0]].add(name)
    return found


def threads(pid):
    """Threads of the kernel and of plugins, by name; the worker pool grows up to its limit and stays, the artifact store's begins with
    its first use."""
    names = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
        except OSError:
            continue  # it has just ended
        if not name.startswith(("sigrun-work", "sigrun-artifact")):
            names[name] += 1
    return names


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Load:
    """Jobs without end from several threads; remembers every one, and what was wrong."""

    def __init__(self, daemon, long_jobs=True):
        self.daemon = daemon
        self.stop = threading.Event()
        self.ended = collections.Counter()
        self.kept = {}  # ids of jobs that must survive the daemon, with their state
        self.bad = []
        kinds = [(kind, durability) for kind in ("call", "process") for durability in ("memory", "relaxed", "fsync")]
        self.threads = [threading.Thread(target=self._run, args=k) for k in kinds]
        if long_jobs:
            self.threads.append(threading.Thread(target=self._long))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def total(self):
        return sum(self.ended.values())

    def _judge(self, job, good, what):
        if job["state"] != "succeeded" or len(job["attempts"]) != 1 or not good:
            self.bad.append((what, job))
        if what[1] != "memory":
            self.kept[job["id"]] = job["state"]
        self.ended[what] += 1

    def _run(self, kind, durability):
        try:
            for n in itertools.count():
                if self.stop.is_set():
                    return
                text = f"{kind}-{durability}-{n}"
                if kind == "call":
                    job = self.daemon.run(kind="call", command=["echo"], payload=text, durability=durability)
                    good = job["result"] == text
                else:
                    job = self.daemon.run(command=["echo", text], durability=durability)
                    good = n % 5 or self.daemon.log(job["id"]) == text + "\n"
                self._judge(job, good, (kind, durability))
        except Exception as e:  # a refused call is a finding, too
            self.bad.append(((kind, durability), repr(e)))

    def _long(self):
        try:
            ids = []
            while not self.stop.wait(0.3):
                ids.append(self.daemon.submit(command=["sh", "-c", "echo before; sleep 3; echo after"]))
            for job_id in ids:
                job = self.daemon.finished(job_id)
                self._judge(job, self.daemon.log(job_id) == "before\nafter\n", ("long", "relaxed"))
        except Exception as e:
            self.bad.append((("long", "relaxed"), repr(e)))


class ReloadRunner(FleetTest):
    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"
        self.runner_plugins = self.dir / "runner-plugins"
        shutil.copytree(BUILD / "plugins", self.plugins)
        shutil.copytree(BUILD / "plugins", self.runner_plugins)

    def put(self, path, content):
        new = path.with_name("." + path.name + ".new")
        new.write_bytes(content)
        os.rename(new, path)

    def install(self, folder, name, version, shipped="1.0.0"):
        """What a rebuild with another version number would give, put in place by rename."""
        content = (BUILD / "plugins" / name).read_bytes()
        self.assertIn(shipped.encode(), content)
        self.put(folder / name, content.replace(shipped.encode(), version.encode()))

    # What is replaced here is asked for, and gone at once.
    ASKED = ("plugins.watch=no", "plugins.probation=0s")

    def start(self, settings=(), extra=("--set", "runner.plugin_watch=no", "--set", "runner.plugin_probation=0s"), **more):
        d = self.daemon(plugin_dir=self.plugins, settings=[*self.ASKED, *settings], **more)
        r = self.runner_for(d, "r1", slots=16, extra=("--plugin-dir", self.runner_plugins, *extra))
        return d, r

    def versions(self, d, name="r1"):
        """What the runner says its plugins are."""
        for fact in d.runner(name)["facts"]:
            if fact["key"] == "runner.plugins":
                return {p["name"]: p["version"] for p in fact["value"]}
        return {}

    def reload_runner(self, d, *plugin):
        return self.sigrun(d, "--timeout", "2m", "runner", "reload", "r1", *plugin)

    def reload_store(self, d):
        return d.request("POST", "/v1/plugins/sigrun.sqlite/reload")

    def test_executors_probes_and_the_store_are_replaced_twenty_times_under_load(self):
        port = free_port()
        keep_all = ["jobs.keep_finished=1000000"]
        d, r = self.start(port=port, settings=keep_all)
        files = ["executors/call.so", "executors/process.so"]
        files += [str(p.relative_to(self.plugins)) for p in sorted((self.plugins / "probes").glob("*.so"))]
        names = ["sigrun." + pathlib.Path(f).stem for f in files]
        wait_until("the versions are told", lambda: all(self.versions(d).get(n) == "1.0.0" for n in names))
        for kind in ("call", "process"):  # what is made once, at first use
            d.run(kind=kind, command=["echo"], durability="fsync")
        before = threads(r.pid), threads(d.pid)
        with Load(d) as load:
            for turn in range(20):
                version = f"1.{turn // 10 + 1}.{turn % 10}"
                for f in files:
                    self.install(self.runner_plugins, f, version)
                begun = load.total()
                if turn % 2:
                    r.process.send_signal(signal.SIGHUP)
                else:
                    said = self.reload_runner(d)
                    self.assertEqual(said.returncode, 0, said.stdout + said.stderr)
                    self.assertIn("sigrun.process: ", said.stdout)
                self.install(self.plugins, "stores/sqlite.so", f"0.{turn // 10 + 2}.{turn % 10}", shipped="0.1.0")
                status, done = self.reload_store(d)
                self.assertEqual((status, done.get("changed")), (200, True), done)
                wait_until(f"the runner has {version}", lambda: all(self.versions(d).get(n) == version for n in names))
                wait_until("jobs go on", lambda: load.total() > begun)
        self.assertEqual(load.bad, [])
        self.assertEqual(len(load.ended), 7, load.ended)
        self.assertEqual(d.get("/v1/plugins/sigrun.sqlite")["version"], "0.3.9")

        # Nothing of the older ones is left: no code, no thread, no file.
        wait_until("the older stores are gone", lambda: d.get("/v1/plugins/sigrun.sqlite")["retiring"] == [])
        wait_until("one generation of each plugin is left in the runner",
                   lambda: all(len(g) == 1 for g in generations(r.pid).values()))
        self.assertEqual(set(names) - set(generations(r.pid)), set())
        try:
            wait_until("no thread is left", lambda: threads(r.pid) <= before[0] and threads(d.pid) <= before[1])
        except AssertionError:
            self.fail(f"threads are left: {threads(r.pid) - before[0]} in the runner, {threads(d.pid) - before[1]} in the daemon")
        # A probe's file stays open while its version is in use, for the probe's own process: once, and no older one.
        files = self.staged_files(d.pid)
        self.assertEqual(len(files), len(set(files)), files)
        mapped = (pathlib.Path("/proc") / str(d.pid) / "maps").read_text()
        self.assertEqual([f for f in files if f not in mapped or f.endswith(" (deleted)")], [])
        self.assertTrue(any(f["key"] == "memory.total_bytes" for f in d.runner("r1")["facts"]))

        # What was reported as ended is on the disk, whichever version wrote it.
        d.kill()
        d = self.daemon(port=port, plugin_dir=self.plugins, settings=[*self.ASKED, *keep_all])
        states = {j["id"]: j for j in d.jobs()}
        lost = {i: s for i, s in load.kept.items() if i not in states or states[i]["state"] != s}
        self.assertEqual(lost, {})
        self.assertEqual({len(d.job(i)["attempts"]) for i in list(load.kept)[-200:]}, {1})
        self.assertEqual(self.runner_runs_a_job(d), "succeeded")

    @staticmethod
    def staged_files(pid):
        """What the process has open below its stage."""
        found = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:
                pass  # closed meanwhile
        return [f for f in found if "/stage/" in f]

    def runner_runs_a_job(self, d):
        d.runner_status("r1", "online", "busy")
        return d.run(command=["true"])["state"]

    def test_descriptors_do_not_grow_with_the_number_of_replacements(self):
        d, r = self.start()
        seen = []
        for turn in range(12):
            version = f"1.1.{turn % 10}" if turn < 10 else f"1.2.{turn % 10}"
            self.install(self.runner_plugins, "executors/process.so", version)
            self.assertEqual(self.reload_runner(d, "sigrun.process").returncode, 0)
            self.install(self.plugins, "stores/sqlite.so", version, shipped="0.1.0")
            self.assertEqual(self.reload_store(d)[0], 200)
            self.assertEqual(d.run(command=["true"])["state"], "succeeded")
            wait_until("the older ones are gone", lambda: d.get("/v1/plugins/sigrun.sqlite")["retiring"] == [] and
                       len(generations(r.pid)["sigrun.process"]) == 1)
            seen.append((descriptors(r.pid), descriptors(d.pid)))
        for which in (0, 1):  # a connection more or less comes and goes
            self.assertLessEqual(min(s[which] for s in seen[-4:]), max(s[which] for s in seen[:4]), seen)

    def test_a_bad_file_is_refused_by_the_runner_and_the_old_version_goes_on(self):
        d, r = self.start()
        path = self.runner_plugins / "executors" / "process.so"
        good = path.read_bytes()
        other = (self.runner_plugins / "executors" / "call.so").read_bytes()
        gate = self.dir / "gate"
        running = d.submit(command=["sh", "-c", f"echo up; until [ -e {gate} ]; do sleep 0.05; done; echo down"])
        wait_until("it runs", lambda: d.log(running) == "up\n")
        for content, reason in ((b"no library", "ELF"), (good[:len(good) // 2], ""), (other, "id: expected sigrun.process")):
            self.put(path, content)
            said = self.reload_runner(d, "sigrun.process")
            self.assertEqual(said.returncode, 5, said.stdout + said.stderr)
            self.assertIn("was not replaced", said.stdout)
            self.assertIn(reason, said.stdout)
            self.assertEqual(self.versions(d)["sigrun.process"], "1.0.0")
            self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        r.process.send_signal(signal.SIGHUP)  # the same by signal: said in the log
        r.wait_line("1 refused")
        self.install(self.runner_plugins, "executors/process.so", "1.0.1")
        self.assertIn("sigrun.process: 1.0.0 -> 1.0.1", self.reload_runner(d, "sigrun.process").stdout)
        gate.touch()
        job = d.finished(running)
        self.assertEqual((job["state"], len(job["attempts"]), d.log(running)), ("succeeded", 1, "up\ndown\n"))

    def test_a_runner_follows_its_plugin_folder(self):
        call = self.runner_plugins / "executors" / "call.so"
        content = call.read_bytes()
        call.unlink()
        d, _ = self.start(extra=())
        # Nothing here can run it; then an executor for its kind is put into the folder.
        job_id = d.submit(kind="call", command=["echo"], payload="x")
        self.install(self.runner_plugins, "executors/process.so", "1.0.1")
        wait_until("the new version is told", lambda: self.versions(d).get("sigrun.process") == "1.0.1")
        self.assertEqual(d.job(job_id)["state"], "queued")
        self.put(call, content)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["result"]), ("succeeded", "x"), job)
        self.assertEqual(self.versions(d)["sigrun.call"], "1.0.0")
        # A broken file changes nothing, and the next good one is taken.
        self.put(self.runner_plugins / "executors" / "process.so", b"no library")
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")
        self.install(self.runner_plugins, "executors/process.so", "1.0.2")
        wait_until("a good one is taken again", lambda: self.versions(d).get("sigrun.process") == "1.0.2")
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_the_command_line_says_what_there_is_to_say(self):
        d, r = self.start()
        self.assertIn("nothing has changed on r1", self.reload_runner(d).stdout)
        self.assertIn("sigrun.call: its file holds what runs already", self.reload_runner(d, "sigrun.call").stdout)
        self.assertIn("sigrun.process 1.0.0", self.sigrun(d, "runner", "show", "r1", check=0).stdout)
        self.assertEqual(self.reload_runner(d, "sigrun.nothing").returncode, 5)
        self.assertEqual(self.sigrun(d, "--timeout", "2m", "runner", "reload", "r2").returncode, 4)
        found = self.sigrun(d, "runner", "ls", "--where",
                            'any(p in runner.plugins, p.name == "sigrun.process" && p.version >= v"1.0")', check=0)
        self.assertIn("r1", found.stdout)
        self.assertEqual(r.stop(), 0)
        d.runner_status("r1", "offline")
        gone = self.reload_runner(d)
        self.assertNotEqual(gone.returncode, 0)
        self.assertIn("not connected", gone.stdout + gone.stderr)

    def test_a_store_that_cannot_be_taken_over_is_refused_and_calls_wait_for_the_old_one(self):
        # The old one waits longer for the lock than the daemon waits for the new one.
        d, _ = self.start(settings=["instance sqlite.busy_timeout=60s"])
        self.install(self.plugins, "stores/sqlite.so", "0.2.0", shipped="0.1.0")
        first = d.submit(command=["true"])
        submitted = []
        lock = sqlite3.connect(d.state_dir / "sigrun.db", isolation_level=None)
        try:
            # Another process holds the write lock: neither version can commit anything.
            lock.execute("BEGIN IMMEDIATE")
            status, refused = self.reload_store(d)
            self.assertGreaterEqual(status, 400)
            self.assertIn("cannot go on where the old one is", str(refused))
            waiting = threading.Thread(target=lambda: submitted.append(d.submit(command=["true"], durability="fsync")))
            waiting.start()
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        waiting.join()
        self.assertEqual(len(submitted), 1)
        plugin = d.get("/v1/plugins/sigrun.sqlite")
        self.assertEqual(plugin["version"], "0.1.0")
        self.assertIn("not replaced", plugin["reason"])
        for job_id in [first] + submitted:
            self.assertEqual(d.finished(job_id)["state"], "succeeded")
        status, done = self.reload_store(d)
        self.assertEqual((status, done.get("new", {}).get("version")), (200, "0.2.0"), done)
        self.assertEqual(d.run(command=["true"], durability="fsync")["state"], "succeeded")

    def test_kill_9_between_replacements_of_the_store_loses_no_answered_submit(self):
        port = free_port()
        ids = []
        for life in range(4):
            d = self.daemon(port=port, plugin_dir=self.plugins, settings=self.ASKED)
            stop = threading.Event()

            def submit():
                while not stop.is_set():
                    try:
                        ids.append(d.submit(command=["true"], requires='label.never == "x"', durability="fsync"))
                    except Exception:  # killed under it: not answered
                        return

            submitters = [threading.Thread(target=submit) for _ in range(4)]
            for t in submitters:
                t.start()
            for turn in range(3):
                self.install(self.plugins, "stores/sqlite.so", f"0.{life + 2}.{turn}", shipped="0.1.0")
                had = len(ids)
                self.assertEqual(self.reload_store(d)[0], 200)
                wait_until("submits go on", lambda: len(ids) > had)
            d.kill()
            stop.set()
            for t in submitters:
                t.join()
        d = self.daemon(port=port, plugin_dir=self.plugins)
        known = {j["id"] for j in d.jobs()}
        self.assertEqual(set(ids) - known, set())
        self.assertEqual(len(ids), len(set(ids)))


if __name__ == "__main__":
    unittest.main()
