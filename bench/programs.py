"""What the benches written in Python share: programs started on loopback and ended again, their processor time and memory,
and what must stand beside a number (machine, load)."""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCHEMES = {"valkyrie": "valkyrie", "http": "http", "websocket": "ws", "grpc": "grpc"}


class Programs:
    """Started programs and a temporary folder; `with` ends and removes them."""

    def __init__(self, build):
        self.build, self.started = pathlib.Path(build), []

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-bench-"))
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def begin(self, argv):
        process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace")
        self.started.append(process)
        return process

    @staticmethod
    def wait_for(process, pattern):
        """What `pattern` finds in its output, which it must print; what comes after that is thrown away."""
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(pattern, line):
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return found[1]
        raise SystemExit(f"{process.args[0]} ended early: {''.join(said[-3:])}")

    def start(self, argv, pattern):
        """A program, and what `pattern` finds in its output."""
        process = self.begin(argv)
        return process, self.wait_for(process, pattern)

    def daemon(self, name, *settings):
        """(process, port)"""
        argv = [self.build / "bin/sigrund", "--state-dir", self.dir / name, "--set", "server.listen=127.0.0.1:0",
                "--set", "log.level=warning"]
        for setting in settings:
            argv += ["--set", setting]
        process, port = self.start(argv, r"listening on 127\.0\.0\.1:(\d+)")
        return process, int(port)

    def runner(self, url, name, slots, *settings):
        argv = [self.build / "bin/sigrun-runner", "--url", url, "--name", name, "--slots", slots, "--state-dir", self.dir / name]
        for setting in settings:
            argv += ["--set", setting]
        process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.started.append(process)
        return process

    def cli(self, url, *words):
        return [str(self.build / "bin/sigrun"), "--url", url, *map(str, words)]


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ns(pid):
    """Processor time of all threads there are; one that ended in between is missing."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return total


def peak_kib(pid):
    return int(re.search(r"^VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def measured(argv, seconds):
    """The line of JSON that a load program prints."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout)


def until_works(argv, seconds=15):
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"{' '.join(argv)}: {done.stderr.strip()}")
        time.sleep(0.1)


def machine():
    model = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{os.cpu_count()} x {model[1] if model else 'unknown'}, Linux {os.uname().release}"


def load():
    return " ".join(f"{n:.1f}" for n in os.getloadavg())


median = statistics.median


def say(text):
    print(text, file=sys.stderr, flush=True)
