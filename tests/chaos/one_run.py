"""One seed: starts the fleet, lets load and faults run, waits for calm, and holds what is left against the promises."""
import contextlib
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time

import plan as plans
import promises
from faults import Striker
from fleet import Fleet
from harness import wait_until
from load import Load
from news import TERMINAL, News
from sanitizer_reports import SanitizerReports

CALM = float(os.environ.get("SIGRUN_CHAOS_CALM", "120"))  # s that everything may take to be well again


def all_jobs(daemon):
    return {j["id"]: daemon.job(j["id"]) for j in daemon.jobs()}


def patient(what, condition, deadline):
    """Empty when `condition` returns nothing any more within the deadline; else what it returned last."""
    last = ["nothing was looked at"]

    def look():
        with contextlib.suppress(OSError):
            last[:] = condition()
        return not last

    try:
        wait_until(what, look, deadline)
        return []
    except AssertionError:
        return [f"{what}, not within {deadline:g} s: {text}" for text in last[:20]]


class Run:
    def __init__(self, plan):
        self.plan = plan
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"sigrun-chaos-{plan.seed}-"))
        self.problems, self.diary, self.left_out, self.disks = [], [], [], []

    def go(self):
        reports = SanitizerReports()
        fleet = Fleet(self.plan, self.folder)
        try:
            fleet.start()
            self.disks = list(fleet.disks.values())
            if fleet.why_no_disks and any(f.name == "agent.full_disk" for f in self.plan.faults):
                self.left_out.append(f"agent.full_disk was left out: {fleet.why_no_disks}")
            self._under_faults(fleet)
        except Exception as e:  # the harness itself is in trouble: that is no pass
            self.problems.append(f"{type(e).__name__}: {e}")
        finally:
            fleet.heal()
            self.problems += fleet.stop()
            self.problems += [f"{s.name} ended by itself with {', '.join(map(str, s.unexpected[:10]))}"
                              for s in fleet.services.values() if s.unexpected]
            fleet.keep_output()
            fleet.sweep()
            self.problems += [f"a sanitizer reported: {r}" for r in reports.close()]
        return not self.problems

    def _under_faults(self, fleet):
        self.problems += patient("the fleet is ready at first", fleet.ready, 60)
        if self.problems:
            return
        news = News(fleet.port)
        load = Load(fleet, self.plan)
        striker = Striker(fleet, self.plan, news)
        try:
            threading.Event().wait(self.plan.seconds)
            self.problems += striker.calm_down()
            self.diary = striker.diary
            fleet.heal()
            began = time.monotonic()
            self.problems += load.wait(CALM)
            self.problems += patient("every job ends", lambda: self._unfinished(fleet), CALM)
            self.problems += patient("daemon and runners are ready again", fleet.ready, CALM)
            self.diary.append(f"{self.plan.seconds + time.monotonic() - began:6.2f} s  all is calm")
            self._check(fleet, load, news)
        finally:
            striker.calm_down()
            load.stop()
            news.close()

    @staticmethod
    def _unfinished(fleet):
        return [f"job {j['id']} is {j['state']}: {j['reason']}" for j in fleet.daemon.jobs() if j["state"] not in TERMINAL]

    def _check(self, fleet, load, news):
        self.problems += news.deaf()
        evidence = promises.Evidence(self.plan, fleet, load, news)
        seen = all_jobs(fleet.daemon)
        self.problems += promises.of_the_jobs(evidence, seen)
        self.problems += patient("nothing is left", lambda: promises.leftovers(evidence), 20)
        fleet.services["daemon"].end(signal.SIGKILL, 0)
        self.problems += patient("all is ready after a last kill of the daemon", fleet.ready, CALM)
        self.problems += promises.same_after_a_crash(seen, all_jobs(fleet.daemon))
        begun = promises.Evidence(self.plan, fleet, load, news).begun
        self.problems += [f"job {i} has begun again after it had ended: {b}" for i, b in begun.items() if b != evidence.begun.get(i)]

    def close(self, keep):
        for disk in self.disks:
            disk.close(keep)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def run(seed, seconds, only=(), keep=False):
    """Whether the seed passed, and what there is to say of it."""
    one = Run(plans.draw(seed, seconds, only))
    began = time.monotonic()
    passed = one.go()
    took = time.monotonic() - began
    keep = keep or not passed
    one.close(keep)
    lines = [f"seed {seed}: {'passed' if passed else 'FAILED'} in {took:.1f} s, {len(one.plan.jobs)} jobs, {len(one.plan.faults)} faults", *(f"  {text}" for text in one.left_out)]
    if not passed:
        lines += [f"  BROKEN: {p}" for p in one.problems]
        lines += ["plan:", one.plan.text(), "what was done:", *(f"  {d}" for d in one.diary)]
    if keep:
        lines.append(f"logs and state: {one.folder}")
    return passed, "\n".join(lines)
