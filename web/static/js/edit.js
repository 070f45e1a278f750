// Make or change a config: form or text, validated as it is typed, the difference shown before it is written.

import { botPath, get, isOperator, post, put, url } from "./api.js";
import { reloadWhen } from "./apply.js";
import { showHistory } from "./config_panel.js";
import { byId, make, setText, whenQuiet } from "./dom.js";
import { ConfigForm } from "./form.js";
import { reviewed } from "./review.js";
import { startShell } from "./shell.js";
import { trying } from "./toast.js";

const QUIET_MS = 350;
const isNew = !document.body.dataset.config;

class Editor {
  constructor() {
    this.name = document.body.dataset.config;
    this.asText = false;
    this.check = whenQuiet(() => this.#check(), QUIET_MS);
    byId("config-form").addEventListener("submit", (event) => event.preventDefault());
    byId("as-form").addEventListener("click", () => this.#show(false));
    byId("as-text").addEventListener("click", () => this.#show(true));
    byId("config-text").addEventListener("input", () => this.check());
    byId("review")?.addEventListener("click", () => this.#review());
    for (const id of ["find-key", "only-set"]) byId(id).addEventListener("input", () => this.#filter());
  }

  /** Take a config: its text and what stands in it. */
  async open(text, digest) {
    const opening = (this.opening = {});
    byId("config-fields").disabled = true; // what is typed now would be lost
    this.digest = digest;
    this.text = this.base = text;
    byId("config-text").value = text;
    const values = JSON.parse(text);
    const { strategy, exchange } = values.metadata ?? {};
    const kind = values.kind === "job" ? { job: values.job_config?.job } : { strategy, exchange };
    const schema = await trying(() => get("/schema", kind));
    if (!schema || opening !== this.opening) return;
    this.form = new ConfigForm(byId("config-fields"), schema.fields, () => this.check());
    this.form.set(values);
    byId("config-fields").disabled = false;
    byId("as-text").disabled = false; // there was nothing to show before
    this.#filter();
    if (isOperator) this.check();
    else this.#lock();
  }

  /** Let a viewer look. */
  #lock() {
    for (const input of document.querySelectorAll("#config-form input, #config-form select, #config-text, .new-head input")) input.disabled = true;
    this.#say("This login may only look", "dim");
  }

  /** Say why a file cannot be edited here. */
  refuse(complaints) {
    this.asText = true;
    this.#complain(complaints);
    this.#say("This file is not valid and is not shown, for it may hold a secret. Correct it with an editor.", "bad");
  }

  #filter() {
    this.form?.filter(byId("find-key").value, byId("only-set").checked);
  }

  async #show(asText) {
    if (asText === this.asText) return;
    if (asText) await this.#check();
    else if (!this.#textToForm()) return;
    this.asText = asText;
    byId("config-text").value = this.text;
    byId("config-form").hidden = asText;
    byId("text-pane").hidden = !asText;
    byId("as-form").setAttribute("aria-pressed", String(!asText));
    byId("as-text").setAttribute("aria-pressed", String(asText));
  }

  #textToForm() {
    try {
      const values = JSON.parse(byId("config-text").value);
      this.text = byId("config-text").value;
      this.form.set(values);
      return true;
    } catch {
      this.#say("The text is not JSON; correct it first", "bad");
      return false;
    }
  }

  /** The whole config as the form has it; a new one bears the name that was typed. */
  get values() {
    const values = this.form.all;
    if (isNew) values.metadata = { ...values.metadata, name: this.nameGiven };
    return values;
  }

  get nameGiven() {
    return isNew ? byId("new-name").value.trim() : this.name;
  }

  async #check() {
    if (!this.form || !isOperator) return;
    const asked = (this.asked = {});
    this.#allow(false);
    if (isNew && !this.nameGiven) return this.#say("Give it a name", "");
    const body = this.asText ? { name: this.nameGiven, text: byId("config-text").value } : { name: this.nameGiven, values: this.values };
    const answer = await trying(() => post("/registry/validate", body));
    if (!answer || asked !== this.asked) return;
    this.text = answer.text ?? this.text;
    this.#complain(answer.complaints);
    const changed = isNew || this.text !== this.base;
    this.#allow(changed && !answer.complaints.length);
    if (answer.complaints.length) this.#say(`${answer.complaints.length} thing${answer.complaints.length > 1 ? "s" : ""} to correct`, "bad");
    else this.#say(changed ? "Valid" : "No changes", changed ? "good" : "dim");
  }

  #complain(complaints) {
    const left = this.asText ? complaints : this.form.complain(complaints);
    byId("complaints").hidden = !left.length;
    byId("complaints").replaceChildren(...left.map((one) => make("li", {}, this.#where(one), ` ${one.message}`)));
  }

  #where({ path, line, column }) {
    if (!this.asText || !line) return make("strong", {}, path || "the file");
    return make("button", { type: "button", onclick: () => this.#goTo(line, column ?? 1) }, `line ${line}, ${path}`);
  }

  #goTo(line, column) {
    const area = byId("config-text");
    const start = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0) + column - 1;
    area.focus();
    area.setSelectionRange(start, start);
    area.scrollTop = (line - 8) * 17.4;
  }

  #say(text, tone) {
    setText(byId("valid"), text);
    byId("valid").dataset.tone = tone;
  }

  #allow(isAllowed) {
    if (byId("review")) byId("review").disabled = !isAllowed;
  }

