// Inventory, equity and drawdown over the chosen time, from the ledger's history.

import { line, makeChart, setValues } from "./charts.js";
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
    setValues(this.plot, this.data);
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

  /** Show the answer of `series`; all charts begin and end with `span`, the times of the price chart. */
  set({ at, equity, position }, span) {
    const at_s = at.map((at_ms) => at_ms / 1000);
    const before = span && (!at_s.length || span[0] < at_s[0]) ? [span[0]] : [];
    const after = span && (!at_s.length || span[1] > at_s.at(-1)) ? [span[1]] : [];
    const padded = (values) => [...before.map(() => null), ...values, ...after.map(() => null)];
    const times = [...before, ...at_s, ...after];
    this.inventory.set(times, padded(position));
    this.equity.set(times, padded(equity));
    this.drawdown.set(times, padded(drawdown(equity)));
  }
}
