// Small things that every page is made of.
import { useEffect, useRef, useState } from "preact/hooks";

const tones = {
  online: "good", succeeded: "good", active: "good", up: "good", closed: "good", free: "good",
  busy: "accent", running: "accent", uploading: "accent", offered: "accent", preparing: "accent",
  draining: "caution", maintenance: "caution", queued: "caution", delayed: "caution", blocked: "caution", probation: "caution", open: "caution", waiting: "caution", degraded: "caution",
  offline: "bad", error: "bad", failed: "bad", dead: "bad", expired: "bad", lost: "bad", quarantined: "bad", down: "bad", rejected: "bad",
};
export const toneOf = (state) => tones[state] ?? "plain";

export const Badge = ({ state, children }) => <span class={`badge ${toneOf(state)}`}>{children ?? state}</span>;

export const Empty = ({ title, children }) => (
  <div class="empty">
    <p class="empty-title">{title}</p>
    {children}
  </div>
);

export const Loading = () => <div class="loading" role="status">Loading …</div>;

export function Failure({ error, again }) {
  if (!error) return null;
  return (
    <div class="failure" role="alert">
      <strong class="told">{error.message}</strong>
      {error.expected && <span> {error.field}: expected {error.expected}, found {error.found}</span>}
      {again && <button class="small" onClick={again}>Try again</button>}
    </div>
  );
}

export const Page = ({ title, aside, children }) => (
  <main id="page" tabindex="-1">
    <header class="page-head">
      <h1>{title}</h1>
      <div class="aside">{aside}</div>
    </header>
    {children}
  </main>
);

export const Panel = ({ title, aside, children, class: more = "" }) => (
  <section class={`panel ${more}`}>
    {(title || aside) && (
      <header>
        <h2>{title}</h2>
        <div class="aside">{aside}</div>
      </header>
    )}
    {children}
  </section>
);

export const Tile = ({ label, value, tone = "plain", hint, href }) => {
  const inner = (
    <>
      <span class="tile-value">{value}</span>
      <span class="tile-label">{label}</span>
    </>
  );
  return href ? <a class={`tile ${tone}`} href={href} title={hint}>{inner}</a> : <div class={`tile ${tone}`} title={hint}>{inner}</div>;
};

/** Label and value, those with a value. */
export const Facts = ({ rows }) => (
  <dl class="facts">
    {rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value.length !== 0).map(([label, value]) => (
      <div key={label} class={typeof value === "string" && value.length > 44 ? "long" : ""}>
        <dt>{label}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

export const Choice = ({ label, value, options, onChange }) => (
  <div class="choice" role="radiogroup" aria-label={label}>
    {options.map(([id, text]) => (
      <button key={id} role="radio" aria-checked={id === value} class={id === value ? "on" : ""} onClick={() => onChange(id)}>
        {text}
      </button>
    ))}
  </div>
);

/** Does `act`, which may take a while or fail; says so. With `sure`, asks first. */
export function Action({ act, sure, children, tone = "", done, disabled }) {
  const [state, set] = useState({});
  const run = async () => {
    if (sure && !confirm(sure)) return;
    set({ busy: true });
    try {
      const result = await act();
      set({});
      done?.(result);
    } catch (error) {
      set({ error });
    }
  };
  return (
    <span class="action">
      <button class={tone} disabled={disabled || state.busy} aria-busy={state.busy} onClick={run}>{children}</button>
      {state.error && (
        <span class="action-error" role="alert" onClick={() => set({})}>{state.error.message}</span>
      )}
    </span>
  );
}

/** A dialog that Escape closes and that has the focus while it is open. */
export function Dialog({ title, onClose, children }) {
  const ref = useRef();
  useEffect(() => {
    ref.current.showModal();
  }, []);
  return (
    <dialog ref={ref} aria-label={title} onCancel={(e) => (onClose ? onClose() : e.preventDefault())} onClick={(e) => e.target === ref.current && onClose?.()}>
      <div class="dialog-body">
        <header>
          <h2>{title}</h2>
          {onClose && <button class="plain" aria-label="Close" onClick={onClose}>✕</button>}
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A row that is a link, also for the keyboard. */
export const Row = ({ href, children, ...more }) => (
  <tr {...more} class={`link ${more.class ?? ""}`} onClick={(e) => !e.target.closest("a,button") && (location.hash = href)}>
    {children}
  </tr>
);
