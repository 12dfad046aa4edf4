#!/usr/bin/env bash
# What finding out about this machine costs: `sigrun probe`, facter, fastfetch and lshw, in turn, in the same run. Prints a table:
# time of a warm run (p50, p95), the values in the answer, the largest resident set of the program or one that it started.
#
#   bench/peers/detect.sh [BUILD_FOLDER]          default: build/release of this tree
#
# Environment: RUNS (of each, after one that is not counted; 15). Nothing is installed: a program that is missing is named with
# the Debian package that has it, and left out. As root lshw and sigrun see more; run it as who will use it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build/release}" 2>/dev/null && pwd) || { echo "detect: no build folder '${1:-build/release}'" >&2; exit 2; }
[ -x "$build/bin/sigrun" ] || { echo "detect: $build/bin/sigrun is not built" >&2; exit 2; }
case "${RUNS:-15}" in '' | *[!0-9]* | 0) echo "detect: RUNS must be a whole number above 0, not '$RUNS'" >&2; exit 2 ;; esac
[ "$(id -u)" = 0 ] && who="root" || who="an ordinary user"
echo "machine: $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1-3 /proc/loadavg), as $who"
exec python3 - "$build/bin/sigrun" "${RUNS:-15}" <<'PYTHON'
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

sigrun, runs = sys.argv[1], int(sys.argv[2])


def leaves(value):
    """Values in a document; a list of plain values is one."""
    if isinstance(value, dict):
        return sum(leaves(v) for v in value.values())
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return sum(leaves(v) for v in value)
    return 0 if value is None or value == [] else 1


def of_sigrun(text):
    return sum(leaves(f["value"]) for f in json.loads(text)["facts"] if f["status"] == "ok")


def of_fastfetch(text):
    return sum(leaves(m.get("result")) for m in json.loads(text) if "error" not in m)


def of_document(text):
    return leaves(json.loads(text))


PROGRAMS = [
    ("sigrun probe", [sigrun, "probe", "--json"], of_sigrun, ""),
    ("sigrun probe, all but programs", [sigrun, "probe", "--json", "--only", "block,cgroup,cloud,cpu,fs,gpu,host,kernel,memory,net,"
                                        "nic,numa,os,pci,rdma,sec,usb,virt,work"], of_sigrun, ""),
    ("facter", ["facter", "--json"], of_document, "Debian package facter"),
    ("fastfetch", ["fastfetch", "--format", "json"], of_fastfetch, "not in Debian 12; in Debian 13 the package fastfetch"),
    ("lshw", ["lshw", "-json", "-quiet"], of_document, "Debian package lshw"),
]


def once(command):
    """Seconds, MiB, output."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    return took, usage.ru_maxrss / 1024, out, child.returncode


present, failed = [], False
for name, command, count, source in PROGRAMS:
    if shutil.which(command[0]):
        present.append((name, command, count))
    else:
        print(f"{name}: not here ({source}), left out")
measured = {name: ([], []) for name, *_ in present}
values, codes = {}, {}
for i in range(runs + 1):
    for name, command, count in present:
        took, largest, out, code = once(command)
        try:
            values[name], codes[name] = count(out), code
        except (ValueError, KeyError, TypeError):
            values[name], codes[name] = None, code
        if i:
            measured[name][0].append(took)
            measured[name][1].append(largest)
print(f"{'':32} {'p50 ms':>8} {'p95 ms':>8} {'values':>7} {'MiB':>6}   {runs} runs each, in turn")
for name, command, _ in present:
    times, sizes = (sorted(m) for m in measured[name])
    if values[name] is None:
        failed = True
        print(f"{name:32} failed with exit status {codes[name]}: {' '.join(command)}")
        continue
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    print(f"{name:32} {statistics.median(times) * 1e3:8.0f} {p95 * 1e3:8.0f} {values[name]:7d} {max(sizes):6.1f}" +
          (f"   exit status {codes[name]}" if codes[name] else ""))
sys.exit(1 if failed else 0)
PYTHON
