// One runner: what it is, over which protocols, what runs there, what happened.
import { useEffect, useMemo, useState } from "preact/hooks";
import * as api from "../api.js";
import { clock, count, fact, micros, percent, since } from "../format.js";
import { useData, useKey } from "../hooks.js";
import { useEvents } from "../live.js";
import { Action, Badge, Empty, Facts, Failure, Loading, Page, Panel } from "../parts/basics.jsx";
import { Chart } from "../parts/chart.jsx";
import { JobTable } from "../parts/job_table.jsx";
import { go } from "../router.js";

export function Runner({ name }) {
  const runner = useData(() => api.get(`/v1/runners/${encodeURIComponent(name)}`), [name], 3000);
  const r = runner.data;
  useEvents("Runner", runner.again, 400, [name]);
  if (!r) return <Page title={name}>{runner.error ? <Failure error={runner.error} again={runner.again} /> : <Loading />}</Page>;
  const path = `/v1/runners/${r.id}`;
  const out = ["draining", "maintenance"].includes(r.status);
  return (
    <Page
      title={<>{r.name} <Badge state={r.status} /></>}
      aside={
        <>
          {out ? (
            <Action act={() => api.post(`${path}/resume`)} done={runner.again} tone="primary">Resume</Action>
          ) : (
            <Action act={() => api.post(`${path}/drain`, { reason: "from the dashboard" })} done={runner.again}>Drain</Action>
          )}
          {r.status !== "maintenance" && <Action act={() => api.post(`${path}/maintenance`, { reason: "from the dashboard" })} done={runner.again}>Maintenance</Action>}
          <Action act={() => api.post(`${path}/detect`)} done={runner.again}>Detect again</Action>
          {r.status === "offline" && <Action tone="danger" sure={`Remove ${r.name}?`} act={() => api.remove(path)} done={() => go("fleet")}>Remove</Action>}
        </>
      }
    >
      <Panel>
        <Facts
          rows={[
            ["because", r.status_reason],
            ["places", `${r.in_flight} of ${r.slots} taken`],
            ["jobs", `${count(r.stats.completed)} done${r.stats.failed ? `, ${count(r.stats.failed)} lost` : ""}`],
            ["kinds", r.kinds.join(", ")],
            ["labels", Object.entries(r.labels).map(([k, v]) => <code class="label">{k}={v}</code>)],
            ["endpoint", r.endpoint],
            ["quarantine", r.quarantine && (r.quarantine.reason ?? fact(r.quarantine))],
            ["registered", clock(r.registered_at)],
            ["heard", since(r.last_seen_at)],
          ]}
        />
      </Panel>
      <Ladder runner={r} />
      <JobsHere runner={r} />
      <History runner={r} />
      <Capabilities facts={r.facts} />
    </Page>
  );
}

/** Round trips of each protocol, as they were while the page was open. */
function useLatencies(r) {
  const [seen, set] = useState([]);
  useEffect(() => {
    set((old) => [...old.slice(-199), { at: Date.now() / 1000, by: Object.fromEntries(r.protocols.map((p) => [p.name, p.latency_us])) }]);
  }, [r]);
  return seen;
}

