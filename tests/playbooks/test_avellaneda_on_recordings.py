"""The Avellaneda-Stoikov templates on every recording and bar file: inventory matters, clamps hardly do.

Two bots look at each market. One holds all it may in every cycle: its quotes must move by 0.25 to 2 half-spreads, and
the bounds of the spread must not be what it quotes. The other holds what its quotes were filled with: in its cycles
neither the bounds nor the touch hold a quote. At a full inventory the touch may: where a spread is one tick wide,
leaning by a half-spread means to sell at the touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from api.market_facts import Market, load_market
from tests import long_data
from tests.golden_parts import golden_bars
from tests.playbooks.quoting_parts import Quoter, Seen, minute_of, recorded

ROOT = long_data.ROOT
TEMPLATES = sorted((ROOT / "config" / "templates").glob("*avellaneda_stoikov*.json"))
SHIPPED = sorted((ROOT / "data" / "recordings").glob("*.csv.gz"))
MADE_BARS = "made"
LONG = pytest.mark.long_data
SLICES = [path.name.partition(".")[0] for path in SHIPPED]
RECORDINGS = [*SLICES, *(pytest.param(name, marks=LONG) for name in long_data.FACTS)]
BARS = [MADE_BARS, *(pytest.param(name, marks=LONG) for name in long_data.BARS)]

on_each_bar_file = pytest.mark.parametrize("bars", BARS)
with_each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)


class Recorded(NamedTuple):
    """A recording with its increments."""

    facts: Market
    seen: list[Seen]

    def quoter(self, template: Path, is_full: bool) -> Quoter:
        """Return a bot that has seen all of it."""
        return Quoter(template, self.facts.tick_size, self.facts.lot_size, is_full).play(self.seen)


@pytest.fixture(scope="module", params=RECORDINGS)
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return each recording, read once for all that look at it."""
    name = request.param
    shipped = ROOT / "data" / "recordings" / f"{name}.csv.gz"
    path = shipped if shipped.exists() else long_data.with_sidecar(name, tmp_path_factory.mktemp("long"))
    facts = load_market(path.with_name(f"{name}.json"))
    return Recorded(facts, recorded(path, facts.tick_size, facts.lot_size))


def on_bars(name: str, template: Path, is_full: bool) -> Quoter:
    """Return a bot with a slower look at the mid: minutes in place of seconds."""
    tick_size = Decimal("0.0001") if name == MADE_BARS else Decimal(long_data.BARS[name])
    market = made_bars() if name == MADE_BARS else bars_of(name, float(tick_size))
    return Quoter(template, tick_size, Decimal("0.001"), is_full, sigma_step_s=60).play(market)


def made_bars() -> Iterator[Seen]:
    for number, bar in enumerate(golden_bars()):
        middle = round(bar.close * 10_000)
        yield from minute_of(number, middle - 1, middle + 1, round(bar.low * 10_000), round(bar.high * 10_000))


def bars_of(name: str, tick: float) -> Iterator[Seen]:
    first_ms = None
    for bar in long_data.minutes(name):
        first_ms = bar.open_ms if first_ms is None else first_ms
        prices: list[Any] = [None if price is None else round(price / tick) for price in bar[1:]]
        yield from minute_of((bar.open_ms - first_ms) // 60_000, *prices)


def check_full(quoter: Quoter) -> None:
    """Hold a bot with a full inventory against what is promised of a shipped template."""
    assert len(quoter.shifts) >= 8
    assert min(quoter.shifts) >= 0.25
    assert max(quoter.shifts) <= 2
    for leg in quoter.legs():
        assert leg["clamped"] < 0.1 * leg["decisions"]


def check_ordinary(quoter: Quoter) -> None:
    """Hold a bot that lives from its fills against the same promise: nothing but the model says where it quotes."""
    assert quoter.fills
    for leg in quoter.legs():
        assert leg["decisions"] >= 8
        assert leg["clamped"] + leg["held_at_touch"] < 0.1 * leg["decisions"]


@with_each_template
def test_a_full_inventory_moves_the_quotes_and_no_bound_holds_them(recording: Recorded, template: Path) -> None:
    check_full(recording.quoter(template, is_full=True))


@with_each_template
def test_with_what_it_is_filled_with_hardly_a_cycle_touches_a_clamp(recording: Recorded, template: Path) -> None:
    check_ordinary(recording.quoter(template, is_full=False))


@on_each_bar_file
@with_each_template
def test_a_full_inventory_moves_the_quotes_on_bars_too(bars: str, template: Path) -> None:
    check_full(on_bars(bars, template, is_full=True))


@on_each_bar_file
@with_each_template
def test_hardly_a_cycle_touches_a_clamp_on_bars_either(bars: str, template: Path) -> None:
    check_ordinary(on_bars(bars, template, is_full=False))


def test_there_are_templates_and_recordings_to_look_at() -> None:
    assert {path.stem for path in TEMPLATES} >= {"paper_avellaneda_stoikov", "paper_avellaneda_stoikov_group"}
    assert len(SHIPPED) == 2
