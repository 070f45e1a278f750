// The kill switch: one button on every page, a dialog that says what it will do, a word that must be typed.

import { post } from "./api.js";
import { byId, setText } from "./dom.js";
import { say } from "./toast.js";

const WORD = "FLATTEN";

function bots(store) {
  return [...store.rows.values()].filter((row) => row.kind !== "job").map((row) => row.name);
}

function scopeOf(form, store, some) {
  const all = form.elements.scope.value === "all" || !some.length;
  return { all, names: all ? bots(store) : some };
}

/** Arm the button; `chosen()` names the bots that the page shows when these are not all. */
export function armKillSwitch(store, chosen) {
  const dialog = byId("kill");
  if (!dialog) return;
  const form = byId("kill-form");
  const word = byId("kill-word");
  let some = [];
  const show = () => {
    const { all, names } = scopeOf(form, store, some);
    const known = names.length ? `all ${names.length} bots` : "every bot"; // it works without a stream, too
    setText(byId("kill-count"), all ? known : names.length === 1 ? names[0] : `${names.length} of ${bots(store).length} bots`);
    setText(byId("kill-names"), names.join(", "));
    setText(byId("kill-go"), `Flatten ${all ? known : names.length === 1 ? names[0] : `${names.length} bots`}`);
    byId("kill-go").disabled = word.value !== WORD;
  };
  byId("kill-open").addEventListener("click", () => {
    some = (chosen ? chosen() : []).filter((name) => store.rows.get(name)?.kind !== "job"); // a job holds nothing
    const isPart = some.length > 0 && some.length < bots(store).length;
    if (!isPart) some = [];
    form.reset();
    byId("kill-some-choice").hidden = !isPart;
    setText(byId("kill-all"), "all bots of the fleet");
    setText(byId("kill-some"), some.length === 1 ? `only ${some[0]}` : `only the ${some.length} bots shown`);
    byId("kill-error").hidden = true;
    show();
    dialog.showModal();
    word.focus();
  });
  byId("kill-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (word.value === WORD) flatten(dialog, scopeOf(form, store, some));
  });
}

async function flatten(dialog, { all, names }) {
  const go = byId("kill-go");
  go.disabled = true;
  setText(go, "Flattening …");
  try {
    const answer = await post("/flatten", { names: all ? null : names, sell_base: byId("kill-base").checked, confirm: WORD });
    dialog.close();
    const open = (answer.bots ?? []).filter((bot) => bot.closed === false && bot.state !== "STOPPED");
    say(open.length ? `Flatten was ordered. Not at rest yet: ${open.map((bot) => bot.name).join(", ")}` : `Flatten was ordered for ${all ? "all bots" : names.join(", ")}`, open.length ? "bad" : "good");
  } catch (error) {
    setText(byId("kill-error"), error.message);
    byId("kill-error").hidden = false;
    setText(go, "Try again");
    go.disabled = false;
  }
}
