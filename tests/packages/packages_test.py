"""The Debian packages on a bare Debian 12 with systemd: built, checked, installed and started as the README says, upgraded while a
job runs, drained, removed, purged. `etc/test.sh packages` runs it; the steps build on each other.

  packages_test.py BUILD      where the target "packages" was built; BUILD/packages-test keeps the bare system for the next time"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from machine import Machine

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path()
PACKAGES = ["sigrun-common", "sigrun", "sigrun-runner", "libsigrun-dev", "python3-sigrun"]
NEXT = "99.0"


def wait_until(what, condition, deadline=60):
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(0.1)


def built(name):
    found = list((BUILD / "packages").glob(f"{name}_*.deb"))
    assert len(found) == 1, f"{name}: one package expected, found {found}; build the target packages"
    return found[0]


def readme_steps():
    """The commands of the README's section Install, as people type them."""
    section = re.search(r"^## Install\n(.*?)^## ", (SOURCE / "README.md").read_text(), re.DOTALL | re.MULTILINE).group(1)
    return re.search(r"```sh\n(.*?)```", section, re.DOTALL).group(1)


class Packages(unittest.TestCase):
    """One machine for all steps, which are in the order of their names; the first that fails ends it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-packages-"))
        cls.machine = Machine(cls.folder, BUILD / "packages-test" / "bookworm.tar")
        cls.machine.start()
        debs = cls.machine.root / "root" / "debs"
        debs.mkdir()
        for name in PACKAGES:
            shutil.copy(built(name), debs)
            cls.repack(built(name), debs / "next")

    @classmethod
    def tearDownClass(cls):
        cls.machine.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def repack(cls, package, into):
        """The same package as a later version."""
        into.mkdir(exist_ok=True)
        tree = cls.folder / "tree"
        subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True)
        control = tree / "DEBIAN" / "control"
        version = re.search(r"^Version: (.*)$", control.read_text(), re.MULTILINE).group(1)
        control.write_text(control.read_text().replace(f"Version: {version}", f"Version: {NEXT}").replace(f"(= {version})", f"(= {NEXT})"))
        subprocess.run(["dpkg-deb", "-Znone", "-b", str(tree), str(into / package.name.replace(version, NEXT))], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)

    def sigrun(self, words, **options):
        return json.loads(self.machine.output(f"sigrun -o json {words}", **options))

    def job_state(self, job):
        return self.sigrun(f"job show {job}")["state"]

    def submit_waiting(self, gate):
        """A job that runs until a file is there; its id and the pid of its command."""
        job = self.machine.output(f"sigrun submit -- sh -c 'echo $$ begun; while [ ! -e {gate} ]; do sleep 0.1; done; echo ended'")
        begun = wait_until("the job has begun", lambda: re.match(r"(\d+) begun", self.machine.output(f"sigrun job logs {job}")))
        return job, int(begun.group(1))

    def main_pid(self, unit):
        return int(self.machine.output(f"systemctl show -P MainPID {unit}"))

    def test_10_lintian_finds_no_error(self):
        if not shutil.which("lintian"):
            self.skipTest("no lintian here (etc/install-deps.sh --packages)")
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", *[str(built(p)) for p in PACKAGES]], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_20_installing_and_starting_as_the_readme_says_runs_a_job(self):
        steps = readme_steps()
        install, rest = steps.split("\n", 1)
        self.assertIn("apt install ./sigrun", install)
        self.machine.run("apt-get update -q", network=True, timeout=300)
        # The line of the README, but for what asks and for packages that are only recommended.
        self.machine.run("cd /root/debs && " + install.replace("sudo apt install", "apt-get install -y -q --no-install-recommends"),
                         network=True, timeout=600)
        self.machine.run("cd /root/debs && apt-get install -y -q --no-install-recommends ./libsigrun-dev*.deb ./python3-sigrun*.deb",
                         network=True, timeout=600)
        self.assertEqual(self.machine.run("systemctl is-active sigrund sigrun-runner", check=False).stdout.split(), ["inactive"] * 2)
        self.assertEqual(self.machine.output("stat -c '%U %a' /var/lib/sigrun /var/lib/sigrun-runner").splitlines(),
                         ["sigrun 750", "sigrun-runner 750"])
        out = self.machine.output("set -e\nsudo() { \"$@\"; }\ncd /root/debs\n" + rest)
        self.assertTrue(out.endswith("sigrun-test"), out)
        runners = self.sigrun("runner ls")["items"]
        self.assertEqual([(r["name"], r["status"]) for r in runners], [("sigrun-test", "online")])
        self.assertIn("runner", [t["kind"] for t in self.sigrun("token ls")["items"]], "it joined by its token")
        # Daemon and jobs are different users, so that a job cannot read everybody's secrets.
        self.assertEqual(self.machine.output("sigrun run -q -- id -un"), "sigrun-runner")
        self.assertNotEqual(self.machine.run("sigrun run -q -- cat /var/lib/sigrun/tokens.json", check=False).returncode, 0)
        self.assertEqual(self.machine.output("ps -o user:20= -C sigrund").split()[0], "sigrun")
        self.assertEqual(self.machine.output("systemctl show -P NRestarts sigrund sigrun-runner").split(), ["0", "0"])
        self.assertIn('"ok"', self.machine.output(
            "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:7070/healthz').read().decode())\""))
        page = self.machine.output("python3 -c \"import urllib.request as u; print(u.urlopen(u.Request('http://127.0.0.1:7070/', "
                                   "headers={'Accept': 'text/html'})).read().decode())\"")
        self.assertIn("<html", page, "the dashboard is up; what it shows it asks for with a token")
        refused = self.machine.run("runuser -u nobody -- sigrun runner ls", check=False)
        self.assertNotEqual(refused.returncode, 0, refused.stdout)

    def test_30_manuals_and_completions_are_where_people_find_them(self):
        for page in ("sigrun", "sigrun-job", "sigrund", "sigrun-runner", "sigrun-runner-commands", "sigrun-shim"):
            self.assertTrue(self.machine.output(f"zcat $(man -w {page}) | head -1").startswith(".TH"), page)
        offered = self.machine.output(". /usr/share/bash-completion/bash_completion; _completion_loader sigrun; COMP_WORDS=(sigrun job c); COMP_CWORD=2; "
                                      "_sigrun; echo ${COMPREPLY[@]}")
        self.assertEqual(offered, "cancel")
        self.assertEqual(self.machine.output("zsh -fc 'autoload -U compinit; compinit -D; echo $_comps[sigrun] $_comps[sigrun-runner]'"),
                         "_sigrun _sigrun-runner")

    def test_40_an_upgrade_replaces_both_programs_and_a_running_job_does_not_notice(self):
        self.machine.run("echo '; a note of the operator' >> /etc/sigrun/sigrun.ini")
        job, pid = self.submit_waiting("/tmp/gate-upgrade")
        before = [self.main_pid("sigrund"), self.main_pid("sigrun-runner")]
        self.machine.run("cd /root/debs/next && apt-get install -y -q --no-install-recommends ./*.deb", timeout=300)
        self.assertEqual(self.machine.output("dpkg-query -W -f '${Version} ' sigrun sigrun-runner sigrun-common"), f"{NEXT} {NEXT} {NEXT}")
        wait_until("both are new processes", lambda: all(
            new and new != old for new, old in zip([self.main_pid("sigrund"), self.main_pid("sigrun-runner")], before)))
        wait_until("the runner is back", lambda: self.sigrun("runner ls")["items"][0]["status"] in ("online", "busy"))
        self.assertEqual(self.job_state(job), "running")
        self.machine.run(f"kill -0 {pid} && touch /tmp/gate-upgrade")
        done = wait_until("the job ends", lambda: (lambda j: j if j["finished_at"] else None)(self.sigrun(f"job show {job}")))
        self.assertEqual((done["state"], len(done["attempts"])), ("succeeded", 1))
        self.assertEqual(self.machine.output(f"sigrun job logs {job}"), f"{pid} begun\nended")
        self.assertIn("a note of the operator", self.machine.output("cat /etc/sigrun/sigrun.ini"))

    def test_50_stopping_the_runner_lets_its_job_finish(self):
        job, pid = self.submit_waiting("/tmp/gate-stop")
        stopping = self.machine.start_command("systemctl stop sigrun-runner")
        wait_until("it drains", lambda: self.machine.output("systemctl is-active sigrun-runner || true") == "deactivating")
        self.machine.run(f"kill -0 {pid} && touch /tmp/gate-stop")
        self.assertEqual(stopping.wait(60), 0, stopping.stdout.read())
        stopping.stdout.close()
        self.assertEqual(self.job_state(job), "succeeded")
        self.machine.run("systemctl start sigrun-runner")
        wait_until("it is back", lambda: self.sigrun("runner ls")["items"][0]["status"] == "online")

    def test_60_removing_keeps_jobs_and_configuration(self):
        self.machine.run("apt-get remove -y -q sigrun sigrun-runner sigrun-common", timeout=300)
        self.assertEqual(self.machine.output("ps -o args= -u sigrun,sigrun-runner || true"), "")
        self.assertEqual(self.machine.output("ls /usr/bin/sigrun* /usr/lib/sigrun 2>/dev/null || true"), "/usr/bin/sigrun-plugin-check")
        self.machine.run("test -s /var/lib/sigrun/tokens.json && test -d /var/lib/sigrun-runner && test -e /etc/sigrun/sigrun.ini")

    def test_70_installed_again_it_goes_on_with_what_it_had(self):
        self.machine.run("cd /root/debs/next && apt-get install -y -q --no-install-recommends ./sigrun*.deb", timeout=300)
        self.machine.run("systemctl start sigrund sigrun-runner")
        wait_until("the runner is back", lambda: (lambda r: r and r[0]["status"] == "online")(self.sigrun("runner ls")["items"]))
        self.assertGreaterEqual(len(self.sigrun("job ls")["items"]), 3)

    def test_80_removing_ends_the_jobs_that_do_not_end_themselves(self):
        # As an operator who does not want to wait for them.
        self.machine.run("mkdir -p /etc/systemd/system/sigrun-runner.service.d && printf '[Service]\\nTimeoutStopSec=2\\n' "
                         "> /etc/systemd/system/sigrun-runner.service.d/stop.conf && systemctl daemon-reload")
        _, pid = self.submit_waiting("/tmp/gate-never")
        self.machine.run("apt-get purge -y -q sigrun sigrun-runner sigrun-common libsigrun-dev python3-sigrun", timeout=300)
        wait_until("the job is gone", lambda: self.machine.run(f"kill -0 {pid}", check=False).returncode != 0)

    def test_90_purging_leaves_nothing(self):
        left = self.machine.output("find / -xdev \\( -path /root -o -path /proc -o -path /sys -o -path /var/log -o -path /usr/share/doc \\) -prune -o "
                                   "-iname '*sigrun*' -not -path '/etc/systemd/system/sigrun-runner.service.d*' -print")
        self.assertEqual(left, "")
        self.assertEqual(self.machine.output("dpkg -l | grep sigrun || true"), "")
        self.assertEqual(self.machine.output("systemctl --failed --no-legend --plain | grep sigrun || true"), "")


def extract_only(why):
    """What can be seen without a machine of its own: the packages unpack, and their programs find their plugins."""
    print(f"packages_test.py: only unpacked, since there is no {why}.\n"
          "NOT checked: dependencies, maintainer scripts, services, upgrade, removal.", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        for name in PACKAGES:
            subprocess.run(["dpkg-deb", "-x", str(built(name)), folder], check=True)
        done = subprocess.run([f"{folder}/usr/bin/sigrun", "config", "doc"], capture_output=True, text=True)
        passed = done.returncode == 0 and "sqlite" in done.stdout and "process" in done.stdout
        print("1 passed, 0 failed" if passed else f"0 passed, 1 failed\n{done.stderr}")
        return 0 if passed else 1


def main():
    global BUILD
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    missing = Machine.missing()
    if missing:
        return extract_only(missing)
    result = unittest.TextTestRunner(verbosity=2, failfast=True).run(unittest.defaultTestLoader.loadTestsFromTestCase(Packages))
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
