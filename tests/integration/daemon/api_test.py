"""The API as a whole: every method over every protocol, and the OpenAPI document held against a published schema and against
what a daemon really answers."""
import json
import os
import shutil
import subprocess
import unittest
import urllib.parse

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

import valkyrie_frames  # noqa: E402
import ws_frames  # noqa: E402
from harness import BUILD, SOURCE, FleetTest  # noqa: E402

HERE = SOURCE / "tests/integration/daemon"

# Methods that no route of their own leads to over HTTP, and why that is so.
WITHOUT_ROUTE = {
    "runners.register": "opens a session: POST /v1/sessions",
    "path.measure": "for runners, over whatever carries their session: POST /v1/call/path.measure",
}
# What they are called with, where an empty call would be no call of theirs.
ARGUMENTS = {"events.watch": {"after": 0}, "balancers.record": {"picks": 1}}


def outcome(error, document):
    return document["code"] if error else "fine"


class ApiTest(FleetTest):
    # ---- how each protocol calls a method: (the code of its problem, or "fine"; the document)

    def over_http(self, d, method, params):
        query = urllib.parse.quote(json.dumps(params))
        # A stream is read up to its first line.
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        c.request("POST", f"/v1/call/{method}?params={query}")
        r = c.getresponse()
        if r.status != 200:
            problem = json.loads(r.read())
            return problem["code"], problem
        line = json.loads(r.readline())
        c.close()
        return outcome(line.get("flags", 0) & 2, line.get("json")), line.get("json")

    def over_websocket(self, wire, method, params):
        self.number = getattr(self, "number", 0) + 1
        wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps(
            {"kind": "call", "id": self.number, "method": method, "params": params}).encode()))
        first, payload = self.ws_reply(wire)
        if not payload.get("flags", 0) & 1:
            wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps({"kind": "end", "id": self.number}).encode()))
            while not self.ws_reply(wire)[1].get("flags", 0) & 1:
                pass
        return outcome(payload.get("flags", 0) & 2, payload.get("json")), payload.get("json")

    @staticmethod
    def ws_reply(wire):
        first, payload = wire.hear_message()
        if first & 0xf == ws_frames.BINARY:
            payload = payload[4:4 + int.from_bytes(payload[:4], "big")]
        return first, json.loads(payload)

    def over_grpc(self, stub, method, params):
        request = self.pb.calls.CallRequest(method=method, params=json.dumps(params))
        stream = stub.Call(request, timeout=30)
        try:
            reply = next(iter(stream))
            stream.cancel()
            return "fine", json.loads(reply.json) if reply.json else None
        except grpc.RpcError as e:
            problem = grpc_peers.problem_of(e)
            self.assertIsNotNone(problem, (method, e))
            return problem["code"], problem

    def test_mission_f1_every_method_is_there_over_every_protocol(self):
        d = self.daemon()
        self.runner_for(d)
        d.run(command=["true"])  # so that there are events
        methods = [m["name"] for m in d.get("/v1/methods")["items"]]
        self.assertGreater(len(methods), 40)
        self.pb = grpc_peers.Stubs(self.dir / "stubs")
        channel = grpc.insecure_channel(f"127.0.0.1:{d.port}")
        stub = self.pb.calls_grpc.CallsStub(channel)
        wire, valkyrie = ws_frames.Wire(d.port), valkyrie_frames.Caller(d.port)

        def over_valkyrie(method, params):
            flags, document, _ = valkyrie.call(method, params)
            return outcome(flags & valkyrie_frames.ERROR, document), document

        protocols = {"http": lambda *a: self.over_http(d, *a), "websocket": lambda *a: self.over_websocket(wire, *a),
                     "grpc": lambda *a: self.over_grpc(stub, *a), "valkyrie": over_valkyrie}
        # Each protocol knows what is no method, so the table below can fail.
        for protocol, call in protocols.items():
            code, problem = call("no.such", {})
            self.assertEqual((code, problem["field"]), ("not_found", "method"), protocol)
        for method in methods:
            answers = {}
            for protocol, call in protocols.items():
                code, document = call(method, ARGUMENTS.get(method, {}))
                self.assertNotEqual((code, (document or {}).get("field")), ("not_found", "method"), (protocol, method))
                answers[protocol] = (code, (document or {}).get("field") if code != "fine" else None)
                if method == "balancers.record":
                    call("balancers.recorded", {})  # for the next one
            self.assertEqual(len(set(answers.values())), 1, (method, answers))
        valkyrie.close()
        channel.close()

    def test_a_request_keeps_its_name_over_every_protocol(self):
        d = self.daemon(settings=["log.level=debug"])
        self.pb = grpc_peers.Stubs(self.dir / "stubs")
        channel = grpc.insecure_channel(f"127.0.0.1:{d.port}")
        names, none = {}, "01a21d32-cfbd-720e-965c-5a0c80793bd4"
        _, problem = d.request("GET", f"/v1/jobs/{none}", headers={"X-Request-Id": "over-http"})
        names["over-http"] = problem
        self.assertEqual(d.last_headers["X-Request-Id"], "over-http")
        with self.assertRaises(grpc.RpcError) as refused:
            self.pb.jobs_grpc.JobsStub(channel).Get(self.pb.jobs.GetJobRequest(id=none), metadata=[("x-request-id", "over-grpc")], timeout=30)
        names["over-grpc"] = grpc_peers.problem_of(refused.exception)
        wire, valkyrie = ws_frames.Wire(d.port), valkyrie_frames.Caller(d.port)
        names["over-websocket"] = self.over_websocket(wire, "jobs.get", {"id": none, "request_id": "over-websocket"})[1]
        names["over-valkyrie"] = valkyrie.call("jobs.get", {"id": none, "request_id": "over-valkyrie"})[1]
        for name, problem in names.items():
            self.assertEqual((problem["code"], problem["field"], problem["request_id"]), ("not_found", "id", name))
            d.wait_line(f"request {name}: jobs.get answers not_found")
        # Without a name one is made up, and is the same everywhere.
        _, problem = d.request("GET", f"/v1/jobs/{none}")
        self.assertEqual(problem["request_id"], d.last_headers["X-Request-Id"])
        d.wait_line(f"request {problem['request_id']}: jobs.get answers not_found")
        self.assertEqual(d.get("/healthz"), {"status": "ok"})
        self.assertRegex(d.last_headers["X-Request-Id"], "^[0-9a-f]{16}$")
        # Wrong ones are refused by their field.
        status, problem = d.request("GET", "/healthz", headers={"X-Request-Id": "a b"})
        self.assertEqual((status, problem["field"]), (400, "X-Request-Id"))
        self.assertEqual(valkyrie.call("version.get", {"request_id": "a b"})[1]["field"], "request_id")
        valkyrie.close()
        channel.close()

    def test_jobs_are_listed_by_an_expression_and_page_by_page(self):
        d = self.daemon()
        self.runner_for(d, slots=1)
        for n in range(7):
            d.run(kind="call", command=["echo"], labels={"n": str(n)}, queue="a" if n % 2 else "b")
        failed = [d.run(command=["sh", "-c", f"exit {code}"], retry={"user": 0})["id"] for code in (3, 4)]
        waits = d.submit(command=["true"], requires='label.no == "where"')

        def listed(where, limit=2):
            ids, cursor = [], ""
            while True:
                page = d.get("/v1/jobs?" + urllib.parse.urlencode({"where": where, "limit": limit, "cursor": cursor}))
                self.assertLessEqual(len(page["items"]), limit)
                ids += [j["id"] for j in page["items"]]
                if not page["next"]:
                    return ids
                cursor = page["next"]
        self.assertEqual(listed('job.state == "failed"'), failed[::-1])
        self.assertEqual(listed("job.exit_code >= 4"), failed[1:])
        self.assertEqual(listed('job.state == "queued"'), [waits])
        self.assertEqual(len(listed('job.queue == "a"')), 3)
        self.assertEqual(len(listed('job.queue == "b" && label.n != "0"')), 3)
        self.assertEqual(len(listed('job.runner == "r1" && job.protocol == "valkyrie"')), 9)
        self.assertEqual(len(listed('job.failure == "user"')), 2)
        self.assertEqual(len(listed("")), 10)
        told = json.loads(self.sigrun(d, "-o", "json", "job", "ls", "--where", "job.exit_code >= 4", check=0).stdout)
        self.assertEqual([j["id"] for j in told["items"]], failed[1:])
        self.pb = grpc_peers.Stubs(self.dir / "stubs")
        with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
            some = self.pb.jobs_grpc.JobsStub(channel).List(self.pb.jobs.ListJobsRequest(where='job.state == "failed"'), timeout=30)
            self.assertEqual([j.id for j in some.items], failed[::-1])
        for wrong, expected in (("job.stat == 1", "job.state"), ("job.state ==", None), ("cpu.cores > 1", "label.NAME")):
            status, problem = d.request("GET", "/v1/jobs?" + urllib.parse.urlencode({"where": wrong}))
            self.assertEqual((status, problem["field"]), (400, "where"), wrong)
            if expected:
                self.assertIn(expected, problem["expected"])

    # ---- OpenAPI

    def check(self, document, values):
        folder = BUILD / "tests" / "schemas"
        made = subprocess.run([HERE / "npm_tools.sh", HERE / "schemas", folder], capture_output=True, text=True)
        if made.returncode == 77:
            self.skipTest(made.stdout.strip())
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        (self.dir / "question.json").write_text(json.dumps({"document": document, "values": values}))
        done = subprocess.run(["node", str(folder / "openapi.js"), str(self.dir / "question.json")], capture_output=True, text=True,
                              timeout=120, env=dict(os.environ, NODE_NO_WARNINGS="1"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_the_openapi_document_has_every_method_and_a_validator_accepts_it(self):
        d = self.daemon()
        document = d.get("/v1/openapi.json")
        self.assertEqual(self.check(document, []), [])
        operations = [(path, verb, o) for path, verbs in document["paths"].items() for verb, o in verbs.items()]
        routed = {o["x-sigrun-method"] for _, _, o in operations if "x-sigrun-method" in o}
        methods = {m["name"] for m in d.get("/v1/methods")["items"]}
        self.assertEqual(methods - routed, set(WITHOUT_ROUTE))
        self.assertEqual(routed - methods, set())
        names = [o["operationId"] for _, _, o in operations]
        self.assertEqual(len(names), len(set(names)))
        for path, verb, o in operations:
            for status, response in o["responses"].items():
                for schema in (m.get("schema", {}) for m in response.get("content", {}).values()):
                    if "x-sigrun-method" in o:
                        self.assertNotEqual(schema, {"type": "object"}, f"{verb} {path} {status} says nothing of its answer")
        # The validator is no yes-man.
        del document["info"]["title"]
        self.assertEqual(len(self.check(document, [])), 1)

    def own_plugins(self):
        """A folder from which one may be removed."""
        folder = self.dir / "plugins"
        for file in ("protocols/http", "protocols/valkyrie", "balancers/performance", "balancers/round_robin", "probes/os", "stores/sqlite"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(BUILD / f"plugins/{file}.so", folder / f"{file}.so")
        return folder

    def test_what_a_daemon_answers_is_what_the_openapi_document_says(self):
        d = self.daemon(plugin_dir=self.own_plugins(), settings=["balancer.default_algorithm=performance"])
        self.runner_for(d, labels=["zone=eu"])
        document = d.get("/v1/openapi.json")
        values = []

        def expect(schema, value, name=None):
            values.append({"name": name or schema, "schema": schema, "value": value})
            return value

        def asked(schema, path, verb="GET", body=None, status=(200, 201)):
            code, answer = d.request(verb, path, body)
            self.assertIn(code, status, (path, answer))
            return expect(schema, answer, f"{verb} {path}")

        job = asked("Job", "/v1/jobs?wait=30s", "POST", expect("JobDocument", {
            "command": ["sh", "-c", "echo hi; exit 3"], "explain": True, "limits": {"memory": "100MiB"}, "labels": {"a": "b"},
            "requires": "label.zone == \"eu\"", "env": {"A": "1"}, "timeouts": {"run": "10m"}, "retry": {"user": 0}}))
        asked("Job", f"/v1/jobs/{job['id']}")
        asked("Job", "/v1/jobs?wait=30s", "POST", expect("JobDocument", {
            "steps": [{"name": "a", "command": ["sh", "-c", "echo k=v >> $SIGRUN_OUTPUT; echo x > f"], "continue_on_error": True}, ["true"]],
            "artifacts": ["f", {"path": "no", "optional": True}], "group": {"name": "g", "max": 2, "policy": "queue"},
            "isolation": {"privileges": "fixed", "enforce": "best_effort"}, "secrets": {"S": "hunter22"}, "pty": False}))
        asked("Submission", "/v1/submissions", "POST", expect("SubmissionDocument", {"jobs": [
            {"name": "a", "command": ["true"], "matrix": {"x": ["1", "2"]}}, {"name": "b", "command": ["true"], "needs": ["a"]}]}))
        asked("Submission", "/v1/submissions?dry_run=yes", "POST", {"jobs": [{"name": "a", "command": ["true"]}]})
        asked("ArtifactList", f"/v1/jobs/{job['id']}/artifacts")
        asked("Backup", f"/v1/store/backup?path={self.dir}/copy.db", "POST")
        asked("BackupProgress", "/v1/store/backup")
        asked("Job", f"/v1/jobs/{job['id']}/retry", "POST")
        asked("Explanation", f"/v1/jobs/{job['id']}/explain")
        waiting = asked("Job", "/v1/jobs", "POST", {"command": ["true"], "requires": "label.no == \"where\""})
        asked("Explanation", f"/v1/jobs/{waiting['id']}/explain")
        asked("Job", f"/v1/jobs/{waiting['id']}/cancel", "POST")
        asked("Job", "/v1/jobs?wait=30s", "POST", {"kind": "call", "command": ["echo"], "payload": {"base64": "/w=="}})
        asked("JobList", "/v1/jobs?limit=2")
        asked("Problem", "/v1/jobs/nothing", status=(404, 400))
        asked("Problem", "/v1/jobs", "POST", {"command": 7}, status=(400,))
        added = asked("Runner", "/v1/runners", "POST", expect("RunnerDocument", {"name": "x", "endpoint": "http://127.0.0.1:1"}))
        for verb in ("drain", "maintenance", "resume"):
            asked("Runner", f"/v1/runners/{added['name']}/{verb}", "POST")
        asked("Runner", f"/v1/runners/{added['name']}", "DELETE")
        asked("RunnerList", "/v1/runners")
        asked("RunnerList", "/v1/runners?where=" + urllib.parse.quote("label.zone == \"mars\""))
        asked("Runner", "/v1/runners/r1")
        asked("Runner", "/v1/runners/r1/detect", "POST")
        asked("RunnerReload", "/v1/runners/r1/reload", "POST")
        for form in ("nfd", "reapi"):
            asked("RunnerExport", f"/v1/runners/r1/export?format={form}")
        asked("PluginList", "/v1/plugins")
        asked("Plugin", "/v1/plugins/sigrun.http")
        asked("Plugin", "/v1/plugins/sigrun.http/pin", "POST")
        asked("PluginReload", "/v1/plugins/sigrun.round_robin/reload", "POST")
        asked("PluginRemoved", "/v1/plugins/sigrun.round_robin?force=yes", "DELETE")
        asked("History", "/v1/stats/history?window=24h")
        asked("RecordingBegun", "/v1/balancers/performance/record", "POST")
        asked("Recording", "/v1/balancers/recording")
        asked("Config", "/v1/config")
        asked("ConfigChange", "/v1/config/reload", "POST")
        asked("ConfigHistory", "/v1/config/revisions")
        asked("ConfigRevision", "/v1/config/revisions/current")
        asked("ConfigRevision", "/v1/config/revisions/1")
        asked("ConfigDiff", "/v1/config/diff?from=1")
        token = asked("Token", "/v1/tokens", "POST", expect("TokenDocument", {"name": "me", "role": "reader", "expires": "1h"}))
        asked("TokenList", "/v1/tokens")
        asked("Token", f"/v1/tokens/{token['id']}/rotate?overlap=1h", "POST")
        asked("Token", f"/v1/tokens/{token['id']}", "DELETE")
        asked("Stats", "/v1/stats")
        asked("MethodList", "/v1/methods")
        asked("Version", "/v1/version")
        asked("Facts", "/v1/probe?only=host")
        asked("Health", "/healthz")
        asked("Health", "/readyz")
        for line in self.first_events(d, 3):
            expect("Event", line)
        self.assertEqual(self.check(document, values), [])
        # Fields of a job document: as many as the kernel knows, by its own words.
        _, problem = d.request("POST", "/v1/jobs", {"q": 1})
        known = set(problem["expected"].removeprefix("one of ").split(", "))
        self.assertEqual(known, set(document["components"]["schemas"]["JobDocument"]["properties"]))
        # What it does not name is found.
        self.assertEqual(len(self.check(document, [{"name": "n", "schema": "Version", "value": {"nickname": "x"}}])), 1)

    @staticmethod
    def first_events(d, n):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        c.request("GET", "/v1/events?after=0")
        r = c.getresponse()
        out = []
        while len(out) < n:
            line = r.readline().decode()
            if line.startswith("data: "):
                out.append(json.loads(line[6:]))
        c.close()
        return out


if __name__ == "__main__":
    unittest.main()
