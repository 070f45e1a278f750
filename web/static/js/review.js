// What a change of a config would do, looked at before it is written.

import { makeApply } from "./apply.js";
import { agreed } from "./confirm.js";
import { makeDiff, makeMeaning } from "./diff.js";
import { make } from "./dom.js";

/** Show a difference and ask; resolves to null, or to what was agreed to: wider limits, a reload. */
export async function reviewed(title, text, button, diff) {
  const consent = make("input", { type: "checkbox" });
  const apply = makeApply();
  const wider = diff.wider_risk.length ? make("label", {}, consent, " I want these wider limits") : null;
  const more = make("div", { class: "review" }, makeDiff(diff.diff), makeMeaning(diff), wider, apply.node);
  if (!(await agreed(title, text, button, { more }))) return null;
  return { allow_wider_risk: consent.checked, isReloadWanted: apply.isWanted() };
}
