// Venues: what is left of each request budget, how far clocks are apart, how the streams do.

import { botUrl, get } from "./api.js";
import { byId, make, makeSvg, makeTable, setText } from "./dom.js";
import { clock, fixed } from "./format.js";
import { startShell } from "./shell.js";
import { trying } from "./toast.js";

const AGAIN_MS = 5000;
const WIDTH = 120;

const isKnown = (value) => value !== null && value !== undefined;
const seconds = (value) => (isKnown(value) ? `${fixed(value, 1)} s` : "-");
const milliseconds = (value) => (isKnown(value) ? `${fixed(value, 1)} ms` : "-");
const worst = (values) => (values.some(isKnown) ? Math.max(...values.filter(isKnown)) : null);

function meter(share) {
  const tone = share > 0.9 ? "bad" : share > 0.7 ? "warn" : "good";
  const used = Math.max(0, Math.min(1, share)) * WIDTH;
  return makeSvg("svg", { class: "meter", width: WIDTH, height: 8, "data-tone": tone, "aria-hidden": "true" }, makeSvg("rect", { class: "track", width: WIDTH, height: 8, rx: 2 }), makeSvg("rect", { class: "used", width: used, height: 8, rx: 2 }));
}

function show(id, caption, columns, rows, none) {
  byId(id).replaceChildren(rows.length ? makeTable(caption, columns, rows) : make("p", { class: "empty" }, none));
}

/** How a stream is: `off` when its bot is down, by whatever decision; that is told by the fleet. */
function stateOf(stream) {
  const isDown = store.rows.has(stream.name) && store.rows.get(stream.name).pid === null;
  return isDown ? "off" : stream.state;
}

const LOOKS = { up: ["\u25CF up", "good"], down: ["\u25A0 down", "bad"], off: ["\u25CB off", "dim"] };

function venueRow({ venue, account, bots, streams, clock_offset_ms }) {
  const states = streams.map(stateOf);
  const up = states.filter((state) => state === "up").length;
  const tone = states.includes("down") ? "bad" : up ? "good" : "dim";
  const count = make("span", { data: { tone } }, `${up} of ${streams.length} up`);
  return [venue, account, String(bots), count, seconds(worst(streams.map((one) => one.age_s))), milliseconds(worst(streams.map((one) => one.loop_lag_ms))), isKnown(clock_offset_ms) ? milliseconds(clock_offset_ms) : "not known"];
}

function budgetRow(venue, { key, used, limit }) {
  return [venue.venue, venue.account, key, limit ? meter(used / limit) : "", `${fixed(used, 1)} of ${fixed(limit, 1)}`];
}

function streamRow(venue, stream) {
  const [text, tone] = LOOKS[stateOf(stream)] ?? [stream.state, ""];
  const state = make("span", { data: { tone } }, text);
  return [make("a", { href: botUrl(stream.name) }, stream.name), venue.venue, venue.account, state, seconds(stream.age_s), seconds(stream.last_ack_age_s), milliseconds(stream.loop_lag_ms)];
}

async function load() {
  const answer = await trying(() => get("/venues"));
  if (!answer) return;
  const { venues } = answer;
  setText(byId("asked"), `as of ${clock(new Date())} UTC`);
  show("venues", "Venues and accounts", [["Venue", ""], ["Account", ""], ["Bots", "num"], ["Streams", ""], ["Oldest book", "num"], ["Worst loop delay", "num"], ["Clock offset", "num"]], venues.map(venueRow), "No bot runs at a venue.");
  const budgets = venues.flatMap((venue) => (venue.budgets ?? []).map((one) => budgetRow(venue, one)));
  show("budgets", "Request budgets", [["Venue", ""], ["Account", ""], ["Budget", "wide"], ["", ""], ["Lent per s", "num"]], budgets, "No budget is shared: paper venues have none.");
  const streams = venues.flatMap((venue) => (venue.streams ?? []).map((one) => [stateOf(one) === "down" ? 0 : 1, streamRow(venue, one)]));
  streams.sort(([one], [other]) => one - other);
  show("streams", "Streams", [["Bot", ""], ["Venue", ""], ["Account", ""], ["Stream", ""], ["Book age", "num"], ["Last word on an order", "num"], ["Loop delay", "num"]], streams.map(([, row]) => row), "No bot runs at a venue.");
}

const { store, changed } = startShell();
changed.addEventListener("fleet", load);
load();
setInterval(() => document.hidden || load(), AGAIN_MS);
