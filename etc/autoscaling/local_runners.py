#!/usr/bin/env python3
"""An autoscaling hook: starts runners on this machine while places are missing, up to a number, and stops those that are idle.

  [autoscaling]
  hook = /usr/local/lib/sigrun/local_runners.py --dir /var/lib/sigrun/runners --most 4 --slots 2
  on = always

It is made to be copied: for machines of a cloud replace start() and stop(). Under systemd what the daemon's unit has started ends with
it, sessions of their own or not: there start the runners with `systemd-run`. It keeps nothing but a folder for each runner; what is
there is what runs. With `on = always` it is asked again when a machine did not come up."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

PREFIX = "scaled-"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dir", required=True, type=pathlib.Path, help="a folder for the runners' own folders")
    p.add_argument("--most", type=int, default=2, help="runners at once (default: 2)")
    p.add_argument("--slots", type=int, default=1, help="jobs that each runs at once (default: 1)")
    p.add_argument("--bin", type=pathlib.Path, help="the folder of sigrun and sigrun-runner (default: PATH)")
    p.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="a setting of the runners; may be repeated")
    options = p.parse_args()
    if options.most < 1 or options.slots < 1:
        p.error("--most and --slots must be 1 or more")
    return options


class Fleet:
    """The runners that this hook has started."""

    def __init__(self, options):
        self.options = options
        options.dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def program(self, name):
        return str(self.options.bin / name) if self.options.bin else name

    def alive(self):
        """{name: pid}; what is left of those that have ended is removed."""
        found = {}
        for folder in sorted(self.options.dir.glob(PREFIX + "*")):
            try:
                pid = int((folder / "pid").read_text())
                # Its number may be another process's by now.
                if folder.name.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    found[folder.name] = pid
                    continue
            except (OSError, ValueError):
                pass
            shutil.rmtree(folder, ignore_errors=True)
            # The daemon need not remember one that never comes back. It may be gone there already.
            subprocess.run([self.program("sigrun"), "runner", "rm", folder.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return found

    def start(self, labels):
        number = next(n for n in range(1, 10_000) if not (self.options.dir / f"{PREFIX}{n}").exists())
        name = f"{PREFIX}{number}"
        made = subprocess.run([self.program("sigrun"), "--output", "json", "token", "create", name, "--join", "--runners", name, "--expires", "10m"],
                              check=True, stdout=subprocess.PIPE, text=True)
        folder = self.options.dir / name
        folder.mkdir(mode=0o700)
        command = [self.program("sigrun-runner"), "--name", name, "--url", os.environ["SIGRUN_URL"], "--state-dir", str(folder / "state"), "--slots", str(self.options.slots)]
        for label, value in labels.items():
            command += ["--label", f"{label}={value}"]
        for setting in self.options.set:
            command += ["--set", setting]
        with open(folder / "log", "wb") as log:
            # A session of its own: it outlives this program, whatever becomes of that.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                       env={**os.environ, "SIGRUN_RUNNER__JOIN": json.loads(made.stdout)["token"]})
        (folder / "pid").write_text(str(process.pid))
        (folder / "labels").write_text(json.dumps(labels))
        print(f"started {name} (process {process.pid})")
        return name, process.pid

    def stop(self, name, pid):
        # To the daemon first, so that no job is on its way there; the signal lets what runs finish.
        subprocess.run([self.program("sigrun"), "runner", "drain", name, "--reason", "it was idle"], check=True, stdout=subprocess.DEVNULL)
        os.kill(pid, signal.SIGTERM)
        print(f"stopped {name}")

    def labels(self, name):
        try:
            return json.loads((self.options.dir / name / "labels").read_text())
        except (OSError, ValueError):
            return {}


def main():
    options = arguments()
    demand = json.load(sys.stdin)
    fleet = Fleet(options)
    alive = fleet.alive()
    for runner in demand["idle"]["longest"]:
        if runner["drainable"] and runner["name"] in alive:
            fleet.stop(runner["name"], alive.pop(runner["name"]))
    for each in demand["classes"]:
        same = [name for name in alive if fleet.labels(name) == each["labels"]]
        # Those that are on their way count; if they are here and do not match, others would not do either.
        if same and each["unsatisfiable"]:
            print(f"jobs of class {each['class']} wait, and {same[0]} does not suit them: {each['requires']}", file=sys.stderr)
            continue
        coming = max(0, len(same) - each["runners"]["online"])
        missing = each["shortfall"] - coming * options.slots
        while missing > 0 and len(alive) < options.most:
            # Not by looking again: for a moment a new process has no command line by which it could be known.
            name, pid = fleet.start(each["labels"])
            alive[name] = pid
            missing -= options.slots


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as e:
        sys.exit(f"local_runners.py: {e}")  # what the program said of it stands above
