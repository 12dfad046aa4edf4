"""A bare Debian 12 with systemd as its first process, in namespaces of its own: as near to a new machine as a test can come.

Needs root, mmdebstrap, and a kernel that lets it mount cgroup file systems; Machine.missing() says what is not there. Nothing
leaves it but apt, which uses the network and the package sources of this machine."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

PACKAGES = ["systemd", "systemd-sysv", "dbus", "procps", "adduser", "ca-certificates", "python3-minimal", "libpython3-stdlib",
            "man-db", "bash-completion", "zsh"]
HIERARCHIES = pathlib.Path("/sys/fs/cgroup")
# Runs as the first process of the new namespaces, makes the root a machine's, and becomes its init.
BOOT = r"""
set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
for at in run tmp dev; do mount -t tmpfs -o mode=0755 tmpfs "$root/$at"; done
chmod 1777 "$root/tmp"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/.old"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/dev/shm"
ip link set lo up
cd "$root"
pivot_root . .old
umount -l /.old
exec env -i container=sigrun-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init --log-target=null
"""


def hierarchies():
    """The mounted cgroup hierarchies: one (v2), or one per controller (v1)."""
    if (HIERARCHIES / "cgroup.controllers").exists():
        return [HIERARCHIES]
    return [p for p in HIERARCHIES.iterdir() if (p / "cgroup.procs").exists()]


def own_group(hierarchy):
    """Where this process is in it."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        if hierarchy == HIERARCHIES or hierarchy.name in names.replace("name=", "").split(",") or \
                (hierarchy.name == "unified" and number == "0"):
            return hierarchy / path.lstrip("/")
    return hierarchy


class Machine:
    def __init__(self, folder, base):
        """`folder`: where its root goes; `base`: a tar archive of the bare system, made if it is not there."""
        self.root = pathlib.Path(folder) / "root"
        self.base = pathlib.Path(base)
        self.name = f"sigrun-test.{os.getpid()}"
        self.init = None

    @staticmethod
    def missing():
        if os.geteuid() != 0:
            return "root: only it can make namespaces with a system of their own"
        for tool in ("mmdebstrap", "unshare", "nsenter"):
            if not shutil.which(tool):
                return f"{tool} (etc/install-deps.sh --packages)"
        return None

    def make_base(self):
        if self.base.exists():
            return
        self.base.parent.mkdir(parents=True, exist_ok=True)
        half = self.base.with_suffix(".half.tar")
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES), "bookworm", str(half)],
                       check=True)
        half.rename(self.base)

    def start(self, deadline=120):
        self.make_base()
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(self.base), "-C", str(self.root)], check=True)
        # The same package sources as here, by the same way.
        for part in ("apt.conf.d", "sources.list.d", "sources.list"):
            here, there = pathlib.Path("/etc/apt") / part, self.root / "etc/apt" / part
            if here.is_dir():
                shutil.copytree(here, there, dirs_exist_ok=True)
            elif here.exists():
                shutil.copy(here, there)
        (self.root / "etc/hostname").write_text("sigrun-test\n")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        (self.root / "usr/share/keyrings").mkdir(parents=True, exist_ok=True)
        self._groups = [own_group(h) / self.name for h in hierarchies()]
        for group in self._groups:
            group.mkdir()
            if group.parts[4:5] == ("cpuset",):
                for key in ("cpuset.cpus", "cpuset.mems"):
                    (group / key).write_text((group.parent / key).read_text())

        def enter():
            for group in self._groups:
                (group / "cgroup.procs").write_text("0")
        self._boot = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--uts", "--ipc", "--net", "--cgroup",
                                       "bash", "-c", BOOT, "boot", str(self.root)], preexec_fn=enter,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + deadline
        while True:
            if self._boot.poll() is not None:
                raise AssertionError("the machine did not boot: " + self._boot.stderr.read())
            children = pathlib.Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text().split()
            if children:
                self.init = int(children[0])
                state = self.run("systemctl is-system-running 2>/dev/null || true", check=False, timeout=10).stdout.strip()
                if state in ("running", "degraded"):
                    return self
            if time.monotonic() > end:
                raise AssertionError(f"the machine did not come up within {deadline} s")
            time.sleep(0.1)

    def command(self, script, network=False):
        """The argument list that runs a shell script in it. network: with that of this machine, for apt."""
        spaces = ["-m", "-p", "-u", "-i", "-C"] + ([] if network else ["-n"])
        return ["nsenter", "-t", str(self.init), *spaces, "--", "env", "-i", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                "NO_COLOR=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-c", script]

    def run(self, script, check=True, timeout=120, network=False):
        done = subprocess.run(self.command(script, network), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise AssertionError(f"{script}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start_command(self, script):
        return subprocess.Popen(self.command(script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def output(self, script, **options):
        return self.run(script, **options).stdout.strip()

    def stop(self):
        """Its first process gone, the kernel ends all others."""
        if self.init:
            try:
                os.kill(self.init, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._boot.wait(30)
            self._boot.stderr.close()
        for group in getattr(self, "_groups", []):
            for folder, _, _ in os.walk(group, topdown=False):
                for _ in range(100):
                    try:
                        os.rmdir(folder)
                        break
                    except OSError:
                        time.sleep(0.05)  # the kernel is still taking processes out of it
        shutil.rmtree(self.root, ignore_errors=True)
