// A written config takes effect by a reload; most people want that at once.

import { post } from "./api.js";
import { make } from "./dom.js";
import { say, trying } from "./toast.js";

/** Return a ticked box, and what tells whether it is still ticked. */
export function makeApply() {
  const box = make("input", { type: "checkbox", checked: true });
  return { node: make("label", {}, box, " reload at once, so that it takes effect"), isWanted: () => box.checked };
}

/** Have the daemon read its configs again; say what it could not take. */
export async function reloadWhen(isWanted) {
  if (!isWanted) return;
  const answer = await trying(() => post("/reload", {}));
  if (!answer) return;
  const bad = answer.invalid ?? [];
  if (!bad.length) say("The configs were read again");
  else say(`Not valid and left out: ${bad.map((one) => one.name ?? one.file).join(", ")}`, "bad");
}
