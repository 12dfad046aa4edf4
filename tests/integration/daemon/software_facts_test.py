"""What runners say of their software, of container engines, and what their operator declares; and jobs that ask for it."""
import concurrent.futures
import http.server
import json
import os
import shutil
import socketserver
import subprocess
import threading
import unittest

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

from harness import BIN, FleetTest, wait_until  # noqa: E402


class Engine(http.server.BaseHTTPRequestHandler):
    """Answers as Docker does."""
    protocol_version = "HTTP/1.1"
    BODIES = {"/_ping": "OK", "/version": '{"Version": "24.0.7", "ApiVersion": "1.43"}', "/info": '{"Driver": "overlay2"}'}

    def do_GET(self):
        body = self.BODIES[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class Answers(grpc.GenericRpcHandler):
    """Serves methods that take nothing and give these bytes."""

    def __init__(self, methods):
        self.methods = methods

    def service(self, call):
        answer = self.methods.get(call.method)
        return answer and grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


class SoftwareFacts(FleetTest):
    def facts_of(self, d, name="r1"):
        return {f["key"]: f for f in d.runner(name)["facts"]}

    def runner(self, d, *settings):
        extra = ["--set", "runner.facts_interval=1s"]
        for s in settings:
            extra += ["--set", s]
        return self.runner_for(d, "r1", extra=tuple(extra))

    def test_mission_D12_jobs_ask_for_a_language_that_the_program_itself_has_confirmed(self):
        folder = self.dir / "programs"
        folder.mkdir()
        program = folder / "racket"
        program.write_text("#!/bin/sh\necho Welcome to Racket v8.7.\n")
        program.chmod(0o755)
        d = self.daemon()
        # The two components have the folder in common.
        self.runner(d, f"instance software.folders={folder}", f"instance software_verify.folders={folder}")
        job = d.run(command=["true"], requires='any(l in lang, l.name == "racket" && l.verified && l.version >= v"8.7")', wait="60s")
        self.assertEqual(job["state"], "succeeded", job)
        record = [r for r in self.facts_of(d)["lang"]["value"] if r["name"] == "racket"]
        self.assertEqual(record[0]["found_by"], "execution")

    def test_mission_D11_an_engine_is_usable_while_it_answers(self):
        path = str(self.dir / "docker.sock")
        server = Server(path, Engine)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        d = self.daemon()
        self.runner(d, f"instance containers.sockets=docker={path}")
        mine = lambda: next(r for r in d.facts("r1", "runtime")["runtime"]["value"] if r["socket"] == path)
        self.assertEqual((mine()["version"], mine()["usable"], mine()["storage_driver"]), ("24.0.7", True, "overlay2"))
        wanted = 'any(r in runtime, r.name == "docker" && r.usable && r.version >= v"24")'
        self.assertEqual(d.run(command=["true"], requires=wanted)["state"], "succeeded")
        server.shutdown()
        server.server_close()
        # Nothing tells of it: it is asked again when the answer is 30 s old.
        wait_until("the engine is known to be gone", lambda: not mine()["usable"], deadline=60)
        self.assertEqual(d.job(d.submit(command=["true"], requires=wanted))["state"], "queued")

    def test_mission_D11_engines_of_the_runtime_interface_say_their_version(self):
        # VersionResponse of k8s.io/cri-api: runtime_name, runtime_version, runtime_api_version; and containerd's own.
        text = lambda field, value: bytes([field << 3 | 2, len(value)]) + value.encode()
        cri = text(1, "0.1.0") + text(2, "cri-o") + text(3, "1.30.2") + text(4, "v1")
        sockets = {}
        for name, methods in (("cri-o", {"/runtime.v1.RuntimeService/Version": cri}),
                              ("containerd", {"/containerd.services.version.v1.Version/Version": text(1, "v2.0.5") + text(2, "abc")})):
            sockets[name] = str(self.dir / f"{name}.sock")
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
            server.add_generic_rpc_handlers((Answers(methods),))
            server.add_insecure_port(f"unix:{sockets[name]}")
            server.start()
            self.addCleanup(lambda s=server: s.stop(0).wait())
        d = self.daemon()
        self.runner(d, "instance containers.sockets=" + ",".join(f"{name}={path}" for name, path in sockets.items()))
        mine = {r["socket"]: r for r in d.facts("r1", "runtime")["runtime"]["value"]}
        found = {name: (mine[path]["version"], mine[path]["usable"], mine[path].get("api")) for name, path in sockets.items()}
        self.assertEqual(found, {"cri-o": ("1.30.2", True, "1"), "containerd": ("2.0.5", True, None)})

    def test_declared_facts_come_and_go_with_their_file(self):
        folder = self.dir / "facts.d"
        folder.mkdir()
        (folder / "rack.ini").write_text("[custom]\nrack = r12\n[memory]\ntotal_bytes = 4096\n")
        d = self.daemon()
        runner = self.runner(d, f"instance local.folder={folder}")
        facts = d.facts("r1", "custom.rack", "memory.total_bytes")
        self.assertEqual((facts["custom.rack"]["value"], facts["custom.rack"]["method"]), ("r12", "declared"))
        self.assertEqual(facts["memory.total_bytes"]["value"], 4096, "the operator knows better")
        self.assertEqual(d.run(command=["true"], requires='custom.rack == "r12"')["state"], "succeeded")
        (folder / "rack.ini").write_text("custom.rack\n")
        runner.wait_line("rack.ini: line 1: expected key = value, [section] or a comment, found")
        wait_until("the mistake is told", lambda: self.facts_of(d).get("custom.facts_d.rack_ini", {}).get("status") == "error")
        self.assertNotIn("custom.rack", self.facts_of(d), "a file with a mistake says nothing")
        self.assertGreater(self.facts_of(d)["memory.total_bytes"]["value"], 4096)
        (folder / "rack.ini").unlink()
        (folder / "other.json").write_text('{"facts": {"custom.rack": "r13"}}')
        wait_until("the new file is read", lambda: self.facts_of(d).get("custom.rack", {}).get("value") == "r13")
        self.assertNotIn("custom.facts_d.rack_ini", self.facts_of(d))

    def test_probe_asks_the_programs_when_it_is_to_be_thorough(self):
        def tools(*options):
            done = subprocess.run([str(BIN / "sigrun"), "probe", "--only", "tool", "--json", *options], capture_output=True, text=True,
                                  timeout=60, env={**os.environ, "PATH": "/usr/bin:/bin"})
            self.assertEqual(done.returncode, 0, done.stderr)
            return {t["path"]: t for f in json.loads(done.stdout)["facts"] for t in f["value"]}
        tar = shutil.which("tar", path="/usr/bin:/bin")
        self.assertFalse(tools()[tar]["verified"])
        said = subprocess.run([tar, "--version"], capture_output=True, text=True, check=True).stdout
        self.assertTrue(tools("--thorough")[tar]["verified"])
        self.assertIn(tools("--thorough")[tar]["version"], said.splitlines()[0])


if __name__ == "__main__":
    unittest.main()
