"""How much of a job's output is kept, how what is missing is told, and how a reader picks what it wants."""
import datetime
import json
import subprocess
import unittest

from harness import BIN, FleetTest, wait_until

LIMIT = 64 * 1024  # 32 KiB for how an attempt began, 32 KiB for how it ended


def lines(first, last):
    return "".join(f"line {n:06d}\n" for n in range(first, last))


class JobLogs(FleetTest):
    def fleet(self):
        d = self.daemon(settings=[f"jobs.log_limit={LIMIT}"])
        self.runner_for(d)
        return d

    @staticmethod
    def printing(first, last):
        return ["sh", "-c", f"for i in $(seq {first} {last - 1}); do printf 'line %06d\\n' $i; done"]

    def pieces(self, d, *arguments):
        return [json.loads(line) for line in
                self.sigrun(d, "--output", "json", "job", "logs", *arguments, check=0).stdout.splitlines()]

    def test_beginning_and_end_are_kept_and_the_gap_is_told_apart_from_the_jobs_own_bytes(self):
        d = self.fleet()
        whole = lines(0, 20_000)
        job = d.run(command=self.printing(0, 20_000))
        self.assertEqual((job["state"], job["log_bytes"]), ("succeeded", len(whole)), job)
        (gap,) = job["log_gaps"]
        self.assertEqual(job["log_missing_bytes"], gap["bytes"])
        self.assertEqual(gap["offset"], LIMIT // 2)
        after = gap["offset"] + gap["bytes"]
        self.assertGreaterEqual(len(whole) - after, LIMIT * 3 // 8)
        kept = whole[:gap["offset"]] + whole[after:]
        self.assertLessEqual(len(kept), LIMIT)

        self.assertEqual(d.log(job["id"]), kept)
        told = self.sigrun(d, "job", "logs", job["id"], check=0)
        self.assertEqual(told.stdout, kept)
        self.assertEqual(told.stderr, f"sigrun: {gap['bytes']} bytes of the output are not kept "
                                      f"(from byte {gap['offset']} on)\n")
        marks = [p for p in self.pieces(d, job["id"]) if "missing_bytes" in p]
        self.assertEqual(marks, [{"offset": gap["offset"], "stream": "system", "missing_bytes": gap["bytes"]}])
        _, events = d.request("GET", f"/v1/jobs/{job['id']}/logs?format=sse")
        self.assertIn(f'event: missing\nid: {after}\ndata: {{"offset":{gap["offset"]},"missing_bytes":{gap["bytes"]}}}\n',
                      events)
        middle = gap["offset"] + 1000
        self.assertEqual(self.sigrun(d, "job", "logs", "--offset", middle, job["id"], check=0).stdout, whole[after:])
        self.assertEqual(d.get(f"/v1/jobs/{job['id']}/logs?offset={after + 120}"), whole[after + 120:])
        self.assertIn("not kept", self.sigrun(d, "job", "show", job["id"], check=0).stdout)

    def test_a_restart_of_the_daemon_forgets_nothing_of_it(self):
        d = self.fleet()
        job = d.run(command=self.printing(0, 20_000))
        log = d.log(job["id"])
        self.assertEqual(d.stop(), 0)
        d = self.daemon(settings=[f"jobs.log_limit={LIMIT}"])
        again = d.job(job["id"])
        for member in ("log_bytes", "log_gaps", "log_missing_bytes"):
            self.assertEqual(again[member], job[member])
        self.assertEqual(d.log(job["id"]), log)

    def test_an_attempt_that_prints_much_leaves_the_room_of_the_next_one_alone(self):
        d = self.fleet()
        mark = self.dir / "second"
        script = (f"if [ -e {mark} ]; then for i in $(seq 0 4999); do printf 'line %06d\\n' $i; done; else touch {mark}; "
                  "head -c 1000000 /dev/zero | tr '\\0' x; exit 1; fi")
        job = d.run(command=["sh", "-c", script], retry={"user": 1})
        self.assertEqual((job["state"], len(job["attempts"])), ("succeeded", 2), job)
        first, second = job["attempts"]
        self.assertEqual((first["log_offset"], second["log_offset"]), (0, 1_000_000))
        told = self.sigrun(d, "job", "logs", "--attempt", 2, job["id"], check=0)
        self.assertEqual((told.stdout, told.stderr), (lines(0, 5000), ""))
        first_only = d.get(f"/v1/jobs/{job['id']}/logs?attempt=1")
        self.assertEqual(set(first_only), {"x"})
        self.assertLessEqual(len(first_only), LIMIT)
        none = self.sigrun(d, "job", "logs", "--attempt", 3, job["id"])
        self.assertNotEqual(none.returncode, 0)
        self.assertIn("1 to 2", none.stderr)

    def test_who_follows_one_attempt_is_done_when_that_is_over(self):
        d = self.fleet()
        mark, gate = self.dir / "second", self.dir / "gate"
        job = d.submit(command=["sh", "-c", f"if [ -e {mark} ]; then while [ ! -e {gate} ]; do sleep 0.02; done; echo two; else "
                                            f"touch {mark}; echo one; exit 1; fi"], retry={"user": 1})
        wait_until("it has begun", lambda: d.job(job)["attempts"])
        told = self.sigrun(d, "job", "logs", "-f", "--attempt", 1, job, check=0)
        self.assertEqual(told.stdout, "one\n")
        self.assertFalse(d.job(job)["finished_at"])
        gate.touch()
        self.assertEqual(self.sigrun(d, "job", "logs", "-f", job, check=0).stdout, "one\ntwo\n")

    def test_the_last_lines_over_every_protocol(self):
        d = self.fleet()
        job = d.run(command=self.printing(0, 20_000))["id"]
        for scheme in ("valkyrie", "http", "ws", "grpc"):
            for wanted, arguments in (
                    (lines(19_990, 20_000), ("--tail", 10)), ("", ("--tail", 0)),
                    (lines(19_997, 20_000), ("--tail", 3, "--attempt", 1, "--since", "1h")),
                    (lines(19_998, 20_000), ("-f", "--tail", 2))):
                with self.subTest(scheme=scheme, arguments=arguments):
                    told = subprocess.run([BIN / "sigrun", "--url", f"{scheme}://127.0.0.1:{d.port}", "job", "logs",
                                           *map(str, arguments), job], capture_output=True, text=True, timeout=60)
                    self.assertEqual((told.returncode, told.stdout), (0, wanted), told.stderr)
        self.assertEqual(d.get(f"/v1/jobs/{job}/logs?tail=1"), lines(19_999, 20_000))

    def test_since_a_time_or_a_duration_and_what_is_neither_is_told(self):
        d = self.fleet()
        gate = self.dir / "gate"
        job = d.submit(command=["sh", "-c", f"echo early; while [ ! -e {gate} ]; do sleep 0.02; done; echo late"])
        wait_until("it has printed", lambda: d.log(job) == "early\n")
        (early,) = self.pieces(d, job)
        # The clock of the runner, which is that of this machine, has gone on for more than two pieces share an entry.
        wait_until("a moment later", lambda: self.pieces(d, "--since", "20ms", job) == [])
        gate.touch()
        d.finished(job)
        whole = self.pieces(d, job)
        late = whole[-1]
        self.assertEqual((early["data"], late["data"]), ("early\n", "late\n"))
        seconds, rest = divmod(late["time_ns"], 1_000_000_000)
        at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        self.assertEqual(d.get(f"/v1/jobs/{job}/logs?since={at}.{rest:09d}Z"), "late\n")
        self.assertEqual(d.get(f"/v1/jobs/{job}/logs?since=1h"), "early\nlate\n")
        self.assertEqual(d.get(f"/v1/jobs/{job}/logs?since={at}.{rest:09d}Z&offset=3"), "ly\nlate\n")
        status, problem = d.request("GET", f"/v1/jobs/{job}/logs?since=yesterday")
        self.assertEqual((status, problem["field"]), (400, "since"), problem)
        self.assertEqual(d.request("GET", f"/v1/jobs/{job}/logs?tail=-1")[0], 400)
        both = self.sigrun(d, "job", "logs", "--offset", 1, "--tail", 1, job)
        self.assertNotEqual(both.returncode, 0)


if __name__ == "__main__":
    unittest.main()
