"""An author with nothing but the installed SDK: installs it, builds projects against it, and has a daemon with the shipped
plugins and their own.

What is installed and built lies in a folder of the build tree under the digest of its content, so each project is built once
for all tests that use it, and again when it or the SDK has changed."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(os.environ["SIGRUN_SOURCE_DIR"]) / "tests/integration/daemon"))
from harness import BIN, BUILD, FleetTest, SOURCE, wait_until  # noqa: E402,F401

KEPT = BUILD / "tests/sdk"
DAY = 24 * 3600


def digest_of(folder, *more):
    """Of all files below a folder, with their names and modes."""
    digest = hashlib.sha256(repr([str(m) for m in more]).encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        digest.update(repr((str(path.relative_to(folder)), path.stat().st_mode & 0o111, len(content))).encode() + content)
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def alone(name):
    """One process at a time; tests run side by side."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / f".{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def forget_old_ones():
    for place in KEPT.iterdir():
        if place.is_dir() and time.time() - place.stat().st_mtime > 3 * DAY:
            shutil.rmtree(place, ignore_errors=True)
            (KEPT / f".{place.name}.lock").unlink(missing_ok=True)


class AuthorTest(FleetTest):
    def setUp(self):
        super().setUp()
        self.prefix = self.installed()
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins, ignore=lambda d, names: [
            n for n in names if not n.endswith(".so") and (pathlib.Path(d) / n).is_dir() and pathlib.Path(d) != BUILD / "plugins"])

    def command(self, *argv, cwd=None, check=0):
        # The same sources in another folder are the same to the compiler cache.
        env = dict(os.environ, CCACHE_BASEDIR=str(KEPT), CCACHE_NOHASHDIR="1", NO_COLOR="1")
        done = subprocess.run([str(a) for a in argv], cwd=cwd or self.dir, env=env, text=True, capture_output=True, timeout=500)
        if check is not None:
            self.assertEqual(done.returncode, check, f"{argv}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
        return done

    def installed(self):
        """The folder where the SDK is installed as it is now."""
        fresh = self.dir / "prefix"
        self.command("cmake", "--install", BUILD, "--component", "sdk", "--prefix", fresh)
        name = "prefix-" + digest_of(fresh)
        with alone(name):
            if not (KEPT / name).exists():
                forget_old_ones()
                shutil.copytree(fresh, self.dir / name)
                shutil.move(self.dir / name, KEPT / f"{name}.new")
                (KEPT / f"{name}.new").rename(KEPT / name)
            os.utime(KEPT / name)
        shutil.rmtree(fresh)
        return KEPT / name

    def build(self, project, *settings):
        """Configures and builds a copy of a project; its build folder."""
        name = f"{project.name}-{digest_of(project, self.prefix, *settings)}"
        place = KEPT / name
        with alone(name):
            if not (place / "built").exists():
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(project, place / "project")
                launcher = []
                if shutil.which("ccache"):
                    launcher = [f"-DCMAKE_{lang}_COMPILER_LAUNCHER=ccache" for lang in ("C", "CXX")]
                self.command("cmake", "-G", "Ninja", "-S", place / "project", "-B", place / "build",
                             f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_BUILD_TYPE=Release", *launcher, *settings)
                self.command("cmake", "--build", place / "build")
                (place / "built").touch()
            os.utime(place)
        return place / "build"

    def passes_its_tests(self, built, *more):
        self.command("ctest", "--test-dir", built, "--output-on-failure", "--no-tests=error", *more)

    def keeps_the_rules(self, built):
        """The project's own tests, and the conformance tool with fewer rounds than its own plugin_check has."""
        self.passes_its_tests(built, "-E", "^plugin_check")
        for file in (built / "plugins").rglob("*.so"):
            self.command(self.prefix / "bin/sigrun-plugin-check", file, "--cycles", "5", "--reloads", "5", "--timeout", "60s")

    def new(self, kind, name, lang, *more, check=0):
        return self.command(BIN / "sigrun", "plugin", "new", kind, name, "--lang", lang, "--template-dir",
                            self.prefix / "share/sigrun/template", *more, check=check)

    def put(self, built):
        """The plugins of a build folder into the daemon's, by rename."""
        for file in (built / "plugins").rglob("*.so"):
            folder = self.plugins / file.parent.name
            folder.mkdir(exist_ok=True)
            shutil.copy(file, folder / ("." + file.name))
            (folder / ("." + file.name)).rename(folder / file.name)

    def daemon_with_plugins(self, **kwargs):
        return self.daemon(plugin_dir=self.plugins, **kwargs)

    def runner_with_plugins(self, daemon, name="r1"):
        return self.runner_for(daemon, name, extra=["--plugin-dir", self.plugins])

    def ask(self, daemon, text):
        """Sends text to the daemon's port; everything that comes back until it closes."""
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as s:
            s.sendall(text.encode())
            out = b""
            while chunk := s.recv(65536):
                out += chunk
        return out.decode()

    def is_listed(self, daemon, plugin_id, kind):
        table = self.sigrun(daemon, "plugin", "ls", check=0).stdout
        line = next((x for x in table.splitlines() if plugin_id in x), "")
        self.assertIn(kind, line, table)
        self.assertIn("active", line, table)
