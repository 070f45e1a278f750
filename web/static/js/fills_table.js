// Fills, newest first, page by page.

import { botPath, get } from "./api.js";
import { byId, make, makeTable, setText } from "./dom.js";
import { amount, clock, gainTone, money, price } from "./format.js";
import { trying } from "./toast.js";

const A_PAGE = 50;
const COLUMNS = [["Time (UTC)", ""], ["Side", ""], ["Price", "num"], ["Size", "num"], ["Fee", "num"], ["PnL", "num"], ["", ""], ["Order", "mono wide"]];
const PNL = 5; // of fills that closed something

function cells(fill) {
  return [
    clock(fill.at),
    make("span", { class: `side-${fill.side.toLowerCase()}` }, fill.leg && fill.leg !== "main" ? `${fill.side.toLowerCase()} ${fill.leg}` : fill.side.toLowerCase()),
    price(fill.price),
    amount(fill.size),
    `${amount(fill.fee)} ${fill.fee_asset ?? ""}`,
    make("span", { data: { tone: gainTone(fill.pnl) } }, fill.pnl === null || fill.pnl === undefined ? "-" : money(fill.pnl)),
    fill.maker ? "maker" : "taker",
    fill.order ?? "",
  ];
}

export class FillsTable {
  constructor(name, onFirstPage) {
    this.name = name;
    this.onFirstPage = onFirstPage;
    this.cursors = [null];
    this.table = make("div", { class: "table-wrap figures" });
    this.newer = make("button", { type: "button", onclick: () => this.#turn(-1) }, "Newer");
    this.older = make("button", { type: "button", onclick: () => this.#turn(1) }, "Older");
    this.place = make("span", { class: "dim", role: "status" });
    byId("pane-fills").append(this.table, make("div", { class: "pager" }, this.newer, this.older, this.place));
  }

  /** Load the page that is shown; new fills move only the first one. */
  async load() {
    const answer = await trying(() => get(botPath(this.name, "fills"), { before: this.cursors.at(-1), limit: A_PAGE }));
    if (!answer) return;
    const { fills, next } = answer;
    this.next = next;
    const hasPnl = fills.some((fill) => fill.pnl !== null && fill.pnl !== undefined);
    const shown = (columns) => columns.filter((_, place) => hasPnl || place !== PNL);
    this.table.replaceChildren(fills.length ? makeTable("Fills", shown(COLUMNS), fills.map((fill) => shown(cells(fill)))) : make("p", { class: "empty" }, "No fills yet."));
    this.newer.disabled = this.cursors.length === 1;
    this.older.disabled = next === null;
    setText(this.place, `page ${this.cursors.length}`);
    if (this.cursors.length === 1) this.onFirstPage(fills);
  }

  /** Load anew when the newest fills are shown. */
  refresh() {
    if (this.cursors.length === 1) this.load();
  }

  #turn(way) {
    if (way > 0) this.cursors.push(this.next);
    else this.cursors.pop();
    this.load();
  }
}
