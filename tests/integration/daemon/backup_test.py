"""A copy of the store while the daemon works, and a daemon that starts from it."""
import json
import pathlib
import shutil
import threading
import unittest

from harness import FleetTest, wait_until


class Backup(FleetTest):
    def test_a_daemon_starts_from_a_copy_that_was_made_while_jobs_came_and_went(self):
        d = self.daemon()
        self.runner_for(d)
        d.request("POST", "/v1/runners", {"name": "declared", "endpoint": "127.0.0.1:1", "labels": {"a": "b"}})
        ended = d.run(command=["sh", "-c", "exit 3"])
        key = {"Idempotency-Key": "k"}
        document = {"command": ["true"], "requires": 'label.later == "x"'}
        waiting = d.request("POST", "/v1/jobs", document, key)[1]["id"]
        acknowledged, over = [], threading.Event()

        def submits():
            while not over.is_set():
                acknowledged.append(d.submit(command=["true"], requires='label.never == "x"'))
        thread = threading.Thread(target=submits)
        thread.start()
        try:
            wait_until("some were accepted", lambda: len(acknowledged) >= 20)
            before = list(acknowledged)
            target = self.dir / "copy.db"
            done = json.loads(self.sigrun(d, "backup", str(target), "--output", "json").stdout)
        finally:
            over.set()
            thread.join()
        self.assertEqual((done["path"], done["bytes"]), (str(target), target.stat().st_size))
        self.assertEqual(d.get("/v1/store/backup"), {"under_way": False, "done": 0})
        self.assertEqual(d.job(ended["id"]), ended)

        restored = self.dir / "restored"
        restored.mkdir()
        shutil.copy(target, restored / "sigrun.db")
        again = self.daemon(name="restored")
        job = again.job(ended["id"])
        self.assertEqual((job["state"], job["exit_code"], len(job["attempts"])), ("failed", 3, 1), job)
        self.assertEqual({again.job(i)["state"] for i in (*before, waiting)}, {"queued"})
        self.assertEqual(again.runner("declared")["labels"], {"a": "b"})
        self.assertEqual(again.request("POST", "/v1/jobs", document, key)[1]["id"], waiting)
        self.runner_for(again, "later", labels=["later=x"])
        self.assertEqual(again.finished(waiting)["state"], "succeeded")

    def test_nothing_is_overwritten_and_a_bad_path_is_named(self):
        d = self.daemon()
        there = self.dir / "there.db"
        there.write_text("mine")
        refused = self.sigrun(d, "backup", str(there), check=None)
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("it must be a new file", refused.stderr)
        self.assertEqual(there.read_text(), "mine")
        for path in ("relative.db", "", "/", f"/{'x' * 5000}"):
            status, body = d.request("POST", f"/v1/store/backup?path={path}")
            self.assertEqual((status, body["field"]), (400, "path"), body)
        status, body = d.request("POST", f"/v1/store/backup?path={self.dir}/none/copy.db")
        self.assertEqual((status, body["field"]), (503, "path"), body)
        self.assertEqual(list(pathlib.Path(self.dir).glob("*.part")), [])


if __name__ == "__main__":
    unittest.main()
