"""Secrets stay secret: everything that programs write, answer and keep is searched for each secret that was used; and whoever has
none is told so, over every protocol, and gets nothing else."""
import base64
import json
import socket
import stat
import subprocess
import sys
import unittest

from harness import BIN, SOURCE, FleetTest, free_port
from secure_fleet import Proxy, SecureFleet, key, make_certificates, pem

ENCRYPTED = {"valkyrie": "valkyrie+tls", "grpc": "grpcs", "websocket": "wss", "http": "https"}
PROXY_PASSWORD, ENDPOINT_PASSWORD, ENDPOINT_TOKEN = "proxy-pass-7431", "endpoint-pass-9218", "endpoint-token-5561"


class Secrets(SecureFleet, FleetTest):
    @classmethod
    def setUpClass(cls):
        make_certificates()

    def agent(self, d, name, protocol, *arguments, env=None, host="localhost"):
        return self.program(BIN / "sigrun-runner", "--name", name, "--state-dir", self.dir / name, "--url",
                            f"{ENCRYPTED[protocol]}://{host}:{d.port}", "--ca", pem("ca"), "--set", f"runner.protocols={protocol}",
                            "--set", "runner.log_level=trace", *arguments, env=env)

    def everything_said(self, d):
        """Name -> text of all that a caller with every right can ask for."""
        said = {}
        for words in (("config", "show"), ("config", "get"), ("config", "history"), ("runner", "show", self.names[0], "--facts"),
                      ("token", "ls"), ("job", "show", self.jobs[0])):
            done = self.cli(d.socket, *words, ca=None)
            said["sigrun " + " ".join(words)] = done.stdout + done.stderr
        calls = [f"/v1/call/{m}" for m in ("config.show", "config.history", "tokens.list", "health.ready")]
        for path in ("/metrics", "/v1/stats", "/v1/plugins", "/v1/config", "/v1/runners", "/v1/jobs", "/v1/version", "/", "/v1/openapi.json",
                     *(f"/v1/runners/{r}" for r in self.names), *(f"/v1/jobs/{j}{x}" for j in self.jobs for x in ("", "/explain", "/logs"))):
            said[path] = self.unix_curl(d, path)
        for path in calls:
            said[path] = self.unix_curl(d, path, "-X", "POST")
            self.assertTrue(said[path].startswith("{"), said[path])
        said["events"] = self.unix_curl(d, "/v1/events?after=0", "--max-time", "2", "-N")
        self.assertIn("Runner", said["events"])
        return said

    @staticmethod
    def unix_curl(d, path, *options):
        return subprocess.run(["curl", "-s", "--unix-socket", f"{d.state_dir}/sigrun.sock", *options, f"http://localhost{path}"],
                              capture_output=True, text=True, errors="replace", timeout=30).stdout

    def test_no_secret_is_in_a_log_an_event_a_metric_an_answer_an_error_or_a_file(self):
        way_out = Proxy(credentials=f"user:{PROXY_PASSWORD}")
        self.addCleanup(way_out.close)
        d = self.secure_daemon("log.level=trace", f"net.proxy=http://user:{PROXY_PASSWORD}@127.0.0.1:{way_out.port}")
        secrets = {"the proxy's password": PROXY_PASSWORD, "the proxy's credentials": base64.b64encode(f"user:{PROXY_PASSWORD}".encode()).decode()}
        # Runners that join over each protocol, one of them through the proxy.
        self.names, agents = [], []
        through = {"HTTPS_PROXY": f"http://user:{PROXY_PASSWORD}@127.0.0.1:{way_out.port}"}
        for protocol in ENCRYPTED:
            join = self.token(d, "--join", "--runners", f"by-{protocol}")
            secrets[f"the join token of by-{protocol}"] = join
            options = {"env": through, "host": "controller.test"} if protocol == "valkyrie" else {}
            agents.append(self.agent(d, f"by-{protocol}", protocol, "--join", join, **options))
            self.names.append(f"by-{protocol}")
        for name in self.names:
            self.runner_status(d, name, "online", "busy")
        self.assertTrue(way_out.heads)
        # A runner that is dialled with credentials of its own, and one that is added with what is no use.
        port = free_port()
        old = self.program(sys.executable, "-u", SOURCE / "tests/fixtures/legacy_runner/legacy_runner.py", "--port", port)
        old.wait_line(str(port))
        for name, options in (("old", {"auth": "basic", "username": "u", "password": ENDPOINT_PASSWORD}),
                              ("bad", {"auth": "bearer", "token": ENDPOINT_TOKEN, "passwort": ENDPOINT_PASSWORD})):
            document = {"name": name, "endpoint": f"http://127.0.0.1:{port}", "profile": "rustci", "options": options}
            answer = self.unix_curl(d, "/v1/runners", "-H", "Content-Type: application/json", "-d", json.dumps(document))
            self.assertNotIn(ENDPOINT_PASSWORD, answer)
            self.assertNotIn(ENDPOINT_TOKEN, answer)
        self.names.append("old")
        self.runner_status(d, "old", "online", "busy")
        secrets |= {"an endpoint's password": ENDPOINT_PASSWORD, "an endpoint's token": ENDPOINT_TOKEN,
                    "an endpoint's credentials": base64.b64encode(f"u:{ENDPOINT_PASSWORD}".encode()).decode()}
        # Callers, right and wrong, over each protocol.
        submitter, admin = self.token(d, "ci", "--role", "submitter"), self.token(d, "boss", "--role", "admin")
        secrets |= {"a submitter's token": submitter, "an admin's token": admin}
        wrong = "sigrun_" + "x" * 8 + "_" + "wrongsecret" * 3
        secrets["a wrong token"] = wrong
        self.jobs, errors = [], []
        for protocol, scheme in ENCRYPTED.items():
            url = f"{scheme}://localhost:{d.port}"
            done = self.cli(url, "submit", "--requires", 'runner.name == "nobody"' if protocol == "http" else "true", "--", "true",
                            token=submitter, check=0)
            self.jobs.append(done.stdout.strip())
            for token in (wrong, submitter + "x", submitter):
                refused = self.cli(url, "token", "ls", token=token)
                self.assertNotEqual(refused.returncode, 0)
                errors.append(refused.stdout + refused.stderr)
            errors.append(self.cli(url, "--token", admin, "runner", "show", admin).stderr.replace(f'"{admin}"', ""))
        errors.append(self.cli(f"valkyrie://192.0.2.1:{d.port}", "job", "ls", token=admin).stderr)
        errors.append(self.curl(d, "/v1/jobs", "-H", f"Authorization: Bearer {wrong}").stdout)
        errors.append(self.curl(d, "/v1/jobs", "-u", f"user:{wrong}").stdout)
        errors.append(self.curl(d, "/v1/jobs", "-H", f"Authorization: Digest {wrong}").stdout)
        stranger = self.agent(d, "stranger", "valkyrie", "--join", wrong)
        stranger.wait_line("unknown, expired or used up")
        stranger.wait_line(" debug agent")
        socket.create_connection(("127.0.0.1", d.port)).close()
        d.wait_line(" debug listener")
        # Private keys: of the daemon, and of each runner, which is in its own file and nowhere else.
        secrets["the daemon's private key"] = open(key("server")).read().splitlines()[2]
        own = {}
        for name in [n for n in self.names if n != "old"]:
            for file in (self.dir / name).rglob("*"):
                if file.is_file() and "key" in file.name:
                    self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)
                    own[file] = file.read_text().strip().splitlines()[-1]
        self.assertEqual(len(own), len(ENCRYPTED), own.keys())
        said = self.everything_said(d)
        said |= {f"error {i}": text for i, text in enumerate(errors)}
        for p in (*agents, stranger, old, d):
            p.stop()
            p._reader.join(10)
        said |= {" ".join(p.argv[:1]) + f" {i}": "\n".join(p.lines) for i, p in enumerate(self._programs)}
        found = []
        for what, secret in secrets.items():
            for part in {secret, secret.rsplit("_", 1)[-1]}:
                found += [f"{what} is in {where}" for where, text in said.items() if part in text]
        for file, secret in own.items():
            found += [f"{file.name} of a runner is in {where}" for where, text in said.items() if secret in text]
        for file in self.dir.rglob("*"):
            if not file.is_file():
                continue
            content = file.read_bytes()
            for what, secret in secrets.items():
                if secret.encode() not in content and secret.rsplit("_", 1)[-1].encode() not in content:
                    continue
                if (what.startswith("an endpoint's") and file.name.startswith("sigrun.db")) or \
                        (what == "the proxy's password" and file.parent == d.state_dir / "config"):
                    # The daemon dials with them again after a restart, or a rollback. Such files are their owner's alone.
                    self.assertEqual(stat.S_IMODE(file.stat().st_mode) & 0o077, 0, file)
                else:
                    found.append(f"{what} is in the file {file}")
            found += [f"the key {f} is in {file}" for f, secret in own.items() if secret.encode() in content and f != file]
        self.assertEqual(found, [])

    def test_a_runner_without_a_valid_token_gets_a_clear_refusal_over_each_protocol_and_nothing_else(self):
        d = self.secure_daemon()
        submitter = self.token(d, "ci", "--role", "submitter")
        waiting = self.cli(f"https://localhost:{d.port}", "submit", "--", "true", token=submitter, check=0).stdout.strip()
        other = self.token(d, "--join", "--runners", "gpu-*")
        for protocol in ENCRYPTED:
            cases = {"nothing": ([], "does not know this runner"), "made-up": (["--join", "sigrun_abcdefgh_0123456789"], "unknown, expired or used up"),
                     "for-others": (["--join", other], "is for other names"), "of-a-client": (["--join", submitter], "may not")}
            agents = {what: self.agent(d, f"{what}-{protocol}", protocol, *arguments) for what, (arguments, _) in cases.items()}
            for what, (_, words) in cases.items():
                agents[what].wait_line(words, 90)
            for what, p in agents.items():
                p.stop()
                self.assertFalse([line for line in p.lines if "connected to" in line], what)
        self.assertEqual(json.loads(self.admin(d, "runner", "ls", "-o", "json"))["items"], [])
        self.assertEqual(json.loads(self.admin(d, "job", "show", waiting, "-o", "json"))["attempts"], [])
        self.assertGreaterEqual(self.metric(d, "sigrun_auth_refusals_total"), 4 * len(ENCRYPTED))

    def test_a_runner_without_a_valid_certificate_gets_no_further_than_the_handshake_over_each_protocol(self):
        d = self.secure_daemon(f"tls.client_ca={pem('ca')}", "tls.client_auth=required")
        for protocol in ENCRYPTED:
            agents = [self.agent(d, f"none-{protocol}", protocol),
                      self.agent(d, f"stranger-{protocol}", protocol, "--cert", pem("stranger"), "--key", key("stranger"))]
            agents[0].wait_line("alert certificate required", 90)
            agents[1].wait_line("alert unknown ca", 90)
            for p in agents:
                p.stop()
                self.assertFalse([line for line in p.lines if "connected to" in line])
        self.assertGreaterEqual(self.metric(d, 'sigrun_tls_handshakes_total{outcome="failed"}'), 2 * len(ENCRYPTED))
        self.assertEqual(json.loads(self.admin(d, "runner", "ls", "-o", "json"))["items"], [])


if __name__ == "__main__":
    unittest.main()
