"""Runners that wait for their controller: over TLS, for one that shows a token or a certificate, and for no other."""
import json
import socket
import subprocess
import unittest

from endpoints import Endpoint
from harness import BUILD, SOURCE, FleetTest, free_port, wait_until

CERTIFICATES = BUILD / "tests" / "certificates"
SHIPPED = ("valkyrie", "grpc", "websocket", "http")
TOKEN = "a-token-that-nobody-guesses-0123456789"


def pem(name):
    return str(CERTIFICATES / f"{name}.pem")


def key(name):
    return str(CERTIFICATES / f"{name}.key")


class SecureListener(FleetTest):
    @classmethod
    def setUpClass(cls):
        (BUILD / "tests").mkdir(exist_ok=True)
        subprocess.run(["flock", BUILD / "tests", SOURCE / "tests/fixtures/tls/make_certificates.sh", CERTIFICATES], check=True)

    def listening(self, name, *settings, certificate="server", wait="listening"):
        port = free_port()
        words = [f"tls.certificate={pem(certificate)}", f"tls.key={key(certificate)}", *settings]
        arguments = [w for s in words for w in ("--set", s)]
        self.start_runner(name, "--listen", f"127.0.0.1:{port}", "--slots", "4", *arguments, wait=wait)
        return port

    def token_file(self):
        file = self.dir / "token"
        file.write_text(TOKEN + "\n")
        file.chmod(0o600)
        return file

    def add(self, name, port, options=None, scheme="tls"):
        code, body = self.d.request("POST", "/v1/runners", {"name": name, "endpoint": f"{scheme}://localhost:{port}", "options": options or {}})
        self.assertEqual(code, 201, body)

    def up(self, name):
        return {p["name"] for p in self.d.runner(name)["protocols"] if p["state"] == "up"}

    def refused(self, name, part):
        wait_until(f"{name} refuses with {part}", lambda: part in json.dumps(self.d.runner(name)))
        self.assertEqual(self.d.runner(name)["status"], "offline")

    def test_a_controller_with_the_token_works_over_every_protocol_and_tls(self):
        self.d = self.daemon(settings=[f"tls.ca={pem('ca')}"])
        port = self.listening("r1", "tls.required=yes", f"runner.controller_token_file={self.token_file()}")
        self.add("r1", port, {"token": TOKEN})
        wait_until("all protocols are up", lambda: self.up("r1") == set(SHIPPED))
        for protocol in SHIPPED:
            job = self.d.run(command=["true"], protocol=protocol)
            self.assertEqual((job["state"], job["protocol"]), ("succeeded", protocol), job)
        self.assertNotIn(TOKEN, json.dumps(self.d.runner("r1")))
        # Without TLS nobody is even answered.
        for first in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                s.sendall(first)
                try:
                    self.assertEqual(s.recv(100), b"")
                except ConnectionResetError:
                    pass

    def test_a_controller_with_another_token_or_none_is_refused_and_told_why(self):
        self.d = self.daemon(settings=[f"tls.ca={pem('ca')}"])
        port = self.listening("r1", f"runner.controller_token={TOKEN}")
        self.add("none", port)
        self.refused("none", "asks who its controller is")
        self.add("other", port, {"token": "another"})
        self.refused("other", "another token")

    def test_the_token_is_asked_for_without_tls_as_well(self):
        self.d = self.daemon()
        port = free_port()
        self.start_runner("r1", "--listen", f"127.0.0.1:{port}", "--set", f"runner.controller_token={TOKEN}", wait="listening")
        self.add("none", port, scheme="valkyrie")
        self.refused("none", "asks who its controller is")
        self.d.request("DELETE", "/v1/runners/none")
        self.add("good", port, {"token": TOKEN}, scheme="valkyrie")  # loopback: nobody can read it on the way
        self.d.runner_status("good", "online")

    def test_a_controller_shows_a_certificate(self):
        self.d = self.daemon()
        mine = {"tls": {"ca": pem("ca"), "certificate": pem("client"), "key": key("client")}}
        port = self.listening("r1", f"tls.client_ca={pem('ca')}", "tls.client_auth=required", "tls.required=yes")
        self.add("none", port, {"tls": {"ca": pem("ca")}})
        self.add("stranger", port, {"tls": {"ca": pem("ca"), "certificate": pem("stranger"), "key": key("stranger")}})
        self.add("good", port, mine)
        self.d.runner_status("good", "online")
        self.assertEqual(self.d.run(command=["true"])["state"], "succeeded")
        for name in ("none", "stranger"):
            self.assertEqual(self.d.runner(name)["status"], "offline")
            self.assertEqual(self.up(name), set())

    def test_a_certificate_must_have_a_name_that_the_runner_knows(self):
        self.d = self.daemon()
        mine = {"tls": {"ca": pem("ca"), "certificate": pem("client"), "key": key("client")}}
        port = self.listening("r1", f"tls.client_ca={pem('ca')}", "tls.client_auth=optional", "runner.controllers=controller-1")
        self.add("x", port, mine)
        self.refused("x", "of another controller")
        port = self.listening("r2", f"tls.client_ca={pem('ca')}", "tls.client_auth=optional", "runner.controllers=controller-1,build-7")
        self.add("y", port, mine)
        self.d.runner_status("y", "online")

    def test_a_runner_without_proof_is_not_believed_and_nothing_is_tried_in_the_clear(self):
        self.d = self.daemon(settings=[f"tls.ca={pem('ca')}"])
        port = self.listening("r1", certificate="self")
        self.add("self", port, {"token": TOKEN})
        self.refused("self", "certificate")
        plain = Endpoint()
        self.addCleanup(plain.close)
        self.add("plain", plain.port, {"token": TOKEN})
        wait_until("all lanes were there", lambda: len(plain.seen) >= 4)
        self.d.request("POST", "/v1/runners/plain/detect")
        self.assertEqual({first[:2] for _, _, first in plain.seen}, {b"\x16\x03"})
        self.assertFalse([first for _, _, first in plain.seen if TOKEN.encode() in first])

    def test_settings_that_contradict_each_other_are_start_errors_that_name_the_key(self):
        for settings, field in ((["tls.client_auth=required"], "tls.client_ca"), (["runner.controllers=x"], "runner.controllers"),
                                (["runner.controller_token_file=/nowhere/token"], "/nowhere/token")):
            p = self.program(BUILD / "bin" / "sigrun-runner", "--name", "r", "--state-dir", self.dir / "r", "--listen", "127.0.0.1:0",
                             *[w for s in [f"tls.certificate={pem('server')}", f"tls.key={key('server')}", *settings] for w in ("--set", s)])
            p.wait_line(field)
            self.assertNotEqual(p.process.wait(10), 0)
        p = self.program(BUILD / "bin" / "sigrun-runner", "--name", "r", "--state-dir", self.dir / "r", "--listen", "127.0.0.1:0", "--set", "tls.required=yes")
        p.wait_line("tls.certificate")
        self.assertNotEqual(p.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
