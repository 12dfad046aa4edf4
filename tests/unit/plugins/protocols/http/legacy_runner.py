#!/usr/bin/env python3
"""A stand-in for a legacy HTTP runner. Usage: legacy_runner.py MODE; prints its port, then serves until stdin closes.

One mode per way such a runner can behave. GET /seen tells every other request that came, as JSON."""
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[1]
LOCK = threading.Lock()
JOBS = {}
SEEN = []
CONNECTIONS = set()


def run_job(document):
    """Runs what the submit request asks for, the way MODE reads it; returns exit code and output bytes."""
    payload = bytes(document["payload"]["Small"])
    env = dict(os.environ)
    cwd = None
    if MODE == "exec-script":
        argv = ["sh", "-c", payload.decode("utf-8")]
    elif MODE == "exec-json":
        wanted = json.loads(payload)
        argv, cwd = wanted["command"], wanted["workdir"]
        env.update(wanted["env"])
    else:
        step = document["steps"][0]
        argv, cwd = [step["command"]] + step["args"], step["working_directory"]
        env.update(step["environment"])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env, cwd=cwd, check=False)
    return done.returncode, done.stdout


def result_of(code, output):
    return {"exit_code": code, "output": output, "artifacts": [], "execution_time": 1,
            "resource_usage": {"cpu_time": 2, "memory_peak": 3, "storage_used": 4, "network_bytes": 5}}


class Job:
    def __init__(self, document, number):
        self.document = document
        self.number = number
        self.polls = 0
        self.cancelled = False
        self.result = result_of(0, "done\n")
        if MODE.startswith("exec-"):
            code, output = run_job(document)
            self.result = result_of(code, output.decode("utf-8", "replace"))

    def status(self):
        self.polls += 1
        reply = {"job_id": self.document["job_id"], "status": "completed", "started_at": "2026-01-05T10:00:00Z",
                 "error": None, "result": dict(self.result), "unknown": [1]}
        if MODE == "normal":
            reply["status"] = ["queued", "running", "running", "completed"][min(self.polls, 4) - 1]
            if self.polls < 4:
                reply.pop("result")
        elif MODE == "exit3":
            reply["result"] = result_of(3, "")
        elif MODE == "failed-result":
            reply.update(status="failed", result=result_of(9, "x"), error="broke")
        elif MODE == "failed-plain":
            reply.update(status="failed", result=None, error="broke")
        elif MODE == "never-ran" and self.number > 1:
            reply.update(status="failed", result=None, started_at=None)
        elif MODE == "cancelled-by-runner" or self.cancelled:
            reply.update(status="cancelled", result=None)
        elif MODE in ("waits", "dies"):
            reply.update(status="running", result=None)
        elif MODE == "bad-word":
            reply["status"] = "exploded"
        elif MODE == "fraction":
            reply["result"]["exit_code"] = 0.5
        elif MODE == "big-exit-code":
            reply["result"]["exit_code"] = 1 << 40
        elif MODE == "no-result":
            reply["result"] = None
        elif MODE == "no-usage":
            reply["result"].pop("resource_usage")
        elif MODE == "backwards":
            reply["status"] = ["running", "queued", "running", "completed"][min(self.polls, 4) - 1]
        elif MODE == "bad-then-good" and self.polls < 5:
            reply["status"] = "Completed"
        elif MODE == "artifacts":
            reply["result"]["artifacts"] = ["a/b", "c\"d"]
        elif MODE == "long-output":
            reply["result"]["output"] = "0123456789abcdef" * 16384
        elif MODE == "other-status-id":
            reply["job_id"] = "00000000-0000-5000-8000-000000000000"
        return reply


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        CONNECTIONS.add(self.client_address)

    def reply(self, status, body=b"", headers=()):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster

    def note(self, body=b""):
        with LOCK:
            SEEN.append({"verb": self.command, "path": self.path, "headers": dict(self.headers),
                         "body": body.decode("latin-1")})

    def do_HEAD(self):
        self.note()
        if MODE == "dies" and JOBS:
            return self.hang_up()
        self.reply(404)

    def do_GET(self):
        if self.path == "/seen":
            with LOCK:
                return self.reply(200, {"requests": SEEN, "connections": len(CONNECTIONS)})
        self.note()
        if MODE == "redirect" and not self.path.startswith("/moved/"):
            return self.reply(302, headers=[("Location", "/moved" + self.path)])
        if MODE == "redirect-away":
            return self.reply(302, headers=[("Location", "http://127.0.0.1:1" + self.path)])
        with LOCK:
            job = JOBS.get(self.path.rsplit("/", 1)[-1])
            if job is None or MODE == "forgets":
                return self.reply(404)
            if MODE in ("dies", "vanishes"):
                return self.hang_up()
            reply = job.status()
        if MODE == "not-json":
            return self.reply(200, b"<html>")
        if MODE == "bad-utf8":
            return self.reply(200, json.dumps(reply).encode().replace(b"done", b"d\xff\xfene"))
        if MODE == "too-large":
            return self.reply(200, b" " * 200000 + json.dumps(reply).encode())
        if MODE == "endless-head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000)
            return self.hang_up()
        if MODE == "chunked":
            data = json.dumps(reply).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
            for byte in data:
                self.wfile.write(b"1;x=y\r\n" + bytes([byte]) + b"\r\n")
            self.wfile.write(b"0\r\nTrailer: t\r\n\r\n")
            return None
        if MODE == "until-close":
            self.wfile.write(b"HTTP/1.0 200 fine\r\n\r\n" + json.dumps(reply).encode())
            return self.hang_up()
        return self.reply(200, reply)

    def do_DELETE(self):
        self.cancel(self.path.rsplit("/", 1)[-1])

    def cancel(self, name):
        self.note()
        with LOCK:
            JOBS[name].cancelled = True
        self.reply(202)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/cancel"):
            return self.cancel(self.path.split("/")[-2])
        self.note(body)
        document = json.loads(body)
        name = document["job_id"]
        with LOCK:
            posts = sum(1 for s in SEEN if s["verb"] == "POST")
            if MODE == "post-lost" and posts == 1:
                return self.hang_up()
            if MODE.startswith("status-"):
                return self.reply(int(MODE[7:]), b"because \xff")
            if MODE == "overload" and posts < 3:
                return self.reply(503, headers=[("Retry-After", "0")])
            if MODE == "redirect-post":
                return self.reply(307, headers=[("Location", "/other")])
            JOBS[name] = Job(document, posts)
        if MODE in ("post-silent", "vanishes"):
            return self.hang_up()
        if MODE == "post-not-json":
            return self.reply(200, b"ok")
        if MODE == "post-no-id":
            return self.reply(200, {"status": "queued"})
        if MODE == "other-id":
            return self.reply(200, {"job_id": "00000000-0000-5000-8000-000000000000", "status": "queued"})
        if MODE == "conflict":
            return self.reply(409)
        said = "completed" if MODE == "at-once" else "queued"
        return self.reply(202, {"job_id": name.upper(), "status": said, "extra": None})


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


SERVER = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
print(SERVER.server_port, flush=True)
sys.stdin.read()
