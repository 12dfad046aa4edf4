"""How long a job that has ended can be asked for."""
import contextlib
import sqlite3
import time
import unittest

from harness import FleetTest, free_port, wait_until


class Retention(FleetTest):
    def kept(self, d, job_id):
        return d.request("GET", f"/v1/jobs/{job_id}")[0] == 200

    def records(self, d, job_id):
        with contextlib.closing(sqlite3.connect(d.state_dir / "sigrun.db")) as db:
            return db.execute("SELECT count(*) FROM record WHERE key >= ? AND key < ?", (job_id, job_id + "0")).fetchone()[0]

    def test_an_ended_job_is_forgotten_after_its_time_with_its_output_and_a_waiting_one_is_not(self):
        port = free_port()
        d = self.daemon(port=port, settings=["jobs.keep_finished_for=3s"])
        self.runner_for(d)
        waiting = d.submit(command=["true"], requires='label.never == "x"')
        jobs = [d.run(command=["echo", "hello"], durability=kind)["id"] for kind in ("fsync", "relaxed", "memory")]
        ended = time.time()
        self.assertEqual([self.kept(d, i) for i in jobs], [True] * 3)
        logs = list((d.state_dir / "logs").glob(f"*/{jobs[0]}.log"))
        self.assertEqual(len(logs), 1)
        wait_until("they are forgotten", lambda: not any(self.kept(d, i) for i in jobs))
        self.assertGreaterEqual(time.time(), ended + 2.5)
        self.assertFalse(logs[0].exists())
        wait_until("the disk has forgotten them, too", lambda: not any(self.records(d, i) for i in jobs))
        self.assertEqual(d.job(waiting)["state"], "queued")
        # The time goes on while no daemon runs.
        last = d.run(command=["true"])["id"]
        ended = time.time()
        d.kill()
        wait_until("its time is over", lambda: time.time() > ended + 3)
        d = self.daemon(port=port, settings=["jobs.keep_finished_for=3s"])
        wait_until("it is forgotten", lambda: not self.kept(d, last), 5)
        self.assertEqual(d.job(waiting)["state"], "queued")

    def test_without_a_time_only_the_number_counts(self):
        d = self.daemon(settings=["jobs.keep_finished_for=0s", "jobs.keep_finished=2"])
        self.runner_for(d)
        jobs = [d.run(command=["true"])["id"] for _ in range(4)]
        self.assertEqual([self.kept(d, i) for i in jobs], [False, False, True, True])


if __name__ == "__main__":
    unittest.main()
