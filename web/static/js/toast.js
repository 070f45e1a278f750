// Short notices: what was done, or why not. Failures stay until they are put away.

import { byId, make } from "./dom.js";

const SHOWN_MS = 5000;

/** Say something in the corner; tone `bad` stays. What stands there already is not said again. */
export function say(text, tone = "good") {
  if ([...byId("toasts").children].some((toast) => toast.firstChild.textContent === text)) return;
  const toast = make("div", { class: "toast", data: { tone } }, make("p", {}, text));
  toast.append(make("button", { type: "button", class: "small", "aria-label": "Put away", onclick: () => toast.remove() }, "\u2715"));
  byId("toasts").append(toast);
  if (tone !== "bad") setTimeout(() => toast.remove(), SHOWN_MS);
}

/** Run something that asks the server; say what came of it. `onError` may look at what went wrong, too. */
export async function trying(what, done = null, onError = null) {
  try {
    const answer = await what();
    const text = typeof done === "function" ? done(answer) : done;
    if (text) say(text);
    return answer;
  } catch (error) {
    say(error.message, "bad");
    onError?.(error);
    return null;
  }
}
