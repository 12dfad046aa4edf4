// Calls of the daemon. A token, if the daemon asks for one, is kept for this tab alone.
const key = "sigrun.token";
let asking = null; // () => Promise of a token; set by the page

export const onTokenWanted = (ask) => (asking = ask);
export const forgetToken = () => sessionStorage.removeItem(key);
export const hasToken = () => sessionStorage.getItem(key) !== null;

/** A problem document of the daemon, or what kept it from answering. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || document.code || `status ${status}`);
    this.status = status;
    Object.assign(this, { code: document.code, field: document.field, expected: document.expected, found: document.found });
  }
}

function headers(more) {
  const token = sessionStorage.getItem(key);
  return { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

let waiting = null;
async function tokenAsked() {
  // Many calls fail at once; there is one question.
  waiting ??= asking().finally(() => (waiting = null));
  sessionStorage.setItem(key, await waiting);
}

async function send(path, options = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: headers(options.headers) });
    } catch (e) {
      if (e.name === "AbortError") throw e;
      throw new Problem(0, { code: "unreachable", detail: "The daemon does not answer." });
    }
    if (response.status === 401 && asking) {
      await tokenAsked();
      continue;
    }
    if (response.ok) return response;
    const text = await response.text();
    let document = { detail: text };
    try {
      document = JSON.parse(text);
    } catch {
      // a proxy's page
    }
    throw new Problem(response.status, document);
  }
}

export const query = (params) => {
  const given = Object.entries(params).filter(([, v]) => v !== undefined && v !== null && v !== "");
  return given.length ? "?" + new URLSearchParams(given) : "";
};
export const get = async (path, params = {}, options = {}) => (await send(path + query(params), options)).json();
export const text = async (path) => (await send(path)).text();
export const blob = async (path) => (await send(path)).blob();
export const post = async (path, params = {}, document) =>
  (
    await send(path + query(params), {
      method: "POST",
      ...(document === undefined ? {} : { body: JSON.stringify(document), headers: { "Content-Type": "application/json" } }),
    })
  ).json();
export const remove = async (path, params = {}) => (await send(path + query(params), { method: "DELETE" })).json();

/** All pages of a list; `each` gets the items of one as it comes. */
export async function pages(path, params, each, signal) {
  let cursor;
  do {
    const page = await get(path, { limit: 1000, ...params, cursor }, { signal });
    each(page.items, page);
    cursor = page.next;
  } while (cursor);
}

/** A stream of server-sent events: EventSource cannot send a token. Comes back by itself, from where it was. */
export function stream(path, params, { onEvent, onState, resume = "after" }) {
  const control = new AbortController();
  let last = params[resume];
  let over = false;
  const run = async () => {
    for (let pause = 500; !over; pause = Math.min(pause * 2, 10000)) {
      try {
        const response = await send(path + query({ ...params, [resume]: last }), {
          signal: control.signal,
          headers: { Accept: "text/event-stream" },
        });
        onState?.(true);
        pause = 250;
        for await (const { id, event, data } of events(response.body)) {
          if (id !== "") last = id;
          if (onEvent(data, event) === "end") over = true;
        }
      } catch (e) {
        if (e.name === "AbortError" || (e.status >= 400 && e.status < 500)) over = true;
        if (e.name !== "AbortError") onState?.(false, e);
      }
      if (!over) {
        onState?.(false);
        await new Promise((r) => setTimeout(r, pause));
      }
    }
  };
  run();
  return () => {
    over = true;
    control.abort();
  };
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const one = { id: "", event: "message", data: "" };
      for (const line of part.split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) one[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (one.data) yield { ...one, data: JSON.parse(one.data) };
    }
  }
}
