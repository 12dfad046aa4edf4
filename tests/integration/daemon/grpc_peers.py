"""gRPC as others speak it: stubs that protoc and grpcio's own plugin make of the shipped .proto files, and a minimal runner
on top of them. Needs python3-grpcio, which Debian installs for its own interpreter."""
import importlib
import json
import os
import pathlib
import queue
import secrets
import subprocess
import sys
import threading

SOURCE = pathlib.Path(os.environ["SIGRUN_SOURCE_DIR"])
PROTO = SOURCE / "plugins/protocols/grpc/proto"
NAMES = ["calls", "events", "jobs", "runners", "sessions"]


def with_grpc(script):
    """Starts the test again under the system's interpreter if this one has no grpcio."""
    try:
        import grpc  # noqa: F401
        import google.protobuf  # noqa: F401
    except ImportError:
        if os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3"):
            raise
        os.execv("/usr/bin/python3", ["/usr/bin/python3", "-W", "ignore", script, *sys.argv[1:]])


class Stubs:
    def __init__(self, folder):
        plugin = subprocess.run(["which", "grpc_python_plugin"], capture_output=True, text=True, check=True).stdout.strip()
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Python has a package grpc of its own, so the health service gets another folder.
        health = folder / "health_service.proto"
        health.write_text((PROTO / "grpc/health/v1/health.proto").read_text())
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--proto_path={folder}", f"--python_out={folder}", f"--grpc_out={folder}",
                        f"--plugin=protoc-gen-grpc={plugin}", *(f"sigrun/v1/{n}.proto" for n in NAMES), str(health)], check=True)
        sys.path.insert(0, str(folder))
        for n in NAMES:
            setattr(self, n, importlib.import_module(f"sigrun.v1.{n}_pb2"))
            setattr(self, f"{n}_grpc", importlib.import_module(f"sigrun.v1.{n}_pb2_grpc"))
        self.health = importlib.import_module("health_service_pb2")
        self.health_grpc = importlib.import_module("health_service_pb2_grpc")


def problem_of(error):
    """The problem document of a failed call."""
    for key, value in error.trailing_metadata() or ():
        if key == "sigrun-problem-bin":
            return json.loads(value)
    return None


class MinimalRunner:
    """Registers over Sessions.Open and answers offers as the test says."""

    def __init__(self, stubs, channel, name, slots=1):
        self.pb, self.frames, self._out = stubs.sessions, queue.Queue(), queue.Queue()
        self.hello = {"name": name, "key": secrets.token_hex(16), "session": secrets.token_hex(16), "generation": 1,
                      "process": secrets.token_hex(8), "slots": slots, "labels": {}, "kinds": ["process", "call"],
                      "protocols": ["grpc"], "facts": [], "inventory": []}
        first = self.pb.SessionMessage()
        first.call.method = "runners.register"
        first.call.document = json.dumps(self.hello)
        self._out.put(first)
        self.answers = stubs.sessions_grpc.SessionsStub(channel).Open(iter(self._out.get, None))
        welcome = next(self.answers).frame
        assert welcome.kind == self.pb.Frame.REPLY and welcome.flags & 5 == 5, welcome
        self.welcome = json.loads(welcome.json)
        self.running = True
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def _read(self):
        try:
            for message in self.answers:
                kind = message.WhichOneof("content")
                if kind == "ping":
                    self._out.put(self.pb.SessionMessage(pong=message.ping))
                elif kind == "frame":
                    self.frames.put(message.frame)
        except Exception as e:  # noqa: BLE001 - the end of the stream
            self.frames.put(e)
        self.frames.put(None)

    def _beat(self):
        while self.running:
            self.send(self.pb.Frame.BEAT, json={"free": 1, "live": 0})
            threading.Event().wait(1)

    def send(self, kind, flags=0, attempt=None, json=None, payload=None, **fields):
        message = self.pb.SessionMessage()
        message.frame.kind, message.frame.flags = kind, flags
        if attempt is not None:
            message.frame.attempt.CopyFrom(attempt)
        if json is not None:
            message.frame.json = globals()["json"].dumps(json)
        if payload is not None:
            message.frame.payload = payload
        for name, value in fields.items():
            setattr(message.frame, name, value)
        self._out.put(message)

    def expect(self, kind, deadline=30):
        while True:
            frame = self.frames.get(timeout=deadline)
            if frame is None or isinstance(frame, Exception):
                raise AssertionError(f"the session ended: {frame!r}")
            if frame.kind == kind:
                return frame

    def close(self):
        self.running = False
        self._out.put(None)
