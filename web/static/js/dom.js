// Elements without markup: text only ever becomes text.

const SVG = "http://www.w3.org/2000/svg";

/** Return the element with that id. */
export const byId = (id) => document.getElementById(id);

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make an element; `on...` attributes are listeners, strings among the children are text. */
export const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const makeSvg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

/** Put text into a node unless it is there already; tell whether it changed. */
export function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/** Text that changes often: it remembers what it shows, so that nothing is read back from the page. */
export class LiveText {
  constructor(node) {
    this.node = node;
    this.text = "";
    this.tone = "";
    this.inner = document.createTextNode("");
    node.append(this.inner);
  }

  /** Show a text; tell whether it is another one. */
  set(text) {
    if (text === this.text) return false;
    this.text = text;
    this.inner.data = text;
    return true;
  }

  /** Show a tone, "" for none. */
  setTone(tone) {
    if (tone === this.tone) return;
    this.tone = tone;
    setAttribute(this.node, "data-tone", tone);
  }
}

/** Set or remove an attribute unless it is so already. */
export function setAttribute(node, name, value) {
  if (value === null || value === "" || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** A table of rows; columns are [title, class]; a cell is text or a node. */
export function makeTable(caption, columns, rows) {
  const head = columns.map(([title, kind]) => make("th", { scope: "col", class: kind }, title));
  const body = rows.map((cells) =>
    make("tr", {}, cells.map((cell, place) => make("td", { class: columns[place][1], data: { label: columns[place][0] } }, cell ?? "-"))),
  );
  return make("table", {}, make("caption", { class: "visually-hidden" }, caption), make("thead", {}, make("tr", {}, head)), make("tbody", {}, body));
}

/** Work off `task` once in the next frame, however often it is asked for. */
export function onceAFrame(task) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      task();
    });
  };
}

/** Call `task` when nobody has asked for `delay_ms`. */
export function whenQuiet(task, delay_ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => task(...given), delay_ms);
  };
}
