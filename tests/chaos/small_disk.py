"""A disk of its own for one runner, which can be full: a tmpfs that may hold no more than it holds already. Programs, shims and jobs
meet it as they would a real one. Mounted where only this process and those it starts see it, so that nothing is left when it ends."""
import ctypes
import os
import subprocess

SIZE = "512m"
CLONE_NEWNS = 0x20000
MS_REMOUNT, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 32, 16384, 1 << 18, 2, 4
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, what):
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def _mount(source, target, kind, flags, data):
    _checked(_libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, data.encode() if data else None), f"mount {target}")


class SmallDisks:
    """Whether there can be any is found out once: it takes root."""

    def __init__(self):
        self.why_not = ""
        try:
            _checked(_libc.unshare(CLONE_NEWNS), "unshare")
            _mount("none", "/", "none", MS_REC | MS_PRIVATE, None)
        except OSError as e:
            self.why_not = e.strerror or str(e)

    def at(self, folder):
        """A disk mounted there, or None."""
        return None if self.why_not else SmallDisk(folder)


class SmallDisk:
    def __init__(self, folder):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _mount("sigrun-chaos", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"size={SIZE}")

    def fill(self):
        """From now on there is room for nothing; what is there stays."""
        for _ in range(100):  # more may be written at the same time
            used = os.statvfs(self._folder)
            kib = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024
            try:
                return _mount("sigrun-chaos", self._folder, "tmpfs", MS_REMOUNT | MS_NOSUID | MS_NODEV, f"size={max(kib, 4)}k")
            except OSError:
                pass
        raise OSError(f"{self._folder} grows faster than it can be measured")

    def clear(self):
        _mount("sigrun-chaos", self._folder, "tmpfs", MS_REMOUNT | MS_NOSUID | MS_NODEV, f"size={SIZE}")

    def close(self, keep):
        """The folder is one of the disk below again; with what was there, if that is to be kept."""
        kept = self._folder.with_name(self._folder.name + ".kept")
        if keep:
            subprocess.run(["cp", "-a", self._folder, kept], stderr=subprocess.DEVNULL)  # files may go meanwhile
        _checked(_libc.umount2(str(self._folder).encode(), MNT_DETACH), f"umount {self._folder}")
        if keep:
            self._folder.rmdir()
            kept.rename(self._folder)
