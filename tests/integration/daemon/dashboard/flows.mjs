// node flows.mjs FLOW BASE [ARGUMENTS]: does in a real browser what a person would do on the dashboard at BASE, and prints what came of
// it as one line of JSON. Exit code 1 with the reason if something does not come within its time. Errors of the page are failures.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [flow, base, ...args] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: process.env.SIGRUN_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
// axe is put into the page by the test, which the page's own policy would not allow.
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: flow === "accessible" });
const page = await context.newPage();
page.setDefaultTimeout(20_000);
const wrong = [];
page.on("pageerror", (e) => wrong.push(e.message));
page.on("console", (m) => m.type() === "error" && !/status of 4\d\d/.test(m.text()) && wrong.push(m.text()));
page.on("dialog", (d) => d.accept());

/** Goes to a page; keys are heard once it stands. */
async function open(route) {
  await page.goto(`${base}/#/${route}`);
  await page.locator("h1, [aria-label=Token]").first().waitFor();
}
const badge = (state) => page.locator("h1 .badge", { hasText: state });
const press = (name) => page.getByRole("button", { name, exact: true }).click();

const flows = {
  async submit(script, requires) {
    await open("jobs");
    await page.keyboard.press("n");
    await page.getByLabel("Command").fill(script);
    if (requires) await page.getByLabel("Requires").fill(requires);
    await press("Submit");
    await page.waitForURL(/#\/job\//);
    return { id: page.url().split("/").pop() };
  },
  async refused(requires) {
    await open("jobs");
    await press("Submit a job");
    await page.getByLabel("Command").fill("true");
    await page.getByLabel("Requires").fill(requires);
    await press("Submit");
    return { told: await page.locator("dialog [role=alert]").textContent() };
  },
  async follow(id, last, search) {
    await open(`job/${id}`);
    await page.locator(".line", { hasText: last }).waitFor();
    await badge("running").waitFor();
    await page.keyboard.press("/");
    await page.getByLabel("Search output").fill(search);
    await page.locator(".log [role=status]", { hasText: "1 of" }).waitFor();
    return {
      hits: await page.locator(".log [role=status]").textContent(),
      marked: await page.locator(".line.hit mark").allTextContents(),
      red: await page.locator(".line .c-red").allTextContents(),
    };
  },
  async cancel(id) {
    await open(`job/${id}`);
    await badge("running").waitFor();
    await press("Cancel");
    await badge("cancelled").waitFor();
    return { timeline: await page.locator(".timeline .lane-name").allTextContents() };
  },
  async explain(id) {
    await open(`job/${id}`);
    await page.locator(".answer p").first().waitFor();
    return { answer: await page.locator(".answer p").allTextContents(), terms: await page.locator("table td code").allTextContents() };
  },
  async drain(name) {
    await open("fleet?view=map");
    // As without a mouse: into the map, to the first cell, open it.
    await page.locator("canvas").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator(".tip", { hasText: name }).waitFor();
    await page.keyboard.press("Enter");
    await badge("online").waitFor();
    await press("Drain");
    await badge("draining").or(badge("maintenance")).waitFor();
    await press("Resume");
    await badge("online").waitFor();
    await page.getByLabel("Search capabilities").fill("host.arch");
    return {
      protocols: await page.locator("tr.chosen td:first-child strong").allTextContents(),
      facts: await page.locator("td.key").allTextContents(),
      events: await page.locator(".events b").allTextContents(),
    };
  },
  async filter(where, bad) {
    await open("fleet?view=map");
    await page.locator("canvas").waitFor();
    await page.keyboard.press("/");
    await page.getByLabel("Filter by expression").fill(where);
    await page.locator(".toolbar [role=status]").waitFor();
    await page.waitForFunction((n) => document.querySelector(".toolbar [role=status]").textContent.startsWith(n), args[2] ?? "1");
    const shown = await page.locator(".toolbar [role=status]").textContent();
    await page.getByRole("radio", { name: "List" }).click();
    const listed = await page.locator(".grid-line .name").allTextContents();
    await page.getByLabel("Filter by expression").fill(bad);
    return { shown, listed, told: await page.locator("main > [role=alert]").textContent(), url: page.url() };
  },
  async reload(id) {
    await open("plugins");
    const row = page.locator("tr", { hasText: id });
    await row.getByRole("button", { name: "Reload" }).click();
    await page.locator(".note", { hasText: id }).waitFor();
    await row.getByRole("button", { name: id }).click();
    await page.locator("tr.inner dt", { hasText: "sha256" }).waitFor();
    return { note: await page.locator(".note").textContent() };
  },
  async balancers() {
    await open("balancers");
    await page.locator("td.share").first().waitFor();
    await page.locator("section", { hasText: "Latest decisions" }).locator("tbody tr").first().waitFor();
    return { rows: await page.locator("section").first().locator("tbody tr").allTextContents() };
  },
  async metrics() {
    await open("metrics");
    await page.getByRole("radio", { name: "5 min" }).click();
    await page.locator(".chart canvas").first().waitFor();
    return { charts: await page.locator(".charts h2").allTextContents() };
  },
  async token(token) {
    await open("fleet");
    await page.getByLabel("Token").fill(token);
    await press("Sign in");
    await page.locator(".grid-line", { hasText: "r1" }).waitFor();  // so few are shown as a list
    await page.locator(".link-state.good").waitFor();
    await open("runner/r1");
    await press("Drain");
    return { told: await page.locator(".action-error").textContent() };
  },
  /** Each page in both themes, by the rules of axe. */
  async accessible(job) {
    const found = [];
    for (const theme of ["light", "dark"])
      for (const route of ["fleet?view=map", "fleet?view=list", "runner/r1", "jobs", `job/${job}`, "plugins", "balancers", "metrics"]) {
        await open(route);
        await page.evaluate((t) => localStorage.setItem("sigrun.theme", t), theme);
        await page.reload();
        await page.locator("h1").waitFor();
        await page.waitForFunction(() => document.querySelector("main .panel, main .empty") && !document.querySelector(".loading"));
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
        found.push(...violations.map((v) => `${theme} ${route}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`));
      }
    return { found };
  },
};

let code = 0;
try {
  const result = await flows[flow](...args);
  if (wrong.length) throw new Error(`the page says: ${wrong.join("; ")}`);
  console.log(JSON.stringify(result));
} catch (e) {
  console.error(`${flow}: ${e.message}`);
  if (process.env.SIGRUN_SHOT) await page.screenshot({ path: process.env.SIGRUN_SHOT, fullPage: true });
  code = 1;
}
await browser.close();
process.exit(code);
