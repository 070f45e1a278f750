// Make or change a config: form or text, validated as it is typed, the difference shown before it is written.

import { botPath, botUrl, get, isOperator, post, put, url } from "./api.js";
import { agreed } from "./confirm.js";
import { showHistory } from "./config_panel.js";
import { makeDiff, makeMeaning } from "./diff.js";
import { byId, make, setText, whenQuiet } from "./dom.js";
import { ConfigForm } from "./form.js";
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
    this.digest = digest;
    this.text = this.base = text;
    byId("config-text").value = text;
    const values = JSON.parse(text);
    const { strategy, exchange } = values.metadata ?? {};
    const schema = await trying(() => get("/schema", { strategy, exchange }));
    if (!schema) return;
    this.form = new ConfigForm(byId("config-form"), schema.fields, () => this.check());
    this.form.set(values);
    this.#filter();
    this.check();
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
    } catch (error) {
      this.#say("The text is not JSON; correct it first", "bad");
      return false;
    }
  }

  get nameGiven() {
    return isNew ? byId("new-name").value.trim() : this.name;
  }

  async #check() {
    if (!this.form) return;
    const asked = (this.asked = {});
    this.#allow(false);
    if (isNew && !this.nameGiven) return this.#say("Give it a name", "");
    const body = this.asText ? { name: this.nameGiven, text: byId("config-text").value } : { name: this.nameGiven, values: this.form.all };
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
    const diff = await trying(() => post("/registry/diff", { name: this.nameGiven, text: this.text }));
    if (!diff) return;
    const wider = diff.wider_risk ?? [];
    const consent = make("input", { type: "checkbox", id: "wider" });
    const more = make("div", {}, makeDiff(diff.diff), makeMeaning(diff), wider.length ? make("label", { class: "check" }, consent, " I want these wider limits") : null);
    const title = isNew ? `Create ${this.nameGiven}?` : `Save ${this.nameGiven}?`;
    const what = isNew ? "This becomes a file in config/active." : "This replaces the file; the version of now stays in the history.";
    if (!(await agreed(title, what, isNew ? "Create" : "Save", { more }))) return;
    await this.#write(consent.checked);
  }

  async #write(allow_wider_risk) {
    if (isNew) {
      const body = { name: this.nameGiven, template: byId("template").value, values: JSON.parse(this.text) };
      const made = await trying(() => post("/registry/create", body), `${this.nameGiven} was created`);
      if (made) location.assign(url(`/registry/${encodeURIComponent(this.nameGiven)}`));
      return;
    }
    const path = `/registry/${encodeURIComponent(this.name)}`;
    const done = await trying(() => put(path, { text: this.text, base_digest: this.digest, allow_wider_risk }), `${this.name} was saved`);
    if (done) await openActive(this);
  }
}

async function openActive(editor) {
  const config = await trying(() => get(botPath(editor.name, "config")));
  if (!config) return;
  await editor.open(config.text, config.digest);
  showHistory(editor.name);
}

async function openTemplate(editor, templates) {
  const template = templates.find((one) => one.name === byId("template").value);
  if (!template) return;
  setText(byId("template-about"), template.description ?? "");
  await editor.open(template.text, null);
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
