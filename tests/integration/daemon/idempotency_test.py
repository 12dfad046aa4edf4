"""One key, one job: for as long as it is promised, also when the job itself is forgotten."""
import json
import time
import unittest

from harness import FleetTest, free_port, wait_until

DOCUMENT = {"command": ["sh", "-c", "exit 3"], "labels": {"a": "1"}}


class Idempotency(FleetTest):
    def post(self, d, document, key="k"):
        return d.request("POST", "/v1/jobs", document, {"Idempotency-Key": key})

    def forgotten(self, d, job_id):
        """Others end, until the job is no longer kept."""
        wait_until("the job is forgotten",
                   lambda: d.run(command=["true"]) and d.request("GET", f"/v1/jobs/{job_id}")[0] == 404)

    def test_a_key_is_remembered_when_its_job_is_forgotten_and_over_a_restart(self):
        port = free_port()
        settings = ["jobs.keep_finished=2"]
        d = self.daemon(port=port, settings=settings)
        self.runner_for(d)
        for durability in ("fsync", "relaxed", "memory"):
            status, job = self.post(d, {**DOCUMENT, "durability": durability}, durability)
            self.assertEqual(status, 201, job)
            before = d.finished(job["id"])
            self.forgotten(d, job["id"])
            status, again = self.post(d, {**DOCUMENT, "durability": durability}, durability)
            self.assertEqual((status, again["id"], again["idempotency_replayed"]), (200, job["id"], True), again)
            for field in ("state", "exit_code", "failure", "submitted_at", "started_at", "finished_at"):
                self.assertEqual(again[field], before[field], field)
            self.assertEqual(self.post(d, {"command": ["false"]}, durability)[0], 409)
            if durability == "fsync":
                first = again
        d.kill()
        d = self.daemon(port=port, settings=settings)
        status, again = self.post(d, {**DOCUMENT, "durability": "fsync"}, "fsync")
        self.assertEqual((status, again), (200, first))
        self.assertEqual(self.post(d, {"command": ["false"]}, "fsync")[0], 409)

    def test_a_key_is_free_again_when_its_time_after_the_end_of_the_job_is_over(self):
        d = self.daemon(settings=["jobs.keep_finished=1", "jobs.key_lifetime=3s"])
        self.runner_for(d)
        job = self.post(d, DOCUMENT)[1]
        began = time.monotonic()
        d.finished(job["id"])
        self.forgotten(d, job["id"])
        self.assertEqual(self.post(d, DOCUMENT)[1]["id"], job["id"])
        fresh = wait_until("the key is free", lambda: (lambda r: r[1] if r[0] == 201 else None)(self.post(d, DOCUMENT)))
        self.assertGreaterEqual(time.monotonic() - began, 3)
        self.assertNotEqual(fresh["id"], job["id"])

    def test_a_document_that_means_the_same_is_the_same(self):
        d = self.daemon()
        document = {"requires": 'label.never == "x"', "command": ["true"], "retry": {"user": 1, "infrastructure": 2}}
        text = json.dumps(document, indent=3).replace("2", "2.0")
        status, job = d.request("POST", "/v1/jobs", text, {"Idempotency-Key": "k"})
        self.assertEqual(status, 201, job)
        status, again = self.post(d, json.dumps({**dict(reversed(document.items())), "retry": {"infrastructure": 2, "user": 1}}))
        self.assertEqual((status, again["id"]), (200, job["id"]), again)

    def test_beyond_the_limit_new_keys_are_refused_with_its_name_and_known_ones_are_answered(self):
        d = self.daemon(settings=["jobs.max_keys=2"])
        document = {"command": ["true"], "requires": 'label.never == "x"'}
        first = self.post(d, document, "a")[1]
        self.post(d, document, "b")
        status, body = self.post(d, document, "c")
        self.assertEqual((status, body["code"], body["field"]), (429, "busy", "jobs.max_keys"), body)
        self.assertEqual(self.post(d, document, "a")[1]["id"], first["id"])
        self.assertEqual(d.request("POST", "/v1/jobs", document)[0], 201)


if __name__ == "__main__":
    unittest.main()
