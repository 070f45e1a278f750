// A config as a form, made from the schema: a section each, a row each key.

import { make } from "./dom.js";
import { Field } from "./field.js";

const GIVEN = new Set(["metadata.name", "metadata.exchange", "metadata.strategy", "metadata.schema_version"]);
const OPEN = new Set(["strategy_config", "risk_config", "job_config"]);

export class ConfigForm {
  constructor(box, fields, onInput) {
    this.fields = fields.filter((field) => !GIVEN.has(`${field.section}.${field.key}`)).map((field) => new Field(field, onInput));
    this.sections = new Map();
    for (const field of this.fields) this.#sectionOf(field.about.section).append(field.node);
    box.replaceChildren(...[...this.sections.values()].sort((one, other) => Number(other.open) - Number(one.open)));
  }

  #sectionOf(name) {
    if (!this.sections.has(name)) this.sections.set(name, make("details", { class: "panel", open: OPEN.has(name) }, make("summary", {}, name)));
    return this.sections.get(name);
  }

  /** Put in the values of a file. */
  set(values) {
    this.values = values;
    for (const field of this.fields) field.set(values[field.about.section]?.[field.about.key]);
  }

  get isChanged() {
    return this.fields.some((field) => field.isChanged);
  }

  /** Return what the file says with the changes of the form. */
  get all() {
    const values = structuredClone(this.values);
    for (const field of this.fields.filter((one) => one.isChanged)) {
      const { section, key } = field.about;
      values[section] ??= {};
      if (field.value === undefined) delete values[section][key];
      else values[section][key] = field.value;
    }
    return values;
  }

  /** Show complaints at their keys; return those that belong to no key of the form. */
  complain(complaints) {
    const left = new Set(complaints);
    for (const field of this.fields) {
      const own = complaints.filter(({ path }) => path === field.path || path?.startsWith(`${field.path}.`) || path?.startsWith(`${field.path}[`));
      own.forEach((complaint) => left.delete(complaint));
      field.complain(own.map((complaint) => complaint.message).join("; "));
      if (own.length) this.sections.get(field.about.section).open = true;
    }
    return [...left];
  }

  /** Show the keys whose name or help has these words, or only those that are set. */
  filter(words, onlySet) {
    const wanted = words.trim().toLowerCase();
    for (const field of this.fields) {
      const text = `${field.path} ${field.about.help ?? ""}`.toLowerCase();
      field.node.hidden = !((!wanted || text.includes(wanted)) && (!onlySet || field.isSet || field.isChanged));
    }
    for (const [name, section] of this.sections) {
      const some = this.fields.some((field) => field.about.section === name && !field.node.hidden);
      section.hidden = !some;
      if (wanted && some) section.open = true;
    }
  }
}
