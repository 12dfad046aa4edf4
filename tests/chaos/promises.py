"""What Sigrun promises, held against what happened: the ledgers that the jobs wrote themselves, the database, the logs, the events
and the processes of this machine. Each function returns what was broken, in words; nothing else decides whether a run has passed."""
import collections
import json
import os
import pathlib
import sqlite3

from load import expected_output
from news import TERMINAL

Begin = collections.namedtuple("Begin", "attempt token")
OWN_END = {"succeeded", "failed"}


class Evidence:
    """What a run has left, for one job after the other."""

    def __init__(self, plan, fleet, load, news):
        self.plan, self.fleet, self.load, self.news = plan, fleet, load, news
        self.records = read_records(fleet.folder / "daemon" / "sigrun.db")
        self.begun, self.ended = {}, {}
        for file in fleet.ledger.iterdir():
            lines = [line.split() for line in file.read_text().splitlines()]
            self.begun[file.name] = [Begin(int(n), token) for word, n, token in lines if word == "begin"]
            self.ended[file.name] = [Begin(int(n), token) for word, n, token in lines if word == "end"]

    def tokens(self):
        return {b.token for all in self.begun.values() for b in all}


def read_records(database):
    """The journal's record of each job."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return {key: json.loads(body) for key, body in db.execute("SELECT key, body FROM record WHERE kind = 1")}
    finally:
        db.close()


def cut(text, most=80):
    return text if len(text) <= most else text[:most] + "..."


def ends_as_it_should(e, job, seen):
    """One terminal state, the right one, and never another one before."""
    job_id, state, why = seen["id"], seen["state"], seen["failure"] or {}
    if state not in TERMINAL:
        return [f"it is {state}: {seen['reason']}"]
    problems = []
    told = e.news.ends_of(job_id)
    if job.durability == "relaxed":
        told = told[-1:]  # with a daemon that is killed the last 10 ms are forgotten, and what happened then is told again
    if len(told) > 1 or (told and told[0] != state):
        problems.append(f"it was told to be {', then '.join(told)}, and is {state}")
    own = state == ("failed" if job.exit_code else "succeeded") and seen["exit_code"] == job.exit_code
    unknown = not job.idempotent and state == "failed" and why.get("class") in ("infra_runner", "infra_controller", "preempted")
    if not (own or unknown or (state == "cancelled" and job_id in e.load.cancelled)):
        problems.append(f"it is {state}, exit code {seen['exit_code']}, {why}")
    return problems


def accepted_result_is_of_the_last_token(e, job, seen):
    attempts = e.records[seen["id"]]["attempts"]
    problems = []
    if len({a["token"] for a in attempts}) != len(attempts) or sorted(a["number"] for a in attempts) != list(range(1, len(attempts) + 1)):
        problems.append(f"its attempts are not numbered, or two have one token: {[(a['number'], a['token']) for a in attempts]}")
    if [a["state"] for a in attempts[:-1] if a["state"] == "succeeded"]:
        problems.append(f"an attempt before its last one has succeeded: {[a['state'] for a in attempts]}")
    if seen["state"] in OWN_END and seen["exit_code"] is not None:
        last = Begin(attempts[-1]["number"], attempts[-1]["token"])
        for what, known in (("begun", e.begun), ("ended", e.ended)):
            if last not in known.get(seen["id"], []):
                problems.append(f"its result is accepted, but attempt {last.attempt} with token {last.token} has not {what}; "
                                f"in its ledger: {known.get(seen['id'], [])}")
    granted = {(a["number"], a["token"]) for a in attempts}
    if job.durability == "fsync":
        problems += [f"an attempt has run that was never granted on disk: {b}" for b in e.begun.get(seen["id"], []) if b not in granted]
    return problems


def runs_as_often_as_it_may(e, job, seen):
    begun = e.begun.get(seen["id"], [])
    problems = [f"{b} has begun {n} times" for b, n in collections.Counter(begun).items() if n > 1]
    if not job.idempotent and len(begun) > 1:
        problems.append(f"it must not run twice, and has begun {len(begun)} times: {begun}")
    return problems


def log_is_whole(e, job, seen):
    """The accepted attempt's output byte for byte; of what came before it, beginnings of what those attempts printed. What a copy
    printed that was not first is in a log of its own."""
    log, attempts = e.fleet.daemon.log(seen["id"]), e.records[seen["id"]]["attempts"]
    base = attempts[-1].get("log_offset", 0) if attempts else 0
    problems = []
    if seen["log_bytes"] != len(log):
        problems.append(f"its log has {len(log)} bytes, log_bytes says {seen['log_bytes']}")
    last = attempts[-1] if attempts else {"number": 0, "token": ""}
    expected, found = expected_output(job, last["number"], last["token"]), log[base:]
    whole = seen["state"] in OWN_END and seen["exit_code"] is not None
    if (found != expected) if whole else not expected.startswith(found):
        same = len(os.path.commonprefix([found, expected]))
        problems.append(f"its log is not what attempt {last['number']} printed: {len(found)} bytes after {base}, expected "
                        f"{len(expected)}; after {same} bytes there is {cut(found[same:])!r}, not {cut(expected[same:])!r}")
    before = log[:base]
    for b in sorted(e.begun.get(seen["id"], [])):
        same = len(os.path.commonprefix([before, expected_output(job, b.attempt, b.token)]))
        if same == len(before) or same > len(f"attempt {b.attempt} {b.attempt}:"):  # else another one's first line begins like this one's
            before = before[same:]
    if before:
        problems.append(f"before its last attempt its log has what none printed: {cut(before)!r}")
    if seen.get("log_missing_bytes"):
        problems.append(f"{seen['log_missing_bytes']} bytes of its output are missing")
    return problems


OF_EACH_JOB = (ends_as_it_should, accepted_result_is_of_the_last_token, runs_as_often_as_it_may, log_is_whole)


def of_the_jobs(e, seen):
    """`seen`: what the daemon says of each job, by id."""
    problems = []
    for job in e.plan.jobs:
        job_id = e.load.accepted.get(job.key, (None,))[0]
        if job_id is None:
            continue  # the load has said so
        if job_id not in seen:
            if job.durability == "fsync":
                problems.append(f"{job.key} {job_id}: it was accepted, and is gone")
            continue
        for promise in OF_EACH_JOB:
            problems += [f"{job.key} {job_id}: {p}" for p in promise(e, job, seen[job_id])]
    ours = {job_id for job_id, _ in e.load.accepted.values()}
    problems += [f"job {i}: nobody has its id, so a submit has made two" for i in seen if i not in ours]
    return problems


def same_after_a_crash(before, after):
    """Ends that were seen are the same in the next life of the daemon."""
    problems = []
    for job_id, job in before.items():
        other = after.get(job_id)
        facts = ("state", "exit_code", "failure", "finished_at", "log_bytes")
        if job["durability"] == "fsync" and (other is None or any(job[f] != other[f] for f in facts)):
            problems.append(f"job {job_id}: its end changed with a crash of the daemon: { {f: job[f] for f in facts} } was "
                            f"{ {f: other[f] for f in facts} if other else 'forgotten' }")
    return problems


def leftovers(e):
    """Processes of jobs that have ended, their shims and workspaces, and places that nobody uses."""
    variables = {b"SIGRUN_FENCING_TOKEN=" + t.encode() for t in e.tokens()}
    left = [f"process {pid} ({command}) is left of a job that has ended" for pid, command in processes_with(variables)]
    left += [f"shim {pid} of job {job_id} is left" for pid, job_id in e.fleet.shims()]
    for name in e.fleet.runners:
        left += [f"workspace {place} is left" for place in (e.fleet.folder / name / "workspaces").glob("*")]
        if busy := e.fleet.daemon.runner(name)["in_flight"]:
            left.append(f"{busy} places of {name} are taken, and no job runs")
    return left


def processes_with(variables):
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and variables & set((entry / "environ").read_bytes().split(b"\0")):
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            pass  # it has ended
