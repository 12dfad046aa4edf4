"""Real daemons and runners for tests: starts the built programs on loopback with their own state directories, waits for
events with a deadline, and ends only what it started."""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from sanitizer_reports import SanitizerReports, is_crash

BUILD = pathlib.Path(os.environ["SIGRUN_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["SIGRUN_SOURCE_DIR"])
BIN = BUILD / "bin"
DEADLINE = float(os.environ.get("SIGRUN_TEST_DEADLINE", "30"))


def wait_until(what, condition, deadline=DEADLINE):
    """Returns the first true value of condition(); fails with `what` after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        threading.Event().wait(0.02)


class Program:
    """A started program whose output is read line by line."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [str(a) for a in argv]
        self.lines = []
        self._news = threading.Condition()
        full = dict(os.environ, **(env or {}))
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        errors="replace", env=full, cwd=cwd)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_line(self, part, deadline=DEADLINE):
        end = time.monotonic() + deadline
        with self._news:
            while True:
                for line in self.lines:
                    if part in line:
                        return line
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"{self.argv[0]} never printed {part!r}; it printed:\n" + "\n".join(self.lines))
                self._news.wait(min(left, 0.2))

    def said(self, part):
        """Whether one that has ended printed this."""
        self._reader.join(DEADLINE)
        return any(part in line for line in self.lines)

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, deadline=DEADLINE):
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[0]} did not stop; it printed:\n" + "\n".join(self.lines))


_reserved = []  # of this process, until it ends


