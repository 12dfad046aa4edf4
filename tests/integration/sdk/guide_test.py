"""The author's guide: its commands are run as they stand, and `sigrun plugin dev` does what it promises."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from author import AuthorTest, BIN, SOURCE, wait_until


class Guide(AuthorTest):
    def test_the_first_plugin_works_as_written(self):
        text = (self.prefix / "share/sigrun/README.md").read_text()
        blocks = dict(re.findall(r"<!-- test: (\w+) -->\n```sh\n(.*?)```", text, re.S))
        self.assertEqual(sorted(blocks), ["install", "look", "new"])
        ccache = "export CMAKE_CXX_COMPILER_LAUNCHER=ccache\n" if shutil.which("ccache") else ""
        script = "set -e\n" + ccache + blocks["new"] + blocks["look"] + blocks["install"]
        env = dict(os.environ, PREFIX=str(self.prefix), PLUGINS=str(self.plugins), PATH=f"{BIN}:{os.environ['PATH']}",
                   CCACHE_BASEDIR=str(self.dir), CCACHE_NOHASHDIR="1", CMAKE_BUILD_TYPE="Release")
        done = subprocess.run(["bash", "-c", script], cwd=self.dir, env=env, text=True, capture_output=True, timeout=500)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        self.assertRegex(done.stdout, r"uptime_s +\d+")
        self.is_listed(self.daemon_with_plugins(), "com.example.battery", "probe")

    def test_links_and_files_of_the_guide_exist(self):
        text = (self.prefix / "share/sigrun/README.md").read_text()
        for header in re.findall(r"`(\w+\.h)`", text):
            self.assertTrue((self.prefix / "include/sigrun" / header).exists() or "cpp" in header, header)
        for path in re.findall(r"`(share/sigrun/[\w/]+)/?`", text):
            self.assertTrue((self.prefix / path).exists(), path)


class Dev(AuthorTest):
    """The balancer of the examples: C, so that each build takes no time."""

    def project(self):
        self.new("balancer", "devel", "c")
        folder = self.dir / "devel"
        (folder / "build.sh").write_text(
            f"set -e\ncc -std=c11 -fPIC -fvisibility=hidden -I{self.prefix}/include -shared -Wl,--version-script="
            f"$(find {self.prefix} -name plugin.map) -Wl,-z,noexecstack -o devel.so.new devel.c\nmv devel.so.new devel.so\n")
        return folder

    def dev(self, folder, *more, env=None):
        return self.program(BIN / "sigrun", *more, "plugin", "dev", folder / "devel.so", "--build", f"cd {folder} && sh build.sh",
                            "--watch", folder, env={"TMPDIR": str(self.dir), **(env or {})})

    def version(self, folder, old, new):
        source = folder / "devel.c"
        source.write_text(source.read_text().replace(f'"{old}"', f'"{new}"'))

    def test_sources_to_running_code_and_nothing_is_left(self):
        folder = self.project()
        dev = self.dev(folder)
        dev.wait_line("runs: com.example.devel 1.0.0")
        url = re.search(r"private daemon: (\S+)", dev.wait_line("private daemon: ")).group(1)
        listed = subprocess.run([BIN / "sigrun", "--url", url, "-o", "json", "plugin", "show", "com.example.devel"],
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(json.loads(listed.stdout)["state"], "active", listed.stderr)
        # A job runs, on the private runner, placed by the plugin.
        ran = subprocess.run([BIN / "sigrun", "--url", url, "run", "--balancer", "devel", "--", "echo", "placed"],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual((ran.returncode, ran.stdout), (0, "placed\n"), ran.stderr)
        self.version(folder, "1.0.0", "1.1.0")
        dev.wait_line("runs: com.example.devel 1.1.0")
        # What does not compile changes nothing.
        good = (folder / "devel.c").read_text()
        (folder / "devel.c").write_text(good + "\nnonsense\n")
        dev.wait_line("the build failed; what runs goes on")
        # What is no plugin is refused with the reason.
        (folder / "devel.c").write_text(good.replace("SIGRUN_EMIT_NOTE", "#define NO_NOTE(a, b, c) extern int unused\nNO_NOTE"))
        dev.wait_line("not loaded: note .note.sigrun")
        (folder / "devel.c").write_text(good.replace("1.1.0", "1.2.0"))
        dev.wait_line("runs: com.example.devel 1.2.0")
        dev.process.send_signal(signal.SIGINT)
        self.assertEqual(dev.process.wait(30), 0)
        wait_until("the temporary folder is gone", lambda: not list(self.dir.glob("sigrun-dev-*")))

    def test_a_running_daemon_gets_the_new_file(self):
        folder = self.project()
        self.command("sh", "build.sh", cwd=folder)
        (self.plugins / "balancers/devel.so").write_bytes((folder / "devel.so").read_bytes())
        (self.plugins / "balancers/devel.so").chmod(0o755)
        daemon = self.daemon_with_plugins()
        dev = self.dev(folder, "--url", f"valkyrie://127.0.0.1:{daemon.port}")
        dev.wait_line("runs: com.example.devel 1.0.0")
        self.version(folder, "1.0.0", "2.0.0")
        dev.wait_line("runs: com.example.devel 2.0.0")
        self.assertEqual(daemon.get("/v1/plugins/com.example.devel")["version"], "2.0.0")
        self.assertEqual(dev.stop(), 0)
        self.assertEqual(daemon.get("/v1/plugins/com.example.devel")["state"], "active")

    def test_without_programs_it_says_what_is_missing(self):
        folder = self.project()
        dev = self.dev(folder, "--plugin-dir", self.dir / "nowhere")
        dev.wait_line("the shipped plugins cannot be copied")
        self.assertNotEqual(dev.process.wait(30), 0)
        self.assertEqual(list(self.dir.glob("sigrun-dev-*")), [])


if __name__ == "__main__":
    unittest.main()
