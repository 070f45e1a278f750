// What the page knows of the fleet: rows by name, the daemon, and what makes all of it unfit to act on.

const SLOW_LOOP_S = 5;
const START = "Start it with: daemon_manager.py start --daemon";

export class Store {
  constructor() {
    this.rows = new Map();
    this.daemon = null;
    this.invalid = [];
    this.stale = null; // {age_s, reason, daemon} while the server says so
    this.told_at = 0;
  }

  /** Take a whole picture; tell which bots are gone. */
  takeFleet(fleet) {
    const names = new Set(fleet.bots.map((row) => row.name));
    const gone = [...this.rows.keys()].filter((name) => !names.has(name));
    for (const name of gone) this.rows.delete(name);
    for (const row of fleet.bots) this.rows.set(row.name, row);
    this.invalid = fleet.invalid ?? [];
    this.takeDaemon(fleet.daemon);
    this.takeStale(fleet.stale ?? null);
    return gone;
  }

  /** Take what has changed of rows; tell their names. */
  takeRows(rows) {
    for (const row of rows) this.rows.set(row.name, { ...this.rows.get(row.name), ...row });
    this.takeStale(null);
    return rows.map((row) => row.name);
  }

  takeDaemon(daemon) {
    this.daemon = daemon;
    this.daemon_at = performance.now();
  }

  takeStale(stale) {
    this.stale = stale;
    this.told_at = performance.now();
  }

  /** For how long the daemon has been up, in seconds. */
  uptime() {
    return (this.daemon?.uptime_s ?? 0) + (performance.now() - this.daemon_at) / 1000;
  }

  /** Return what makes the figures worthless, worst first, or null. `lost_s`: since when the stream is gone. */
  trouble(isLinkUp, lost_s) {
    if (!isLinkUp && lost_s > 1.5) {
      return { title: "No live data", text: `The stream from the monitor is lost for ${Math.floor(lost_s)} s. It connects again by itself; all figures are old. The bots go on without it.` };
    }
    if (this.stale?.daemon === "stopped" || this.daemon?.state === "stopped") {
      return { title: "The daemon is not running", text: `Nobody supervises the bots; figures are the last known ones. ${START}` };
    }
    if (this.stale) return this.#staleTrouble();
    if (this.daemon && this.daemon.state !== "running") return { title: `The daemon is ${this.daemon.state}`, text: "Bots are started or stopped at the moment." };
    if ((this.daemon?.loop_age_s ?? 0) > SLOW_LOOP_S) {
      return { title: "The daemon hangs", text: `Its loop has not turned for ${Math.floor(this.daemon.loop_age_s)} s. Nobody restarts or stops a bot meanwhile.` };
    }
    return null;
  }

  #staleTrouble() {
    const age_s = (this.stale.age_s ?? 0) + (performance.now() - this.told_at) / 1000;
    const since = this.stale.age_s === null ? "Nothing was heard of the daemon yet" : `The daemon has not answered for ${Math.floor(age_s)} s; all figures are that old`;
    return { title: "Stale data", text: `${since}: ${this.stale.reason}` };
  }
}
