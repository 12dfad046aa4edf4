// What everything on the page follows: the stream of events, and the fleet as it is by them.
import { useEffect, useState } from "preact/hooks";
import * as api from "./api.js";

const listeners = new Set(); // {prefix, act}
let connected = null;        // null: not yet
const watchers = new Set();  // of `connected`

export function begin() {
  // Not those of jobs: a daemon has tens of thousands of them in a second, and a page shows a few.
  api.stream("/v1/events", { types: "Runner,Capabilities,Plugin" }, {
    onEvent: (e) => listeners.forEach((l) => (e.type.startsWith(l.prefix) || e.type === "Gap") && l.act(e)),
    onState: (now) => {
      connected = now;
      watchers.forEach((w) => w(now));
    },
  });
}

/** Whether events come; null before it is known. */
export function useConnected() {
  const [now, set] = useState(connected);
  useEffect(() => {
    set(connected);
    watchers.add(set);
    return () => watchers.delete(set);
  }, []);
  return now;
}

/** `act` for each event whose type begins so; after a gap, for that as well. */
export function listen(prefix, act) {
  const one = { prefix, act };
  listeners.add(one);
  return () => listeners.delete(one);
}

/** Many events, one call: at most each `ms`. */
export function useEvents(prefix, act, ms = 500, keys = []) {
  useEffect(() => {
    let due = null;
    const stop = listen(prefix, () => {
      due ??= setTimeout(() => {
        due = null;
        act();
      }, ms);
    });
    return () => {
      stop();
      clearTimeout(due);
    };
  }, keys);
}

/** All runners by id. Read in pages; then events change single ones, and what has no event (load, latency) is read again in turns. */
class Fleet {
  constructor() {
    this.runners = new Map();
    this.version = 0;
    this.loaded = false;
    this.error = null;
    this.users = new Set();
  }
  changed() {
    ++this.version;
    if (this.told) return;
    this.told = setTimeout(() => {
      this.told = null;
      this.users.forEach((u) => u(this.version));
    }, 150);
  }
  async read() {
    clearTimeout(this.due);
    const began = Date.now();
    try {
      const seen = new Set();
      await api.pages("/v1/runners", {}, (items) => {
        for (const r of items) {
          this.runners.set(r.id, r);
          seen.add(r.id);
        }
        this.changed();
      });
      for (const id of this.runners.keys()) if (!seen.has(id)) this.runners.delete(id);
      this.loaded = true;
      this.error = null;
    } catch (e) {
      this.error = e;
    }
    this.changed();
    // Not more than a twentieth of the time is spent on it.
    if (this.users.size) this.due = setTimeout(() => this.read(), Math.max(3000, 20 * (Date.now() - began)));
  }
  heard(e) {
    const known = this.runners.get(e.runner);
    if (e.type === "RunnerDeregistered") this.runners.delete(e.runner);
    else if (e.type === "RunnerStatusChanged" && known) this.runners.set(e.runner, { ...known, status: e.to });
    else if (e.type === "Gap" || e.type === "RunnerRegistered") return this.soon();
    this.changed();
  }
  soon() {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.read(), 300);
  }
  use(user) {
    this.users.add(user);
    if (this.users.size === 1) {
      this.stop = listen("Runner", (e) => this.heard(e));
      this.read();
    }
    return () => {
      this.users.delete(user);
      if (this.users.size) return;
      this.stop();
      clearTimeout(this.due);
    };
  }
}
const fleet = new Fleet();

export function useFleet() {
  const [, set] = useState(0);
  useEffect(() => fleet.use(set), []);
  return fleet;
}
