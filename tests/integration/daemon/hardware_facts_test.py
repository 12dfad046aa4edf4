"""What runners say of disks and networks, and jobs that ask for it."""
import os
import shutil
import unittest

from harness import FleetTest, wait_until


class HardwareFacts(FleetTest):
    def test_the_work_folder_is_the_one_that_jobs_work_in(self):
        other = self.shared_memory()
        d = self.daemon()
        self.runner_for(d, "plain")
        self.runner_for(d, "apart", extra=("--set", f"runner.workspace_dir={other}/jobs"))
        facts = d.facts("apart", "work.path", "work.fs", "work.tmpfs")
        self.assertEqual(facts["work.path"]["value"], f"{other}/jobs")
        self.assertEqual((facts["work.fs"]["value"], facts["work.tmpfs"]["value"]), ("tmpfs", True))
        job = d.run(command=["pwd"], requires="work.tmpfs")
        self.assertEqual(job["runner"]["name"], "apart", job)
        self.assertTrue(d.log(job["id"]).startswith(f"{other}/jobs/"), d.log(job["id"]))
        here = d.facts("plain", "work.path")
        job = d.run(command=["pwd"], requires='runner.name == "plain"')
        self.assertTrue(d.log(job["id"]).startswith(here["work.path"]["value"] + "/"), (d.log(job["id"]), here["work.path"]))

    def shared_memory(self):
        """A folder on another file system than the rest."""
        if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == os.stat(self.dir).st_dev:
            self.skipTest("/dev/shm is no file system of its own")
        folder = f"/dev/shm/sigrun-test-{os.getpid()}"
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def test_jobs_can_ask_for_an_interface_and_a_file_system(self):
        d = self.daemon()
        self.runner_for(d, "r1")
        facts = d.facts("r1", "nic", "fs")
        self.assertIn("lo", [n["name"] for n in facts["nic"]["value"]])
        self.assertIn("/", [f["mount"] for f in facts["fs"]["value"]])
        wanted = 'any(n in nic, n.kind == "loopback") && any(f in fs, f.mount == "/" && f.available_bytes > 1)'
        self.assertEqual(d.run(command=["true"], requires=wanted)["state"], "succeeded")
        waiting = d.submit(command=["true"], requires="any(n in nic, n.speed_bps > 90000000000000)")
        self.assertEqual(d.job(waiting)["state"], "queued")

    def test_a_runner_that_starts_again_knows_what_it_knew_and_finds_out_what_is_so(self):
        d = self.daemon()
        r = self.runner_for(d, "r1")
        kept = self.dir / "r1" / "facts.cache"
        wait_until("the facts are kept", kept.exists)
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.assertTrue(kept.read_bytes().startswith(b"sigrun-facts/1 "))
        r.stop()
        head, body = kept.read_text().split("\n", 1)
        self.assertIn('"memory.total_bytes"', body)
        for text in (head + "\n" + body, "sigrun-facts/9 of a later version", head + "\n" + body[:-10]):
            kept.write_text(text)
            r = self.runner_for(d, "r1")
            wait_until("the probes have confirmed it", lambda: d.facts("r1", "memory.total_bytes")["memory.total_bytes"]["status"] == "ok")
            wait_until("nothing is left stale", lambda: "stale" not in {f["status"] for f in d.facts("r1").values()})
            self.assertEqual(d.run(command=["true"])["state"], "succeeded")
            if text != head + "\n" + body:
                r.wait_line("the facts of the last run are not used")
            r.stop()


if __name__ == "__main__":
    unittest.main()
