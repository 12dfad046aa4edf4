"""A caller of the control API over WebSocket, on the library `websockets` (Debian: python3-websockets): submits, follows the
log, cancels. Written against plugins/protocols/websocket/PROTOCOL.md. Prints one JSON object.

usage: caller.py URL"""
import asyncio
import json
import struct
import sys

import websockets

LAST, ERROR = 1, 2


class Peer:
    def __init__(self, ws):
        self.ws, self.calls, self.last_id = ws, {}, 0
        self.reader = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self.ws:
            payload = b""
            if isinstance(message, bytes):
                size, = struct.unpack_from(">I", message)
                message, payload = message[4:4 + size], message[4 + size:]
            frame = json.loads(message)
            if frame["kind"] == "reply":
                self.calls[frame["id"]].put_nowait((frame, payload))

    async def start(self, method, params=None, document=None, payload=None):
        self.last_id += 1
        frame = {"kind": "call", "id": self.last_id, "method": method}
        if params is not None:
            frame["params"] = params
        if document is not None:
            frame["json"] = document
        self.calls[self.last_id] = asyncio.Queue()
        text = json.dumps(frame)
        if payload is not None:
            text = struct.pack(">I", len(text.encode())) + text.encode() + payload
        await self.ws.send(text)
        return self.last_id

    async def next(self, call):
        frame, payload = await asyncio.wait_for(self.calls[call].get(), 60)
        return frame.get("flags", 0), frame.get("json"), payload

    async def call(self, method, params=None, document=None, payload=None):
        flags, answer, bytes_ = await self.next(await self.start(method, params, document, payload))
        assert flags & LAST, (method, flags)
        return flags, answer, bytes_


async def follow(peer, job):
    call, text = await peer.start("jobs.logs", {"id": job, "follow": True}), b""
    while True:
        flags, answer, payload = await peer.next(call)
        text += payload
        if flags & LAST:
            return text, answer


async def main(url):
    out = {}
    async with websockets.connect(url, subprotocols=["sigrun.v1"], max_size=16 << 20) as ws:
        peer = Peer(ws)
        out["subprotocol"] = ws.subprotocol
        out["extensions"] = [e.name for e in ws.extensions]
        out["version"] = (await peer.call("version.get"))[1]
        flags, job, _ = await peer.call("jobs.submit", {"wait": "30s"},
                                        {"command": ["sh", "-c", "echo to out; echo to err >&2; exit 3"]})
        out["job"] = job
        out["log"] = (await follow(peer, job["id"]))[0].decode()
        # A job that goes on: its log is followed while it is cancelled over the same connection.
        _, long_job, _ = await peer.call("jobs.submit", {}, {"command": ["sh", "-c", "echo begun; exec sleep 600"]})
        following = await peer.start("jobs.logs", {"id": long_job["id"], "follow": True})
        _, _, out["begun"] = await peer.next(following)
        out["begun"] = out["begun"].decode()
        await peer.call("jobs.cancel", {"id": long_job["id"], "grace": "1s"})
        while True:
            flags, answer, _ = await peer.next(following)
            if flags & LAST:
                out["followed_to"] = answer
                break
        # Bytes in and out, beside JSON.
        blob = bytes(range(256)) * 400
        flags, answer, result = await peer.call("jobs.submit", {"wait": "30s"}, {"kind": "call", "command": ["echo"]}, blob)
        out["echoed"] = result == blob, answer["state"]
        # Many at once.
        jobs = await asyncio.gather(*(peer.call("jobs.submit", {"wait": "60s"}, {"command": ["true"]}) for _ in range(40)))
        out["states"] = sorted({answer["state"] for _, answer, _ in jobs})
        # An endless call is ended by its caller.
        endless = await peer.start("events.watch", {})
        await ws.send(json.dumps({"kind": "end", "id": endless}))
        while True:
            flags, answer, _ = await peer.next(endless)
            if flags & LAST:
                out["ended"] = flags, answer["code"]
                break
        out["refused"] = [(await peer.call("jobs.get", {"id": "nothing"}))[:2], (await peer.call("no.such"))[:2]]
        pong = await ws.ping()
        await asyncio.wait_for(pong, 10)
    out["close_code"] = ws.close_code
    print(json.dumps(out))


asyncio.run(main(sys.argv[1]))
