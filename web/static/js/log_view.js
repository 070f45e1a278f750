// Log lines: filtered by level, component and words, the newest at the end; it follows while it is scrolled down.

import { botPath, get } from "./api.js";
import { make, setAttribute, setText, whenQuiet } from "./dom.js";
import { clock } from "./format.js";
import { trying } from "./toast.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"];
const KEPT = 1000;

const place = (level) => Math.max(0, LEVELS.indexOf(level === "CRITICAL" ? "ERROR" : level));

export class LogView {
  constructor(box, name) {
    this.name = name;
    this.level = make("select", { "aria-label": "Level" }, LEVELS.map((level) => make("option", { value: level, selected: level === "INFO" }, `${level.toLowerCase()} and above`)));
    this.component = make("input", { type: "search", placeholder: "component", "aria-label": "Component", size: 12 });
    this.words = make("input", { type: "search", placeholder: "words", "aria-label": "Words" });
    this.count = make("span", { class: "push", role: "status" });
    this.lines = make("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Log lines", "aria-live": "off" });
    const tools = make("div", { class: "log-tools" }, make("label", {}, "Level ", this.level), this.component, this.words, this.count);
    tools.addEventListener("input", whenQuiet(() => this.load(), 250));
    box.append(tools, this.lines);
  }

  /** Read the last lines of the file anew. */
  async load() {
    const asked = (this.asked = {});
    const query = { level: this.level.value, component: this.component.value.trim(), q: this.words.value.trim(), n: 400 };
    const answer = await trying(() => get(botPath(this.name, "logs"), query));
    if (!answer || asked !== this.asked) return;
    const key = JSON.stringify([this.name, answer.lines.length, answer.lines[0], answer.lines.at(-1)]);
    if (key === this.shown) return; // what somebody has marked stays marked
    this.shown = key;
    this.lines.replaceChildren(...answer.lines.map(makeLine));
    if (!answer.lines.length) this.lines.append(make("p", { class: "empty" }, "No lines like these."));
    this.#count();
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  /** Add a line that has just been written, when it is wanted. */
  add(line) {
    if (!this.#isWanted(line)) return;
    const follows = this.isAtEnd();
    this.shown = null;
    this.lines.querySelector(".empty")?.remove();
    this.lines.append(makeLine(line));
    while (this.lines.childElementCount > KEPT) this.lines.firstElementChild.remove();
    this.#count();
    if (follows) this.lines.scrollTop = this.lines.scrollHeight;
  }

  /** Tell whether the newest line is in sight. */
  isAtEnd() {
    return this.lines.scrollHeight - this.lines.scrollTop - this.lines.clientHeight < 40;
  }

  #isWanted({ level, component, text }) {
    const part = this.component.value.trim();
    return place(level) >= place(this.level.value) && (!part || component === part) && text.toLowerCase().includes(this.words.value.trim().toLowerCase());
  }

  #count() {
    setText(this.count, `${this.lines.querySelectorAll(".log-line").length} lines`);
  }
}

function makeLine({ at, level, component, text }) {
  const tone = level === "ERROR" || level === "CRITICAL" ? "bad" : level === "WARNING" ? "warn" : null;
  const word = make("span", {}, level ?? "");
  setAttribute(word, "data-tone", tone);
  return make("div", { class: "log-line", data: { level: level ?? "" } }, make("span", { class: "when" }, clock(at)), word, make("span", { class: "part" }, component ?? ""), make("span", {}, text));
}
