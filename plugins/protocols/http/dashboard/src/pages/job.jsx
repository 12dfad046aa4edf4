// One job: its attempts over time, its output as it comes, and why it is where it is.
import { useEffect, useState } from "preact/hooks";
import * as api from "../api.js";
import { between, bytes, clock, command, fact, span } from "../format.js";
import { useData, useNow } from "../hooks.js";
import { Action, Badge, Facts, Failure, Loading, Page, Panel } from "../parts/basics.jsx";
import { LogView } from "../parts/log_view.jsx";
import { Timeline } from "../parts/timeline.jsx";
import { go, link } from "../router.js";

const ended = ["succeeded", "failed", "cancelled", "expired", "dead"];

export function Job({ name: id }) {
  const [over, end] = useState(false);
  const job = useData(() => api.get(`/v1/jobs/${id}`), [id], over ? 10000 : 500);
  const why = useData(() => api.get(`/v1/jobs/${id}/explain`), [id], over ? 10000 : 2000);
  const now = useNow(1000);
  const j = job.data;
  useEffect(() => end(ended.includes(j?.state)), [j?.state]);
  useEffect(() => void why.again(), [j?.state]);
  if (!j) return <Page title="Job">{job.error ? <Failure error={job.error} again={job.again} /> : <Loading />}</Page>;
  const last = j.attempts.at(-1);
  return (
    <Page
      title={<>{j.name || "Job"} <code class="id">{j.id}</code> <Badge state={j.state} /></>}
      aside={
        over ? (
          <Action act={() => api.post(`/v1/jobs/${id}/retry`)} done={(again) => go("job", again.id)}>Do it again</Action>
        ) : (
          <Action tone="danger" sure="Cancel this job?" act={() => api.post(`/v1/jobs/${id}/cancel`)} done={job.again}>Cancel</Action>
        )
      }
    >
      <Panel>
        <pre class="command-line">{command(j)}</pre>
        {j.failure && <p class="failure" role="status"><strong>{j.failure.class}</strong> {j.failure.message}</p>}
        <Facts
          rows={[
            ["runner", j.runner && <a href={link("runner", j.runner.name)}>{j.runner.name}</a>],
            ["protocol", j.protocol],
            ["balancer", j.balancer],
            ["because", j.reason],
            ["exit code", j.exit_code ?? (j.signal ? `signal ${j.signal}` : null)],
            ["submitted", clock(j.submitted_at)],
            ["waited", j.started_at && between(j.submitted_at, j.started_at)],
            ["took", j.started_at && between(j.started_at, j.finished_at)],
            ["requires", j.requires && <code>{j.requires}</code>],
            ["queue", `${j.queue}, ${j.priority}`],
            ["durability", j.durability],
            ["labels", Object.entries(j.labels).map(([k, v]) => <code class="label">{k}={v}</code>)],
            ["used", j.usage && `${span(j.usage.user_ms + j.usage.system_ms)} of processor, ${bytes(j.usage.memory_peak_bytes ?? j.usage.max_rss_bytes)} of memory`],
            ["needs", j.needs?.map((n) => <a class="label" href={link("job", n.id)}>{n.name} ({n.ended})</a>)],
            ["group", j.group && `${j.group.name} (${j.group.max})`],
            ["signature", signature(j)],
            ["retry of", j.retry_of && <a href={link("job", j.retry_of)}>{j.retry_of}</a>],
          ]}
        />
      </Panel>
      <Explain why={why} over={over} />
      {j.attempts.length > 0 && <Panel title="Timeline"><Timeline job={j} now={now} /></Panel>}
      {last?.steps && <Steps steps={last.steps} />}
      <Panel title="Output" aside={<span class="muted">{bytes(j.log_bytes)}</span>}>
        <LogView id={id} attempts={j.attempts.length} over={over} />
      </Panel>
      {(j.artifacts?.length > 0 || Object.keys(j.outputs ?? {}).length > 0) && <Results job={j} />}
    </Page>
  );
}

// Who signed it, and what its runner says of that.
function signature(j) {
  const checked = j.attempts.at(-1)?.signature;
  if (!j.signature && !checked) return null;
  return (
    <>
      {j.signature ? <>key <code>{j.signature.key}</code>, good until {clock(j.signature.expires)}</> : "none"}
      {checked && (checked.verified ? `; verified by its runner (${checked.by})` : <span class="bad-text">; not verified by its runner: {checked.problem}</span>)}
    </>
  );
}

function Explain({ why, over }) {
  const e = why.data;
  if (!e) return why.error ? <Failure error={why.error} /> : null;
  return (
    <Panel title={over ? "Why it ran there" : "Why"}>
      <div class="answer">{(e.answer ?? []).map((text, i) => <p key={i}>{text}</p>)}</div>
      {e.terms?.length > 0 && (
        <div class="scroll">
          <table class="dense">
            <thead><tr><th>Required</th><th class="n">True on</th><th class="n">False on</th><th class="n">Unknown on</th><th>Closest</th></tr></thead>
            <tbody>
              {e.terms.map((t) => (
                <tr key={t.text}>
                  <td><code>{t.text}</code></td><td class="n">{e.runners - t.false - t.unknown}</td><td class="n">{t.false}</td><td class="n">{t.unknown}</td>
                  <td>{t.closest && <>{t.closest.value} on <a href={link("runner", t.closest.runner)}>{t.closest.runner}</a></>}{t.nearest_key && <span class="muted"> did you mean {t.nearest_key}?</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

const Steps = ({ steps }) => (
  <Panel title="Steps">
    <ol class="steps">
      {steps.map((s, i) => (
        <li key={i}><Badge state={s.state} /> {s.name || `step ${i + 1}`} <span class="muted">{s.exit_code ? `exit code ${s.exit_code}` : s.signal ? `signal ${s.signal}` : ""} {s.wall_ms !== undefined && span(s.wall_ms)}</span></li>
      ))}
    </ol>
  </Panel>
);

function Results({ job: j }) {
  const fetchIt = async (name) => {
    const url = URL.createObjectURL(await api.blob(`/v1/jobs/${j.id}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`));
    Object.assign(document.createElement("a"), { href: url, download: name.split("/").pop() }).click();
    URL.revokeObjectURL(url);
  };
  return (
    <Panel title="Results">
      <Facts rows={Object.entries(j.outputs ?? {}).map(([k, v]) => [k, <code>{fact(v)}</code>])} />
      {j.artifacts?.length ? (
        <div class="scroll">
          <table class="dense">
            <thead><tr><th>Artifact</th><th class="n">Size</th><th>SHA-256</th><th><span class="unseen">Download</span></th></tr></thead>
            <tbody>
              {j.artifacts.map((a) => (
                <tr key={a.name}>
                  <td>{a.name}</td><td class="n">{bytes(a.size)}</td><td><code>{a.sha256.slice(0, 16)}…</code></td>
                  <td><Action act={() => fetchIt(a.name)} tone="small">Download</Action></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </Panel>
  );
}
