"""HTTP/2 tools that want something else than gRPC meet the one port: they are told so at once, and disturb nobody."""
import json
import subprocess
import unittest

from harness import FleetTest
from secure_fleet import key, make_certificates, pem


class OrdinaryRequests(FleetTest):
    @classmethod
    def setUpClass(cls):
        make_certificates()

    def ask(self, *argv):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout, done.stderr

    def assert_is_told(self, text):
        problem = json.loads(text[text.index("{"):text.rindex("}") + 1])
        self.assertEqual(problem["code"], "unsupported")
        self.assertIn("HTTP/1.1", problem["expected"])

    def test_an_ordinary_request_over_http2_is_told_where_it_is_served(self):
        d = self.daemon(settings=[f"tls.certificate={pem('server')}", f"tls.key={key('server')}"])
        self.runner_for(d)
        plain, secure = f"http://127.0.0.1:{d.port}", f"https://localhost:{d.port}"
        for what in (("/v1/version",), ("/",), ("/v1/jobs", "-d", '{"command":["true"]}', "-H", "Content-Type: application/json"),
                     ("/v1/version", "-X", "DELETE")):
            code, out, err = self.ask("curl", "-sS", "--http2-prior-knowledge", "--max-time", "10", "-w", "\n%{http_version} %{http_code}",
                                      f"{plain}{what[0]}", *what[1:])
            self.assertEqual(code, 0, err)
            self.assertEqual(out.rsplit("\n", 1)[1], "2 415" if "-d" in what else "2 405")
            self.assert_is_told(out)
        # curl that only prefers HTTP/2 gets what it wants over HTTP/1.1, in the clear and by ALPN.
        for url in (plain, secure):
            code, out, err = self.ask("curl", "-sS", "--http2", "--cacert", pem("ca"), "-w", " %{http_version} %{http_code}", f"{url}/v1/version")
            self.assertEqual((code, out.split("} ")[1]), (0, "1.1 200"), err)
        # nghttp: with prior knowledge, several requests over one connection, a body, and by ALPN. Without a word it would hang.
        for words in ((f"{plain}/v1/version",), (f"{plain}/v1/version", f"{plain}/healthz", f"{plain}/"), (f"{secure}/v1/version",)):
            code, out, err = self.ask("nghttp", "-v", "--timeout=10", *words)
            self.assertEqual((code, out.count(":status: 405")), (0, len(words)), out + err)
            self.assertEqual(out.count('"code":"unsupported"'), len(words), out)
        body = self.dir / "body"
        body.write_bytes(b"x" * 1_000_000)  # more than a window of ours
        code, out, err = self.ask("nghttp", "-v", "--timeout=10", "-d", str(body), f"{plain}/v1/jobs")
        self.assertIn(":status: 415", out, err)
        self.assertIn('"code":"unsupported"', out)
        for _ in range(5):
            code, out, err = self.ask("curl", "-sS", "--http2-prior-knowledge", "--max-time", "10", "-H", "Content-Type: application/json",
                                      "--data-binary", f"@{body}", f"{plain}/v1/jobs")
            self.assertEqual(code, 0, err)
            self.assert_is_told(out)
        # The window in which the answer does not fit: the status comes all the same.
        code, out, err = self.ask("nghttp", "-v", "--timeout=10", "-w", "1", f"{plain}/v1/version")
        self.assertIn(":status: 405", out, err)
        # An upgrade from HTTP/1.1 is declined by answering in HTTP/1.1.
        code, out, err = self.ask("nghttp", "-v", "-u", "--timeout=10", f"{plain}/v1/version")
        self.assertIn("sigrund", out + err)
        self.assertIn("HTTP Upgrade failed", out + err)
        self.assertEqual(d.run(command=["true"])["state"], "succeeded")

    def test_a_crowd_of_requests_that_are_no_grpc_is_answered(self):
        d = self.daemon()
        code, out, err = self.ask("h2load", "-n", "2000", "-c", "10", "-m", "50", f"http://127.0.0.1:{d.port}/v1/version")
        self.assertEqual(code, 0, err)
        self.assertIn("2000 done, 0 succeeded, 2000 failed, 0 errored, 0 timeout", out)
        self.assertIn("0 2xx, 0 3xx, 2000 4xx, 0 5xx", out)
        self.assertEqual(d.get("/healthz")["status"], "ok")


if __name__ == "__main__":
    unittest.main()
