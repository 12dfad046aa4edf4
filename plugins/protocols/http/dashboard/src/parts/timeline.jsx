// A job over time: waiting, then each attempt, with the protocols it went over.
import { between, clock, span } from "../format.js";
import { link } from "../router.js";
import { Badge, toneOf } from "./basics.jsx";

export function Timeline({ job, now }) {
  const begin = Date.parse(job.submitted_at);
  const end = Math.max(job.finished_at ? Date.parse(job.finished_at) : now, begin + 1);
  const at = (time) => `${(100 * (Math.min(Math.max(Date.parse(time), begin), end) - begin)) / (end - begin)}%`;
  const width = (from, to) => `max(3px, ${(100 * (Math.min(to, end) - Math.max(from, begin))) / (end - begin)}%)`;
  const first = job.attempts[0]?.rungs[0]?.at ?? job.attempts[0]?.started_at;
  return (
    <div class="timeline" role="list" aria-label="Attempts over time">
      <div class="lane" role="listitem">
        <span class="lane-name">waiting</span>
        <span class="track">
          <i class="bar caution" style={{ left: 0, width: width(begin, first ? Date.parse(first) : end) }} title={between(job.submitted_at, first ?? job.finished_at)} />
        </span>
        <span class="lane-note">{between(job.submitted_at, first ?? job.finished_at)}</span>
      </div>
      {job.attempts.map((a) => {
        const from = a.rungs[0]?.at ?? a.started_at ?? job.submitted_at;
        const to = a.finished_at ? Date.parse(a.finished_at) : ["offered", "running"].includes(a.state) ? end : Date.parse(from);
        return (
          <div key={a.number} class="lane" role="listitem">
            <span class="lane-name">
              {a.number}. <a href={link("runner", a.runner.name)}>{a.runner.name}</a>{a.hedge && <span class="muted"> copy</span>}
            </span>
            <span class="track">
              <i class={`bar ${toneOf(a.state)}`} style={{ left: at(from), width: width(Date.parse(from), to) }} title={`${clock(from)}, ${span(to - Date.parse(from))}`} />
              {a.rungs.slice(1).map((r) => <i key={r.at} class="switch" style={{ left: at(r.at) }} title={`${r.protocol}: ${r.reason}, ${clock(r.at)}`} />)}
            </span>
            <span class="lane-note">
              <Badge state={a.state} /> {a.rungs.map((r) => r.protocol).join(" → ")}, {span(to - Date.parse(from))}
              {a.failure && <span class="muted"> {a.failure.message}</span>}
            </span>
          </div>
        );
      })}
      <div class="lane axis" aria-hidden="true"><span class="lane-name" /><span class="track"><span>{clock(job.submitted_at)}</span><span>{span(end - begin)}</span></span><span class="lane-note" /></div>
    </div>
  );
}
