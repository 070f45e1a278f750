"""Take the pictures of docs/img/monitor-*.png from a real fleet: `python -m tests.web_browser.make_pictures [FOLDER]`.

Some minutes of a fleet of paper bots in which something has gone wrong; both themes, and the fleet page on a phone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.process.fleet_parts import Fleet
from tests.web_browser.browser_parts import Monitored, monitored, wait_for_state
from utils.home import CHECKOUT

TARGET = CHECKOUT / "docs" / "img"
TRADED_S = float(os.environ.get("MAKERD_PICTURE_S", "100"))
SHOWN = "btc-tight-1"
BOTS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "btc-tight-1": ("paper_market_maker", {}),
    "btc-tight-2": ("paper_market_maker", {"exchange_config": {"account": "desk-a", "seed": 2}}),
    "btc-wide-1": ("paper_market_maker", {"strategy_config": {"spread_pct": 0.03}}),
    "btc-wide-2": ("paper_market_maker", {"strategy_config": {"spread_pct": 0.04}, "exchange_config": {"seed": 3}}),
    "btc-grid": ("paper_grid_strategy", {}),
    "perp-as-1": ("paper_avellaneda_stoikov", {}),
    "perp-as-2": ("paper_avellaneda_stoikov", {"exchange_config": {"seed": 5}}),
    "perp-grid": ("paper_perp_grid_strategy", {}),
    "perp-mm-1": ("paper_perp_market_maker", {}),
    "perp-mm-2": ("paper_perp_market_maker", {"exchange_config": {"seed": 7}}),
    "sol-mm-1": ("paper_market_maker_synthetic", {}),
    "sol-mm-2": ("paper_market_maker_synthetic", {"exchange_config": {"seed": 11}}),
    "sol-mm-3": ("paper_market_maker_synthetic", {"exchange_config": {"seed": 12}}),
    "sol-limit": ("paper_market_maker_synthetic", {"risk_config": {"max_loss": 0.05}, "exchange_config": {"seed": 13}}),
    "sol-mm-4": ("paper_market_maker_synthetic", {"exchange_config": {"seed": 14}}),
    "btc-crash": ("paper_market_maker", {"daemon_config": {"backoff_initial_s": 60}}),
    "btc-off": ("paper_market_maker", {"daemon_config": {"autostart": False}}),
}
HIDE_HOME = """() => {
    const foot = document.querySelector("#foot-daemon");
    foot.textContent = foot.textContent.replace(/home .*/, "home demo");
}"""
PAGES = {
    "fleet": "",
    "bot": f"bots/{SHOWN}",
    "registry": "registry",
    "edit": f"registry/{SHOWN}",
    "events": "events",
    "logs": f"logs?of={SHOWN}",
    "venues": "venues",
}


def add_bots(fleet: Fleet) -> None:
    """Write the configs of the fleet that is shown."""
    for name, (template, changes) in BOTS.items():
        config = json.loads((CHECKOUT / "config" / "templates" / f"{template}.json").read_text())
        config["metadata"]["name"] = name
        for section, values in changes.items():
            config.setdefault(section, {}).update(values)
        (fleet.home.active / f"{name}.json").write_text(json.dumps(config, indent=2))


def make_trouble(site: Monitored) -> None:
    """Let things go wrong: a killed worker, a pause."""
    pid = site.fleet.until(
        lambda: site.fleet.bot("btc-crash")["phase"] == "QUOTING" and site.fleet.bot("btc-crash")["pid"]
    )
    site.fleet.run("bot", "pause", "btc-wide-2")
    os.kill(pid, signal.SIGKILL)
    wait_for_state(site.open(), "btc-crash", "BACKOFF")


def take(site: Monitored, page: Page, name: str, folder: Path) -> None:
    """Save one page; of the home only a name is shown."""
    site.open(PAGES[name], page)
    page.wait_for_timeout(9_000 if name == "bot" else 2_500)
    page.evaluate(HIDE_HOME)
    theme = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    size = page.viewport_size or {}
    suffix = "-phone" if size.get("width", 0) < 500 else ""
    page.screenshot(path=folder / f"monitor-{name}{suffix}-{theme}.png")


def main(folder: Path) -> None:
    """Run the fleet and take every picture."""
    with monitored(add_bots) as site:
        time.sleep(TRADED_S)
        make_trouble(site)
        known = site.page.context.storage_state()
        for theme in ("light", "dark"):
            page = site.new_page(color_scheme=theme, storage_state=known)
            for name in PAGES:
                take(site, page, name, folder)
            page.set_viewport_size({"width": 390, "height": 844})
            for name in ("fleet", "bot"):
                take(site, page, name, folder)
            stranger = site.new_page(color_scheme=theme)
            site.open("login", stranger)
            stranger.screenshot(path=folder / f"monitor-login-{theme}.png")
        print("\n".join(site.complaints) or "no complaints of the console")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
