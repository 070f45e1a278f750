"""A browser before a real monitor, which is the child of a real daemon with paper bots."""

from __future__ import annotations

import functools
import json
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.process.fleet_parts import Fleet
from tests.web_browser.chromium import find_chromium
from utils.web_names import PASSWORD, VIEWER
from web.security.passwords import password_hash

WORD, VIEWERS_WORD = "a word for the tests", "a word for looking"
PATIENCE_MS = 30_000.0
STANDARD = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Monitored:
    """A fleet, its monitor's address, and one page of a browser that is logged in."""

    def __init__(self, fleet: Fleet, url: str, browser: Browser) -> None:
        self.fleet = fleet
        self.url = url
        self.browser = browser
        self.complaints: list[str] = []
        self.page = self.new_page()

    def new_page(self, **context: Any) -> Page:
        """Open a page of a browser that knows nothing yet; what its console complains about is kept."""
        page = self.browser.new_context(viewport={"width": 1280, "height": 800}, **context).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}\n{error.stack}"))
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def open(self, path: str = "", page: Page | None = None) -> Page:
        """Go to a page of the monitor."""
        page = page or self.page
        page.goto(self.url + path)
        return page

    def with_bots(self, add_bots: Callable[[Fleet], Collection[str]]) -> Monitored:
        """Have the bots that are added, whose names are returned, and no others."""
        wanted = set(add_bots(self.fleet))
        for path in self.fleet.home.active.iterdir():
            if path.stem not in wanted:
                path.unlink()
        assert self.fleet.run("reload").returncode == 0
        self.fleet.until(lambda: {row["name"] for row in self.fleet.status()["bots"]} == wanted, 60)
        return self

    def monitor_pid(self) -> int:
        """Return the monitor's pid."""
        children = psutil.Process(self.fleet.daemon_pid()).children()
        return next(child.pid for child in children if "monitor" in " ".join(child.cmdline()))

    def log_in(self, page: Page | None = None, word: str = WORD, url: str = "") -> Page:
        """Log in by the form, of another monitor where `url` says so."""
        page, url = page or self.page, url or self.url
        page.goto(url + "login")
        page.get_by_label("Password").fill(word)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(url)
        return page


@functools.cache
def _axe() -> Axe:
    return Axe()


def faults(page: Page, *rules: str) -> list[str]:
    """Return what axe finds on a page as it stands, by all rules of the standard or by these."""
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(STANDARD)}
    found = _axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]]


def row_of(page: Page, name: str) -> Any:
    """Return the row of a bot on the fleet page."""
    return page.locator(f'#fleet-body tr[data-name="{name}"]')


def wait_for_state(page: Page, name: str, *words: str) -> float:
    """Wait until a row shows one of these states; return after how many seconds it did."""
    began_s = time.monotonic()
    page.wait_for_function(
        """([name, words]) => {
            const row = document.querySelector(`#fleet-body tr[data-name="${name}"] .word`);
            return row && words.includes(row.textContent);
        }""",
        arg=[name, list(words)],
        polling=20,
    )
    return time.monotonic() - began_s


@contextmanager
def monitored(add_bots: Callable[[Fleet], object]) -> Iterator[Monitored]:
    """Run a daemon with the bots that are added and its monitor, and a browser that is logged in."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        fleet = Fleet(Path(folder) / "home")
        try:
            add_bots(fleet)
            url = _start(fleet)
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
            try:
                site = Monitored(fleet, url, browser)
                site.log_in()
                yield site
            finally:
                browser.close()
        finally:
            fleet.end()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _start(fleet: Fleet) -> str:
    web = {"enabled": True, "port": _free_port(), "proxies": 1}  # the same port after a restart of the monitor
    fleet.home.daemon_file.write_text(json.dumps({"web": web}))
    hashes = {PASSWORD: password_hash(WORD), VIEWER: password_hash(VIEWERS_WORD)}
    fleet.home.env_file.write_text("".join(f"{name}={value}\n" for name, value in hashes.items()))
    fleet.home.env_file.chmod(0o600)
    fleet.start()
    return str(fleet.until(lambda: fleet.status()["daemon"]["web"]["url"]))
