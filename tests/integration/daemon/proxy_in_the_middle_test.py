"""A proxy that nobody here wrote stands between the daemon and all who come to it, runners and clients alike: what is said goes
through, silence that the proxy cuts does no harm, and the proxy can be replaced under load."""
import http.client
import json
import os
import subprocess
import threading
import time
import unittest
import urllib.parse

from harness import BIN, FleetTest, wait_until
from proxies import SCHEMES, HAProxy, Nginx

LINES = 5000
PRINTS = f"i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); done; exit 3"


class ProxyInTheMiddle(FleetTest):
    def setUp(self):
        super().setUp()
        self.fronts = []

    def tearDown(self):
        for f in self.fronts:
            f.stop()
            self._programs += f.programs  # their words, if it failed
        super().tearDown()

    def front(self, kind, **options):
        self.fronts.append(kind(self.dir / f"proxy{len(self.fronts)}", self.d.port, **options))
        return self.fronts[-1]

    def fleet(self, kind, slots=2, **options):
        """A daemon, a proxy, and a runner over each protocol whose only way is through it."""
        self.d = self.daemon()
        front = self.front(kind, **options)
        self.runners = {}
        for protocol in SCHEMES:
            self.runners[protocol] = self.program(
                BIN / "sigrun-runner", "--name", protocol, "--state-dir", self.dir / protocol, "--url", front.url(protocol),
                "--slots", slots, "--label", f"by={protocol}", "--set", f"runner.protocols={protocol}")
        for protocol in SCHEMES:
            self.assertEqual(self.d.runner_status(protocol, "online", "busy", deadline=90)["rung"], protocol)
        return front

    def client(self, front, protocol, *words):
        """`sigrun run` through the proxy, on the runner that came the same way."""
        return subprocess.Popen([str(BIN / "sigrun"), "--url", front.url(protocol), "run", "--requires", f'label.by == "{protocol}"',
                                 "--", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, NO_COLOR="1"))

    @staticmethod
    def connections(runner):
        return sum("agent: runner" in line and "connected to" in line for line in runner.lines)

    def finished_jobs(self):
        out, cursor = [], ""
        while True:
            page = self.d.get(f"/v1/jobs?limit=1000{cursor}")
            out += page["items"]
            if not page["next"]:
                return out
            cursor = f"&cursor={urllib.parse.quote(page['next'])}"

    def assert_every_job_ran_once(self, ran):
        """`ran` has a line of each attempt that ran."""
        jobs = self.finished_jobs()
        self.assertEqual({j["state"] for j in jobs}, {"succeeded"}, [j for j in jobs if j["state"] != "succeeded"][:1])
        attempts = {len(self.d.job(j["id"])["attempts"]) for j in jobs}
        self.assertEqual(attempts, {1})
        self.assertEqual(sorted(ran.read_text().split()), sorted(j["id"] for j in jobs))
        return {j["id"] for j in jobs}

    # -- what is said goes through ---------------------------------------------------------------------------------------

    def output_arrives(self, kind):
        front = self.fleet(kind)
        clients = {p: self.client(front, p, "sh", "-c", PRINTS) for p in SCHEMES}
        for protocol, c in clients.items():
            out, err = c.communicate(timeout=60)
            self.assertEqual((c.returncode, out), (3, "".join(f"line {i}\n" for i in range(LINES))), (protocol, err))
            self.assertIn(f"on {protocol} over {protocol}", err)
        # What a job prints is there while it runs: no proxy keeps it until there is more.
        gate = self.dir / "gate"
        job = self.d.submit(command=["sh", "-c", f"echo first; while [ ! -e {gate} ]; do sleep 0.05; done; echo last"])
        base = f"http://127.0.0.1:{front.ports['http']}/v1/jobs/{job}/logs?follow=true"
        raw = self.program("curl", "-sSN", base)
        events = self.program("curl", "-sSN", "-H", "Accept: text/event-stream", base)
        raw.wait_line("first", 10)
        events.wait_line('"text":"first\\n"', 10)
        gate.touch()
        raw.wait_line("last", 10)
        events.wait_line("event: end", 10)
        self.assertEqual(self.d.finished(job)["state"], "succeeded")

    def test_jobs_and_their_output_go_through_haproxy_over_each_protocol(self):
        self.output_arrives(HAProxy)

    def test_jobs_and_their_output_go_through_nginx_over_each_protocol(self):
        self.output_arrives(Nginx)

    def test_nginx_on_its_defaults_carries_http(self):
        self.d = self.daemon()
        front = self.front(Nginx)
        url = f"http://127.0.0.1:{front.ports['bare']}"
        self.program(BIN / "sigrun-runner", "--name", "r", "--state-dir", self.dir / "r", "--url", url, "--set", "runner.protocols=http")
        self.d.runner_status("r", "online")
        done = subprocess.run([BIN / "sigrun", "--url", url, "run", "--", "sh", "-c", PRINTS], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (3, "".join(f"line {i}\n" for i in range(LINES))), done.stderr)

    # -- silence is cut --------------------------------------------------------------------------------------------------

    def quiet_jobs_live(self, kind):
        """A proxy that cuts everything that is silent for two seconds, and jobs that say nothing for six."""
        front = self.fleet(kind, idle=2)
        ran = self.dir / "ran"
        script = f"echo $SIGRUN_JOB >> {ran}; echo begun; echo why >&2; sleep 6; echo ended"
        clients = {p: self.client(front, p, "sh", "-c", script) for p in SCHEMES}
        for protocol, c in clients.items():
            out, err = c.communicate(timeout=60)
            self.assertEqual((c.returncode, out), (0, "begun\nended\n"), (protocol, err))
            self.assertEqual(err.count("why\n"), 1, err)
        ids = self.assert_every_job_ran_once(ran)
        self.assertEqual(len(ids), len(SCHEMES))
        for job in ids:
            self.assertEqual(sorted(self.d.log(job).splitlines()), ["begun", "ended", "why"])
        # It was cut: sessions that are one stream came again, unless a ping broke the silence, while one of HTTP has none that
        # could break.
        came = {p: self.connections(r) for p, r in self.runners.items()}
        self.assertEqual(came.pop("http"), 1)
        self.assertGreater(max(came.values()), 1, f"the proxy cut no session: {came}")

    def test_a_quiet_job_lives_through_the_idle_timeouts_of_haproxy(self):
        self.quiet_jobs_live(HAProxy)

    def test_a_quiet_job_lives_through_the_idle_timeouts_of_nginx(self):
        self.quiet_jobs_live(Nginx)

    # -- the proxy is replaced -------------------------------------------------------------------------------------------

    def submit_once(self, front, key, document):
        """One job through the HTTP port, asked for with its key until somebody answers."""
        end = time.monotonic() + 30
        while True:
            c = http.client.HTTPConnection("127.0.0.1", front.ports["http"], timeout=20)
            try:
                c.request("POST", "/v1/jobs?wait=20s", json.dumps(document),
                          {"Content-Type": "application/json", "Idempotency-Key": key})
                r = c.getresponse()
                body = r.read()
                if r.status in (200, 201):
                    return json.loads(body)
                if r.status not in (502, 503, 504):  # those are the proxy's
                    raise AssertionError((r.status, body))
            except (OSError, http.client.HTTPException):
                pass
            finally:
                c.close()
            self.lost += 1
            self.assertLess(time.monotonic(), end, "nobody answers")
            threading.Event().wait(0.05)

    def load(self, front, ran):
        """Jobs over each protocol, on each runner, one after another until told to stop."""
        self.stopping, self.wrong, self.calls, self.lost = threading.Event(), [], {}, 0
        self.keys = {}
        # Longer than a replaced process waits for what goes over it: calls are cut, too, and not only sessions.
        script = f"echo $SIGRUN_JOB >> {ran}; echo one; sleep 2; echo two"

        def run(protocol):
            while not self.stopping.is_set() and not self.wrong:
                c = self.client(front, protocol, "sh", "-c", script)
                out, err = c.communicate(timeout=60)
                self.calls[protocol] = self.calls.get(protocol, 0) + 1
                if (c.returncode, out) != (0, "one\ntwo\n"):
                    self.wrong.append((protocol, c.returncode, out, err))

        def submit(number):
            while not self.stopping.is_set() and not self.wrong:
                key = f"{number}-{self.calls.get(number, 0)}"
                try:
                    job = self.submit_once(front, key, {"command": ["sh", "-c", script]})
                except AssertionError as e:
                    self.wrong.append(e)
                    return
                self.keys[key] = job["id"]
                self.calls[number] = self.calls.get(number, 0) + 1

        threads = [threading.Thread(target=run, args=(p,)) for p in SCHEMES]
        threads += [threading.Thread(target=submit, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        self.addCleanup(self.stopping.set)
        return threads

    def replaced_under_load(self, kind, how, **options):
        """The promise: who runs a job through `sigrun run` sees its output once and its own exit code, whatever happens in
        between; a submit by other means that was cut can be made again with its key and is the same job; and each job runs
        once, since its runner lives and comes again."""
        front = self.fleet(kind, slots=4, linger=1, **options)
        ran = self.dir / "ran"
        threads = self.load(front, ran)

        def goes_on():
            before = dict(self.calls)
            wait_until("jobs go on everywhere", lambda: self.wrong or (len(self.calls) == len(threads) and all(
                n > before.get(who, 0) for who, n in self.calls.items())), 40)
            self.assertEqual(self.wrong, [])
        goes_on()
        for turn in range(8):
            how(front, turn)
            if turn and self.lost:
                break  # calls were cut, too
        goes_on()
        self.stopping.set()
        for t in threads:
            t.join(60)
        self.assertEqual(self.wrong, [])
        ids = self.assert_every_job_ran_once(ran)
        self.assertEqual(len(set(self.keys.values())), len(self.keys), "a key is one job")
        self.assertEqual(len(ids), sum(self.calls.values()), "no job was made twice")
        came = {p: self.connections(r) for p, r in self.runners.items()}
        self.assertTrue(all(n > 1 for p, n in came.items() if p != "http"), f"the proxy cut no session: {came}")
        self.assertGreater(self.lost, 0, "the proxy cut no call")
        print(f"{kind.__name__}: {self.calls} jobs, {self.lost} submits cut, runners connected {came}")

    def test_haproxy_is_reloaded_under_load_and_nothing_is_lost(self):
        self.replaced_under_load(HAProxy, lambda front, _: front.restart(), master=True)

    def test_haproxy_is_started_anew_with_sf_under_load_and_nothing_is_lost(self):
        self.replaced_under_load(HAProxy, lambda front, _: front.restart())

    def test_nginx_is_reloaded_and_its_binary_replaced_under_load_and_nothing_is_lost(self):
        self.replaced_under_load(Nginx, lambda front, turn: front.upgrade() if turn == 1 else front.restart())


if __name__ == "__main__":
    unittest.main()
