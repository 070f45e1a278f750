// Runs before the first paint, so it is no module: a remembered theme must not flash.
(() => {
  "use strict";
  try {
    const theme = localStorage.getItem("makerd-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
