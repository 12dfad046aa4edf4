// The fleet: every runner as a cell, or as a line.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { count, micros, percent, since } from "../format.js";
import { useData, useKey } from "../hooks.js";
import { useEvents, useFleet } from "../live.js";
import { Badge, Choice, Empty, Failure, Loading, Page, Panel, Tile, toneOf } from "../parts/basics.jsx";
import { Heatmap } from "../parts/heatmap.jsx";
import { VirtualList } from "../parts/virtual_list.jsx";
import { go, link, refine } from "../router.js";

const statuses = ["online", "busy", "draining", "maintenance", "offline", "error"];
const tiers = ["ultra", "high", "standard", "basic"];
const latencyOf = (r) => r.protocols.find((p) => p.name === r.rung)?.latency_us ?? null;
const few = 25; // runners that are better read line by line than as cells
const loadOf = (r) => (r.slots ? r.in_flight / r.slots : 0);

/** Ids of the runners that satisfy an expression; null: no expression. Asked again when the fleet changes. */
function useMatching(where) {
  const [state, set] = useState({ ids: null, error: null });
  const [turn, again] = useState(0);
  useEvents("Capabilities", () => again((n) => n + 1), 2000);
  useEffect(() => {
    if (!where) return set({ ids: null, error: null });
    const control = new AbortController();
    const timer = setTimeout(async () => {
      const ids = new Set();
      let reason = "";
      try {
        await api.pages("/v1/runners", { where }, (items, page) => {
          items.forEach((r) => ids.add(r.id));
          reason ||= page.reason ?? "";
        }, control.signal);
        set({ ids, error: null, reason });
      } catch (error) {
        if (error.name !== "AbortError") set((s) => ({ ids: s.ids, error }));
      }
    }, 250);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [where, turn]);
  return state;
}

/** Tier by runner id: a question for each tier, only while that is what is shown. */
function useTiers(wanted) {
  const [known, set] = useState(null);
  useEffect(() => {
    if (!wanted || known) return;
    (async () => {
      const found = new Map();
      for (const tier of tiers) await api.pages("/v1/runners", { where: `tier.overall == "${tier}"` }, (items) => items.forEach((r) => found.set(r.id, tier)));
      set(found);
    })().catch(() => set(new Map()));
  }, [wanted]);
  return known;
}

const tierColours = { ultra: "series-2", high: "series-1", standard: "series-3", basic: "series-4" };

export function Fleet({ params }) {
  const fleet = useFleet();
  const [where, setWhere] = useState(params.where ?? "");
  const [only, setOnly] = useState(params.status ?? "");
  const [by, setBy] = useState(params.by ?? "status");
  const [chosen, setView] = useState(params.view ?? "");
  const field = useRef();
  const { ids, error, reason } = useMatching(where);
  const tierOf = useTiers(by === "tier");
  const jobs = useData(() => api.get("/v1/stats"), [], 3000);
  useKey("/", () => field.current.focus());
  useEffect(() => refine({ where, status: only, by: by === "status" ? "" : by, view: chosen }), [where, only, by, chosen]);

  const all = useMemo(() => [...fleet.runners.values()].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true })), [fleet.version]);
  const view = chosen || (all.length <= few ? "list" : "map");
  const totals = useMemo(() => {
    const t = { slots: 0, in_flight: 0 };
    for (const r of all) {
      t[r.status] = (t[r.status] ?? 0) + 1;
      t.slots += r.slots;
      t.in_flight += r.in_flight;
    }
    // While the list is still being read: what the daemon counts.
    if (!fleet.loaded) Object.assign(t, jobs.data?.runners);
    t.all = Math.max(all.length, statuses.reduce((n, s) => n + (t[s] ?? 0), 0));
    return t;
  }, [all, fleet.loaded, jobs.data]);
  const fits = (r) => (!only || r.status === only) && (!ids || ids.has(r.id));
  const cells = useMemo(
    () =>
      all.map((r) => {
        const cell = { runner: r, dim: !fits(r), colour: toneOf(r.status) };
        if (by === "load") cell.mix = Math.min(1, loadOf(r));
        if (by === "latency") {
          const us = latencyOf(r);
          if (us === null) cell.colour = "plain";
          else cell.mix = Math.min(1, Math.log10(Math.max(us, 100) / 100) / 3);
        }
        if (by === "tier") cell.colour = tierColours[tierOf?.get(r.id)] ?? "plain";
        return cell;
      }),
    [all, ids, only, by, tierOf],
  );
  const shown = useMemo(() => all.filter(fits), [all, ids, only]);

  return (
    <Page
      title="Fleet"
      aside={
        <>
          <Choice label="Colour" value={by} onChange={setBy} options={[["status", "Status"], ["load", "Load"], ["latency", "Latency"], ["tier", "Tier"]]} />
          <Choice label="View" value={view} onChange={setView} options={[["map", "Map"], ["list", "List"]]} />
        </>
      }
    >
      <div class="tiles">
        <Tile label="runners" value={count(totals.all)} />
        {statuses.filter((s) => totals[s]).map((s) => (
          <button key={s} class={`tile ${toneOf(s)} ${only === s ? "on" : ""}`} aria-pressed={only === s} onClick={() => setOnly(only === s ? "" : s)}>
            <span class="tile-value">{count(totals[s])}</span>
            <span class="tile-label">{s}</span>
          </button>
        ))}
        <Tile label="places taken" value={`${count(totals.in_flight)} / ${count(totals.slots)}`} hint={percent(totals.slots ? totals.in_flight / totals.slots : 0)} />
        <Tile label="jobs waiting" value={count(jobs.data?.waiting)} tone={jobs.data?.waiting ? "caution" : "plain"} href={link("jobs", "", { state: "queued" })} />
      </div>
      <div class="toolbar">
        <input
          ref={field} class="wide" type="search" spellcheck="false" aria-label="Filter by expression" aria-invalid={!!error}
          placeholder={'Filter by an expression, e.g.  cpu.effective_cores >= 8 && label.zone == "eu"   ( / )'}
          value={where} onInput={(e) => setWhere(e.target.value)}
        />
        {(where || only) && <span class="muted" role="status">{count(shown.length)} of {count(all.length)}</span>}
        {(where || only) && <button class="small" onClick={() => (setWhere(""), setOnly(""))}>Clear</button>}
      </div>
      <Failure error={error} />
      {reason && ids?.size === 0 && <p class="note">{reason}</p>}
      <Failure error={fleet.error} again={() => fleet.read()} />
      {!fleet.loaded && !all.length && !fleet.error ? (
        <Loading />
      ) : all.length === 0 ? (
        <Empty title="No runner yet">
          <p>Start one on any machine; it needs no open port:</p>
          <pre>sigrun-runner --url valkyrie://{location.hostname}:{location.port || 7070}</pre>
        </Empty>
      ) : view === "map" ? (
        <Panel>
          <Heatmap
            cells={cells} onOpen={(c) => go("runner", c.runner.name)}
            describe={({ runner: r }) => (
              <>
                <strong>{r.name}</strong>
                <span><Badge state={r.status} /> {r.in_flight} / {r.slots} places</span>
                <span class="muted">{r.rung || "no link"}{latencyOf(r) !== null && `, ${micros(latencyOf(r))}`}{tierOf?.get(r.id) && `, tier ${tierOf.get(r.id)}`}</span>
              </>
            )}
          />
          <Legend by={by} />
        </Panel>
      ) : (
        <List runners={shown} />
      )}
    </Page>
  );
}

