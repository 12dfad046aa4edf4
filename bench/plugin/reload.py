#!/usr/bin/env python3
"""Replaces plugins in a running daemon and its runner while jobs run, and tells what it took.

usage: bench/plugin/reload.py [--build DIR] [--times N] [--long N] [--idle]

Each plugin is replaced --times times (20) by a version with another number; then round_robin is replaced --long times (1000)
while memory, threads and descriptors of the daemon are watched. Under load from `sigrun bench` unless --idle. Everything
runs on loopback in a temporary folder."""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import http.client


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])
    private = sum(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                  if line.startswith("Private_"))
    return {"resident_kib": number("VmRSS"), "private_kib": private, "threads": number("Threads"),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "plugin_files": len({line.split()[-1] for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
                                 if "/stage/" in line})}


def percentile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


class Bench:
    def __init__(self, build):
        self.build = build
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-reload-"))
        self.plugins = self.dir / "plugins"
        shutil.copytree(build / "plugins", self.plugins)
        self.started = []
        self.daemon = self.start([build / "bin/sigrund", "--state-dir", self.dir / "d", "--plugin-dir", self.plugins,
                                  "--set", "server.listen=127.0.0.1:0", "--set", "plugins.watch=no"])
        self.port = int(self.wait_for(self.daemon, r"listening on 127\.0\.0\.1:(\d+)"))
        runner = self.start([build / "bin/sigrun-runner", "--name", "bench", "--state-dir", self.dir / "r", "--slots", "256",
                             "--url", f"valkyrie://127.0.0.1:{self.port}"])
        self.wait_for(runner, r"(runner bench)")

    def start(self, argv):
        process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.started.append(process)
        return process

    @staticmethod
    def wait_for(process, pattern):
        for line in process.stdout:
            found = re.search(pattern, line)
            if found:
                return found[1]
        raise SystemExit(f"{process.args[0]} ended early")

    def load(self):
        return self.start([self.build / "bin/sigrun", "--url", f"valkyrie://127.0.0.1:{self.port}", "bench", "--seconds", "600",
                           "--outstanding", "64", "--durability", "memory"])

    def replace(self, path, version):
        shipped = (self.build / "plugins" / path.relative_to(self.plugins)).read_bytes()
        old = b"1.0.0" if b"1.0.0" in shipped else b"0.1.0"
        new = path.with_name(".new")
        new.write_bytes(shipped.replace(old, version.encode()))
        os.rename(new, path)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", f"/v1/plugins/sigrun.{path.stem}/reload?probation=no")
        began = time.monotonic()
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{path.name}: {body}")
        return body, (time.monotonic() - began) * 1000

    def end(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build/release")
    arguments.add_argument("--times", type=int, default=20)
    arguments.add_argument("--long", type=int, default=1000)
    arguments.add_argument("--idle", action="store_true")
    chosen = arguments.parse_args()
    bench = Bench(chosen.build)
    try:
        if not chosen.idle:
            bench.load()
        print(f"{'plugin':<20}{'prepared p50 ms':>17}{'max':>9}{'swap p50 ms':>14}{'max':>9}")
        for path in sorted(bench.plugins.glob("*/*.so")):
            if path.parent.name == "executors":
                continue  # the runner's
            prepared, swapped = [], []
            for n in range(chosen.times):
                body, _ = bench.replace(path, f"2.{n // 10}.{n % 10}")
                prepared.append(body["prepared_ms"])
                swapped.append(body["swapped_ms"])
            print(f"{path.stem:<20}{percentile(prepared, .5):>17.1f}{max(prepared):>9.1f}"
                  f"{percentile(swapped, .5):>14.3f}{max(swapped):>9.3f}", flush=True)
        path = bench.plugins / "balancers/round_robin.so"
        print(f"\n{'replacements':<14}" + "".join(f"{key:>15}" for key in status_of(bench.daemon.pid)))
        samples = []
        for n in range(chosen.long + 1):
            if n % max(1, chosen.long // 10) == 0:
                now = status_of(bench.daemon.pid)
                samples.append((n, now))
                print(f"{n:<14}" + "".join(f"{value:>15}" for value in now.values()), flush=True)
            if n < chosen.long:
                bench.replace(path, f"3.{n % 10}.{n // 10 % 10}")
        (first, a), (last, b) = samples[len(samples) // 2], samples[-1]
        if last > first:
            print(f"slope of the second half: {(b['private_kib'] - a['private_kib']) / (last - first):.2f} KiB private a replacement")
    finally:
        bench.end()


if __name__ == "__main__":
    sys.exit(main())
