"""The pictures of the strategies' pages are what the code draws today, byte for byte."""

from __future__ import annotations

import pytest

from tests.unit.test_docs import ROOT, load

pictures = load("make_quotes_picture")
PAGES = sorted(page.stem for page in (ROOT / "docs" / "strategies").glob("*.md") if page.stem != "acceptance")


@pytest.mark.parametrize("name", sorted(pictures.PICTURES))
def test_a_picture_is_what_its_template_and_the_code_draw(name: str) -> None:
    kept = (ROOT / "docs" / "img" / f"{name}.svg").read_text()
    # As a bool: pytest would take longer to explain the difference than there was to draw.
    assert bool(pictures.of_page(name) == kept), "run: python docs/make_quotes_picture.py, and look at what changed"


@pytest.mark.parametrize("page", PAGES)
def test_every_strategys_page_shows_its_picture(page: str) -> None:
    assert f"](../img/{page}.svg)" in (ROOT / "docs" / "strategies" / f"{page}.md").read_text()


def test_there_is_a_picture_for_every_page_and_no_other() -> None:
    assert sorted(pictures.PICTURES) == PAGES
