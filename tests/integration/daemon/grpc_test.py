"""gRPC against real daemons and runners, with peers that nobody here wrote: grpcio and grpc-js."""
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

from grpc_peers import MinimalRunner, Stubs, problem_of  # noqa: E402
from harness import BIN, BUILD, SOURCE, FleetTest, free_port, wait_until  # noqa: E402

HERE = SOURCE / "tests/integration/daemon"

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def h2_frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Cut:
    """A relay whose connections can be cut."""

    def __init__(self, port):
        self.target, self.listener, self.pairs = port, socket.create_server(("127.0.0.1", 0)), []
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(a, b):
        try:
            while part := a.recv(65536):
                b.sendall(part)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        return len(pairs)

    def close(self):
        self.listener.close()
        self.cut()


class Grpc(FleetTest):
    def setUp(self):
        super().setUp()
        self.pb = Stubs(self.dir / "stubs")
        self.channels = []

    def tearDown(self):
        for c in self.channels:
            c.close()
        super().tearDown()

    def channel(self, d, options=()):
        c = grpc.insecure_channel(f"127.0.0.1:{d.port}", options=[("grpc.use_local_subchannel_pool", 1), *options])
        self.channels.append(c)
        return c

    def failed(self, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        return caught.exception

    # ---- The job API by grpcio

    def test_grpcio_submits_reads_cancels_and_lists_jobs(self):
        d = self.daemon()
        self.runner_for(d)
        jobs = self.pb.jobs_grpc.JobsStub(self.channel(d))
        pb = self.pb.jobs
        spec = pb.JobSpec(command=["sh", "-c", "echo out; echo err >&2; exit 7"], env={"A": "b"}, labels={"x": "y"})
        job = jobs.Submit(pb.SubmitRequest(spec=spec, wait="30s", idempotency_key="k1"))
        self.assertEqual((job.state, job.exit_code, job.failure.failure_class, job.runner.name), ("failed", 7, "user", "r1"), job)
        self.assertEqual(json.loads(job.json)["labels"], {"x": "y"})
        again = jobs.Submit(pb.SubmitRequest(spec=spec, wait="30s", idempotency_key="k1"))
        self.assertEqual((again.id, again.idempotency_replayed), (job.id, True))
        self.assertEqual(jobs.Get(pb.GetJobRequest(id=job.id)).id, job.id)
        pieces = list(jobs.Logs(pb.LogsRequest(id=job.id)))
        self.assertEqual({p.stream: p.data for p in pieces if p.data}, {"stdout": b"out\n", "stderr": b"err\n"})
        self.assertTrue(pieces[-1].end)
        self.assertEqual(jobs.Explain(pb.ExplainRequest(id=job.id)).id, job.id)
        self.assertEqual([j.id for j in jobs.List(pb.ListJobsRequest(limit=1)).items], [job.id])
        # The log is followed while the job runs, which is then cancelled.
        running = jobs.Submit(pb.SubmitRequest(document=json.dumps({"command": ["sh", "-c", "echo begun; sleep 300"]})))
        follow = jobs.Logs(pb.LogsRequest(id=running.id, follow=True), timeout=60)
        self.assertEqual(next(follow).data, b"begun\n")
        jobs.Cancel(pb.CancelJobRequest(id=running.id, grace="1s"))
        last = list(follow)[-1]
        self.assertEqual((last.end, last.state), (True, "cancelled"))
        # A call job's result is bytes.
        result = jobs.Submit(pb.SubmitRequest(spec=pb.JobSpec(kind="call", command=["echo"], durability="memory"), payload=b"\0\xff",
                                              wait="30s"))
        self.assertEqual((result.state, result.result), ("succeeded", b"\0\xff"))

    def test_every_field_of_a_document_has_one_in_the_messages(self):
        d = self.daemon()
        self.runner_for(d)
        jobs, pb = self.pb.jobs_grpc.JobsStub(self.channel(d)), self.pb.jobs
        spec = pb.JobSpec(
            command=["sh", "-c", "ulimit -n; test -t 1 && echo terminal"], prefers=[pb.Preference(condition="cpu.cores > 1", weight=3)],
            affinity="a", preferred_protocol="valkyrie", max_latency="10s", zone="local",
            limits=pb.Limits(memory="256MiB", cpus=1.5, open_files=64), retry=pb.Retry(memory_factor=1.5), pty=pb.Terminal(rows=40),
            isolation=pb.Isolation(tmp="private", enforce="best_effort"))
        job = jobs.Submit(pb.SubmitRequest(spec=spec, wait="30s"))
        self.assertEqual(job.state, "succeeded", job)
        output = b"".join(p.data for p in jobs.Logs(pb.LogsRequest(id=job.id)))
        self.assertEqual(output.split(), [b"64", b"terminal"])
        # What the daemon takes as a document, and what the messages can say, are the same.
        told = problem_of(self.failed(lambda: jobs.Submit(pb.SubmitRequest(document='{"qqqqqqqqqqqqqqqq": 1}'))))
        fields = set(told["expected"].removeprefix("one of ").split(", "))
        messages = {f.name for f in pb.JobSpec.DESCRIPTOR.fields} - {"requirement"} | {"requires", "payload"}
        self.assertEqual(fields, messages)

    def test_a_signed_job_is_submitted_as_messages(self):
        trust = self.dir / "trust"
        trust.mkdir(mode=0o755)
        sigrun = functools.partial(subprocess.run, capture_output=True, text=True, check=True)
        sigrun([str(BIN / "sigrun"), "job", "keygen", str(trust / "ci")])
        document = {"command": ["true"], "env": {"A": "1"}}
        signature = json.loads(sigrun([str(BIN / "sigrun"), "job", "sign", "-", "--key", str(trust / "ci.key")],
                                      input=json.dumps(document)).stdout)["signature"]
        d = self.daemon()
        self.runner_for(d, extra=("--set", "security.job_signature=require", "--set", f"security.job_trust={trust}"))
        jobs, pb = self.pb.jobs_grpc.JobsStub(self.channel(d)), self.pb.jobs
        spec = pb.JobSpec(command=["true"], env={"A": "1"}, signature=pb.Signature(**signature))
        job = jobs.Submit(pb.SubmitRequest(spec=spec, wait="30s"))
        self.assertEqual(job.state, "succeeded", job)
        self.assertTrue(d.job(job.id)["attempts"][0]["signature"]["verified"])

    def test_jobs_that_need_each_other_are_submitted_as_messages_and_as_a_document(self):
        d = self.daemon()
        self.runner_for(d)
        jobs, pb = self.pb.jobs_grpc.JobsStub(self.channel(d)), self.pb.jobs
        build = pb.TiedJob(name="build", spec=pb.JobSpec(command=["false"], group=pb.Group(name="g", max=2)))
        test = pb.TiedJob(name="test", needs=["build"], when="failure", spec=pb.JobSpec(command=["true"]))
        request = pb.SubmitManyRequest(jobs=[test, build], idempotency_key="k")
        made = jobs.SubmitMany(request)
        self.assertEqual([(j.name, j.submission) for j in made.items], [("test", made.submission), ("build", made.submission)])
        self.assertTrue(jobs.SubmitMany(request).idempotency_replayed)
        ends = [d.finished(j.id) for j in made.items]
        self.assertEqual([j["state"] for j in ends], ["succeeded", "failed"])
        self.assertEqual(ends[1]["group"]["max"], 2)
        document = json.dumps({"jobs": [{"name": "a", "command": ["echo", "{matrix.x}"], "matrix": {"x": ["1", "2"]}}]})
        plan = json.loads(jobs.SubmitMany(pb.SubmitManyRequest(document=document, dry_run=True)).json)
        self.assertEqual([j["name"] for j in plan["items"]], ["a (x=1)", "a (x=2)"])
        e = self.failed(lambda: jobs.SubmitMany(pb.SubmitManyRequest(jobs=[test])))
        self.assertEqual(problem_of(e)["field"], "jobs.test.needs[0]")
        self.assertEqual(self.failed(lambda: jobs.SubmitMany(pb.SubmitManyRequest())).code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_failures_are_status_codes_with_the_problem_in_the_trailers(self):
        d = self.daemon()
        channel = self.channel(d)
        jobs, pb = self.pb.jobs_grpc.JobsStub(channel), self.pb.jobs
        e = self.failed(lambda: jobs.Get(pb.GetJobRequest(id="01900000-0000-7000-8000-000000000000")))
        self.assertEqual((e.code(), problem_of(e)["code"]), (grpc.StatusCode.NOT_FOUND, "not_found"))
        e = self.failed(lambda: jobs.Submit(pb.SubmitRequest(document='{"comand":["true"]}')))
        self.assertEqual(e.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual((problem_of(e)["code"], problem_of(e)["field"]), ("unknown_field", "comand"))
        self.assertEqual(self.failed(lambda: jobs.Submit(pb.SubmitRequest())).code(), grpc.StatusCode.INVALID_ARGUMENT)
        e = self.failed(lambda: channel.unary_unary("/sigrun.v1.Jobs/Nothing")(b""))
        self.assertEqual(e.code(), grpc.StatusCode.UNIMPLEMENTED)
        e = self.failed(lambda: channel.unary_unary("/sigrun.v1.Jobs/Get")(b"\x0a\x02\xff\xfe"))
        self.assertEqual(e.code(), grpc.StatusCode.INVALID_ARGUMENT)
        e = self.failed(lambda: jobs.Get(pb.GetJobRequest(id="x" * (20 << 20))))
        self.assertEqual(e.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        e = self.failed(lambda: jobs.List(pb.ListJobsRequest(), metadata=[("authorization", "Digest x")]))
        self.assertEqual(e.code(), grpc.StatusCode.UNAUTHENTICATED)
        # No runner: the wait outlasts the deadline of the call, and the job stays.
        e = self.failed(lambda: jobs.Submit(pb.SubmitRequest(spec=pb.JobSpec(command=["true"]), wait="60s"), timeout=0.5))
        self.assertEqual(e.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual([j.state for j in jobs.List(pb.ListJobsRequest()).items], ["queued"])
        # A call that is cancelled ends; the connection goes on.
        watch = self.pb.events_grpc.EventsStub(channel).Watch(self.pb.events.WatchRequest())
        watch.cancel()
        self.assertEqual(self.failed(lambda: next(watch)).code(), grpc.StatusCode.CANCELLED)
        self.assertEqual(len(jobs.List(pb.ListJobsRequest()).items), 1)

    def test_events_runners_health_and_any_method(self):
        d = self.daemon()
        channel = self.channel(d)
        events = self.pb.events_grpc.EventsStub(channel).Watch(
            self.pb.events.WatchRequest(after=0, types=["Runner", "JobStateChanged"]), timeout=60)
        self.runner_for(d, labels=["zone=eu"])
        job = d.run(command=["true"])
        seen = []
        for event in events:
            seen.append(event.type)
            if event.type == "JobStateChanged" and json.loads(event.json)["to"] == "succeeded":
                self.assertEqual(event.job, job["id"])
                break
        self.assertIn("RunnerRegistered", seen)
        events.cancel()
        runners, pb = self.pb.runners_grpc.RunnersStub(channel), self.pb.runners
        listed = runners.List(pb.ListRunnersRequest(where='label.zone == "eu"')).items
        self.assertEqual([(r.name, r.status, dict(r.labels)["zone"]) for r in listed], [("r1", "online", "eu")])
        self.assertEqual(runners.Maintenance(pb.ChangeRunnerRequest(id="r1", reason="test")).status, "maintenance")
        self.assertEqual(runners.Resume(pb.ChangeRunnerRequest(id="r1")).status, "online")
        e = self.failed(lambda: runners.Get(pb.GetRunnerRequest(id="nobody")))
        self.assertEqual(e.code(), grpc.StatusCode.NOT_FOUND)
        health, hb = self.pb.health_grpc.HealthStub(channel), self.pb.health
        self.assertEqual(health.Check(hb.HealthCheckRequest()).status, hb.HealthCheckResponse.SERVING)
        self.assertEqual(health.Check(hb.HealthCheckRequest(service="sigrun.v1.Jobs")).status, hb.HealthCheckResponse.SERVING)
        self.assertEqual(self.failed(lambda: health.Check(hb.HealthCheckRequest(service="no"))).code(), grpc.StatusCode.NOT_FOUND)
        watch = health.Watch(hb.HealthCheckRequest(service="no"))
        self.assertEqual(next(watch).status, hb.HealthCheckResponse.SERVICE_UNKNOWN)
        watch.cancel()
        calls = self.pb.calls_grpc.CallsStub(channel)
        replies = list(calls.Call(self.pb.calls.CallRequest(method="version.get")))
        self.assertEqual([r.last for r in replies], [True])
        self.assertEqual(json.loads(replies[0].json), d.get("/v1/version"))
        metrics = list(calls.Call(self.pb.calls.CallRequest(method="metrics.get")))[-1].payload
        self.assertIn(b"sigrun_grpc_calls_total", metrics)

    # ---- Runners

    def test_a_minimal_runner_of_grpcio_runs_a_job(self):
        d = self.daemon()
        runner = MinimalRunner(self.pb, self.channel(d), "python")
        r = d.runner_status("python", "online")
        self.assertEqual(r["rung"], "grpc")
        F = self.pb.sessions.Frame
        job = d.submit(command=["anything"])
        offer = runner.expect(F.OFFER)
        self.assertEqual((offer.attempt.job, json.loads(offer.json)["command"]), (job, ["anything"]))
        runner.send(F.ACK, attempt=offer.attempt, stream=F.OFFER)
        runner.send(F.LOG, attempt=offer.attempt, stream=1, time_ns=time.time_ns(), payload=b"from python\n")
        ack = runner.expect(F.ACK)
        self.assertEqual((ack.stream, ack.offset), (F.LOG, 12))
        runner.send(F.STATE, flags=1, attempt=offer.attempt, offset=12, json={"state": "succeeded", "exit_code": 0})
        self.assertEqual(runner.expect(F.ACK).stream, F.STATE)
        done = d.finished(job)
        self.assertEqual((done["state"], done["protocol"], d.log(job)), ("succeeded", "grpc", "from python\n"))
        # A job that is cancelled.
        job = d.submit(command=["forever"])
        offer = runner.expect(F.OFFER)
        runner.send(F.ACK, attempt=offer.attempt, stream=F.OFFER)
        wait_until("it runs", lambda: d.job(job)["state"] == "running")
        d.request("POST", f"/v1/jobs/{job}/cancel")
        cancel = runner.expect(F.CANCEL)
        self.assertEqual(cancel.attempt.job, job)
        runner.send(F.STATE, flags=1, attempt=cancel.attempt, json={"state": "cancelled", "signal": 15})
        self.assertEqual(d.finished(job)["state"], "cancelled")
        runner.close()
        d.runner_status("python", "offline")

    def test_our_runner_dials_in_over_grpc(self):
        d = self.daemon()
        self.runner_for(d, "r1", protocol="grpc")
        self.assertEqual(d.runner("r1")["rung"], "grpc")
        job = d.run(command=["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done; exit 3"])
        self.assertEqual((job["state"], job["exit_code"], job["protocol"]), ("failed", 3, "grpc"), job)
        self.assertEqual(d.log(job["id"]), "line 1\nline 2\nline 3\n")
        big = d.run(command=["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"])
        self.assertEqual((big["state"], len(d.log(big["id"]))), ("succeeded", 3000000), big["failure"])
        call = d.run(kind="call", command=["echo"], payload="hello", durability="memory")
        self.assertEqual((call["state"], call["result"]), ("succeeded", "hello"))
        job = d.submit(command=["sh", "-c", "sleep 300"])
        wait_until("it runs", lambda: d.job(job)["state"] == "running")
        d.request("POST", f"/v1/jobs/{job}/cancel?grace=1s")
        self.assertEqual(d.finished(job)["state"], "cancelled")
        done = subprocess.run([str(BIN / "sigrun"), "--url", f"grpc://127.0.0.1:{d.port}", "run", "--", "sh", "-c", "echo by the CLI"],
                              capture_output=True, text=True, timeout=60, env=dict(os.environ, NO_COLOR="1"))
        self.assertEqual((done.returncode, done.stdout), (0, "by the CLI\n"), done.stderr)

    def test_a_listening_runner_is_dialled_over_grpc(self):
        d = self.daemon()
        port = free_port()
        self.start_runner("listens", "--listen", f"127.0.0.1:{port}", "--slots", "2", wait="listening")
        status, body = d.request("POST", "/v1/runners", {"name": "listens", "endpoint": f"grpc://127.0.0.1:{port}"})
        self.assertIn(status, (200, 201), body)
        d.runner_status("listens", "online")
        self.assertEqual([p["name"] for p in d.runner("listens")["protocols"] if p["state"] == "up"], ["grpc"])
        job = d.run(command=["sh", "-c", "echo dialled; exit 4"])
        self.assertEqual((job["exit_code"], job["protocol"], d.log(job["id"])), (4, "grpc", "dialled\n"), job)

    def test_a_job_goes_on_when_its_link_breaks(self):
        d = self.daemon()
        relay = Cut(d.port)
        self.start_runner("r1", "--url", f"grpc://127.0.0.1:{relay.port}")
        d.runner_status("r1", "online")
        job = d.submit(command=["sh", "-c", "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"])
        wait_until("it prints", lambda: "line 5" in d.log(job))
        self.assertGreater(relay.cut(), 0)
        done = d.finished(job, 60)
        self.assertEqual((done["state"], len(done["attempts"])), ("succeeded", 1), done)
        self.assertEqual(d.log(job), "".join(f"line {i}\n" for i in range(40)))
        relay.close()

    # ---- Hostile bytes

    def test_bytes_that_are_no_grpc_end_their_connection_and_nothing_else(self):
        d = self.daemon()
        settings = h2_frame(4, 0, 0, b"")
        hostile = {
            "nothing after the preface": PREFACE,
            "garbage after the preface": PREFACE + os.urandom(4000),
            "a frame cut short": PREFACE + settings + h2_frame(1, 4, 1, b"\x82")[:10],
            "a frame far too large": PREFACE + settings + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 20000,
            "headers that are no HPACK": PREFACE + settings + h2_frame(1, 5, 1, os.urandom(200)),
            "data without headers": PREFACE + settings + h2_frame(0, 1, 1, b"hello"),
            "a stream of the server's side": PREFACE + settings + h2_frame(1, 5, 2, b"\x82\x84\x86"),
            "no settings at first": PREFACE + h2_frame(6, 0, 0, b"12345678"),
            "a GET": PREFACE + settings + h2_frame(1, 5, 1, b"\x82\x84\x86\x41\x01x"),
            "a window of nothing": PREFACE + settings + h2_frame(8, 0, 0, b"\0\0\0\0"),
            "pings without end": PREFACE + settings + h2_frame(6, 0, 0, b"12345678") * 20000,
            "settings without end": PREFACE + settings * 20000,
            "streams reset at once": PREFACE + settings + b"".join(
                h2_frame(1, 4, 2 * i + 1, b"\x83\x86\x44\x01/\x41\x01x\x5f\x10application/grpc") + h2_frame(3, 0, 2 * i + 1, b"\0\0\0\x08")
                for i in range(5000)),
            "headers without end": PREFACE + settings + h2_frame(1, 0, 1, b"\x83\x86") + h2_frame(9, 0, 1, b"\x40\x01a\x7f\x00" + b"b" * 127) * 20000,
        }
        for name, text in hostile.items():
            with self.subTest(name):
                with socket.create_connection(("127.0.0.1", d.port), timeout=20) as s:
                    try:
                        s.sendall(text)
                        s.shutdown(socket.SHUT_WR)
                        while s.recv(65536):
                            pass
                    except OSError:  # it is gone already
                        pass
        self.assertEqual(d.get("/v1/version"), d.get("/v1/version"))
        self.assertIsNone(d.process.poll())
        self.assertEqual(len(self.pb.jobs_grpc.JobsStub(self.channel(d)).List(self.pb.jobs.ListJobsRequest()).items), 0)
        for text in (b"PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", d.port), timeout=20) as s:
                try:
                    s.sendall(text)
                    s.shutdown(socket.SHUT_WR)
                    self.assertNotIn(b"\0\0\0\4", s.recv(100))
                except OSError:  # it is gone already
                    pass

    # ---- Another implementation

    def test_grpc_js_drives_the_job_api(self):
        modules = BUILD / "tests" / "grpc_js"
        made = subprocess.run([HERE / "npm_tools.sh", HERE / "grpc_js", modules], capture_output=True, text=True)
        if made.returncode == 77:
            self.skipTest(made.stdout.strip())
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        d = self.daemon()
        self.runner_for(d)
        done = subprocess.run(["node", str(SOURCE / "tests/integration/daemon/grpc_js/peer.js"), f"127.0.0.1:{d.port}",
                               str(grpc_peers.PROTO)], capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, NODE_PATH=str(modules / "node_modules")))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        got = json.loads(done.stdout)
        self.assertEqual(got["health"], "SERVING")
        self.assertEqual((got["state"], got["exit_code"], got["log"]), ("failed", 5, "out\n"))
        self.assertEqual((got["missing_code"], got["missing_problem"]), (5, "not_found"))
        self.assertEqual(got["version"], d.get("/v1/version"))

    # ---- Replacement

    def replace(self, d, plugins, turn):
        shipped = (BUILD / "plugins/protocols/grpc.so").read_bytes()
        self.assertIn(b"1.0.0", shipped)
        version = f"1.{turn // 10 + 2}.{turn % 10}"
        (plugins / ".new").write_bytes(shipped.replace(b"1.0.0", version.encode()))
        os.rename(plugins / ".new", plugins / "protocols" / "grpc.so")
        for _ in range(5):
            status, done = d.request("POST", "/v1/plugins/sigrun.grpc/reload")
            if status != 504:  # so busy with this test that the trial could not end in time
                break
        self.assertEqual((status, done.get("new", {}).get("version")), (200, version), done)

    def test_jobs_and_their_output_survive_replacements_on_runners_over_grpc(self):
        plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", plugins)
        d = self.daemon(plugin_dir=plugins, settings=["plugins.watch=no"])
        self.runner_for(d, "dials", protocol="grpc", labels=["at=dials"])
        port = free_port()
        self.start_runner("listens", "--listen", f"127.0.0.1:{port}", "--label", "at=listens", wait="listening")
        status, body = d.request("POST", "/v1/runners", {"name": "listens", "endpoint": f"grpc://127.0.0.1:{port}"})
        self.assertIn(status, (200, 201), body)
        d.runner_status("listens", "online")
        stop, bad, counts = threading.Event(), [], {"dials": 0, "listens": 0}
        text = "".join(f"line {i}\n" for i in range(20))

        def work(at):
            while not stop.is_set():
                job = d.run(command=["sh", "-c", "i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.05; done"],
                            requires=f'label.at == "{at}"')
                log = d.log(job["id"])
                if (job["state"], len(job["attempts"]), log) != ("succeeded", 1, text):
                    bad.append((at, job, log))
                counts[at] += 1

        threads = [threading.Thread(target=work, args=(at,)) for at in counts]
        for t in threads:
            t.start()
        try:
            for turn in range(20):
                self.replace(d, plugins, turn)
                wait_until("few old versions are left", lambda: len(d.get("/v1/plugins/sigrun.grpc")["retiring"]) < 6, 60)
                if turn % 5 == 4:
                    before = dict(counts)
                    wait_until("jobs go on", lambda: bad or all(counts[n] > before[n] for n in counts), 60)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(bad[:2], [])
        wait_until("older versions are gone", lambda: d.get("/v1/plugins/sigrun.grpc")["retiring"] == [], 60)

    def test_the_plugin_is_replaced_twenty_times_under_load_and_no_call_is_lost(self):
        plugins = self.dir / "plugins"
        shutil.copytree(BUILD / "plugins", plugins)
        d = self.daemon(plugin_dir=plugins, settings=["plugins.watch=no"])
        self.runner_for(d, slots=8)
        stop, bad, counts = threading.Event(), [], {}

        def repeat(name, what):
            counts[name] = 0

            def loop():
                while not stop.is_set():
                    try:
                        what()
                        counts[name] += 1
                    except Exception as e:  # noqa: BLE001
                        bad.append((name, repr(e)))
            t = threading.Thread(target=loop)
            t.start()
            return t

        jobs, pb = self.pb.jobs_grpc.JobsStub, self.pb.jobs
        steady = [self.channel(d) for _ in range(3)]  # busy all the time: they move by GOAWAY, or not at all
        request = pb.SubmitRequest(spec=pb.JobSpec(kind="call", command=["echo"], durability="memory"), payload=b"x", wait="30s")

        def submit(channel):
            job = jobs(channel).Submit(request, timeout=60)
            assert (job.state, job.result) == ("succeeded", b"x"), job

        def fresh():
            with grpc.insecure_channel(f"127.0.0.1:{d.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                jobs(channel).List(pb.ListJobsRequest(limit=1), timeout=60)

        threads = [repeat(f"steady {i}", lambda c=c: submit(c)) for i, c in enumerate(steady)] + [repeat("fresh", fresh)]
        try:
            for turn in range(22):
                self.replace(d, plugins, turn)
                before = dict(counts)
                wait_until("every kind of caller goes on", lambda: bad or all(counts[n] > before[n] + 1 for n in counts), 60)
                self.assertEqual(bad[:3], [])
                wait_until("few old versions are left", lambda: len(d.get("/v1/plugins/sigrun.grpc")["retiring"]) < 6, 60)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(bad[:3], [])
        for c in steady:
            c.close()
        wait_until("older versions are gone", lambda: d.get("/v1/plugins/sigrun.grpc")["retiring"] == [], 60)
        maps = pathlib.Path(f"/proc/{d.pid}/maps").read_text()
        mapped = {line.rsplit("/", 1)[-1] for line in maps.splitlines() if "/sigrun.grpc-g" in line}
        self.assertEqual(len(mapped), 1, mapped)
        retries = [line for line in d.request("GET", "/metrics")[1].splitlines() if line.startswith("sigrun_job_retries_total")]
        self.assertEqual([float(line.rsplit(" ", 1)[1]) for line in retries], [0.0])


if __name__ == "__main__":
    unittest.main()
