"""A disk that refuses for a while: nothing is accepted that could not be kept, and what was accepted is written later."""
import contextlib
import sqlite3
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

ACK_STATE = 5
IMPATIENT = ["instance sqlite.busy_timeout=100ms"]


class RefusedSaves(PuppetTest):
    @contextlib.contextmanager
    def refusing(self, d):
        """Another process holds the database's write lock: nothing can be committed."""
        lock = sqlite3.connect(d.state_dir / "sigrun.db", isolation_level=None)

        def locked():
            with contextlib.suppress(sqlite3.OperationalError):
                lock.execute("BEGIN IMMEDIATE")
                return True
        try:
            wait_until("the lock", locked)
            yield
        finally:
            with contextlib.suppress(sqlite3.OperationalError):
                lock.execute("ROLLBACK")
            lock.close()

    @staticmethod
    def noticed(d):
        wait_until("it knows that nothing can be stored", lambda: d.request("GET", "/readyz")[0] == 503)

    @staticmethod
    def healed(d):
        wait_until("it knows that everything can be stored", lambda: d.request("GET", "/readyz")[0] == 200)

    @staticmethod
    def stored(d, kind, key):
        """The record as it is on the disk."""
        with contextlib.closing(sqlite3.connect(d.state_dir / "sigrun.db")) as db:
            row = db.execute("SELECT body FROM record WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return row and row[0]

    def test_relaxed_jobs_are_refused_with_a_reason_while_nothing_can_be_stored_and_memory_jobs_run(self):
        d = self.daemon(settings=IMPATIENT)
        p = self.puppet(d)
        with self.refusing(d):
            first = d.submit(command=["true"], durability="relaxed", requires='label.never == "x"')
            self.noticed(d)
            for durability in ("relaxed", "fsync"):
                status, body = d.request("POST", "/v1/jobs", {"command": ["true"], "durability": durability})
                self.assertEqual((status, body["code"], body["found"]), (503, "unavailable", durability), body)
                self.assertIn("nothing can be stored", body["title"])
                self.assertIn("Retry-After", d.last_headers)
            in_memory = d.submit(command=["true"], durability="memory")
            offer = p.expect("offer", in_memory)
            p.accept(offer)
            p.end(offer)
            self.assertEqual(d.finished(in_memory)["state"], "succeeded")
        self.healed(d)
        # The one that was accepted before anybody could know is on the disk now.
        wait_until("it was stored", lambda: self.stored(d, 1, first))

    def test_a_job_that_was_refused_at_the_disk_after_it_was_accepted_survives_a_crash(self):
        port = free_port()
        d = self.daemon(port=port, settings=IMPATIENT)
        document = {"command": ["true"], "durability": "relaxed", "requires": 'label.never == "x"'}
        with self.refusing(d):
            status, job = d.request("POST", "/v1/jobs", document, {"Idempotency-Key": "k"})
            self.assertEqual(status, 201, job)
            self.noticed(d)
        wait_until("it was stored", lambda: self.stored(d, 1, job["id"]))
        d.kill()
        d = self.daemon(port=port, settings=IMPATIENT)
        self.assertEqual(d.job(job["id"])["state"], "queued")
        status, again = d.request("POST", "/v1/jobs", document, {"Idempotency-Key": "k"})
        self.assertEqual((status, again["id"]), (200, job["id"]))

    def test_the_end_of_a_relaxed_job_is_written_later_and_the_runner_keeps_it_until_then(self):
        port = free_port()
        d = self.daemon(port=port, settings=IMPATIENT)
        p = self.puppet(d)
        job_id = d.submit(command=["true"], durability="relaxed")
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("that it runs is on the disk", lambda: '"state":"running"' in (self.stored(d, 1, job_id) or ""))
        with self.refusing(d):
            p.end(offer)
            self.assertEqual(d.finished(job_id)["state"], "succeeded")
            self.noticed(d)
            p.hang_up()
            # It comes back to say it again: the disk does not know it yet, so it must not forget it.
            self.assertEqual(p.connect([p.listed(offer, "finished")]), {(job_id, 1): "report"})
            p.end(offer)
            with self.assertRaises(AssertionError):
                p.expect("ack", job_id, ACK_STATE, deadline=0.5)
        p.expect("ack", job_id, ACK_STATE)
        d.kill()
        d = self.daemon(port=port, settings=IMPATIENT)
        job = d.job(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)

    def test_a_retry_that_could_not_be_written_is_written_later_and_the_runner_is_told_then(self):
        d = self.daemon(settings=[*IMPATIENT, "interface.retry_delay=60s"])
        p = self.puppet(d)
        job_id = d.submit(command=["true"], retry={"user": 1})
        offer = p.expect("offer", job_id)
        p.accept(offer)
        wait_until("it runs", lambda: d.job(job_id)["state"] == "running")
        with self.refusing(d):
            p.end(offer, exit_code=1)
            wait_until("it is to run again", lambda: d.job(job_id)["state"] == "queued")
            self.noticed(d)
        p.expect("ack", job_id, ACK_STATE)
        self.assertIn('"state":"queued"', self.stored(d, 1, job_id))


if __name__ == "__main__":
    unittest.main()
