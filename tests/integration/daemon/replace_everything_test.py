"""Each shipped plugin is replaced twenty times while 50,000 jobs and more go over every protocol; nothing is lost, nothing runs twice."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import unittest

from harness import BIN, BUILD, FleetTest, wait_until

TURNS = 20
JOBS = 50_000
SCHEMES = {"valkyrie": "valkyrie", "http": "http", "websocket": "ws", "grpc": "grpc"}


class ReplaceEverything(FleetTest):
    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"  # of the daemon and of the runners
        shutil.copytree(BUILD / "plugins", self.plugins)
        self.stopping, self.bad, self.threads = threading.Event(), [], []

    def tearDown(self):
        self.stopping.set()
        for t in self.threads:
            t.join()
        super().tearDown()

    def repeat(self, what):
        def loop():
            while not self.stopping.is_set():
                try:
                    what()
                except Exception as e:  # noqa: BLE001 - whatever it is, the test shows it
                    self.bad.append(repr(e))
                    return
        self.threads.append(threading.Thread(target=loop))
        self.threads[-1].start()

    def bench(self, d, protocol, scheme, outstanding):
        return subprocess.Popen([str(BIN / "sigrun"), "--url", f"{scheme}://127.0.0.1:{d.port}", "--output", "json", "bench",
                                 "--kind", "call", "--command", "echo", "--payload", "hello", "--durability", "memory",
                                 "--protocol", protocol, "--outstanding", str(outstanding), "--seconds", "3600"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, NO_COLOR="1"))

    def finished_calls(self, bench):
        bench.send_signal(signal.SIGINT)
        out, _ = bench.communicate(timeout=60)
        self.assertEqual(bench.returncode, 0, out)
        report = json.loads(out.strip().splitlines()[-1])
        self.assertEqual(report["errors"], 0, out)
        return report["jobs"]

    def install(self, path, turn):
        """What a rebuild with another version number would give, put in place by rename."""
        shipped = (BUILD / "plugins" / path.relative_to(self.plugins)).read_bytes()
        old = b"1.0.0" if b"1.0.0" in shipped else b"0.1.0"
        version = f"{chr(old[0])}.{turn // 10 + 2}.{turn % 10}"
        new = path.with_name("." + path.name + ".new")
        new.write_bytes(shipped.replace(old, version.encode()))
        os.rename(new, path)
        return version

    def connect(self, d):
        with socket.create_connection(("127.0.0.1", d.port), timeout=30) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := s.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200"), answer
        self.connections += 1

    def write_a_line(self, d):
        """A durable process job; each run of it leaves a line."""
        name = f"job-{len(self.names)}"
        self.names.append(name)
        job = d.run(command=["sh", "-c", f"echo {name} >> {self.dir}/ran; echo out {name}"])
        assert job["state"] == "succeeded" and len(job["attempts"]) == 1, job
        assert d.log(job["id"]) == f"out {name}\n", job

    def older_ones_go(self, d, name):
        left = []

        def gone():
            left[:] = d.get(f"/v1/plugins/sigrun.{name}")["retiring"]
            return not left
        try:
            wait_until(f"older versions of {name} are gone", gone, 120)
        except AssertionError as e:
            raise AssertionError(f"{e}; left: {left}") from None  # it says what they wait for

    def test_no_job_is_lost_or_runs_twice_and_no_connection_is_refused(self):
        self.replace("balancers", "executors", "protocols", "stores")

    def test_the_same_for_probes(self):
        self.replace("probes")

    def replace(self, *kinds):
        # The benches end thousands of jobs a second; those whose output is asked for are to be found among them.
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no", "jobs.keep_finished=200000"])
        extra = ["--plugin-dir", self.plugins, "--set", "runner.plugin_watch=no", "--set", "runner.plugin_probation=0s"]
        for protocol, scheme in SCHEMES.items():
            self.runner_for(d, f"by-{protocol}", scheme, slots=64, extra=extra)
        self.names, self.connections = [], 0
        benches = [self.bench(d, protocol, scheme, 48 if protocol == "valkyrie" else 16) for protocol, scheme in SCHEMES.items()]
        self.addCleanup(lambda: [b.poll() is None and b.kill() for b in benches])
        self.repeat(lambda: self.connect(d))
        self.repeat(lambda: self.write_a_line(d))

        def done():
            for line in d.request("GET", "/metrics")[1].splitlines():
                if line.startswith('sigrun_jobs_finished_total{outcome="succeeded"}'):
                    return float(line.rsplit(" ", 1)[1])
            return 0

        versions = {}
        files = sorted(p for kind in kinds for p in (self.plugins / kind).glob("*.so"))
        for turn in range(TURNS):
            for path in files:
                versions[path.stem] = self.install(path, turn)
            for path in files:
                status, answer = d.request("POST", f"/v1/plugins/sigrun.{path.stem}/reload")
                self.assertEqual((status, answer.get("new", {}).get("version")), (200, versions[path.stem]), answer)
            for protocol in SCHEMES:
                status, answer = d.request("POST", f"/v1/runners/by-{protocol}/reload")
                self.assertEqual((status, [p for p in answer.get("plugins", [answer]) if "error" in p]), (200, []), answer)
            self.assertEqual(self.bad, [])
        wait_until(f"{JOBS} jobs", lambda: self.bad or done() >= JOBS, 240)

        calls = [self.finished_calls(b) for b in benches]
        self.stopping.set()
        for t in self.threads:
            t.join()
        self.assertEqual(self.bad, [])
        self.assertGreaterEqual(sum(calls) + len(self.names), JOBS)
        self.assertGreater(min(calls), 100)
        self.assertGreater(self.connections, 100)
        self.assertEqual(sorted((self.dir / "ran").read_text().split()), sorted(self.names))
        for name, version in versions.items():
            self.assertEqual(d.get(f"/v1/plugins/sigrun.{name}")["version"], version)
            self.older_ones_go(d, name)
        for protocol in SCHEMES:
            facts = json.dumps(d.runner(f"by-{protocol}"))
            for name in {"process", "call", "cpu", *SCHEMES} & set(versions):
                self.assertIn(versions[name], facts)


if __name__ == "__main__":
    unittest.main()
