"""A runner that does what the test tells it: speaks the session over HTTP long poll and runs nothing by itself.

It is written against the documents (plugins/protocols/http/README.md, kernel/serve/README.md), not against our code, so
that it can do what our agent never would: stay silent, vanish, answer late, come back with another inventory."""
import http.client
import json
import queue
import secrets
import threading
import time

from harness import DEADLINE, FleetTest


class Puppet:
    def __init__(self, daemon, name="puppet", key=None, process=None, slots=1, labels=None, kinds=("process", "call"),
                 facts=()):
        self.port, self.name, self.slots = daemon.port, name, slots
        self.key = key or secrets.token_hex(16)
        self.process = process or secrets.token_hex(8)
        self.labels, self.kinds, self.facts = labels or {}, list(kinds), list(facts)
        self.session, self.generation = secrets.token_hex(16), 0
        self.frames, self.others = queue.Queue(), []
        self.running = False

    def _request(self, method, path, body=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text) if text else None, response.getheader("Sigrun-Session")
        finally:
            connection.close()

    def connect(self, inventory=()):
        """Registers; returns what is to become of each attempt. `inventory` = items from `listed`."""
        return {(v["job"], v["attempt"]): v["verdict"] for v in self.connect_fully(inventory)}

    def connect_fully(self, inventory=()):
        """The same; returns the verdicts as they came."""
        self.generation += 1
        hello = {"name": self.name, "key": self.key, "session": self.session, "generation": self.generation,
                 "process": self.process, "slots": self.slots, "labels": self.labels, "kinds": self.kinds,
                 "protocols": ["http"], "facts": self.facts, "inventory": list(inventory)}
        status, welcome, token = self._request("POST", "/v1/sessions?method=runners.register", hello)
        assert status in (200, 201), (status, welcome)
        self.token, self.sent, self.running = token, 0, True
        self.lock = threading.Lock()
        self._poller = threading.Thread(target=self._poll, args=(token,), daemon=True)
        self._poller.start()
        threading.Thread(target=self._beat, args=(token,), daemon=True).start()
        return welcome["verdicts"]

    def _poll(self, token):
        seen = 0
        while self.running and token == self.token:
            try:
                status, frames, _ = self._request("GET", f"/v1/sessions/{token}/frames?wait=2s&ack={seen}")
            except OSError:
                return
            if status != 200:
                return
            for f in frames:
                seen = max(seen, f["seq"])
                if not self.running or token != self.token:
                    return
                (self.frames.put if f["kind"] in ("offer", "cancel", "ack") else self.others.append)(f)

    def _beat(self, token):
        while self.running and token == self.token:
            self.send({"kind": "beat", "json": {"free": 1, "live": 0}})
            time.sleep(1)

    def send(self, *frames):
        with self.lock:
            numbered = []
            for f in frames:
                self.sent += 1
                numbered.append({**f, "seq": self.sent})
            try:
                return self._request("POST", f"/v1/sessions/{self.token}/frames", numbered)[:2]
            except OSError as e:
                return 0, str(e)

    def expect(self, kind, job=None, stream=None, deadline=DEADLINE):
        """The next frame of this kind (and job, and stream of an ACK); other frames before it are dropped."""
        end = time.monotonic() + deadline
        while True:
            left = end - time.monotonic()
            try:
                f = self.frames.get(timeout=max(left, 0.001))
            except queue.Empty:
                raise AssertionError(f"{self.name} got no {kind} for {job} within {deadline} s") from None
            if f["kind"] == kind and (job is None or f["attempt"]["job"] == job) and (stream is None or f.get("stream") == stream):
                return f

    def accept(self, offer):
        self.send({"kind": "ack", "stream": 2, "attempt": offer["attempt"]})

    def end(self, offer, exit_code=0, log_bytes=0):
        state = "succeeded" if exit_code == 0 else "failed"
        self.send({"kind": "state", "flags": 1, "attempt": offer["attempt"], "offset": log_bytes,
                   "json": {"state": state, "exit_code": exit_code}})

    @staticmethod
    def listed(offer, state="running", log_bytes=0):
        a = offer["attempt"]
        return {"job": a["job"], "attempt": a["number"], "token": a["token"], "state": state, "log_bytes": log_bytes}

    def vanish(self):
        """Says nothing any more; the controller has to find out."""
        self.running = False

    def hang_up(self):
        """Ends the session, as a broken connection would."""
        self.running = False
        self._request("DELETE", f"/v1/sessions/{self.token}")


class PuppetTest(FleetTest):
    def puppet(self, d, **kwargs):
        """One that is online, and gone when the test is over."""
        p = Puppet(d, **kwargs)
        p.connect()
        d.runner_status(p.name, "online", "busy")  # busy: a job that waited for it was there first
        self.addCleanup(p.vanish)
        return p

    def config(self, text):
        file = self.dir / "sigrun.ini"
        file.write_text(text)
        return file
