// node peer.js HOST:PORT PROTO_FOLDER: drives the job API with grpc-js and prints what it saw as one line of JSON.
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, folder] = process.argv.slice(2);
const options = { includeDirs: [folder], keepCase: true, longs: Number, enums: String, defaults: true };
const files = ["sigrun/v1/jobs.proto", "sigrun/v1/calls.proto", "grpc/health/v1/health.proto"];
const pb = grpc.loadPackageDefinition(loader.loadSync(files, options));
const credentials = grpc.credentials.createInsecure();
const jobs = new pb.sigrun.v1.Jobs(address, credentials);
const calls = new pb.sigrun.v1.Calls(address, credentials);
const health = new pb.grpc.health.v1.Health(address, credentials);

const unary = (client, method, request) =>
  new Promise((done) => client[method](request, { deadline: Date.now() + 60000 }, (error, reply) => done({ error, reply })));
const stream = (call) =>
  new Promise((done, fail) => {
    const all = [];
    call.on("data", (piece) => all.push(piece));
    call.on("end", () => done(all));
    call.on("error", fail);
  });

async function main() {
  const seen = {};
  seen.health = (await unary(health, "Check", { service: "" })).reply.status;
  const { error, reply } = await unary(jobs, "Submit", { spec: { command: ["sh", "-c", "echo out; exit 5"] }, wait: "30s" });
  if (error) throw error;
  seen.state = reply.state;
  seen.exit_code = reply.exit_code;
  const pieces = await stream(jobs.Logs({ id: reply.id, follow: true }));
  seen.log = Buffer.concat(pieces.map((p) => p.data)).toString();
  const missing = await unary(jobs, "Get", { id: "01900000-0000-7000-8000-000000000000" });
  seen.missing_code = missing.error.code;
  seen.missing_problem = JSON.parse(missing.error.metadata.get("sigrun-problem-bin")[0].toString()).code;
  const replies = await stream(calls.Call({ method: "version.get" }));
  seen.version = JSON.parse(replies[0].json);
  console.log(JSON.stringify(seen));
}
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
