// Jobs, a line each.
import { between, command, short, since } from "../format.js";
import { useNow } from "../hooks.js";
import { link } from "../router.js";
import { Badge, Row } from "./basics.jsx";

export function JobTable({ jobs, without }) {
  useNow(1000);
  return (
    <div class="scroll">
      <table class="jobs">
        <thead>
          <tr><th>State</th><th>Job</th><th>Command</th>{without !== "runner" && <th>Runner</th>}<th>Protocol</th><th>Submitted</th><th class="n">Took</th></tr>
        </thead>
        <tbody>
          {jobs.map((j) => (
            <Row key={j.id} href={link("job", j.id)}>
              <td><Badge state={j.state} />{j.exit_code ? <span class="muted"> {j.exit_code}</span> : ""}</td>
              <td><a href={link("job", j.id)} title={j.id}><code>{short(j.id)}</code></a>{j.name && <span class="muted"> {j.name}</span>}</td>
              <td class="command" title={command(j)}>
                <code>{command(j)}</code>
                {["queued", "blocked", "delayed"].includes(j.state) && j.reason && <div class="muted why">{j.reason}</div>}
                {j.failure?.message && <div class="muted why">{j.failure.message}</div>}
              </td>
              {without !== "runner" && <td>{j.runner ? <a href={link("runner", j.runner.name)}>{j.runner.name}</a> : "–"}</td>}
              <td>{j.protocol ?? "–"}</td>
              <td class="muted" title={j.submitted_at}>{since(j.submitted_at)}</td>
              <td class="n">{j.started_at ? between(j.started_at, j.finished_at) : "–"}</td>
            </Row>
          ))}
        </tbody>
      </table>
    </div>
  );
}
