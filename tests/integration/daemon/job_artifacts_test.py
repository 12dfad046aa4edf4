"""Files that jobs leave: kept once, whole, with their hash, over every protocol, and also when a link, the daemon or the runner breaks
while they are on their way."""
import hashlib
import json
import subprocess
import unittest

from broken_network import Way
from harness import FleetTest, wait_until

LARGE = 192 << 20  # bytes; on their way for long enough to be caught there
# Noise that does not repeat, from /dev/zero by a cipher: as fast as the disk.
MAKE_LARGE = f"openssl enc -aes-128-ctr -nosalt -pass pass:x -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head -c {LARGE} > large.bin; sha256sum large.bin"
PATIENT = ["jobs.lease=60s"]


class JobArtifacts(FleetTest):
    def store(self):
        """Name by name, what the daemon keeps."""
        root = self.dir / "daemon" / "artifacts"
        return {p.parent.name + p.name: p.stat().st_size for p in root.glob("??/*")}

    def partial(self):
        """Bytes of what is on its way; 0 = nothing."""
        return sum(p.stat().st_size for p in (self.dir / "daemon" / "artifacts" / "partial").glob("*") if p.exists())

    def fetch(self, d, job, name, *options):
        done = subprocess.run(["curl", "-s", "-D", self.dir / "head", *options, f"http://127.0.0.1:{d.port}/v1/jobs/{job}/artifacts/{name}"],
                              capture_output=True, timeout=60)
        return done.stdout, (self.dir / "head").read_text()

    def test_files_come_back_by_name_range_and_command_line_and_equal_ones_are_kept_once(self):
        d = self.daemon(settings=["jobs.keep_finished=2"])
        self.runner_for(d)
        script = "mkdir -p out/sub; printf hello > out/a.bin; printf world > out/sub/b.bin; printf hello > c; echo no > d"
        wishes = ["out/**/*.bin", {"path": "c", "name": "named"}, {"path": "none", "optional": True}]
        job = d.run(command=["sh", "-c", script], artifacts=wishes)
        self.assertEqual(job["state"], "succeeded", job)
        hello = hashlib.sha256(b"hello").hexdigest()
        expected = [{"name": "out/a.bin", "size": 5, "sha256": hello},
                    {"name": "out/sub/b.bin", "size": 5, "sha256": hashlib.sha256(b"world").hexdigest()},
                    {"name": "named", "size": 5, "sha256": hello}]
        self.assertEqual(job["artifacts"], expected)
        self.assertEqual(d.get(f"/v1/jobs/{job['id']}/artifacts"), {"items": expected, "next": None})
        self.assertEqual(len(self.store()), 2)
        # HTTP: whole, a range, nothing of it, none of it.
        body, head = self.fetch(d, job["id"], "out/sub/b.bin")
        self.assertEqual(body, b"world")
        self.assertIn("200 OK", head)
        self.assertIn("Content-Length: 5", head)
        body, head = self.fetch(d, job["id"], "out/a.bin", "-r", "1-3")
        self.assertEqual(body, b"ell")
        self.assertIn("206", head)
        self.assertIn("Content-Range: bytes 1-3/5", head)
        self.assertEqual(self.fetch(d, job["id"], "out/a.bin?offset=3")[0], b"lo")
        self.assertIn("416", self.fetch(d, job["id"], "out/a.bin", "-r", "5-")[1].splitlines()[0])
        self.assertIn("416", self.fetch(d, job["id"], "out/a.bin", "-r", "9-")[1].splitlines()[0])
        self.assertIn(hello, self.fetch(d, job["id"], "out/a.bin", "-I")[1])
        self.assertEqual(d.request("GET", f"/v1/jobs/{job['id']}/artifacts/x")[0], 404)
        # The command line, over each protocol.
        for scheme in ("valkyrie", "grpc", "ws", "http"):
            url = ("--url", f"{scheme}://127.0.0.1:{d.port}")
            told = self.sigrun(d, *url, "--output", "json", "job", "artifacts", job["id"], check=0)
            self.assertEqual(json.loads(told.stdout)["items"], expected)
            got = self.sigrun(d, *url, "job", "download", job["id"], "out/sub/b.bin", "-o", "-", check=0)
            self.assertEqual(got.stdout, "world")
        self.assertIn("named", self.sigrun(d, "job", "show", job["id"], check=0).stdout)
        to = self.dir / "file"
        part = self.dir / f"file.{hello[:12]}.part"
        part.write_bytes(b"hel")
        done = self.sigrun(d, "job", "download", job["id"], "named", "-o", to, check=0)
        self.assertEqual(to.read_bytes(), b"hello")
        self.assertIn("went on", done.stderr)
        self.assertFalse(part.exists())
        part.write_bytes(b"heL")
        self.assertIn("not the artifact", self.sigrun(d, "job", "download", job["id"], "named", "-o", to).stderr)
        # They outlive the daemon, and go with the last job that has them.
        again = d.run(command=["sh", "-c", "printf hello > x"], artifacts=["x"])
        self.assertEqual(d.stop(), 0)
        d = self.daemon(settings=["jobs.keep_finished=2"])
        self.runner_for(d, "r2")
        self.assertEqual(self.fetch(d, job["id"], "named")[0], b"hello")
        d.run(command=["true"])
        wait_until("the first job is forgotten", lambda: len(self.store()) == 1)
        self.assertEqual(self.fetch(d, again["id"], "x")[0], b"hello")
        d.run(command=["true"])
        d.run(command=["true"])
        wait_until("the last one is", lambda: self.store() == {})

    def test_runners_bring_them_over_each_protocol(self):
        d = self.daemon()
        for protocol in ("valkyrie", "grpc", "websocket", "http"):
            scheme = {"websocket": "ws"}.get(protocol, protocol)
            self.start_runner(protocol, "--url", f"{scheme}://127.0.0.1:{d.port}", "--protocol", protocol)
            d.runner_status(protocol, "online", "busy")
            job = d.run(command=["sh", "-c", f"head -c 3000000 /dev/urandom > f; printf {protocol} > name; sha256sum f"],
                        artifacts=["f", "name"], requires=f'runner.name == "{protocol}"', wait="60s")
            self.assertEqual((job["state"], job["protocol"]), ("succeeded", protocol), job)
            self.assertEqual(job["artifacts"][0]["sha256"], d.log(job["id"]).split()[0])
            self.assertEqual(hashlib.sha256(self.fetch(d, job["id"], "f")[0]).hexdigest(), job["artifacts"][0]["sha256"])

    def test_what_is_missing_fails_what_would_have_succeeded_and_is_a_warning_otherwise(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(command=["sh", "-c", "printf x > there"], artifacts=["there", "no/*.bin"])
        self.assertEqual((job["state"], job["exit_code"], job["failure"]["class"], job["failure"]["code"]),
                         ("failed", 0, "user", "artifacts"), job)
        self.assertEqual(job["failure"]["message"], "artifact no/*.bin: no file matches")
        self.assertEqual([a["name"] for a in job["artifacts"]], ["there"])
        job = d.run(command=["sh", "-c", "printf x > there; ln -s /etc/passwd link; exit 3"], artifacts=["there", "link"])
        self.assertEqual((job["failure"]["code"], [a["name"] for a in job["artifacts"]]), ("exit_code", ["there"]), job)
        self.assertIn("symbolic link", job["artifact_warnings"][0])
        self.assertIn("symbolic link", self.sigrun(d, "job", "show", job["id"], check=0).stdout)
        status, why = d.request("POST", "/v1/jobs", {"command": ["true"], "artifacts": ["/etc/passwd"]})
        self.assertEqual((status, why["field"]), (400, "artifacts[0]"))

    def test_limits_are_told_and_leave_nothing(self):
        d = self.daemon(settings=["jobs.artifact_limit=1000", "jobs.job_artifacts_limit=1500", "jobs.artifact_store_limit=1200"])
        self.runner_for(d)

        def attempt(*sizes):
            script = "; ".join(f"head -c {n} /dev/urandom > f{i}" for i, n in enumerate(sizes))
            job = d.run(command=["sh", "-c", script], artifacts=["f*"], retry={"infrastructure": 0})
            return job["state"], job["failure"] and (job["failure"]["class"], job["failure"]["code"]), job
        self.assertEqual(attempt(1001)[:2], ("failed", ("resource", "artifact_size")))
        self.assertEqual(attempt(900, 900)[:2], ("failed", ("resource", "artifact_size")))
        self.assertEqual(attempt(700)[0], "succeeded")
        state, why, job = attempt(600)
        self.assertEqual((state, why), ("failed", ("infra_dependency", "artifact_store")))
        self.assertIn("jobs.artifact_store_limit", job["failure"]["message"])
        self.assertEqual(len(self.store()), 1)
        self.assertEqual(self.partial(), 0)

    def large_job(self, d, count_at, **more):
        """One whose large file is on its way now; its hash is in its log."""
        job = d.submit(command=["sh", "-c", f"echo ran >> {count_at}; " + MAKE_LARGE], artifacts=["large.bin"], **more)
        wait_until("it is on its way", lambda: self.partial() > 1 << 20, 60)
        return job

    def expect_whole(self, d, job, count_at):
        ended = d.finished(job, 120)
        self.assertEqual((ended["state"], len(ended["attempts"])), ("succeeded", 1), ended)
        self.assertEqual(ended["artifacts"][0]["size"], LARGE)
        self.assertEqual(ended["artifacts"][0]["sha256"], d.log(job).split()[0])
        self.assertEqual(count_at.read_text(), "ran\n")
        self.assertEqual(self.partial(), 0)
        return ended

    def test_kill_9_of_the_daemon_and_of_the_runner_on_the_way_goes_on_where_it_was(self):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d)
        count = self.dir / "count"
        job = self.large_job(d, count)
        d.kill()
        had = self.partial()
        d = self.daemon(settings=PATIENT, port=d.port)
        wait_until("it goes on", lambda: self.partial() > had or not self.partial(), 60)
        if self.partial():
            runner.kill()
            had = self.partial()
            runner = self.start_runner("r1", *runner.argv[runner.argv.index("--url"):])
            wait_until("it goes on", lambda: self.partial() > had or not self.partial(), 60)
        self.expect_whole(d, job, count)

    def test_a_cut_link_goes_on_where_it_was(self):
        d = self.daemon(settings=PATIENT)
        network = Way(d.port)
        self.addCleanup(network.close)
        self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{network.port}")
        d.runner_status("r1", "online", "busy")
        count = self.dir / "count"
        job = self.large_job(d, count)
        for _ in range(3):
            had = self.partial()
            network.reset("valkyrie")
            wait_until("it goes on", lambda: self.partial() > had or not self.partial(), 60)
        self.expect_whole(d, job, count)

    def test_other_jobs_run_and_beats_come_while_a_large_one_is_on_its_way_and_cancel_ends_it(self):
        d = self.daemon()
        self.runner_for(d)
        job = self.large_job(d, self.dir / "count")
        self.assertEqual(d.run(command=["echo", "hello"], wait="10s")["state"], "succeeded")
        if d.job(job)["state"] == "uploading":
            d.request("POST", f"/v1/jobs/{job}/cancel?grace=1s")
            self.assertIn(d.finished(job)["state"], ("cancelled", "succeeded"))
        wait_until("what came of it is gone or whole", lambda: self.partial() == 0)
        self.assertEqual(d.runner("r1")["status"], "online")


if __name__ == "__main__":
    unittest.main()
