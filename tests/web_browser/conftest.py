"""Leaves the browser tests out where there is no browser, and says so."""

from __future__ import annotations

import pytest

from tests.web_browser.chromium import LEFT_OUT, find_chromium


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a browser when there is none."""
    if find_chromium():
        return
    driven = [item for item in items if item.get_closest_marker("browser")]
    if driven:
        items[:] = [item for item in items if item not in driven]
        config.hook.pytest_deselected(items=driven)
        print(f"\n{LEFT_OUT}")
