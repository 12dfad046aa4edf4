"""A mount that never answers, and the whole program that looks at the machine."""
import ctypes
import json
import os
import subprocess
import time
import unittest

from harness import BIN, FleetTest

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
libc = ctypes.CDLL(None, use_errno=True)


def mount_a_dead_one(folder):
    """A FUSE file system that nobody serves, in a mount name space of this process; or why not."""
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return os.strerror(ctypes.get_errno())
    try:
        descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)  # open as long as this process lives, and never read
    except OSError as e:
        return str(e)
    options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"dead", os.fsencode(folder), b"fuse.dead", 0, options):
        return os.strerror(ctypes.get_errno())
    return None


class RemoteMount(FleetTest):
    def test_a_dead_mount_is_told_to_be_dead_and_delays_nothing_else(self):
        folder = self.dir / "dead"
        folder.mkdir()
        why_not = mount_a_dead_one(folder)
        if why_not:
            self.skipTest(f"no FUSE mount may be made here: {why_not}")
        try:
            self.look_at(folder)
        finally:  # and not later: removing the folder would wait for the mount
            libc.umount2(os.fsencode(folder), MNT_DETACH)

    def look_at(self, folder):
        begin = time.monotonic()
        done = subprocess.run([BIN / "sigrun", "probe", "--json", "--only", "fs,cpu"], capture_output=True, text=True, timeout=60)
        took = time.monotonic() - begin
        self.assertEqual(done.returncode, 0, done.stderr)
        facts = {f["key"]: f for f in json.loads(done.stdout)["facts"]}
        record = [m for m in facts["fs"]["value"] if m["mount"] == str(folder)]
        self.assertEqual([(m["remote"], m.get("responsive")) for m in record], [(True, False)], facts["fs"])
        self.assertTrue(any(m["mount"] == "/" and m["responsive"] for m in facts["fs"]["value"]), facts["fs"])
        self.assertEqual(facts["cpu.effective_cores"]["status"], "ok")
        self.assertLess(took, 15, "the machine that runs this test may be busy")
        # Nobody waits for it any more; runners and daemons are other tests'.
        others = (str(BIN / "sigrun-runner"), str(BIN / "sigrund"))
        left = subprocess.run(["ps", "-eo", "stat=,args="], capture_output=True, text=True).stdout
        self.assertEqual([line for line in left.splitlines()
                          if line.startswith("D") and str(BIN) in line and not any(o in line for o in others)], [])


if __name__ == "__main__":
    unittest.main()
