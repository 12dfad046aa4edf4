// node dev.mjs [DAEMON] [PORT]: the dashboard at http://127.0.0.1:PORT (8070), built anew for each load of the page, beside the API of a
// daemon that runs already (http://127.0.0.1:7070). To work on the dashboard.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const daemon = new URL(process.argv[2] ?? "http://127.0.0.1:7070");
const port = Number(process.argv[3] ?? 8070);
const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "sigrun-dashboard-"));
process.on("exit", () => rmSync(out, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
const types = { js: "text/javascript", css: "text/css", html: "text/html" };

createServer((asked, answer) => {
  const path = new URL(asked.url, "http://x").pathname;
  if (path === "/" || path.startsWith("/ui/")) {
    if (path === "/") execFileSync(process.execPath, [join(here, "build.mjs"), out], { stdio: "inherit" });
    const name = path === "/" ? "index.html" : path.slice(4);
    if (!/^(index\.html|app\.(js|css))$/.test(name)) return answer.writeHead(404).end();
    return answer.writeHead(200, { "Content-Type": types[name.split(".").pop()] }).end(readFileSync(join(out, name)));
  }
  const to = request({ host: daemon.hostname, port: daemon.port, path: asked.url, method: asked.method, headers: { ...asked.headers, host: daemon.host, ...(asked.headers.origin ? { origin: daemon.origin } : {}) } }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    answer.flushHeaders();
    got.pipe(answer);
  });
  to.on("error", () => answer.writeHead(502).end());
  answer.on("close", () => to.destroy());
  asked.pipe(to);
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}, the API of ${daemon.origin}`));
