#!/usr/bin/env python3
"""Selection in a real daemon, while a large fleet changes all the time.

usage: bench/fleet/changing_fleet.py [--build DIR] [--runners N] [--changes PER_S] [--seconds S] [--outstanding JOBS]

N runners (9000; at most 100,000) of 40 kinds with some 58 facts each connect with real sessions over
Valkyrie, in several processes, and send beats. All together they tell --changes (1000) changes a second: free memory, measured speed, a
tool that comes or goes, not ready and ready again. Meanwhile `sigrun bench` runs jobs with 50 requirements by turns. The daemon
times one selection of 64 by the clock on the wall, switches of threads included (sigrun_selection_seconds); told are those of the
--seconds (30). Fails if their p99 is more than 5 us, if fewer than 0.95 of the changes were told, or if a job did not succeed. A
limit of open files below so many needs root, or a high `ulimit -n`. Loopback only, a temporary folder, no traces."""
import argparse
import http.client
import json
import pathlib
import re
import resource
import subprocess
import sys
import time

from fleet_parts import Fleet, cpu_seconds, status_of

GOAL_US = 5.0
MOST_RUNNERS = 100_000


def allow_files(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    except (ValueError, PermissionError):
        raise SystemExit(f"needs {wanted} open files, the limit is {hard}: run it as root, or raise ulimit -n") from None


def look(port):
    """Times of selections so far: how many took at most so many seconds, by bound; and how many changes of facts were told."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    within = {float(bound): float(n) for bound, n in re.findall(r'^sigrun_selection_seconds_bucket\{le="([^"]+)"\} (\S+)', text, re.M)}
    return within, sum(float(n) for n in re.findall(r"^sigrun_facts_told_total\{[^}]*\} (\S+)", text, re.M))


def quantile(before, after, share):
    """The bound in microseconds that this share of the selections between two looks did not exceed."""
    total = after[float("inf")] - before.get(float("inf"), 0)
    for bound in sorted(after):
        if after[bound] - before.get(bound, 0) >= share * total:
            return bound * 1e6
    return float("inf")


def run_jobs(bench, port, seconds, outstanding, asked):
    """What `sigrun bench` says of so many seconds."""
    done = subprocess.run(
        [bench.build / "bin/sigrun", "--url", f"valkyrie://127.0.0.1:{port}", "--output", "json", "bench", "--kind", "call",
         "--command", "echo", "--durability", "memory", "--outstanding", str(outstanding), "--seconds", str(seconds), *asked],
        capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("sigrun bench: " + done.stderr.strip()[-500:])
    return json.loads(done.stdout)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build/release")
    arguments.add_argument("--runners", type=int, default=9000)
    arguments.add_argument("--processes", type=int, default=10)
    arguments.add_argument("--changes", type=float, default=1000)
    arguments.add_argument("--seconds", type=float, default=30)
    arguments.add_argument("--outstanding", type=int, default=32, help="jobs in flight at a time")
    arguments.add_argument("--beat", type=float, default=15, help="seconds between the beats of a runner")
    chosen = arguments.parse_args()
    if not 100 <= chosen.runners <= MOST_RUNNERS:
        arguments.error(f"--runners: expected 100 to {MOST_RUNNERS}, found {chosen.runners}")
    allow_files(chosen.runners + 2048)
    each = -(-chosen.runners // chosen.processes)
    good = True
    with Fleet(chosen.build, chosen.runners, settings=[f"registry.beat_period={chosen.beat:g}s"]) as bench:
        port = bench.port
        began = time.monotonic()
        loads = []
        for first in range(0, chosen.runners, each):
            loads.append(bench.load(first, min(each, chosen.runners - first), "--machines", "--beat", chosen.beat, "--changes",
                                    chosen.changes / chosen.processes))
            bench.wait_for(loads[-1], r"connected (\d+)")
        online = len({runner for _, runner, _, to in bench.events.wait_for(chosen.runners, 0, 300) if to == "online"})
        print(f"{online} runners online in {time.monotonic() - began:.1f} s ({cpu_seconds(bench.sigrund.pid):.1f} s CPU of the daemon), "
              f"{status_of(bench.sigrund.pid)['kib'] / 1024:.0f} MiB resident", flush=True)
        requirements = subprocess.run([bench.build / "bench/fleet_load", "--list-requirements", "--count", str(chosen.runners)],
                                      check=True, capture_output=True, text=True).stdout.splitlines()
        asked = [word for text in requirements for word in ("--require", text)]
        run = lambda seconds: run_jobs(bench, port, seconds, chosen.outstanding, asked)
        run(2)  # each requirement has been judged once
        (before, told), used, began = look(port), cpu_seconds(bench.sigrund.pid), time.monotonic()
        jobs = run(chosen.seconds)
        took = time.monotonic() - began
        (after, told_after), used = look(port), cpu_seconds(bench.sigrund.pid) - used
        p50, p99, p999 = (quantile(before, after, share) for share in (0.5, 0.99, 0.999))
        timed = after[float("inf")] - before.get(float("inf"), 0)
        rate = (told_after - told) / took
        print(f"{jobs['jobs_per_s']:.0f} jobs/s with {len(requirements)} requirements, {jobs['errors']} errors; {rate:.0f} changes of facts "
              f"told a second, and {chosen.changes / 8:.0f} of health; the daemon used {100 * used / took:.0f} % of a core, "
              f"{status_of(bench.sigrund.pid)['kib'] / 1024:.0f} MiB resident")
        print(f"selections ({timed:.0f} timed): p50 <= {p50:.2f} us, p99 <= {p99:.2f} us, p99.9 <= {p999:.2f} us; at most {GOAL_US:.0f}")
        good = online == chosen.runners and p99 <= GOAL_US and not jobs["errors"] and rate >= 0.95 * chosen.changes * 7 / 8
    print("selection p99 among changing runners: " + ("held" if good else "NOT HELD"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
