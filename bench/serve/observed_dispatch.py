#!/usr/bin/env python3
"""What watching costs: dispatch of small jobs by a daemon that nobody looks at, and by the same one that is scraped and has a dashboard
open, in turns.

usage: bench/serve/observed_dispatch.py [--build DIR] [--rounds N] [--seconds S]

Watched: GET /metrics and GET /v1/stats/history each second (Prometheus asks each 15 s), the newest jobs and the runners each two, and an open
event stream of everything but single jobs. Counted is the daemon's own processor time for a job, which does not depend on what else the
machine does, and beside it jobs per second. Goal: less than 2 % more of the first. `all events` has the stream of single jobs as well: each
of them is three events that somebody reads."""
import argparse
import http.client
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import ROOT, Programs, cpu_ns, load, machine, measured, median, say, until_works  # noqa: E402

GOAL = 0.02
QUIET = "Runner,Plugin,Protocol,Balancer,Config,Capabilities"


class Watchers:
    """One scraper and one dashboard."""

    def __init__(self, port, types):
        self.port, self.over, self.answers, self.bytes = port, threading.Event(), 0, 0
        self.threads = [threading.Thread(target=self.ask, args=(path, every), daemon=True) for path, every in (
            ("/metrics", 1), ("/v1/stats/history", 1), ("/v1/jobs?limit=50", 2), ("/v1/runners", 2))]
        self.threads.append(threading.Thread(target=self.stream, args=(types,), daemon=True))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join(10)

    def ask(self, path, every):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.over.is_set():
            c.request("GET", path)
            r = c.getresponse()
            self.bytes += len(r.read())
            assert r.status == 200, (path, r.status)
            self.answers += 1
            self.over.wait(every)
        c.close()

    def stream(self, types):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=0.5)
        c.request("GET", "/v1/events" + (f"?types={types}" if types else ""))
        c.sock.settimeout(0.5)
        # Read as bytes: what a browser does with them is not the daemon's.
        while not self.over.is_set():
            try:
                if not c.sock.recv(1 << 16):
                    break
            except TimeoutError:
                pass
        c.close()


def run(programs, url, pid, seconds):
    """(processor time of the daemon for a job in us, jobs per second)"""
    before = cpu_ns(pid)
    got = measured(programs.cli(url, "-o", "json", "bench", "--kind", "call", "--command", "echo", "--payload", "hello",
                                "--outstanding", "64", "--seconds", seconds, "--durability", "memory"), seconds)
    return (cpu_ns(pid) - before) / 1000 / got["jobs"], got["jobs_per_s"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--seconds", type=float, default=4)
    options = options.parse_args()
    ways = {"nobody": None, "watched": QUIET, "all events": ""}
    seen = {way: [] for way in ways}
    with Programs(options.build) as programs:
        daemon, port = programs.daemon("daemon")
        url = f"valkyrie://127.0.0.1:{port}"
        programs.runner(url, "r1", 64, "runner.benchmark=no")
        until_works(programs.cli(url, "run", "-q", "--", "true"))
        run(programs, url, daemon.pid, 2)
        for n in range(options.rounds):
            for way in list(ways)[n % 3:] + list(ways)[:n % 3]:
                if ways[way] is None:
                    seen[way].append(run(programs, url, daemon.pid, options.seconds))
                else:
                    with Watchers(port, ways[way]):
                        seen[way].append(run(programs, url, daemon.pid, options.seconds))
            say(f"round {n + 1} of {options.rounds}: " + ", ".join(f"{w} {s[-1][0]:.1f} us" for w, s in seen.items()))
    out = {"machine": machine(), "load": load(), "command": " ".join(sys.argv), "ways": {}}
    for way, all_of in seen.items():
        # Of each round, what stood beside it: neighbours come and go between rounds.
        more = median(a[0] / b[0] - 1 for a, b in zip(all_of, seen["nobody"]))
        out["ways"][way] = {"cpu_us_per_job": round(median(a for a, _ in all_of), 2), "jobs_per_s": round(median(r for _, r in all_of)),
                            "more_cpu": round(more, 4)}
    out["goal"] = GOAL
    out["held"] = out["ways"]["watched"]["more_cpu"] < GOAL
    print(json.dumps(out, indent=1))
    return 0 if out["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
