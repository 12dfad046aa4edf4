"""A job that left session, group and parent, cleared its environment and ignores TERM is gone after a cancel, whatever cgroups the
runner finds: those of version 1, of version 2, both, or none. Each layout is made in a mount name space of the runner's own."""
import os
import subprocess
import unittest

from harness import BIN, FleetTest, processes_with, wait_until

LAYOUTS = {
    "hybrid": ("true", "each job gets a cgroup of its own"),
    "v1": ("umount -l /sys/fs/cgroup/unified", "jobs get no cgroup: no cgroup v2 hierarchy"),
    "v2": ("umount -R -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup", "each job gets a cgroup of its own"),
    "none": ("umount -R -l /sys/fs/cgroup", "jobs get no cgroup: no cgroup v2 hierarchy"),
}


class CgroupLayouts(FleetTest):
    def runner_in(self, layout):
        make, says = LAYOUTS[layout]
        tried = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-ec", make], capture_output=True, text=True)
        if tried.returncode:
            self.skipTest(f"this machine cannot show it: {tried.stderr.strip()}")
        if layout == "hybrid" and not os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"):
            self.skipTest("this machine is not hybrid")
        runner = self.program("unshare", "-m", "--propagation", "private", "sh", "-ec", make + '; exec "$@"', "sh",
                              BIN / "sigrun-runner", "--name", "r1", "--state-dir", self.dir / "r1", "--slots", "2",
                              "--url", f"valkyrie://127.0.0.1:{self.d.port}", "--set", "runner.benchmark=no")
        runner.wait_line("plugin/process: " + says)
        self.d.runner_status("r1", "online", "busy")
        return runner

    def cancelled_tree_is_gone(self, layout):
        self.d = self.daemon()
        self.runner_in(layout)
        marker = f"98765.{os.getpid()}"  # in its arguments: it has no environment
        nap = f"sleep {marker}"
        escaped = f"env -i setsid sh -c \"trap '' TERM HUP; ({nap} & {nap}) & {nap}; {nap}\" & "
        job_id = self.d.submit(command=["sh", "-c", f"(({escaped}) &) ; trap '' TERM; echo up; while :; do {nap}; done"])
        wait_until("the job is up", lambda: "up" in self.d.log(job_id))
        wait_until("all of it runs", lambda: len(processes_with(marker)) >= 5)
        self.sigrun(self.d, "job", "cancel", job_id, "--grace", "300ms", check=0)
        job = self.d.finished(job_id)
        self.assertEqual(job["state"], "cancelled", job)
        self.assertNotIn("runner_state", job)
        self.assertEqual(processes_with(marker), [])

    def test_with_both_versions(self):
        self.cancelled_tree_is_gone("hybrid")

    def test_with_version_1_alone(self):
        self.cancelled_tree_is_gone("v1")

    def test_with_version_2_alone(self):
        self.cancelled_tree_is_gone("v2")

    def test_without_cgroups(self):
        self.cancelled_tree_is_gone("none")


if __name__ == "__main__":
    unittest.main()
