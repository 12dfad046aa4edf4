// Numbers, times and sizes as people read them.
const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  let i = 0;
  while (n >= 1024 && i < units.length - 1) (n /= 1024), ++i;
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function span(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const micros = (us) => (us === null || us === undefined ? "–" : span(us / 1000));
export const since = (time, now = Date.now()) => (time ? `${span(Math.max(0, now - Date.parse(time)))} ago` : "–");
export const between = (from, to) => (from ? span((to ? Date.parse(to) : Date.now()) - Date.parse(from)) : "–");
export const clock = (time) => (time ? new Date(time).toLocaleString() : "–");
export const count = (n) => (n ?? 0).toLocaleString("en");
export const percent = (x) => (x === null || x === undefined ? "–" : `${(100 * x).toFixed(x >= 0.9995 || x === 0 ? 0 : 1)} %`);
export const command = (job) =>
  job.command?.length ? job.command.map((w) => (/[\s"'\\]/.test(w) ? `'${w}'` : w)).join(" ") : job.steps?.length ? `${job.steps.length} steps` : job.kind;
export const short = (id) => id?.slice(-8) ?? "";
export const fact = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
