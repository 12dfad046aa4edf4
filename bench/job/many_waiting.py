#!/usr/bin/env python3
"""Memory and restart of a daemon with many waiting jobs: bytes for each while it runs and after a restart, and how long a restart
takes until it answers. Goals for a million: 1 GB and 10 s.

    bench/job/many_waiting.py [--build build/release] [--jobs 1000000] [--distinct]
"""
import argparse
import asyncio
import json
import os
import pathlib
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import Programs  # noqa: E402

CONNECTIONS = 64


def resident(pid, which="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(which + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"no {which} of process {pid}")


def document(number, distinct):
    # Nobody runs it: there is no runner.
    return json.dumps({"command": ["convert", f"image-{number if distinct else 0}.png", "out.jpg"], "requires": 'os.name == "debian"',
                       "labels": {"team": "media"}, "durability": "fsync"}).encode()


async def submit(port, jobs, distinct):
    numbers = iter(range(jobs))

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            body = document(number, distinct)
            writer.write(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                         % (len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
            if b" 201 " not in head.split(b"\r\n")[0] + b" ":
                raise SystemExit(f"refused: {answer.decode()}")
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def waiting(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/stats", timeout=60) as answer:
        return json.load(answer)["waiting"]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--build", default="build/release")
    options.add_argument("--jobs", type=int, default=1_000_000)
    options.add_argument("--distinct", action="store_true", help="no two jobs have the same command")
    o = options.parse_args()
    settings = ["jobs.max_waiting=10000000"]
    with Programs(o.build) as programs:
        daemon, port = programs.daemon("d", *settings)
        empty = resident(daemon.pid)
        began = time.monotonic()
        asyncio.run(submit(port, o.jobs, o.distinct))
        print(f"{o.jobs} jobs submitted in {time.monotonic() - began:.1f} s, {waiting(port)} wait")
        print(f"running:       {(resident(daemon.pid) - empty) / o.jobs:8.0f} B a job, {resident(daemon.pid) / 1e6:.0f} MB in all")
        began = time.monotonic()
        daemon.terminate()
        daemon.wait()
        print(f"end:           {time.monotonic() - began:8.2f} s")
        began = time.monotonic()
        daemon, port = programs.daemon("d", *settings)
        count = waiting(port)
        took = time.monotonic() - began
        cpu = sum(int(x) for x in pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
        print(f"restart:       {took:8.2f} s, {took * 1e6 / o.jobs:.1f} us a job "
              f"({cpu / os.sysconf('SC_CLK_TCK') * 1e6 / o.jobs:.1f} us of processor), {count} wait")
        print(f"after restart: {(resident(daemon.pid) - empty) / o.jobs:8.0f} B a job, {resident(daemon.pid) / 1e6:.0f} MB in all, "
              f"at most {resident(daemon.pid, 'VmHWM') / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
