"""A caller of the control API over WebSocket on Autobahn's library (Debian: python3-autobahn), which sends messages in fragments
and compressed, and fails a server that breaks RFC 6455. Prints a JSON array, one object for each way of sending.

usage: autobahn_caller.py URL"""
import asyncio
import json
import struct
import sys

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateResponse, PerMessageDeflateResponseAccept

BLOB = bytes(range(256)) * 1000


class Caller(WebSocketClientProtocol):
    def onOpen(self):
        self.calls, self.pongs, self.last = {}, asyncio.Queue(), 0
        self.task = asyncio.get_running_loop().create_task(self.work())

    def onMessage(self, data, binary):
        payload = b""
        if binary:
            size, = struct.unpack_from(">I", data)
            data, payload = data[4:4 + size], data[4 + size:]
        reply = json.loads(data)
        self.calls[reply["id"]].put_nowait((reply, payload))

    def onPong(self, payload):
        self.pongs.put_nowait(payload)

    def onClose(self, clean, code, reason):
        self.factory.result.update(clean=clean, code=code, reason=reason)
        self.factory.closed.set_result(None)

    def start(self, method, params, document=None, payload=b""):
        self.last += 1
        self.calls[self.last] = asyncio.Queue()
        text = json.dumps({"kind": "call", "id": self.last, "method": method, "params": params, "json": document}).encode()
        message = struct.pack(">I", len(text)) + text + payload if payload else text
        self.sendMessage(message, bool(payload), fragmentSize=self.factory.fragment)
        return self.last

    async def ended(self, call):
        """The last reply, and all payloads before it."""
        payloads = b""
        while True:
            reply, payload = await asyncio.wait_for(self.calls[call].get(), 30)
            payloads += payload
            if reply.get("flags", 0) & 1:
                return reply["json"], payloads

    async def work(self):
        try:
            job, _ = await self.ended(self.start("jobs.submit", {"wait": "30s"}, {
                "command": ["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo"]}))
            _, log = await self.ended(self.start("jobs.logs", {"id": job["id"]}))
            self.sendPing(b"p" * 125)
            answer, result = await self.ended(self.start("jobs.submit", {"wait": "30s"}, {"kind": "call", "command": ["echo"]}, BLOB))
            pong = await asyncio.wait_for(self.pongs.get(), 10)
            self.factory.result.update(state=job["state"], log=log.decode(), echoed=result == BLOB and answer["state"] == "succeeded",
                                       pong=pong == b"p" * 125)
        except Exception as e:  # noqa: BLE001 - shown by the test
            self.factory.result["error"] = repr(e)
        self.sendClose(1000, "done")


async def ask(url, how, fragment, compressed):
    factory = WebSocketClientFactory(url, protocols=["sigrun.v1"])
    factory.protocol, factory.fragment, factory.result = Caller, fragment, {"how": how}
    factory.closed = asyncio.get_running_loop().create_future()
    factory.setProtocolOptions(utf8validateIncoming=True, failByDrop=False, maxMessagePayloadSize=16 << 20)
    if compressed:
        factory.setProtocolOptions(perMessageCompressionOffers=[PerMessageDeflateOffer()], perMessageCompressionAccept=lambda response: (
            PerMessageDeflateResponseAccept(response) if isinstance(response, PerMessageDeflateResponse) else None))
    await asyncio.get_running_loop().create_connection(factory, factory.host, factory.port)
    await asyncio.wait_for(factory.closed, 60)
    return factory.result


async def main(url):
    print(json.dumps([await ask(url, *way) for way in (("whole", None, False), ("fragments of 1000", 1000, False),
                                                       ("compressed", None, True), ("compressed, fragments of 99", 99, True))]))


asyncio.run(main(sys.argv[1]))
