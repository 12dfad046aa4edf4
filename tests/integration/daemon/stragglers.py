"""Jobs that take longer than usual, and their copies: what tests of them share."""
import base64
import queue
import threading

from harness import wait_until
from puppet import PuppetTest

OFTEN = "jobs.hedge_budget=0.2"  # a copy for every five offers


def log(text, offset=0):
    return {"kind": "log", "stream": 1, "offset": offset, "time_ns": 1, "payload": base64.b64encode(text.encode()).decode()}


class StragglerTest(PuppetTest):
    def setUp(self):
        super().setUp()
        self.hedged = {"command": ["true"], "hedge": True, "prefers": [{"if": 'label.box == "first"'}]}

    def fleet(self, d, **kwargs):
        """Two runners, of which `first` gets the job and `second` its copy, and enough jobs to know how long they take."""
        first = self.puppet(d, name="first", labels={"box": "first"}, slots=4, **kwargs)
        second = self.puppet(d, name="second", labels={"box": "second"}, slots=4)
        self.accustom(d, first, second)
        return first, second

    def accustom(self, d, *puppets, n=60):
        done = threading.Event()

        def work(p):
            while not done.is_set():
                try:
                    frame = p.frames.get(timeout=0.1)
                except queue.Empty:
                    continue
                if frame["kind"] == "offer":
                    p.accept(frame)
                    p.end(frame)
        threads = [threading.Thread(target=work, args=(p,)) for p in puppets]
        for t in threads:
            t.start()
        for job_id in [d.submit(command=["true"], durability="memory") for _ in range(n)]:
            self.assertEqual(d.finished(job_id)["state"], "succeeded")
        done.set()
        for t in threads:
            t.join()

    def began(self, d, first, second, **more):
        """A job that runs at both: its id and the two offers."""
        job_id = d.submit(**{**self.hedged, **more})
        slow = first.expect("offer", job_id)
        first.accept(slow)
        copy = second.expect("offer", job_id)
        self.assertEqual((slow["attempt"]["number"], copy["attempt"]["number"]), (1, 2))
        second.accept(copy)
        wait_until("both run", lambda: [a["state"] for a in d.job(job_id)["attempts"]] == ["running"] * 2)
        return job_id, slow, copy

    def counted(self, d, what):
        line = f'sigrun_hedges_total{{what="{what}"}} '
        return int(next(m for m in d.get("/metrics").splitlines() if m.startswith(line)).split()[1])

    def attempts(self, job):
        return [(a["number"], a["runner"]["name"], a["state"], (a["failure"] or {}).get("code")) for a in job["attempts"]]

    def no_job_left(self, d, *names):
        for name in names:
            wait_until(f"{name} has no job", lambda n=name: d.runner(n)["in_flight"] == 0)
