// The fleet page.

import { isOperator, url } from "./api.js";
import { byId, make, onceAFrame, setText } from "./dom.js";
import { fitMoney } from "./format.js";
import { FleetTable } from "./fleet_table.js";
import { startShell } from "./shell.js";
import { showTotals } from "./totals.js";

const KEYS = ["find", "show", "venue", "strategy"];

const SHOWS = {
  "": () => true,
  attention: (row) => Boolean(row.attention),
  idle: (row) => row.kind !== "job" && !(row.state === "RUNNING" && row.phase === "QUOTING"),
  quoting: (row) => row.state === "RUNNING" && row.phase === "QUOTING",
};

function isWanted(row) {
  const words = byId("find").value.trim().toLowerCase().split(/\s+/);
  const text = [row.name, row.symbol, row.exchange, row.strategy, row.state, row.phase, row.why, ...(row.legs ?? []).map((leg) => leg.account)].join(" ").toLowerCase();
  const hasAll = words.every((word) => text.includes(word));
  const ofVenue = !byId("venue").value || row.exchange === byId("venue").value;
  const ofStrategy = !byId("strategy").value || row.strategy === byId("strategy").value;
  return hasAll && ofVenue && ofStrategy && SHOWS[byId("show").value](row);
}

function isFiltered() {
  return KEYS.some((key) => byId(key).value);
}

function keepInAddress() {
  const given = KEYS.filter((key) => byId(key).value).map((key) => [key, byId(key).value]);
  history.replaceState(null, "", given.length ? `?${new URLSearchParams(given)}` : location.pathname);
}

function fromAddress() {
  for (const [key, value] of new URLSearchParams(location.search)) {
    if (!KEYS.includes(key)) continue;
    if (byId(key).tagName === "SELECT") offer(key, [value]);
    byId(key).value = value;
  }
}

function offer(id, values) {
  const select = byId(id);
  const known = new Set([...select.options].map((option) => option.value));
  for (const value of values) if (value && !known.has(value)) select.append(make("option", { value }, value));
}

let invalidShown = "[]";

/** Show which configs run no bot, folded away; it stays open while nothing about it changes. */
function showInvalid(invalid) {
  const now = JSON.stringify(invalid);
  if (now === invalidShown) return;
  invalidShown = now;
  const items = invalid.map((one) => make("li", {}, make("strong", {}, one.name ?? one.file), ` (${one.file}): `, one.complaints.map(wordsOf).join("; ")));
  const title = items.length === 1 ? "1 config is not valid and does not run" : `${items.length} configs are not valid and do not run`;
  byId("invalid").replaceChildren(...(items.length ? [make("details", { class: "panel invalid" }, make("summary", { data: { tone: "bad" } }, title), make("ul", {}, items))] : []));
}

const wordsOf = (complaint) => (typeof complaint === "string" ? complaint : `${complaint.path ?? ""} ${complaint.message ?? ""}`.trim());

function showEmpty(store) {
  const empty = byId("empty");
  empty.hidden = store.rows.size > 0;
  if (!empty.hidden) empty.replaceChildren("No bots yet. ", isOperator ? make("a", { href: url("/registry/new") }, "Make the first one from a template.") : "");
}

function start() {
  fromAddress();
  const table = new FleetTable(isWanted);
  const { store, changed } = startShell({ chosen: () => (isFiltered() ? table.shownNames : []) });
  const refresh = onceAFrame(() => {
    const rows = [...store.rows.values()];
    showTotals(rows, store.invalid.length);
    offer("venue", rows.map((row) => row.exchange));
    offer("strategy", rows.map((row) => row.strategy));
    showEmpty(store);
  });
  changed.addEventListener("fleet", ({ detail: gone }) => {
    fitMoney([...store.rows.values()].flatMap((row) => [row.realised_pnl, row.today_pnl]));
    table.take(store.rows.values());
    table.remove(gone);
    showInvalid(store.invalid);
    refresh();
  });
  changed.addEventListener("rows", ({ detail: names }) => {
    table.take(names.map((name) => store.rows.get(name)));
    refresh();
  });
  const filter = () => {
    keepInAddress();
    table.order();
  };
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("groups").addEventListener("toggle", refresh);
  setText(byId("shown"), "");
}

start();
