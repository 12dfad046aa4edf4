"""TLS, tokens and joining with real programs: openssl, curl, runners that dial in, a proxy in front."""
import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import unittest

from harness import BIN, BUILD, DEADLINE, FleetTest, wait_until
from secure_fleet import Proxy, SecureFleet, key, make_certificates, pem


class SecurityTest(SecureFleet, FleetTest):
    @classmethod
    def setUpClass(cls):
        make_certificates()

    def test_strangers_tools_speak_tls_with_the_one_port(self):
        d = self.secure_daemon()
        token = self.token(d, "ci", "--role", "reader")
        answer = self.s_client(d, "-tls1_3", "-alpn", "http/1.1", "-ign_eof",
                               send=f"GET /v1/version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                                    "Connection: close\r\n\r\n").stdout
        self.assertIn("HTTP/1.1 200", answer)
        done = self.curl(d, "/v1/jobs", "-H", f"Authorization: Bearer {token}", "-w", "%{http_code} %{ssl_verify_result}")
        self.assertTrue(done.stdout.endswith("200 0"), done.stdout + done.stderr)
        self.assertEqual(subprocess.run(["curl", "-sS", f"https://localhost:{d.port}/"], capture_output=True).returncode, 60,
                         "whoever does not know the authority does not believe it")

    def test_old_versions_and_unknown_protocols_are_refused(self):
        d = self.secure_daemon()
        for old in ("-tls1_1", "-tls1_2"):
            self.assertNotEqual(self.s_client(d, old, "-cipher", "ALL:@SECLEVEL=0").returncode, 0, old)
        self.assertNotEqual(self.s_client(d, "-alpn", "spdy/3").returncode, 0)
        relaxed = self.secure_daemon("tls.min_version=1.2", name="relaxed")
        self.assertEqual(self.s_client(relaxed, "-tls1_2").returncode, 0)
        self.assertNotEqual(self.s_client(relaxed, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0").returncode, 0)

    def test_plain_connections_are_closed_without_a_word(self):
        d = self.secure_daemon()
        for first in (b"GET /v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x89VLK", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", d.port), timeout=10) as s:
                s.sendall(first)
                try:
                    self.assertEqual(s.recv(100), b"", first)
                except ConnectionResetError:
                    pass
        self.assertGreaterEqual(self.metric(d, 'sigrun_connections_closed_total{reason="tls_required"}'), 3)
        done = self.cli(f"valkyrie://127.0.0.1:{d.port}", "job", "ls", "--timeout", "5s")
        self.assertNotEqual(done.returncode, 0)

    def test_plain_and_encrypted_share_a_port_where_tls_is_not_required(self):
        d = self.secure_daemon("tls.required=no", "auth.required=no")
        self.assertEqual(d.get("/v1/version")["name"], "sigrund")
        self.assertIn("sigrund", self.curl(d, "/v1/version").stdout)
        for url in (f"valkyrie://127.0.0.1:{d.port}", f"valkyrie+tls://localhost:{d.port}", f"https://localhost:{d.port}"):
            self.cli(url, "runner", "ls", check=0)

    def test_a_token_of_a_tenant_knows_of_no_other_ones_jobs(self):
        d = self.secure_daemon()
        web, ops = self.token(d, "web", "--role", "submitter", "--tenant", "web"), self.token(d, "ops", "--role", "submitter")
        self.assertIn("role reader or submitter", self.cli(d.socket, "token", "create", "x", "--role", "admin", "--tenant", "web", ca=None).stderr)
        self.assertRegex(self.admin(d, "token", "ls"), r"web +submitter +web")

        def ask(token, method, path, body=None):
            done = self.curl(d, path, "-X", method, "-H", f"Authorization: Bearer {token}", "-H",
                             "Content-Type: application/json", "-w", "\\n%{http_code}",
                             *(("-d", json.dumps(body)) if body is not None else ()))
            text, status = done.stdout.rsplit("\n", 1)
            return int(status), json.loads(text) if text else None

        submit = lambda token, **more: ask(token, "POST", "/v1/jobs", {"command": ["true"], **more})
        status, mine = submit(web)
        self.assertEqual((status, mine["tenant"] if "tenant" in mine else "web"), (201, "web"), mine)
        self.assertEqual(submit(web, tenant="web")[0], 201)
        status, why = submit(web, tenant="ops")
        self.assertEqual((status, why["code"], why["field"]), (403, "forbidden", "tenant"), why)
        theirs = submit(ops, tenant="ops")[1]["id"]
        listed = [j["id"] for j in ask(web, "GET", "/v1/jobs")[1]["items"]]
        self.assertEqual((len(listed), mine["id"] in listed), (2, True))
        self.assertEqual(len(ask(ops, "GET", "/v1/jobs")[1]["items"]), 3)
        self.assertEqual(len(ask(ops, "GET", "/v1/jobs?tenant=web")[1]["items"]), 2)
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/logs"), ("GET", "/explain"), ("GET", "/artifacts"),
                             ("GET", "/artifacts/x")):
            self.assertEqual(ask(web, method, f"/v1/jobs/{theirs}{path}")[0], 404, path)
        self.assertEqual(ask(ops, "GET", f"/v1/jobs/{theirs}")[1]["state"], "queued")
        self.assertEqual(ask(web, "POST", f"/v1/jobs/{mine['id']}/cancel")[0], 200)
        status, why = ask(web, "GET", "/v1/events")
        self.assertEqual((status, why["code"]), (403, "forbidden"), why)
        several = {"jobs": [{"name": "a", "command": ["true"]}, {"name": "b", "command": ["true"], "tenant": "ops"}]}
        status, why = ask(web, "POST", "/v1/submissions", several)
        self.assertEqual((status, why["field"]), (403, "jobs[1].tenant"), why)
        del several["jobs"][1]["tenant"]
        self.assertEqual(ask(web, "POST", "/v1/submissions", several)[0], 201)
        self.assertEqual(len(ask(ops, "GET", "/v1/jobs?tenant=web")[1]["items"]), 4)

    def test_a_token_can_be_rotated_without_a_gap(self):
        d = self.secure_daemon()
        url = f"https://localhost:{d.port}"
        old = self.token(d, "ci", "--role", "reader")
        done = self.cli(d.socket, "token", "rotate", "ci", "--overlap", "1h", ca=None, check=0)
        new = done.stdout.strip()
        self.assertIn("good until", done.stderr)
        for token in (old, new):
            self.cli(url, "job", "ls", token=token, check=0)
        newest = self.admin(d, "token", "rotate", "ci").strip()
        for token, good in ((old, False), (new, False), (newest, True)):
            self.assertEqual(self.cli(url, "job", "ls", token=token).returncode == 0, good)
        self.assertNotIn(newest.rsplit("_", 1)[1], (d.state_dir / "tokens.json").read_text())

    def test_a_tenant_submits_so_many_jobs_and_is_told_when_to_go_on(self):
        d = self.daemon(settings=["tenant busy.submit_rate=0.5", "tenant busy.submit_burst=2"])
        submit = lambda tenant: d.request("POST", "/v1/jobs", {"command": ["true"], "tenant": tenant, "durability": "memory"})
        self.assertEqual([submit("busy")[0] for _ in range(2)], [201, 201])
        status, why = submit("busy")
        self.assertEqual((status, why["code"], why["field"]), (429, "busy", "tenant"), why)
        self.assertIn("0.5 jobs per second of tenant \"busy\"", why["expected"])
        self.assertTrue(0 < why["retry_after_ms"] <= 2000, why)
        self.assertEqual({submit("other")[0] for _ in range(20)}, {201})
        began = time.monotonic()
        wait_until("there is room again", lambda: submit("busy")[0] == 201)
        self.assertGreater(time.monotonic() - began, 0.5)
        # A submission counts as all of its jobs.
        several = {"jobs": [{"name": f"j{n}", "command": ["true"], "tenant": "busy", "durability": "memory"} for n in range(2)]}
        self.assertEqual(d.request("POST", "/v1/submissions", several)[0], 429)

    def test_roles_decide_what_a_token_may(self):
        d = self.secure_daemon()
        tokens = {role: self.token(d, role, "--role", role) for role in ("reader", "submitter", "admin")}
        for scheme in ("valkyrie+tls", "https"):
            url = f"{scheme}://localhost:{d.port}"
            nobody = self.cli(url, "job", "ls")
            self.assertNotEqual(nobody.returncode, 0)
            self.assertIn("this daemon asks who calls", nobody.stderr)
            self.cli(url, "job", "ls", token=tokens["reader"], check=0)
            self.assertIn("may not", self.cli(url, "submit", "--", "true", token=tokens["reader"]).stderr)
            self.cli(url, "submit", "--", "true", token=tokens["submitter"], check=0)
            self.assertIn("may not", self.cli(url, "token", "ls", token=tokens["submitter"]).stderr)
            self.cli(url, "token", "ls", token=tokens["admin"], check=0)
        status = self.curl(d, "/v1/jobs", "-o", "/dev/null", "-w", "%{http_code}").stdout
        self.assertEqual(status, "401")
        status = self.curl(d, "/v1/plugins/x/reload", "-X", "POST", "-H", f"Authorization: Bearer {tokens['reader']}", "-o",
                           "/dev/null", "-w", "%{http_code}").stdout
        self.assertEqual(status, "403")
        self.admin(d, "token", "rm", "reader")
        self.assertNotEqual(self.cli(f"https://localhost:{d.port}", "job", "ls", token=tokens["reader"]).returncode, 0)
        # A token does not go where everybody can read it.
        clear = self.cli("valkyrie://192.0.2.1:7070", "job", "ls", token=tokens["admin"])
        self.assertIn("could be read on the way", clear.stderr)

    def test_a_runner_whose_record_is_removed_is_out_at_once(self):
        d = self.secure_daemon()
        join = self.token(d, "--join")
        r = self.program(BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / "r1", "--url",
                         f"valkyrie+tls://localhost:{d.port}", "--ca", pem("ca"), "--join", join)
        r.wait_line("connected")
        self.admin(d, "token", "rm", "r1")
        r.wait_line("the join token is unknown, expired or used up")

    def jobs_run_over(self, scheme):
        d = self.secure_daemon()
        join = self.token(d, "--join", "--runners", "build-*", "--label", "zone=eu")
        url = f"{scheme}://localhost:{d.port}"
        stranger = self.program(BIN / "sigrun-runner", "--name", "build-1", "--state-dir", self.dir / "stranger", "--url", url,
                                "--ca", pem("ca"))
        stranger.wait_line("does not know this runner")
        stranger.stop()
        other = self.program(BIN / "sigrun-runner", "--name", "gpu-1", "--state-dir", self.dir / "other", "--url", url,
                             "--ca", pem("ca"), "--join", join, "--label", "zone=eu")
        other.wait_line("is for other names")
        other.stop()
        arguments = ["--url", url, "--ca", pem("ca"), "--label", "zone=eu"]
        first = self.start_runner("build-7", *arguments, "--join", join, wait="connected")
        self.runner_status(d, "build-7", "online", "busy")
        submitter = self.token(d, "ci", "--role", "submitter")
        done = self.cli(url, "run", "--", "echo", "hello from afar", token=submitter, check=0)
        self.assertEqual(done.stdout, "hello from afar\n")
        # The token is used up; the runner's own key is its proof from now on.
        first.stop()
        second = self.start_runner("build-7", *arguments, wait="connected")
        self.cli(url, "run", "--", "true", token=submitter, check=0)
        thief = self.program(BIN / "sigrun-runner", "--name", "build-8", "--state-dir", self.dir / "thief", *arguments, "--join", join)
        thief.wait_line("unknown, expired or used up")
        thief.stop()
        second.stop()
        listed = json.loads(self.admin(d, "token", "ls", "-o", "json"))["items"]
        self.assertEqual([t["name"] for t in listed if t["kind"] == "runner"], ["build-7"])
        self.assertEqual([t for t in listed if t["kind"] == "join"], [])
        d.stop()
        secrets = [join, submitter, join.rsplit("_", 1)[1], submitter.rsplit("_", 1)[1]]
        for program in self._programs:
            for secret in secrets:
                self.assertNotIn(secret, "\n".join(program.lines))
        for file in self.dir.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                for secret in secrets:
                    self.assertNotIn(secret.encode(), content, file)

    def test_jobs_run_over_valkyrie_and_tls_for_a_runner_that_joined(self):
        self.jobs_run_over("valkyrie+tls")

    def test_jobs_run_over_https_for_a_runner_that_joined(self):
        self.jobs_run_over("https")

    def test_a_client_certificate_is_the_runner_of_its_name(self):
        d = self.secure_daemon(f"tls.client_ca={pem('ca')}", "tls.client_auth=optional")
        url = f"valkyrie+tls://localhost:{d.port}"
        certificate = ["--url", url, "--ca", pem("ca"), "--cert", pem("client"), "--key", key("client")]
        self.start_runner("build-7", *certificate, wait="connected")
        wrong = self.program(BIN / "sigrun-runner", "--name", "build-8", "--state-dir", self.dir / "wrong", *certificate)
        wrong.wait_line("of another runner")
        wrong.stop()
        stranger = self.program(BIN / "sigrun-runner", "--name", "build-7", "--state-dir", self.dir / "stranger", "--url", url,
                                "--ca", pem("ca"), "--cert", pem("stranger"), "--key", key("stranger"))
        wait_until("the stranger is turned away", lambda: self.metric(d, 'sigrun_tls_handshakes_total{outcome="failed"}') >= 1)
        self.assertFalse(any("connected to" in line for line in stranger.lines))

    def test_a_controller_without_proof_is_not_believed_and_nothing_is_tried_in_the_clear(self):
        for certificate in ("expired", "self", "wrong"):
            d = self.secure_daemon(name=certificate, certificate=certificate)
            r = self.program(BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / f"r-{certificate}", "--url",
                             f"valkyrie+tls://localhost:{d.port}", "--ca", pem("ca"))
            r.wait_line("certificate")
            r.stop()
            self.assertFalse(any("connected to" in line for line in r.lines))
            self.assertNotEqual(self.cli(f"valkyrie+tls://localhost:{d.port}", "job", "ls").returncode, 0)

    def test_an_encrypted_url_is_never_followed_by_an_unencrypted_try(self):
        """Whoever takes the place of the controller sees TLS and nothing else, also after failures and a plugin reload."""
        plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", plugins, symlinks=False)
        firsts = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            ended = threading.Event()

            def serve():
                while not ended.is_set():
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        continue
                    with connection:
                        connection.settimeout(2)
                        try:
                            firsts.append(connection.recv(16))
                            # An answer that is none, a redirect, and nothing at all, in turn.
                            connection.sendall([b"\x15\x03\x03\x00\x02\x02\x28", b"HTTP/1.1 301 Moved\r\nLocation: http://localhost/\r\n\r\n",
                                                b""][len(firsts) % 3])
                        except OSError:
                            pass
            thread = threading.Thread(target=serve)
            thread.start()
            port = server.getsockname()[1]
            r = self.program(BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / "r1", "--url",
                             f"valkyrie+tls://localhost:{port}", "--ca", pem("ca"), "--plugin-dir", plugins)
            wait_until("several tries", lambda: len(firsts) >= 6)
            library = next(plugins.rglob("http.so"))
            fresh = library.with_suffix(".new")
            shutil.copy(library, fresh)
            os.rename(fresh, library)
            r.process.send_signal(1)
            seen = len(firsts)
            wait_until("more tries after the reload", lambda: len(firsts) >= seen + 6)
            for scheme in ("valkyrie+tls", "https"):
                self.cli(f"{scheme}://localhost:{port}", "job", "ls", "--timeout", "3s")
            ended.set()
            thread.join()
        self.assertGreaterEqual(len(firsts), 12)
        for first in firsts:
            self.assertEqual(first[:2], b"\x16\x03", first)

    def test_a_new_certificate_is_used_while_connections_live(self):
        live = self.dir / "live"
        live.mkdir()

        def put(name):
            for source, to in ((key(name), "key"), (pem(name), "pem")):
                shutil.copy(source, live / f"{to}.new")
                os.chmod(live / f"{to}.new", 0o600)
                os.rename(live / f"{to}.new", live / to)

        def served():
            text = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}"], input="", capture_output=True,
                                  text=True, timeout=30).stdout
            return subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=text, capture_output=True, text=True).stdout

        def public(name):
            return subprocess.run(["openssl", "x509", "-noout", "-pubkey", "-in", pem(name)], capture_output=True, text=True).stdout

        put("server")
        d = self.secure_daemon(f"tls.certificate={live}/pem", f"tls.key={live}/key")
        runner = self.start_runner("r1", "--url", f"valkyrie+tls://localhost:{d.port}", "--ca", pem("ca"), "--join",
                                   self.token(d, "--join"), wait="connected")
        self.assertEqual(served(), public("server"))
        (live / "pem").write_text("no certificate")
        wait_until("the bad file is noticed", lambda: self.metric(d, 'sigrun_tls_reloads_total{outcome="refused"}') >= 1)
        self.assertEqual(served(), public("server"))
        put("renewed")
        wait_until("the new one is used", lambda: served() == public("renewed"))
        self.assertEqual(sum(line.startswith("runner r1 connected") for line in runner.lines), 1, "the runner's connection lives on")
        self.admin(d, "run", "--", "true")

    def test_half_open_handshakes_hold_up_nobody_and_end(self):
        d = self.secure_daemon("server.peek_timeout=2s")
        self.start_runner("r1", "--url", f"valkyrie+tls://localhost:{d.port}", "--ca", pem("ca"), "--join",
                          self.token(d, "--join"), wait="connected")
        silent = []
        for i in range(500):
            s = socket.create_connection(("127.0.0.1", d.port), timeout=20)
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:3 + i % 9])
            silent.append(s)
        began = time.monotonic()
        self.cli(f"valkyrie+tls://localhost:{d.port}", "run", "--", "true", token=self.token(d, "ci", "--role", "submitter"), check=0)
        self.assertLess(time.monotonic() - began, 20)
        for s in silent:
            try:
                self.assertEqual(s.recv(1), b"")
            except ConnectionResetError:
                pass
            s.close()

    def test_a_runner_comes_through_a_proxy_and_its_password_is_shown_nowhere(self):
        d = self.secure_daemon()
        proxy = Proxy(credentials="user:hunter2")
        url = f"valkyrie+tls://controller.test:{d.port}"
        environment = {"HTTPS_PROXY": f"http://user:hunter2@127.0.0.1:{proxy.port}"}
        runner = self.program(BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / "r1", "--url", url, "--ca", pem("ca"),
                              "--join", self.token(d, "--join"), env=environment)
        runner.wait_line("connected")
        done = self.cli(url, "run", "--", "echo", "through", token=self.token(d, "ci", "--role", "submitter"), env=environment, check=0)
        self.assertEqual(done.stdout, "through\n")
        self.assertIn(f"CONNECT controller.test:{d.port} HTTP/1.1", proxy.heads[0])
        self.assertTrue(proxy.bytes.startswith(b"\x16\x03"), "the proxy sees TLS")
        # Without credentials, refused by policy, and where the proxy is not to be used.
        wrong = self.cli(url, "job", "ls", env={"HTTPS_PROXY": f"http://user:wrong@127.0.0.1:{proxy.port}"})
        self.assertIn("407", wrong.stderr)
        self.assertNotIn("wrong@", wrong.stderr)
        refusing = Proxy(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n")
        self.assertIn("403", self.cli(url, "job", "ls", env={"HTTPS_PROXY": f"http://127.0.0.1:{refusing.port}"}).stderr)
        hanging = Proxy(hang=True)
        self.assertNotEqual(self.cli(url, "job", "ls", "--timeout", "2s",
                                     env={"HTTPS_PROXY": f"http://127.0.0.1:{hanging.port}"}).returncode, 0)
        before = len(proxy.heads)
        self.cli(f"valkyrie+tls://localhost:{d.port}", "job", "ls", env=environment)
        self.cli(url, "job", "ls", "--timeout", "5s", env=dict(environment, NO_PROXY="controller.test"))
        self.assertEqual(len(proxy.heads), before, "loopback and NO_PROXY go without it")
        for p in (proxy, refusing, hanging):
            p.close()
        runner.stop()
        d.stop()
        for program in self._programs:
            self.assertNotIn("hunter2", "\n".join(program.lines))
            self.assertNotIn(base64.b64encode(b"user:hunter2").decode(), "\n".join(program.lines))

    def test_a_daemon_that_strangers_can_reach_must_ask_who_they_are(self):
        for settings, complaint in ((["server.listen=0.0.0.0:0"], "allow_remote"),
                                    (["tls.required=yes"], "tls.certificate"),
                                    ([f"tls.certificate={pem('server')}", f"tls.key={key('wrong')}"], "tls.key"),
                                    (["auth.certificates=x:king"], "auth.certificates")):
            p = self.program(BIN / "sigrund", "--state-dir", self.dir / "refused", "--set", "server.listen=127.0.0.1:0",
                             *[w for s in settings for w in ("--set", s)])
            self.assertEqual(p.process.wait(DEADLINE), 1)
            p._reader.join(5)
            self.assertIn(complaint, "\n".join(p.lines))

    def test_a_proxy_setting_is_not_shown(self):
        d = self.daemon(settings=["net.proxy=http://user:hunter2@127.0.0.1:1"])
        for arguments in (("config", "show"), ("config", "show", "-o", "json"), ("config", "get", "-o", "json")):
            done = self.sigrun(d, *arguments)
            self.assertNotIn("hunter2", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
