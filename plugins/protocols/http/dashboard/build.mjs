// node build.mjs OUT: bundles src/ into OUT/{index.html,app.js,app.css}, and each of them compressed beside it. The page names the
// other two with a hash of their content, so that browsers may keep them for ever.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs OUT");
mkdirSync(out, { recursive: true });

const { outputFiles } = await build({
  entryPoints: { app: join(here, "src/main.jsx") },
  bundle: true,
  minify: true,
  write: false,
  outdir: out,
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
});

function put(name, text) {
  writeFileSync(join(out, name), text);
  writeFileSync(join(out, `${name}.gz`), gzipSync(text, { level: 9, mtime: 0 }));
}

let page = readFileSync(join(here, "src/index.html"), "utf8");
for (const name of ["app.js", "app.css"]) {
  const text = outputFiles.find((f) => f.path.endsWith(name)).text;
  put(name, text);
  page = page.replace(name, `${name}?v=${createHash("sha256").update(text).digest("hex").slice(0, 16)}`);
}
put("index.html", page);
