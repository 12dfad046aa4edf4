#!/usr/bin/env python3
"""Signed jobs: a runner that insists on them runs what a key it trusts has signed, and nothing else, whatever its controller is."""
import json
import os
import re
import sqlite3
import subprocess
import threading
import unittest

from harness import BIN, FleetTest, wait_until

PROTOCOLS = {"valkyrie": "valkyrie", "grpc": "grpc", "websocket": "ws", "http": "http"}  # name: scheme


class SignedJobs(FleetTest):
    def setUp(self):
        super().setUp()
        self.trust = self.dir / "job-trust.d"
        self.trust.mkdir(mode=0o755)
        self.key = self.keygen("ci")
        self.trusted("ci")

    def keygen(self, name):
        done = subprocess.run([str(BIN / "sigrun"), "job", "keygen", str(self.dir / name), "--output", "json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["key"]

    def trusted(self, name, lines="", as_name=None):
        pem = (self.dir / f"{name}.pub").read_text()
        path = self.trust / f"{as_name or name}.pub"
        path.with_suffix(".new").write_text(lines + pem[pem.index("-----BEGIN"):])
        os.rename(path.with_suffix(".new"), path)

    def signed(self, key="ci", lifetime="1h", **document):
        done = subprocess.run([str(BIN / "sigrun"), "job", "sign", "-", "--key", str(self.dir / f"{key}.key"), "--for", lifetime],
                              capture_output=True, text=True, input=json.dumps(document))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def insisting(self, daemon, name="r1", protocol="valkyrie", mode="require", extra=(), **more):
        return self.runner_for(daemon, name, protocol, extra=(
            "--set", f"security.job_signature={mode}", "--set", f"security.job_trust={self.trust}", *extra), **more)

    def refused(self, daemon, job_id, why):
        """It waits, and says that its signature is why."""
        return wait_until(f"job {job_id} is refused for {why}",
                          lambda: (lambda j: j if "refuses its signature" in j["reason"] and why in j["reason"] else None)(
                              daemon.job(job_id)))

    def never_runs(self, daemon, job_id, why):
        """It ends, since no runner will ever take it."""
        job = daemon.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("failed", "refused", "signature"), job)
        self.assertIn(why, job["failure"]["message"])
        return job

    def restarted_with(self, daemon, job_id, change, **how):
        """What somebody does who has taken over the controller: the stored job is another one."""
        daemon.stop()
        changed = 0
        with sqlite3.connect(next(daemon.state_dir.glob("*.db"))) as db:
            for table, in db.execute("select name from sqlite_master where type = 'table'").fetchall():
                columns = [c[1] for c in db.execute(f"pragma table_info({table})")]
                for row in db.execute(f"select rowid, * from {table}").fetchall():
                    for column, value in zip(columns, row[1:]):
                        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                        if not isinstance(text, str) or job_id not in text or '"document"' not in text:
                            continue
                        record = json.loads(text)
                        change(record["document"])
                        text = json.dumps(record)
                        db.execute(f"update {table} set {column} = ? where rowid = ?",
                                   (text.encode() if isinstance(value, bytes) else text, row[0]))
                        changed += 1
        self.assertGreater(changed, 0)
        return self.daemon(**how)

    # -- what runs ---------------------------------------------------------------------------------------------------
    def test_a_signed_job_runs_over_each_protocol_and_shows_who_signed_it(self):
        d = self.daemon()
        for protocol, scheme in PROTOCOLS.items():
            self.insisting(d, protocol, scheme, extra=("--protocol", protocol))
        for protocol in PROTOCOLS:
            with self.subTest(protocol):
                job = d.run(**self.signed(command=["sh", "-c", "echo $A"], env={"A": protocol},
                                          requires=f'runner.name == "{protocol}"'))
                self.assertEqual((job["state"], job["protocol"]), ("succeeded", protocol), job)
                self.assertEqual(d.log(job["id"]), protocol + "\n")
                self.assertEqual(job["signature"]["key"], self.key)
                self.assertEqual(job["attempts"][-1]["signature"], {"key": self.key, "by": "ci.pub", "verified": True})
                shown = self.sigrun(d, "job", "show", job["id"], check=0).stdout
                self.assertRegex(shown, f"signature +by key {self.key}")
                self.assertIn("verified", shown)

    def test_run_and_submit_sign_by_an_option_or_the_environment(self):
        d = self.daemon()
        self.insisting(d)
        done = self.sigrun(d, "run", "-q", "--sign", self.dir / "ci.key", "--", "echo", "by option", check=0)
        self.assertEqual(done.stdout, "by option\n")
        env = dict(os.environ, SIGRUN_URL=f"valkyrie://127.0.0.1:{d.port}", SIGRUN_SIGN_KEY=str(self.dir / "ci.key"))
        done = subprocess.run([str(BIN / "sigrun"), "submit", "--wait", "-q", "--", "true"], env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_call_is_checked_with_its_payload(self):
        d = self.daemon()
        self.insisting(d)
        for durability in ("memory", "fsync"):
            document = self.signed(kind="call", command=["echo"], payload="hello", durability=durability)
            job = d.run(**document)
            self.assertEqual((job["state"], job["result"]), ("succeeded", "hello"), job)
            document = self.signed(kind="call", command=["echo"], payload="hello", durability=durability)
            document["payload"] = "jello"
            self.never_runs(d, d.submit(**document), "payload")

    def test_secrets_go_beside_the_signature(self):
        d = self.daemon()
        self.insisting(d)
        job = d.run(**self.signed(command=["sh", "-c", 'test "$TOKEN" = hunter22'], secrets={"TOKEN": "hunter22"}))
        self.assertEqual(job["state"], "succeeded", job)
        other = self.signed(command=["true"], secrets={"TOKEN": "hunter22"})
        other["secrets"]["LD_PRELOAD"] = "/tmp/x.so"
        self.never_runs(d, d.submit(**other), "secrets")

    def test_needs_of_a_submission_and_its_matrix_are_signed_each(self):
        d = self.daemon()
        self.insisting(d)
        document = {"jobs": [
            {"name": "build", "command": ["sh", "-c", "echo version=1.{matrix.n} >> $SIGRUN_OUTPUT"],
             "matrix": {"n": ["1", "2"]}},
            {"name": "test", "needs": ["build (n=1)", "build (n=2)"], "env": {"V": "<{needs.build (n=2).outputs.version}>"},
             "command": ["sh", "-c", "test \"$V\" = '<1.2>'"]}]}
        pipeline = self.dir / "pipeline.json"
        pipeline.write_text(json.dumps(document))
        self.sigrun(d, "submit", pipeline, "--sign", self.dir / "ci.key", "--wait", check=0)
        states = {j["name"]: j["state"] for j in d.jobs()}
        self.assertEqual(states, {"build (n=1)": "succeeded", "build (n=2)": "succeeded", "test": "succeeded"})
        status, body = d.request("POST", "/v1/submissions", {"jobs": [{"name": "a", "command": ["true"]}], "signatures": {"b": {}}})
        self.assertEqual((status, body["field"]), (400, "signatures"), body)

    def test_what_a_file_of_several_jobs_is_signed_as_is_kept_for_who_submits_it(self):
        d = self.daemon()
        self.insisting(d)
        pipeline = self.dir / "pipeline.ini"
        pipeline.write_text("[job.a]\ncommand = true\n[job.b]\nneeds = a\ncommand = true\n")
        signed = self.dir / "signed.json"
        self.sigrun(d, "job", "sign", pipeline, "--key", self.dir / "ci.key", "-o", signed, check=0)
        self.assertEqual(signed.stat().st_mode & 0o777, 0o600)
        self.assertIn("ci.pub", self.sigrun(d, "job", "verify", signed, "--key", self.dir / "ci.pub", check=0).stdout)
        self.sigrun(d, "submit", signed, "--wait", check=0)

    def test_the_trace_that_a_job_is_part_of_is_allowed_for(self):
        d = self.daemon()
        self.insisting(d)
        document = self.signed(command=["sh", "-c", 'test -n "$TRACEPARENT"'])
        status, job = d.request("POST", "/v1/jobs?wait=30s", document,
                                {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
        self.assertEqual(job["state"], "succeeded", job)

    def test_a_retry_of_the_same_job_is_no_replay_and_a_new_job_is(self):
        d = self.daemon()
        self.insisting(d)
        tries = self.dir / "tries"
        document = self.signed(command=["sh", "-c", f"echo x >> {tries}; test $(wc -l < {tries}) = 2"],
                               retry={"user": 1, "infrastructure": 0})
        job = d.run(**document)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 2), job)
        self.never_runs(d, d.submit(**document), "nonce")
        self.assertEqual(tries.read_text(), "x\nx\n")
        status, body = d.request("POST", f"/v1/jobs/{job['id']}/retry")
        self.assertEqual((status, body["code"]), (409, "conflict"), body)

    def test_a_copy_beside_a_slow_attempt_runs_on_another_runner(self):
        d = self.daemon(settings=["jobs.hedge_budget=1", "jobs.hedge_max_load=1"])
        self.insisting(d, "r1")
        self.insisting(d, "r2")
        for _ in range(25):
            self.assertEqual(d.run(**self.signed(command=["true"], hedge=True, durability="memory"))["state"], "succeeded")
        flag = self.dir / "first"
        # Whoever comes first makes the folder and waits; the copy finds it and succeeds.
        job = d.run(**self.signed(command=["sh", "-c", f"mkdir {flag} && exec sleep 60 || true"], hedge=True))
        self.assertEqual(job["state"], "succeeded", job)
        won = job["attempts"][-1]
        self.assertTrue(won.get("hedge"), job)
        self.assertTrue(won["signature"]["verified"])

    # -- what does not -----------------------------------------------------------------------------------------------
    def test_an_unsigned_job_is_not_offered_to_it_and_is_explained(self):
        d = self.daemon()
        self.insisting(d)
        job_id = d.submit(command=["true"])
        explained = wait_until("it is explained", lambda: d.get(f"/v1/jobs/{job_id}/explain"))
        self.assertIn("signed_jobs_only", json.dumps(explained["terms"]))
        self.assertIn("only jobs that are signed", d.job(job_id)["reason"])
        self.assertIn("sigrun run --sign", explained["advice"]["text"])
        self.assertEqual(d.job(job_id)["attempts"], [])
        self.runner_for(d, "open")
        self.assertEqual(d.finished(job_id)["runner"]["name"], "open")

    def test_a_key_that_no_runner_trusts_is_not_offered_and_runs_once_it_is_trusted(self):
        d = self.daemon()
        self.insisting(d)
        self.keygen("other")
        job_id = d.submit(**self.signed("other", command=["true"]))
        self.assertIn("job_keys", json.dumps(d.get(f"/v1/jobs/{job_id}/explain")["terms"]))
        self.trusted("other")
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        (self.trust / "other.pub").unlink()
        wait_until("the runner has forgotten the key", lambda: d.facts("r1")["runner.job_keys"]["value"] == [self.key])
        waits = d.submit(**self.signed("other", command=["true"]))
        self.assertIn("job_keys", json.dumps(d.get(f"/v1/jobs/{waits}/explain")["terms"]))

    def test_each_field_that_somebody_changes_in_the_store_is_noticed(self):
        changes = {
            "command": lambda o: o["command"].append("x"),
            "env": lambda o: o["env"].update(LD_PRELOAD="/tmp/x.so"),
            "requires": lambda o: o.update(requires="true"),
            "workdir": lambda o: o.update(workdir="/"),
            "timeouts": lambda o: o.update(timeouts={"run": "5m"}),
            "artifacts": lambda o: o.update(artifacts=["*"]),
        }
        d = self.daemon()
        for field, change in changes.items():
            with self.subTest(field):
                job_id = d.submit(**self.signed(command=["true"], env={"A": "1"}, requires='runner.name == "r1"'))
                d = self.restarted_with(d, job_id, change)
                runner = self.insisting(d)
                job = self.never_runs(d, job_id, f"another value of: {field}")
                self.assertEqual([a["failure"]["code"] for a in job["attempts"]], ["signature"])
                runner.stop()

    def test_a_refusal_is_no_storm(self):
        d = self.daemon()
        self.trusted("ci", "tenants: team\n")
        self.insisting(d)
        job_id = d.submit(**self.signed(command=["true"]))
        self.refused(d, job_id, "tenant")
        told = d.get(f"/v1/jobs/{job_id}/explain")
        self.assertIn("refuses its signature", " ".join(told["answer"]))
        # Others go on there meanwhile, and it is still the only attempt.
        for _ in range(5):
            self.assertEqual(d.run(**self.signed(command=["true"], tenant="team"))["state"], "succeeded")
        self.assertEqual(len(d.job(job_id)["attempts"]), 1)
        self.trusted("ci")  # which mends it, once the runner is asked again
        self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_each_runner_is_asked_before_a_job_ends_for_its_signature(self):
        d = self.daemon()
        document = self.signed(command=["true"])
        self.insisting(d, "r1")
        self.assertEqual(d.run(**document)["state"], "succeeded")
        self.insisting(d, "r2")  # which does not know that it has run
        again = d.run(**document)
        self.assertEqual((again["state"], again["runner"]["name"]), ("succeeded", "r2"), again)
        job = self.never_runs(d, d.submit(**document), "nonce")
        self.assertEqual(sorted(a["runner"]["name"] for a in job["attempts"]), ["r1", "r2"])

    def test_a_job_that_is_revoked_does_not_run_again(self):
        d = self.daemon()
        self.insisting(d)
        document = self.signed(command=["true"])
        path = self.dir / "signed.json"
        path.write_text(json.dumps(document))
        done = subprocess.run([str(BIN / "sigrun"), "job", "verify", str(path), "--trust", str(self.trust)], capture_output=True, text=True)
        (self.trust / "revoked").write_text(re.search(r"sha256 ([0-9a-f]{64})", done.stdout).group(1) + "  withdrawn\n")
        threading.Event().wait(0.3)  # the runner looks at the folder ten times a second
        self.never_runs(d, d.submit(**document), "withdrawn")
        self.assertEqual(d.run(**self.signed(command=["true"]))["state"], "succeeded")

    def test_with_another_runner_a_refusal_costs_no_retry(self):
        d = self.daemon()
        self.insisting(d, "strict")
        document = self.signed(command=["true"], retry={"user": 0, "infrastructure": 0},
                               prefers=[{"if": 'runner.name == "strict"', "weight": 1}])
        document["env"] = {"B": "2"}
        self.runner_for(d, "open")
        job = d.run(**document)
        self.assertEqual((job["state"], job["runner"]["name"]), ("succeeded", "open"), job)
        self.assertEqual([a["state"] for a in job["attempts"]], ["refused", "succeeded"])

    def test_scopes_and_dates_of_a_key_hold(self):
        d = self.daemon()
        self.trusted("ci", "tenants: team-*\nkinds: process\nlabels: env=test\n")
        self.insisting(d)
        good = dict(tenant="team-a", labels={"env": "test"}, command=["true"])
        self.assertEqual(d.run(**self.signed(**good))["state"], "succeeded")
        for field, other in (("tenant", {"tenant": "ops"}), ("labels", {"labels": {"env": "prod"}}),
                             ("kind", {"kind": "call", "command": ["echo"]})):
            with self.subTest(field):
                self.refused(d, d.submit(**self.signed(**{**good, **other})), field)
        self.trusted("ci", "expires: 2020-01-01\n")
        wait_until("the runner knows that it has expired", lambda: d.facts("r1")["runner.job_keys"]["value"] == [])
        job_id = d.submit(**self.signed(command=["true"]))
        self.assertEqual(d.job(job_id)["attempts"], [])

    def test_a_signature_ends_and_so_does_the_job(self):
        d = self.daemon()
        job_id = d.submit(**self.signed(lifetime="1s", command=["true"]))
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["failure"]["code"]), ("expired", "signature_expired"), job)

    def test_one_that_is_good_for_too_long_is_refused(self):
        d = self.daemon()
        self.insisting(d)
        self.refused(d, d.submit(**self.signed(lifetime="30d", command=["true"])), "within 7d")

    def test_what_has_run_is_known_after_a_restart_of_the_runner(self):
        d = self.daemon()
        runner = self.insisting(d)
        document = self.signed(command=["true"])
        self.assertEqual(d.run(**document)["state"], "succeeded")
        runner.kill()
        d.runner_status("r1", "offline", "suspect", "lost", "gone", "degraded")
        self.insisting(d)
        self.never_runs(d, d.submit(**document), "nonce")

    def test_a_damaged_memory_refuses_rather_than_forgets(self):
        d = self.daemon()
        runner = self.insisting(d)
        self.assertEqual(d.run(**self.signed(command=["true"]))["state"], "succeeded")
        runner.stop()
        memory = self.dir / "r1" / "signed_jobs"
        memory.write_text("nonsense\n")
        self.insisting(d)
        job_id = d.submit(**self.signed(command=["true"]))
        wait_until("it is refused", lambda: "damaged" in json.dumps(d.job(job_id)))

    def test_a_folder_that_others_may_write_to_trusts_nobody(self):
        self.trust.chmod(0o777)
        d = self.daemon()
        runner = self.insisting(d)
        self.assertEqual(d.facts("r1")["runner.job_keys"]["value"], [])
        runner.wait_line("no signed job can run")

    def test_warn_runs_it_and_says_so(self):
        d = self.daemon()
        runner = self.insisting(d, mode="warn")
        job = d.run(command=["true"])
        self.assertEqual(job["state"], "succeeded")
        told = job["attempts"][-1]["signature"]
        self.assertFalse(told["verified"])
        self.assertIn("runs signed jobs alone", told["problem"])
        runner.wait_line("not signed as it should be")

    # -- the daemon --------------------------------------------------------------------------------------------------
    def test_a_daemon_that_asks_for_signatures_tells_at_once(self):
        d = self.daemon(settings=["security.job_signature=require", f"security.job_trust={self.trust}"])
        self.runner_for(d)
        status, body = d.request("POST", "/v1/jobs", {"command": ["true"]})
        self.assertEqual((status, body["field"]), (400, "signature"), body)
        document = self.signed(command=["true"])
        status, body = d.request("POST", "/v1/jobs", {**document, "workdir": "/"})
        self.assertEqual(status, 400)
        self.assertIn("workdir", body["found"])
        self.assertEqual(d.run(**document)["state"], "succeeded")

    def test_bad_signatures_are_refused_by_field(self):
        d = self.daemon()
        document = self.signed(command=["true"])
        for name, value in (("key", "x"), ("nonce", "00"), ("expires", "tomorrow"), ("value", "AAAA"), ("fields", {"a": "b"}),
                            ("written", {})):
            with self.subTest(name):
                status, body = d.request("POST", "/v1/jobs", {**document, "signature": {**document["signature"], name: value}})
                self.assertEqual(status, 400, body)
                self.assertIn(f"signature.{name}", body["field"])

    def test_what_a_tenants_token_would_put_into_a_signed_document_is_asked_for(self):
        d = self.daemon(settings=["auth.required=yes", "auth.trust_loopback=no", f"server.listen=127.0.0.1:0, unix:{self.dir}/s"])
        made = subprocess.run([str(BIN / "sigrun"), "--url", f"unix:{self.dir}/s", "token", "create", "ci", "--role", "submitter",
                               "--tenant", "team"], capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        who = {"Authorization": f"Bearer {made.stdout.split()[-1]}"}
        status, body = d.request("POST", "/v1/jobs", self.signed(command=["true"]), who)
        self.assertEqual((status, body["field"]), (400, "tenant"), body)
        self.assertEqual(d.request("POST", "/v1/jobs", self.signed(command=["true"], tenant="team"), who)[0], 201)
        several = {"jobs": [{"name": "a", **self.signed(command=["true"])}]}
        status, body = d.request("POST", "/v1/submissions", several, who)
        self.assertEqual((status, body["field"]), (400, "jobs[0].tenant"), body)

    def test_the_same_submit_signed_again_is_the_same_job(self):
        d = self.daemon()
        self.insisting(d)
        ids = set()
        for _ in range(2):
            status, body = d.request("POST", "/v1/jobs", self.signed(command=["true"]), {"Idempotency-Key": "one"})
            ids.add(body["id"])
        self.assertEqual(len(ids), 1)

    def test_a_runner_without_a_folder_of_keys_does_not_start(self):
        done = subprocess.run([str(BIN / "sigrun-runner"), "--name", "x", "--state-dir", str(self.dir / "x"),
                               "--set", "security.job_signature=require"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("security.job_trust", done.stderr)

    def test_sign_and_verify_need_no_daemon(self):
        document = self.signed(command=["true"])
        path = self.dir / "signed.json"
        path.write_text(json.dumps(document))
        done = subprocess.run([str(BIN / "sigrun"), "job", "verify", str(path), "--trust", str(self.trust)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        revoked = re.search(r"sha256 ([0-9a-f]{64})", done.stdout).group(1)
        (self.trust / "revoked").write_text(f"{revoked}  withdrawn\n")
        done = subprocess.run([str(BIN / "sigrun"), "job", "verify", str(path), "--trust", str(self.trust)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 5)
        self.assertIn("withdrawn", done.stderr)


if __name__ == "__main__":
    unittest.main()
