// Plugins: what is loaded, in which generation, and what became of those that are not.
import { useMemo, useState } from "preact/hooks";
import * as api from "../api.js";
import { fact, span } from "../format.js";
import { useData } from "../hooks.js";
import { useEvents } from "../live.js";
import { Action, Badge, Empty, Facts, Failure, Loading, Page, Panel, Tile } from "../parts/basics.jsx";

const kindOf = (p) => (p.components?.[0]?.kind ?? "other").replace(/^sigrun\./, "").replace(/\/\d+$/, "");
const titles = { protocol: "Protocols", balancer: "Balancers", probe: "Probes", executor: "Executors", store: "Stores", other: "Others" };

export function Plugins() {
  const list = useData(() => api.get("/v1/plugins"), [], 10000);
  const [open, setOpen] = useState(null);
  const [news, tell] = useState(null);
  useEvents("Plugin", list.again, 300);
  const groups = useMemo(() => {
    const by = new Map(Object.keys(titles).map((k) => [k, []]));
    for (const p of list.data?.items ?? []) (by.get(kindOf(p)) ?? by.get("other")).push(p);
    return [...by].filter(([, items]) => items.length);
  }, [list.data]);
  const all = list.data?.items ?? [];
  const bad = all.filter((p) => p.state !== "active" || p.quarantine);
  return (
    <Page title="Plugins" aside={<span class="muted">{list.data?.folder}</span>}>
      <Failure error={list.error} again={list.again} />
      <div class="tiles">
        <Tile label="active" value={all.length - bad.length} tone="good" />
        {bad.length > 0 && <Tile label="need attention" value={bad.length} tone="caution" />}
        <Tile label="crashes" value={all.reduce((n, p) => n + p.crashes, 0)} />
      </div>
      {news && <p class="note" role="status">{news}</p>}
      {!list.data && !list.error && <Loading />}
      {list.data && !all.length && <Empty title="No plugin is loaded" />}
      {groups.map(([kind, items]) => (
        <Panel key={kind} title={titles[kind]} class="flush plugins">
          <div class="scroll">
            <table>
              <thead><tr><th>Plugin</th><th>Version</th><th class="n">Generation</th><th>State</th><th>What it is</th><th>For</th><th><span class="unseen">Actions</span></th></tr></thead>
              <tbody>
                {items.map((p) => (
                  <Line key={p.id + p.file} plugin={p} open={open === p.id} toggle={() => setOpen(open === p.id ? null : p.id)} done={(text) => (tell(text), list.again())} />
                ))}
              </tbody>
            </table>
          </div>
        </Panel>
      ))}
    </Page>
  );
}

function Line({ plugin: p, open, toggle, done }) {
  const path = `/v1/plugins/${encodeURIComponent(p.id)}`;
  const reloaded = (r) => done(r.changed ? `${p.id}: ${r.old?.version} (generation ${r.old?.generation}) → ${r.new.version} (generation ${r.new.generation}), swapped in ${span(r.swapped_ms)}` : `${p.id}: its file holds what runs already.`);
  return (
    <>
      <tr class={open ? "open" : ""}>
        <td>
          <button class="plain fold" aria-expanded={open} onClick={toggle}>{open ? "▾" : "▸"} <strong>{p.id}</strong></button>
          {p.pinned && <span class="label">pinned</span>} {p.crashes > 0 && <span class="bad-text"> {p.crashes} crashes</span>}
        </td>
        <td>{p.version}</td>
        <td class="n">{p.generation}</td>
        <td>
          <Badge state={p.quarantine ? "quarantined" : p.state} /> {p.retiring?.length > 0 && <span class="muted">{p.retiring.length} retiring</span>}
          {(p.reason || p.quarantine) && <div class="muted why">{p.quarantine || p.reason}</div>}
        </td>
        <td class="muted">{p.doc}</td>
        <td class="muted nowrap">{span(p.age_s * 1000)}</td>
        <td class="row-actions">
          {p.quarantine ? (
            <Action tone="small" act={() => api.post(`${path}/admit`)} done={() => done(`${p.id} is admitted again.`)}>Admit</Action>
          ) : (
            <Action tone="small" act={() => api.post(`${path}/reload`)} done={reloaded}>Reload</Action>
          )}
          <Action tone="small" act={() => api.post(`${path}/pin`, { pinned: !p.pinned })} done={() => done(`${p.id} is ${p.pinned ? "not pinned any more" : "pinned: it is left alone"}.`)}>{p.pinned ? "Unpin" : "Pin"}</Action>
        </td>
      </tr>
      {open && (
        <tr class="inner"><td colSpan="7"><Details path={path} plugin={p} /></td></tr>
      )}
    </>
  );
}

function Details({ path, plugin: p }) {
  const { data, error } = useData(() => api.get(path), [path]);
  if (!data) return error ? <Failure error={error} /> : <Loading />;
  return (
    <>
      <Facts
        rows={[
          ["file", p.file + (p.file_gone ? " (gone)" : "")],
          ["sha256", <code>{p.sha256}</code>],
          ["ABI", p.abi],
          ["signed by", p.signed_by],
          ["newest on disk", p.newest && fact(p.newest)],
          ["retiring", p.retiring?.length ? fact(p.retiring) : null],
        ]}
      />
      {data.components?.map((c) => (
        <div key={c.id} class="component">
          <h3>{c.id} <span class="muted">{c.doc}</span></h3>
          {c.options?.length > 0 && (
            <table class="dense">
              <thead><tr><th>Option</th><th>Value</th><th>Default</th><th>Meaning</th></tr></thead>
              <tbody>{c.options.map((o) => <tr key={o.name ?? o.key}><td class="key">{o.name ?? o.key}</td><td><code>{fact(o.value ?? o.default ?? "")}</code></td><td class="muted">{fact(o.default ?? "")}</td><td class="muted">{o.doc}</td></tr>)}</tbody>
            </table>
          )}
        </div>
      ))}
    </>
  );
}
