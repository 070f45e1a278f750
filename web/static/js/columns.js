// The columns of the fleet table: what is shown, how it sorts, what colour it has. One place for all of it.

import { amount, duration, fixed, gainTone, money, percent } from "./format.js";

const RANK = { bad: 0, warn: 1 };
const number = (key) => (row) => Number(row[key] ?? Number.NEGATIVE_INFINITY);
const isUp = (row) => row.pid !== null && row.pid !== undefined;
const unlessJob = (show) => (row) => (row.kind === "job" ? "" : show(row));

/** How pressing a bot is: first those that are bad, then warnings, then the rest. */
export const rank = (row) => RANK[row.attention] ?? 2;

/** When a worker spoke last, in seconds, as of the last news of it; silence that matters is news. */
const beatAge = (row) => (isUp(row) ? (row.heartbeat_age_s ?? null) : null);

function beatTone(row) {
  const age_s = beatAge(row);
  return age_s === null ? "" : age_s > 5 ? "bad" : age_s > 3 ? "warn" : "";
}

const isLive = (row) => row.mode === "live" && row.network !== "test";

/** The venue, with how real it is where that is not plain. */
function venueOf(row) {
  if (!row.exchange) return row.kind === "job" ? "job" : "-";
  if (row.mode === "live") return `${row.network === "test" ? "test" : "LIVE"} ${row.exchange}`;
  return row.mode && row.mode !== row.exchange ? `${row.exchange} ${row.mode}` : row.exchange;
}

const gain = (key) => ({ number: true, sort: number(key), text: unlessJob((row) => money(row[key])), tone: (row) => gainTone(row[key]) });

/** id, title, text(row), sort(row), tone(row); `hint` is what the title means, `cut`: long ones are cut and told by a tooltip. */
export const COLUMNS = [
  { id: "name", title: "Bot", sort: (row) => row.name, kind: "name" },
  { id: "state", title: "State", sort: rank, kind: "state", hint: "Sorted by what needs attention" },
  { id: "venue", title: "Venue", hint: "LIVE: real money; test: the venue's test net", text: venueOf, sort: venueOf, tone: (row) => (isLive(row) ? "" : "dim") },
  { id: "symbol", title: "Symbol", text: (row) => row.symbol || "", sort: (row) => row.symbol ?? "", cut: true },
  { id: "strategy", title: "Strategy", text: (row) => row.strategy || "", sort: (row) => row.strategy ?? "", cut: true },
  { id: "position", title: "Position", number: true, text: unlessJob((row) => amount(row.position)), sort: number("position") },
  { id: "today", title: "Today", hint: "PnL since midnight UTC", ...gain("today_pnl") },
  { id: "realised", title: "Realised", ...gain("realised_pnl") },
  { id: "unrealised", title: "Unreal.", hint: "Unrealised PnL at the last mid", ...gain("unrealised_pnl") },
  { id: "spark", title: "Equity", kind: "spark" },
  { id: "orders", title: "Orders", number: true, text: unlessJob((row) => String(row.open_orders ?? "-")), sort: number("open_orders") },
  { id: "quoted", title: "Quoted", hint: "Share of the time with quotes in the market", number: true, text: unlessJob((row) => percent(row.quote_uptime_pct)), sort: number("quote_uptime_pct") },
  { id: "beat", title: "Beat", hint: "Age of the worker's last heartbeat", number: true, text: (row) => (beatAge(row) === null ? "-" : duration(beatAge(row))), sort: (row) => beatAge(row) ?? -1, tone: beatTone },
  { id: "restarts", title: "Rst", hint: "Restarts since the daemon started", number: true, text: (row) => String(row.restarts ?? 0), sort: number("restarts"), tone: (row) => (row.restarts ? "warn" : "dim") },
  { id: "memory", title: "MB", hint: "Memory of the worker", number: true, text: (row) => fixed(row.pss_mb, 0), sort: number("pss_mb") },
  { id: "cpu", title: "CPU", hint: "Percent of one core", number: true, text: (row) => fixed(row.cpu_pct, 1), sort: number("cpu_pct") },
];
