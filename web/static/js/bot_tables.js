// The tables beside the charts: open orders, gates and latches, markouts, last exits.

import { byId, make, makeSvg, makeTable, setText } from "./dom.js";
import { amount, clock, duration, fixed, price } from "./format.js";

const side = (text) => make("span", { class: `side-${text.toLowerCase()}` }, text.toLowerCase());
const empty = (text) => make("p", { class: "empty" }, text);

/** How far a price is from the mid, in basis points. */
const distance = (order, mid) => (mid ? `${fixed(((Number(order.price) - mid) / mid) * 10000, 1)}` : "-");

const ORDER_COLUMNS = [["Side", ""], ["Price", "num"], ["Size", "num"], ["Filled", "num"], ["bps", "num"], ["Age", "num"]];

/** Show open orders, asks on top, as in a book. */
export function showOrders(orders, mid) {
  setText(byId("orders-count"), `${orders.length}`);
  if (!orders.length) return byId("orders").replaceChildren(empty("No order rests."));
  const sorted = [...orders].sort((one, other) => Number(other.price) - Number(one.price));
  const legs = new Set(orders.map((order) => order.leg)).size > 1;
  const rows = sorted.map((order) => [
    make("span", {}, side(order.side), legs ? ` ${order.leg}` : ""),
    price(order.price),
    amount(order.size),
    amount(order.filled),
    legs ? "-" : distance(order, Number(mid)),
    order.placed_at ? duration((Date.now() - Date.parse(order.placed_at)) / 1000) : "-",
  ]);
  return byId("orders").replaceChildren(makeTable("Open orders", ORDER_COLUMNS, rows));
}

const textOf = (gate) => [gate.name, gate.reason, gate.at && clock(gate.at)].filter(Boolean).join(" · ");

/** Show shut gates and tripped latches. */
export function showGates(gates, latches) {
  const items = [
    ...gates.map((gate) => make("li", {}, make("span", { class: "tag", data: { tone: gate.attention } }, "gate shut"), ` ${textOf(gate)}`)),
    ...latches.map((latch) => make("li", {}, make("span", { class: "tag", data: { tone: "bad" } }, "latched"), ` ${textOf(latch)}`)),
  ];
  byId("gates").replaceChildren(items.length ? make("ul", { class: "gates" }, items) : make("p", { class: "dim" }, "All gates are open, no latch has tripped."));
}

function bar(value, largest) {
  const width = 90;
  const size = largest ? (Math.abs(value) / largest) * (width / 2 - 2) : 0;
  const rect = makeSvg("rect", { x: value < 0 ? width / 2 - size : width / 2, y: 3, width: Math.max(size, 0.5), height: 8 });
  return makeSvg("svg", { class: "bar", width, height: 14, "aria-hidden": "true", "data-tone": value < 0 ? "bad" : "good" }, rect, makeSvg("path", { d: `M${width / 2} 0V14`, "stroke-width": 1 }));
}

/** Show where the mid went after fills. */
export function showMarkouts({ markouts, spread_captured_bps }) {
  setText(byId("spread"), spread_captured_bps === null || spread_captured_bps === undefined ? "" : `captured ${fixed(spread_captured_bps, 2)} bps against the mids of the ledger`);
  if (!markouts.length) return byId("markouts").replaceChildren(empty("No fills to judge yet."));
  const largest = Math.max(...markouts.map((one) => Math.abs(one.mean_bps ?? 0)));
  const rows = markouts.map((one) => [duration(one.horizon_s), one.mean_bps === null ? "-" : fixed(one.mean_bps, 2), one.mean_bps === null ? "" : bar(one.mean_bps, largest), String(one.n)]);
  return byId("markouts").replaceChildren(makeTable("Markouts: mean move of the mid after a fill, in our favour above zero", [["After", ""], ["bps", "num"], ["", ""], ["Fills", "num"]], rows));
}

const lineText = ({ at, level, component, text }) => [clock(at), level, component, text].filter(Boolean).join("  ");

/** Show how the bot ended the last times, each with the last lines of its log. */
export function showExits(exits) {
  if (!exits.length) return byId("exits").replaceChildren(make("p", { class: "dim" }, "It has not ended yet, as far as the events go back."));
  const items = exits.map((exit) => {
    const how = exit.signal ?? (exit.status === null ? "" : `status ${exit.status}`);
    const tail = exit.log_tail.map(lineText).join("\n");
    const label = `Log before the end at ${clock(exit.at)}`;
    return make("details", { class: "exit" }, make("summary", {}, `${clock(exit.at)}  ${how}  ${exit.reason ?? ""}`), make("pre", { tabindex: "0", role: "region", "aria-label": label }, tail || "no log lines were kept"));
  });
  return byId("exits").replaceChildren(...items);
}

const isKnown = (value) => value !== null && value !== undefined;
const plain = (places, unit = "") => (value) => `${fixed(value, places)}${unit}`;

/** What the quality table says: title, where it is in the row's stats, how it is written. */
const QUALITY = [
  ["Reference price", (stats) => stats.reference_mid, (value) => amount(value)],
  ["Reference age", (stats) => stats.reference_age_s, plain(1, " s")],
  ["At the touch", (stats) => stats.time_at_touch_pct, plain(1, " %")],
  ["Spread quoted", (stats) => stats.spread_quoted_bps, plain(2, " bps")],
  ["Spread captured", (stats) => stats.spread_captured_bps, plain(2, " bps")],
  ...["1", "5", "30", "60"].map((horizon) => [`Adverse markout, ${horizon} s`, (stats) => stats.adverse_markout_bps?.[horizon], plain(2, " bps")]),
  ["Cancels per fill", (stats) => stats.cancel_fill_ratio, plain(1)],
  ["Wear rate", (stats) => (isKnown(stats.wear_rate) ? stats.wear_rate * 10000 : null), plain(2, " bps of volume")],
  ["Decision, median", (stats) => stats.cycle_ms?.p50, plain(2, " ms")],
  ["Decision, 99th percentile", (stats) => stats.cycle_ms?.p99, plain(2, " ms")],
  ["Peak equity", (stats) => stats.peak_equity, (value) => amount(value)],
  ["Drawdown", (stats) => stats.drawdown_pct, plain(2, " %")],
  ["Position of its limit", (stats) => (isKnown(stats.inventory_ratio) ? stats.inventory_ratio * 100 : null), plain(1, " %")],
  ["Average entry", (stats) => stats.avg_entry, (value) => price(Number(value))],
  ["Volume in base", (stats) => stats.volume_base, (value) => amount(value)],
  ["Volume as a maker", (stats) => stats.maker_volume, (value) => amount(value)],
  ["Volume as a taker", (stats) => stats.taker_volume, (value) => amount(value)],
  ["Sent last", (stats) => stats.last_action, (value) => value],
  ["Breaker", (stats) => stats.breaker_state, (value) => value],
];

/** Show how well the bot quotes. */
export function showQuality(stats) {
  const known = QUALITY.map(([title, of, write]) => [title, of(stats), write]).filter(([, value]) => isKnown(value));
  if (!known.length) return byId("quality").replaceChildren(empty("Nothing is known yet."));
  return byId("quality").replaceChildren(makeTable("Quality of the quotes", [["What", ""], ["Value", "num"]], known.map(([title, value, write]) => [title, write(value)])));
}
