"""Protocol plugins are replaced in a running daemon while calls, connections and jobs go over them."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest

from harness import BIN, BUILD, SOURCE, FleetTest, free_port, wait_until

SHIPPED = {"http": b"0.1.0", "valkyrie": b"1.0.0", "websocket": b"0.1.0"}
LINES = 20


class Load:
    """Threads that repeat something until stopped, count what went well and keep what did not."""

    def __init__(self):
        self.stopping, self.bad, self.counts, self._threads = threading.Event(), [], {}, []

    def repeat(self, name, what):
        self.counts[name] = 0

        def loop():
            while not self.stopping.is_set():
                try:
                    wrong = what()
                except Exception as e:  # noqa: BLE001 - whatever it is, the test shows it
                    wrong = repr(e)
                if wrong:
                    self.bad.append((name, wrong))
                else:
                    self.counts[name] += 1

        self._threads.append(threading.Thread(target=loop))
        self._threads[-1].start()

    def wait_progress(self, names=None):
        before = dict(self.counts)
        wait_until("everything goes on", lambda: all(self.counts[n] > before[n] for n in names or before) or self.bad)
        assert not self.bad, self.bad[:3]

    def stop(self):
        self.stopping.set()
        for t in self._threads:
            t.join()


class ReloadProtocols(FleetTest):
    def setUp(self):
        super().setUp()
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins)
        self.load = Load()

    def tearDown(self):
        self.load.stop()
        super().tearDown()

    def install(self, name, version):
        path = self.plugins / "protocols" / f"{name}.so"
        shipped = (BUILD / "plugins" / "protocols" / f"{name}.so").read_bytes()
        self.assertIn(SHIPPED[name], shipped)
        new = path.with_name("." + path.name + ".new")
        new.write_bytes(shipped.replace(SHIPPED[name], version.encode()))
        os.rename(new, path)

    def replace(self, d, name, version):
        self.install(name, version)
        status, done = d.request("POST", f"/v1/plugins/sigrun.{name}/reload")
        self.assertEqual((status, done.get("new", {}).get("version")), (200, version), done)

    @staticmethod
    def version(name, turn):
        """Another version with as many characters as the shipped one."""
        return f"{SHIPPED[name].decode()[0]}.{turn // 10 + 2}.{turn % 10}"

    def retiring(self, d, name):
        return d.get(f"/v1/plugins/sigrun.{name}")["retiring"]

    def wait_retired(self, d, name):
        wait_until(f"older versions of {name} are gone", lambda: self.retiring(d, name) == [], 60)

    def bench(self, d, protocol, outstanding):
        env = dict(os.environ, NO_COLOR="1")
        return subprocess.Popen([str(BIN / "sigrun"), "--url", f"{protocol}://127.0.0.1:{d.port}", "--output", "json", "bench",
                                 "--kind", "call", "--command", "echo", "--payload", "hello", "--durability", "memory",
                                 "--outstanding", str(outstanding), "--seconds", "3600"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)

    def end_bench(self, process):
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out)
        report = json.loads(out.strip().splitlines()[-1])
        self.assertEqual(report["errors"], 0, out)
        return report["jobs"]

    def connect(self, d):
        """A connection of its own for one request: refused, or ended without an answer, is a failure."""
        with socket.create_connection(("127.0.0.1", d.port), timeout=30) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := s.recv(65536):
                answer += part
        return None if answer.startswith(b"HTTP/1.1 200") else answer

    def keep_alive(self, d):
        """Many requests of one curl, which closes and opens connections only when it is told to."""
        urls = f"url = http://127.0.0.1:{d.port}/v1/version\noutput = /dev/null\n" * 300
        done = subprocess.run(["curl", "-sS", "-w", "%{http_code}\\n", "--max-time", "60", "-K", "-"], input=urls,
                              capture_output=True, text=True)
        codes = done.stdout.split()
        return None if done.returncode == 0 and codes == ["200"] * 300 else (done.returncode, done.stderr, set(codes), len(codes))

    def output_job(self, d, runner, protocol="auto"):
        text = "".join(f"line {i} of {runner}\n" for i in range(LINES))
        script = f"i=0; while [ $i -lt {LINES} ]; do echo \"line $i of {runner}\"; i=$((i+1)); sleep 0.05; done"
        job = d.run(command=["sh", "-c", script], requires=f'label.at == "{runner}"', protocol=protocol)
        if job["state"] != "succeeded" or len(job["attempts"]) != 1:
            return job
        log = d.log(job["id"])
        return None if log == text else log

    def listening(self, d, name, *extra):
        port = free_port()
        self.start_runner(name, "--listen", f"127.0.0.1:{port}", "--slots", "4", "--label", f"at={name}", *extra, wait="listening")
        status, body = d.request("POST", "/v1/runners", {"name": name, "endpoint": f"127.0.0.1:{port}"})
        self.assertIn(status, (200, 201), body)
        wait_until("all protocols are up", lambda: SHIPPED.keys() <= {
            p["name"] for p in d.runner(name)["protocols"] if p["state"] == "up"})

    def legacy(self, d, name):
        port = free_port()
        p = self.program(sys.executable, "-u", SOURCE / "tests/fixtures/legacy_runner/legacy_runner.py", "--port", port)
        p.wait_line(str(port))
        status, body = d.request("POST", "/v1/runners", {"name": name, "endpoint": f"http://127.0.0.1:{port}", "profile": "rustci",
                                                         "labels": {"at": name}, "slots": 2})
        self.assertIn(status, (200, 201), body)
        d.runner_status(name, "online", "busy")

    def assert_nothing_lost(self, d):
        self.assertEqual(self.load.bad[:3], [])
        for name in SHIPPED:
            self.wait_retired(d, name)
        retries = [line for line in d.request("GET", "/metrics")[1].splitlines() if line.startswith("sigrun_job_retries_total")]
        self.assertEqual([float(line.rsplit(" ", 1)[1]) for line in retries], [0.0])
        closed = [line for line in d.request("GET", "/metrics")[1].splitlines()
                  if line.startswith("sigrun_connections_closed_total") and not line.endswith(" 0") and "peer_left" not in line]
        self.assertEqual(closed, [])

    def test_calls_and_connections_survive_twenty_replacements_of_each_protocol(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])
        self.runner_for(d, "r1", slots=8)
        self.runner_for(d, "r2", protocol="http", slots=8)
        self.runner_for(d, "r3", protocol="ws", slots=8)
        benches = {"valkyrie": self.bench(d, "valkyrie", 512), "http": self.bench(d, "http", 16), "websocket": self.bench(d, "ws", 64)}
        self.load.repeat("connects", lambda: self.connect(d))
        self.load.repeat("keep-alive", lambda: self.keep_alive(d))
        self.load.wait_progress()
        for turn in range(20):
            for name in SHIPPED:
                self.replace(d, name, self.version(name, turn))
                wait_until("few old versions are left", lambda: len(self.retiring(d, name)) < 8, 60)
            self.load.wait_progress(["connects"])
        ended = {protocol: self.end_bench(p) for protocol, p in benches.items()}
        self.assertGreater(min(ended.values()), 0)
        self.load.stop()
        self.assert_nothing_lost(d)
        for name in SHIPPED:
            self.assertEqual(d.get(f"/v1/plugins/sigrun.{name}")["version"], self.version(name, 19))

    def test_jobs_and_their_output_survive_replacements_on_every_kind_of_runner(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])
        self.runner_for(d, "over-valkyrie", labels=["at=over-valkyrie"])
        self.runner_for(d, "over-http", protocol="http", labels=["at=over-http"])
        self.runner_for(d, "over-websocket", protocol="ws", labels=["at=over-websocket"])
        self.listening(d, "listens")
        self.legacy(d, "old")
        for runner in ("over-valkyrie", "over-http", "over-websocket", "listens", "old"):
            self.load.repeat(runner, lambda runner=runner: self.output_job(d, runner))
        for protocol in ("http", "websocket"):
            self.load.repeat(f"listens over {protocol}", lambda protocol=protocol: self.output_job(d, "listens", protocol))
        self.load.wait_progress()
        for turn in range(20):
            for name in SHIPPED:
                self.replace(d, name, self.version(name, turn))
                wait_until("few old versions are left", lambda: len(self.retiring(d, name)) < 8, 60)
            if turn % 5 == 4:
                self.load.wait_progress()
        self.load.stop()
        self.assert_nothing_lost(d)
        for runner in ("over-valkyrie", "over-http", "over-websocket", "listens", "old"):
            self.assertEqual(d.runner(runner)["in_flight"], 0)

    def test_a_runner_replaces_its_own_protocols_while_its_jobs_run(self):
        d = self.daemon()
        own = ("--plugin-dir", self.plugins)
        self.runner_for(d, "dials", labels=["at=dials"], extra=own)
        self.runner_for(d, "dials-http", protocol="http", labels=["at=dials-http"], extra=own)
        self.listening(d, "listens", *own)
        runners = ("dials", "dials-http", "listens")
        for runner in runners:
            self.load.repeat(runner, lambda runner=runner: self.output_job(d, runner))
        self.load.repeat("listens over http", lambda: self.output_job(d, "listens", "http"))

        def version_of(runner, name):
            for fact in d.runner(runner)["facts"]:
                if fact["key"] == "runner.plugins":
                    return {p["name"]: p["version"] for p in fact["value"]}.get(f"sigrun.{name}")
            return None

        for turn in range(4):
            for name in SHIPPED:
                version = self.version(name, turn)
                self.install(name, version)
                for runner in runners:
                    self.sigrun(d, "runner", "reload", runner, f"sigrun.{name}")
                    wait_until(f"{runner} has {version}", lambda: version_of(runner, name) == version)
            self.load.wait_progress()
        self.load.stop()
        self.assertEqual(self.load.bad[:3], [])
        for runner in runners:
            self.assertEqual(d.runner(runner)["in_flight"], 0)
        for p in self._programs[1:]:
            for name in SHIPPED:
                wait_until(f"older versions of {name} are gone", lambda: len(self.mapped(p.pid, name)) == 1, 60)

    @staticmethod
    def mapped(pid, name):
        lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        return {line.rsplit("/", 1)[-1] for line in lines if f"/sigrun.{name}-g" in line}

    def test_a_protocol_that_is_another_one_is_refused_and_the_running_one_goes_on(self):
        d = self.daemon(plugin_dir=self.plugins, settings=["plugins.watch=no"])
        self.runner_for(d)
        path = self.plugins / "protocols" / "http.so"
        content = path.read_bytes()
        path.with_name(".new").write_bytes(content[:len(content) // 3])
        os.rename(path.with_name(".new"), path)
        status, problem = d.request("POST", "/v1/plugins/sigrun.http/reload")
        self.assertGreaterEqual(status, 400, problem)
        self.assertIn("not replaced", d.get("/v1/plugins/sigrun.http")["reason"])
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")


if __name__ == "__main__":
    unittest.main()
