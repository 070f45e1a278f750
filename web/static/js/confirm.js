// A question before something that cannot be taken back lightly.

import { make } from "./dom.js";

/** Ask; resolves to whether it was agreed to. */
export function agreed(title, text, button, { danger = false, more = null } = {}) {
  return new Promise((resolve) => {
    const dialog = make("dialog", { "aria-label": title, class: more ? "broad" : null });
    const leave = make("button", { type: "button", onclick: () => dialog.close("") }, "Leave it");
    const go = make("button", { type: "button", class: danger ? "danger solid" : "primary", onclick: () => dialog.close("yes") }, button);
    dialog.append(make("form", { method: "dialog" }, make("h2", {}, title), make("p", {}, text), more, make("div", { class: "dialog-buttons" }, leave, go)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    leave.focus();
  });
}
