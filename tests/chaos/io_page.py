"""What is to happen to the system calls of one program: the page that io_faults.c reads."""
import mmap
import os
import struct

from harness import BUILD

LIBRARY = BUILD / "tests" / "chaos_io.so"
KINDS = ("sync", "write", "send", "receive")
FIELDS = struct.Struct("=7i")              # struct page
DIED, SLOW, CLOCK = 4 * 4, 5 * 4, 6 * 4  # where these are


class IoPage:
    def __init__(self, path):
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "SIGRUN_CHAOS_IO": str(path),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def die_at(self, pid, kind, nth, after):
        """`pid` dies at its nth call of the kind from now on."""
        self.disarm()
        struct.pack_into("=5i", self._map, 0, pid, 1 + KINDS.index(kind), int(after), nth, 0)

    def slow_down(self, pid, seconds):
        struct.pack_into("=i", self._map, 0, pid)
        struct.pack_into("=i", self._map, SLOW, int(seconds * 1e6))

    def shift_clock(self, pid, seconds):
        """Its clock on the wall is so much later than it is."""
        struct.pack_into("=i", self._map, 0, pid)
        struct.pack_into("=i", self._map, CLOCK, seconds)

    def disarm(self):
        struct.pack_into("=i", self._map, 3 * 4, 0)

    def calm(self):
        self.disarm()
        struct.pack_into("=2i", self._map, SLOW, 0, 0)

    def has_killed(self, pid):
        return struct.unpack_from("=i", self._map, DIED)[0] == pid
