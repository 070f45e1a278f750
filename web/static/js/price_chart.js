// Price over time with what the bot does in it: its best quotes as steps, its levels at the right edge, its fills.

import { colour, line, makeChart, priceTicks, setValues } from "./charts.js";
import { byId, onceAFrame, setText } from "./dom.js";
import { clock, price } from "./format.js";

const LIVE_S = 900; // what is older leaves a chart that follows the market
const MOST_FILLS = 2000;
const MARK = 4.5;
const LEVEL_SHARE = 0.05; // of the width, kept free at the right for the levels

function best(orders, side) {
  const prices = orders.filter((order) => order.side.toLowerCase() === side).map((order) => Number(order.price));
  if (!prices.length) return null;
  return side === "buy" ? Math.max(...prices) : Math.min(...prices);
}

export class PriceChart {
  constructor() {
    this.samples = []; // [s, mid, own bid, own ask]
    this.orders = [];
    this.fills = new Map();
    this.plot = makeChart(byId("price"), {
      height: 300,
      series: [line("mid", "mid"), line("bid", "buy", { stepped: true }), line("ask", "sell", { stepped: true })],
      values: priceTicks,
      xRange: (_plot, low, high) => (low === null ? [null, null] : [low, high + (high - low) * LEVEL_SHARE]),
      hooks: { draw: [(plot) => this.#drawOver(plot)] },
      onPoint: (place) => this.#readOut(place),
    });
    this.show = onceAFrame(() => this.#show());
  }

  /** Begin anew with [utc_ms, mid] pairs. */
  reset(pairs) {
    this.samples = pairs.filter(([, mid]) => mid !== null).map(([at_ms, mid]) => [at_ms / 1000, mid, null, null]);
    this.show();
  }

  /** Put older [utc_ms, mid] pairs before those that are there. */
  prepend(pairs) {
    const first_s = this.samples[0]?.[0] ?? Number.POSITIVE_INFINITY;
    const older = pairs.filter(([at_ms, mid]) => mid !== null && at_ms / 1000 < first_s);
    if (!older.length) return;
    this.samples.unshift(...older.map(([at_ms, mid]) => [at_ms / 1000, mid, null, null]));
    this.show();
  }

  /** Add the newest mid, with the quotes that rest now. */
  addMid(at_ms, mid) {
    const at_s = at_ms / 1000;
    if (this.samples.length && at_s <= this.samples.at(-1)[0]) return;
    this.samples.push([at_s, mid, best(this.orders, "buy"), best(this.orders, "sell")]);
    while (this.samples[0][0] < at_s - LIVE_S) this.samples.shift();
    this.show();
  }

  /** The times of the first and the last mid in seconds, null when there is none. */
  get span() {
    return this.samples.length ? [this.samples[0][0], this.samples.at(-1)[0]] : null;
  }

  setOrders(orders) {
    this.orders = orders;
    this.show();
  }

  /** Add fills; those that are there already count once. */
  addFills(fills) {
    for (const fill of fills) {
      const key = `${fill.order} ${fill.at} ${fill.price} ${fill.size}`;
      this.fills.set(key, { at_s: Date.parse(fill.at) / 1000, price: Number(fill.price), side: fill.side.toLowerCase() });
    }
    for (const key of this.fills.keys()) if (this.fills.size > MOST_FILLS) this.fills.delete(key);
    this.show();
  }

  #show() {
    setValues(this.plot, [0, 1, 2, 3].map((place) => this.samples.map((sample) => sample[place])));
    this.#readOut(this.plot.cursor.idx ?? null);
  }

  #readOut(place) {
    const sample = this.samples[place ?? this.samples.length - 1];
    if (!sample) return;
    const [at_s, mid, bid, ask] = sample;
    const own = bid === null && ask === null ? "" : `  own ${price(bid)} / ${price(ask)}`;
    setText(byId("price-readout"), `${clock(at_s * 1000)}  mid ${price(mid)}${own}`);
  }

  #drawOver(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    this.#drawLevels(plot, ctx, bbox);
    this.#drawFills(plot, ctx);
    ctx.restore();
  }

  #drawLevels(plot, ctx, bbox) {
    if (!this.samples.length) return;
    const from = plot.valToPos(this.samples.at(-1)[0], "x", true);
    ctx.lineWidth = 2 * devicePixelRatio;
    for (const order of this.orders) {
      const y = plot.valToPos(Number(order.price), "y", true);
      ctx.strokeStyle = colour(order.side.toLowerCase());
      ctx.beginPath();
      ctx.moveTo(from + 3, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
  }

  #drawFills(plot, ctx) {
    const size = MARK * devicePixelRatio;
    const { min, max } = plot.scales.x;
    const paint = { buy: colour("buy"), sell: colour("sell") };
    const rim = colour("panel");
    for (const fill of this.fills.values()) {
      if (fill.at_s < min || fill.at_s > max) continue;
      const x = plot.valToPos(fill.at_s, "x", true);
      const y = plot.valToPos(fill.price, "y", true);
      const way = fill.side === "buy" ? 1 : -1;
      ctx.beginPath();
      ctx.moveTo(x, y - way * size);
      ctx.lineTo(x - size, y + way * size * 0.8);
      ctx.lineTo(x + size, y + way * size * 0.8);
      ctx.closePath();
      ctx.fillStyle = paint[fill.side];
      ctx.strokeStyle = rim;
      ctx.lineWidth = devicePixelRatio;
      ctx.fill();
      ctx.stroke();
    }
  }
}
