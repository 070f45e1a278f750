// What happened: the events of the fleet, the newest first, growing at the top while they come.

import { botUrl, get } from "./api.js";
import { byId, make, setText } from "./dom.js";
import { clock } from "./format.js";
import { startShell } from "./shell.js";
import { trying } from "./toast.js";

const SHOWN = 500;
const PLAIN = new Set(["ts", "seq", "daemon", "kind", "bot", "from", "to", "reason", "pid", "fence", "by", "alert", "then", "digest", "digests", "version"]);

let next = null;

const short = (text) => (/^[0-9a-f]{20,}$/.test(text ?? "") ? text.slice(0, 12) : text);

/** A value without the marks of JSON: lists with commas, objects as key=value. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (value === null || typeof value !== "object") return String(value);
  return Object.entries(value).filter(([, one]) => one !== null && one !== false).map(([key, one]) => `${key}=${plain(one)}`).join(" ");
}

function details(event) {
  const way = event.to || event.from ? [`${short(event.from) ?? "new"} \u2192 ${short(event.to) ?? "gone"}`] : [];
  if (event.then && event.then !== event.to) way.push(`then ${event.then}`);
  const more = Object.entries(event)
    .filter(([key, value]) => !PLAIN.has(key) && value !== null && value !== "" && value !== 0 && !(Array.isArray(value) && !value.length))
    .map(([key, value]) => `${key} ${plain(value)}`);
  return [...way, event.reason, ...more].filter(Boolean).join(" · ");
}

function by(event) {
  if (!event.by) return "";
  return plain(event.by);
}

function makeRow(event) {
  const what = make("td", {}, event.kind, event.alert ? make("span", { class: "tag", data: { tone: "bad" } }, event.alert) : "");
  what.firstChild.after(" ");
  const name = event.bot ? make("a", { href: botUrl(event.bot) }, event.bot) : "daemon";
  return make("tr", { data: event.alert ? { tone: "bad" } : {} }, make("td", {}, clock(event.ts)), make("td", {}, name), what, make("td", { class: "wide" }, details(event)), make("td", { class: "dim" }, by(event)));
}

const isWanted = (event) => (!byId("name").value || event.bot === byId("name").value) && (!byId("level").value || Boolean(event.alert));

async function load(before = null) {
  const answer = await trying(() => get("/events", { before, level: byId("level").value, name: byId("name").value, limit: 100 }));
  if (!answer) return;
  if (before === null) byId("events").replaceChildren();
  byId("events").append(...answer.events.map(makeRow));
  next = answer.next ?? null;
  byId("older").hidden = next === null;
  showEmpty();
}

function showEmpty() {
  byId("empty").hidden = byId("events").childElementCount > 0;
}

function take(event) {
  if (!isWanted(event)) return;
  byId("events").prepend(makeRow(event));
  if (byId("events").childElementCount > SHOWN) byId("events").lastElementChild.remove();
  showEmpty();
}

function start() {
  const { store, stream, changed } = startShell();
  changed.addEventListener("fleet", () => {
    const known = new Set([...byId("name").options].map((option) => option.value));
    for (const name of [...store.rows.keys()].sort()) if (!known.has(name)) byId("name").append(make("option", { value: name }, name));
  });
  stream.addEventListener("event", ({ detail }) => take(detail));
  byId("filters").addEventListener("input", () => load());
  byId("older").addEventListener("click", () => load(next));
  setText(byId("older"), "Older");
  load();
}

start();
