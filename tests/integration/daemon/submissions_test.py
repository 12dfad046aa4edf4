"""Several jobs in one submission: needs, conditions, matrices, job files; all of them are accepted or none."""
import json
import threading
import unittest

from harness import free_port, wait_until
from puppet import PuppetTest


class Submissions(PuppetTest):
    def submit_many(self, d, jobs, defaults=None, key=None, expect=201):
        body = {"jobs": jobs, **({"defaults": defaults} if defaults else {})}
        status, answer = d.request("POST", "/v1/submissions", body, {"Idempotency-Key": key} if key else None)
        self.assertEqual(status, expect, answer)
        return {j["name"]: j["id"] for j in answer["items"]} if expect in (200, 201) else answer

    def job(self, name, script="true", needs=(), **more):
        return {"name": name, "command": ["sh", "-c", script], **({"needs": list(needs)} if needs else {}), **more}

    def ends(self, d, ids):
        return {name: d.finished(i)["state"] for name, i in ids.items()}

    def test_jobs_start_after_those_they_need(self):
        d = self.daemon()
        self.runner_for(d, slots=8)
        for durability in ("fsync", "relaxed", "memory"):
            with self.subTest(durability):
                order = self.dir / f"order-{durability}"
                say = lambda name: f"sleep 0.1; echo {name} >> {order}"
                ids = self.submit_many(d, [self.job("test", say("test"), ["build", "lint"]), self.job("build", say("build"), ["fetch"]),
                                           self.job("lint", say("lint"), ["fetch"]), self.job("fetch", say("fetch"))],
                                       {"durability": durability})
                self.assertEqual(list(ids), ["test", "build", "lint", "fetch"])
                self.assertEqual(set(self.ends(d, ids).values()), {"succeeded"})
                lines = order.read_text().split()
                self.assertEqual((lines[0], set(lines[1:3]), lines[3]), ("fetch", {"build", "lint"}, "test"))
                job = d.job(ids["test"])
                self.assertEqual(job["needs"], [{"name": n, "id": ids[n], "ended": "succeeded"} for n in ("build", "lint")])
                self.assertEqual(job["submission"], d.job(ids["fetch"])["submission"])

    def test_a_blocked_job_says_for_whom_it_waits(self):
        d = self.daemon()
        ids = self.submit_many(d, [self.job("fetch"), self.job("build", needs=["fetch"]), self.job("test", needs=["fetch", "build"])])
        job = d.job(ids["test"])
        self.assertEqual((job["state"], job["reason"]), ("blocked", "waits for fetch (queued) and build (blocked)"), job)
        told = d.get(f"/v1/jobs/{ids['build']}/explain")
        self.assertEqual((told["state"], told["answer"][0]), ("blocked", "Waits for fetch (queued)."), told)
        self.assertIn("Waits for fetch", self.sigrun(d, "job", "explain", ids["build"], check=0).stdout)
        self.assertIn("fetch (open)", self.sigrun(d, "job", "show", ids["build"], check=0).stdout)

    def test_dependents_of_a_job_that_fails_are_skipped_and_say_of_whom(self):
        d = self.daemon()
        self.runner_for(d)
        ids = self.submit_many(d, [self.job("build", "exit 3"), self.job("slow", "sleep 60"), self.job("test", needs=["build", "slow"]),
                                   self.job("ship", needs=["test"]), self.job("tell", needs=["build"], when="failure"),
                                   self.job("mourn", needs=["ship"], when="failure"),
                                   self.job("clean", needs=["ship", "test"], when="always")])
        job = d.finished(ids["test"])  # although it could wait for another one
        self.assertEqual((job["state"], job["failure"]["class"], job["failure"]["code"]), ("cancelled", "cancelled", "upstream"), job)
        self.assertEqual(job["failure"]["message"], "skipped: its need build failed (exit code 3)")
        self.assertEqual(d.finished(ids["ship"])["failure"]["message"], "skipped: its need test was skipped")
        for name in ("tell", "mourn", "clean"):
            self.assertEqual(d.finished(ids[name])["state"], "succeeded", name)
        self.assertEqual(d.job(ids["test"])["attempts"], [])

    def test_a_job_for_failures_is_skipped_when_there_is_none(self):
        d = self.daemon()
        self.runner_for(d)
        ids = self.submit_many(d, [self.job("build"), self.job("tell", needs=["build"], when="failure"), self.job("after", needs=["tell"])])
        job = d.finished(ids["tell"])
        self.assertEqual((job["state"], job["failure"]["code"]), ("cancelled", "not_needed"), job)
        self.assertEqual(job["failure"]["message"], "skipped: it runs only when one of its needs fails, and none has")
        self.assertEqual(d.finished(ids["after"])["failure"]["code"], "not_needed")

    def test_a_need_that_is_cancelled_or_expires_counts_as_failed(self):
        d = self.daemon()
        ids = self.submit_many(d, [self.job("one"), self.job("two", timeouts={"queue": "300ms"}), self.job("after-one", needs=["one"]),
                                   self.job("after-two", needs=["two"])])
        d.request("POST", f"/v1/jobs/{ids['one']}/cancel")
        self.assertIn("its need one was cancelled", d.finished(ids["after-one"])["failure"]["message"])
        self.assertIn("its need two expired", d.finished(ids["after-two"])["failure"]["message"])

    def test_a_blocked_job_can_be_cancelled_and_its_dependents_hear_of_it(self):
        d = self.daemon()
        ids = self.submit_many(d, [self.job("a"), self.job("b", needs=["a"]), self.job("c", needs=["b"])])
        d.request("POST", f"/v1/jobs/{ids['b']}/cancel")
        self.assertEqual(d.finished(ids["b"])["failure"]["code"], "user")
        self.assertEqual(d.finished(ids["c"])["failure"]["code"], "upstream")
        self.assertEqual(d.job(ids["a"])["state"], "queued")

    def test_what_cannot_be_is_refused_with_the_field_and_nothing_is_accepted(self):
        d = self.daemon(settings=["jobs.max_waiting=3"])
        for jobs, field in (([self.job("a", needs=["b"]), self.job("b", needs=["a"])], "jobs.a.needs"),
                            ([self.job("a", needs=["x"])], "jobs.a.needs[0]"),
                            ([self.job("a"), self.job("a")], "jobs[1].name"),
                            ([self.job("a"), {"name": "b"}], "jobs.b.command"),
                            ([self.job("a"), self.job("b", timeouts={"run": "soon"})], "jobs.b.timeouts.run"),
                            ([self.job("a"), self.job("b", durability="memory")], "jobs.b.durability"),
                            ([self.job("a"), self.job("b", group={"name": "g", "policy": "refuse"})], "jobs.b.group.policy"),
                            ([self.job("a", matrix={"x": []})], "jobs.a.matrix.x")):
            self.assertEqual(self.submit_many(d, jobs, expect=400)["field"], field)
        self.assertEqual(d.jobs(), [])
        answer = self.submit_many(d, [self.job(f"j{i}") for i in range(4)], expect=429)
        self.assertEqual(answer["field"], "jobs.max_waiting")
        self.assertEqual(d.jobs(), [])
        self.assertEqual(len(self.submit_many(d, [self.job(f"j{i}") for i in range(3)])), 3)
        status, body = d.request("POST", "/v1/jobs", {"command": ["true"], "needs": ["j0"]})
        self.assertEqual((status, body["field"]), (400, "needs"))

    def test_the_same_key_makes_no_other_jobs(self):
        port = free_port()
        d = self.daemon(port=port)
        jobs = [self.job("a"), self.job("b", needs=["a"])]
        ids = self.submit_many(d, jobs, key="k")
        status, answer = d.request("POST", "/v1/submissions", {"jobs": jobs}, {"Idempotency-Key": "k"})
        self.assertTrue(answer["idempotency_replayed"])
        self.assertEqual({j["name"]: j["id"] for j in answer["items"]}, ids)
        self.submit_many(d, [self.job("a")], key="k", expect=409)
        d.kill()
        d = self.daemon(port=port)
        self.assertEqual(self.submit_many(d, jobs, key="k", expect=d.request("POST", "/v1/submissions", {"jobs": jobs}, {"Idempotency-Key": "k"})[0]), ids)
        self.assertEqual(len(d.jobs()), 2)

    def test_secrets_of_a_submission_are_in_no_answer_and_tell_two_submissions_apart(self):
        d = self.daemon()
        self.runner_for(d)
        jobs = lambda secret: [self.job("a"), self.job("b", 'echo "<$KEY>"; [ ${#KEY} = 8 ]', ["a"], secrets={"KEY": secret})]
        status, plan = d.request("POST", "/v1/submissions?dry_run=true", {"jobs": jobs("hunter22")})
        self.assertIn(status, (200, 201), plan)
        self.assertTrue(plan["dry_run"])
        self.assertNotIn("hunter22", json.dumps(plan))
        ids = self.submit_many(d, jobs("hunter22"), key="k")
        self.assertEqual(self.ends(d, ids), {"a": "succeeded", "b": "succeeded"})
        self.assertEqual(d.log(ids["b"]), "<***>\n")
        status, again = d.request("POST", "/v1/submissions", {"jobs": jobs("hunter22")}, {"Idempotency-Key": "k"})
        self.assertEqual((again["idempotency_replayed"], {j["name"]: j["id"] for j in again["items"]}), (True, ids), status)
        self.assertIn("k", json.dumps(self.submit_many(d, jobs("hunter23"), key="k", expect=409)))
        for file in (self.dir / "daemon").glob("sigrun.db*"):
            self.assertNotIn(b"hunter22", file.read_bytes(), file)

    def test_after_a_crash_all_jobs_of_a_submission_are_there_or_none(self):
        port = free_port()
        d = self.daemon(port=port)
        jobs = [self.job(f"j{i}", needs=[f"j{i - 1}"] if i else ()) for i in range(40)]
        told, over = [], threading.Event()

        def submit_on_and_on():
            while not over.is_set():
                try:
                    status, answer = d.request("POST", "/v1/submissions", {"jobs": jobs})
                    if status == 201:
                        told.append(answer["submission"])
                except Exception:
                    return
        threads = [threading.Thread(target=submit_on_and_on) for _ in range(4)]
        for t in threads:
            t.start()
        wait_until("some were accepted", lambda: len(told) >= 10)
        d.kill()
        over.set()
        for t in threads:
            t.join()
        d = self.daemon(port=port)
        sizes = {}
        for job in d.jobs():
            sizes[job["submission"]] = sizes.get(job["submission"], 0) + 1
        self.assertEqual(set(sizes.values()), {40})
        self.assertLessEqual(set(told), set(sizes))

    def test_needs_survive_a_crash_of_the_daemon(self):
        port = free_port()
        d = self.daemon(port=port, settings=["jobs.keep_finished=3"])
        runner = self.runner_for(d)
        ids = self.submit_many(d, [self.job("quick"), self.job("gone"), self.job("wait", "sleep 600", timeouts={"run": "1h"}),
                                   self.job("test", needs=["quick", "gone", "wait"], when="always"),
                                   self.job("strict", needs=["quick", "wait"]), self.job("bad", "exit 1"),
                                   self.job("tell", needs=["bad", "wait"], when="failure")])
        for name in ("quick", "gone", "bad"):
            d.finished(ids[name])
        wait_until("it runs", lambda: d.job(ids["wait"])["state"] == "running")
        for _ in range(4):  # what has ended before is not kept any more
            d.run(command=["true"])
        wait_until("it is forgotten", lambda: d.request("GET", f"/v1/jobs/{ids['quick']}")[0] == 404)
        d.kill()
        d = self.daemon(port=port, settings=["jobs.keep_finished=1000"])
        d.runner_status("r1", "online", "busy")
        self.assertEqual([d.job(ids[n])["state"] for n in ("test", "strict", "tell")], ["blocked"] * 3)
        self.assertEqual(d.job(ids["strict"])["needs"][0]["ended"], "succeeded")
        d.request("POST", f"/v1/jobs/{ids['wait']}/cancel?grace=1s")
        self.assertEqual({n: d.finished(ids[n])["state"] for n in ("test", "strict", "tell")},
                         {"test": "succeeded", "strict": "cancelled", "tell": "succeeded"})
        self.assertEqual(runner.process.poll(), None)

    def test_a_need_that_ended_while_the_daemon_was_down_is_heard_of(self):
        port = free_port()
        d = self.daemon(port=port)
        p = self.puppet(d)
        ids = self.submit_many(d, [self.job("a"), self.job("b", needs=["a"])])
        offer = p.expect("offer", ids["a"])
        p.accept(offer)
        wait_until("it runs", lambda: d.job(ids["a"])["state"] == "running")
        d.kill()
        d = self.daemon(port=port)
        self.assertEqual(p.connect([p.listed(offer, "finished")]), {(ids["a"], 1): "report"})
        p.end(offer)
        p.accept(p.expect("offer", ids["b"]))

    def test_jobs_of_a_submission_share_a_group(self):
        d = self.daemon()
        self.runner_for(d, slots=8)
        place = self.dir / "running"
        place.mkdir()
        script = f"touch {place}/$$; ls {place} | wc -l; sleep 0.05; rm {place}/$$"
        ids = self.submit_many(d, [self.job("first"), self.job("many", script, ["first"], group="g", matrix={"i": list(range(8))}),
                                   self.job("last", needs=["many"])])
        self.assertEqual(set(self.ends(d, ids).values()), {"succeeded"})
        self.assertEqual([int(d.log(ids[f"many (i={i})"])) for i in range(8)], [1] * 8)

    def test_a_delay_counts_from_submit(self):
        d = self.daemon()
        self.runner_for(d)
        ids = self.submit_many(d, [self.job("a"), self.job("b", needs=["a"], delay="1s"), self.job("c", "sleep 1"),
                                   self.job("d", needs=["c"], delay="1ms")])
        d.finished(ids["a"])
        self.assertEqual(wait_until("it is its time's turn", lambda: (lambda s: s if s != "blocked" else None)(d.job(ids["b"])["state"])), "delayed")
        self.assertEqual(set(self.ends(d, ids).values()), {"succeeded"})

    FILE = """# a pipeline
[defaults]
env.GREETING = hello

[job.build]
shell = echo $GREETING from {matrix.cc} &&
    test {matrix.cc} != bad
matrix.cc = gcc, clang

[job.test]
command = echo "tested {it}"
needs = build, build-docs

[job.build-docs]
command = true
"""

    def test_a_file_of_jobs_is_submitted_and_waited_for(self):
        d = self.daemon()
        self.runner_for(d)
        file = self.dir / "jobs.ini"
        file.write_text(self.FILE)
        plan = json.loads(self.sigrun(d, "submit", "--dry-run", "--output", "json", file, check=0).stdout)
        self.assertEqual([j["name"] for j in plan["items"]], ["build (cc=gcc)", "build (cc=clang)", "test", "build-docs"])
        self.assertEqual(plan["items"][0]["document"]["command"], ["sh", "-c", "echo $GREETING from gcc &&\ntest gcc != bad"])
        self.assertIn("build (cc=clang)", self.sigrun(d, "submit", "--dry-run", file, check=0).stdout)
        self.assertEqual(d.jobs(), [])
        done = self.sigrun(d, "submit", file, "--wait", check=0)
        ids = {j["name"]: j["id"] for j in d.jobs()}
        self.assertEqual(len(ids), 4)
        for name, job_id in ids.items():
            self.assertIn(name, done.stdout)
            self.assertIn(job_id, done.stdout)
            self.assertIn(f"{name}: succeeded", done.stderr)
        self.assertEqual(d.log(ids["build (cc=clang)"]), "hello from clang\n")
        self.assertEqual(d.log(ids["test"]), "tested {it}\n")

    def test_the_exit_code_is_that_of_the_worst_job_and_stdin_is_a_file(self):
        d = self.daemon()
        self.runner_for(d)
        text = self.FILE.replace("gcc, clang", "gcc, bad").replace("command = true", "shell = exit 7")
        done = self.sigrun(d, "submit", "-", "--wait", check=7, input=text)
        self.assertIn("build (cc=bad): failed", done.stderr)
        self.assertIn("test: skipped (skipped: its need build", done.stderr.replace("-docs", ""))
        as_json = json.dumps({"jobs": [self.job("a", "exit 4"), self.job("b", needs=["a"])]})
        out = self.sigrun(d, "submit", "-", "--wait", "--output", "json", check=4, input=as_json).stdout
        self.assertEqual([j["state"] for j in json.loads(out)["items"]], ["failed", "cancelled"])
        done = self.sigrun(d, "submit", "-", check=5, input="[job.a]\ncomand = x\n")
        self.assertIn("stdin:2", done.stderr)
        done = self.sigrun(d, "submit", "-", check=5, input="[job.a]\ncommand = x\nneeds = b\n")
        self.assertIn("jobs.a.needs[0]", done.stderr)
        self.sigrun(d, "submit", "--dry-run", "--", "true", check=0)
        self.sigrun(d, "submit", "--dry-run", "--requires", "nonsense ==", "--", "true", check=5)


if __name__ == "__main__":
    unittest.main()
