// One bot's row. Cells are made once; an update touches only those whose text or tone differs.

import { botPath, botUrl, isOperator, post } from "./api.js";
import { COLUMNS } from "./columns.js";
import { LiveText, make, setAttribute } from "./dom.js";
import { stateOf } from "./format.js";
import { drawSpark, makeSpark } from "./spark.js";
import { trying } from "./toast.js";

/** What the row's one button does to a bot in this state. */
export function actionOf(row) {
  if (row.state === "RUNNING") {
    if (row.kind === "job") return null;
    return row.paused ? "resume" : "pause";
  }
  return row.state === "STOPPED" ? "start" : null;
}

export class FleetRow {
  constructor(row) {
    this.cells = new Map();
    this.node = make("tr", { role: "row", data: { name: row.name } });
    for (const column of COLUMNS) this.node.append(this.#cell(column, row));
    if (isOperator) this.node.append(make("td", { role: "cell", class: "act" }, this.#button(row.name)));
    this.update(row);
  }

  #cell(column, row) {
    const head = column.kind === "name";
    const node = make(head ? "th" : "td", { role: head ? "rowheader" : "cell", scope: head ? "row" : null, class: `c-${column.id}${column.number ? " num" : ""}`, data: { label: column.title } });
    if (head) node.append(make("a", { href: botUrl(row.name), title: row.name }, row.name));
    if (column.kind === "state") this.#makeState(node);
    if (column.kind === "spark") node.append((this.spark = makeSpark()));
    if (column.text) this.cells.set(column.id, new LiveText(node));
    return node;
  }

  #makeState(node) {
    const sign = make("span", { class: "sign", "aria-hidden": "true" });
    const word = make("span", { class: "word" });
    const why = make("span", { class: "why" });
    this.state = make("span", { class: "state" }, sign, word);
    node.append(this.state, why);
    [this.sign, this.word, this.why] = [sign, word, why].map((one) => new LiveText(one));
  }

  #button(name) {
    this.button = make("button", { type: "button", class: "small" });
    this.button.addEventListener("click", () => this.#act(name));
    return this.button;
  }

  /** Order what the button says; a disabled button would lose the focus, so it only says that it is at work. */
  async #act(name) {
    const { action } = this.button.dataset;
    if (this.button.ariaDisabled === "true") return;
    this.button.ariaDisabled = "true";
    await trying(() => post(botPath(name, "command"), { action }), `${name}: ${action} was ordered`);
    this.button.ariaDisabled = "false";
  }

  /** Show a row; cells that would look the same are left alone. */
  update(row) {
    this.row = row;
    setAttribute(this.node, "data-attention", row.attention || null);
    this.#updateState(row);
    for (const column of COLUMNS) if (column.text) this.#updateCell(column, row);
    this.#updateSpark(row.equity_spark ?? []);
    if (this.button) this.#updateButton(row);
  }

  #updateCell(column, row) {
    const cell = this.cells.get(column.id);
    const isNew = cell.set(column.text(row));
    if (isNew && column.cut) cell.node.title = cell.text;
    if (column.tone) cell.setTone(column.tone(row));
  }

  #updateState(row) {
    const { text, sign, tone } = stateOf(row);
    this.sign.set(sign);
    this.word.set(text);
    setAttribute(this.state, "data-tone", tone);
    if (this.why.set(row.why ?? "")) setAttribute(this.why.node, "title", row.why);
    setAttribute(this.node, "data-why", row.why ? "yes" : null);
  }

  #updateSpark(values) {
    const key = `${values.length}:${values.at(-1)}:${values[0]}`;
    if (key === this.sparkKey) return;
    this.sparkKey = key;
    drawSpark(this.spark, values);
  }

  #updateButton(row) {
    const action = actionOf(row);
    this.button.hidden = !action;
    if (!action) return;
    if (action === this.button.dataset.action) return;
    this.button.textContent = action[0].toUpperCase() + action.slice(1);
    setAttribute(this.button, "data-action", action);
    setAttribute(this.button, "aria-label", `${action} ${row.name}`);
  }
}
