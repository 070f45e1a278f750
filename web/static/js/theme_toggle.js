// Light, dark, or as the system has it.

import { byId, setAttribute, setText } from "./dom.js";

const SIGN = { system: "\u25D0", light: "\u2600\uFE0E", dark: "\u263E\uFE0E" };
const NEXT = { system: "light", light: "dark", dark: "system" };

function remembered() {
  try {
    return localStorage.getItem("makerd-theme") ?? "system";
  } catch {
    return "system";
  }
}

function keep(theme) {
  try {
    if (theme === "system") localStorage.removeItem("makerd-theme");
    else localStorage.setItem("makerd-theme", theme);
  } catch {
    // It holds for this page then.
  }
}

/** Make the button go round the themes; pages with charts hear of it by the event `themechange`. */
export function armThemeToggle() {
  const button = byId("theme-toggle");
  if (!button) return;
  let theme = remembered();
  const show = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setText(button, SIGN[theme]);
    setAttribute(button, "aria-label", `Theme: ${theme}. Change it`);
    setAttribute(button, "title", `Theme: ${theme}`);
    dispatchEvent(new Event("themechange"));
  };
  button.addEventListener("click", () => {
    theme = NEXT[theme] ?? "system";
    keep(theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
