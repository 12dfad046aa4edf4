// Balancers: who decides how much, what was decided of late, and who took over when.
import { useEffect, useMemo, useState } from "preact/hooks";
import * as api from "../api.js";
import { count, percent, short, since } from "../format.js";
import { useData } from "../hooks.js";
import { Badge, Empty, Failure, Loading, Page, Panel } from "../parts/basics.jsx";
import { link } from "../router.js";
import { told } from "./runner.jsx";

/** Samples of one name in the Prometheus text: [labels, value]. */
export function samples(text, name) {
  const out = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith(name)) continue;
    const found = /^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found?.[1] !== name) continue;
    out.push([Object.fromEntries([...(found[2] ?? "").matchAll(/([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]])), Number(found[3])]);
  }
  return out;
}

export function Balancers() {
  const metrics = useData(() => api.text("/metrics"), [], 5000);
  const jobs = useData(() => api.get("/v1/jobs", { limit: 200 }), [], 2000);
  const plugins = useData(() => api.get("/v1/plugins"), []);
  const shares = useMemo(() => {
    const picks = metrics.data ? samples(metrics.data, "sigrun_balancer_picks_total") : [];
    const by = new Map();
    for (const p of plugins.data?.items ?? [])
      for (const c of p.components ?? []) if (c.kind.startsWith("sigrun.balancer/")) by.set(c.id, { name: c.id, doc: c.doc, state: p.state, picks: 0 });
    for (const [labels, n] of picks) {
      const name = labels.balancer ?? labels.name;
      if (!by.has(name)) by.set(name, { name, doc: "decides when no balancer does", state: "active", picks: 0 });
      by.get(name).picks += n;
    }
    const total = [...by.values()].reduce((n, b) => n + b.picks, 0);
    return [...by.values()].map((b) => ({ ...b, share: total ? b.picks / total : 0 })).sort((a, b) => b.picks - a.picks || a.name.localeCompare(b.name));
  }, [metrics.data, plugins.data]);
  const decisions = (jobs.data?.items ?? []).filter((j) => j.balancer).slice(0, 25);
  return (
    <Page title="Balancers">
      <Failure error={metrics.error} again={metrics.again} />
      <Panel title="Shares of all picks">
        {!metrics.data || !plugins.data ? (
          !metrics.error && <Loading />
        ) : (
          <table>
            <thead><tr><th>Balancer</th><th>Share</th><th class="n">Picks</th><th>How it chooses</th></tr></thead>
            <tbody>
              {shares.map((b) => (
                <tr key={b.name}>
                  <td><strong>{b.name}</strong> {b.state !== "active" && <Badge state={b.state} />}</td>
                  <td class="share"><i style={{ width: `${100 * b.share}%` }} /><b>{b.picks ? percent(b.share) : "–"}</b></td>
                  <td class="n">{count(b.picks)}</td>
                  <td class="muted">{b.doc}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      <Panel title="Latest decisions">
        {!jobs.data ? <Loading /> : decisions.length === 0 ? <Empty title="No job has been placed yet" /> : (
          <div class="scroll">
            <table class="dense">
              <thead><tr><th>Job</th><th>Runner</th><th>Balancer</th><th>Because</th><th>When</th></tr></thead>
              <tbody>
                {decisions.map((j) => (
                  <tr key={j.id}>
                    <td><a href={link("job", j.id)}><code>{short(j.id)}</code></a></td>
                    <td class="nowrap">{j.runner ? <a href={link("runner", j.runner.name)}>{j.runner.name}</a> : "–"}</td>
                    <td>{j.balancer}</td>
                    <td class="muted">{j.reason}</td>
                    <td class="muted nowrap">{since(j.started_at ?? j.submitted_at)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      <Switches />
    </Page>
  );
}

function Switches() {
  const [events, set] = useState([]);
  useEffect(() => {
    const mine = [];
    return api.stream("/v1/events", { after: 0, types: "Balancer,RunnerEjected,RunnerOnTrial" }, {
      onEvent: (e) => {
        if (e.type === "Gap") return;
        mine.push(e);
        set(mine.slice(-50).reverse());
      },
    });
  }, []);
  return (
    <Panel title="Switches and ejections">
      {events.length === 0 ? (
        <p class="muted">None since the daemon started.</p>
      ) : (
        <ol class="events" tabindex="0" aria-label="Events">{events.map((e) => <li key={e.seq}><time title={e.time}>{new Date(e.time).toLocaleTimeString()}</time> <b>{e.type}</b> {told(e)}</li>)}</ol>
      )}
    </Panel>
  );
}
