// Tabs as the ARIA practices have them: arrows move, one tab is in the tab order.

/** Arm a list of tabs; `onShow(pane)` hears which pane is shown. */
export function armTabs(list, onShow) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const show = (wanted) => {
    for (const tab of tabs) {
      const isIt = tab === wanted;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isIt;
    }
    onShow(wanted.getAttribute("aria-controls"));
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) show(tab);
  });
  list.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + way + tabs.length) % tabs.length];
    next.focus();
    show(next);
  });
}
