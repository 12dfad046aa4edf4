"""Jobs outlive their agent: kill -9, upgrade and a stopped clock of the runner, kill -9 of a shim and of both."""
import os
import pathlib
import shutil
import signal
import unittest

from harness import FleetTest, free_port, processes_with, wait_until

LINES = 200
# A machine that is busy with other tests must not lose what a restart of the agent keeps.
PATIENT = ["jobs.lease=60s"]


def shims_of(job_id):
    """Pids of the shims that own an attempt of this job."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if argv[:1] == [b"sigrun-shim"] and argv[1].decode().startswith(job_id + "/"):
            found.append(int(entry.name))
    return found


class Outlive(FleetTest):
    def submit_chatty(self, d, count, ledger, gate, **more):
        """Jobs that note their start, print until they are told to go on, and end with their lines counted."""
        script = (f'echo "$SIGRUN_JOB" >> {ledger}; i=0; '
                  f'while [ ! -e {gate} ]; do echo "line $i"; i=$((i+1)); [ $i -ge {LINES} ] && sleep 0.1; done; '
                  f'while [ $i -lt {LINES} ]; do echo "line $i"; i=$((i+1)); done; echo "end $i" >&2')
        return [d.submit(command=["sh", "-c", script], **more) for _ in range(count)]

    def running(self, d, ids):
        """Waits until the controller knows that all of them run; how many attempts each has had."""
        jobs = wait_until("all of them run", lambda: (lambda all: all if all and {j["state"] for j in all} == {"running"} else None)(
            [d.job(i) for i in ids]), 120)
        return {j["id"]: len(j["attempts"]) for j in jobs}

    def noted(self, ledger, ids):
        """What they have noted once each has: a job runs before its first line does."""
        wait_until("all of them have noted their start",
                   lambda: ledger.exists() and set(ledger.read_text().split()) == set(ids), 60)
        return ledger.read_text()

    def expect_complete(self, d, attempts):
        """No more attempts than before, success, and logs without a missing or doubled line."""
        for job_id, before in attempts.items():
            job = d.finished(job_id, 120)
            self.assertEqual(job["state"], "succeeded", job)
            self.assertEqual(len(job["attempts"]), before, job)
            lines = d.log(job_id).splitlines()
            n = int([line for line in lines if line.startswith("end ")][0].split()[1])
            own = [line for line in lines if not line.startswith("end ")]
            self.assertEqual(own[-n:], [f"line {i}" for i in range(n)])
            if before == 1:
                self.assertEqual(len(own), n)

    def restart(self, d, runner, extra=()):
        again = self.start_runner("r1", *runner.argv[runner.argv.index("--url"):], *extra)
        d.runner_status("r1", "online", "busy")
        return again

    def kill_during_a_hundred(self, protocol):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d, protocol=protocol, slots=100, extra=["--protocol", protocol])
        ledger, gate = self.dir / "ledger", self.dir / "gate"
        ids = self.submit_chatty(d, 100, ledger, gate)
        attempts = self.running(d, ids)
        started = self.noted(ledger, ids)
        runner.kill()
        runner = self.restart(d, runner)
        gate.touch()
        self.expect_complete(d, attempts)
        self.assertEqual(ledger.read_text(), started)
        self.assertEqual(runner.stop(), 0)
        self.assertEqual([p for i in ids for p in shims_of(i)], [])

    def test_a_hundred_jobs_outlive_kill_9_of_their_agent_over_valkyrie(self):
        self.kill_during_a_hundred("valkyrie")

    def test_a_hundred_jobs_outlive_kill_9_of_their_agent_over_http(self):
        self.kill_during_a_hundred("http")

    def hand_over(self, told, code, extra=()):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d, extra=extra)
        ledger, gate = self.dir / "ledger", self.dir / "gate"
        ids = self.submit_chatty(d, 4, ledger, gate)
        attempts = self.running(d, ids)
        started = self.noted(ledger, ids)
        runner.process.send_signal(told)
        self.assertEqual(runner.process.wait(10), code)
        self.restart(d, runner)
        gate.touch()
        self.expect_complete(d, attempts)
        self.assertEqual(ledger.read_text(), started)

    def test_an_upgrade_hands_running_jobs_over(self):
        self.hand_over(signal.SIGUSR2, 75)

    def test_a_runner_that_keeps_its_jobs_hands_them_over_when_it_is_stopped(self):
        self.hand_over(signal.SIGTERM, 0, ["--set", "runner.on_stop=keep"])

    def test_what_ended_while_the_agent_was_away_is_reported_and_not_run_again(self):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d)
        gate = self.dir / "gate"
        ids = [d.submit(command=["sh", "-c", f"echo before; until [ -e {gate} ]; do sleep 0.02; done; echo after; exit {n}"])
               for n in (0, 7)]
        for job_id in ids:
            wait_until("it has written", lambda: d.log(job_id) == "before\n")
        runner.kill()
        gate.touch()
        wait_until("they have ended", lambda: not any(shims_of(i) for i in ids))
        self.restart(d, runner)
        for job_id, code in zip(ids, (0, 7)):
            job = d.finished(job_id)
            self.assertEqual(job["exit_code"], code, job)
            self.assertEqual(len(job["attempts"]), 1, job)
            self.assertEqual(d.log(job_id), "before\nafter\n")

    def test_a_job_that_was_cancelled_while_the_agent_was_away_is_ended_when_it_comes_back(self):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d)
        marker = f"outlive-cancel-{os.getpid()}"
        job_id = d.submit(command=["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], env={"MARKER": marker})
        wait_until("it has written", lambda: d.log(job_id) == "up\n")
        runner.kill()
        d.request("POST", f"/v1/jobs/{job_id}/cancel?grace=100ms")
        self.restart(d, runner)
        self.assertEqual(d.finished(job_id)["state"], "cancelled")
        wait_until("nothing is left of it", lambda: not processes_with(marker))

    def test_kill_9_of_a_shim_is_a_failure_of_the_runner_and_is_tried_again(self):
        d = self.daemon(settings=PATIENT)
        self.runner_for(d)
        marker = f"outlive-shim-{os.getpid()}"
        job_id = d.submit(command=["sh", "-c", "[ $SIGRUN_ATTEMPT = 2 ] && exit 0; setsid sleep 600 & echo up; sleep 600"],
                          env={"MARKER": marker})
        wait_until("it has written", lambda: "up" in d.log(job_id))
        for pid in shims_of(job_id):
            os.kill(pid, signal.SIGKILL)
        job = d.finished(job_id)
        self.assertEqual(job["state"], "succeeded", job)
        self.assertEqual([a["state"] for a in job["attempts"]], ["failed", "succeeded"], job)
        self.assertEqual((job["attempts"][0]["failure"]["class"], job["attempts"][0]["failure"]["code"]),
                         ("infra_runner", "shim_crash"))
        self.assertEqual(processes_with(marker), [])

    def test_kill_9_of_agent_and_shim_leaves_no_process(self):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d)
        marker = f"outlive-both-{os.getpid()}"
        script = ("[ $SIGRUN_ATTEMPT = 2 ] && exit 0; "
                  f"setsid sh -c \"trap '' TERM; (sh -c 'sleep 600; : {marker}' &) ; sleep 600; : {marker}\" & echo up; sleep 600")
        job_id = d.submit(command=["sh", "-c", script])
        wait_until("it has written", lambda: "up" in d.log(job_id))
        wait_until("its children are there", lambda: len(processes_with(marker)) >= 3)
        shims = shims_of(job_id)
        runner.kill()
        for pid in shims:
            os.kill(pid, signal.SIGKILL)
        self.restart(d, runner)
        job = d.finished(job_id)
        self.assertEqual([a["state"] for a in job["attempts"]], ["failed", "succeeded"], job)
        self.assertEqual(processes_with(marker), [])

    def test_a_job_goes_on_while_its_agent_is_stopped(self):
        d = self.daemon(settings=PATIENT)
        runner = self.runner_for(d)
        gate = self.dir / "gate"
        job_id = d.submit(command=["sh", "-c", f"echo up; until [ -e {gate} ]; do sleep 0.02; done; seq 1 20000"])
        wait_until("it has written", lambda: d.log(job_id) == "up\n")
        os.kill(runner.pid, signal.SIGSTOP)
        try:
            gate.touch()
            wait_until("it has ended", lambda: not shims_of(job_id))
        finally:
            os.kill(runner.pid, signal.SIGCONT)
        job = d.finished(job_id)
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 1), job)
        self.assertEqual(d.log(job_id), "up\n" + "".join(f"{i}\n" for i in range(1, 20001)))

    def test_what_an_agent_refuses_while_its_controller_is_away_runs_elsewhere(self):
        port = free_port()
        d = self.daemon(port=port, settings=PATIENT)
        work = self.dir / "work"
        work.mkdir()
        first = self.runner_for(d, "first", labels=["rank=1"], extra=("--set", f"runner.workspace_dir={work}/below"))
        os.kill(first.pid, signal.SIGSTOP)
        jobs = [d.submit(command=["true"], prefers=[{"if": 'label.rank == "1"', "weight": 1}]) for _ in range(4)]
        for job_id in jobs:
            wait_until("it is offered", lambda: d.job(job_id)["state"] == "offered")
        d.kill()
        shutil.rmtree(work)
        work.write_text("in the way of any workspace")
        os.kill(first.pid, signal.SIGCONT)
        # Offers that it read just now are refused before it can find its controller again, or never arrived.
        d = self.daemon(port=port, settings=PATIENT)
        d.runner_status("first", "online", "busy")
        self.runner_for(d, "second")
        for job_id in jobs:
            job = d.finished(job_id, 60)
            self.assertEqual((job["state"], job["runner"]["name"]), ("succeeded", "second"), job)

    def test_an_agent_that_was_stopped_for_longer_than_its_lease_ends_what_was_given_to_another(self):
        d = self.daemon(settings=["jobs.lease=1s"])
        first = self.runner_for(d, "first", labels=["rank=1"])
        marker = f"outlive-stop-{os.getpid()}"
        job_id = d.submit(command=["sh", "-c", "[ $SIGRUN_ATTEMPT = 2 ] && exit 0; echo up; sleep 600"], env={"MARKER": marker},
                          prefers=[{"if": 'label.rank == "1"', "weight": 1}])
        wait_until("it has written", lambda: d.log(job_id) == "up\n")
        self.runner_for(d, "second")
        os.kill(first.pid, signal.SIGSTOP)
        try:
            job = d.finished(job_id, 60)
        finally:
            os.kill(first.pid, signal.SIGCONT)
        self.assertEqual((job["state"], job["runner"]["name"], len(job["attempts"])), ("succeeded", "second", 2), job)
        wait_until("the first attempt is ended", lambda: not processes_with(marker))


if __name__ == "__main__":
    unittest.main()
