// Venues: what is left of each request budget, how far clocks are apart, how the streams do.

import { get } from "./api.js";
import { byId, make, makeSvg, makeTable, setText } from "./dom.js";
import { clock, duration, fixed } from "./format.js";
import { startShell } from "./shell.js";
import { trying } from "./toast.js";

const AGAIN_MS = 5000;
const WIDTH = 120;

function meter(share) {
  const tone = share > 0.9 ? "bad" : share > 0.7 ? "warn" : "good";
  const used = Math.max(0, Math.min(1, share)) * WIDTH;
  return makeSvg("svg", { class: "meter", width: WIDTH, height: 8, "data-tone": tone, "aria-hidden": "true" }, makeSvg("rect", { class: "track", width: WIDTH, height: 8, rx: 2 }), makeSvg("rect", { class: "used", width: used, height: 8, rx: 2 }));
}

function fact(title, value) {
  return value === null || value === undefined ? null : make("div", {}, make("dt", {}, title), make("dd", {}, String(value)));
}

function budgets(rows) {
  if (!rows?.length) return null;
  const cells = rows.map((row) => {
    const share = row.limit ? row.used / row.limit : null;
    return [row.key, share === null ? "" : meter(share), row.used === undefined ? "-" : `${fixed(row.used, 0)} / ${fixed(row.limit, 0)}`, row.per_s === undefined ? "-" : fixed(row.per_s, 1)];
  });
  return make("div", { class: "table-wrap" }, makeTable("Request budgets", [["Budget", ""], ["", ""], ["Used", "num"], ["per s", "num"]], cells));
}

function streams(rows) {
  if (!rows?.length) return null;
  const cells = rows.map((row) => [row.name, make("span", { data: { tone: row.state === "up" ? "good" : "bad" } }, row.state ?? "-"), duration(row.age_s), String(row.reconnects ?? "-")]);
  return make("div", { class: "table-wrap" }, makeTable("Streams", [["Stream", ""], ["State", ""], ["Age", "num"], ["Reconnects", "num"]], cells));
}

function card(venue) {
  const facts = make("dl", { class: "facts body" }, fact("Bots", venue.bots), fact("Clock offset", venue.clock_offset_ms === null || venue.clock_offset_ms === undefined ? null : `${fixed(venue.clock_offset_ms, 1)} ms`));
  return make("section", { class: "panel" }, make("header", {}, make("h2", {}, venue.venue), make("span", { class: "dim" }, venue.account ?? "")), facts, budgets(venue.budgets), streams(venue.streams));
}

async function load() {
  const answer = await trying(() => get("/venues"));
  if (!answer) return;
  setText(byId("asked"), `as of ${clock(new Date())} UTC`);
  byId("venues").replaceChildren(...(answer.venues.length ? answer.venues.map(card) : [make("p", { class: "empty" }, "No bot runs at a venue.")]));
}

startShell();
load();
setInterval(() => document.hidden || load(), AGAIN_MS);
