"""Submits the jobs of a plan while the fleet is struck, and knows what each must print. Who got no answer asks again with the same
idempotency key, as clients do."""
import concurrent.futures
import http.client
import pathlib
import threading
import time

SCRIPT = pathlib.Path(__file__).with_name("job.sh")


def expected_output(job, attempt, token):
    numbers = range(1, job.lines * job.pieces + 1)
    return f"attempt {attempt} {token}\n" + "".join(f"{n}\n" for n in numbers)


def document(job, ledger):
    words = ["/bin/sh", SCRIPT, ledger, job.lines, job.pieces, job.pause, job.exit_code, job.habit]
    # Faults must not use the budget up: then every job that may run twice has an end of its own.
    return {"command": [str(w) for w in words], "durability": job.durability, "idempotent": job.idempotent, "hedge": job.hedge,
            "retry": {"user": job.retry_user, "infrastructure": 100}}


class Load:
    def __init__(self, fleet, plan):
        self._fleet, self._plan = fleet, plan
        self._lock = threading.Lock()
        self.accepted = {}     # key -> (job id, monotonic time of the answer)
        self.cancelled = set() # ids of jobs whose cancel was answered
        self.problems = []
        self._over = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=len(plan.jobs))
        began = time.monotonic()
        self._work = [self._pool.submit(self._one, began, job) for job in plan.jobs]

    def wait(self, deadline):
        """Until all are accepted and all cancels are answered; what did not get so far."""
        _, late = concurrent.futures.wait(self._work, deadline)
        self.stop()
        self.problems += [f"{w.exception()!r}" for w in self._work if w.exception()]
        return self.problems + [f"{len(late)} submits were not answered within {deadline} s of calm"] * bool(late)

    def stop(self):
        """Nothing is asked for any more."""
        self._over.set()
        self._pool.shutdown(wait=True)

    def _one(self, began, job):
        if self._over.wait(max(0.0, began + job.at - time.monotonic())):
            return
        body = self._insist("POST", "/v1/jobs", document(job, self._fleet.ledger), {"Idempotency-Key": job.key})
        if body is None:
            return
        with self._lock:
            self.accepted[job.key] = (body["id"], time.monotonic())
        if job.cancel_after:
            self._over.wait(job.cancel_after)
            if self._insist("POST", f"/v1/jobs/{body['id']}/cancel?grace=300ms") is not None:
                with self._lock:
                    self.cancelled.add(body["id"])

    def _insist(self, method, path, body=None, headers=None):
        """The answer, however often that has to be asked for; None when the run is over before."""
        while not self._over.is_set():
            try:
                status, answer = self._fleet.daemon.request(method, path, body, headers, timeout=10)
                if status in (200, 201):
                    return answer
                if status == 404 and "cancel" in path:
                    return None  # a relaxed job that a crash of the daemon took along; the checker judges that
                if status == 409 and "cancel" in path:
                    return answer  # it has ended meanwhile
                if status not in (429, 503):
                    with self._lock:
                        self.problems.append(f"{method} {path} was answered {status}: {answer}")
                    return None
            except (OSError, ValueError, http.client.HTTPException):
                pass
            self._over.wait(0.1)
        return None
