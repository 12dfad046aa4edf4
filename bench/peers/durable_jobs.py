#!/usr/bin/env python3
"""Jobs that are on the disk before anybody is told of them: Sigrun beside beanstalkd and gearmand, taking turns on the same disk.

usage: bench/peers/durable_jobs.py [--build DIR] [--rounds N] [--each S] [--outstanding a,b] [--dir DIR] [--json FILE]

Sigrun: echo jobs with durability fsync over Valkyrie, from submit to result, through a real sigrund and a real runner.
beanstalkd: -b with -f 0 (fsync for each write), from put to the answer to delete. gearmand: its SQLite queue, background jobs, from
submit to the end of the work; neither peer carries a result back. Each has --outstanding jobs under way (1 and 1000) for --each (2)
seconds in each of --rounds (5), the first round warms up; the numbers are medians, the ratios those of one round. Fails if a goal is
missed with the most jobs under way: 20,000 jobs/s, 5 x beanstalkd, 20 x gearmand."""
import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import ROOT, Programs, cpu_ns, free_port, load, machine, measured, median, say, until_works  # noqa: E402

JOB = ["--kind", "call", "--command", "echo", "--payload", "hello", "--durability", "fsync"]
GOALS = {"jobs/s": 20_000, "beanstalkd": 5, "gearmand": 20}
PEER_PATH = os.environ["PATH"] + ":/usr/sbin"


class Sigrun:
    name = "sigrun"

    def __init__(self, programs):
        self.programs = programs
        self.daemon, port = programs.daemon("daemon")
        self.url = f"valkyrie://127.0.0.1:{port}"
        self.runner = programs.runner(self.url, "runner", 2048)
        self.served_by = [self.daemon, self.runner]
        until_works(self.command(1, "--jobs", "10"))

    def command(self, outstanding, *how):
        return self.programs.cli(self.url, "bench", *JOB, "--outstanding", outstanding, "--output", "json", *how)

    def measure(self, outstanding, seconds):
        return measured(self.command(outstanding, "--seconds", seconds), seconds)


class Peer:
    """A server with its own load program beside it."""

    def __init__(self, programs, server, load_program):
        self.port = free_port()
        self.load_program = programs.build / "bench" / load_program
        folder = programs.dir / self.name
        folder.mkdir()
        process = subprocess.Popen([str(a) for a in server(folder, self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        programs.started.append(process)
        self.served_by = [process]
        deadline = time.monotonic() + 15
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{self.name} did not start") from None
                time.sleep(0.05)

    def measure(self, outstanding, seconds):
        return measured([self.load_program, self.port, outstanding, seconds], seconds)


class Beanstalkd(Peer):
    name = "beanstalkd"

    def __init__(self, programs):
        super().__init__(programs, lambda folder, port: [
            shutil.which("beanstalkd", path=PEER_PATH), "-l", "127.0.0.1", "-p", port, "-b", folder, "-f", 0], "peer_beanstalk")


class Gearmand(Peer):
    name = "gearmand"

    def __init__(self, programs):
        super().__init__(programs, lambda folder, port: [
            shutil.which("gearmand", path=PEER_PATH), "--listen=127.0.0.1", f"--port={port}", f"--log-file={folder}/log",
            "--queue-type=libsqlite3", f"--libsqlite3-db={folder}/queue.db"], "peer_gearman_durable")


def systems(programs):
    yield Sigrun(programs)
    for peer, load_program in ((Beanstalkd, "peer_beanstalk"), (Gearmand, "peer_gearman_durable")):
        if shutil.which(peer.name, path=PEER_PATH) and (programs.build / "bench" / load_program).exists():
            yield peer(programs)
        else:
            say(f"{peer.name} or bench/{load_program} is not here (etc/install-deps.sh --bench, then build {load_program}): left out")


def file_system(folder):
    return subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True).stdout.strip()


def fdatasync_us(folder, times=200):
    """p50 and p95 of a 4 KiB write at the end of a file and its fdatasync."""
    taken, path = [], folder / "disk"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(times):
            began = time.perf_counter()
            os.write(fd, bytes(4096))
            os.fdatasync(fd)
            taken.append((time.perf_counter() - began) * 1e6)
    finally:
        os.close(fd)
        path.unlink()
    taken.sort()
    return taken[times // 2], taken[times * 95 // 100]


def table(rows):
    ours = [r["jobs_per_s"] for r in rows["sigrun"]]
    print(f"{'':<12}{'jobs/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'CPU us/job':>12}{'errors':>8}{'sigrun is':>12}")
    ratios = {}
    for name, rounds in rows.items():
        ratios[name] = median([a / r["jobs_per_s"] for a, r in zip(ours, rounds)])
        middle = lambda field, by=1: median([r[field] / by for r in rounds])
        print(f"{name:<12}{middle('jobs_per_s'):>10.0f}{middle('p50_us', 1000):>10.2f}{middle('p99_us', 1000):>10.2f}"
              f"{middle('cpu_us'):>12.1f}{sum(r['errors'] for r in rounds):>8}"
              f"{'' if name == 'sigrun' else f'{ratios[name]:.1f} x':>12}", flush=True)
    return {"jobs/s": median(ours), **{n: r for n, r in ratios.items() if n != "sigrun"}}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--each", type=float, default=2)
    arguments.add_argument("--outstanding", default="1,1000")
    arguments.add_argument("--dir", type=pathlib.Path, help="where all keep their data (the folder for temporary files)")
    arguments.add_argument("--json", type=pathlib.Path, help="also write every round there")
    chosen = arguments.parse_args()
    if chosen.dir:
        os.environ["TMPDIR"] = str(chosen.dir)
    with Programs(chosen.build) as programs:
        kind = file_system(programs.dir)
        if kind in ("tmpfs", "ramfs"):
            arguments.error(f"--dir: a folder on a disk, not on {kind}, where fsync does nothing")
        all_systems = list(systems(programs))
        before = fdatasync_us(programs.dir)
        print(f"machine:  {machine()}\nload:     {load()} before", flush=True)
        results = {}
        for outstanding in map(int, chosen.outstanding.split(",")):
            rows = {s.name: [] for s in all_systems}
            for number in range(chosen.rounds + 1):
                for system in all_systems:
                    cpu = sum(cpu_ns(p.pid) for p in system.served_by)
                    row = system.measure(outstanding, chosen.each)
                    row["cpu_us"] = (sum(cpu_ns(p.pid) for p in system.served_by) - cpu) / 1000 / max(row["jobs"], 1)
                    if number:
                        rows[system.name].append(row)
            print(f"\n{outstanding} under way, medians of {chosen.rounds} rounds of {chosen.each} s, load {load()}")
            reached = table(rows)
            results[outstanding] = rows
        after = fdatasync_us(programs.dir)
        print(f"\ndisk:     {kind}, 4 KiB and fdatasync: p50 {before[0]:.0f} us, p95 {before[1]:.0f} us before; "
              f"{after[0]:.0f} and {after[1]:.0f} us after")
        if chosen.json:
            chosen.json.write_text(json.dumps(results))
    good = True
    for what, goal in GOALS.items():
        if what not in reached:
            print(f"{what}: not measured")
            continue
        held = reached[what] >= goal
        good &= held
        print(f"{what}: {reached[what]:.0f}, goal {goal}: {'held' if held else 'NOT HELD'}" if what == "jobs/s" else
              f"x {what}: {reached[what]:.1f}, goal {goal}: {'held' if held else 'NOT HELD'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
