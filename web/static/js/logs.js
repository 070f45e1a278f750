// The log of one bot or of the daemon; followed by reading it again every two seconds.

import { byId, make } from "./dom.js";
import { LogView } from "./log_view.js";
import { startShell } from "./shell.js";

const AGAIN_MS = 2000;

function start() {
  const wanted = new URLSearchParams(location.search).get("of") ?? "daemon";
  const select = byId("whose");
  const { store, changed } = startShell();
  const log = new LogView(byId("log"), wanted);
  const offer = (name) => [...select.options].some((option) => option.value === name) || select.append(make("option", { value: name }, name));
  offer(wanted);
  offer("monitor");
  select.value = wanted;
  changed.addEventListener("fleet", () => [...store.rows.keys()].sort().forEach(offer));
  select.addEventListener("change", () => {
    log.name = select.value;
    history.replaceState(null, "", `?of=${encodeURIComponent(select.value)}`);
    log.load();
  });
  setInterval(() => byId("follow").checked && !document.hidden && log.isAtEnd() && log.load(), AGAIN_MS);
  log.load();
}

start();
