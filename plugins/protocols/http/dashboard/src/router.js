// The address after # is the page: #/fleet?where=..., #/runner/NAME, #/job/ID. Links and the back button work as anywhere.
import { useEffect, useState } from "preact/hooks";

export function here() {
  const [path, search] = (location.hash.slice(1) || "/fleet").split("?");
  const [page, ...rest] = path.split("/").filter(Boolean);
  return { page: page ?? "fleet", name: decodeURIComponent(rest.join("/")), params: Object.fromEntries(new URLSearchParams(search)) };
}

export const link = (page, name, params) => {
  const given = Object.entries(params ?? {}).filter(([, v]) => v);
  return `#/${page}${name ? "/" + encodeURIComponent(name) : ""}${given.length ? "?" + new URLSearchParams(given) : ""}`;
};
export const go = (...to) => (location.hash = link(...to));
/** Another filter of the same page: no step for the back button. */
export function refine(params) {
  const { page, name } = here();
  history.replaceState(null, "", link(page, name, params));
}

export function useRoute() {
  const [route, set] = useState(here);
  useEffect(() => {
    const changed = () => set(here());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
