// Inventory, equity and drawdown over the chosen time, from the ledger's history.

import { line, makeChart } from "./charts.js";
import { byId, setText } from "./dom.js";
import { amount, clock, money } from "./format.js";

/** The drop from the highest value so far; null where nothing is known. */
export function drawdown(equity) {
  let peak = Number.NEGATIVE_INFINITY;
  return equity.map((value) => {
    if (value === null) return null;
    peak = Math.max(peak, value);
    return value - peak;
  });
}

class OneLine {
  constructor(id, colourName, show, options = {}) {
    this.id = id;
    this.text = show;
    this.data = [[], []];
    this.plot = makeChart(byId(id), {
      height: 110,
      series: [line(id, colourName, options)],
      values: (_plot, ticks) => ticks.map(show),
      onPoint: (place) => this.#readOut(place),
    });
  }

  set(at_s, values) {
    this.data = [at_s, values];
    this.plot.setData(this.data);
    this.#readOut(null);
  }

  #readOut(place) {
    const [at_s, values] = this.data;
    const index = place ?? values.findLastIndex((value) => value !== null);
    if (index < 0 || at_s[index] === undefined) return;
    setText(byId(`${this.id}-readout`), `${clock(at_s[index] * 1000)}  ${this.text(values[index])}`);
  }
}

export class SeriesCharts {
  constructor() {
    this.inventory = new OneLine("inventory", "mid", amount, { stepped: true, fill: "mid" });
    this.equity = new OneLine("equity", "link", money);
    this.drawdown = new OneLine("drawdown", "bad", money, { fill: "bad" });
  }

  /** Show the answer of `series`. */
  set({ at, equity, position }) {
    const at_s = at.map((at_ms) => at_ms / 1000);
    this.inventory.set(at_s, position);
    this.equity.set(at_s, equity);
    this.drawdown.set(at_s, drawdown(equity));
  }
}