def free_port():
    """One that nobody listens on, that no outgoing connection of this machine is given before it is used, and that no other test has
    been given, which may be about to listen there or to do so again."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port, mark = random.SystemRandom().randrange(10_000, max(lowest, 15_000)), socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                mark.bind(f"\0sigrun-test-port-{port}")
            except OSError:
                mark.close()
                continue
        _reserved.append(mark)
        return port


class Daemon(Program):
    def __init__(self, state_dir, port=0, settings=(), plugin_dir=None, config=None, env=None, prefix=()):
        self.state_dir = pathlib.Path(state_dir)
        argv = [*prefix, BIN / "sigrund", "--state-dir", state_dir, "--set", f"server.listen=127.0.0.1:{port}"]
        # A minute of probation is too long for tests; those that are about it say so.
        if not any(s.startswith("plugins.probation=") for s in settings):
            settings = [*settings, "plugins.probation=0s"]
        for s in settings:
            argv += ["--set", s]
        if plugin_dir:
            argv += ["--plugin-dir", plugin_dir]
        if config:
            argv += ["--config", config]
        super().__init__(argv, env=env)

    def ready(self):
        line = self.wait_line("listening on 127.0.0.1:")
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, parsed JSON or text) of one HTTP request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})} if body else headers or {})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            self.last_headers = dict(response.getheaders())
            kind = response.getheader("Content-Type", "")
            return response.status, json.loads(text) if "json" in kind and text else text
        finally:
            connection.close()

    def get(self, path):
        status, body = self.request("GET", path)
        assert status == 200, (path, status, body)
        return body

    def submit(self, **document):
        status, body = self.request("POST", "/v1/jobs", document)
        assert status == 201, (status, body)
        return body["id"]

    def run(self, wait="30s", **document):
        status, body = self.request("POST", f"/v1/jobs?wait={wait}", document)
        assert status in (200, 201), (status, body)
        return body

    def job(self, job_id):
        return self.get(f"/v1/jobs/{job_id}")

    def jobs(self):
        """All there are, page by page, as the list shows them."""
        items, cursor = [], ""
        while True:
            page = self.get(f"/v1/jobs?limit=1000{'&cursor=' + cursor if cursor else ''}")
            items += page["items"]
            if not page["next"]:
                return items
            cursor = page["next"]

    def log(self, job_id):
        return self.get(f"/v1/jobs/{job_id}/logs")

    def finished(self, job_id, deadline=DEADLINE):
        return wait_until(f"job {job_id} ends", lambda: (lambda j: j if j["finished_at"] else None)(self.job(job_id)), deadline)

    def runner(self, name):
        return self.get(f"/v1/runners/{name}")

    def facts(self, name, *keys, deadline=DEADLINE):
        """What is known of a runner, by key, once these keys are; without any: once all its probes have answered. A runner is
        connected before it knows what takes it long to find out."""
        def not_yet(fact):
            return fact is None or fact.get("detail", "").startswith("not known yet")

        def look():
            known = {f["key"]: f for f in self.runner(name)["facts"]}
            missing = [known.get(k) for k in keys] if keys else list(known.values())
            return None if any(map(not_yet, missing)) else known
        return wait_until(f"runner {name} knows {', '.join(keys) or 'everything'}", look, deadline)

    def runner_status(self, name, *statuses, deadline=DEADLINE):
        def look():
            code, r = self.request("GET", f"/v1/runners/{name}")
            return r if code == 200 and r["status"] in statuses else None
        return wait_until(f"runner {name} is {statuses}", look, deadline)


def end_orphans(below):
    """Jobs outlive a runner that was killed. Each shim that waits for the next one gets its last order (sigrun/shim.h)."""
    kill_at_once = struct.pack("=IIQII", 2, 16, 0, 1, 0)
    for place in pathlib.Path(below).glob("*/attempts/*"):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(10)
                s.connect(str(place / "shim.sock"))
                s.sendall(kill_at_once)
                while s.recv(4096):
                    pass
        except OSError:
            pass  # none waits there


class FleetTest(unittest.TestCase):
    """A temporary folder, and programs that are ended with the test. What a sanitizer reports fails it."""

    crashes_on_purpose = False  # with plugins that raise SIGSEGV and its like

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-test-"))
        self._programs = []
        self._reports = SanitizerReports()

    def tearDown(self):
        for p in reversed(self._programs):
            if p.process.poll() is None:
                p.process.send_signal(signal.SIGTERM)
        for p in reversed(self._programs):
            try:
                p.process.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
        failed = any(error for _, error in getattr(self._outcome, "errors", [])) or \
            (hasattr(self._outcome, "result") and bool(self._outcome.result.failures or self._outcome.result.errors))
        for p in self._programs:
            p._reader.join(5)
            p.process.stdout.close()
        reports = [r for r in self._reports.close() if not (self.crashes_on_purpose and is_crash(r))]
        if failed or reports:
            for p in self._programs:
                print(f"--- {' '.join(p.argv)} (exit {p.process.poll()})")
                print("\n".join(p.lines[-60:]))
        end_orphans(self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)
        if reports:
            self.fail("a sanitizer reported:\n" + "\n".join(reports))

    def program(self, *argv, env=None):
        p = Program(argv, env=env)
        self._programs.append(p)
        return p

    def daemon(self, name="daemon", **kwargs):
        d = Daemon(self.dir / name, **kwargs)
        self._programs.append(d)
        return d.ready()

    def start_runner(self, name, *arguments, wait="runner", env=None):
        # Measuring the machine would disturb whatever else is tested on it; tests that are about it say so.
        if not any(str(a).startswith("runner.benchmark=") for a in arguments):
            arguments += ("--set", "runner.benchmark=no")
        p = self.program(BIN / "sigrun-runner", "--name", name, "--state-dir", self.dir / name, *arguments,
                         env=env)
        p.wait_line(wait)
        return p

    def runner_for(self, daemon, name="r1", protocol="valkyrie", slots=4, labels=(), extra=()):
        arguments = ["--url", f"{protocol}://127.0.0.1:{daemon.port}", "--slots", str(slots)]
        for label in labels:
            arguments += ["--label", label]
        p = self.start_runner(name, *arguments, *extra)
        daemon.runner_status(name, "online", "busy")
        return p

    def sigrun(self, daemon, *arguments, check=None, input=None):
        env = dict(os.environ, SIGRUN_URL=f"valkyrie://127.0.0.1:{daemon.port}", NO_COLOR="1")
        done = subprocess.run([str(BIN / "sigrun"), *map(str, arguments)], capture_output=True, text=True, env=env, timeout=60,
                              input=input)
        if check is not None:
            self.assertEqual(done.returncode, check, done.stdout + done.stderr)
        return done


def processes_with(marker):
    """Pids whose environment or command line contains the marker."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() in (entry / "environ").read_bytes() or marker.encode() in (entry / "cmdline").read_bytes():
                if b"Z" != (entry / "stat").read_bytes().rsplit(b")", 1)[1].split()[0]:
                    found.append(int(entry.name))
        except OSError:
            pass
    return found
