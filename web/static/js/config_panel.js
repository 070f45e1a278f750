// A bot's config with where each value comes from, and its history with the way back.

import { botPath, get, isOperator, post, url } from "./api.js";
import { agreed } from "./confirm.js";
import { byId, make, makeTable } from "./dom.js";
import { clock } from "./format.js";
import { trying } from "./toast.js";

const show = (value) => (value === null ? "null" : typeof value === "string" ? value : JSON.stringify(value));
const COLUMNS = [["Key", "mono"], ["Value", "value"], ["Unit", "dim"], ["From", "dim"], ["Change", ""], ["Help", "wide dim"]];

function applyTag(apply) {
  return apply ? make("span", { class: "tag", data: { tone: apply === "live" ? "good" : "warn" } }, apply) : "";
}

/** Show the config's values; defaults only when they are asked for. */
export async function showConfig(name) {
  const pane = byId("pane-config");
  const answer = await trying(() => get(botPath(name, "config")));
  if (!answer) return;
  const all = make("input", { type: "checkbox", id: "config-defaults" });
  const table = make("div", { class: "table-wrap" });
  const fill = () => {
    const rows = answer.rows.filter((row) => all.checked || row.origin !== "default");
    table.replaceChildren(makeTable("Config", COLUMNS, rows.map((row) => [row.key, show(row.value), row.unit ?? "", row.origin ?? "", applyTag(row.apply), row.help ?? ""])));
  };
  all.addEventListener("change", fill);
  const edit = isOperator && make("a", { class: "button", href: url(`/registry/${encodeURIComponent(name)}`) }, "Edit");
  pane.replaceChildren(make("div", { class: "config-tools" }, edit, make("label", {}, all, "with defaults"), make("span", { class: "dim" }, `digest ${(answer.digest ?? "").slice(0, 12)}`)), table);
  fill();
}

/** Show what the config was before; any version can be brought back. */
export async function showHistory(name, pane = byId("pane-history")) {
  const answer = await trying(() => get(botPath(name, "history")));
  if (!answer) return;
  const rows = answer.versions.map((one, place) => [
    String(one.version),
    clock(one.at),
    one.who ?? "",
    make("span", { class: "mono" }, (one.digest ?? "").slice(0, 12)),
    one.note ?? "",
    place === 0 ? make("span", { class: "tag" }, "newest") : isOperator && make("button", { type: "button", class: "small", onclick: () => rollBack(name, one.version, pane) }, "Roll back"),
  ]);
  const columns = [["Version", "num"], ["When (UTC)", ""], ["Who", ""], ["Digest", ""], ["Note", "wide"], ["", "num"]];
  pane.replaceChildren(make("div", { class: "table-wrap" }, rows.length ? makeTable("History", columns, rows) : make("p", { class: "empty" }, "Nothing was recorded yet.")));
}

async function rollBack(name, version, pane) {
  if (!(await agreed(`Roll ${name} back?`, `Its config becomes what it was in version ${version}. The version of now stays in the history.`, "Roll back"))) return;
  const done = await trying(() => post(botPath(name, "rollback"), { version }), `${name} is back at version ${version}`);
  if (done) showHistory(name, pane);
}
