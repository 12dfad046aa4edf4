"""Secrets of jobs: in the environment of the job, and in clear in nothing else, from submit over restarts until the job is forgotten."""
import base64
import json
import os
import pathlib
import subprocess
import unittest

from harness import BIN, FleetTest, wait_until

SECRET = "unmistakable-3141592653"
FORMS = [f.encode() for f in (SECRET, base64.b64encode(SECRET.encode()).decode())]
FILE_SECRET = "-----BEGIN-----\nline-of-a-key-2718281828\n-----END-----\n"
PARTS = FORMS + [b"line-of-a-key-2718281828"]


class JobSecrets(FleetTest):
    def expect_nowhere(self, *but):
        """Not in a file below the state directories, on a command line, or in what a program has said. The job's own files are its own."""
        found = []
        for file in self.dir.rglob("*"):
            if file in but:
                continue
            try:
                content = file.read_bytes() if file.is_file() else b""
            except OSError:
                continue  # removed meanwhile
            found += [str(file) for part in PARTS if part in content]
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                found += [f"command line {line!r}" for part in PARTS if part in line]
        for p in self._programs:
            found += [f"{p.argv[0]} says {line}" for line in list(p.lines) for part in PARTS if part.decode() in line]
        self.assertEqual(found, [])

    def expect_not_said(self, d, job):
        for path in ("", "/explain", "/logs"):
            status, text = d.request("GET", f"/v1/jobs/{job}{path}")
            self.assertEqual(status, 200)
            for part in PARTS:
                self.assertNotIn(part.decode(), json.dumps(text))
        self.assertNotIn(SECRET, json.dumps(d.get("/v1/jobs")))

    def test_a_secret_is_in_no_file_command_line_log_or_answer_and_survives_both_restarts(self):
        trace = ["log.level=trace", "jobs.lease=60s"]
        d = self.daemon(settings=trace)
        runner = self.runner_for(d, extra=["--set", "runner.log_level=trace"])
        gate, key = self.dir / "gate", self.dir / "key-of-the-user"
        key.write_text(FILE_SECRET)
        script = (f'echo "begin $KEY"; printf %s "$KEY" | base64; echo "$PEM"; while [ ! -e {gate} ]; do sleep 0.05; done; '
                  f'[ "${{#KEY}}" = {len(SECRET)} ] && [ "${{#PEM}}" = {len(FILE_SECRET)} ] && echo "end $KEY"; '
                  'echo "told=$KEY" >> $SIGRUN_OUTPUT')
        env = dict(os.environ, KEY=SECRET)
        done = subprocess.run([str(BIN / "sigrun"), "--url", f"valkyrie://127.0.0.1:{d.port}", "submit", "--secret", "KEY", "--secret",
                               f"PEM=@{key}", "--durability", "fsync", "--", "sh", "-c", script], capture_output=True, text=True, env=env, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        job = done.stdout.strip()
        wait_until("its output is here", lambda: "***" in d.log(job))
        # One that waits for a runner, and is restored with its secrets.
        waiting = d.submit(command=["sh", "-c", f'[ "${{#KEY}}" = {len(SECRET)} ]'], secrets={"KEY": SECRET}, requires="label.zone == \"later\"")
        self.expect_nowhere(key)
        self.expect_not_said(d, job)
        d.kill()
        runner.kill()
        self.expect_nowhere(key)
        d = self.daemon(settings=trace, port=d.port)
        runner = self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{d.port}", "--slots", "4", "--label", "zone=later",
                                   "--set", "runner.log_level=trace")
        gate.touch()
        ended = d.finished(job, 60)
        self.assertEqual((ended["state"], len(ended["attempts"])), ("succeeded", 1), ended)
        self.assertEqual(ended["outputs"], {"told": "***"})
        self.assertEqual(d.log(job), "begin ***\n***\n***\nend ***\n")
        self.assertEqual(d.finished(waiting)["state"], "succeeded", d.job(waiting))
        self.expect_nowhere(key)
        self.expect_not_said(d, job)
        # Done again, also after one more restart: the secrets go along.
        self.assertEqual(d.stop(), 0)
        d = self.daemon(settings=trace, port=d.port)
        d.runner_status("r1", "online", "busy")
        status, again = d.request("POST", f"/v1/jobs/{waiting}/retry")
        self.assertIn(status, (200, 201), again)
        self.assertEqual(d.finished(again["id"])["state"], "succeeded", d.job(again["id"]))
        self.expect_nowhere(key)

    def test_without_the_key_jobs_end_with_a_reason_and_are_not_done_again_without_their_secrets(self):
        d = self.daemon()
        job = d.submit(command=["true"], secrets={"KEY": SECRET}, requires="label.zone == \"never\"")
        self.assertEqual(d.stop(), 0)
        (self.dir / "daemon" / "secrets.key").unlink()
        d = self.daemon()
        ended = d.finished(job)
        self.assertEqual((ended["state"], ended["failure"]["class"]), ("failed", "infra_controller"), ended)
        self.assertIn("secrets.key", ended["failure"]["message"])
        status, why = d.request("POST", f"/v1/jobs/{job}/retry")
        self.assertEqual(status, 409, why)
        self.assertIn("submit it anew", json.dumps(why))

    def test_the_same_submit_is_the_same_job_and_other_secrets_are_another(self):
        d = self.daemon()
        document = {"command": ["true"], "secrets": {"KEY": SECRET}}
        first = d.request("POST", "/v1/jobs", document, {"Idempotency-Key": "k"})[1]["id"]
        status, again = d.request("POST", "/v1/jobs", document, {"Idempotency-Key": "k"})
        self.assertEqual((status, again["id"]), (200, first))
        self.assertEqual(d.request("POST", "/v1/jobs", {**document, "secrets": {"KEY": SECRET + "x"}}, {"Idempotency-Key": "k"})[0], 409)
        self.expect_nowhere()

    def test_what_cannot_be_kept_secret_is_refused_over_every_protocol(self):
        d = self.daemon()
        status, why = d.request("POST", "/v1/jobs", {"command": ["true"], "secrets": {"PIN": "123"}})
        self.assertEqual((status, why["field"]), (400, "secrets.PIN"), why)
        for scheme in ("valkyrie", "grpc", "ws", "http"):
            done = self.sigrun(d, "--url", f"{scheme}://127.0.0.1:{d.port}", "submit", "-", input='{"command":["true"],"secrets":{"PIN":"123"}}')
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("secrets.PIN", done.stderr)
        on_the_line = self.sigrun(d, "submit", "--secret", "KEY=in-clear", "--", "true")
        self.assertNotEqual(on_the_line.returncode, 0)
        self.assertIn("--secret", on_the_line.stderr)
        self.assertNotIn("in-clear", on_the_line.stderr)


if __name__ == "__main__":
    unittest.main()
