"""The page of acceptance scenarios names tests that exist, and has one for every scenario."""

from __future__ import annotations

import re

from tests.named_tests import NAMED, ROOT, missing_in

PAGE = ROOT / "docs" / "strategies" / "acceptance.md"
SCENARIOS = 25


def scenarios() -> dict[int, str]:
    """Return the rows of the page by their number."""
    return {int(number): row for number, row in re.findall(r"^\| (\d+) \| (.+)$", PAGE.read_text(), re.MULTILINE)}


def test_every_test_that_a_scenario_names_exists() -> None:
    assert missing_in(PAGE.read_text()) == []


def test_every_scenario_is_there_and_has_a_test() -> None:
    assert list(scenarios()) == list(range(1, SCENARIOS + 1))
    assert [number for number, row in scenarios().items() if not NAMED.search(row)] == []


def test_whatever_looks_like_a_test_on_the_page_is_read_as_one() -> None:
    text = PAGE.read_text()
    assert len(NAMED.findall(text)) == len(re.findall(r"::test_", text))
