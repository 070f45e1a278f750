// The one stream of a page. A browser allows six connections to a host, so a page that nobody looks at hangs up.

import { get, url } from "./api.js";

const SILENCE_MS = 8_000; // nothing may have changed, or the line may be dead without a word: then we ask
const ANSWER_MS = 4_000;
const HIDDEN_MS = 20_000;

/** What a request brings, null when it fails or takes too long. */
const soon = (asked) => Promise.race([asked.catch(() => null), new Promise((resolve) => setTimeout(resolve, ANSWER_MS, null))]);

/** Listen to the server's events; `onLink(true|false)` tells when the line comes and goes. */
export class Stream extends EventTarget {
  constructor(bot = null) {
    super();
    this.address = url(`/api/v1/stream${bot ? `?bot=${encodeURIComponent(bot)}` : ""}`);
    this.isUp = false;
    this.heard_at = 0;
    this.retry_ms = 500;
    this.kinds = ["fleet", "bots", "daemon", "event", "stale", "mid", "quotes", "log"];
    document.addEventListener("visibilitychange", () => this.#look());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    setInterval(() => this.#watch(), 1000);
  }

  /** Connect, or connect anew. */
  open() {
    this.#close();
    this.heard_at = performance.now();
    this.source = new EventSource(this.address);
    this.source.onopen = () => this.#heard();
    this.source.onerror = () => this.#lost();
    for (const kind of this.kinds) this.source.addEventListener(kind, (event) => this.#take(kind, event.data));
  }

  #take(kind, data) {
    this.#tell(kind, JSON.parse(data));
  }

  #tell(kind, detail) {
    this.#heard();
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  #heard() {
    this.heard_at = performance.now();
    this.retry_ms = 500;
    this.#link(true);
  }

  #lost() {
    this.#link(false);
    this.#close();
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.#again(), this.retry_ms);
    this.retry_ms = Math.min(5000, this.retry_ms * 2);
  }

  /** Connect anew. A session that has ended leads to the login; one that goes on may have another token now. */
  async #again() {
    const session = await soon(get("/session"));
    if (session) document.querySelector("meta[name=csrf-token]").content = session.csrf_token;
    if (!document.hidden) this.open();
  }

  #link(isUp) {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    this.dispatchEvent(new CustomEvent("link", { detail: isUp }));
  }

  async #watch() {
    if (!this.source || this.isAsking || performance.now() - this.heard_at < SILENCE_MS) return;
    this.isAsking = true;
    const source = this.source;
    const fleet = await soon(get("/fleet"));
    this.isAsking = false;
    if (source !== this.source) return;
    if (fleet) this.#tell("fleet", fleet);
    else this.#lost();
  }

  #close() {
    this.source?.close();
    this.source = null;
  }

  #look() {
    clearTimeout(this.hidden);
    if (document.hidden) this.hidden = setTimeout(() => this.#close(), HIDDEN_MS);
    else if (!this.source) this.open();
  }
}
