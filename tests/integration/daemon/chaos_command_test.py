"""`sigrun chaos`: passes where the promises are kept while its user does harm, and names what is broken where they are not."""
import json
import threading
import unittest

from harness import BIN, Program
from puppet import PuppetTest


class ChaosCommand(PuppetTest):
    def test_it_passes_while_a_runner_is_killed_again_and_again(self):
        d = self.daemon(settings=["jobs.lease=60s", "interface.retry_delay=50ms"])
        pid_file, over = self.dir / "pid", threading.Event()

        def keep_running():
            while not over.is_set():
                runner = Program([BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / "r1", "--slots", "4",
                                  "--url", f"valkyrie://127.0.0.1:{d.port}", "--set", "runner.benchmark=no"])
                self._programs.append(runner)
                pid_file.write_text(str(runner.pid))
                runner.process.wait()

        keeper = threading.Thread(target=keep_running)
        keeper.start()
        try:
            d.runner_status("r1", "online")
            done = self.sigrun(d, "chaos", "--seconds", "4", "--outstanding", "4", "--job-seconds", "0.2", "--every", "1",
                               "--disturb", f"kill -9 $(cat {pid_file})", "--output", "json", check=0)
        finally:
            over.set()
            self._programs[-1].process.terminate()
            keeper.join(30)
        said = json.loads(done.stdout)
        self.assertTrue(said["passed"], said)
        self.assertGreaterEqual(said["disturbed"], 2)
        self.assertEqual(d.get("/v1/stats")["jobs"], {"succeeded": said["jobs"]})

    def test_it_fails_where_a_runner_has_done_nothing(self):
        d = self.daemon()
        p = self.puppet(d)
        over = threading.Event()

        def pretend():
            while not over.is_set():
                try:
                    offer = p.expect("offer", deadline=0.5)
                except AssertionError:
                    continue
                p.accept(offer)
                p.end(offer)

        liar = threading.Thread(target=pretend)
        liar.start()
        try:
            done = self.sigrun(d, "chaos", "--seconds", "0.5", "--outstanding", "1", check=7)
        finally:
            over.set()
            liar.join(30)
        self.assertIn("FAIL", done.stdout)
        self.assertIn("its output does not end with the", done.stdout)

    def test_it_fails_where_no_job_ends(self):
        d = self.daemon()
        done = self.sigrun(d, "chaos", "--seconds", "0.5", "--outstanding", "2", "--patience", "1", "--output", "json", check=7)
        said = json.loads(done.stdout)
        self.assertFalse(said["passed"])
        self.assertGreaterEqual(said["jobs"], 1)
        self.assertEqual([b["broken"] for b in said["broken"]], ["it has not ended within 1 s of quiet"] * said["jobs"], said)
        self.assertEqual(d.get("/v1/stats")["jobs"], {"queued": said["jobs"]})


if __name__ == "__main__":
    unittest.main()
