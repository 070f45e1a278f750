// The head of a bot's page: what it is, how it is, its figures and the commands that fit its state.

import { botPath, isOperator, post } from "./api.js";
import { reloadWhen } from "./apply.js";
import { agreed } from "./confirm.js";
import { byId, make, setAttribute, setText } from "./dom.js";
import { amount, duration, fixed, gainTone, money, netPnl, percent, price, stateOf } from "./format.js";
import { trying } from "./toast.js";

const isDown = (row) => ["STOPPED", "FATAL", "HALTED", "BACKOFF"].includes(row.state);
const isUp = (row) => ["RUNNING", "STARTING"].includes(row.state);

/** Which commands there are, when each makes sense, and what is asked before it. */
export const COMMANDS = [
  { action: "start", fits: (row) => ["STOPPED", "FATAL", "BACKOFF"].includes(row.state) },
  { action: "pause", fits: (row) => row.state === "RUNNING" && row.kind !== "job" && !row.paused },
  { action: "resume", fits: (row) => row.kind !== "job" && Boolean(row.paused) },
  { action: "restart", fits: (row) => row.state === "RUNNING", ask: "A fresh worker takes its orders over; no queue position is lost." },
  { action: "reload", fits: () => true, ask: "The configs of all bots are read again; what changed is taken over or restarts its bot.", isForAll: true },
  { action: "stop", fits: (row) => !["STOPPED", "HALTED", "FATAL", "STOPPING"].includes(row.state), ask: "Its orders are cancelled and it stays down. A position stays as it is, unless its config closes it on a stop." },
  { action: "close", fits: (row) => row.kind !== "job" && (isUp(row) || isDown(row)), ask: "Its orders are cancelled, its position is traded away, and it stays down.", danger: true },
  { action: "reset", fits: (row) => ["FATAL", "HALTED"].includes(row.state), ask: "Its latches are taken back and it starts again. Know first why it stopped.", danger: true },
];

/** title, text(row), tone(row); those of a bot alone come first. */
const FIGURES = [
  ["Position", (row) => amount(row.position)],
  ["Mid", (row) => price(row.mid)],
  ["Today", (row) => money(row.today_pnl), (row) => gainTone(row.today_pnl)],
  ["Net PnL", (row) => `${money(netPnl(row))} ${row.quote ?? ""}`, (row) => gainTone(netPnl(row))],
  ["Realised", (row) => money(row.realised_pnl), (row) => gainTone(row.realised_pnl)],
  ["Unrealised", (row) => money(row.unrealised_pnl), (row) => gainTone(row.unrealised_pnl)],
  ["Fees", (row) => money(-Number(row.fees))],
  ["Funding", (row) => money(row.funding)],
  ["Fills", (row) => String(row.fills ?? "-")],
  ["Quoted", (row) => percent(row.quote_uptime_pct)],
  ["Up", (row) => (row.pid ? duration(row.uptime_s) : "-")],
  ["Beat", (row) => (row.pid && row.heartbeat_age_s !== null ? `${fixed(row.heartbeat_age_s, 1)}s` : "-"), (row) => (row.heartbeat_age_s > 5 ? "bad" : "")],
  ["Restarts", (row) => String(row.restarts ?? 0), (row) => (row.restarts ? "warn" : "")],
  ["Memory", (row) => (row.pss_mb ? `${fixed(row.pss_mb, 0)} MB` : "-")],
  ["CPU", (row) => (row.cpu_pct === null || row.cpu_pct === undefined ? "-" : `${fixed(row.cpu_pct, 1)}%`)],
  ["PID", (row) => String(row.pid ?? "-")],
];

const OF_ALL = FIGURES.findIndex(([title]) => title === "Up");

export class BotHead {
  constructor(name) {
    this.name = name;
    this.figures = FIGURES.map(([title], place) => {
      const value = make("dd");
      byId("figures").append(make("div", { class: place < OF_ALL ? "trading" : null }, make("dt", {}, title), value));
      return value;
    });
    this.buttons = new Map();
    if (!isOperator) return;
    for (const command of COMMANDS) {
      const title = command.action[0].toUpperCase() + command.action.slice(1);
      const button = make("button", { type: "button", class: command.danger ? "danger" : null, onclick: () => this.#run(command, title) }, title);
      this.buttons.set(command, button);
      byId("commands").append(button);
    }
  }

  async #run({ action, ask, danger, isForAll }, title) {
    if (ask && !(await agreed(isForAll ? `${title} configs?` : `${title} ${this.name}?`, ask, title, { danger }))) return;
    if (isForAll) await reloadWhen(true);
    else await trying(() => post(botPath(this.name, "command"), { action }), (answer) => this.#outcome(action, answer));
  }

  #outcome(action, answer) {
    const bot = answer?.bots?.find((one) => one.name === this.name);
    return `${action} was ordered${bot ? `; it is ${bot.state}${bot.reason ? ` (${bot.reason})` : ""}` : ""}`;
  }

  /** Say that the daemon has no such bot: its config is new, archived or not valid. */
  showMissing() {
    setText(byId("state"), "not running");
    setText(byId("why"), `The daemon has no bot named ${this.name}. A config that was just written is taken up by a reload (page Registry).`);
    setAttribute(byId("why"), "data-tone", "warn");
    byId("why").hidden = false;
    this.#offer((command) => command.isForAll);
  }

  /** Show a row. */
  update(row) {
    const { text, sign, tone } = stateOf(row);
    setText(byId("state"), `${sign} ${row.state === text || row.state === "RUNNING" ? text : `${row.state} ${text}`}`);
    setAttribute(byId("state"), "data-tone", tone);
    const mode = row.mode === "live" ? (row.network === "test" ? "test net" : "LIVE") : row.mode;
    setText(byId("what"), [...new Set([row.exchange, row.symbol, row.strategy, mode])].filter(Boolean).join(" · "));
    setText(byId("why"), row.why ?? "");
    setAttribute(byId("why"), "data-tone", row.attention || null);
    byId("why").hidden = !row.why;
    FIGURES.forEach(([, show, toneOf], place) => {
      setText(this.figures[place], show(row));
      if (toneOf) setAttribute(this.figures[place], "data-tone", toneOf(row));
    });
    this.#offer((command) => command.fits(row));
  }

  /** Show the commands that fit; who sat on one that goes finds himself on the first of them. */
  #offer(fits) {
    const sat = document.activeElement;
    for (const [command, button] of this.buttons) button.hidden = !fits(command);
    const buttons = [...this.buttons.values()];
    if (sat?.hidden && buttons.includes(sat)) buttons.find((button) => !button.hidden)?.focus();
  }
}
