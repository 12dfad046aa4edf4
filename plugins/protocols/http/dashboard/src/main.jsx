// The page: navigation, the question for a token, and whichever page the address names.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as api from "./api.js";
import { useData, useKey } from "./hooks.js";
import { begin, useConnected } from "./live.js";
import { Balancers } from "./pages/balancers.jsx";
import { Fleet } from "./pages/fleet.jsx";
import { Job } from "./pages/job.jsx";
import { Jobs } from "./pages/jobs.jsx";
import { Metrics } from "./pages/metrics.jsx";
import { Plugins } from "./pages/plugins.jsx";
import { Runner } from "./pages/runner.jsx";
import { Dialog, Empty, Page } from "./parts/basics.jsx";
import { go, link, useRoute } from "./router.js";
import "./style.css";
import { nextTheme, setTheme, theme } from "./theme.js";

const sections = [
  ["fleet", "Fleet", "M2 3h5v5H2zM9 3h5v5H9zM2 10h5v3H2zM9 10h5v3H9z"],
  ["jobs", "Jobs", "M2 3h12v2.2H2zM2 7h12v2.2H2zM2 11h8v2.2H2z"],
  ["plugins", "Plugins", "M6 1.5v3H3.5v4A4.5 4.5 0 0 0 7 12.9V15h2v-2.1a4.5 4.5 0 0 0 3.5-4.4v-4H10v-3H8.5v3h-1v-3z"],
  ["balancers", "Balancers", "M8 1.5 14.5 5v1.5h-2L15 11a3 3 0 0 1-5 0l2.2-4.5H8.8V13H12v1.5H4V13h3.2V6.500H3.800L6 11a3 3 0 0 1-5 0l2.5-4.500h-2V5z"],
  ["metrics", "Metrics", "M2 14V9h2.500v5zM5.8 14V5h2.500v9zM9.6 14V7.500h2.500v6.500zM13.4 14V2H15v12z"],
];
const owner = { runner: "fleet", job: "jobs" };
const pages = { fleet: Fleet, runner: Runner, jobs: Jobs, job: Job, plugins: Plugins, balancers: Balancers, metrics: Metrics };

function TokenDialog({ answer }) {
  const [value, set] = useState("");
  return (
    <Dialog title="This daemon asks who you are">
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (value.trim()) answer(value.trim());
        }}
      >
        <p class="muted">Make a token with <code>sigrun token create me --role operator</code>. It is kept in this tab until you close it.</p>
        <input autofocus type="password" aria-label="Token" placeholder="sgt_…" autocomplete="off" value={value} onInput={(e) => set(e.target.value)} />
        <footer><button class="primary">Sign in</button></footer>
      </form>
    </Dialog>
  );
}

function Navigation({ page }) {
  const connected = useConnected();
  const { data } = useData(() => api.get("/v1/version"), []);
  const [shown, show] = useState(theme());
  const turn = () => {
    setTheme(nextTheme());
    show(theme());
  };
  useKey("t", turn);
  sections.forEach(([id], i) => useKey(String(i + 1), () => go(id)));
  return (
    <nav aria-label="Pages">
      <a class="brand" href={link("fleet")}>
        <svg viewBox="0 0 16 16" aria-hidden="true"><rect width="16" height="16" rx="4" /><path d="M4 11.500h5a1.750 1.750 0 0 0 0-3.500H7a1.750 1.750 0 0 1 0-3.500h5" /></svg>
        Sigrun
      </a>
      {sections.map(([id, name, icon], i) => (
        <a key={id} href={link(id)} aria-current={(owner[page] ?? page) === id ? "page" : undefined} title={`${name} (${i + 1})`}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d={icon} /></svg>
          <span>{name}</span>
        </a>
      ))}
      <div class="nav-foot">
        <span class={`link-state ${connected === false ? "bad" : connected ? "good" : "plain"}`} role="status">
          {connected === false ? "reconnecting …" : connected ? "live" : "connecting …"}
        </span>
        <span class="muted">{data ? `${data.name} ${data.version}` : ""}</span>
        <button class="plain" onClick={turn} title="Theme (t)">{shown}</button>
        {api.hasToken() && <button class="plain" onClick={() => (api.forgetToken(), location.reload())}>sign out</button>}
      </div>
    </nav>
  );
}

function App() {
  const route = useRoute();
  const [question, ask] = useState(null);
  useEffect(() => {
    api.onTokenWanted(() => new Promise((answer) => ask({ answer })));
    begin();
  }, []);
  useEffect(() => {
    document.title = `${route.name || sections.find(([id]) => id === route.page)?.[1] || route.page} · Sigrun`;
    document.getElementById("page")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [route.page, route.name]);
  const Shown = pages[route.page];
  return (
    <>
      <a class="skip" href="#page" onClick={(e) => (e.preventDefault(), document.getElementById("page").focus())}>To the content</a>
      <Navigation page={route.page} />
      {Shown ? (
        <Shown key={`${route.page}/${route.name}`} name={route.name} params={route.params} />
      ) : (
        <Page title="No such page"><Empty title={`There is no page "${route.page}".`}><a href={link("fleet")}>To the fleet</a></Empty></Page>
      )}
      {question && (
        <TokenDialog
          answer={(token) => {
            ask(null);
            question.answer(token);
          }}
        />
      )}
    </>
  );
}

setTheme(theme());
render(<App />, document.getElementById("app"));
