"""A minimal runner over WebSocket, on the library `websockets` (Debian: python3-websockets): registers, runs what it is offered,
sends its output as it comes, obeys CANCEL. Written against plugins/protocols/websocket/PROTOCOL.md and kernel/serve/README.md.

usage: runner.py URL NAME"""
import asyncio
import json
import secrets
import signal
import struct
import sys

import websockets

LAST, LINK = 1, 4
OFFER, LOG = 2, 4


class Runner:
    def __init__(self, ws, name):
        self.ws, self.name, self.running = ws, name, {}

    async def send(self, frame, payload=None):
        text = json.dumps(frame)
        await self.ws.send(text if payload is None else struct.pack(">I", len(text.encode())) + text.encode() + payload)

    async def register(self):
        hello = {"name": self.name, "key": secrets.token_hex(16), "session": secrets.token_hex(16), "generation": 1,
                 "process": secrets.token_hex(8), "slots": 4, "labels": {"by": "python"}, "kinds": ["process"],
                 "protocols": ["websocket"], "facts": [], "inventory": []}
        await self.send({"kind": "call", "id": 1, "method": "runners.register", "json": hello})
        welcome = json.loads(await self.ws.recv())
        assert welcome["kind"] == "reply" and welcome["flags"] == LAST | LINK, welcome
        print("registered as", welcome["json"]["runner"], flush=True)

    async def beat(self):
        while True:
            await self.send({"kind": "beat", "json": {"free": 4 - len(self.running), "live": len(self.running)}})
            await asyncio.sleep(1)

    async def run(self, offer):
        attempt, command = offer["attempt"], offer["json"]["command"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                                                       start_new_session=True)
        self.running[attempt["token"]] = process
        offset = 0
        while data := await process.stdout.read(16384):
            await self.send({"kind": "log", "attempt": attempt, "stream": 1, "offset": offset}, data)
            offset += len(data)
        code = await process.wait()
        del self.running[attempt["token"]]
        state = {"state": "succeeded", "exit_code": 0} if code == 0 else {"state": "failed", "exit_code": code} if code > 0 else \
            {"state": "cancelled", "signal": -code}
        await self.send({"kind": "state", "flags": LAST, "attempt": attempt, "offset": offset, "json": state})

    async def serve(self):
        tasks = [asyncio.create_task(self.beat())]
        async for message in self.ws:
            if isinstance(message, bytes):
                size, = struct.unpack_from(">I", message)
                message = message[4:4 + size]
            frame = json.loads(message)
            if frame["kind"] == "offer":
                await self.send({"kind": "ack", "stream": OFFER, "attempt": frame["attempt"]})
                tasks.append(asyncio.create_task(self.run(frame)))
            elif frame["kind"] == "cancel" and (process := self.running.get(frame["attempt"]["token"])):
                process.send_signal(signal.SIGTERM)
            elif frame["kind"] == "hello" and not frame.get("json"):
                await self.send({"kind": "hello", "json": {"facts": [], "slots": 4, "kinds": ["process"], "inventory": []}})


async def main(url, name):
    async with websockets.connect(url, subprotocols=["sigrun.v1"], max_size=16 << 20) as ws:
        runner = Runner(ws, name)
        await runner.register()
        await runner.serve()


asyncio.run(main(*sys.argv[1:3]))
