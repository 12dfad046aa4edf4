#!/usr/bin/env python3
"""An echo job through each protocol (client, daemon, runner and back) beside the bare library doing the same two hops.

usage: bench/peers/protocols.py [--build DIR] [--rounds N] [--each S] [--protocols a,b] [--many N]

The bare peers are a client, a forwarder and a backend that echoes, one thread each: a TCP ping-pong through a forwarder,
Beast HTTP, Beast WebSocket, and grpc++ with completion queues; they carry as many bytes as the job document has. All run at
the same time and take turns, --rounds (15) of --each (0.4 s) with one request in flight, then with --many (64); the table has
the medians of the rounds' p50 and the ratio to the bare peer of the same round. `x tcp` is the ratio to a raw ping-pong of one
hop. Processor time is that of daemon and runner together, per job. Fails if a ratio misses its target."""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import ROOT, SCHEMES, Programs, cpu_ns, load, machine, measured, median, say, until_works  # noqa: E402

PEERS = {"valkyrie": "tcp", "http": "http", "websocket": "websocket", "grpc": "grpc"}
LIMITS = {"http": 1.25, "grpc": 1.25}  # x the bare library
TCP_LIMIT = 4.0  # Valkyrie, x a raw ping-pong
JOB = ["--kind", "call", "--command", "echo", "--payload", "hello", "--durability", "memory"]
DOCUMENT_BYTES = 128  # about what `sigrun bench` sends for JOB


class Sigrun:
    def __init__(self, programs, protocol):
        self.name = f"sigrun-{protocol}"
        self.daemon, port = programs.daemon(f"{protocol}-daemon")
        self.url = f"{SCHEMES[protocol]}://127.0.0.1:{port}"
        self.runner = programs.runner(self.url, f"{protocol}-runner", 512)
        self.programs = programs
        until_works(self.command(1, "--jobs", "10"))

    def command(self, outstanding, *how):
        return self.programs.cli(self.url, "bench", *JOB, "--outstanding", outstanding, "--output", "json", *how)

    def measure(self, outstanding, seconds):
        before = cpu_ns(self.daemon.pid), cpu_ns(self.runner.pid)
        out = measured(self.command(outstanding, "--seconds", seconds), seconds)
        out["cpu_us"] = [(cpu_ns(p.pid) - b) / 1000 / out["jobs"] for p, b in zip((self.daemon, self.runner), before)]
        return out


class Bare:
    def __init__(self, programs, peer):
        self.name = f"bare-{peer}"
        self.program = programs.build / f"bench/peer_{peer}"
        backend, port = programs.start([self.program, "server" if peer == "tcp" else "backend"], r"(\d+)")
        self.middle, self.port = programs.start([self.program, "forward", port], r"(\d+)")
        self.backend, self.bytes = backend, [] if peer == "tcp" else [DOCUMENT_BYTES]

    def measure(self, outstanding, seconds):
        before = cpu_ns(self.middle.pid), cpu_ns(self.backend.pid)
        out = measured([self.program, "client", self.port, outstanding, seconds, *self.bytes], seconds)
        out["cpu_us"] = [(cpu_ns(p.pid) - b) / 1000 / out["jobs"] for p, b in zip((self.middle, self.backend), before)]
        return out


class PingPong:
    name = "tcp-ping-pong"

    def __init__(self, programs):
        self.program = programs.build / "bench/peer_tcp"
        self.server, self.port = programs.start([self.program, "server"], r"(\d+)")

    def measure(self, outstanding, seconds):
        before = cpu_ns(self.server.pid)
        out = measured([self.program, "client", self.port, outstanding, seconds], seconds)
        out["cpu_us"] = [0, (cpu_ns(self.server.pid) - before) / 1000 / out["jobs"]]
        return out


def table(rows, protocols, field, better):
    """Medians, and the medians of the ratios of each round."""
    print(f"{'':<18}{'p50 us':>9}{'p99 us':>10}{'jobs/s':>10}{'CPU us: daemon':>16}{'runner':>8}{'x bare':>9}{'x tcp':>8}{'errors':>8}")
    good, floor = {}, [r[field] for r in rows["tcp-ping-pong"]]
    peer_of = {f"sigrun-{p}": f"bare-{PEERS[p]}" for p in protocols}
    for name, rounds in rows.items():
        ratio = lambda others: median([better(a[field], b) for a, b in zip(rounds, others)])
        bare = ratio([r[field] for r in rows[peer_of[name]]]) if name in peer_of else None
        tcp = ratio(floor)
        good[name] = (bare, tcp)
        cpu = [median([r["cpu_us"][i] for r in rounds]) for i in (0, 1)]
        print(f"{name:<18}{median([r['p50_us'] for r in rounds]):>9.1f}{median([r['p99_us'] for r in rounds]):>10.1f}"
              f"{median([r['jobs_per_s'] for r in rounds]):>10.0f}{cpu[0]:>16.1f}{cpu[1]:>8.1f}"
              f"{f'{bare:.2f}' if bare else '-':>9}{tcp:>8.2f}{sum(r['errors'] for r in rounds):>8}")
    return good


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--each", type=float, default=0.4)
    arguments.add_argument("--many", type=int, default=64, help="in flight in the second half; 0 leaves it out")
    arguments.add_argument("--protocols", default=",".join(PEERS))
    arguments.add_argument("--json", type=pathlib.Path, help="also write every round there")
    chosen = arguments.parse_args()
    protocols = chosen.protocols.split(",")
    if unknown := set(protocols) - set(PEERS):
        arguments.error(f"--protocols: one of {', '.join(PEERS)}, not {', '.join(sorted(unknown))}")
    if "grpc" in protocols and not (chosen.build / "bench/peer_grpc").exists():
        say("bench/peer_grpc was not built (libgrpc++-dev): gRPC is left out")
        protocols.remove("grpc")
    with Programs(chosen.build) as programs:
        systems = [PingPong(programs)]
        for protocol in protocols:
            systems += [Bare(programs, PEERS[protocol]), Sigrun(programs, protocol)]
        print(f"machine:  {machine()}\nload:     {load()} before", flush=True)
        results = {}
        for outstanding in [1] + [chosen.many] * bool(chosen.many):
            rows = {s.name: [] for s in systems}
            for number in range(chosen.rounds + 1):
                for system in systems:
                    row = system.measure(outstanding, chosen.each)
                    if number:  # the first round warms up
                        rows[system.name].append(row)
            print(f"\n{outstanding} in flight, medians of {chosen.rounds} rounds of {chosen.each} s, load {load()}")
            if outstanding == 1:
                ratios = table(rows, protocols, "p50_us", lambda mine, other: mine / other)
            else:
                print("(ratios of jobs/s: larger is better)")
                table(rows, protocols, "jobs_per_s", lambda mine, other: mine / other)
            results[outstanding] = rows
        if chosen.json:
            chosen.json.write_text(json.dumps(results))
    good = True
    print()
    for protocol in protocols:
        bare, tcp = ratios[f"sigrun-{protocol}"]
        if protocol in LIMITS:
            held = bare <= LIMITS[protocol]
            print(f"{protocol}: {bare:.2f} x bare, target {LIMITS[protocol]:.2f}: {'held' if held else 'NOT HELD'}")
            good &= held
        if protocol == "valkyrie":
            held = tcp <= TCP_LIMIT
            print(f"valkyrie: {tcp:.2f} x tcp ping-pong, target {TCP_LIMIT:.0f}: {'held' if held else 'NOT HELD'}")
            good &= held
    print("mission_G2: " + ("held" if good else "NOT HELD"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
