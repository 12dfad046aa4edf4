// A list of any length in lines of one height: only what is seen is in the page.
import { useEffect, useRef, useState } from "preact/hooks";
import { useSize } from "../hooks.js";

export function VirtualList({ count, line, height, render, class: more = "", box: given, onScroll, ...rest }) {
  const own = useRef();
  const box = given ?? own;
  const { height: seen } = useSize(box);
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / line) - 10);
  const last = Math.min(count, Math.ceil((top + Math.max(seen, 100)) / line) + 10);
  useEffect(() => setTop(box.current.scrollTop), [count]);
  const rows = [];
  for (let i = first; i < last; ++i) rows.push(render(i));
  return (
    <div
      ref={box} class={`virtual ${more}`} style={{ height }} tabindex="0" {...rest}
      onScroll={(e) => {
        setTop(e.currentTarget.scrollTop);
        onScroll?.(e.currentTarget);
      }}
    >
      <div style={{ height: `${count * line}px`, position: "relative" }}>
        <div style={{ transform: `translateY(${first * line}px)` }}>{rows}</div>
      </div>
    </div>
  );
}
