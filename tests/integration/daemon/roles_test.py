"""Who may do what: every method for every role over every protocol, by a table that is written here and not read from the program."""
import http.client
import json
import unittest
import urllib.parse

import grpc_peers

grpc_peers.with_grpc(__file__)

import grpc  # noqa: E402

import valkyrie_frames  # noqa: E402
import ws_frames  # noqa: E402
from harness import FleetTest  # noqa: E402
from secure_fleet import SecureFleet  # noqa: E402

ANYBODY = {"health.live", "runners.register"}  # a runner's proof is in what it says, not in its call
READ = {"jobs.get", "jobs.list", "jobs.logs", "jobs.explain", "artifacts.list", "artifacts.read", "runners.list", "runners.get",
        "runners.export", "plugins.list", "plugins.get", "events.watch", "stats.get", "stats.history", "metrics.get", "version.get",
        "health.ready", "methods.list", "demand.get"}
SUBMIT = {"jobs.submit", "jobs.submit_many", "jobs.cancel", "jobs.retry"}
OPERATE = {"runners.add", "runners.remove", "runners.drain", "runners.resume", "runners.maintenance", "runners.migrate", "runners.detect",
           "runners.reload", "balancers.record", "balancers.recording", "balancers.recorded", "probe.run"}
ADMINISTER = {"plugins.reload", "plugins.pin", "plugins.remove", "plugins.admit", "config.get", "config.reload", "config.rollback",
              "config.show", "config.history", "config.diff", "tokens.create", "tokens.list", "tokens.remove", "tokens.rotate",
              "store.backup", "store.backup_progress"}
MEASURE = {"path.measure"}
MAY = {"reader": ANYBODY | READ, "submitter": ANYBODY | READ | SUBMIT, "operator": ANYBODY | READ | SUBMIT | OPERATE,
       "runner": ANYBODY | MEASURE, "admin": ANYBODY | READ | SUBMIT | OPERATE | ADMINISTER | MEASURE, None: ANYBODY}
REFUSED = {"forbidden", "unauthenticated"}
# Without events of before, a stream's first answer would be the next event.
ARGUMENTS = {"events.watch": {"after": 0}}


class Callers:
    """One caller over each protocol: `calls[protocol](method)` is the code of the problem, or "fine"."""

    def __init__(self, port, stubs, token):
        self.port, self.stubs, self.token, self.number = port, stubs, token, 0
        self.wire = ws_frames.Wire(port, token=token)
        self.valkyrie = valkyrie_frames.Caller(port, token=token)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = stubs.calls_grpc.CallsStub(self.channel)
        self.calls = {"http": self.http, "websocket": self.websocket, "grpc": self.grpc, "valkyrie": self.over_valkyrie}

    def close(self):
        self.wire.socket.close()
        self.valkyrie.close()
        self.channel.close()

    def http(self, method):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        query = urllib.parse.quote(json.dumps(ARGUMENTS.get(method, {})))
        c.request("POST", f"/v1/call/{method}?params={query}", headers={"Authorization": f"Bearer {self.token}"} if self.token else {})
        r = c.getresponse()
        text = r.read() if r.status != 200 else r.readline()
        c.close()
        answer = json.loads(text)
        return answer["code"] if r.status != 200 else self.code(answer.get("flags", 0) & 2, answer.get("json"))

    @staticmethod
    def code(failed, document):
        return document["code"] if failed else "fine"

    def websocket(self, method):
        self.number += 1
        say = lambda frame: self.wire.say(ws_frames.frame(ws_frames.FIN | ws_frames.TEXT, json.dumps(frame).encode()))
        say({"kind": "call", "id": self.number, "method": method, "params": ARGUMENTS.get(method, {})})
        first = reply = self.heard()
        if not reply.get("flags", 0) & 1:
            say({"kind": "end", "id": self.number})
        while not reply.get("flags", 0) & 1:
            reply = self.heard()
        return self.code(first.get("flags", 0) & 2, first.get("json"))

    def heard(self):
        kind, payload = self.wire.hear_message()
        if kind & 0xf == ws_frames.BINARY:
            payload = payload[4:4 + int.from_bytes(payload[:4], "big")]
        return json.loads(payload)

    def grpc(self, method):
        metadata = [("authorization", f"Bearer {self.token}")] if self.token else []
        stream = self.stub.Call(self.stubs.calls.CallRequest(method=method, params=json.dumps(ARGUMENTS.get(method, {}))), metadata=metadata, timeout=30)
        try:
            next(iter(stream), None)
            stream.cancel()
            return "fine"
        except grpc.RpcError as e:
            return grpc_peers.problem_of(e)["code"]

    def over_valkyrie(self, method):
        flags, document, _ = self.valkyrie.call(method, ARGUMENTS.get(method, {}))
        return self.code(flags & valkyrie_frames.ERROR, document)


class Roles(SecureFleet, FleetTest):
    def test_each_role_may_what_it_should_and_nothing_else_over_every_protocol(self):
        d = self.daemon(settings=["auth.required=yes", "auth.trust_loopback=no"])
        d.socket = f"valkyrie+unix://{d.state_dir}/sigrun.sock"
        tokens = {role: role and self.token(d, role, "--role", role) for role in MAY}
        stubs = grpc_peers.Stubs(self.dir / "stubs")
        listing = Callers(d.port, stubs, tokens["reader"])
        _, answer, _ = listing.valkyrie.call("methods.list", {})
        methods = {m["name"] for m in answer["items"]}
        listing.close()
        table = set().union(*MAY.values())
        self.assertEqual(methods - table, set(), "a new method: who may call it?")
        self.assertEqual(table - methods, set(), "no such method")
        self.assertEqual(len(methods), len(ANYBODY) + len(READ) + len(SUBMIT) + len(OPERATE) + len(ADMINISTER) + len(MEASURE))
        wrong = []
        for role, allowed in MAY.items():
            who = Callers(d.port, stubs, tokens[role])
            for protocol, call in who.calls.items():
                for method in sorted(methods - {"runners.register"}):
                    code = call(method)
                    refusal = "forbidden" if role else "unauthenticated"
                    good = code not in REFUSED if method in allowed else code == refusal
                    if not good:
                        wrong.append(f"{role} over {protocol}: {method} is answered {code}")
                    if method == "balancers.record" and code == "fine":
                        call("balancers.recorded")
            who.close()
        self.assertEqual(wrong, [])

    def test_a_token_that_has_ended_or_was_never_made_is_nobodys(self):
        d = self.daemon(settings=["auth.required=yes", "auth.trust_loopback=no"])
        d.socket = f"valkyrie+unix://{d.state_dir}/sigrun.sock"
        old = self.token(d, "old", "--role", "admin")
        self.admin(d, "token", "rm", "old")
        stubs = grpc_peers.Stubs(self.dir / "stubs")
        for token in (old, "sgt_" + "0" * 16 + "_" + "0" * 64, "nonsense"):
            who = Callers(d.port, stubs, token)
            self.assertEqual({p: call("jobs.list") for p, call in who.calls.items()}, {p: "unauthenticated" for p in who.calls}, token)
            who.close()


if __name__ == "__main__":
    unittest.main()
