// The table of bots: which rows, in which order. The order settles every two seconds, or at once when a bot's
// urgency changes, so that rows do not dance under the pointer.

import { isOperator } from "./api.js";
import { COLUMNS, rank } from "./columns.js";
import { byId, make, onceAFrame, setAttribute, setText } from "./dom.js";
import { FleetRow } from "./fleet_row.js";

const SETTLE_MS = 2000;
const BY_NAME = new Intl.Collator("en", { numeric: true });

export class FleetTable {
  constructor(filter) {
    this.filter = filter;
    this.rows = new Map();
    this.sort = { id: "state", down: false };
    this.dirty = new Map();
    this.body = byId("fleet-body");
    this.flush = onceAFrame(() => this.#flush());
    this.#makeHead();
    setInterval(() => this.order(), SETTLE_MS);
  }

  #makeHead() {
    this.heads = new Map();
    for (const column of COLUMNS) {
      const title = column.sort
        ? make("button", { type: "button", class: "sorter", title: column.hint, onclick: () => this.sortBy(column.id) }, column.title)
        : column.title;
      const head = make("th", { scope: "col", role: "columnheader", class: `c-${column.id}${column.number ? " num" : ""}` }, title);
      this.heads.set(column.id, head);
      byId("fleet-head").append(head);
      if (column.sort) byId("sort").append(make("option", { value: column.id }, column.id === "state" ? "attention first" : column.title));
    }
    if (isOperator) byId("fleet-head").append(make("th", { scope: "col", role: "columnheader", class: "act" }, make("span", { class: "visually-hidden" }, "Action")));
    byId("sort").value = this.sort.id;
    byId("sort").addEventListener("change", (event) => this.sortBy(event.target.value));
    this.#showSort();
  }

  /** Sort by a column; the same again turns it round. Numbers begin with the largest. */
  sortBy(id) {
    const column = COLUMNS.find((one) => one.id === id);
    this.sort = { id, down: this.sort.id === id ? !this.sort.down : Boolean(column.number) };
    byId("sort").value = id;
    this.#showSort();
    this.order();
  }

  #showSort() {
    for (const [id, head] of this.heads) setAttribute(head, "aria-sort", id === this.sort.id ? (this.sort.down ? "descending" : "ascending") : null);
  }

  /** Note rows that changed; they are shown in the next frame. */
  take(rows) {
    for (const row of rows) this.dirty.set(row.name, row);
    this.flush();
  }

  remove(names) {
    for (const name of names) {
      this.rows.get(name)?.node.remove();
      this.rows.delete(name);
      this.dirty.delete(name);
    }
    this.order();
  }

  #flush() {
    let mustOrder = false;
    for (const [name, row] of this.dirty) {
      const shown = this.rows.get(name);
      if (!shown) this.rows.set(name, new FleetRow(row));
      mustOrder ||= !shown || rank(shown.row) !== rank(row) || shown.row.state !== row.state;
      shown?.update(row);
    }
    this.dirty.clear();
    if (mustOrder) this.order();
  }

  #compare(one, other) {
    const key = COLUMNS.find((column) => column.id === this.sort.id).sort;
    const [a, b] = [key(one.row), key(other.row)];
    const way = a < b ? -1 : a > b ? 1 : 0;
    return (this.sort.down ? -way : way) || BY_NAME.compare(one.row.name, other.row.name);
  }

  /** Bring the shown rows into order; only rows that stand wrong are moved. */
  order() {
    const shown = [...this.rows.values()].filter((row) => this.filter(row.row)).sort((one, other) => this.#compare(one, other));
    const wanted = new Set(shown.map((row) => row.node));
    for (const node of [...this.body.children]) if (!wanted.has(node)) node.remove();
    let place = this.body.firstElementChild;
    for (const { node } of shown) {
      if (node === place) place = place.nextElementSibling;
      else this.body.insertBefore(node, place);
    }
    this.shownNames = shown.map((row) => row.row.name);
    setText(byId("shown"), shown.length === this.rows.size ? `${shown.length} bots` : `${shown.length} of ${this.rows.size} bots`);
  }
}
