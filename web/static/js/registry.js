// The configs: active, templates, archived.

import { botUrl, get, isOperator, post, url } from "./api.js";
import { makeApply, reloadWhen } from "./apply.js";
import { agreed } from "./confirm.js";
import { byId, make, makeTable, setText } from "./dom.js";
import { clock } from "./format.js";
import { startShell } from "./shell.js";
import { trying } from "./toast.js";

const path = (name, what) => `/registry/${encodeURIComponent(name)}/${what}`;
const edit = (name) => url(`/registry/${encodeURIComponent(name)}`);
const tag = (text, tone) => make("span", { class: "tag", data: { tone } }, text);

function state(one) {
  if (one.valid === false) return tag("not valid", "bad");
  return one.drift ? tag(one.drift, "warn") : tag("valid", "good");
}

const words = (complaint) => (typeof complaint === "string" ? complaint : `${complaint.path ?? ""} ${complaint.message ?? ""}`.trim());

const MOVES = {
  archive: ["Archive", "Its config leaves the active folder and the bot is stopped by the reload. Its ledger and its history stay.", "is archived"],
  restore: ["Restore", "Its config comes back to the active folder; the reload starts it if it has autostart.", "is active again"],
};

async function move(name, what) {
  const [title, text, done] = MOVES[what];
  const apply = makeApply();
  if (!(await agreed(`${title} ${name}?`, text, title, { danger: what === "archive", more: apply.node }))) return;
  if (!(await trying(() => post(path(name, what), {}), `${name} ${done}`))) return;
  await reloadWhen(apply.isWanted());
  load();
}

function activeRow(one) {
  const buttons = isOperator && [make("a", { class: "button small", href: edit(one.name) }, "Edit"), make("button", { type: "button", class: "small", onclick: () => move(one.name, "archive") }, "Archive")];
  const told = (one.complaints ?? []).map(words).join("; ");
  return [make("a", { href: botUrl(one.name) }, one.name), one.exchange ?? "-", one.symbol ?? "-", one.strategy ?? "-", state(one), told, make("div", { class: "row-buttons" }, buttons)];
}

function templateRow(one) {
  const use = isOperator && make("a", { class: "button small", href: url(`/registry/new?template=${encodeURIComponent(one.name)}`) }, "Use");
  return [one.name, one.exchange ?? "-", one.strategy ?? one.job ?? "-", one.description ?? "", make("div", { class: "row-buttons" }, use)];
}

function archivedRow(one) {
  const button = isOperator && make("button", { type: "button", class: "small", onclick: () => move(one.name, "restore") }, "Restore");
  return [one.name, clock(one.archived_at ?? one.at), make("div", { class: "row-buttons" }, button)];
}

function show(id, caption, columns, rows) {
  setText(byId(`${id}-count`), String(rows.length));
  byId(id).replaceChildren(rows.length ? makeTable(caption, columns, rows) : make("p", { class: "empty" }, "None."));
}

async function load() {
  const answer = await trying(() => get("/registry"));
  if (!answer) return;
  show("active", "Active configs", [["Bot", ""], ["Venue", ""], ["Symbol", ""], ["Strategy", ""], ["State", ""], ["", "wide dim"], ["", "num"]], answer.active.map(activeRow));
  show("templates", "Templates", [["Template", ""], ["Venue", ""], ["Strategy", ""], ["What it does", "wide dim"], ["", "num"]], answer.templates.map(templateRow));
  show("archived", "Archived configs", [["Bot", ""], ["Since (UTC)", "wide"], ["", "num"]], answer.archived.map(archivedRow));
}

async function reload() {
  await reloadWhen(true);
  load();
}

startShell();
byId("reload")?.addEventListener("click", reload);
load();
