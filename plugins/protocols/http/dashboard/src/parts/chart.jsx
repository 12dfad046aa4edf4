// A chart over time: uPlot in the colours of the page.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useSize } from "../hooks.js";

const palette = ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"];

/** `series`: [{label, values}]; `times`: seconds. `stacked`: one on the other. */
export function Chart({ times, series, format = (v) => v, height = 150, stacked = false, label }) {
  const box = useRef();
  const { width } = useSize(box);
  const plot = useRef();
  const names = series.map((s) => s.label).join("|");
  const theme = document.documentElement.dataset.theme;

  const data = [times, ...series.map((s) => s.values)];
  if (stacked)
    for (let s = data.length - 2; s > 0; --s) data[s] = data[s].map((v, i) => (v === null && data[s + 1][i] === null ? null : (v ?? 0) + (data[s + 1][i] ?? 0)));

  useEffect(() => {
    if (!width) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui", size: 74 };
    plot.current = new uPlot(
      {
        width, height,
        cursor: { y: false, points: { size: 6 } },
        legend: { live: true },
        scales: { y: { range: (_, lo, hi) => [0, Math.max(hi, 1e-9) * 1.1 || 1] } },
        axes: [{ ...axis, size: 42 }, { ...axis, values: (_, all) => all.map(format) }],
        series: [
          { value: (_, v) => (v ? new Date(v * 1000).toLocaleTimeString() : "–") },
          ...series.map((s, i) => ({
            label: s.label,
            stroke: colour(s.colour ?? palette[i % palette.length]),
            fill: stacked ? colour(s.colour ?? palette[i % palette.length]) + "55" : undefined,
            width: 1.5,
            points: { show: times.length < 3 },
            value: (u, v, n, at) => (at === null || at === undefined ? "–" : format(series[n - 1].values[at])),
          })),
        ],
      },
      data, box.current,
    );
    return () => plot.current.destroy();
  }, [width, height, names, theme]);
  useEffect(() => plot.current?.setData(data), [times, series]);
  return <div ref={box} class="chart" role="img" aria-label={label} />;
}
