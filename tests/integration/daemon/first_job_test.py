"""Jobs from submit to end on real runners."""
import json
import socket
import subprocess
import sys
import unittest

from harness import SOURCE, FleetTest, processes_with, wait_until


class FirstJob(FleetTest):
    def test_a_process_job_runs_for_real_over_each_protocol(self):
        d = self.daemon()
        for protocol in ("valkyrie", "http"):
            with self.subTest(protocol=protocol):
                self.runner_for(d, f"r-{protocol}", protocol=protocol)
                target = self.dir / f"made-by-{protocol}"
                job = d.run(command=["sh", "-c", f"echo out; echo err >&2; echo done > {target}; exit 7"],
                            protocol=protocol)
                self.assertEqual((job["state"], job["exit_code"]), ("failed", 7), job)
                self.assertEqual(job["failure"]["class"], "user")
                self.assertEqual(job["runner"]["name"], f"r-{protocol}")
                self.assertEqual(job["protocol"], protocol)
                self.assertIn(protocol, job["reason"])
                self.assertEqual(target.read_text(), "done\n")
                self.assertEqual(sorted(d.log(job["id"]).splitlines()), ["err", "out"])

    def test_mission_M3_the_result_is_that_of_a_real_process(self):
        d = self.daemon()
        self.runner_for(d)
        target = self.dir / "side-effect"
        job = d.run(command=["sh", "-c", f"pwd > {target}; printf %s \"$GREETING\""], env={"GREETING": "hello there"})
        self.assertEqual((job["state"], job["exit_code"], job["signal"]), ("succeeded", 0, None), job)
        self.assertTrue(target.read_text().startswith("/"))
        self.assertEqual(d.log(job["id"]), "hello there")
        self.assertGreater(job["usage"]["max_rss_bytes"], 0)
        killed = d.run(command=["sh", "-c", "kill -SEGV $$"])
        self.assertEqual((killed["state"], killed["signal"]), ("failed", 11), killed)

    def test_a_call_job_returns_its_payload(self):
        d = self.daemon()
        for protocol in ("valkyrie", "http"):
            self.runner_for(d, f"c-{protocol}", protocol=protocol)
            job = d.run(kind="call", command=["echo"], payload="hello", durability="memory", protocol=protocol)
            self.assertEqual((job["state"], job["result"], job["protocol"]), ("succeeded", "hello", protocol), job)
        binary = d.run(kind="call", command=["echo"], payload={"base64": "AP/+"}, durability="memory")
        self.assertEqual(binary["result"], {"base64": "AP/+"})
        unknown = d.run(kind="call", command=["no-such-function"], durability="memory")
        self.assertEqual(unknown["state"], "failed")
        self.assertIn("no-such-function", json.dumps(unknown["failure"]))

    def test_an_answer_larger_than_a_message_is_a_problem_and_no_endless_wait(self):
        sys.path.insert(0, str(SOURCE / "tests/unit/plugins/protocols/valkyrie"))
        import valkyrie_twin as twin
        d = self.daemon()
        self.runner_for(d)
        p = twin.Peer(socket.create_connection(("127.0.0.1", d.port), 10))
        p.sock.settimeout(60)
        p.sock.sendall(twin.PREFACE + twin.encode(twin.hello(features=0, max_message=1 << 24)))
        p.take_preface()
        p.expect(type="HELLO")
        # The answer has the result twice: in the job and beside it.
        call = twin.encode({"type": "CALL", "stream": 16, "method": "jobs.submit", "params": '{"wait":"30s"}',
                            "json": '{"kind":"call","command":["echo"]}', "payload": (b"x" * (9 << 20)).hex()})
        flags, body = int.from_bytes(call[6:8], "little"), call[12:]
        for i in range(0, len(body), 60000):
            more = twin.MORE if i + 60000 < len(body) else 0
            p.sock.sendall(twin.frame(twin.TYPES["CALL"], flags | more, 16, body[i:i + 60000]))
        answer = p.expect(type="REPLY", stream=16, flags=["LAST", "ERROR"])
        self.assertEqual(json.loads(answer["json"])["code"], "too_large", answer)
        # The connection goes on, and the job has its result.
        p.send({"type": "CALL", "stream": 17, "method": "jobs.list"})
        job = json.loads(p.expect(type="REPLY", stream=17)["json"])["items"][0]
        self.assertEqual(job["state"], "succeeded", job)
        p.sock.close()

    def test_steps_run_in_order_and_stop_at_the_first_failure(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(steps=[["sh", "-c", "echo one > f; echo one"], {"name": "two", "command": ["sh", "-c", "cat f; exit 3"]},
                           ["echo", "never"]])
        self.assertEqual((job["state"], job["exit_code"]), ("failed", 3), job)
        self.assertEqual(d.log(job["id"]), "one\none\n")

    def test_a_requirement_chooses_the_runner_and_a_job_without_match_waits_and_says_why(self):
        d = self.daemon()
        self.runner_for(d, "plain")
        self.runner_for(d, "special", labels=["zone=eu", "gpu=none"])
        job = d.run(command=["true"], requires='label.zone == "eu" && host.arch != "sparc" && cpu.effective_cores >= 1')
        self.assertEqual(job["runner"]["name"], "special", job)
        waiting = d.submit(command=["true"], requires='label.zone == "mars"')
        job = d.job(waiting)
        self.assertEqual(job["state"], "queued")
        why = d.get(f"/v1/jobs/{waiting}/explain")
        self.assertIn("none of 2 runners", why["reason"])
        self.assertEqual(why["terms"][0]["false"], 2)
        self.runner_for(d, "martian", labels=["zone=mars"])
        self.assertEqual(d.finished(waiting)["runner"]["name"], "martian")

    def test_prefers_takes_the_preferred_runner_while_it_has_a_place(self):
        d = self.daemon()
        for n in range(3):
            self.runner_for(d, f"r{n}", slots=1, labels=[f"n={n}"])
        prefers = [{"if": 'label.n == "1"', "weight": 10}, {"if": 'label.n == "2"', "weight": 20}]
        for _ in range(4):
            self.assertEqual(d.run(command=["true"], prefers=prefers)["runner"]["name"], "r2")

    def test_cancel_leaves_no_process_behind(self):
        d = self.daemon()
        self.runner_for(d)
        marker = f"sigrun-marker-{self.dir.name}"
        script = (f"trap '' TERM; setsid sh -c 'trap \"\" TERM; touch {self.dir}/inner; sleep 600' & "
                  f"(sleep 601 &) ; touch {self.dir}/outer; wait")
        job_id = d.submit(command=["sh", "-c", script], env={"MARKER": marker})
        wait_until("the tree runs", lambda: (self.dir / "inner").exists() and (self.dir / "outer").exists())
        self.assertGreaterEqual(len(processes_with(marker)), 3)
        status, _ = d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=200ms")
        self.assertEqual(status, 200)
        job = d.finished(job_id)
        self.assertEqual(job["state"], "cancelled", job)
        self.assertEqual(processes_with(marker), [])

    def test_background_processes_end_with_their_job(self):
        d = self.daemon()
        self.runner_for(d)
        marker = f"sigrun-left-{self.dir.name}"
        job = d.run(command=["sh", "-c", "setsid sleep 600 > /dev/null 2>&1 & echo started"], env={"MARKER": marker})
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual(processes_with(marker), [])

    def test_a_job_that_runs_too_long_is_ended_as_user_timeout(self):
        d = self.daemon()
        self.runner_for(d)
        job = d.run(command=["sleep", "600"], timeouts={"run": "300ms"})
        self.assertEqual((job["state"], job["failure"]["class"]), ("failed", "user_timeout"), job)

    def test_a_full_runner_makes_jobs_wait_in_order_of_priority(self):
        d = self.daemon()
        self.runner_for(d, slots=1)
        order = self.dir / "order"
        gate = self.dir / "gate"
        first = d.submit(command=["sh", "-c", f"until [ -e {gate} ]; do sleep 0.02; done"])
        wait_until("the place is taken", lambda: d.job(first)["state"] == "running")
        jobs = [d.submit(command=["sh", "-c", f"echo {p} >> {order}"], priority=p) for p in ("background", "normal", "critical")]
        self.assertEqual({d.job(j)["state"] for j in jobs}, {"queued"})
        gate.touch()
        for j in jobs:
            self.assertEqual(d.finished(j)["state"], "succeeded")
        self.assertEqual(order.read_text().split(), ["critical", "normal", "background"])

    def test_ten_megabytes_of_output_arrive_intact(self):
        d = self.daemon()
        self.runner_for(d, "v")
        self.runner_for(d, "h", protocol="http")
        script = "i=0; while [ $i -lt 100000 ]; do echo \"line $i ........................................................................................\"; i=$((i+1)); done"
        for protocol in ("valkyrie", "http"):
            job = d.run(command=["sh", "-c", script], protocol=protocol)
            self.assertEqual(job["state"], "succeeded", job)
            lines = d.log(job["id"]).splitlines()
            self.assertEqual(len(lines), 100000)
            self.assertTrue(all(line.startswith(f"line {i} ") for i, line in enumerate(lines)))

    def test_curl_alone_submits_follows_by_sse_and_cancels(self):
        d = self.daemon()
        self.runner_for(d)
        base = f"http://127.0.0.1:{d.port}"
        document = json.dumps({"command": ["sh", "-c", "echo first; sleep 600"]})
        made = subprocess.run(["curl", "-sS", "--fail-with-body", "-d", document, "-H", "Content-Type: application/json", f"{base}/v1/jobs"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        job_id = json.loads(made.stdout)["id"]
        follow = self.program("curl", "-sSN", "-H", "Accept: text/event-stream", f"{base}/v1/jobs/{job_id}/logs?follow=true")
        line = follow.wait_line("first")
        self.assertTrue(line.startswith("data:"), line)
        cancelled = subprocess.run(["curl", "-sS", "-X", "POST", f"{base}/v1/jobs/{job_id}/cancel"], capture_output=True, text=True, timeout=30)
        self.assertEqual(json.loads(cancelled.stdout)["id"], job_id)
        follow.wait_line("event: end")
        self.assertEqual(d.finished(job_id)["state"], "cancelled")


if __name__ == "__main__":
    unittest.main()
