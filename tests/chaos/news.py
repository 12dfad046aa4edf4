"""Follows the daemon's events over all its lives: what became of each job, in order, and who waits for the next change of one."""
import http.client
import json
import threading

TERMINAL = {"succeeded", "failed", "cancelled", "expired", "dead"}


class News:
    def __init__(self, port):
        self._port = port
        self._changed = threading.Condition()
        self.changes = []  # (event number, job, from, to)
        self.gaps = []     # events that this life of the daemon could not tell any more
        self._over = False
        self._connection = None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def next_change(self, to, deadline):
        """Waits for a job that becomes `to` from now on; whether there was one."""
        with self._changed:
            seen = len(self.changes)
            return self._changed.wait_for(lambda: self._over or any(c[3] == to for c in self.changes[seen:]), deadline)

    def ends_of(self, job_id):
        """The states that were told to be its end."""
        with self._changed:
            return [c[3] for c in self.changes if c[1] == job_id and c[3] in TERMINAL]

    def deaf(self):
        """Why it hears nothing; empty when it does. It must not be taken for a daemon that tells nothing."""
        with self._changed:
            return ["the events were not followed to the end"] * (not self._thread.is_alive()) + ["no event came"] * (not self.changes)

    def close(self):
        with self._changed:
            self._over = True
            self._changed.notify_all()
        connection = self._connection
        if connection and connection.sock:
            connection.sock.close()

    def _follow(self):
        last = 0
        while not self._over:
            self._connection = connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            try:
                connection.request("GET", f"/v1/events?after={last}&types=JobStateChanged")
                for line in connection.getresponse():
                    if line.startswith(b"data:"):
                        last = max(last, self._take(json.loads(line[5:])))
            except (OSError, ValueError, http.client.HTTPException, AttributeError):
                pass
            finally:
                connection.close()
            threading.Event().wait(0.05)  # it is away; its service starts it again

    def _take(self, event):
        kind = event.get("type")  # what ends a stream in trouble has none
        with self._changed:
            if kind == "JobStateChanged":
                self.changes.append((event["seq"], event["job"], event["from"], event["to"]))
                self._changed.notify_all()
            elif kind == "Gap":
                self.gaps.append(event)
                return event.get("to", 0)
        return event.get("seq", 0)
