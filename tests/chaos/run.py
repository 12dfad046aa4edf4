#!/usr/bin/env python3
"""Strikes a fleet of real programs with faults and proves that Sigrun keeps what it promises. See README.md."""
import argparse
import collections
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
os.environ.setdefault("SIGRUN_SOURCE_DIR", str(SOURCE))
os.environ.setdefault("SIGRUN_BUILD_DIR", str(SOURCE / "build" / "release"))
sys.path[:0] = [str(HERE), str(SOURCE / "tests" / "integration" / "daemon")]

import faults  # noqa: E402  (they lie beside the harness of the integration tests)
import one_run  # noqa: E402

LONGEST = 600  # s that one seed may take in all


def seeds(text):
    """1-1000, 7, or 1,5,9-12."""
    out = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            out += range(int(first), int(last or first) + 1)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected numbers such as 1-1000 or 3,7, found {part!r}") from None
    if not out:
        raise argparse.ArgumentTypeError(f"no seed in {text!r}")
    return out


def names(text):
    wanted = text.split(",")
    for name in wanted:
        if name not in faults.FAULTS:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(sorted(faults.FAULTS))}, found {name!r}")
    return tuple(wanted)


def seconds(text):
    value = float(text)
    if not 1 <= value <= 300:
        raise argparse.ArgumentTypeError(f"expected 1 to 300, found {text}")
    return value


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=seeds, default=[1], help="which plans, e.g. 1-1000 or 3,7 (1)")
    parser.add_argument("--seconds", type=seconds, default=6.0, help="how long load and faults last in each (6); part of the plan")
    parser.add_argument("--jobs", type=int, default=1, help="how many seeds at a time (1)")
    parser.add_argument("--only", type=names, default=(), help="only these faults: " + ", ".join(sorted(faults.FAULTS)))
    parser.add_argument("--keep", action="store_true", help="keep logs and state of seeds that passed, too")
    parser.add_argument("--plan", action="store_true", help="print the plans, and run nothing")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_a_process(seed, o, children):
    """(passed, report) of a seed in a process of its own: it ends with its threads and descriptors, whatever happened to it."""
    argv = [sys.executable, "-W", "ignore", __file__, "--in-process", "--seeds", str(seed), "--seconds", str(o.seconds)]
    argv += ["--only", ",".join(o.only)] * bool(o.only) + ["--keep"] * o.keep
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    children.append(child)
    try:
        said, _ = child.communicate(timeout=LONGEST)
        return child.returncode == 0, said.rstrip()
    except subprocess.TimeoutExpired:
        child.terminate()  # it ends its programs first
        return False, f"seed {seed}: FAILED, it did not end within {LONGEST} s\n{child.communicate()[0].rstrip()}"


def many(o):
    left, lock = collections.deque(o.seeds), threading.Lock()
    failed, children, began = [], [], time.monotonic()
    done = 0

    def work():
        nonlocal done
        while True:
            with lock:
                if not left:
                    return
                seed = left.popleft()
            passed, report = in_a_process(seed, o, children)
            with lock:
                done += 1
                if not passed:
                    failed.append(seed)
                print(f"[{done}/{len(o.seeds)}, {len(failed)} failed] {report}", flush=True)

    workers = [threading.Thread(target=work) for _ in range(max(1, min(o.jobs, len(o.seeds))))]
    for w in workers:
        w.start()
    try:
        for w in workers:
            w.join()
    except KeyboardInterrupt:
        with lock:
            left.clear()
        for child in children:
            child.terminate()
        for w in workers:
            w.join()
        print(f"chaos: interrupted after {done} seeds, {len(failed)} of them failed or were interrupted")
        return 130
    again = f"; again: {pathlib.Path(__file__).name} --seconds {o.seconds:g} --seeds {','.join(map(str, sorted(failed)))}" * bool(failed)
    print(f"chaos: {len(o.seeds) - len(failed)} of {len(o.seeds)} seeds passed in {time.monotonic() - began:.0f} s{again}")
    return 1 if failed else 0


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended in order
    o = options()
    if o.plan:
        for seed in o.seeds:
            print(one_run.plans.draw(seed, o.seconds, o.only).text())
        return 0
    if not o.in_process:
        return many(o)
    passed, report = one_run.run(o.seeds[0], o.seconds, o.only, o.keep)
    print(report)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
