// The page of one bot.

import { botPath, get } from "./api.js";
import { BotHead } from "./bot_head.js";
import { showExits, showGates, showMarkouts, showOrders, showQuality } from "./bot_tables.js";
import { showConfig, showHistory } from "./config_panel.js";
import { byId, make, onceAFrame } from "./dom.js";
import { FillsTable } from "./fills_table.js";
import { fitMoney } from "./format.js";
import { LogView } from "./log_view.js";
import { PriceChart } from "./price_chart.js";
import { SeriesCharts } from "./series_charts.js";
import { startShell } from "./shell.js";
import { armTabs } from "./tabs.js";
import { trying } from "./toast.js";

const name = document.body.dataset.bot;
const RANGES = [["15m", 900], ["1h", 3600], ["6h", 21600], ["24h", 86400], ["7d", 604800]];
const LIVE_S = 900;
const SERIES_MS = 5_000;
const JUDGEMENTS_MS = 30_000; // of fills: what the ledger says, and what the worker says
const MARKS = 500; // fills that are drawn, the newest

/** What was asked for, null where there is no such bot. */
const known = (asked) =>
  asked.catch((error) => {
    if (error.status === 404) return null;
    throw error;
  });

class BotPage {
  constructor() {
    this.range_s = LIVE_S;
    this.mid = null;
    this.head = new BotHead(name);
    this.price = new PriceChart();
    this.series = new SeriesCharts();
    this.fills = new FillsTable(name, (fills) => this.price.addFills(fills));
    this.log = new LogView(byId("pane-log"), name);
    this.#makeRanges();
    armTabs(document.querySelector("[role=tablist]"), (pane) => this.#showPane(pane));
    const { store, stream, changed } = startShell({ bot: name, chosen: () => [name] });
    this.store = store;
    const update = onceAFrame(() => this.#update());
    changed.addEventListener("fleet", update);
    changed.addEventListener("rows", ({ detail: names }) => names.includes(name) && update());
    stream.addEventListener("mid", ({ detail }) => this.#takeMid(detail));
    stream.addEventListener("quotes", ({ detail }) => this.#takeOrders(detail.orders));
    stream.addEventListener("log", ({ detail }) => this.log.add(detail));
    this.load();
    setInterval(() => document.hidden || this.isMissing || this.#loadSeries(), SERIES_MS);
    setInterval(() => document.hidden || this.isMissing || this.#loadJudgements(), JUDGEMENTS_MS);
  }

  #makeRanges() {
    for (const [title, seconds] of RANGES) {
      byId("ranges").append(make("button", { type: "button", "aria-pressed": String(seconds === this.range_s), onclick: (event) => this.#choose(seconds, event.target) }, title));
    }
  }

  #choose(seconds, button) {
    this.range_s = seconds;
    for (const one of byId("ranges").children) one.setAttribute("aria-pressed", String(one === button));
    this.load();
  }

  #showPane(pane) {
    if (pane === "pane-log") this.log.load();
    if (pane === "pane-config") showConfig(name);
    if (pane === "pane-history") showHistory(name);
  }

  async load() {
    const bot = await this.#loadState();
    if (!bot) return;
    this.#show(bot.bot);
    showQuality(bot.stats);
    if (this.range_s === LIVE_S) this.price.reset(bot.mids);
    await Promise.all([this.#loadSeries(), this.#loadMarkouts(), this.#loadOrders(), this.#loadMarks(), this.fills.load()]);
  }

  async #loadSeries() {
    const to = Date.now();
    const series = await trying(() => get(botPath(name, "series"), { from: to - this.range_s * 1000, to, points: 500 }));
    if (series) {
      const mids = series.at.map((at_ms, place) => [at_ms, series.mid[place]]);
      if (this.range_s === LIVE_S) this.price.prepend(mids); // from before the monitor was there
      else this.price.reset(mids);
      this.series.set(series, this.price.span);
    }
  }

  async #loadJudgements() {
    const [bot] = await Promise.all([trying(() => get(`/bots/${encodeURIComponent(name)}`)), this.#loadMarkouts()]);
    if (bot) showQuality(bot.stats);
  }

  async #loadMarkouts() {
    const markouts = await trying(() => get(botPath(name, "markouts")));
    if (markouts) showMarkouts(markouts);
  }

  async #loadMarks() {
    const answer = await trying(() => get(botPath(name, "fills"), { limit: MARKS }));
    if (answer) this.price.addFills(answer.fills);
  }

  async #loadOrders() {
    const answer = await trying(() => get(botPath(name, "orders")));
    if (answer) this.#takeOrders(answer.orders);
  }

  #takeMid({ at, mid }) {
    this.mid = mid;
    if (this.range_s === LIVE_S) this.price.addMid(at, Number(mid));
  }

  #takeOrders(orders) {
    this.price.setOrders(orders);
    showOrders(orders, this.mid ?? this.row?.mid);
  }

  #update() {
    const row = this.store.rows.get(name);
    if (!row) return this.#miss();
    const before = this.row;
    this.#show(row);
    if (this.isMissing) return this.#find();
    if (!before) return;
    if (before.fills !== row.fills) this.fills.refresh();
    if (before.state !== row.state || before.pid !== row.pid || String(before.gates) !== String(row.gates)) {
      this.#loadState();
      this.#loadOrders();
      this.#loadLog(); // the first lines of a file that has just begun are in no stream
    }
  }

  #loadLog() {
    if (!byId("pane-log").hidden) this.log.load();
  }

  #miss() {
    this.isMissing = true;
    this.head.showMissing();
  }

  #find() {
    this.isMissing = false;
    this.load();
    this.#loadLog();
  }

  /** Load what its state is about; of a bot that the daemon does not know the head says so. */
  async #loadState() {
    const bot = await trying(() => known(get(`/bots/${encodeURIComponent(name)}`)));
    if (!bot) return null;
    showGates(bot.gates, bot.latches);
    const ended = await trying(() => get(botPath(name, "exits")));
    if (ended) showExits(ended.exits);
    return bot;
  }

  #show(row) {
    this.row = row;
    fitMoney([row.realised_pnl, row.today_pnl, row.unrealised_pnl]);
    this.head.update(row);
    if (row.kind === "job") this.#beJob();
  }

  /** A job trades nothing: what is about orders and profit goes. */
  #beJob() {
    if (document.body.dataset.kind === "job") return;
    document.body.dataset.kind = "job";
    byId("tab-fills").hidden = true;
    byId("tab-log").click();
  }
}

new BotPage();
