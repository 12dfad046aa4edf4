"""WebSocket with real programs: peers on libraries that nobody here wrote, and our own runner over it, both ways of dialling."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import unittest

from harness import SOURCE, FleetTest, free_port, wait_until

PEERS = SOURCE / "tests/integration/daemon/ws_peers"


def python_with_websockets():
    """The interpreter that Debian's python3-websockets is for may not be the one that runs this."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import websockets"], capture_output=True).returncode == 0:
            return python
    raise AssertionError("no python3 has the module websockets; etc/install-deps.sh installs it")


def node():
    """`node` and the environment in which it finds Debian's modules."""
    program = shutil.which("node") or shutil.which("nodejs")
    if not program:
        raise AssertionError("node is missing; etc/install-deps.sh installs it")
    return program, {"NODE_PATH": "/usr/share/nodejs"}


class Relay:
    """A TCP relay that can be cut: every connection through it breaks, new ones are taken again when told so."""

    def __init__(self, port):
        self.target, self.pairs, self.open = port, [], True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if not self.open:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.open = False
        for pair in self.pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []

    def mend(self):
        self.open = True

    def close(self):
        self.listener.close()
        self.cut()


class WebSocket(FleetTest):
    def url(self, d):
        return f"ws://127.0.0.1:{d.port}/v1/session"

    def called(self, argv, env=None):
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def assert_calls_went_well(self, out, text, exit_code):
        self.assertEqual(out["subprotocol"], "sigrun.v1")
        self.assertIn("permessage-deflate", out["extensions"])
        self.assertIn("version", out["version"])
        self.assertEqual((out["job"]["state"], out["job"]["exit_code"]), ("failed", exit_code), out["job"])
        self.assertEqual(sorted(out["log"].splitlines()), text)
        self.assertEqual(out["begun"], "begun\n")
        self.assertEqual(out["followed_to"]["state"], "cancelled", out["followed_to"])
        self.assertEqual(out["echoed"], [True, "succeeded"])
        self.assertEqual(out["ended"], [3, "cancelled"])
        self.assertEqual(out["close_code"], 1000)

    def test_python_websockets_drives_the_control_api(self):
        d = self.daemon()
        self.runner_for(d)
        out = self.called([python_with_websockets(), PEERS / "caller.py", self.url(d)])
        self.assert_calls_went_well(out, ["to err", "to out"], 3)
        self.assertEqual(out["states"], ["succeeded"])
        (flags, problem), (_, unknown) = out["refused"]
        self.assertEqual((flags, problem["code"]), (3, "invalid"), problem)
        self.assertIn("code", unknown)

    def test_the_example_of_the_readme_runs(self):
        d = self.daemon()
        self.runner_for(d)
        readme = (SOURCE / "plugins/protocols/websocket/README.md").read_text()
        example = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1).replace("127.0.0.1:7070", f"127.0.0.1:{d.port}")
        done = subprocess.run([python_with_websockets(), "-c", example], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "1\n2\n3\n"), done.stderr)

    def test_node_ws_drives_the_control_api(self):
        d = self.daemon()
        self.runner_for(d)
        program, env = node()
        self.assert_calls_went_well(self.called([program, PEERS / "caller.js", self.url(d)], env), ["from node"], 4)

    def foreign_runner(self, argv, by, env=None):
        d = self.daemon()
        p = self.program(*argv, self.url(d), f"by-{by}", env=env)
        p.wait_line("registered as")
        self.assertEqual(d.runner_status(f"by-{by}", "online")["rung"], "websocket")
        job = d.run(command=["sh", "-c", "echo one; sleep 0.2; echo two; exit 5"], requires=f'label.by == "{by}"')
        self.assertEqual((job["state"], job["exit_code"], job["protocol"]), ("failed", 5, "websocket"), job)
        self.assertEqual(d.log(job["id"]), "one\ntwo\n")
        many = d.run(command=["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"])
        self.assertEqual((many["state"], many["log_bytes"]), ("succeeded", 3_000_000), many)
        long_job = d.submit(command=["sleep", "600"])
        wait_until("it runs", lambda: d.job(long_job)["state"] == "running")
        d.request("POST", f"/v1/jobs/{long_job}/cancel")
        self.assertEqual(d.finished(long_job)["state"], "cancelled")
        p.kill()
        d.runner_status(f"by-{by}", "offline")

    def test_a_minimal_runner_on_python_websockets_runs_jobs(self):
        self.foreign_runner([python_with_websockets(), PEERS / "runner.py"], "python")

    def test_a_minimal_runner_on_node_ws_runs_jobs(self):
        program, env = node()
        self.foreign_runner([program, PEERS / "runner.js"], "node", env)

    def test_plain_http_on_the_same_port_is_left_alone(self):
        d = self.daemon()
        self.assertEqual(d.request("GET", "/healthz")[0], 200)
        with socket.create_connection(("127.0.0.1", d.port), timeout=30) as s:  # a head in two parts
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
            threading.Event().wait(0.1)
            s.sendall(b"alhost\r\nConnection: close\r\n\r\n")
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200"))
        status, problem = d.request("GET", "/v1/session", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        self.assertEqual((status, problem["field"]), (426, "Sec-WebSocket-Version"))

    def only_websocket(self, d, port, *extra):
        p = self.start_runner("ws", "--url", f"ws://127.0.0.1:{port}", "--slots", "4", "--set", "runner.protocols=websocket", *extra)
        r = d.runner_status("ws", "online")
        self.assertEqual(r["rung"], "websocket", r)
        return p

    def test_our_runner_dials_in_over_websocket_and_runs_jobs(self):
        d = self.daemon()
        self.only_websocket(d, d.port)
        job = d.run(command=["sh", "-c", "echo over; echo websocket >&2; exit 6"])
        self.assertEqual((job["state"], job["exit_code"], job["protocol"]), ("failed", 6, "websocket"), job)
        self.assertEqual(sorted(d.log(job["id"]).split()), ["over", "websocket"])
        out = self.sigrun(d, "--url", f"ws://127.0.0.1:{d.port}", "run", "--", "sh", "-c", "echo streamed; exit 7", check=7).stdout
        self.assertEqual(out, "streamed\n")
        long_job = d.submit(command=["sleep", "600"])
        wait_until("it runs", lambda: d.job(long_job)["state"] == "running")
        d.request("POST", f"/v1/jobs/{long_job}/cancel")
        self.assertEqual(d.finished(long_job)["state"], "cancelled")

    def test_a_job_and_its_log_outlive_a_broken_websocket(self):
        d = self.daemon()
        relay = Relay(d.port)
        self.addCleanup(relay.close)
        self.only_websocket(d, relay.port)
        script = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"
        job_id = d.submit(command=["sh", "-c", script])
        wait_until("it writes", lambda: "line 3" in d.log(job_id))
        relay.cut()
        d.runner_status("ws", "offline")
        relay.mend()
        job = d.finished(job_id, 60)
        self.assertEqual((job["state"], len(job["attempts"]), job["protocol"]), ("succeeded", 1, "websocket"), job)
        self.assertEqual(d.log(job_id), "".join(f"line {i}\n" for i in range(40)))

    def test_a_listening_runner_is_dialled_over_websocket(self):
        d = self.daemon()
        port = free_port()
        self.start_runner("listens", "--listen", f"127.0.0.1:{port}", "--slots", "2", wait="listening")
        status, body = d.request("POST", "/v1/runners", {"name": "listens", "endpoint": f"ws://127.0.0.1:{port}"})
        self.assertIn(status, (200, 201), body)

        def up():
            return [p for p in d.runner("listens")["protocols"] if p["name"] == "websocket" and p["state"] == "up"]
        p = wait_until("websocket is up", up)[0]
        self.assertGreater(wait_until("its round trip is measured", lambda: up()[0]["latency_us"]), 0)
        job = d.run(command=["echo", "dialled"], protocol="websocket")
        self.assertEqual((job["state"], job["protocol"]), ("succeeded", "websocket"), (job, p))
        self.assertEqual(d.log(job["id"]), "dialled\n")
        long_job = d.submit(command=["sleep", "600"], protocol="websocket")
        wait_until("it runs", lambda: d.job(long_job)["state"] == "running")
        d.request("POST", f"/v1/jobs/{long_job}/cancel")
        self.assertEqual(d.finished(long_job)["state"], "cancelled")


if __name__ == "__main__":
    unittest.main()
