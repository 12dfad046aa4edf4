"""What the daemon says to what it cannot use; and that it goes on."""
import os
import shutil
import socket
import subprocess
import unittest

from harness import BIN, BUILD, FleetTest, free_port


class BadInput(FleetTest):
    def refused(self, *arguments):
        done = subprocess.run([str(BIN / "sigrund"), *map(str, arguments)], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_wrong_configuration_names_file_line_and_the_nearest_key(self):
        config = self.dir / "sigrun.ini"
        config.write_text("[server]\nlisten = 127.0.0.1:0\npeek_timout = 3s\n")
        text = self.refused("--config", config, "--state-dir", self.dir / "s")
        for part in ("peek_timout", "peek_timeout", "sigrun.ini:3"):
            self.assertIn(part, text)
        config.write_text("[servr]\nlisten = 127.0.0.1:0\n")
        self.assertIn("server", self.refused("--config", config, "--state-dir", self.dir / "s"))
        self.assertIn("default_algorithm", self.refused("--state-dir", self.dir / "s", "--set", "balancer.default_algoritm=x"))

    def test_an_unknown_balancer_lists_the_known_ones(self):
        text = self.refused("--state-dir", self.dir / "s", "--set", "balancer.default_algorithm=fastest")
        self.assertIn("round_robin", text)
        self.assertIn("fastest", text)

    def test_a_port_in_use_an_unwritable_state_directory_and_a_second_daemon_say_what_to_do(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            text = self.refused("--state-dir", self.dir / "s", "--set", f"server.listen=127.0.0.1:{s.getsockname()[1]}")
            self.assertIn("in use", text)
        self.assertIn("--state-dir", self.refused("--state-dir", "/proc/nowhere", "--set", "server.listen=127.0.0.1:0"))
        d = self.daemon()
        self.assertIn("in use", self.refused("--state-dir", d.state_dir, "--set", "server.listen=127.0.0.1:0"))
        self.assertIn("allow_remote", self.refused("--state-dir", self.dir / "s", "--set", "server.listen=0.0.0.0:0"))

    def test_addresses_are_judged_before_anything_is_opened(self):
        for address, part in (("banana", "HOST:PORT"), ("127.0.0.1:", "HOST:PORT"), ("0.0.0.0:7070", "allow_remote")):
            p = self.program(BIN / "sigrund", "--state-dir", self.dir / "unused", "--set", f"server.listen={address}")
            p.wait_line(part)
            self.assertEqual(p.process.wait(30), 1)
            self.assertFalse((self.dir / "unused").exists())
        d = self.daemon()
        for endpoint in ("127.0.0.1", "host:port", "host:0"):
            status, problem = d.request("POST", "/v1/runners", {"name": "x", "endpoint": endpoint})
            self.assertEqual((status, problem["field"]), (400, "endpoint"), problem)

    def test_bad_plugins_are_refused_with_the_reason_and_the_daemon_goes_on(self):
        plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", plugins)
        (plugins / "balancers" / "text.so").write_text("this is not a library\n")
        whole = (BUILD / "plugins" / "balancers" / "round_robin.so").read_bytes()
        (plugins / "balancers" / "half.so").write_bytes(whole[: len(whole) // 2])
        d = self.daemon(plugin_dir=plugins)
        listed = {os.path.basename(p["file"]): p for p in d.get("/v1/plugins")["items"]}
        self.assertEqual(listed["text.so"]["state"], "rejected")
        self.assertIn("ELF", listed["text.so"]["reason"])
        self.assertEqual(listed["half.so"]["state"], "rejected")
        self.assertTrue(listed["half.so"]["reason"])
        self.assertEqual(listed["round_robin.so"]["state"], "active")
        self.runner_for(d)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_documents_are_refused_with_field_expected_and_found(self):
        d = self.daemon()
        cases = [
            ({"comand": ["true"]}, "comand", "command"),
            ({"command": "true"}, "command", "array"),
            ({"command": []}, "command", "empty"),
            ({}, "command", "neither"),
            ({"command": ["true"], "timeouts": {"run": "soon"}}, "timeouts.run", "soon"),
            ({"command": ["true"], "priority": "urgent"}, "priority", "critical"),
            ({"command": ["true"], "balancer": "fastest"}, "balancer", "round_robin"),
            ({"command": ["true"], "protocol": "carrier-pigeon"}, "protocol", "valkyrie"),
            ({"command": ["true"], "retry": {"user": -1}}, "retry.user", "-1"),
            ({"command": ["true"], "labels": {"sigrun.x": "y"}}, "labels", "sigrun."),
            ({"command": ["true"], "env": {"A=B": "y"}}, "env", "A=B"),
            ({"command": ["true"], "requires": "cpu.cores >= "}, "requires", "column"),
        ]
        for document, field, part in cases:
            with self.subTest(document=document):
                status, body = d.request("POST", "/v1/jobs", document)
                self.assertEqual(status, 400, body)
                self.assertTrue(d.last_headers["Content-Type"].startswith("application/problem+json"))
                self.assertIn(field, body["field"])
                self.assertIn(part, body["detail"])
        for raw in ("{", "[1]", "", "{\"command\":[\"\xff\"]}", "{}{}", "null"):
            status, body = d.request("POST", "/v1/jobs", raw.encode("latin-1") if raw else b"", {"Content-Type": "application/json"})
            self.assertEqual(status, 400, (raw, body))
        for path, status in (("/v1/jobs/nonsense", 400), ("/v1/jobs/00000000-0000-7000-8000-000000000000", 404),
                             ("/v1/runners/nobody", 404), ("/v1/plugins/nothing", 404), ("/nowhere", 404),
                             ("/v1/jobs?limit=0", 400), ("/v1/jobs?state=odd", 400)):
            self.assertEqual(d.request("GET", path)[0], status, path)
        self.assertEqual(d.get("/healthz")["status"], "ok")

    def test_requests_of_web_pages_and_query_keys_without_a_meaning_are_refused(self):
        d = self.daemon()
        job = '{"command":["true"]}'
        here = f"127.0.0.1:{d.port}"
        typed = {"Content-Type": "application/json"}
        cases = [
            ({"Content-Type": "text/plain"}, 415, "Content-Type"),
            ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "Content-Type"),
            ({**typed, "Origin": "http://evil.example"}, 403, "Origin"),
            ({**typed, "Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site"),
            ({**typed, "Host": "evil.example", "Origin": "http://evil.example"}, 421, "Host"),
            ({**typed, "Authorization": "uid 0"}, 401, "Authorization"),
            ({**typed, "Host": here, "Origin": f"http://{here}"}, 201, None),
        ]
        for headers, expected, field in cases:
            with self.subTest(headers=headers):
                status, body = d.request("POST", "/v1/jobs", job, headers)
                self.assertEqual(status, expected, body)
                if field:
                    self.assertEqual(body["field"], field)
                    self.assertTrue(body["expected"] and body["found"])
        self.assertEqual(len(d.get("/v1/jobs")["items"]), 1)
        self.runner_for(d)
        self.assertEqual(d.request("POST", "/v1/runners/r1/drain?deadline=1m")[0], 400)
        self.assertEqual(d.request("POST", "/v1/runners/r1/drain?reason=disk")[0], 200)
        self.assertEqual(d.request("HEAD", "/v1/jobs/00000000-0000-7000-8000-000000000000/logs")[0], 404)
        self.assertEqual(d.request("HEAD", f"/v1/jobs/{d.get('/v1/jobs')['items'][0]['id']}/logs")[0], 200)

    def test_garbage_and_silence_on_the_port_disturb_nobody(self):
        d = self.daemon(settings=["server.peek_timeout=300ms"])
        self.runner_for(d)
        sockets = []
        for first in (b"\x00\x01\x02\x03" * 64, b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01", b"", b"SSH-2.0-x\r\n",
                      b"GET " + b"a" * 100_000, b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n"):
            for _ in range(20):
                s = socket.create_connection(("127.0.0.1", d.port))
                s.settimeout(30)
                try:
                    s.sendall(first)
                except OSError:
                    pass
                sockets.append((first, s))
        self.assertEqual(d.run(command=["echo", "still here"])["state"], "succeeded")
        for first, s in sockets:
            if first in (b"", b"G", b"\x00\x01\x02\x03" * 64, b"SSH-2.0-x\r\n"):
                try:
                    self.assertEqual(s.recv(1), b"", first)  # closed at the deadline, or at once
                except ConnectionResetError:
                    pass
            s.close()
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_the_metrics_are_prometheus_text_and_count_what_happened(self):
        d = self.daemon()
        self.runner_for(d)
        for _ in range(3):
            d.run(command=["true"])
        text = d.get("/metrics")
        self.assertIn('sigrun_jobs_finished_total{outcome="succeeded"} 3', text)
        self.assertIn("# TYPE sigrun_jobs_submitted_total counter", text)


if __name__ == "__main__":
    unittest.main()
