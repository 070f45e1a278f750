"""The one fleet of the browser tests. They are left out where there is no browser, and that is said; where a change is
judged (CI) there is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.process.fleet_parts import Fleet
from tests.web_browser.browser_parts import Monitored, monitored
from tests.web_browser.chromium import LEFT_OUT, find_chromium


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a browser when there is none."""
    if find_chromium() or os.environ.get("CI"):
        return
    driven = [item for item in items if item.get_closest_marker("browser")]
    if driven:
        items[:] = [item for item in items if item not in driven]
        config.hook.pytest_deselected(items=driven)
        print(f"\n{LEFT_OUT}")


def add_bots(fleet: Fleet) -> tuple[str, ...]:
    """Write the configs that it begins with; return their names."""
    fleet.add("steady")
    fleet.add("limited", risk_config={"max_loss": 0.000001})
    return "steady", "limited"


@pytest.fixture(scope="package")
def one_site() -> Iterator[Monitored]:
    """A daemon with two bots, its monitor and a browser before it: slow to start, so there is one for all files.

    It ends with them: the browser's driver has an event loop in this thread, beside which no test could begin another.
    """
    with monitored(add_bots) as site:
        yield site
