// What every page has: the line's state, the alarm, the kill switch, the theme, short notices.

import { byId, setAttribute, setText } from "./dom.js";
import { duration } from "./format.js";
import { armKillSwitch } from "./kill.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { armThemeToggle } from "./theme_toggle.js";

function watchLine(store, stream) {
  let lost_at = performance.now();
  stream.addEventListener("link", ({ detail: isUp }) => {
    if (!isUp) lost_at = performance.now();
    show();
  });
  const title = document.title;
  function show() {
    const lost_s = (performance.now() - lost_at) / 1000;
    const trouble = store.trouble(stream.isUp, lost_s);
    showAlarm(trouble);
    showLink(store, stream, trouble);
    document.title = (trouble ? `\u25A0 ${trouble.title} · ` : attentionMark(store)) + title;
  }
  setInterval(show, 500);
  for (const kind of ["fleet", "daemon", "stale"]) stream.addEventListener(kind, show);
}

function attentionMark(store) {
  const bad = [...store.rows.values()].filter((row) => row.attention === "bad").length;
  return bad ? `(${bad}) ` : "";
}

function showAlarm(trouble) {
  const alarm = byId("alarm");
  if (trouble) {
    setText(byId("alarm-title"), trouble.title);
    setText(byId("alarm-text"), trouble.text);
  }
  alarm.hidden = !trouble;
  document.body.classList.toggle("is-stale", Boolean(trouble));
}

function showLink(store, stream, trouble) {
  const tone = trouble ? "bad" : stream.isUp && store.daemon ? "good" : "warn";
  setAttribute(byId("link-state"), "data-tone", tone);
  setText(byId("link-text"), trouble ? trouble.title.toLowerCase() : tone === "good" ? "live" : "connecting");
  setText(byId("link-more"), tone === "good" ? `daemon up ${duration(store.uptime())}` : "");
  if (store.daemon) setText(byId("foot-daemon"), `· daemon ${store.daemon.version ?? ""}, pid ${store.daemon.pid ?? "-"}, home ${store.daemon.home ?? ""}`);
}

/** Start what every page has; returns the store and the stream, which the page may listen to. */
export function startShell({ bot = null, chosen = null } = {}) {
  const store = new Store();
  const stream = new Stream(bot);
  const changed = new EventTarget();
  const tell = (kind, detail) => changed.dispatchEvent(new CustomEvent(kind, { detail }));
  stream.addEventListener("fleet", ({ detail }) => tell("fleet", store.takeFleet(detail)));
  stream.addEventListener("bots", ({ detail }) => tell("rows", store.takeRows(detail.rows)));
  stream.addEventListener("daemon", ({ detail }) => store.takeDaemon(detail));
  stream.addEventListener("stale", ({ detail }) => store.takeStale(detail));
  watchLine(store, stream);
  armThemeToggle();
  armKillSwitch(store, chosen);
  stream.open();
  return { store, stream, changed };
}
