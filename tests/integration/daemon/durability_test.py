"""What survives: kill -9 of the daemon, of a runner, and of a connection."""
import collections
import json
import re
import sqlite3
import threading
import unittest

from harness import FleetTest, free_port, wait_until


class Durability(FleetTest):
    def test_mission_M2_a_registered_runner_is_still_there_after_kill_9(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d, "dials-in", labels=["zone=eu"])
        status, added = d.request("POST", "/v1/runners", {"name": "declared", "endpoint": "127.0.0.1:1", "labels": {"a": "b"}})
        self.assertIn(status, (200, 201), added)
        again = d.request("POST", "/v1/runners", {"name": "declared", "endpoint": "127.0.0.1:1", "labels": {"a": "b"}})[1]
        self.assertEqual(again["id"], added["id"])
        before = {r["name"]: r["id"] for r in d.get("/v1/runners")["items"]}
        self.assertEqual(set(before), {"dials-in", "declared"})
        d.kill()
        d = self.daemon(port=port)
        after = {r["name"]: r["id"] for r in d.get("/v1/runners")["items"]}
        self.assertEqual(after, before)
        self.assertEqual(d.runner("declared")["labels"], {"a": "b"})
        self.assertEqual(d.runner_status("dials-in", "online")["labels"], {"zone": "eu"})

    def test_kill_9_during_a_thousand_queued_jobs_loses_none_and_reports_none_twice(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d, slots=2)
        ledger = self.dir / "ledger"
        ids, lock = [], threading.Lock()

        def submit(part):
            for n in range(100):
                job_id = d.submit(command=["sh", "-c", f"echo {part}-{n} >> {ledger}"])
                with lock:
                    ids.append(job_id)

        threads = [threading.Thread(target=submit, args=(i,)) for i in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(set(ids)), 1000)
        wait_until("some jobs have ended", lambda: d.get("/v1/stats")["jobs"].get("succeeded", 0) >= 20, 60)
        done_before = {j["id"] for j in d.jobs() if j["state"] == "succeeded"}
        self.assertLess(len(done_before), 1000)
        d.kill()
        d = self.daemon(port=port)
        d.runner_status("r1", "online", "busy")
        wait_until("all jobs have ended", lambda: d.get("/v1/stats")["jobs"].get("succeeded", 0) == 1000, 180)
        jobs = {j["id"]: j for j in d.jobs()}
        self.assertEqual(set(jobs), set(ids))
        self.assertEqual({j["state"] for j in jobs.values()}, {"succeeded"})
        # What was reported as done before the crash was not run again.
        counts = collections.Counter(ledger.read_text().split())
        self.assertEqual(len(counts), 1000)
        for job_id in done_before:
            self.assertEqual(len([a for a in d.job(job_id)["attempts"] if a["state"] == "succeeded"]), 1)
        finished = [sum(a["state"] == "succeeded" for a in d.job(i)["attempts"]) for i in ids[:200]]
        self.assertEqual(set(finished), {1})

    def test_a_running_job_survives_a_restart_of_the_daemon(self):
        port = free_port()
        d = self.daemon(port=port)
        self.runner_for(d)
        gate = self.dir / "gate"
        job_id = d.submit(command=["sh", "-c", f"echo before; until [ -e {gate} ]; do sleep 0.05; done; echo after"])
        wait_until("it has written", lambda: d.log(job_id) == "before\n")
        d.kill()
        d = self.daemon(port=port)
        d.runner_status("r1", "online", "busy")
        gate.touch()
        job = d.finished(job_id)
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual(len(job["attempts"]), 1, job)
        self.assertEqual(d.log(job_id), "before\nafter\n")

    def test_a_lost_runner_costs_an_attempt_of_the_infrastructure_budget(self):
        d = self.daemon(settings=["jobs.lease=1s"])
        first = self.runner_for(d, "first", labels=["rank=1"])
        job_id = d.submit(command=["sh", "-c", "echo $$; sleep 600"], prefers=[{"if": 'label.rank == "1"', "weight": 1}])
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        self.runner_for(d, "second")
        first.kill()
        job = wait_until("it runs elsewhere", lambda: (lambda j: j if j["state"] == "running" and len(j["attempts"]) == 2 else None)(d.job(job_id)))
        self.assertEqual(job["runner"]["name"], "second")
        self.assertEqual(job["attempts"][0]["state"], "lost")
        self.assertEqual(job["attempts"][0]["failure"]["class"], "infra_runner")
        d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=100ms")

    def test_the_same_idempotency_key_is_one_job_also_after_a_restart(self):
        port = free_port()
        d = self.daemon(port=port)
        document = {"command": ["true"], "requires": 'label.never == "x"'}
        key = {"Idempotency-Key": "abc"}
        results, lock = [], threading.Lock()

        def post():
            r = d.request("POST", "/v1/jobs", document, key)
            with lock:
                results.append(r)

        threads = [threading.Thread(target=post) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual({body["id"] for _, body in results}, {results[0][1]["id"]})
        self.assertEqual(sorted(status for status, _ in results), [200] * 19 + [201])
        d.kill()
        d = self.daemon(port=port)
        status, body = d.request("POST", "/v1/jobs", document, key)
        self.assertEqual((status, body["id"]), (200, results[0][1]["id"]))
        status, body = d.request("POST", "/v1/jobs", {"command": ["false"]}, key)
        self.assertEqual((status, body["code"]), (409, "conflict"))

    def test_events_of_the_next_life_have_greater_numbers_and_begin_with_a_gap(self):
        port = free_port()
        d = self.daemon(port=port)
        for _ in range(20):
            d.submit(command=["true"])

        def events(after, count, *more):
            done = self.sigrun(d, "events", "--after", str(after), "-n", str(count), "-o", "json", *more, check=0)
            return [json.loads(line) for line in done.stdout.splitlines()]

        seen = events(0, 20, "--type", "JobSubmitted")[-1]["seq"]
        d.kill()
        d = self.daemon(port=port)
        d.submit(command=["true"])
        gap, first = events(seen, 2, "--type", "JobSubmitted")
        self.assertEqual((gap["type"], gap["from"]), ("Gap", seen + 1), gap)
        self.assertEqual(first["type"], "JobSubmitted")
        self.assertGreater(first["seq"], seen)
        self.assertLess(first["seq"], 2 ** 53)

    def test_a_replayed_submit_is_not_answered_before_the_first_is_on_disk(self):
        d = self.daemon()
        results = []
        threads = [threading.Thread(target=lambda: results.append(
            d.request("POST", "/v1/jobs", {"command": ["true"]}, {"Idempotency-Key": "k"}))) for _ in range(2)]

        def submits():
            found = re.search(r'sigrun_calls_total\{method="jobs.submit"\} (\d+)', d.request("GET", "/metrics")[1])
            return int(found.group(1)) if found else 0

        # Another process holds the database's write lock, so nothing can be committed.
        lock = sqlite3.connect(d.state_dir / "sigrun.db", isolation_level=None)
        try:
            lock.execute("BEGIN IMMEDIATE")
            for n, t in enumerate(threads, 1):
                t.start()
                wait_until("the submit has arrived", lambda: submits() == n)
            self.assertEqual(results, [])
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        for t in threads:
            t.join()
        self.assertEqual(sorted(status for status, _ in results), [200, 201])
        self.assertEqual(results[0][1]["id"], results[1][1]["id"])

    def test_sigterm_stops_cleanly_and_the_queue_is_there_at_the_next_start(self):
        d = self.daemon()
        job_id = d.submit(command=["true"])
        self.assertEqual(d.stop(), 0)
        d = self.daemon()
        self.assertEqual(d.job(job_id)["state"], "queued")
        self.runner_for(d)
        self.assertEqual(d.finished(job_id)["state"], "succeeded")


if __name__ == "__main__":
    unittest.main()
