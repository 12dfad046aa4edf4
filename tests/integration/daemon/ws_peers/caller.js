// A caller of the control API over WebSocket, on the library `ws` (Debian: node-ws): submits, follows the log, cancels. Written
// against plugins/protocols/websocket/PROTOCOL.md. Prints one JSON object.
//
// usage: node caller.js URL
'use strict';
const WebSocket = require('ws');
const LAST = 1;

const ws = new WebSocket(process.argv[2], ['sigrun.v1']);
const calls = new Map();
let lastId = 0;

ws.on('message', (data, isBinary) => {
  let payload = Buffer.alloc(0);
  let text = data;
  if (isBinary) {
    const size = data.readUInt32BE(0);
    text = data.subarray(4, 4 + size);
    payload = data.subarray(4 + size);
  }
  const frame = JSON.parse(text.toString());
  if (frame.kind === 'reply') calls.get(frame.id)({flags: frame.flags || 0, json: frame.json, payload});
});
ws.on('error', (e) => { console.error(e); process.exit(1); });

// An asynchronous sequence of the replies of one call; `payload` makes the message a binary one.
function call(method, params, document, payload) {
  const id = ++lastId;
  const waiting = [];
  let wake = () => {};
  calls.set(id, (reply) => { waiting.push(reply); wake(); });
  const text = Buffer.from(JSON.stringify({kind: 'call', id, method, params, json: document}));
  if (payload) {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(text.length);
    ws.send(Buffer.concat([size, text, payload]));
  } else {
    ws.send(text.toString());
  }
  return {
    id,
    async next() {
      while (!waiting.length) await new Promise((resolve) => { wake = resolve; });
      return waiting.shift();
    },
  };
}

ws.on('open', async () => {
  const out = {subprotocol: ws.protocol, extensions: ws.extensions};
  out.version = (await call('version.get').next()).json;
  const job = (await call('jobs.submit', {wait: '30s'}, {command: ['sh', '-c', 'echo from node; exit 4']}).next()).json;
  out.job = job;
  out.log = '';
  for (const log = call('jobs.logs', {id: job.id, follow: true});;) {
    const reply = await log.next();
    out.log += reply.payload.toString();
    if (reply.flags & LAST) break;
  }
  const long = (await call('jobs.submit', {}, {command: ['sh', '-c', 'echo begun; exec sleep 600']}).next()).json;
  const following = call('jobs.logs', {id: long.id, follow: true});
  out.begun = (await following.next()).payload.toString();
  await call('jobs.cancel', {id: long.id, grace: '1s'}).next();
  for (;;) {
    const reply = await following.next();
    if (reply.flags & LAST) { out.followed_to = reply.json; break; }
  }
  const blob = Buffer.from(Array.from({length: 100000}, (_, i) => i % 256));
  const echoed = await call('jobs.submit', {wait: '30s'}, {kind: 'call', command: ['echo']}, blob).next();
  out.echoed = [blob.equals(echoed.payload), echoed.json.state];
  const endless = call('events.watch', {});
  ws.send(JSON.stringify({kind: 'end', id: endless.id}));
  for (;;) {
    const reply = await endless.next();
    if (reply.flags & LAST) { out.ended = [reply.flags, reply.json.code]; break; }
  }
  ws.once('pong', () => {
    ws.on('close', (code) => {
      out.close_code = code;
      console.log(JSON.stringify(out));
    });
    ws.close(1000, 'done');
  });
  ws.ping('are you there');
});
