"""An author with nothing but the installed SDK: installs it, builds projects against it, and has a daemon with the shipped
plugins and their own."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["SIGRUN_SOURCE_DIR"]) / "tests/integration/daemon"))
from harness import BIN, BUILD, FleetTest, SOURCE, wait_until  # noqa: E402,F401


class AuthorTest(FleetTest):
    def setUp(self):
        super().setUp()
        self.prefix = self.dir / "prefix"
        self.command("cmake", "--install", BUILD, "--component", "sdk", "--prefix", self.prefix)
        self.plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", self.plugins, ignore=lambda d, names: [
            n for n in names if not n.endswith(".so") and (pathlib.Path(d) / n).is_dir() and pathlib.Path(d) != BUILD / "plugins"])

    def command(self, *argv, cwd=None, check=0):
        # The same sources in another folder are the same to the compiler cache.
        env = dict(os.environ, CCACHE_BASEDIR=str(self.dir), CCACHE_NOHASHDIR="1", NO_COLOR="1")
        done = subprocess.run([str(a) for a in argv], cwd=cwd or self.dir, env=env, text=True, capture_output=True, timeout=500)
        if check is not None:
            self.assertEqual(done.returncode, check, f"{argv}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
        return done

    def build(self, project, *settings, run_tests=True):
        """Configures, builds and tests a project; the folder of its plugins."""
        out = project / "build"
        launcher = []
        if shutil.which("ccache"):
            launcher = [f"-DCMAKE_{lang}_COMPILER_LAUNCHER=ccache" for lang in ("C", "CXX")]
        self.command("cmake", "-G", "Ninja", "-S", project, "-B", out, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                     "-DCMAKE_BUILD_TYPE=Release", *launcher, *settings)
        self.command("cmake", "--build", out)
        if run_tests:
            self.command("ctest", "--test-dir", out, "--output-on-failure", "--no-tests=error")
        return out / "plugins"

    def new(self, kind, name, lang, *more, check=0):
        return self.command(BIN / "sigrun", "plugin", "new", kind, name, "--lang", lang, "--template-dir",
                            self.prefix / "share/sigrun/template", *more, check=check)

    def put(self, built):
        """Plugins into the daemon's folder, by rename."""
        for file in pathlib.Path(built).rglob("*.so"):
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
