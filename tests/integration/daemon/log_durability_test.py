"""Output that is acknowledged has been brought to the disk, as far as the job wants that: its runner drops it then."""
import base64
import json
import os
import pathlib
import sqlite3
import subprocess
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest

ACK_LOG, ACK_STATE = 4, 5


class LogDurability(PuppetTest):
    def setUp(self):
        super().setUp()
        self.gate = self.dir / "gate"

    def slow_daemon(self, **kwargs):
        """One whose logs do not reach the disk while self.gate exists."""
        library = self.dir / "slow_disk.so"
        if not library.exists():
            source = pathlib.Path(__file__).parent / "slow_disk.c"
            subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        env = {"LD_PRELOAD": str(library), "SIGRUN_TEST_DISK_GATE": str(self.gate),
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        return self.daemon(env=env, **kwargs)

    def one_job(self, d):
        """A puppet, and the offer of a job that it has accepted."""
        p = self.puppet(d)
        job_id = d.submit(command=["true"])
        return p, job_id, self.begun(p, job_id)

    def begun(self, p, job_id):
        offer = p.expect("offer", job_id)
        p.accept(offer)
        return offer

    @staticmethod
    def prints(p, offer, text, offset=0):
        p.send({"kind": "log", "stream": 1, "attempt": offer["attempt"], "offset": offset, "time_ns": 1,
                "payload": base64.b64encode(text.encode()).decode()})

    def nothing_comes(self, p, job_id, stream):
        with self.assertRaises(AssertionError):
            p.expect("ack", job_id, stream, deadline=0.5)

    def test_output_of_an_fsync_job_is_acknowledged_when_the_disk_has_it(self):
        d = self.slow_daemon()
        p, job_id, offer = self.one_job(d)
        self.gate.touch()
        self.prints(p, offer, "hello\n")
        wait_until("it can be read already", lambda: d.log(job_id) == "hello\n")
        self.nothing_comes(p, job_id, ACK_LOG)
        self.gate.unlink()
        self.assertEqual(p.expect("ack", job_id, ACK_LOG)["offset"], 6)

    def test_its_end_is_acknowledged_and_seen_when_the_disk_has_its_output(self):
        d = self.slow_daemon()
        p, job_id, offer = self.one_job(d)
        self.gate.touch()
        self.prints(p, offer, "hello\n")
        p.end(offer, log_bytes=6)
        self.nothing_comes(p, job_id, ACK_STATE)
        self.assertEqual(d.job(job_id)["state"], "running")
        self.gate.unlink()
        p.expect("ack", job_id, ACK_STATE)
        self.assertEqual(d.job(job_id)["state"], "succeeded")

    def test_a_runner_that_comes_back_is_told_to_send_what_the_disk_does_not_have(self):
        d = self.slow_daemon()
        p, job_id, offer = self.one_job(d)
        self.prints(p, offer, "safe\n")
        self.assertEqual(p.expect("ack", job_id, ACK_LOG)["offset"], 5)
        self.gate.touch()
        self.prints(p, offer, "not yet\n", offset=5)
        wait_until("it can be read already", lambda: d.log(job_id) == "safe\nnot yet\n")
        p.hang_up()
        self.assertEqual(p.connect_fully([p.listed(offer, log_bytes=13)])[0]["log_offset"], 5)
        self.prints(p, offer, "not yet\n", offset=5)  # it has that already: it stands there once
        self.gate.unlink()
        self.assertEqual(p.expect("ack", job_id, ACK_LOG)["offset"], 13)
        self.assertEqual(d.log(job_id), "safe\nnot yet\n")

    def test_output_of_other_jobs_does_not_wait_for_the_disk(self):
        d = self.slow_daemon()
        p = self.puppet(d, slots=2)
        self.gate.touch()
        for durability in ("relaxed", "memory"):
            job_id = d.submit(command=["true"], durability=durability)
            offer = self.begun(p, job_id)
            self.prints(p, offer, "hello\n")
            self.assertEqual(p.expect("ack", job_id, ACK_LOG)["offset"], 6)
            p.end(offer, log_bytes=6)
            self.assertEqual(d.finished(job_id)["state"], "succeeded")

    def test_what_was_taken_before_a_crash_of_the_daemon_need_not_be_sent_again(self):
        port = free_port()
        d = self.slow_daemon(port=port)
        p, job_id, offer = self.one_job(d)
        self.prints(p, offer, "hello\n")
        p.expect("ack", job_id, ACK_LOG)
        d.kill()
        d = self.slow_daemon(port=port)
        # It brings what it finds to the disk by itself; until that is done the runner would be asked to send it again.
        wait_until("it is asked for nothing", lambda: p.connect_fully([p.listed(offer, log_bytes=6)])[0]["log_offset"] == 6)

    def test_a_runner_that_was_given_up_before_a_crash_of_the_daemon_goes_on_where_it_was(self):
        lost_soon = ["jobs.lease=1s", "interface.fallback_timeout=1s", "interface.retry_delay=60s"]
        port = free_port()
        d = self.daemon(port=port, settings=lost_soon)
        p, job_id, offer = self.one_job(d)
        self.prints(p, offer, "before\n")
        self.assertEqual(p.expect("ack", job_id, ACK_LOG)["offset"], 7)
        p.hang_up()
        wait_until("it is given up", lambda: d.job(job_id)["attempts"][-1]["state"] == "lost")
        d.kill()
        d = self.daemon(port=port, settings=lost_soon)
        self.assertEqual(p.connect_fully([p.listed(offer, log_bytes=13)])[0]["verdict"], "keep")
        self.prints(p, offer, "after\n", offset=7)  # what was acknowledged it has no more
        self.assertEqual(p.expect("ack", job_id, ACK_LOG)["offset"], 13)
        p.end(offer, log_bytes=13)
        job = d.finished(job_id)
        self.assertEqual((job["state"], job.get("log_missing_bytes"), d.log(job_id)), ("succeeded", None, "before\nafter\n"), job)

    def test_an_attempt_that_the_disk_has_not_heard_of_wrote_before_the_next_one(self):
        port = free_port()
        d = self.daemon(port=port)
        p = self.puppet(d)
        job_id = d.submit(command=["true"], durability="relaxed")
        offer = self.begun(p, job_id)
        self.prints(p, offer, "first\n")
        p.expect("ack", job_id, ACK_LOG)
        p.vanish()
        d.kill()
        # Relaxed: a crash may take the last 10 ms, and with them that it was offered.
        with sqlite3.connect(d.state_dir / "sigrun.db") as db:
            (body,) = db.execute("SELECT body FROM record WHERE kind = 1 AND key = ?", (job_id,)).fetchone()
            record = {**json.loads(body), "state": "queued", "attempts": []}
            db.execute("UPDATE record SET body = ? WHERE kind = 1 AND key = ?", (json.dumps(record), job_id))
        d = self.daemon(port=port)
        other = self.puppet(d, name="other")
        offer = self.begun(other, job_id)
        self.prints(other, offer, "second\n")
        other.end(offer, log_bytes=7)
        job = d.finished(job_id)
        self.assertEqual((job["state"], d.log(job_id), job["attempts"][0]["log_offset"]), ("succeeded", "first\nsecond\n", 6), job)


if __name__ == "__main__":
    unittest.main()
