"""Configs in a browser: made by the form with a wrong and a right value, changed, rolled back; a bot's page."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.web_browser.browser_parts import PATIENCE_MS, VIEWERS_WORD, Monitored, faults, wait_for_state
from tests.web_browser.conftest import add_bots
from utils.home import CHECKOUT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
expect.set_options(timeout=PATIENCE_MS)
ALL_PAGES = ("", "bots/steady", "registry", "registry/new", "registry/steady", "events", "logs", "venues")


@pytest.fixture(scope="module")
def site(one_site: Monitored) -> Monitored:
    """The fleet as it begins; a file that has run before may have left others."""
    return one_site.with_bots(add_bots)


@pytest.fixture
def page(site: Monitored) -> Iterator[Page]:
    """A page that is logged in; what it complained about in the end fails the test."""
    site.complaints.clear()
    yield site.page
    assert site.complaints == []


def review_and(page: Page, button: str) -> None:
    """Look at the difference, then agree."""
    page.get_by_role("button", name="Review").click()
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


def told(site: Monitored, name: str) -> dict[str, dict[str, object]]:
    """Return what a bot's file says."""
    plain: dict[str, dict[str, object]] = json.loads((site.fleet.home.active / f"{name}.json").read_text())
    return plain


def test_a_bot_is_made_by_the_form_after_a_wrong_value_was_corrected(site: Monitored, page: Page) -> None:
    site.open("registry")
    page.get_by_role("link", name="New bot").click()
    page.get_by_label("Template").select_option("paper_market_maker")
    page.get_by_label("Name of the bot").fill("made-here")
    spread = page.get_by_label("spread_pct", exact=True)
    spread.fill("-1")
    complaint = page.locator("#key-strategy_config-spread_pct-complaint")
    expect(complaint).to_be_visible()
    expect(spread).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name="Review and create")).to_be_disabled()
    spread.fill("0.02")
    expect(complaint).to_be_hidden()
    expect(page.locator("#valid")).to_have_text("Valid")
    review_and(page, "Create")
    page.wait_for_url("**/registry/made-here")
    assert told(site, "made-here")["strategy_config"]["spread_pct"] == 0.02
    site.fleet.quoting("made-here", seconds=30)
    wait_for_state(site.open(), "made-here", "QUOTING")


def test_a_change_shows_its_difference_and_is_rolled_back(site: Monitored, page: Page) -> None:
    site.fleet.quoting("steady")
    before = told(site, "steady")["strategy_config"]["spread_pct"]
    site.open("registry/steady")
    page.get_by_label("spread_pct", exact=True).fill("0.03")
    page.get_by_role("button", name="Review and save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".diff .add")).to_contain_text('"spread_pct": 0.03')
    expect(dialog).to_contain_text("taken over live")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("steady was saved")).to_be_visible()
    assert told(site, "steady")["strategy_config"]["spread_pct"] == 0.03
    page.get_by_role("button", name="Roll back to version 1", exact=True).click()
    expect(dialog.locator(".diff .cut")).to_contain_text('"spread_pct": 0.03')
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.get_by_text("steady is back at version 1")).to_be_visible()
    assert told(site, "steady")["strategy_config"]["spread_pct"] == before
    expect(page.get_by_label("spread_pct", exact=True)).to_have_value(str(before))


def test_a_wider_limit_is_written_only_when_somebody_wants_it(site: Monitored, page: Page) -> None:
    site.open("registry/steady")
    page.get_by_label("max_position", exact=True).fill("1")
    page.get_by_role("button", name="Review and save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("more risk")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("a risk limit becomes wider")).to_be_visible()
    assert told(site, "steady")["risk_config"]["max_position"] != 1
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("dialog").get_by_label("I want these wider limits").check()
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("steady was saved")).to_be_visible()
    assert told(site, "steady")["risk_config"]["max_position"] == 1
    site.complaints.clear()  # the browser names the refusal


def test_text_is_validated_with_line_and_column(site: Monitored, page: Page) -> None:
    site.open("registry/steady")
    page.get_by_role("button", name="Text", exact=True).click()
    text = page.get_by_label("Config as JSON")
    expect(text).to_be_visible()
    text.fill(text.input_value().replace('"layers": 3', '"layers": "three"'))
    expect(page.get_by_role("button", name="strategy_config.layers")).to_be_visible()
    expect(page.get_by_role("button", name="Review and save")).to_be_disabled()


