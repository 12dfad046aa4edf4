// otlp.js FILE: FILE is a list of bodies of OTLP/HTTP requests as JSON. Prints what is wrong with each by the messages of
// opentelemetry-proto (as OpenTelemetry's own JavaScript has them generated), as a JSON list of texts.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
const require = createRequire(import.meta.url);
const { opentelemetry } = require("./node_modules/@opentelemetry/otlp-transformer/build/src/generated/root.js");
const Request = opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

const ids = new Set(["traceId", "spanId", "parentSpanId"]);
// In OTLP's JSON ids are hexadecimal, where JSON of protobuf has base64; all else is as there.
const converted = (value, key, from, to) =>
  typeof value === "string" && ids.has(key) ? Buffer.from(value, from).toString(to)
  : Array.isArray(value) ? value.map((v) => converted(v, key, from, to))
  : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, converted(v, k, from, to)]))
  : value;

const wrong = [];
for (const body of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const plain = converted(body, "", "hex", "base64");
  const message = Request.fromObject(plain);
  const bad = Request.verify(message);
  if (bad) wrong.push(bad);
  // What the schema does not know is lost on the way there and back.
  const bytes = Request.encode(message).finish();
  const back = Request.toObject(Request.decode(bytes), { longs: String, bytes: String, enums: Number });
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(back)), plain)) wrong.push(`there and back: ${JSON.stringify(back)} from ${JSON.stringify(plain)}`);
  for (const r of body.resourceSpans) for (const s of r.scopeSpans) for (const span of s.spans) {
    if (!/^[0-9a-f]{32}$/.test(span.traceId) || !/^[0-9a-f]{16}$/.test(span.spanId)) wrong.push(`ids of ${span.name}`);
    if (BigInt(span.endTimeUnixNano) < BigInt(span.startTimeUnixNano)) wrong.push(`times of ${span.name}`);
  }
}
console.log(JSON.stringify(wrong));
