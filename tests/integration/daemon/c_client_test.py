"""The C client (sdk/clients/c) against real daemons."""
import os
import subprocess
import unittest

from cutting import Cutting
from harness import BIN, BUILD, SOURCE, FleetTest, free_port
from secure_fleet import SecureFleet, make_certificates, pem

CHECK = BUILD / "tests" / "c_client_check"


@unittest.skipUnless(CHECK.exists(), "the C client is not built here: no libcurl")
class CClient(SecureFleet, FleetTest):
    def check(self, url, *words, code=0, env=None):
        done = subprocess.run([CHECK, url, *words], capture_output=True, timeout=120, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stdout

    def url(self, d):
        return f"http://127.0.0.1:{d.port}"

    def test_jobs_errors_and_cancelling(self):
        d = self.daemon()
        self.runner_for(d)
        self.check(self.url(d), "jobs")
        self.check(f"unix:{d.state_dir}/sigrun.sock", "jobs")
        self.check(self.url(d), "refused")
        self.check(self.url(d), "cancel", d.submit(command=["sleep", "600"]))

    def test_output_over_connections_that_break_is_whole(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(command=["sh", "-c", r"printf '\377\001\n'; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"])
        way = Cutting(d.port, 100_000)
        self.addCleanup(way.close)
        self.assertEqual(self.check(self.url(way), "logs", job["id"]), b"\xff\x01\n" + b"".join(b"line %d\n" % i for i in range(20000)))
        self.assertGreater(way.cuts, 0)

    def test_a_submit_whose_answer_is_lost_makes_one_job(self):
        d = self.daemon()
        way = Cutting(d.port, 10, cuts=3)
        self.addCleanup(way.close)
        self.check(self.url(way), "same", "k")
        self.assertEqual(way.cuts, 3)
        self.check(self.url(d), "same", "k")
        self.assertEqual(len(d.jobs()), 1)
        self.assertTrue(self.check(f"http://127.0.0.1:{free_port()}", "lost").strip())

    def test_tls_and_tokens(self):
        make_certificates()
        d = self.secure_daemon()
        url = f"https://localhost:{d.port}"
        token = self.token(d, "ci", "--role", "submitter")
        self.check(url, "same", "k", env={"CHECK_TOKEN": token, "CHECK_CA": str(pem("ca"))})
        self.assertIn(b"certificate", self.check(url, "lost", env={"CHECK_TOKEN": token}))

    def test_the_example_runs_a_command(self):
        d = self.daemon()
        self.runner_for(d)
        done = subprocess.run([BIN / "sigrun-client-run", self.url(d), "sh", "-c", "echo 'a \"b\"'; echo no >&2; exit 5"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (5, 'a "b"\n', "no\n"))

    def test_an_installed_client_is_found_by_pkg_config(self):
        prefix = self.dir / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--component", "sdk", "--prefix", prefix], check=True, capture_output=True)
        env = {**os.environ, "PKG_CONFIG_PATH": str(next(prefix.rglob("pkgconfig")))}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sigrun-client"], capture_output=True, text=True, check=True, env=env).stdout.split()
        subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", SOURCE / "sdk/clients/c/examples/run.c", "-o", self.dir / "run",
                        *flags], check=True)
        self.assertEqual(subprocess.run([self.dir / "run"], capture_output=True).returncode, 2)
        # The header is C++ as well.
        (self.dir / "x.cpp").write_text("#include <sigrun/client.h>\nint main() { return sigrun_client_open(nullptr, nullptr) != SIGRUN_CLIENT_OK; }\n")
        subprocess.run(["g++", "-Wall", "-Wextra", "-Werror", self.dir / "x.cpp", "-o", self.dir / "x", *flags], check=True)


if __name__ == "__main__":
    unittest.main()
