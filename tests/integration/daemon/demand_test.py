"""Demand for runners: every job is counted where it belongs, once, and what is told agrees over every protocol."""
import json
import subprocess
import unittest

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

import valkyrie_frames  # noqa: E402
import ws_frames  # noqa: E402
from harness import BIN, FleetTest, wait_until  # noqa: E402
from scrape import Scrape  # noqa: E402
from secure_fleet import SecureFleet  # noqa: E402

GPU = 'label.pool == "gpu"'
NOWHERE = 'label.pool == "nowhere"'


class DemandTest(SecureFleet, FleetTest):
    def demand(self, d, query="", until=None, what="the demand is as it should be"):
        """The answer of GET /v1/demand, once `until` holds: an answer may be a second old."""
        def look():
            answer = d.get("/v1/demand" + query)
            return answer if until is None or until(answer) else None
        return wait_until(what, look)

    @staticmethod
    def of(answer, requires, kind="process"):
        found = [c for c in answer["classes"] if c["requires"] == requires and c["kind"] == kind]
        return found[0] if found else None

    def test_any_runner_is_told_as_no_requirement(self):
        d = self.daemon()
        d.submit(command=["true"])
        answer = self.demand(d, until=lambda a: a["total"]["queued"] == 1)
        self.assertEqual([(c["requires"], c["kind"]) for c in answer["classes"]], [("", "process")])

    def test_each_job_counts_as_what_it_waits_for(self):
        d = self.daemon(settings=["group only.max=1"])
        self.runner_for(d, "gpu", slots=2, labels=["pool=gpu"])
        running = [d.submit(command=["sleep", "600"], requires=GPU) for _ in range(2)]
        queued = [d.submit(command=["true"], requires=GPU) for _ in range(3)]
        d.submit(command=["true"], requires=GPU, delay="1h")
        for _ in range(2):  # one of them is in the group, and waits for a place like others
            d.submit(command=["true"], requires=GPU, group="only")
        status, _ = d.request("POST", "/v1/submissions", {"jobs": [
            {"name": "a", "command": ["true"], "requires": NOWHERE}, {"name": "b", "command": ["true"], "requires": GPU, "needs": ["a"]}]})
        self.assertEqual(status, 201)
        answer = self.demand(d, until=lambda a: a["total"]["queued"] == 5 and a["total"]["running"] == 2 and a["total"]["blocked"] == 2)
        gpu = self.of(answer, GPU)
        self.assertEqual({k: gpu[k] for k in ("queued", "running", "delayed", "blocked", "retrying", "shortfall", "unsatisfiable", "missing")},
                         {"queued": 4, "running": 2, "delayed": 1, "blocked": 2, "retrying": 0, "shortfall": 4, "unsatisfiable": 0, "missing": None})
        self.assertEqual(gpu["labels"], {"pool": "gpu"})
        self.assertEqual(gpu["places"], {"total": 2, "taken": 2, "free": 0, "draining": 0, "offline": 0})
        self.assertEqual(gpu["runners"], {"matching": 1, "online": 1, "idle": 0, "draining": 0, "offline": 0, "other": 0, "gone": 0})
        nowhere = self.of(answer, NOWHERE)
        self.assertEqual((nowhere["queued"], nowhere["unsatisfiable"], nowhere["shortfall"]), (1, 1, 1))
        self.assertIn('pool == "nowhere"', nowhere["missing"])
        self.assertEqual((answer["total"]["queued"], answer["total"]["unsatisfiable"], answer["total"]["classes"]), (5, 1, 2))
        # Those that wait end one by one, those that run as well, and nothing is left.
        for job in queued + running + [j["id"] for j in d.jobs()]:
            d.request("POST", f"/v1/jobs/{job}/cancel?grace=0s")
        left = self.demand(d, until=lambda a: a["total"]["classes"] == 0)
        self.assertEqual({v for k, v in left["total"].items()}, {0})

    def test_a_failed_job_counts_as_one_that_waits_to_run_again(self):
        d = self.daemon(settings=["interface.retry_delay=60s"])
        self.runner_for(d)
        d.submit(command=["false"], retry={"user": 3})
        answer = self.demand(d, until=lambda a: a["total"]["retrying"] == 1)
        self.assertEqual((answer["total"]["queued"], answer["total"]["running"], answer["total"]["shortfall"]), (0, 0, 0))

    def test_it_is_the_same_over_a_restart_of_the_daemon(self):
        d = self.daemon(settings=["interface.retry_delay=60s"])
        self.runner_for(d, "r1", slots=1)
        d.submit(command=["sleep", "600"])
        wait_until("it runs", lambda: d.jobs()[0]["state"] == "running")
        for _ in range(2):
            d.submit(command=["true"], requires=NOWHERE, queue="q", tenant="t")
        d.submit(command=["true"], delay="1h")
        counts = lambda a: {c["class"]: {k: c[k] for k in ("queued", "running", "delayed", "requires")} for c in a["classes"]}
        before = self.demand(d, until=lambda a: a["total"]["queued"] == 2 and a["total"]["running"] == 1)
        port = d.port
        d.stop()
        again = self.daemon(port=port)
        after = self.demand(again, until=lambda a: counts(a) == counts(before))
        self.assertEqual(self.of(after, NOWHERE)["queues"], [{"name": "q", "queued": 2}])
        self.assertEqual(self.of(after, NOWHERE)["tenants"], [{"name": "t", "queued": 2}])

    def test_places_of_draining_and_offline_runners_are_told_apart(self):
        d = self.daemon(settings=["registry.runner_timeout=3s"])
        stays = self.runner_for(d, "stays", slots=2, labels=["pool=gpu"])
        drains = self.runner_for(d, "drains", slots=3, labels=["pool=gpu"])
        gone = self.runner_for(d, "goes", slots=5, labels=["pool=gpu"])
        d.request("POST", "/v1/runners/drains/drain")
        gone.stop()
        d.runner_status("goes", "offline")
        for _ in range(3):
            d.submit(command=["sleep", "600"], requires=GPU)
        answer = self.demand(d, until=lambda a: a["total"]["running"] == 2 and a["total"]["queued"] == 1 and self.of(a, GPU)["runners"]["draining"] == 1)
        gpu = self.of(answer, GPU)
        self.assertEqual((gpu["places"]["total"], gpu["places"]["draining"]), (2, 3))
        self.assertEqual(gpu["shortfall"], 1)
        # A runner that has been gone for long is known all the same: its jobs are not without any hope.
        for p, name in ((stays, "stays"), (drains, "drains")):
            p.kill()
            d.runner_status(name, "offline", "draining")
        answer = self.demand(d, until=lambda a: self.of(a, GPU) and self.of(a, GPU)["runners"]["gone"] == 3)
        self.assertEqual(self.of(answer, GPU)["unsatisfiable"], 0)

    def test_runners_that_nobody_needs_are_told_and_those_that_a_job_waits_for_are_needed(self):
        d = self.daemon()
        self.runner_for(d, "idle", labels=["pool=gpu"])
        answer = self.demand(d, "?idle=0s", until=lambda a: a["idle"]["runners"] == 1)
        one = answer["idle"]["longest"][0]
        self.assertEqual((one["name"], one["drainable"], one["labels"], one["slots"]), ("idle", True, {"pool": "gpu"}, 4))
        self.assertEqual(self.demand(d, "?idle=1h")["idle"], {"runners": 0, "longest": []})
        job = d.submit(command=["sleep", "600"])
        self.demand(d, "?idle=0s", until=lambda a: a["idle"]["runners"] == 0 and a["total"]["running"] == 1)
        d.request("POST", f"/v1/jobs/{job}/cancel?grace=0s")
        again = self.demand(d, "?idle=0s", until=lambda a: a["idle"]["runners"] == 1)
        self.assertLess(again["idle"]["longest"][0]["idle_s"], one["idle_s"] + 30)  # since its last job, not since it came

    def test_filters_and_the_sum_of_the_others(self):
        d = self.daemon()
        for i in range(5):
            for _ in range(i + 1):
                d.submit(command=["true"], requires=f'label.n == "{i}"', queue=f"q{i % 2}", tenant=f"t{i % 3}")
        answer = self.demand(d, "?limit=2", until=lambda a: a["total"]["queued"] == 15)
        self.assertEqual([c["queued"] for c in answer["classes"]], [5, 4])
        self.assertEqual((answer["other"]["classes"], answer["other"]["queued"], answer["other"]["shortfall"], answer["other"]["unsatisfiable"]), (3, 6, 6, 6))
        self.assertEqual((answer["total"]["classes"], answer["total"]["shortfall"]), (5, 15))
        self.assertEqual(answer["classes"][0]["missing"], "no runner is connected")
        self.assertEqual(self.demand(d, "?queue=q1")["total"]["queued"], 2 + 4)
        self.assertEqual(self.demand(d, "?tenant=t0&queue=q0")["total"]["queued"], 1)
        first = answer["classes"][0]["class"]
        alone = self.demand(d, f"?class={first}")
        self.assertEqual((len(alone["classes"]), alone["total"]["queued"]), (1, 5))
        # A class without jobs is no error: a scaler asks for it when there are none.
        self.assertEqual(self.demand(d, "?class=0123456789abcdef")["total"]["shortfall"], 0)
        # A job that has just come is no shortfall yet.
        held = self.demand(d, "?hold=1h")
        self.assertEqual((held["total"]["queued"], held["total"]["shortfall"]), (15, 0))

    def test_bad_questions_are_refused_with_the_field(self):
        d = self.daemon()
        for query, field in (("class=xyz", "class"), ("limit=0", "limit"), ("limit=1001", "limit"), ("hold=soon", "hold"), ("idle=900d", "idle")):
            status, problem = d.request("GET", "/v1/demand?" + query)
            self.assertEqual((status, problem["field"]), (400, field), problem)
        status, problem = d.request("POST", "/v1/call/demand.get?params=" + "%7B%22quue%22%3A%22x%22%7D")
        self.assertEqual((status, problem["code"]), (400, "unknown_field"), problem)

    def test_a_token_of_a_tenant_sees_the_demand_of_that_one_alone(self):
        d = self.daemon(settings=["auth.required=yes", "auth.trust_loopback=no"])
        d.socket = f"valkyrie+unix://{d.state_dir}/sigrun.sock"
        mine = {"Authorization": "Bearer " + self.token(d, "mine", "--role", "reader", "--tenant", "a")}
        submit = {"Authorization": "Bearer " + self.token(d, "all", "--role", "submitter")}
        for tenant, n in (("a", 1), ("b", 2)):
            for _ in range(n):
                d.request("POST", "/v1/jobs", {"command": ["true"], "tenant": tenant, "requires": NOWHERE}, submit)
        ask = lambda who, query="": d.request("GET", "/v1/demand" + query, headers=who)[1]
        wait_until("all three are seen", lambda: ask(submit)["total"]["queued"] == 3)
        wait_until("one of them is", lambda: ask(mine)["total"]["queued"] == 1)
        self.assertEqual([c["tenants"] for c in ask(mine)["classes"]], [[{"name": "a", "queued": 1}]])
        # Requirements are what others' jobs say; the numbers are of the whole daemon.
        self.assertIn("nowhere", d.request("GET", "/metrics", headers=submit)[1])
        told = d.request("GET", "/metrics", headers=mine)[1]
        self.assertIn("sigrun_demand_class_info", told)
        self.assertNotIn("nowhere", told)
        status, problem = d.request("GET", "/v1/demand?tenant=b", headers=mine)
        self.assertEqual((status, problem["field"]), (403, "tenant"))

    def test_every_protocol_and_the_command_line_give_the_same_answer(self):
        d = self.daemon()
        for _ in range(3):
            d.submit(command=["true"], requires=NOWHERE)
        params = {"limit": 5}
        http = self.demand(d, "?limit=5", until=lambda a: a["total"]["queued"] == 3)
        wire = ws_frames.Wire(d.port)
        wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps({"kind": "call", "id": 1, "method": "demand.get", "params": params}).encode()))
        websocket = json.loads(wire.hear_message()[1])["json"]
        wire.socket.close()
        caller = valkyrie_frames.Caller(d.port)
        _, valkyrie, _ = caller.call("demand.get", params)
        caller.close()
        stubs = grpc_peers.Stubs(self.dir / "stubs")
        with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
            reply = next(iter(stubs.calls_grpc.CallsStub(channel).Call(stubs.calls.CallRequest(method="demand.get", params=json.dumps(params)), timeout=30)))
        cli = json.loads(self.sigrun(d, "demand", "--limit", "5", "--json", check=0).stdout)
        answers = {"http": http, "websocket": websocket, "valkyrie": valkyrie, "grpc": json.loads(reply.json), "cli": cli}
        for name, answer in answers.items():
            for part in (answer["total"], answer["other"], *answer["classes"]):
                part.pop("oldest_wait_s")
            answer.pop("at")
            self.assertEqual(answer, http, name)

    def test_the_table_says_what_is_missing(self):
        d = self.daemon()
        self.runner_for(d, "r1", slots=1, labels=["pool=gpu"])
        for _ in range(3):
            d.submit(command=["sleep", "600"], requires=GPU)
        d.submit(command=["true"], requires=NOWHERE)
        self.demand(d, "?limit=20", until=lambda a: a["total"]["queued"] == 3 and a["total"]["running"] == 1)
        text = self.sigrun(d, "demand", check=0).stdout
        self.assertIn("3 jobs wait for a place", text)
        self.assertIn("3 places are missing; for 1 job no known runner matches", text)
        self.assertRegex(text, r"[0-9a-f]{16} +2 +\S+ +2 +- +1 +1/1 +1 .*" + GPU)
        self.assertIn("none of 1 runner satisfies the requirement", text)
        done = self.sigrun(d, "demand", "--every", "1ms")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--every", done.stderr)
        watch = self.program("env", f"SIGRUN_URL=valkyrie://127.0.0.1:{d.port}", "NO_COLOR=1", BIN / "sigrun", "demand", "--watch", "--every", "100ms")
        wait_until("it is told again", lambda: sum("wait for a place" in line for line in watch.lines) >= 2)
        self.assertEqual(watch.stop(), 0)

    def test_metrics_are_those_of_the_answer_and_do_not_grow_with_the_classes(self):
        d = self.daemon(settings=["metrics.demand_classes=3"])
        self.runner_for(d, "r1", slots=1, labels=["pool=gpu"])
        for _ in range(4):
            d.submit(command=["sleep", "600"], requires=GPU)
        for i in range(10):
            d.submit(command=["true"], requires=f'label.n == "{i}" && label["a\\"b"] == "\\\\"')
        self.demand(d, "?limit=3", until=lambda a: a["total"]["queued"] == 13)
        s = wait_until("the metrics say so, too", lambda: (lambda s: s if sum(s.of("sigrun_demand_queued").values()) == 13 else None)(Scrape(d.get("/metrics"))))
        answer = self.demand(d, "?limit=3", until=lambda a: a["total"]["running"] == 1)
        gpu = self.of(answer, GPU)["class"]
        self.assertEqual(s.get("sigrun_demand_queued", **{"class": gpu}), 3)
        self.assertEqual(s.get("sigrun_demand_shortfall", **{"class": gpu}), 3)
        self.assertEqual(s.get("sigrun_demand_running", **{"class": gpu}), 1)
        self.assertEqual(s.get("sigrun_demand_unsatisfiable", **{"class": gpu}), 0)
        self.assertEqual(s.get("sigrun_demand_unsatisfiable", **{"class": ""}), 8)
        self.assertEqual(sum(s.of("sigrun_demand_unsatisfiable").values()), 10)
        self.assertEqual(len(s.of("sigrun_demand_queued")), 4)
        self.assertGreaterEqual(s.get("sigrun_demand_oldest_wait_seconds", **{"class": gpu}), 0)
        self.assertEqual(len(s.of("sigrun_demand_class_info")), 4)
        done = subprocess.run(["promtool", "check", "metrics"], input=s.text, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
