#!/usr/bin/env python3
"""A fleet of runners with real sessions on one daemon: what watching them costs, and how soon a dead one is noticed.

usage: bench/fleet/fleet.py [--build DIR] [--runners N] [--dead N] [--protocol valkyrie] [--quiet-time S]

N runners (10000), in ten processes, connect and send beats. After a quiet time, whose CPU and memory are told, one process is
stopped (SIGSTOP: its connections stay open and silent), one is killed; each holds --dead runners (1000). For both it is told
after how long each of them was offline, and whether the events name exactly these. Then the stopped one goes on, and its
runners must come back. Fails if a runner is noticed later than 10 s (12 s for a stopped one: its last beat may be 3 s old when
it is stopped, but counts), or if an event is missing or too many. Loopback only, a temporary folder, no traces."""
import argparse
import pathlib
import signal
import sys
import time

from fleet_parts import Fleet, cpu_seconds, status_of

LIMIT_S = 10.0


def noticed(bench, names, process, how, dead, patience):
    """Ends or stops the process and tells how its runners were noticed."""
    since = len(bench.events.heard)
    began = time.monotonic()
    process.send_signal(how)
    heard = bench.events.wait_for(len(dead), since, patience)
    offline = {names[runner]: at - began for at, runner, _, to in heard if to == "offline"}
    others = [h for h in heard if h[3] != "offline" or names[h[1]] not in dead]
    missing = dead - offline.keys()
    late = sorted(offline.values())
    word = "stopped" if how == signal.SIGSTOP else "killed"
    print(f"{word:<10}{len(dead):>7} runners: offline after {late[0]:.2f} s (first), {late[len(late) // 2]:.2f} s (median), "
          f"{late[-1]:.2f} s (last); {len(missing)} missing, {len(others)} other events" if late else
          f"{word}: nothing noticed in {patience} s", flush=True)
    return not missing and not others and late[-1] <= LIMIT_S + (2 if how == signal.SIGSTOP else 0)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build/release")
    arguments.add_argument("--runners", type=int, default=10000)
    arguments.add_argument("--dead", type=int, default=1000)
    arguments.add_argument("--protocol", default="valkyrie")
    arguments.add_argument("--quiet-time", type=float, default=30)
    chosen = arguments.parse_args()
    if chosen.dead * 2 > chosen.runners:
        arguments.error("--dead must be at most half of --runners: one process is stopped, one is killed")
    good = True
    with Fleet(chosen.build, chosen.runners, chosen.protocol) as bench:
        began = time.monotonic()
        firsts = range(0, chosen.runners, chosen.dead)
        loads = [bench.load(first, min(chosen.dead, chosen.runners - first)) for first in firsts]
        for load in loads:
            bench.wait_for(load, r"connected (\d+)")
        online = bench.events.wait_for(chosen.runners, 0, 60)
        print(f"{chosen.runners} runners over {chosen.protocol} online in {time.monotonic() - began:.1f} s "
              f"({cpu_seconds(bench.sigrund.pid):.2f} s CPU of the daemon)", flush=True)
        good &= len(online) == chosen.runners and not bench.events.gaps

        used = cpu_seconds(bench.sigrund.pid)
        time.sleep(chosen.quiet_time)
        used = cpu_seconds(bench.sigrund.pid) - used
        now = status_of(bench.sigrund.pid)
        quiet = len(bench.events.heard) == chosen.runners
        print(f"quiet for {chosen.quiet_time:.0f} s: {100 * used / chosen.quiet_time:.1f} % of a core, {now['kib'] / 1024:.0f} MiB resident, "
              f"{now['threads']} threads; {'nobody' if quiet else 'SOMEBODY'} lost", flush=True)
        good &= quiet

        names = bench.names()
        mine = lambda i: {f"fleet-{n}" for n in range(firsts[i], min(firsts[i] + chosen.dead, chosen.runners))}
        good &= noticed(bench, names, loads[1], signal.SIGSTOP, mine(1), 30)
        good &= noticed(bench, names, loads[0], signal.SIGKILL, mine(0), 30)
        since, began = len(bench.events.heard), time.monotonic()
        loads[1].send_signal(signal.SIGCONT)
        back = bench.events.wait_for(len(mine(1)), since, 60)
        returned = {names[runner] for _, runner, _, to in back if to == "online"}
        print(f"continued {len(returned):>7} runners: back after {time.monotonic() - began:.2f} s (last)", flush=True)
        good &= returned == mine(1)
        print(f"at the end: {status_of(bench.sigrund.pid)['kib'] / 1024:.0f} MiB resident, {bench.events.gaps} gaps in the events")
    print("mission_N5: " + ("held" if good else "NOT HELD"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
