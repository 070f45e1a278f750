// A unified diff, coloured by its first letters; the signs stay, so that colour is not alone.

import { make } from "./dom.js";

const KINDS = { "+": "add", "-": "cut", "@": "at" };

/** Return a diff as lines. */
export function makeDiff(text) {
  const lines = text.split("\n").filter((line, place, all) => line || place < all.length - 1);
  return make("pre", { class: "diff", tabindex: "0", "aria-label": "Difference" }, lines.map((line) => make("span", { class: /^(\+\+\+|---)/.test(line) ? "at" : KINDS[line[0]] }, line || " ")));
}

/** Return what a change means beside its lines: what a reload takes over, what restarts, what risks more. */
export function makeMeaning({ live = [], restarts = [], wider_risk = [] }) {
  const row = (tone, title, items) => items.length && make("p", {}, make("span", { class: "tag", data: { tone } }, title), ` ${items.map(String).join(", ")}`);
  return [row("bad", "more risk", wider_risk), row("warn", "needs a restart", restarts), row("good", "taken over live", live)].filter(Boolean);
}
