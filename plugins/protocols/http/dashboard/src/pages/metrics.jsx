// What the daemon did of late, as it keeps it itself.
import { useMemo, useState } from "preact/hooks";
import * as api from "../api.js";
import { bytes, count, span } from "../format.js";
import { useData } from "../hooks.js";
import { Choice, Empty, Failure, Loading, Page, Panel } from "../parts/basics.jsx";
import { Chart } from "../parts/chart.jsx";

const windows = [["5m", "5 min"], ["1h", "1 h"], ["6h", "6 h"], ["24h", "24 h"]];
const rate = (v) => (v === null || v === undefined ? "–" : v < 10 ? `${v.toFixed(v < 1 && v > 0 ? 2 : 1)}/s` : `${count(Math.round(v))}/s`);
const seconds = (v) => (v === null || v === undefined ? "–" : span(v * 1000));
const speed = (v) => (v === null || v === undefined ? "–" : `${bytes(v)}/s`);

const outcomes = { succeeded: "good", failed: "bad", cancelled: "caution", expired: "series-4", dead: "text" };
const statuses = { online: "good", busy: "accent", draining: "caution", maintenance: "series-4", offline: "bad", error: "series-5" };

export function Metrics() {
  const [chosen, setWindow] = useState(null);
  const stats = useData(() => api.get("/v1/stats"), []);
  // Of a daemon that has just begun an hour would show nothing: its steps are minutes.
  const young = stats.data && Date.now() - Date.parse(stats.data.started_at) < 600_000;
  const window = chosen ?? (young ? "5m" : "1h");
  const history = useData(() => api.get("/v1/stats/history", { window }), [window], 10000);
  const h = history.data;
  const times = useMemo(() => (h ? Array.from({ length: h.points }, (_, i) => h.start_ms / 1000 + i * h.step_s) : []), [h]);
  const pick = (names, prefix, colours) => names.map((n) => ({ label: n, values: h.series[prefix + n] ?? [], colour: colours?.[n] })).filter((s) => s.values.length);
  const used = (list) => list.filter((s) => s.values.some((v) => v));
  const protocols = useMemo(() => (h ? [...new Set(Object.keys(h.series).filter((k) => k.startsWith("protocols.")).map((k) => k.split(".")[1]))] : []), [h]);
  const ofProtocols = (what) => used(protocols.map((p) => ({ label: p, values: h.series[`protocols.${p}.${what}`] ?? [] })));
  const charts = h && h.points > 0 && [
    ["Jobs ended", pick(Object.keys(outcomes), "jobs.", outcomes), { format: rate, stacked: true, trim: true }],
    ["Jobs waiting and under way", pick(["waiting", "under_way"], "jobs."), { format: count }],
    ["From submit to end", pick(["total_p50", "total_p95", "total_p99"], "jobs.").map((s) => ({ ...s, label: s.label.slice(6) })), { format: seconds }],
    ["Runners by status", pick(Object.keys(statuses), "runners.", statuses), { format: count, stacked: true, trim: true }],
    ["Choosing a runner", pick(["p50", "p99"], "selection."), { format: seconds }],
    ["Answers by protocol, p95", ofProtocols("answer_p95"), { format: seconds }],
    ["Received by protocol", ofProtocols("bytes_in"), { format: speed }],
    ["Sent by protocol", ofProtocols("bytes_out"), { format: speed }],
  ];
  return (
    <Page title="Metrics" aside={<Choice label="Window" value={window} onChange={setWindow} options={windows} />}>
      <Failure error={history.error} again={history.again} />
      {!h && !history.error && <Loading />}
      {h && h.points === 0 && <Empty title="No step is over yet">The first one ends in a moment.</Empty>}
      <div class="charts">
        {charts &&
          charts.map(([title, series, { trim, ...how }]) => {
            const known = series.filter((s) => s.values.some((v) => v !== null));
            const shown = trim && used(known).length ? used(known) : known;
            return (
              <Panel key={title} title={title}>
                {shown.length ? <Chart label={title} times={times} series={shown} {...how} /> : <p class="muted">Nothing in this time.</p>}
              </Panel>
            );
          })}
      </div>
      <p class="muted">Kept in {bytes(h?.memory_bytes)} of the daemon's memory, for 24 hours. For longer times: <a href="/metrics">/metrics</a>, in Prometheus' format.</p>
    </Page>
  );
}
