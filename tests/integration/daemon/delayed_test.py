"""Jobs that are not to start before a time: start_at and delay."""
import time
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest


def rfc3339(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


class Delayed(PuppetTest):
    def test_a_delayed_job_says_so_and_starts_at_its_time(self):
        d = self.daemon()
        self.runner_for(d)
        for durability in ("fsync", "relaxed", "memory"):
            with self.subTest(durability):
                before = time.time()
                job_id = d.submit(command=["date", "+%s.%N"], delay="1500ms", durability=durability)
                submitted = time.time()
                job = d.job(job_id)
                self.assertEqual(job["state"], "delayed", job)
                self.assertEqual(job["reason"], "delayed until " + job["start_at"])
                self.assertEqual([j["id"] for j in d.get("/v1/jobs?state=delayed")["items"]], [job_id])
                self.assertEqual(d.get("/v1/jobs?state=queued")["items"], [])
                told = d.get(f"/v1/jobs/{job_id}/explain")
                self.assertEqual((told["state"], told["start_at"]), ("delayed", job["start_at"]))
                self.assertIn("Delayed until " + job["start_at"] + ", in ", told["answer"][0])
                self.assertEqual(d.finished(job_id)["state"], "succeeded")
                began = float(d.log(job_id))
                self.assertGreaterEqual(began, before + 1.5)
                self.assertLess(began, submitted + 1.5 + 1)

    def test_a_time_of_the_clock_in_the_future_is_waited_for_and_one_in_the_past_is_not(self):
        d = self.daemon()
        self.runner_for(d)
        at = time.time() + 1.5
        job_id = d.submit(command=["date", "+%s.%N"], start_at=rfc3339(at))
        self.assertEqual(d.job(job_id)["state"], "delayed")
        self.assertEqual(d.run(command=["true"], start_at="2020-01-05T10:00:00+02:00")["state"], "succeeded")
        self.assertEqual(d.job(job_id)["state"], "delayed")
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        self.assertGreaterEqual(float(d.log(job_id)), at - 0.002)

    def test_it_survives_a_crash_of_the_daemon(self):
        port = free_port()
        d = self.daemon(port=port)
        submitted = time.time()
        soon = d.submit(command=["true"], delay="1s")
        later = d.submit(command=["date", "+%s.%N"], delay="4s")
        d.kill()
        wait_until("the time of the first is over", lambda: time.time() > submitted + 1.2)
        d = self.daemon(port=port)
        self.assertEqual((d.job(soon)["state"], d.job(later)["state"]), ("queued", "delayed"))
        self.runner_for(d)
        self.assertEqual(d.finished(soon)["state"], "succeeded")
        self.assertEqual(d.finished(later)["state"], "succeeded")
        began = float(d.log(later))
        self.assertGreaterEqual(began, submitted + 4)
        self.assertLess(began, submitted + 6)

    def test_it_can_be_cancelled(self):
        port = free_port()
        d = self.daemon(port=port)
        job_id = d.submit(command=["true"], delay="1h")
        d.request("POST", f"/v1/jobs/{job_id}/cancel")
        self.assertEqual(d.finished(job_id)["state"], "cancelled")
        d.kill()
        d = self.daemon(port=port)
        self.assertEqual(d.job(job_id)["state"], "cancelled")

    def test_it_counts_among_the_jobs_that_may_wait(self):
        d = self.daemon(settings=["jobs.max_waiting=1"])
        job_id = d.submit(command=["true"], delay="1h")
        status, body = d.request("POST", "/v1/jobs", {"command": ["true"]})
        self.assertEqual(status, 429, body)
        d.request("POST", f"/v1/jobs/{job_id}/cancel")
        d.submit(command=["true"])

    def test_the_time_in_the_queue_begins_with_its_start_and_the_total_time_with_submit(self):
        d = self.daemon()
        submitted = time.time()
        queued = d.submit(command=["true"], delay="1s", timeouts={"queue": "1s"})
        total = d.submit(command=["true"], start_at=rfc3339(submitted + 60), timeouts={"total": "1s"})
        job = d.finished(total)
        self.assertEqual((job["state"], job["failure"]["code"]), ("expired", "total_timeout"), job)
        job = d.finished(queued)
        self.assertEqual((job["state"], job["failure"]["code"]), ("expired", "queue_timeout"), job)
        self.assertGreaterEqual(time.time(), submitted + 2)

    def test_what_cannot_be_is_refused(self):
        d = self.daemon()
        for document, field, found in (
                ({"delay": "1s", "start_at": "2030-01-05T10:00:00Z"}, "delay", "both"),
                ({"delay": "soon"}, "delay", "soon"),
                ({"delay": "9000h"}, "delay", "9000h"),
                ({"start_at": "tomorrow"}, "start_at", "tomorrow"),
                ({"start_at": "2030-02-30T10:00:00Z"}, "start_at", "2030-02-30"),
                ({"start_at": "2200-01-01T00:00:00Z"}, "start_at", "2200-01-01"),
                ({"delay": "10s", "timeouts": {"total": "5s"}}, "timeouts.total", "5s")):
            status, body = d.request("POST", "/v1/jobs", {"command": ["true"], **document})
            self.assertEqual(status, 400, body)
            self.assertEqual(body["field"], field)
            self.assertIn(found, body["found"])

    def test_the_command_line_delays_and_explains(self):
        d = self.daemon()
        out = self.sigrun(d, "submit", "--at", rfc3339(time.time() + 3600), "--", "true", check=0)
        job_id = out.stdout.split()[0]
        self.assertIn("delayed", self.sigrun(d, "job", "ls", "--state", "delayed", check=0).stdout)
        self.assertIn("Delayed until", self.sigrun(d, "job", "explain", job_id, check=0).stdout)
        self.runner_for(d)
        before = time.time()
        self.sigrun(d, "run", "--delay", "1s", "--", "true", check=0)
        self.assertGreaterEqual(time.time(), before + 1)
        self.sigrun(d, "submit", "--delay", "1s", "--at", rfc3339(time.time()), "--", "true", check=2)


if __name__ == "__main__":
    unittest.main()