function Legend({ by }) {
  if (by === "load" || by === "latency")
    return (
      <p class="legend">
        <span>{by === "load" ? "free" : "0.1 ms"}</span><span class="ramp" /><span>{by === "load" ? "all places taken" : "100 ms"}</span>
      </p>
    );
  const entries = by === "tier" ? tiers.map((t) => [t, tierColours[t]]).concat([["unknown", "plain"]]) : statuses.map((s) => [s, toneOf(s)]).filter(([s]) => !["maintenance", "error"].includes(s));
  const names = { draining: "draining, maintenance", offline: "offline, error" };
  return <p class="legend">{entries.map(([name, colour]) => <span key={name}><i style={{ background: `var(--${colour})` }} />{by === "status" ? names[name] ?? name : name}</span>)}</p>;
}

function List({ runners }) {
  return (
    <Panel class="flush">
      <div class="grid-head runner-line"><span>Runner</span><span>Status</span><span>Places</span><span>Protocol</span><span>Round trip</span><span>Done</span><span>Heard</span></div>
      <VirtualList
        count={runners.length} line={36} height={`${Math.min(runners.length * 36 + 2, innerHeight - 330)}px`} aria-label="Runners"
        render={(i) => {
          const r = runners[i];
          return (
            <a key={r.id} class="grid-line runner-line" href={link("runner", r.name)}>
              <span class="name">{r.name}</span>
              <span><Badge state={r.status} /></span>
              <span class="places"><i style={{ width: `${100 * Math.min(1, loadOf(r))}%` }} /><b>{r.in_flight} / {r.slots}</b></span>
              <span>{r.rung || "–"}</span>
              <span>{micros(latencyOf(r))}</span>
              <span>{count(r.stats.completed)}{r.stats.failed ? <em class="bad-text"> {count(r.stats.failed)} lost</em> : ""}</span>
              <span class="muted">{since(r.last_seen_at)}</span>
            </a>
          );
        }}
      />
    </Panel>
  );
}
