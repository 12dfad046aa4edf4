"""A runner whose machine is in no state to take a job says so before it takes one, and takes them again when it is."""
import ctypes
import os
import pathlib
import subprocess
import unittest

from harness import FleetTest


class Readiness(FleetTest):
    def not_ready(self, d, name, *parts):
        r = d.runner_status(name, "error")
        for part in parts:
            self.assertIn(part, r["status_reason"])
        return r

    def test_a_machine_without_enough_memory_gets_no_job_and_is_shown_with_the_reason(self):
        d = self.daemon()
        self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{d.port}", "--set", "runner.min_free_memory=900TiB")
        self.not_ready(d, "r1", "min_free_memory", "900.0 TiB")
        job_id = d.submit(command=["true"])
        shown = self.sigrun(d, "runner", "show", "r1", check=0).stdout
        self.assertIn("min_free_memory", shown)
        self.assertEqual(d.job(job_id)["state"], "queued")
        self.runner_for(d, "r2")
        job = d.finished(job_id)
        self.assertEqual((job["state"], job["runner"]["name"]), ("succeeded", "r2"), job)
        # It was not offered there: that would cost a refusal.
        self.assertEqual([a["runner"]["name"] for a in job["attempts"]], ["r2"], job)

    def test_each_threshold_is_told_by_its_name(self):
        d = self.daemon()
        for name, setting in (("inodes", "min_free_inodes=999999999"), ("disk", "min_free_disk=900TiB"),
                              ("load", "max_load=0.000001")):
            self.start_runner(name, "--url", f"http://127.0.0.1:{d.port}", "--set", f"runner.{setting}")
            self.not_ready(d, name, setting.split("=")[0])

    def test_a_full_disk_that_gets_room_again_takes_jobs_again(self):
        libc = ctypes.CDLL(None, use_errno=True)
        disk = self.dir / "disk"
        disk.mkdir()
        if libc.mount(b"none", str(disk).encode(), b"tmpfs", 0, b"size=8m") != 0:
            self.skipTest(f"cannot mount: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(lambda: libc.umount2(str(disk).encode(), 2))
        d = self.daemon()
        self.runner_for(d, extra=["--set", f"runner.workspace_dir={disk}/work", "--set", "runner.min_free_disk=2MiB"])
        big = disk / "big"
        big.write_bytes(bytes(7 << 20))
        self.not_ready(d, "r1", "min_free_disk")
        job_id = d.submit(command=["true"])
        big.unlink()
        self.assertEqual(d.finished(job_id)["state"], "succeeded")
        d.runner_status("r1", "online")

    def test_a_clock_that_differs_from_the_daemons_is_told_over_each_protocol(self):
        library = self.dir / "other_clock.so"
        source = pathlib.Path(__file__).parent / "other_clock.c"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
        d = self.daemon(env={"LD_PRELOAD": str(library),
                             "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        for scheme in ("valkyrie", "http", "ws"):
            self.start_runner(scheme, "--url", f"{scheme}://127.0.0.1:{d.port}")
            told = self.not_ready(d, scheme, "max_clock_skew")["status_reason"]
            self.assertRegex(told, "found (3599|3600) s behind")  # the last second is that of the way
        self.runner_for(d, "careless", extra=["--set", "runner.max_clock_skew=0s"])
        job = d.run(command=["true"])
        self.assertEqual((job["state"], job["runner"]["name"]), ("succeeded", "careless"), job)


if __name__ == "__main__":
    unittest.main()
