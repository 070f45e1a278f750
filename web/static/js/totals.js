// The fleet in one line, and by account and venue. Counted here from the rows, so that it is never older than they are.

import { byId, make, makeTable, setAttribute, setText } from "./dom.js";
import { gainTone, money } from "./format.js";

const isQuoting = (row) => row.state === "RUNNING" && row.phase === "QUOTING";

function emptySum() {
  return { bots: 0, quoting: 0, bad: 0, warn: 0, orders: 0, today: 0, realised: 0, unrealised: 0, fees: 0 };
}

function add(sum, row) {
  sum.bots += 1;
  sum.quoting += isQuoting(row) ? 1 : 0;
  if (row.attention) sum[row.attention] += 1;
  sum.orders += row.open_orders ?? 0;
  sum.today += Number(row.today_pnl ?? 0);
  sum.realised += Number(row.realised_pnl ?? 0);
  sum.unrealised += Number(row.unrealised_pnl ?? 0);
  sum.fees += Number(row.fees ?? 0);
  return sum;
}

function sumsBy(rows, keyOf) {
  const sums = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    sums.set(key, add(sums.get(key) ?? emptySum(), row));
  }
  return [...sums].sort(([one], [other]) => one.localeCompare(other, "en", { numeric: true }));
}

const accountOf = (row) => `${row.exchange} / ${row.legs?.[0]?.account ?? "-"}`;

/** Return what the fleet's headline says and how pressing it is. */
export function verdictOf(sum) {
  if (sum.bots === 0) return { text: "No bots", tone: "" };
  if (sum.bad) return { text: `${sum.bad} of ${sum.bots} bots need${sum.bad === 1 ? "s" : ""} you`, tone: "bad" };
  if (sum.warn) return { text: `${sum.warn} of ${sum.bots} not as they should be`, tone: "warn" };
  return { text: sum.quoting === sum.bots ? `All ${sum.bots} quoting` : "All is well", tone: "good" };
}

const FIGURES = [
  ["Quoting", (sum) => `${sum.quoting} / ${sum.bots}`],
  ["Attention", (sum) => String(sum.bad + sum.warn), (sum) => (sum.bad ? "bad" : sum.warn ? "warn" : "")],
  ["PnL today", (sum) => money(sum.today), (sum) => gainTone(sum.today)],
  ["Realised", (sum) => money(sum.realised), (sum) => gainTone(sum.realised)],
  ["Unrealised", (sum) => money(sum.unrealised), (sum) => gainTone(sum.unrealised)],
  ["Fees", (sum) => money(-sum.fees)],
  ["Orders", (sum) => String(sum.orders)],
];

const figures = new Map();

function showFigures(sum) {
  for (const [title, text, tone] of FIGURES) {
    if (!figures.has(title)) {
      figures.set(title, make("dd"));
      byId("totals").append(make("div", {}, make("dt", {}, title), figures.get(title)));
    }
    setText(figures.get(title), text(sum));
    if (tone) setAttribute(figures.get(title), "data-tone", tone(sum));
  }
}

const GROUP_COLUMNS = [["", ""], ["Quoting", "num"], ["Today", "num"], ["Realised", "num"], ["Unreal.", "num"], ["Fees", "num"], ["Orders", "num"]];

function groupTable(caption, sums) {
  const gain = (value) => make("span", { data: { tone: gainTone(value) } }, money(value));
  const rows = sums.map(([key, sum]) => [key, `${sum.quoting} / ${sum.bots}`, gain(sum.today), gain(sum.realised), gain(sum.unrealised), money(-sum.fees), String(sum.orders)]);
  return make("div", { class: "table-wrap" }, makeTable(`Totals by ${caption}`, [[caption, ""], ...GROUP_COLUMNS.slice(1)], rows));
}

/** Show headline and totals of these rows. */
export function showTotals(rows) {
  const bots = rows.filter((row) => row.kind !== "job");
  const sum = bots.reduce(add, emptySum());
  const { text, tone } = verdictOf(sum);
  setText(byId("verdict"), text);
  setAttribute(byId("verdict"), "data-tone", tone);
  showFigures(sum);
  if (byId("groups").open) {
    byId("group-tables").replaceChildren(groupTable("Venue", sumsBy(bots, (row) => row.exchange)), groupTable("Account", sumsBy(bots, accountOf)));
  }
}
