// One key of a config as an input that fits its schema. An empty input means: not set, the default holds.

import { make, setText } from "./dom.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const types = (field) => [field.type ?? "string"].flat();
const isNumeric = (field) => types(field).some((type) => type === "number" || type === "integer");
const isDeep = (field) => types(field).some((type) => type === "array" || type === "object");

/** What a value looks like in an input. */
export const written = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** What the text of an input means; text that fits no type is handed on as text, for the server to complain about. */
export function meant(field, text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  if (field.enum) return field.enum.find((word) => written(word) === trimmed) ?? trimmed;
  if (trimmed === "null" && types(field).includes("null")) return null;
  if (isNumeric(field) && NUMBER.test(trimmed)) return Number(trimmed);
  if (types(field).includes("boolean") && ["true", "false"].includes(trimmed)) return trimmed === "true";
  if (isDeep(field)) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return trimmed;
    }
  }
  return trimmed;
}

/** What a value has to be, where a list of choices does not say it. */
const allowed = (field) => (field.enum || ["", "text", "true or false"].includes(field.expected ?? "") ? "" : `Allowed: ${field.expected}.`);

function makeInput(field, id) {
  const choices = field.enum ?? (types(field).includes("boolean") ? [true, false] : null);
  if (!choices) {
    const about = { id, inputmode: isNumeric(field) ? "decimal" : null, spellcheck: "false", placeholder: field.default === null || field.default === undefined ? (field.required ? "required" : "not set") : `default ${written(field.default)}` };
    return make("input", about);
  }
  const none = field.default === undefined || field.default === null ? "not set" : `default: ${written(field.default)}`;
  return make("select", { id }, make("option", { value: "" }, none), choices.filter((word) => word !== null).map((word) => make("option", { value: written(word) }, written(word))));
}

export class Field {
  constructor(field, onInput) {
    this.about = field;
    this.path = `${field.section}.${field.key}`;
    const id = `key-${field.section}-${field.key}`;
    this.input = makeInput(field, id);
    this.input.setAttribute("aria-describedby", `${id}-help ${id}-complaint`);
    this.complaint = make("p", { class: "complaint", id: `${id}-complaint`, hidden: true });
    const apply = field.apply ? make("span", { class: "tag", title: field.apply === "live" ? "a running bot takes it over" : "the bot is restarted with it" }, field.apply) : null;
    const help = [field.help, allowed(field), field.secret && "Secret: only as ${NAME}, never the value itself."].filter(Boolean).join(" ");
    this.node = make("div", { class: "keyrow" },
      make("div", { class: "key" }, make("label", { for: id }, field.key), apply),
      make("div", { class: "value" }, this.input, make("span", { class: "unit" }, field.unit ?? "")),
      make("p", { class: "help", id: `${id}-help` }, help),
      this.complaint);
    this.input.addEventListener("input", () => {
      this.#mark();
      onInput();
    });
  }

  /** Put in what the file says. */
  set(value) {
    this.before = written(value);
    this.input.value = this.before;
    this.#mark();
  }

  get isChanged() {
    return this.input.value.trim() !== this.before;
  }

  get isSet() {
    return this.input.value.trim() !== "";
  }

  get value() {
    return meant(this.about, this.input.value);
  }

  /** Show what is wrong with it, "" when nothing is. */
  complain(text) {
    setText(this.complaint, text);
    this.complaint.hidden = !text;
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
  }

  #mark() {
    if (this.isChanged) this.node.dataset.changed = "yes";
    else delete this.node.dataset.changed;
  }
}