function Ladder({ runner: r }) {
  const seen = useLatencies(r);
  const scores = Object.fromEntries((r.choice?.ranking ?? []).map((x) => [x.protocol, x.score]));
  const names = r.protocols.map((p) => p.name);
  const times = seen.map((s) => s.at);
  const series = names.map((label) => ({ label, values: seen.map((s) => s.by[label] ?? null) }));
  return (
    <Panel title="Protocols" aside={<span class="muted">{r.choice?.reason}</span>}>
      {r.protocols.length === 0 ? (
        <Empty title="No protocol is usable" />
      ) : (
        <div class="scroll">
          <table>
            <thead><tr><th>Protocol</th><th>State</th><th class="n">Round trip</th><th class="n">p99</th><th class="n">Answer</th><th class="n">Success</th><th class="n">Score</th><th>Breaker</th><th>Last failure</th></tr></thead>
            <tbody>
              {r.protocols.map((p) => (
                <tr key={p.name} class={p.name === r.rung ? "chosen" : ""}>
                  <td><strong>{p.name}</strong>{p.name === r.rung && <span class="muted"> in use</span>}{p.version && <span class="muted"> {p.version}</span>}</td>
                  <td><Badge state={p.state} /> <span class="muted">{p.reason}</span></td>
                  <td class="n">{micros(p.latency_us)}</td>
                  <td class="n">{micros(p.evidence.latency_p99_us)}</td>
                  <td class="n">{micros(p.evidence.answer_us)}</td>
                  <td class="n" title={`${p.evidence.successes} good, ${p.evidence.failures} bad`}>{p.evidence.samples ? percent(p.evidence.success) : "–"}</td>
                  <td class="n">{scores[p.name]?.toFixed(3) ?? "–"}</td>
                  <td><Badge state={p.evidence.breaker === "open" ? "down" : p.evidence.breaker}>{p.evidence.breaker}</Badge></td>
                  <td class="muted">{p.evidence.last_failure}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {seen.length > 1 && names.length > 0 && <Chart label="Round trip by protocol" times={times} series={series} format={micros} height={130} />}
    </Panel>
  );
}

function JobsHere({ runner: r }) {
  const jobs = useData(async () => {
    const found = [];
    let cursor;
    // The list cannot be asked by runner: the newest thousand are looked through.
    for (let page = 0; page < 2 && found.length < 20; ++page) {
      const { items, next } = await api.get("/v1/jobs", { limit: 500, cursor });
      found.push(...items.filter((j) => j.runner?.id === r.id));
      cursor = next;
      if (!cursor) break;
    }
    return found.slice(0, 20);
  }, [r.id], 5000);
  return (
    <Panel title="Newest jobs here">
      <Failure error={jobs.error} />
      {!jobs.data ? <Loading /> : jobs.data.length ? <JobTable jobs={jobs.data} without="runner" /> : <Empty title="None of the newest jobs ran here" />}
    </Panel>
  );
}

const sentence = {
  RunnerStatusChanged: (e) => <>{e.from} → <Badge state={e.to} /> <span class="muted">{e.reason}</span></>,
  CapabilitiesUpdated: (e) => <span class="muted">{e.changed?.length > 6 ? `${e.changed.length} of its capabilities` : e.changed?.join(", ")}</span>,
  RunnerRegistered: (e) => <span class="muted">{e.name}</span>,
  ProtocolMigrated: (e) => <>work moved from {e.from} to {e.to} <span class="muted">{e.reason}</span></>,
};
export const told = ({ seq, time, type, runner, job, ...rest }) =>
  sentence[type]?.(rest) ?? <span class="muted">{Object.entries(rest).filter(([, v]) => v !== "" && v !== null).map(([k, v]) => `${k} ${fact(v)}`).join(", ")}</span>;

/** What the daemon still knows of it, and what comes. */
function History({ runner: r }) {
  const [events, set] = useState([]);
  useEffect(() => {
    const mine = [];
    let due = null;
    const stop = api.stream("/v1/events", { after: 0, types: "Runner,Protocol,Capabilities" }, {
      onEvent: (e) => {
        if (e.runner !== r.id) return;
        mine.push(e);
        due ??= setTimeout(() => {
          due = null;
          set(mine.slice(-100).reverse());
        }, 100);
      },
    });
    return () => {
      stop();
      clearTimeout(due);
    };
  }, [r.id]);
  return (
    <Panel title="History">
      {events.length === 0 ? (
        <p class="muted">Nothing is known of the time since the daemon started.</p>
      ) : (
        <ol class="events" tabindex="0" aria-label="Events">
          {events.map((e) => <li key={e.seq}><time title={e.time}>{new Date(e.time).toLocaleTimeString()}</time> <b>{e.type}</b> {told(e)}</li>)}
        </ol>
      )}
    </Panel>
  );
}

function Capabilities({ facts }) {
  const [search, set] = useState("");
  const [open, setOpen] = useState(null);
  const groups = useMemo(() => {
    const by = new Map();
    const wanted = search.toLowerCase();
    for (const f of facts) {
      if (wanted && !`${f.key} ${fact(f.value)}`.toLowerCase().includes(wanted)) continue;
      const group = f.key.split(".")[0];
      if (!by.has(group)) by.set(group, []);
      by.get(group).push(f);
    }
    return [...by].sort(([a], [b]) => a.localeCompare(b));
  }, [facts, search]);
  return (
    <Panel
      title="Capabilities"
      aside={<input type="search" placeholder="Search capabilities" aria-label="Search capabilities" value={search} onInput={(e) => set(e.target.value)} />}
    >
      {groups.length === 0 && <Empty title={search ? "Nothing of that name or value" : "It has told nothing about itself"} />}
      {groups.map(([group, list]) => (
        <details key={group} open={!!search || open === group} onToggle={(e) => e.currentTarget.open && !search && setOpen(group)}>
          <summary>{group} <span class="muted">{list.length}</span></summary>
          <div class="scroll">
            <table class="dense">
              <tbody>
                {list.map((f) => (
                  <tr key={f.key}>
                    <td class="key">{f.key}</td>
                    <td class="value">{f.status === "ok" ? <code>{fact(f.value)}</code> : <Badge state={f.status === "absent" ? "plain" : "queued"}>{f.status}</Badge>} {f.detail && <span class="muted">{f.detail}</span>}</td>
                    <td class="muted from">{f.method} from {f.source}{f.confidence < 100 && `, ${f.confidence} % sure`}, {since(f.observed_at)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      ))}
    </Panel>
  );
}
