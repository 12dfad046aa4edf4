// A minimal runner over WebSocket, on the library `ws` (Debian: node-ws). Written against
// plugins/protocols/websocket/PROTOCOL.md and kernel/serve/README.md.
//
// usage: node runner.js URL NAME
'use strict';
const WebSocket = require('ws');
const {spawn} = require('child_process');
const {randomBytes} = require('crypto');
const LAST = 1;
const OFFER = 2;

const ws = new WebSocket(process.argv[2], ['sigrun.v1']);
const running = new Map();

function send(frame, payload) {
  const text = Buffer.from(JSON.stringify(frame));
  if (!payload) return ws.send(text.toString());
  const size = Buffer.alloc(4);
  size.writeUInt32BE(text.length);
  ws.send(Buffer.concat([size, text, payload]));
}

function run(offer) {
  const attempt = offer.attempt;
  const child = spawn(offer.json.command[0], offer.json.command.slice(1), {stdio: ['ignore', 'pipe', 'inherit']});
  running.set(attempt.token, child);
  let offset = 0;
  child.stdout.on('data', (data) => {
    send({kind: 'log', attempt, stream: 1, offset}, data);
    offset += data.length;
  });
  child.on('close', (code, signal) => {
    running.delete(attempt.token);
    const state = signal ? {state: 'cancelled'} : {state: code ? 'failed' : 'succeeded', exit_code: code};
    send({kind: 'state', flags: LAST, attempt, offset, json: state});
  });
}

ws.on('open', () => {
  const hex = (n) => randomBytes(n).toString('hex');
  send({kind: 'call', id: 1, method: 'runners.register',
        json: {name: process.argv[3], key: hex(16), session: hex(16), generation: 1, process: hex(8), slots: 4,
               labels: {by: 'node'}, kinds: ['process'], protocols: ['websocket'], facts: [], inventory: []}});
});
ws.on('message', (data, isBinary) => {
  const frame = JSON.parse(isBinary ? data.subarray(4, 4 + data.readUInt32BE(0)) : data);
  if (frame.kind === 'reply') {
    console.log('registered as', frame.json.runner);
    setInterval(() => send({kind: 'beat', json: {free: 4 - running.size, live: running.size}}), 1000);
  } else if (frame.kind === 'offer') {
    send({kind: 'ack', stream: OFFER, attempt: frame.attempt});
    run(frame);
  } else if (frame.kind === 'cancel') {
    const child = running.get(frame.attempt.token);
    if (child) child.kill('SIGTERM');
  } else if (frame.kind === 'hello' && !frame.json) {
    send({kind: 'hello', json: {facts: [], slots: 4, kinds: ['process'], inventory: []}});
  }
});
ws.on('close', () => process.exit(0));
