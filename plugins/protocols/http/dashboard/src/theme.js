// Light, dark, or as the system is.
const key = "sigrun.theme";
const all = ["auto", "light", "dark"];
export const theme = () => localStorage.getItem(key) ?? "auto";
export const nextTheme = () => all[(all.indexOf(theme()) + 1) % all.length];
const system = matchMedia("(prefers-color-scheme: dark)");

export function setTheme(name) {
  localStorage.setItem(key, name);
  document.documentElement.dataset.theme = name === "auto" ? (system.matches ? "dark" : "light") : name;
}
system.addEventListener("change", () => setTheme(theme()));
