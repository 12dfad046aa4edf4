"""Traces of jobs: from the caller's traceparent through the daemon's spans to the environment of the command, sent to a collector by
OTLP/HTTP and judged by the messages that OpenTelemetry publishes."""
import http.server
import json
import os
import subprocess
import threading
import unittest

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

import valkyrie_frames  # noqa: E402
import ws_frames  # noqa: E402
from harness import BUILD, SOURCE, FleetTest, free_port, wait_until  # noqa: E402

HERE = SOURCE / "tests/integration/daemon"

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Collector:
    """Takes spans as a collector does, with the status that the test wants."""

    def __init__(self, port=0):
        self.bodies, self.requests, self.status, self._news = [], [], 200, threading.Condition()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector._news:
                    collector.requests.append((self.path, self.headers["Content-Type"]))
                    if collector.status == 200:
                        collector.bodies.append(json.loads(body))
                    collector._news.notify_all()
                self.send_response(collector.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        with self._news:
            return [s for b in self.bodies for r in b["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]

    def job(self, job_id):
        """The spans of a job once the span `job` of it is there, by name."""
        def look():
            for s in self.spans():
                if s["name"] == "job" and attributes(s).get("sigrun.job.id") == job_id:
                    ids, found = {s["spanId"]}, [s]
                    while True:
                        more = [c for c in self.spans() if c.get("parentSpanId") in ids and c["spanId"] not in ids]
                        if not more:
                            return found
                        found += more
                        ids |= {c["spanId"] for c in more}
            return None
        return wait_until(f"the spans of {job_id} arrive", look)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def attributes(span):
    return {a["key"]: a["value"].get("stringValue", a["value"].get("intValue")) for a in span["attributes"]}


class TracesTest(FleetTest):
    def collector(self, port=0):
        c = Collector(port)
        self.addCleanup(c.close)
        return c

    def traced(self, c, *settings):
        return self.daemon(settings=[f"trace.endpoint=http://127.0.0.1:{c.port}/v1/traces", *settings])

    def assert_valid(self, bodies):
        folder = BUILD / "tests" / "schemas"
        made = subprocess.run([HERE / "npm_tools.sh", HERE / "schemas", folder], capture_output=True, text=True)
        if made.returncode == 77:
            self.skipTest(made.stdout.strip())
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        (self.dir / "bodies.json").write_text(json.dumps(bodies))
        done = subprocess.run(["node", str(folder / "otlp.js"), str(self.dir / "bodies.json")], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, NODE_NO_WARNINGS="1"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_a_trace_goes_from_the_caller_to_the_command_and_the_published_schema_accepts_it(self):
        c = self.collector()
        d = self.traced(c)
        self.runner_for(d)
        status, job = d.request("POST", "/v1/jobs?wait=30s", {"command": ["sh", "-c", "echo $TRACEPARENT; sleep 0.1; exit 3"], "retry": {"user": 1}},
                                headers={"traceparent": PARENT})
        self.assertEqual((status, job["exit_code"], len(job["attempts"])), (201, 3, 2))
        spans = c.job(job["id"])
        self.assertEqual({s["traceId"] for s in spans}, {TRACE})
        by_name = {}
        for s in spans:
            by_name.setdefault(s["name"], []).append(s)
        root, = by_name["job"]
        self.assertEqual(root["parentSpanId"], SPAN)
        self.assertEqual(root["status"]["code"], 2)
        self.assertEqual(sorted(by_name), ["attempt 1", "attempt 2", "job", "submit", "wait"])
        self.assertEqual(len(by_name["wait"]), 2)  # before each attempt
        for s in spans[1:]:
            self.assertEqual(s["parentSpanId"], root["spanId"])
            self.assertGreaterEqual(int(s["startTimeUnixNano"]), int(root["startTimeUnixNano"]))
            self.assertLessEqual(int(s["endTimeUnixNano"]), int(root["endTimeUnixNano"]), s["name"])
        self.assertEqual(attributes(by_name["attempt 1"][0])["sigrun.runner"], "r1")
        self.assertEqual(attributes(by_name["attempt 1"][0])["process.exit.code"], "3")
        took = int(by_name["attempt 2"][0]["endTimeUnixNano"]) - int(by_name["attempt 2"][0]["startTimeUnixNano"])
        self.assertGreaterEqual(took, 100_000_000)
        # Each attempt's command is within the span of its attempt.
        self.assertEqual(d.log(job["id"]).split(), [f"00-{TRACE}-{by_name[f'attempt {n}'][0]['spanId']}-01" for n in (1, 2)])
        self.assertEqual(c.requests[0], ("/v1/traces", "application/json"))
        self.assertEqual(self.assert_valid(c.bodies), [])
        # The validator is no yes-man.
        broken = json.loads(json.dumps(c.bodies[0]))
        broken["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["begin"] = 1
        self.assertEqual(len(self.assert_valid([broken])), 1)

    def test_the_trace_comes_over_every_protocol(self):
        c = self.collector()
        d = self.traced(c)
        self.runner_for(d)
        job = {"command": ["sh", "-c", "echo $TRACEPARENT"]}
        ids = {"http": d.request("POST", "/v1/jobs", job, headers={"traceparent": PARENT})[1]["id"]}
        pb = grpc_peers.Stubs(self.dir / "stubs")
        with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
            ids["grpc"] = pb.jobs_grpc.JobsStub(channel).Submit(pb.jobs.SubmitRequest(document=json.dumps(job)),
                                                                 metadata=[("traceparent", PARENT)], timeout=30).id
        valkyrie, wire = valkyrie_frames.Caller(d.port), ws_frames.Wire(d.port)
        ids["valkyrie"] = valkyrie.call("jobs.submit", {"traceparent": PARENT}, job)[1]["id"]
        valkyrie.close()
        wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps(
            {"kind": "call", "id": 1, "method": "jobs.submit", "params": {"traceparent": PARENT}, "json": job}).encode()))
        ids["websocket"] = json.loads(wire.hear_message()[1])["json"]["id"]
        for protocol, job_id in ids.items():
            d.finished(job_id)
            spans = {s["name"]: s for s in c.job(job_id)}
            self.assertEqual((spans["job"]["traceId"], spans["job"]["parentSpanId"]), (TRACE, SPAN), protocol)
            self.assertEqual(d.log(job_id).strip(), f"00-{TRACE}-{spans['attempt 1']['spanId']}-01", protocol)

    def test_a_change_of_protocol_is_a_span_of_its_attempt(self):
        c = self.collector()
        d = self.traced(c)
        self.start_runner("r1", "--url", f"valkyrie://127.0.0.1:{d.port}", "--url", f"http://127.0.0.1:{d.port}", "--slots", "2")
        d.runner_status("r1", "online")
        job = d.submit(command=["sh", "-c", f"while [ ! -e {self.dir}/go ]; do sleep 0.05; done"])
        wait_until("it runs", lambda: d.job(job)["state"] == "running")
        first = d.job(job)["attempts"][0]["protocol"]
        other = "http" if first == "valkyrie" else "valkyrie"
        self.assertEqual(d.request("POST", f"/v1/runners/r1/migrate?to={other}")[0], 200)
        wait_until("the attempt has gone over", lambda: len(d.job(job)["attempts"][0]["rungs"]) == 2)
        (self.dir / "go").touch()
        d.finished(job)
        spans = c.job(job)
        attempt = next(s for s in spans if s["name"] == "attempt 1")
        over = [s for s in spans if s["name"].startswith("over ")]
        self.assertEqual([s["name"] for s in over], [f"over {first}", f"over {other}"], d.job(job)["attempts"])
        for s in over:
            self.assertEqual(s["parentSpanId"], attempt["spanId"])
        self.assertEqual(over[0]["endTimeUnixNano"], over[1]["startTimeUnixNano"])
        self.assertEqual(self.assert_valid(c.bodies), [])

    def test_without_a_collector_the_callers_trace_is_handed_on_and_nothing_else(self):
        d = self.daemon()
        self.runner_for(d)
        show = {"command": ["sh", "-c", "echo [$TRACEPARENT]"]}
        status, job = d.request("POST", "/v1/jobs?wait=30s", show, headers={"traceparent": PARENT})
        self.assertEqual(d.log(job["id"]), f"[{PARENT}]\n")
        self.assertEqual(d.log(d.run(**show)["id"]), "[]\n")
        # A job's own variable is left alone, and a trace that cannot be is none.
        status, job = d.request("POST", "/v1/jobs?wait=30s", {**show, "env": {"TRACEPARENT": "mine"}}, headers={"traceparent": PARENT})
        self.assertEqual(d.log(job["id"]), "[mine]\n")
        status, job = d.request("POST", "/v1/jobs?wait=30s", show, headers={"traceparent": PARENT.upper()})
        self.assertEqual(d.log(job["id"]), "[]\n")

    def test_what_is_not_sampled_is_not_sent_and_a_share_may_be_none(self):
        c = self.collector()
        d = self.traced(c, "trace.share=0")
        self.runner_for(d)
        show = {"command": ["sh", "-c", "echo $TRACEPARENT"]}
        quiet = d.request("POST", "/v1/jobs?wait=30s", show, headers={"traceparent": PARENT[:-1] + "0"})[1]["id"]
        self.assertEqual(d.log(quiet), PARENT[:-1] + "0\n")
        self.assertEqual(d.log(d.run(**show)["id"]), "\n")
        loud = d.request("POST", "/v1/jobs?wait=30s", show, headers={"traceparent": PARENT})[1]["id"]
        c.job(loud)
        self.assertEqual({attributes(s)["sigrun.job.id"] for s in c.spans() if s["name"] == "job"}, {loud})

    def test_a_trace_outlives_a_restart_of_the_daemon(self):
        c, port = self.collector(), free_port()
        endpoint = f"trace.endpoint=http://127.0.0.1:{c.port}/v1/traces"
        d = self.daemon(port=port, settings=[endpoint])
        status, job = d.request("POST", "/v1/jobs", {"command": ["sh", "-c", "echo $TRACEPARENT"]}, headers={"traceparent": PARENT})
        d.kill()
        d = self.daemon(port=port, settings=[endpoint])
        self.runner_for(d)
        d.finished(job["id"])
        spans = {s["name"]: s for s in c.job(job["id"])}
        self.assertEqual((spans["job"]["traceId"], spans["job"]["parentSpanId"]), (TRACE, SPAN))
        self.assertEqual(d.log(job["id"]).strip(), f"00-{TRACE}-{spans['attempt 1']['spanId']}-01")

    def test_a_collector_that_is_gone_costs_no_job_and_what_it_misses_is_counted(self):
        port = free_port()
        d = self.daemon(settings=[f"trace.endpoint=http://127.0.0.1:{port}"])
        self.runner_for(d)
        for _ in range(20):
            self.assertEqual(d.run(kind="call", command=["echo"])["state"], "succeeded")
        d.wait_line("the collector of traces at 127.0.0.1:")
        c = self.collector(port)  # it comes back: nothing of so little is lost
        wait_until("all spans arrive", lambda: sum(s["name"] == "job" for s in c.spans()) == 20)
        self.assertEqual(self.number(d, 'sigrun_trace_spans_dropped_total{reason="queue_full"}'), 0)
        # One that refuses is not asked again for the same.
        c.status = 400
        d.run(kind="call", command=["echo"])
        wait_until("refused spans are counted", lambda: self.number(d, 'sigrun_trace_spans_dropped_total{reason="refused"}') >= 4)
        self.assertGreaterEqual(self.number(d, "sigrun_trace_spans_sent_total"), 80)
        self.assertEqual(d.stop(), 0)

    @staticmethod
    def number(d, series):
        for line in d.get("/metrics").splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no {series}")

    def test_a_wrong_endpoint_is_refused_by_its_name(self):
        for wrong in ("ftp://x:1", "http://:4318", "http://x:port/", "x"):
            p = self.program(BUILD / "bin/sigrund", "--state-dir", self.dir / "s", "--set", f"trace.endpoint={wrong}", "--set",
                             "server.listen=127.0.0.1:0")
            p.wait_line("trace.endpoint")
            self.assertNotEqual(p.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
