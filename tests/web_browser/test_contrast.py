"""Every pair of colours that meets on a page can be read: WCAG 2.2, AA."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "web" / "static" / "css" / "tokens.css"
TOKEN = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
TEXT, PARTS = 4.5, 3.0  # least contrast of text, and of what is not text but tells something

GROUNDS = ("page", "panel", "raised")
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "dim", "link", "good", "warn", "bad") for ground in GROUNDS),
    *((ink, f"{tone}-back", TEXT) for tone in ("good", "warn", "bad") for ink in ("ink", "dim", "link", tone)),
    *((ink, f"{tone}-back", TEXT) for tone in ("warn", "bad") for ink in ("good", "warn", "bad")),
    ("alarm-ink", "alarm", TEXT),
    ("panel", "ink", TEXT),  # the button that matters most
    *((ink, "panel", TEXT) for ink in ("buy", "sell")),
    *((line, "panel", PARTS) for line in ("mid", "buy", "sell", "edge")),
    *((line, ground, PARTS) for line in ("edge", "focus") for ground in GROUNDS),
]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _tokens(theme: int) -> dict[str, str]:
    return {found[0]: found[1 + theme] for found in TOKEN.findall(CSS.read_text())}


def test_black_on_white_has_the_contrast_that_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_pair_of_colours_can_be_read(theme: int) -> None:
    colours = _tokens(theme)
    weak = {
        f"{ink} on {ground}": round(found, 2)
        for ink, ground, least in PAIRS
        if (found := contrast(colours[ink], colours[ground])) < least
    }
    assert weak == {}


def test_colours_are_named_in_one_file_only() -> None:
    others = [path for path in CSS.parent.glob("*.css") if path != CSS]
    found = {path.name: re.findall(r"#[0-9a-f]{3,8}\b", path.read_text()) for path in others}
    assert {name: colours for name, colours in found.items() if colours} == {}
