"""A real Chromium before the monitor: when the fleet page is painted, and when a row shows a change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync")
PATIENCE_MS = 60_000.0
_COUNT_ROWS = """(() => {
    const look = () => {
        if (document.querySelectorAll("#fleet-body tr").length >= COUNT) window.rowsAt = performance.now();
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})()"""
_PAINTS = """() => ({
    rows: window.rowsAt,
    ...Object.fromEntries(performance.getEntriesByType("paint").map((one) => [one.name, one.startTime])),
})"""
# When a row first showed another word than QUOTING: in the frame after the change, in UTC seconds.
_WATCH_ROWS = """() => {
    window.changedAt = {};
    const look = (changes) => requestAnimationFrame(() => {
        for (const { target } of changes) {
            const row = (target.closest ? target : target.parentElement)?.closest("tr[data-name]");
            const word = row?.querySelector(".word")?.textContent;
            if (word && word !== "QUOTING") window.changedAt[row.dataset.name] ??= Date.now() / 1000;
        }
    });
    new MutationObserver(look).observe(document.querySelector("#fleet-body"), { characterData: true, subtree: true });
}"""


class Chromium:
    """A browser, and one fleet page that is watched."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._page: Page | None = None

    def _new_page(self) -> Page:
        page = self._browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def paints(self, rows: int) -> dict[str, float]:
        """Open the fleet page with nothing in the cache; return milliseconds to each paint and to all rows."""
        page = self._new_page()
        page.add_init_script(_COUNT_ROWS.replace("COUNT", str(rows)))
        page.goto(self._url)
        page.wait_for_function("() => window.rowsAt")
        found: dict[str, float] = page.evaluate(_PAINTS)
        page.context.close()
        return found

    def watch(self, rows: int) -> None:
        """Open the fleet page and note from now on when a row shows that its bot does not quote."""
        page = self._page = self._new_page()
        page.goto(self._url)
        page.wait_for_function(f"() => document.querySelectorAll('#fleet-body tr').length >= {rows}")
        page.evaluate(_WATCH_ROWS)

    def await_quoting(self, name: str) -> None:
        """Wait until the page shows a bot QUOTING, and forget what its row showed before."""
        self._wait(
            """(name) => {
                const word = document.querySelector(`tr[data-name="${name}"] .word`)?.textContent;
                return word === "QUOTING" && (delete window.changedAt[name], true);
            }""",
            name,
        )

    def changed_s(self, name: str) -> float:
        """Wait until the page shows that a bot does not quote; return when it did, UTC."""
        return float(self._wait("(name) => window.changedAt[name]", name))

    def _wait(self, expression: str, name: str) -> Any:
        assert self._page is not None
        return self._page.wait_for_function(expression, arg=name, polling=50).json_value()


@contextmanager
def chromium(url: str) -> Iterator[Chromium | None]:
    """Give a browser; None where there is no Chromium or no Playwright (`pip install -r requirements-test.txt`)."""
    path = os.environ.get("MAKERD_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield Chromium(browser, url)
        finally:
            browser.close()
