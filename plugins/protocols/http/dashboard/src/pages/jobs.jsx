// Jobs, newest first, live.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { count } from "../format.js";
import { useData, useKey } from "../hooks.js";
import { Dialog, Empty, Failure, Loading, Page, Panel, Tile, toneOf } from "../parts/basics.jsx";
import { JobTable } from "../parts/job_table.jsx";
import { go, refine } from "../router.js";

const states = ["queued", "blocked", "delayed", "offered", "running", "uploading", "succeeded", "failed", "cancelled", "expired", "dead"];
const step = 50;

export function Jobs({ params }) {
  const [state, setState] = useState(params.state ?? "");
  const [where, setWhere] = useState(params.where ?? "");
  const [more, setMore] = useState(1);
  const [submitting, submit] = useState(false);
  const field = useRef();
  const stats = useData(() => api.get("/v1/stats"), [], 1000);
  const list = useData(() => api.get("/v1/jobs", { limit: Math.min(1000, step * more), state, where }), [state, where, more], 1000);
  useEffect(() => refine({ state, where }), [state, where]);
  useKey("/", () => field.current.focus());
  useKey("n", () => submit(true));
  const jobs = list.data?.items;
  return (
    <Page title="Jobs" aside={<button class="primary" onClick={() => submit(true)} title="Submit (n)">Submit a job</button>}>
      <div class="tiles">
        {states.filter((s) => stats.data?.jobs[s] || s === state).map((s) => (
          <button key={s} class={`tile ${toneOf(s)} ${state === s ? "on" : ""}`} aria-pressed={state === s} onClick={() => setState(state === s ? "" : s)}>
            <span class="tile-value">{count(stats.data?.jobs[s])}</span>
            <span class="tile-label">{s}</span>
          </button>
        ))}
        {stats.data && !Object.keys(stats.data.jobs).length && <Tile label="jobs" value="0" />}
      </div>
      <div class="toolbar">
        <input
          ref={field} class="wide" type="search" spellcheck="false" aria-label="Filter by expression" aria-invalid={!!list.error?.field}
          placeholder={'Filter by an expression, e.g.  job.queue == "slow" && label.team == "web"   ( / )'}
          value={where} onInput={(e) => setWhere(e.target.value)}
        />
        {(where || state) && <button class="small" onClick={() => (setWhere(""), setState(""))}>Clear</button>}
      </div>
      <Failure error={list.error} again={list.again} />
      {!jobs ? (
        !list.error && <Loading />
      ) : jobs.length === 0 ? (
        <Empty title={state || where ? "No job is like that" : "No job yet"}>
          {!state && !where && <pre>sigrun run -- make test</pre>}
        </Empty>
      ) : (
        <Panel class="flush">
          <JobTable jobs={jobs} />
          {list.data.next && step * more < 1000 && <footer><button onClick={() => setMore(more + 2)}>Show older ones</button></footer>}
        </Panel>
      )}
      {submitting && <Submit onClose={() => submit(false)} />}
    </Page>
  );
}

function Submit({ onClose }) {
  const [job, set] = useState({ script: "", requires: "", priority: "normal", queue: "", timeout: "" });
  const [error, fail] = useState(null);
  const [busy, setBusy] = useState(false);
  const typed = (name) => ({ id: `submit-${name}`, value: job[name], onInput: (e) => set({ ...job, [name]: e.target.value }) });
  const send = async (e) => {
    e.preventDefault();
    setBusy(true);
    const document = {
      command: ["sh", "-c", job.script],
      ...(job.requires ? { requires: job.requires } : {}),
      ...(job.priority !== "normal" ? { priority: job.priority } : {}),
      ...(job.queue ? { queue: job.queue } : {}),
      ...(job.timeout ? { timeouts: { run: job.timeout } } : {}),
    };
    try {
      const made = await api.post("/v1/jobs", {}, document);
      onClose();
      go("job", made.id);
    } catch (problem) {
      fail(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Submit a job" onClose={onClose}>
      <form class="form" onSubmit={send}>
        <label for="submit-script">Command</label>
        <textarea required autofocus rows="4" spellcheck="false" placeholder="make test" {...typed("script")} />
        <label for="submit-requires">Requires</label>
        <input spellcheck="false" placeholder={'cpu.effective_cores >= 4 && label.zone == "eu"'} {...typed("requires")} />
        <label for="submit-priority">Priority</label>
        <select {...typed("priority")}>{["critical", "high", "normal", "low", "background"].map((p) => <option>{p}</option>)}</select>
        <label for="submit-queue">Queue</label>
        <input placeholder="default" {...typed("queue")} />
        <label for="submit-timeout">Run timeout</label>
        <input placeholder="1h" {...typed("timeout")} />
        <Failure error={error} />
        <footer>
          <button type="button" onClick={onClose}>Not now</button>
          <button class="primary" disabled={busy || !job.script.trim()}>Submit</button>
        </footer>
      </form>
    </Dialog>
  );
}
