"""A daemon whose store was taken over by another controller: it stops at once, says so, and what runs is told to the next one."""
import contextlib
import http.client
import sqlite3
import time
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

ACK_STATE = 5


class FencedDaemon(PuppetTest):
    def test_it_acknowledges_nothing_more_and_ends_with_an_error_and_the_next_one_has_the_jobs(self):
        port = free_port()
        d = self.daemon(port=port)
        p = self.puppet(d)
        job_id = d.submit(command=["true"])
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        waiting = d.submit(command=["true"], requires='label.never == "x"')
        other = sqlite3.connect(d.state_dir / "sigrun.db", timeout=10)
        with other:
            other.execute("UPDATE shard SET epoch = epoch + 1")
        other.close()
        with contextlib.suppress(OSError, http.client.HTTPException):  # it may be gone before its answer is
            status, body = d.request("POST", "/v1/jobs", {"command": ["true"]})
            self.assertEqual((status, body["code"]), (503, "unavailable"), body)
        p.end(offer)
        self.assertEqual(d.process.wait(30), 1)
        d._reader.join(10)
        self.assertIn("another controller has taken over the jobs", "\n".join(d.lines))
        self.assertEqual([f for f in list(p.frames.queue) if f["kind"] == "ack" and f.get("stream") == ACK_STATE], [])
        p.vanish()
        began = time.monotonic()
        d = self.daemon(port=port)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(d.job(waiting)["state"], "queued")
        self.assertEqual(p.connect([p.listed(offer, "finished")]), {(job_id, 1): "report"})
        p.end(offer)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        p.expect("ack", job_id, ACK_STATE)


if __name__ == "__main__":
    unittest.main()
