// Colours that programs print (ECMA-48 SGR): a line of text as pieces with classes. What else they send to a terminal is left out.
const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const escape = /\x1b(?:\[([0-9;:?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** What a line begins with is what the one before ended with: `state` goes from line to line. */
export const plain = Object.freeze({ colour: "", back: "", bold: false, dim: false, italic: false, underline: false });

function apply(state, codes) {
  const all = (codes || "0").split(/[;:]/).map(Number);
  let s = { ...state };
  for (let i = 0; i < all.length; ++i) {
    const c = all[i];
    if (c === 0) s = { ...plain };
    else if (c === 1) s.bold = true;
    else if (c === 2) s.dim = true;
    else if (c === 3) s.italic = true;
    else if (c === 4) s.underline = true;
    else if (c === 22) s.bold = s.dim = false;
    else if (c === 23) s.italic = false;
    else if (c === 24) s.underline = false;
    else if (c >= 30 && c <= 37) s.colour = names[c - 30];
    else if (c >= 90 && c <= 97) s.colour = `bright-${names[c - 90]}`;
    else if (c === 39) s.colour = "";
    else if (c >= 40 && c <= 47) s.back = names[c - 40];
    else if (c === 49) s.back = "";
    else if (c === 38 || c === 48) i += all[i + 1] === 5 ? (all[i + 2] < 16 && c === 38 && (s.colour = (all[i + 2] > 7 ? "bright-" : "") + names[all[i + 2] % 8]), 2) : 4;
  }
  return s;
}

const classes = (s) =>
  [s.colour && `c-${s.colour}`, s.back && `b-${s.back}`, s.bold && "bold", s.dim && "dim", s.italic && "italic", s.underline && "underline"].filter(Boolean).join(" ");

/** {pieces: [{text, class}], state, text}: `text` is the line without codes. */
export function parse(line, state = plain) {
  const pieces = [];
  let at = 0;
  // A carriage return without a newline draws the line anew, as progress bars do.
  const drawn = line.replace(/\r$/, "").split("\r").pop();
  const put = (text) => text && pieces.push({ text, class: classes(state) });
  for (const found of drawn.matchAll(escape)) {
    put(drawn.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] === "m") state = apply(state, found[1]);
  }
  put(drawn.slice(at));
  return { pieces, state, text: pieces.map((p) => p.text).join("") };
}
