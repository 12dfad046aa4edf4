#!/usr/bin/env python3
"""Jobs per second to a legacy HTTP runner through Sigrun with one I/O thread, beside HAProxy (nbthread 1) forwarding the same
requests to the same backend.

usage: bench/peers/http_forward.py [--build DIR] [--rounds N] [--each S] [--in-flight N]

The backend is a runner of `profile = rustci` whose jobs end at once. For each job it gets POST /jobs and GET /jobs/{id}: from
HAProxy's client through HAProxy, and from Sigrun, whose client posts one job and waits for its end. Both take turns."""
import argparse
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import ROOT, Programs, cpu_ns, free_port, load, machine, measured, median, until_works  # noqa: E402

CONFIG = """global
    nbthread 1
    maxconn 4096
defaults
    mode http
    option http-keep-alive
    option http-no-delay
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend jobs
    bind 127.0.0.1:{port}
    default_backend runner
backend runner
    http-reuse always
    server one 127.0.0.1:{backend}
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--each", type=float, default=1.0)
    arguments.add_argument("--in-flight", type=int, default=64)
    arguments.add_argument("--client", choices=["http", "valkyrie"], default="http", help="protocol of Sigrun's client")
    chosen = arguments.parse_args()
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if not haproxy:
        raise SystemExit("haproxy is not installed (etc/install-deps.sh)")
    with Programs(chosen.build) as programs:
        legacy = chosen.build / "bench/peer_legacy"
        backend, backend_port = programs.start([legacy, "backend"], r"(\d+)")
        port = free_port()
        (programs.dir / "haproxy.cfg").write_text(CONFIG.format(port=port, backend=backend_port))
        proxy, _ = programs.start(["sh", "-c", f"echo up; exec {haproxy} -db -f {programs.dir}/haproxy.cfg"], r"(up)")
        daemon, daemon_port = programs.daemon("daemon")
        url = f"{chosen.client}://127.0.0.1:{daemon_port}"
        until_works(programs.cli(url, "runner", "add", "legacy", f"http://127.0.0.1:{backend_port}", "--profile", "rustci",
                                 "--slots", chosen.in_flight, "--option", "payload=empty"))
        job = programs.cli(url, "bench", "--kind", "process", "--outstanding", chosen.in_flight, "--durability", "memory",
                           "--output", "json", "--seconds", chosen.each)
        until_works([*job[:-1], "0.1", "--", "true"])
        until_works([str(legacy), "client", str(port), "1", "0.1"])
        peers = {
            "direct": (backend, [legacy, "client", backend_port, chosen.in_flight, chosen.each]),
            "haproxy": (proxy, [legacy, "client", port, chosen.in_flight, chosen.each]),
            "sigrun": (daemon, [*job, "--", "true"]),
        }
        rows = {name: [] for name in peers}
        print(f"machine:  {machine()}\nload:     {load()} before", flush=True)
        for number in range(chosen.rounds + 1):
            for name, (process, argv) in peers.items():
                before = cpu_ns(process.pid)
                out = measured(argv, chosen.each)
                out["cpu_us"] = (cpu_ns(process.pid) - before) / 1000 / out["jobs"]
                if number:
                    rows[name].append(out)
        print(f"load:     {load()} after\n\n{chosen.in_flight} in flight, medians of {chosen.rounds} rounds of {chosen.each} s")
        print(f"{'':<10}{'jobs/s':>10}{'p50 us':>10}{'p99 us':>10}{'CPU us/job':>12}{'x haproxy':>11}{'errors':>8}")
        for name, rounds in rows.items():
            ratio = median([a["jobs_per_s"] / b["jobs_per_s"] for a, b in zip(rounds, rows["haproxy"])])
            print(f"{name:<10}" + "".join(f"{median([r[key] for r in rounds]):>{width}.1f}" for key, width in
                                          (("jobs_per_s", 10), ("p50_us", 10), ("p99_us", 10), ("cpu_us", 12)))
                  + f"{ratio:>11.2f}{sum(r['errors'] for r in rounds):>8}")
    held = ratio >= 1
    print(f"\nsigrun: {ratio:.2f} x haproxy, target 1: {'held' if held else 'NOT HELD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
