// What pages share: data that is asked for again and again, and a clock.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

/** {data, error, again}: of `load`, at once and each `every` ms, while the page is seen. Old data stays while new is asked for. */
export function useData(load, keys, every = 0) {
  const [state, set] = useState({ data: null, error: null });
  const current = useRef(load);
  current.current = load;
  const alive = useRef(0);
  const again = useCallback(async () => {
    const turn = alive.current;
    try {
      const data = await current.current();
      if (turn === alive.current) set({ data, error: null });
    } catch (error) {
      if (turn === alive.current) set((s) => ({ data: s.data, error }));
    }
  }, []);
  useEffect(() => {
    ++alive.current;
    set({ data: null, error: null });
    again();
    return () => ++alive.current;
  }, keys);
  useEffect(() => {
    if (!every) return;
    let timer;
    const later = (ms) => {
      timer = setTimeout(async () => {
        const began = Date.now();
        if (document.visibilityState === "visible") await again();
        // What is dear for the daemon is asked for less often.
        if (timer) later(Math.max(every, 20 * (Date.now() - began)));
      }, ms);
    };
    later(every);
    return () => {
      clearTimeout(timer);
      timer = null;
    };
  }, [...keys, every]);
  return { ...state, again };
}

/** The time, each so many ms. */
export function useNow(every = 1000) {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** The size of an element, and when it changes. */
export function useSize(ref) {
  const [size, set] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const watch = new ResizeObserver(([e]) => set({ width: e.contentRect.width, height: e.contentRect.height }));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, [ref.current]);
  return size;
}

/** Runs `act` when `key` is pressed and nothing is being typed. */
export function useKey(key, act) {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    const pressed = (e) => {
      if (e.key !== key || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
      e.preventDefault();
      current.current();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [key]);
}
