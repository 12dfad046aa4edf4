#!/usr/bin/env python3
"""Output of a job, streamed to whoever reads it while it runs: MB/s over each protocol, and the memory it takes.

usage: bench/logs/log_stream.py [--build DIR] [--size BYTES] [--protocols a,b] [--rounds N]

A process job prints --size (1 GB) bytes; `sigrun run` over the same protocol as the runner's reads them (to a pipe whose end
counts and drops them). Peak resident memory of daemon, runner and client is that of the whole run. Fails if bytes are missing,
if memory grew with the size of the output, or if Valkyrie is below its target."""
import argparse
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import ROOT, SCHEMES, Programs, cpu_ns, load, machine, median, peak_kib, until_works  # noqa: E402

TARGET = {"valkyrie": 500}  # MB/s
MOST_MIB = 256  # of each process


def stream(programs, url, size):
    """Seconds, bytes, and the client's peak memory in KiB."""
    began = time.monotonic()
    client = subprocess.Popen(programs.cli(url, "run", "-q", "--durability", "memory", "--", "head", "-c", size, "/dev/zero"),
                              stdout=subprocess.PIPE)
    count, pipe = 0, client.stdout.fileno()
    try:
        import fcntl
        fcntl.fcntl(pipe, 1031, 1 << 20)  # F_SETPIPE_SZ
    except OSError:
        pass
    while True:
        n = len(os.read(pipe, 1 << 20))
        if not n:
            break
        count += n
    took = time.monotonic() - began
    _, status, used = os.wait4(client.pid, 0)
    client.returncode = os.waitstatus_to_exitcode(status)
    if client.returncode:
        raise SystemExit(f"sigrun run ended with {client.returncode} after {count} bytes")
    return took, count, used.ru_maxrss, (used.ru_utime + used.ru_stime) * 1e9


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    arguments.add_argument("--size", type=int, default=10**9)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--protocols", default=",".join(SCHEMES))
    chosen = arguments.parse_args()
    good = True
    print(f"machine:  {machine()}\nload:     {load()} before\n")
    print(f"{'':<12}{'MB/s':>8}{'CPU ms/MB: daemon':>19}{'runner':>8}{'client':>8}{'peak MiB: daemon':>18}{'runner':>8}{'client':>8}", flush=True)
    for protocol in chosen.protocols.split(","):
        with Programs(chosen.build) as programs:
            daemon, port = programs.daemon("daemon", f"jobs.log_limit={chosen.size * 2}")
            url = f"{SCHEMES[protocol]}://127.0.0.1:{port}"
            runner = programs.runner(url, "r1", 2)
            until_works(programs.cli(url, "run", "-q", "--", "true"))
            rates, client_kib, cpu = [], 0, [[], [], []]
            for _ in range(chosen.rounds):
                before = cpu_ns(daemon.pid), cpu_ns(runner.pid)
                took, count, kib, client_ns = stream(programs, url, chosen.size)
                if count != chosen.size:
                    print(f"{protocol}: {count} bytes of {chosen.size} arrived")
                    good = False
                rates.append(count / took / 1e6)
                client_kib = max(client_kib, kib)
                for into, ns in zip(cpu, (cpu_ns(daemon.pid) - before[0], cpu_ns(runner.pid) - before[1], client_ns)):
                    into.append(ns / count)
            peaks = [peak_kib(daemon.pid) / 1024, peak_kib(runner.pid) / 1024, client_kib / 1024]
            print(f"{protocol:<12}{median(rates):>8.0f}{median(cpu[0]):>19.2f}{median(cpu[1]):>8.2f}{median(cpu[2]):>8.2f}"
                  f"{peaks[0]:>18.0f}{peaks[1]:>8.0f}{peaks[2]:>8.0f}", flush=True)
            good &= max(peaks) <= MOST_MIB and median(rates) >= TARGET.get(protocol, 0)
    print(f"\nload:     {load()} after")
    print("targets: " + ", ".join(f"{p} >= {n} MB/s" for p, n in TARGET.items()) + f", each process <= {MOST_MIB} MiB: "
          + ("held" if good else "NOT HELD"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
