// Thousands of runners, a cell each, on a canvas: one element of the page, however many there are. The cell under the pointer, or the
// one that the arrow keys have come to, is told beside it.
import { useEffect, useRef, useState } from "preact/hooks";
import { useSize } from "../hooks.js";

/** The largest cells with which all fit into so much room. */
function grid(n, width, height) {
  for (let size = 34; size > 3; --size) {
    const columns = Math.floor(width / size);
    if (columns * Math.floor(height / size) >= n) return { size, columns };
  }
  return { size: 4, columns: Math.max(1, Math.floor(width / 4)) };
}

export function Heatmap({ cells, onOpen, describe }) {
  const box = useRef();
  const canvas = useRef();
  const { width } = useSize(box);
  const [at, setAt] = useState(-1);
  const room = Math.max(160, Math.min(520, innerHeight - 330));
  const { size, columns } = grid(Math.max(cells.length, 1), Math.max(width, 40), room);
  const height = Math.ceil(cells.length / columns) * size;

  useEffect(() => {
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    const c = canvas.current;
    c.width = width * ratio;
    c.height = Math.max(height, 1) * ratio;
    const pen = c.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colours = {};
    const colour = (name) => (colours[name] ??= style.getPropertyValue(`--${name}`).trim());
    const gap = size > 12 ? 3 : size > 6 ? 2 : 1;
    const round = size > 12 ? 4 : size > 6 ? 2 : 0;
    cells.forEach((cell, i) => {
      const x = (i % columns) * size;
      const y = Math.floor(i / columns) * size;
      pen.globalAlpha = cell.dim ? 0.12 : 1;
      pen.fillStyle = cell.mix === undefined ? colour(cell.colour) : `color-mix(in oklab, ${colour("heat-1")} ${Math.round(cell.mix * 100)}%, ${colour("heat-0")})`;
      pen.beginPath();
      pen.roundRect(x, y, size - gap, size - gap, round);
      pen.fill();
      if (i === at) {
        pen.globalAlpha = 1;
        pen.lineWidth = 2;
        pen.strokeStyle = colour("text");
        pen.stroke();
      }
    });
  }, [cells, width, size, columns, height, at, document.documentElement.dataset.theme]);

  const place = (e) => {
    const r = canvas.current.getBoundingClientRect();
    const column = Math.floor((e.clientX - r.left) / size);
    const i = Math.floor((e.clientY - r.top) / size) * columns + column;
    return column < columns && i >= 0 && i < cells.length ? i : -1;
  };
  const pressed = (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[e.key];
    if (step) {
      e.preventDefault();
      setAt(Math.max(0, Math.min(cells.length - 1, (at < 0 ? 0 : at) + (at < 0 ? 0 : step))));
    } else if ((e.key === "Enter" || e.key === " ") && at >= 0) {
      e.preventDefault();
      onOpen(cells[at]);
    }
  };
  const x = (at % columns) * size;
  const y = Math.floor(at / columns) * size;
  return (
    <div ref={box} class="heatmap" style={{ height: `${Math.max(height, 40)}px` }}>
      <canvas
        ref={canvas} tabindex="0" role="application" style={{ width: "100%", height: `${height}px` }}
        aria-label={`Runners, ${cells.length} cells; arrow keys move, Enter opens`}
        onMouseMove={(e) => setAt(place(e))} onMouseLeave={() => setAt(-1)} onBlur={() => setAt(-1)} onKeyDown={pressed}
        onClick={(e) => place(e) >= 0 && onOpen(cells[place(e)])}
      />
      {at >= 0 && cells[at] && (
        <div class={`tip ${x > width / 2 ? "left" : ""}`} role="status" style={{ left: `${x + size / 2}px`, top: `${y + size}px` }}>
          {describe(cells[at])}
        </div>
      )}
    </div>
  );
}
