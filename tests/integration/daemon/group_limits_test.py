"""Limits of control groups that this test makes: what is reported is what holds, also where a group above sets it."""
import contextlib
import json
import os
import pathlib
import subprocess
import unittest

from harness import BIN, FleetTest, wait_until

MIB = 1 << 20


def groups_of_this_process():
    """{controller: folder}, and the folder of version 2 as "unified"; only those that are mounted here."""
    mounts, own = {}, {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        kind, _, options = after.split(" ", 2)
        where = before.split(" ")[4]
        if kind == "cgroup2":
            mounts["unified"] = where
        elif kind == "cgroup":
            mounts.update({o: where for o in options.split(",") if o in ("cpu", "memory")})
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for c in controllers.split(",") if controllers else ["unified"]:
            if c in mounts:
                own[c] = pathlib.Path(mounts[c] + path)
    return own


class GroupLimits(FleetTest):
    def make(self, folder):
        folder.mkdir()
        self.addCleanup(self.remove, folder)
        return folder

    def remove(self, folder):
        # A process that has just ended may still be counted for a moment.
        def gone():
            with contextlib.suppress(OSError):
                folder.rmdir()
            return not folder.exists()
        wait_until(f"{folder} is empty", gone)

    def nested(self, controller, files):
        """Folders of two groups, one in the other; the limits are the outer one's. Skips where none can be made."""
        own = groups_of_this_process()
        base = own.get(controller) or own.get("unified")
        if not base:
            self.skipTest("no control groups here")
        old = controller in own
        try:
            outer = self.make(base / f"sigrun-test-{os.getpid()}")
            if not old:
                (outer / "cgroup.subtree_control").write_text(f"+{controller}")
            for name, text in files["old" if old else "new"].items():
                (outer / name).write_text(text)
            return self.make(outer / "inner")
        except OSError as why:
            self.skipTest(f"no group can be made or limited: {why}")

    def probe_in(self, *folders):
        def enter():
            for folder in folders:
                (folder / "cgroup.procs").write_text(str(os.getpid()))
        done = subprocess.run([BIN / "sigrun", "probe", "--json", "--only", "cpu,memory"], preexec_fn=enter, capture_output=True,
                              text=True, timeout=60, check=True)
        return {f["key"]: f for f in json.loads(done.stdout)["facts"]}

    def test_mission_D5_a_quota_of_a_group_above_is_the_one_that_holds(self):
        inner = self.nested("cpu", {"old": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}, "new": {"cpu.max": "50000 100000"}})
        facts = self.probe_in(inner)
        self.assertEqual(facts["cpu.quota_cores"]["value"], 0.5, facts["cpu.quota_cores"])
        self.assertEqual(facts["cpu.effective_cores"]["value"], 0.5)

    def test_mission_D5_a_quota_above_the_processors_limits_nothing(self):
        many = 100000 * 4 * os.cpu_count()
        inner = self.nested("cpu", {"old": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(many)}, "new": {"cpu.max": f"{many} 100000"}})
        facts = self.probe_in(inner)
        self.assertEqual(facts["cpu.effective_cores"]["value"], len(os.sched_getaffinity(0)))

    def test_mission_D6_the_least_memory_limit_of_all_groups_above_holds(self):
        inner = self.nested("memory", {"old": {"memory.limit_in_bytes": str(768 * MIB)}, "new": {"memory.max": str(768 * MIB)}})
        facts = self.probe_in(inner)
        self.assertEqual(facts["memory.limit_bytes"]["value"], 768 * MIB, facts["memory.limit_bytes"])
        self.assertEqual(facts["memory.effective_bytes"]["value"], 768 * MIB)
        for name in ("memory.limit_in_bytes", "memory.max"):
            if (inner / name).exists():
                (inner / name).write_text(str(512 * MIB))
        self.assertEqual(self.probe_in(inner)["memory.effective_bytes"]["value"], 512 * MIB)


if __name__ == "__main__":
    unittest.main()
