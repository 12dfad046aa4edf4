"""A daemon of the build tree with many runners, for the scripts of this folder. Loopback only, a temporary folder, no traces."""
import http.client
import json
import os
import pathlib
import re
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from programs import Programs, free_port  # noqa: E402

MOST_AS_IT_COMES = 9900  # runners: a protocol accepts 10,000 connections unless told otherwise


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


class Fleet(Programs):
    def __init__(self, build, runners, protocol="valkyrie", settings=()):
        """A daemon for so many runners, once entered; `settings` are more of its options, SECTION.NAME=VALUE."""
        super().__init__(build)
        self.protocol, self.settings = protocol, [f"registry.max_runners={runners}", *settings]
        if runners > MOST_AS_IT_COMES:
            # From one address to another one there are some 28,000 ports.
            self.settings.append(f"instance {protocol}.max_connections={runners + 1000}")
            self.hosts = [f"127.0.0.{n}" for n in range(1, 2 + runners // 20_000)]
            port = free_port()
            self.settings.append("server.listen=" + ", ".join(f"{host}:{port}" for host in self.hosts))
        else:
            self.hosts = ["127.0.0.1"]
        self.loads = 0

    def __enter__(self):
        super().__enter__()
        self.sigrund, self.port = self.daemon("d", *self.settings)
        self.events = Events(self.port)
        self.events.start()
        return self

    def __exit__(self, *why):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        super().__exit__(*why)

    def load(self, first, count, *more):
        """A process with so many runners; `more` are options of fleet_load."""
        self.loads += 1
        host = self.hosts[self.loads % len(self.hosts)]
        return self.begin([self.build / "bench/fleet_load", "--url", f"{self.protocol}://{host}:{self.port}",
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
