"""The checker finds what is broken: each promise is held against a job that kept it, and against ones that did not."""
import copy
import os
import pathlib
import subprocess
import sys
import types
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration" / "daemon")]

import plan as plans  # noqa: E402
import promises  # noqa: E402
from load import expected_output  # noqa: E402

JOB = plans.Job(at=0, key="k", lines=3, pieces=2, pause=0, exit_code=0, habit="plain", retry_user=0, idempotent=True,
                durability="fsync", cancel_after=0)
FIRST, LAST = promises.Begin(1, "1:aa"), promises.Begin(2, "1:bb")


class Evidence:
    """A job that was lost once, began again, and kept every promise."""

    def __init__(self):
        self.log = "attempt 1 1:aa\n1\n2\n" + expected_output(JOB, *LAST)
        self.job = JOB
        self.begun, self.ended = {"j": [FIRST, LAST]}, {"j": [LAST]}
        self.told = ["succeeded"]
        self.seen = {"id": "j", "state": "succeeded", "exit_code": 0, "failure": None, "reason": "", "log_bytes": len(self.log),
                     "durability": "fsync", "finished_at": "t"}
        self.records = {"j": {"attempts": [
            {"number": 1, "token": "1:aa", "state": "lost"},
            {"number": 2, "token": "1:bb", "state": "succeeded", "log_offset": len("attempt 1 1:aa\n1\n2\n")}]}}
        self.news = types.SimpleNamespace(ends_of=lambda _: self.told)
        self.load = types.SimpleNamespace(cancelled=set(), accepted={"k": ("j", 0)})
        self.plan = types.SimpleNamespace(jobs=[JOB])
        self.fleet = types.SimpleNamespace(daemon=types.SimpleNamespace(log=lambda _: self.log))

    def problems(self):
        self.plan.jobs = [self.job]
        return promises.of_the_jobs(self, {"j": self.seen})

    def change(self, **fields):
        self.job = JOB.__class__(**{**self.job.__dict__, **fields})


class Checker(unittest.TestCase):
    def found(self, e, part):
        problems = e.problems()
        self.assertTrue(any(part in p for p in problems), problems)

    def test_nothing_is_found_where_nothing_is_broken(self):
        self.assertEqual(Evidence().problems(), [])

    def test_a_job_that_did_not_end(self):
        e = Evidence()
        e.seen["state"] = "running"
        self.found(e, "it is running")

    def test_a_job_that_ended_twice(self):
        e = Evidence()
        e.told = ["failed", "succeeded"]
        self.found(e, "it was told to be failed, then succeeded")
        e.change(durability="relaxed")
        self.assertEqual(e.problems(), [])
        e.told = ["failed"]
        self.found(e, "it was told to be failed, and is succeeded")

    def test_another_end_than_its_own(self):
        e = Evidence()
        e.change(exit_code=3)
        self.found(e, "it is succeeded, exit code 0")

    def test_a_result_of_an_attempt_that_was_not_the_last(self):
        e = Evidence()
        e.ended["j"] = [FIRST]
        self.found(e, "attempt 2 with token 1:bb has not ended")
        e = Evidence()
        e.records["j"]["attempts"][0]["state"] = "succeeded"
        self.found(e, "an attempt before its last one has succeeded")

    def test_a_token_that_was_never_granted(self):
        e = Evidence()
        e.begun["j"].append(promises.Begin(3, "1:cc"))
        self.found(e, "an attempt has run that was never granted")

    def test_an_attempt_that_began_twice(self):
        e = Evidence()
        e.begun["j"].append(LAST)
        self.found(e, "has begun 2 times")

    def test_a_job_that_must_not_run_twice_and_did(self):
        e = Evidence()
        e.change(idempotent=False)
        self.found(e, "it must not run twice")

    def test_output_that_is_missing_doubled_or_of_another(self):
        for change, part in ((lambda log: log.replace("4\n", ""), "is not what attempt 2 printed"),
                             (lambda log: log + "6\n", "is not what attempt 2 printed"),
                             (lambda log: "attempt 1 1:aa\n1\n3\n" + log[len("attempt 1 1:aa\n1\n2\n"):], "what none printed")):
            e = Evidence()
            e.log = change(e.log)
            e.seen["log_bytes"] = len(e.log)
            self.found(e, part)

    def test_a_job_that_is_gone_and_one_that_nobody_submitted(self):
        e = Evidence()
        self.assertIn("it was accepted, and is gone", promises.of_the_jobs(e, {})[0])
        other = {**e.seen, "id": "other"}
        self.assertIn("a submit has made two", promises.of_the_jobs(e, {"j": e.seen, "other": other})[-1])

    def test_an_end_that_a_crash_changed(self):
        before = {"j": Evidence().seen}
        self.assertEqual(promises.same_after_a_crash(before, copy.deepcopy(before)), [])
        self.assertEqual(len(promises.same_after_a_crash(before, {"j": {**before["j"], "exit_code": 1}})), 1)
        self.assertEqual(len(promises.same_after_a_crash(before, {})), 1)

    def test_a_process_that_is_left_is_found_by_its_token(self):
        variable = f"SIGRUN_FENCING_TOKEN=1:{os.getpid():016x}"
        with subprocess.Popen(["sleep", "60"], env=dict([variable.split("=")])) as left:
            try:
                self.assertEqual([pid for pid, _ in promises.processes_with({variable.encode()})], [left.pid])
            finally:
                left.kill()

    def test_the_same_seed_is_the_same_plan_and_only_leaves_the_load_alone(self):
        one = plans.draw(7, 6)
        self.assertEqual(one, plans.draw(7, 6))
        self.assertNotEqual(one.faults, plans.draw(8, 6).faults)
        only = plans.draw(7, 6, ("shim.kill",))
        self.assertEqual({f.name for f in only.faults}, {"shim.kill"})
        self.assertEqual((only.jobs, only.runners, only.settings), (one.jobs, one.runners, one.settings))


if __name__ == "__main__":
    unittest.main()
