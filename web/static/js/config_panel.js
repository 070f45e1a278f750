// A bot's config with where each value comes from, and its history with the way back.

import { botPath, get, isOperator, post, url } from "./api.js";
import { reloadWhen } from "./apply.js";
import { byId, make, makeTable } from "./dom.js";
import { clock } from "./format.js";
import { reviewed } from "./review.js";
import { say, trying } from "./toast.js";

const show = (value) => (value === null ? "null" : typeof value === "string" ? value : JSON.stringify(value));
const COLUMNS = [["Key", "mono"], ["Value", "value"], ["Unit", "dim"], ["From", "dim"], ["Change", ""], ["Help", "wide dim"]];

function applyTag(apply) {
  return apply ? make("span", { class: "tag", data: { tone: apply === "live" ? "good" : "warn" } }, apply) : "";
}

function showInvalid(pane, name, complaints) {
  const lines = complaints.map((one) => make("li", {}, `${one.path} ${one.message}`));
  pane.replaceChildren(make("p", { class: "empty complaint" }, `The file of ${name} is not valid:`), make("ul", {}, lines));
}

/** Show the config's values; defaults only when they are asked for. */
export async function showConfig(name) {
  const pane = byId("pane-config");
  const answer = await trying(() => get(botPath(name, "config")));
  if (!answer) return;
  if (answer.text === null) return showInvalid(pane, name, answer.complaints ?? []);
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

/** Show what the config was before; any version can be brought back, `onChange` hears of that. */
export async function showHistory(name, pane = byId("pane-history"), onChange = () => showHistory(name, pane)) {
  const answer = await trying(() => get(botPath(name, "history")));
  if (!answer) return;
  const rows = answer.versions.map((one, place) => [
    String(one.version),
    clock(one.at),
    one.who ?? "",
    make("span", { class: "mono" }, (one.digest ?? "").slice(0, 12)),
    one.note ?? "",
    place === 0 ? make("span", { class: "tag" }, "newest") : isOperator && make("button", { type: "button", class: "small", "aria-label": `Roll back to version ${one.version}`, onclick: () => rollBack(name, one.version, onChange) }, "Roll back"),
  ]);
  const columns = [["Version", "num"], ["When (UTC)", ""], ["Who", ""], ["Digest", ""], ["What", "wide"], ["", "num"]];
  pane.replaceChildren(make("div", { class: "table-wrap" }, rows.length ? makeTable("History", columns, rows) : make("p", { class: "empty" }, "Nothing was recorded yet.")));
}

async function rollBack(name, version, onChange) {
  const diff = await trying(() => post("/registry/diff", { name, version }));
  if (!diff) return;
  if (!diff.diff) return say(`Version ${version} is what the file says now`);
  const text = `Its config becomes what it was in version ${version}. The version of now stays in the history.`;
  const wanted = await reviewed(`Roll ${name} back?`, text, "Roll back", diff);
  if (!wanted) return;
  const { allow_wider_risk } = wanted;
  if (!(await trying(() => post(botPath(name, "rollback"), { version, allow_wider_risk }), `${name} is back at version ${version}`))) return;
  await reloadWhen(wanted.isReloadWanted);
  onChange();
}
