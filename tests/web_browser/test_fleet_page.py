"""Twenty live bots in a browser: looked at, killed, paused, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.process.fleet_parts import Fleet
from tests.web_browser.browser_parts import PATIENCE_MS, Monitored, row_of, wait_for_state
from tests.web_browser.tls_proxy import tls_proxy
from utils.home import CHECKOUT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
NAMES = tuple(f"mm-{number:02}" for number in range(20))
DOWN = ("SWEEPING", "BACKOFF", "STARTING")
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def foreground_monitor(fleet: Fleet) -> Iterator[str]:
    """Run `run.py --web` beside the daemon; yield its address."""
    command = [sys.executable, str(CHECKOUT / "run.py"), "--web", "--port", "0"]
    process = subprocess.Popen(command, env=fleet.environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(word for line in process.stdout for word in line.split() if word.startswith("http://"))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def add_bots(fleet: Fleet) -> tuple[str, ...]:
    for name in NAMES:
        fleet.add(name, daemon_config={"backoff_initial_s": 2})
    return NAMES


@pytest.fixture(scope="module")
def site(one_site: Monitored) -> Iterator[Monitored]:
    """The fleet with other bots; the last test of this file stops it."""
    yield one_site.with_bots(add_bots)
    one_site.page.goto("about:blank")


@pytest.fixture
def page(site: Monitored) -> Iterator[Page]:
    """The fleet page with all bots on it; what it complained about in the end fails the test."""
    site.complaints.clear()
    page = site.open()
    expect(page.locator("#fleet-body tr")).to_have_count(len(NAMES))
    yield page
    assert site.complaints == []


def test_a_stranger_is_led_to_the_login_and_a_wrong_password_is_told(site: Monitored) -> None:
    page = site.new_page()
    site.open("", page)
    page.wait_for_url("**/login")
    page.get_by_label("Password").fill("not the word at all")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    assert page.get_by_label("Password").get_attribute("aria-invalid") == "true"
    page.context.close()


def test_twenty_bots_are_seen_alive(site: Monitored, page: Page) -> None:
    for name in NAMES:
        wait_for_state(page, name, "QUOTING")
    expect(page.locator("#verdict")).to_have_text("All 20 quoting")
    expect(page.locator("#link-text")).to_have_text("live")
    before = page.locator("#totals").inner_text()
    page.wait_for_function("before => document.querySelector('#totals').innerText !== before", arg=before)


def test_a_killed_worker_is_seen_at_once_and_seen_coming_back(
    site: Monitored, page: Page, record_property: Callable[[str, object], None]
) -> None:
    wait_for_state(page, "mm-07", "QUOTING")
    pid = site.fleet.bot("mm-07")["pid"]
    os.kill(pid, signal.SIGKILL)
    seconds = wait_for_state(page, "mm-07", *DOWN)
    record_property("row_changed_s", round(seconds, 3))
    print(f"row changed after {seconds:.2f} s")
    first = page.locator("#fleet-body tr").first
    expect(first).to_have_attribute("data-name", "mm-07")
    expect(first).to_have_attribute("data-attention", "warn")
    expect(first.locator(".why")).not_to_be_empty()
    wait_for_state(page, "mm-07", "QUOTING")
    expect(row_of(page, "mm-07").locator(".c-restarts")).to_have_text("1")


def test_a_bot_is_paused_and_resumed_by_its_row(site: Monitored, page: Page) -> None:
    row = row_of(page, "mm-03")
    row.get_by_role("button", name="pause mm-03").click()
    wait_for_state(page, "mm-03", "PAUSED")
    expect(row.locator(".why")).to_contain_text("paused by an operator")
    assert site.fleet.bot("mm-03")["paused"] is True
    row.get_by_role("button", name="resume mm-03").click()
    wait_for_state(page, "mm-03", "QUOTING")


def test_rows_are_found_and_sorted(page: Page) -> None:
    page.get_by_label("Find").fill("mm-1")
    expect(page.locator("#fleet-body tr")).to_have_count(10)
    expect(page.locator("#shown")).to_have_text("10 of 20 bots")
    assert page.url.endswith("?find=mm-1")
    page.get_by_label("Find").fill("")
    for _ in range(2):
        page.get_by_role("button", name="Bot", exact=True).click()
    expect(page.locator("#fleet-body tr").first).to_have_attribute("data-name", "mm-19")
    expect(page.get_by_role("columnheader", name="Bot")).to_have_attribute("aria-sort", "descending")


def test_totals_by_venue_and_account_can_be_opened(page: Page) -> None:
    page.get_by_text("Totals by account and venue").click()
    expect(page.get_by_role("table", name="Totals by Venue").locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("table", name="Totals by Account").locator("tbody tr")).to_have_count(20)


def is_grey(page: Page) -> bool:
    """Tell whether the figures look like old ones."""
    return float(page.locator("#fleet").evaluate("node => getComputedStyle(node).opacity")) < 0.6


# A monitor that ended is soon back: from outside, a busy machine may not let us look in between.
NOTE_ALARMS = """() => {
    window.alarms = [];
    setInterval(() => {
        const said = document.querySelector("#alarm:not([hidden])")?.textContent ?? "";
        const opacity = Number(getComputedStyle(document.querySelector("#fleet")).opacity);
        window.alarms.push([said, opacity, document.title]);
    }, 20);
}"""
LOUDEST = """() => window.alarms.some(([said, opacity, title]) =>
    said.includes("No live data") && opacity < 0.6 && title.startsWith("\u25a0 No live data")
)"""


def test_a_lost_stream_is_the_loudest_thing_on_the_page_until_it_is_back(site: Monitored, page: Page) -> None:
    wait_for_state(page, "mm-00", "QUOTING")
    expect(page.locator("#alarm")).to_be_hidden()
    page.evaluate(NOTE_ALARMS)
    end_s = time.monotonic() + 60
    while not page.evaluate(LOUDEST):  # a gap of a second is no alarm: each end makes the next pause longer
        assert time.monotonic() < end_s
        with contextlib.suppress(StopIteration, ProcessLookupError):  # there is none at the moment
            os.kill(site.monitor_pid(), signal.SIGKILL)
        page.wait_for_timeout(500)
    expect(page.locator("#alarm")).to_be_hidden()
    expect(page.locator("#link-text")).to_have_text("live")
    assert not is_grey(page)
    site.complaints.clear()  # the browser tells of each try, and rightly


def test_figures_of_a_daemon_that_does_not_answer_are_called_stale(site: Monitored, page: Page) -> None:
    wait_for_state(page, "mm-00", "QUOTING")
    daemon = site.fleet.daemon_pid()
    os.kill(daemon, signal.SIGSTOP)
    try:
        expect(page.get_by_role("alert").filter(has_text="Stale data")).to_be_visible()
        assert is_grey(page)
    finally:
        os.kill(daemon, signal.SIGCONT)
    expect(page.locator("#alarm")).to_be_hidden()
    wait_for_state(page, "mm-00", "QUOTING")


def test_the_theme_is_chosen_and_remembered(site: Monitored, page: Page) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page.get_by_role("button", name="Theme: system").click()
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(ground) != light
    site.open()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    page.get_by_role("button", name="Theme: dark").click()


def test_everything_can_be_reached_by_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert {"find", "show", "venue", "strategy", "Bot"} <= reached


def test_a_phone_shows_cards_and_nothing_sticks_out(site: Monitored) -> None:
    page = site.new_page(storage_state=site.page.context.storage_state())
    page.set_viewport_size({"width": 390, "height": 844})
    site.open("", page)
    wait_for_state(page, "mm-00", "QUOTING")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert row_of(page, "mm-00").evaluate("node => getComputedStyle(node).display") == "grid"
    page.context.close()


def test_a_busy_page_changes_only_what_changed(page: Page) -> None:
    wait_for_state(page, "mm-00", "QUOTING")
    page.evaluate(
        """() => {
            window.seen = { cells: 0, rows: 0 };
            new MutationObserver((changes) => {
                for (const { target, addedNodes } of changes) {
                    if (target.id === "fleet-body") window.seen.rows += addedNodes.length;
                    else window.seen.cells += 1;
                }
            }).observe(document.querySelector("#fleet-body"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.wait_for_function("() => window.seen.cells > 20")
    seen = page.evaluate("window.seen")
    assert seen["rows"] == 0


def test_behind_a_proxy_with_tls_and_a_path_of_its_own_nothing_is_lost(site: Monitored, tmp_path: Path) -> None:
    site.complaints.clear()
    with tls_proxy(urlsplit(site.url).port or 0, tmp_path) as url:
        page = site.log_in(site.new_page(ignore_https_errors=True), url=url)
        for path in ("bots/mm-00", "registry/mm-00", "logs", ""):
            page.goto(url + path)
            expect(page.locator("#link-text")).to_have_text("live")
        wait_for_state(page, "mm-00", "QUOTING")
        row_of(page, "mm-00").get_by_role("button", name="pause mm-00").click()
        wait_for_state(page, "mm-00", "PAUSED")
        row_of(page, "mm-00").get_by_role("button", name="resume mm-00").click()
        wait_for_state(page, "mm-00", "QUOTING")
        [cookie] = page.context.cookies()
        assert (cookie["path"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
            "/desk/",
            True,
            True,
            "Strict",
        )
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(url + "login")
        page.context.close()
    assert site.complaints == []
    audit = [json.loads(line) for line in (site.fleet.home.log / "audit.jsonl").read_text().splitlines()]
    assert [(row["what"], row["address"]) for row in audit][-3:] == [
        (what, "203.0.113.9") for what in ("pause mm-00", "resume mm-00", "logout")
    ]


def test_the_kill_switch_stops_every_bot_once_the_word_is_typed(site: Monitored, page: Page) -> None:
    page.get_by_role("button", name="Kill switch").click()
    dialog = page.get_by_role("dialog", name="Kill switch")
    expect(dialog).to_contain_text("all 20 bots")
    go = dialog.get_by_role("button", name="Flatten all 20 bots")
    expect(go).to_be_disabled()
    dialog.get_by_label("Type FLATTEN").fill("flatten")
    expect(go).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Kill switch").press("Enter")
    page.keyboard.type("FLATTEN")
    page.keyboard.press("Enter")
    for name in NAMES:
        wait_for_state(page, name, "STOPPED")
    expect(dialog).to_be_hidden()
    site.fleet.until(lambda: not site.fleet.open_paper_orders())
    assert all(row["state"] == "STOPPED" for row in site.fleet.status()["bots"])


def test_a_monitor_of_its_own_says_loudly_that_the_daemon_is_gone(site: Monitored) -> None:
    with foreground_monitor(site.fleet) as url:
        page = site.log_in(site.new_page(), url=url)
        expect(page.locator("#fleet-body tr")).to_have_count(len(NAMES))
        expect(page.locator("#alarm")).to_be_hidden()
        site.fleet.run("stop")
        expect(page.get_by_role("alert").filter(has_text="The daemon is not running")).to_be_visible()
        assert is_grey(page)
        page.context.close()
