// The fleet in one line, and by account and venue. Counted here from the rows, so that it is never older than they are.

import { byId, make, makeTable, setAttribute, setText } from "./dom.js";
import { gainTone, money } from "./format.js";

const isQuoting = (row) => row.state === "RUNNING" && row.phase === "QUOTING";

const emptySum = () => ({ bots: 0, quoting: 0, orders: 0, money: new Map() });

function attentionOf(rows) {
  const count = (word) => rows.filter((row) => row.attention === word).length;
  return { bad: count("bad"), warn: count("warn") };
}

function add(sum, row) {
  sum.bots += 1;
  sum.quoting += isQuoting(row) ? 1 : 0;
  sum.orders += row.open_orders ?? 0;
  const before = sum.money.get(row.quote ?? "");
  const more = { today: row.today_pnl, realised: row.realised_pnl, unrealised: row.unrealised_pnl, fees: -row.fees };
  sum.money.set(row.quote ?? "", Object.fromEntries(Object.entries(more).map(([key, value]) => [key, (before?.[key] ?? 0) + Number(value ?? 0)])));
  return sum;
}

/** An amount of a sum; amounts of several assets stand beside each other, for they are not added. */
function amountOf(sum, key) {
  const known = [...sum.money].filter(([quote]) => quote);
  if (known.length > 1) return { text: known.map(([quote, amounts]) => `${money(amounts[key])} ${quote}`).join("\n"), tone: "" };
  const all = [...sum.money.values()].reduce((total, amounts) => total + amounts[key], 0);
  return { text: money(all), tone: gainTone(all) };
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

/** Return what the fleet's headline says of bots and jobs, and how pressing it is. */
function verdictOf({ all, bad, warn, bots, quoting }) {
  if (all === 0) return ["No bots", ""];
  if (bad) return [`${bad} of ${all} bots need${bad === 1 ? "s" : ""} you`, "bad"];
  if (warn) return [`${warn} of ${all} not as they should be`, "warn"];
  return [bots && quoting === bots ? `All ${bots} quoting` : "All is well", "good"];
}

const FIGURES = [
  ["Quoting", (sum) => `${sum.quoting} / ${sum.bots}`],
  ["Attention", (sum) => String(sum.bad + sum.warn), (sum) => (sum.bad ? "bad" : sum.warn ? "warn" : "")],
  ["PnL today", (sum) => amountOf(sum, "today").text, (sum) => amountOf(sum, "today").tone],
  ["Realised", (sum) => amountOf(sum, "realised").text, (sum) => amountOf(sum, "realised").tone],
  ["Unrealised", (sum) => amountOf(sum, "unrealised").text, (sum) => amountOf(sum, "unrealised").tone],
  ["Fees", (sum) => amountOf(sum, "fees").text],
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
  const gain = ({ text, tone }) => make("span", { data: { tone } }, text);
  const amounts = (sum) => ["today", "realised", "unrealised"].map((key) => gain(amountOf(sum, key)));
  const rows = sums.map(([key, sum]) => [key, `${sum.quoting} / ${sum.bots}`, ...amounts(sum), amountOf(sum, "fees").text, String(sum.orders)]);
  return make("div", { class: "table-wrap" }, makeTable(`Totals by ${caption}`, [[caption, ""], ...GROUP_COLUMNS.slice(1)], rows));
}

function showVerdict(sum, invalid) {
  const [text, tone] = verdictOf(sum);
  setText(byId("verdict"), invalid ? `${text} · ${invalid} config${invalid > 1 ? "s" : ""} not valid` : text);
  setAttribute(byId("verdict"), "data-tone", invalid && tone !== "bad" ? "warn" : tone);
}

/** Show headline and totals of these rows; `invalid` configs run no bot, and somebody has to know. */
export function showTotals(rows, invalid) {
  const bots = rows.filter((row) => row.kind !== "job");
  const sum = { ...bots.reduce(add, emptySum()), all: rows.length, ...attentionOf(rows) };
  showVerdict(sum, invalid);
  showFigures(sum);
  if (byId("groups").open) {
    byId("group-tables").replaceChildren(groupTable("Venue", sumsBy(bots, (row) => row.exchange)), groupTable("Account", sumsBy(bots, accountOf)));
  }
}
