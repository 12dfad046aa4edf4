// A job's output, live: colours, search, the line where it was read last stays. However long, only what is seen is in the page.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import * as api from "../api.js";
import { bytes } from "../format.js";
import { useKey } from "../hooks.js";
import { parse, plain } from "./ansi.js";
import { VirtualList } from "./virtual_list.jsx";

const line = 19;
const most = 500_000; // lines; of more the oldest are left out here, and are in the file

/** Lines as they come, in pieces that may end anywhere. */
class Lines {
  constructor() {
    this.all = [];
    this.rest = { stdout: "", stderr: "" };
    this.state = { stdout: plain, stderr: plain };
    this.dropped = 0;
    this.open = null; // index of a line that has not ended
  }
  add(text, stream) {
    const kept = stream in this.rest ? stream : "stdout";
    const parts = (this.rest[kept] + text).split("\n");
    if (this.open === kept) this.all.pop();
    this.open = null;
    this.rest[kept] = parts.pop();
    for (const part of parts) this.push(part, kept, true);
    if (this.rest[kept]) {
      this.push(this.rest[kept], kept, false);
      this.open = kept;
    }
    if (this.all.length > most) {
      this.dropped += this.all.length - most;
      this.all.splice(0, this.all.length - most);
    }
  }
  push(text, stream, whole) {
    const { pieces, state, text: bare } = parse(text, this.state[stream]);
    if (whole) this.state[stream] = state;
    this.all.push({ pieces, text: bare, stream });
  }
}

function marked(piece, wanted) {
  if (!wanted) return piece.text;
  const out = [];
  const lower = piece.text.toLowerCase();
  let at = 0;
  for (let hit = lower.indexOf(wanted); hit >= 0; hit = lower.indexOf(wanted, at)) {
    out.push(piece.text.slice(at, hit), <mark>{piece.text.slice(hit, hit + wanted.length)}</mark>);
    at = hit + wanted.length;
  }
  out.push(piece.text.slice(at));
  return out;
}

export function LogView({ id, attempts, over }) {
  const lines = useRef(new Lines());
  const [version, setVersion] = useState(0);
  const [attempt, setAttempt] = useState("");
  const [end, setEnd] = useState(null);
  const [follow, setFollow] = useState(true);
  const [search, setSearch] = useState("");
  const [hit, setHit] = useState(0);
  const box = useRef();
  const field = useRef();
  useKey("/", () => field.current.focus());

  useEffect(() => {
    const mine = (lines.current = new Lines());
    setEnd(null);
    let due = null;
    const show = () => {
      due ??= requestAnimationFrame(() => {
        due = null;
        setVersion((v) => v + 1);
      });
    };
    show();
    const stop = api.stream(`/v1/jobs/${id}/logs`, { follow: true, format: "sse", offset: 0, ...(attempt ? { attempt } : {}) }, {
      resume: "offset",
      onEvent: (data, event) => {
        if (event === "end" || data.end) {
          setEnd(data);
          show();
          return "end";
        }
        if (data.missing_bytes) mine.add(`… ${bytes(data.missing_bytes)} are not kept …\n`, "stderr");
        else if (data.text !== undefined) mine.add(data.text, data.stream);
        else if (data.base64) mine.add(atob(data.base64), data.stream);
        show();
      },
    });
    return () => {
      stop();
      cancelAnimationFrame(due);
    };
  }, [id, attempt]);

  const all = lines.current.all;
  const wanted = search.toLowerCase();
  const hits = useMemo(() => {
    if (!wanted) return [];
    const found = [];
    for (let i = 0; i < all.length && found.length < 10_000; ++i) if (all[i].text.toLowerCase().includes(wanted)) found.push(i);
    return found;
  }, [wanted, version]);
  const goTo = (n) => {
    if (!hits.length) return;
    const next = (n + hits.length) % hits.length;
    setHit(next);
    setFollow(false);
    box.current.scrollTop = Math.max(0, hits[next] * line - box.current.clientHeight / 2);
  };
  useEffect(() => {
    if (wanted) goTo(0);
  }, [wanted]);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [version, follow]);

  return (
    <div class="log">
      <div class="toolbar">
        <input
          ref={field} type="search" placeholder="Search output ( / )" aria-label="Search output" value={search}
          onInput={(e) => setSearch(e.target.value)} onKeyDown={(e) => e.key === "Enter" && goTo(hit + (e.shiftKey ? -1 : 1))}
        />
        {wanted && <span class="muted" role="status">{hits.length ? `${hit + 1} of ${hits.length}` : "nothing found"}</span>}
        {attempts > 1 && (
          <select aria-label="Attempt" value={attempt} onChange={(e) => setAttempt(e.target.value)}>
            <option value="">all attempts</option>
            {Array.from({ length: attempts }, (_, i) => <option value={i + 1}>attempt {i + 1}</option>)}
          </select>
        )}
        <span class="grow" />
        <label><input type="checkbox" checked={follow} onChange={(e) => setFollow(e.target.checked)} /> follow</label>
        <button
          class="small"
          onClick={async () => {
            const url = URL.createObjectURL(await api.blob(`/v1/jobs/${id}/logs`));
            Object.assign(document.createElement("a"), { href: url, download: `${id}.log` }).click();
            URL.revokeObjectURL(url);
          }}
        >
          Download
        </button>
      </div>
      {lines.current.dropped > 0 && <p class="muted">The first {lines.current.dropped.toLocaleString("en")} lines are not shown; the file has them.</p>}
      {all.length === 0 ? (
        <p class="muted log-empty">{end ? "It has written nothing." : over ? "Loading …" : "Nothing yet."}</p>
      ) : (
        <VirtualList
          box={box} class="lines" count={all.length} line={line} height={`${Math.min(Math.max(all.length, 3) * line + 20, 560)}px`} aria-label="Output"
          onScroll={(e) => {
            const atEnd = e.scrollHeight - e.scrollTop - e.clientHeight < 2 * line;
            if (atEnd !== follow && !over) setFollow(atEnd);
          }}
          render={(i) => (
            <div key={i} class={`line ${all[i].stream === "stderr" ? "stderr" : ""} ${hits[hit] === i && wanted ? "hit" : ""}`}>
              <span class="number">{lines.current.dropped + i + 1}</span>
              <span class="text">{all[i].pieces.map((p) => <span class={p.class}>{marked(p, wanted)}</span>)}</span>
            </div>
          )}
        />
      )}
    </div>
  );
}