def test_a_bot_is_archived_and_restored(site: Monitored, page: Page) -> None:
    site.open("registry")
    row = page.locator("#active tr").filter(has_text="made-here")
    row.get_by_role("button", name="Archive").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive", exact=True).click()
    archived = page.locator("#archived tr").filter(has_text="made-here")
    expect(archived).to_be_visible()
    archived.get_by_role("button", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#active tr").filter(has_text="made-here")).to_be_visible()


def test_the_page_of_a_bot_draws_and_tells(site: Monitored, page: Page) -> None:
    site.fleet.until(lambda: site.fleet.bot("steady")["fills"] > 3)
    site.open("bots/steady")
    expect(page.locator("#state")).to_contain_text("QUOTING")
    expect(page.locator("#orders tbody tr").first).to_be_visible()
    expect(page.locator("#pane-fills tbody tr").first).to_be_visible()
    for chart in ("price", "inventory", "equity", "drawdown"):
        expect(page.locator(f"#{chart} canvas")).to_be_visible()
    expect(page.locator("#quality")).to_contain_text("Spread captured")
    expect(page.locator("#price-readout")).to_contain_text("mid")
    page.get_by_role("tab", name="Log").click()
    expect(page.locator(".log-line").first).to_be_visible()
    page.get_by_role("tab", name="Log").press("ArrowRight")
    expect(page.get_by_role("cell", name="strategy_config.spread_pct")).to_be_visible()


def test_a_killed_worker_s_last_exit_is_told_on_its_page(site: Monitored, page: Page) -> None:
    site.open("bots/steady")
    expect(page.locator("#state")).to_contain_text("QUOTING")
    os.kill(site.fleet.bot("steady")["pid"], signal.SIGKILL)
    exit_told = page.locator("#exits summary")
    expect(exit_told.first).to_contain_text("SIGKILL")
    exit_told.first.click()
    expect(page.locator("#exits pre").first).to_contain_text("INFO")
    expect(page.locator("#state")).to_contain_text("QUOTING")


def test_commands_that_cost_something_are_asked_for_once_more(site: Monitored, page: Page) -> None:
    site.open("bots/steady")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#state")).to_contain_text("STOPPED")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#state")).to_contain_text("QUOTING")


def test_a_tripped_limit_is_red_and_said_in_words(site: Monitored, page: Page) -> None:
    site.fleet.until(lambda: site.fleet.bot("limited")["state"] == "HALTED", seconds=60)
    wait_for_state(site.open(), "limited", "HALTED")
    first = page.locator("#fleet-body tr").first
    expect(first).to_have_attribute("data-attention", "bad")
    expect(first.locator(".why")).to_contain_text("max_loss")
    expect(page.locator("#verdict")).to_contain_text("needs you")


def test_a_config_that_is_not_valid_is_in_the_headline(site: Monitored, page: Page) -> None:
    broken = site.fleet.home.active / "broken.json"
    broken.write_text("{")
    site.fleet.run("reload")
    site.open()
    expect(page.locator("#verdict")).to_contain_text("1 config not valid")
    page.get_by_text("1 config is not valid and does not run").click()
    expect(page.locator("#invalid li")).to_contain_text("broken.json")
    broken.unlink()
    site.fleet.run("reload")
    expect(page.locator("#invalid li")).to_have_count(0)


def test_the_page_of_a_job_shows_what_a_job_has(site: Monitored, page: Page) -> None:
    job = site.fleet.home.active / "heartbeat.json"
    job.write_text((CHECKOUT / "config" / "templates" / "job_heartbeat.json").read_text())
    site.fleet.run("reload")
    site.open("bots/heartbeat")
    expect(page.locator("#state")).to_contain_text("BEATING")
    expect(page.locator(".log-line").first).to_be_visible()
    for trading in ("#price", "#orders", "#tab-fills", ".trading >> nth=0"):
        expect(page.locator(trading)).to_be_hidden()
    job.unlink()
    site.fleet.run("reload")
    expect(page.locator("#why")).to_contain_text("has no bot named heartbeat")
    assert all("404" in complaint for complaint in site.complaints)  # the browser notes what was asked for in vain
    site.complaints.clear()


def test_events_and_logs_are_told(site: Monitored, page: Page) -> None:
    site.open("events")
    expect(page.locator("#events tr").first).to_be_visible()
    page.get_by_label("Show").select_option("alert")
    expect(page.locator("#events tr").first.locator(".tag")).to_be_visible()
    site.open("logs?of=steady")
    expect(page.locator(".log-line").first).to_be_visible()


def test_markup_in_a_log_line_is_shown_as_text(site: Monitored, page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    line = {"ts": "2026-01-31T08:00:00Z", "level": "ERROR", "bot": "steady", "component": "orders", "event": evil}
    with (site.fleet.home.log / "steady.log").open("a") as log:
        log.write(json.dumps(line) + "\n")
    site.open("logs?of=steady")
    page.get_by_label("Level").select_option("ERROR")
    expect(page.locator(".log-line").filter(has_text=evil)).to_be_visible()
    assert page.locator(".log img").count() == 0
    assert "owned" not in page.title()


def test_a_viewer_sees_everything_and_can_change_nothing(site: Monitored) -> None:
    page = site.log_in(site.new_page(), VIEWERS_WORD)
    wait_for_state(page, "steady", "QUOTING")
    expect(page.get_by_text("read only")).to_be_visible()
    offers = ("Kill switch", "Pause", "Stop", "Close", "Reload changed files", "Edit", "Archive", "Review and save")
    for path in ("", "bots/steady", "registry", "registry/steady"):
        site.open(path, page)
        expect(page.locator("#link-text")).to_have_text("live")
        for name in offers:
            assert page.get_by_role("button", name=name).count() == 0
    page.context.close()
    assert site.complaints == []


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called like that has the focus."""
    called = "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(called) == name:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"{name} is not reached")


def test_a_bot_is_steered_by_the_keyboard_alone(site: Monitored, page: Page) -> None:
    wait_for_state(site.open(), "steady", "QUOTING")
    tab_to(page, "pause steady")
    page.keyboard.press("Enter")
    wait_for_state(page, "steady", "PAUSED")
    expect(page.get_by_role("button", name="resume steady")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/bots/steady")
    tab_to(page, "Resume")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("QUOTING")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_focused()
    tab_to(page, "Stop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Leave it").last).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_focused()
    tab_to(page, "Fills")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Log")).to_be_focused()
    expect(page.locator(".log-line").first).to_be_visible()


def test_a_bot_that_the_daemon_does_not_know_is_said_so_and_nothing_is_called_lost(site: Monitored, page: Page) -> None:
    site.open("bots/nobody")
    expect(page.locator("#why")).to_contain_text("has no bot named nobody")
    expect(page.locator("#link-text")).to_have_text("live")
    expect(page.locator("#alarm")).to_be_hidden()
    expect(page.locator(".toast")).to_have_count(0)
    assert all("404" in complaint for complaint in site.complaints)
    site.complaints.clear()


@pytest.mark.parametrize("path", ALL_PAGES)
def test_a_page_keeps_to_the_standard_of_accessibility_and_fits_a_phone(site: Monitored, page: Page, path: str) -> None:
    site.open(path)
    expect(page.locator("#link-text")).to_have_text("live")
    expect(page.locator("main :is(tbody tr, .log-line, .keyrow, canvas)").first).to_be_visible()
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})
    doubled = page.evaluate(
        """() => { const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
            return ids.filter((id, place) => ids.indexOf(id) !== place); }"""
    )
    assert doubled == []
    assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_what_opens_on_a_page_keeps_to_it_as_well(site: Monitored, page: Page) -> None:
    site.open("registry/steady")
    page.get_by_label("spread_pct", exact=True).fill("-1")
    expect(page.locator("#key-strategy_config-spread_pct-complaint")).to_be_visible()
    assert faults(page) == []
    page.get_by_label("spread_pct", exact=True).fill("0.05")
    page.get_by_role("button", name="Review and save").click()
    expect(page.get_by_role("dialog").locator(".diff")).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    site.fleet.until(lambda: site.fleet.bot("limited")["state"] == "HALTED", seconds=60)
    site.open("bots/limited")
    expect(page.locator("#gates")).to_contain_text("latched")
    page.locator("#exits summary").first.click()
    page.get_by_role("tab", name="Config").click()
    expect(page.get_by_role("cell", name="strategy_config.spread_pct")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Kill switch").click()
    assert faults(page) == []
    page.keyboard.press("Escape")


def test_the_login_keeps_to_the_standard_of_accessibility(site: Monitored) -> None:
    for theme in ("light", "dark"):
        page = site.open("login?wrong=1", site.new_page(color_scheme=theme))
        assert faults(page) == []
        page.context.close()
