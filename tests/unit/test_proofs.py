"""The page of proofs names tests that exist, and has one for every row."""

from __future__ import annotations

import re

from tests.named_tests import NAMED, ROOT, missing_in

PAGE = ROOT / "docs" / "system" / "proofs.md"
ROWS = {"What bit others": 20, "What a fork copies": 26, "What a manager of bots needs": 14}


def tables(text: str) -> dict[str, list[str]]:
    """Return the rows of the table below each heading."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    found = {}
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        found[title] = [line for line in body.splitlines() if line.startswith("| ")][2:]
    return found


def test_every_test_that_the_proofs_name_exists() -> None:
    assert missing_in(PAGE.read_text()) == []


def test_every_row_of_the_proofs_has_a_test_and_no_row_is_lost() -> None:
    found = tables(PAGE.read_text())
    assert {title: len(rows) for title, rows in found.items()} == ROWS
    assert [row for rows in found.values() for row in rows if not NAMED.search(row.rpartition(" | ")[2])] == []


def test_whatever_stands_in_backticks_below_tests_is_read_as_a_test() -> None:
    text = PAGE.read_text()
    assert len(NAMED.findall(text)) == len(re.findall(r"::test_", text))


def test_a_test_that_does_not_exist_is_noticed() -> None:
    here = "tests/unit/test_proofs.py"
    text = f"`{here}::test_a_test_that_does_not_exist_is_noticed` `{here}::test_gone` `tests/unit/test_gone.py::test_a`"
    assert missing_in(text) == ["tests/unit/test_gone.py::test_a", f"{here}::test_gone"]