  async #review() {
    const diff = await trying(() => post("/registry/diff", { name: this.nameGiven, text: this.text }), null, (error) => this.#complain(error.body?.complaints ?? []));
    if (!diff) return;
    const title = isNew ? `Create ${this.nameGiven}?` : `Save ${this.nameGiven}?`;
    const what = isNew ? "This becomes a file in config/active." : "This replaces the file; the version of now stays in the history.";
    const wanted = await reviewed(title, what, isNew ? "Create" : "Save", diff);
    if (!wanted) return;
    const done = isNew ? await this.#create() : await this.#save(wanted.allow_wider_risk);
    if (!done) return;
    await reloadWhen(wanted.isReloadWanted);
    if (isNew) location.assign(url(`/registry/${encodeURIComponent(this.nameGiven)}`));
    else await openActive(this);
  }

  #create() {
    const body = { name: this.nameGiven, template: byId("template").value, values: JSON.parse(this.text) };
    return trying(() => post("/registry/create", body), `${this.nameGiven} was created`);
  }

  #save(allow_wider_risk) {
    const body = { text: this.text, base_digest: this.digest, allow_wider_risk };
    return trying(() => put(`/registry/${encodeURIComponent(this.name)}`, body), `${this.name} was saved`);
  }
}

async function openActive(editor) {
  const config = await trying(() => get(botPath(editor.name, "config")));
  if (!config) return;
  if (config.text === null) editor.refuse(config.complaints ?? []);
  else await editor.open(config.text, config.digest);
  showHistory(editor.name, byId("pane-history"), () => openActive(editor));
}

async function openTemplate(editor, templates) {
  const template = templates.find((one) => one.name === byId("template").value);
  if (!template) return;
  setText(byId("template-about"), template.description ?? "");
  if (template.text === null) editor.refuse([]);
  else await editor.open(template.text, null);
}

async function start() {
  startShell();
  const editor = new Editor();
  if (!isNew) return openActive(editor);
  const registry = await trying(() => get("/registry"));
  if (!registry) return undefined;
  const select = byId("template");
  select.append(...registry.templates.map((one) => make("option", { value: one.name }, one.name)));
  const wanted = new URLSearchParams(location.search).get("template") ?? "paper_market_maker";
  if (registry.templates.some((one) => one.name === wanted)) select.value = wanted;
  select.addEventListener("change", () => openTemplate(editor, registry.templates));
  byId("new-name").addEventListener("input", () => editor.check());
  return openTemplate(editor, registry.templates);
}

start();
