"""A daemon of the build tree with many runners, for the scripts of this folder. Loopback only, a temporary folder, no traces."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) for key, name in (("kib", "VmRSS"), ("threads", "Threads"))}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Events(threading.Thread):
    """Every change of a runner's status, with the time it was heard here."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.request("GET", "/v1/events?types=Runner", headers={"Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        self.changed = threading.Condition()
        self.heard, self.gaps = [], 0

    def run(self):
        for line in self.answer:
            if not line.startswith(b"data:") or b'"type"' not in line:
                continue
            event = json.loads(line[5:])
            with self.changed:
                if event["type"] == "Gap":
                    self.gaps += 1
                elif event["type"] == "RunnerStatusChanged":
                    self.heard.append((time.monotonic(), event["runner"], event.get("from"), event.get("to")))
                self.changed.notify_all()

    def wait_for(self, count, since, seconds):
        """The status changes after the first `since` ones, once they are `count`, or what there is after `seconds`."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(self.heard) - since < count and time.monotonic() < deadline:
                self.changed.wait(deadline - time.monotonic())
            return self.heard[since:]


class Fleet:
    def __init__(self, build, runners, protocol="valkyrie", settings=()):
        """A daemon for so many runners; `settings` are more of its options, SECTION.NAME=VALUE."""
        self.build, self.protocol, self.started = build, protocol, []
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sigrun-fleet-"))
        set_all = [word for one in (f"registry.max_runners={runners}", *settings) for word in ("--set", one)]
        listen = [] if any(one.startswith("server.listen=") for one in settings) else ["--set", "server.listen=127.0.0.1:0"]
        self.daemon = self.start([build / "bin/sigrund", "--state-dir", self.dir / "d", *listen, *set_all])
        self.port = int(self.wait_for(self.daemon, r"listening on 127\.0\.0\.\d+:(\d+)"))
        threading.Thread(target=self.daemon.stdout.read, daemon=True).start()
        self.events = Events(self.port)
        self.events.start()

    def start(self, argv):
        process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.started.append(process)
        return process

    @staticmethod
    def wait_for(process, pattern):
        last = ""
        for line in process.stdout:
            last = line
            found = re.search(pattern, line)
            if found:
                return found[1]
        raise SystemExit(f"{process.args[0]} ended early: {last}")

    def load(self, first, count, *more, address="127.0.0.1"):
        """A process with so many runners; `more` are options of fleet_load."""
        return self.start([self.build / "bench/fleet_load", "--url", f"{self.protocol}://{address}:{self.port}",
                           "--plugin-dir", self.build / "plugins", "--first", first, "--count", count, *more])

    def names(self):
        """Name by id, of all runners."""
        found, cursor = {}, ""
        while cursor is not None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request("GET", f"/v1/runners?limit=1000{'&cursor=' + cursor if cursor else ''}")
            page = json.loads(connection.getresponse().read())
            connection.close()
            found.update({item["id"]: item["name"] for item in page["items"]})
            cursor = page["next"]
        return found

    def end(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
