"""The images of etc/Containerfile: built by podman from the packages, and a job run by them as their entry points say.

  containers_test.py BUILD      where the target "packages" was built

The base is the bare system of packages_test.py instead of debian:12-slim, which may not be had here. Where podman can build but not run (it
wants cgroups of its own), the built file systems are entered by hand, each with its user and its first process, with the network
and the machine's cgroups as they are: limits of an engine, volumes and ports are NOT checked then."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from machine import Machine

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path()
ENTER = r"""
set -e
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
chmod 1777 "$1/tmp"
user=$2 root=$1
shift 2
exec chroot --userspec="$user" "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"
"""


def podman(*words, **options):
    done = subprocess.run(["podman", *words], capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError(f"podman {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


class Containers(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-containers-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.tag = f"sigrun-test-{os.getpid()}"

    def image(self, target):
        name = f"{self.tag}-{target}"
        podman("build", "--isolation=chroot", "--network=host", "--pull=never", "--format=docker", "-f", str(SOURCE / "etc/Containerfile"),
               "--build-arg", f"BASE={self.tag}-base", "--target", target, "--tag", name, str(BUILD / "packages"))
        self.addCleanup(podman, "rmi", "-f", name)
        told = json.loads(podman("image", "inspect", name))[0]
        config = {"Healthcheck": told.get("HealthCheck") or told.get("Healthcheck"), **told["Config"]}
        container = podman("create", name)
        self.addCleanup(podman, "rm", "-f", container)
        root = podman("mount", container)
        self.addCleanup(podman, "umount", container)
        return root, config

    def start(self, root, config, *arguments):
        log = open(self.folder / f"{config['User']}.log", "w+")
        self.addCleanup(log.close)
        # --kill-child: whatever is left in it ends with it.
        p = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", ENTER, "enter", root, f"{config['User']}:{config['User']}",
                              *config["Entrypoint"], *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p, log

    def wait_line(self, p, log, part):
        end = time.monotonic() + 60
        while True:
            log.seek(0)
            text = log.read()
            for line in text.splitlines():
                if part in line:
                    return line
            if p.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"never said {part!r}:\n{text}")
            time.sleep(0.05)

    def test_the_images_run_a_job(self):
        base = Machine(self.folder, BUILD / "packages-test" / "bookworm.tar")
        base.make_base()
        podman("import", "-q", str(base.base), f"{self.tag}-base")
        self.addCleanup(podman, "rmi", "-f", f"{self.tag}-base")
        root, config = self.image("sigrund")
        self.assertIn("7070/tcp", config["ExposedPorts"])
        daemon, log = self.start(root, config, "--set", "server.listen=127.0.0.1:0")
        port = self.wait_line(daemon, log, "listening on 127.0.0.1:").rsplit(":", 1)[1]

        def sigrun(*words):
            return subprocess.run(["chroot", "--userspec=sigrun", root, *words], capture_output=True, text=True, timeout=60)
        healthy = config["Healthcheck"]["Test"]
        self.assertEqual(healthy[0], "CMD")
        self.assertEqual(sigrun(*healthy[1:]).returncode, 0)
        runner_root, runner_config = self.image("runner")
        runner, runner_log = self.start(runner_root, runner_config, "--url", f"valkyrie://127.0.0.1:{port}", "--name", "boxed")
        self.wait_line(runner, runner_log, "runner boxed connected")
        done = sigrun("sigrun", "--url", f"valkyrie://127.0.0.1:{port}", "run", "-q", "--", "id", "-un")
        self.assertEqual((done.returncode, done.stdout), (0, "sigrun-runner\n"), done.stderr)
        # The first process passes the signal on, and they end in order.
        for p in (runner, daemon):
            tini = pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()[0]
            os.kill(int(tini), signal.SIGTERM)
            self.assertEqual(p.wait(60), 0)
        self.assertNotEqual(sigrun(*healthy[1:]).returncode, 0, "a daemon that is gone is not healthy")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    missing = Machine.missing() or (None if shutil.which("podman") else "podman")
    if missing:
        print(f"containers_test.py: NOT checked, since there is no {missing}.", file=sys.stderr)
        sys.exit(0)
    done = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(Containers))
    sys.exit(0 if done.wasSuccessful() and done.testsRun else 1)
