"""Candles of before a life: asked of the venue once, at the start; without them a strategy begins with none."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from api.base_client import Candle
from core.market.bars import Bar
from core.trading.clock import SimulatedClock
from tests.trading.scripted_venue import ScriptedVenue
from tests.trading.workbench import Bench, Wisher
from utils.errors import VenueAuthError, VenueError, VenueUnreachable

MINUTE_NS = 60 * 10**9


class Historian(ScriptedVenue):
    """A venue that has candles of a minute, the newest of them not finished."""

    trouble: VenueError | None = None
    asked: tuple[int, int] | None = None
    spoiled = False

    def candles(self, interval_s: int, limit: int) -> list[Candle]:
        self.asked = (interval_s, limit)
        if self.trouble is not None:
            raise self.trouble
        now_ns = SimulatedClock().utc_ns()
        newest_ns = now_ns - now_ns % MINUTE_NS
        found = [_candle(newest_ns - age * MINUTE_NS, 100 + age) for age in reversed(range(limit))]
        return [*found[:-2], _candle(found[-2].start_ns, 0), found[-1]] if self.spoiled else found


class Listener(Wisher):
    """Wants the last five candles of a length."""

    length_s = 60.0

    def __init__(self) -> None:
        super().__init__()
        self.bars: list[Bar] = []

    def history_wanted(self) -> tuple[float, int]:
        return self.length_s, 5

    def take_history(self, bars: Sequence[Bar]) -> None:
        assert not self.heard
        self.bars += bars


def _candle(start_ns: int, price: int) -> Candle:
    low, close = Decimal(price), Decimal(price) + Decimal("0.5")
    return Candle(start_ns, low, close, low, close, Decimal(1))


class Started(Bench):
    """A bench whose strategy listens to candles from its first life on."""

    def begin(self, *arguments: bool, **more: bool) -> None:
        self.strategy = self.listener = Listener()
        super().begin(*arguments, **more)


def test_the_finished_candles_are_taken_up_in_ticks_oldest_first(tmp_path: Path) -> None:
    venue = Historian()
    bars = Started(tmp_path, venue).listener.bars
    assert venue.asked == (60, 6)
    assert [(bar.open, bar.close) for bar in bars] == [(100 * p, 100 * p + 50) for p in (105, 104, 103, 102, 101)]
    assert [later.start_ns - one.start_ns for one, later in pairwise(bars)] == [MINUTE_NS] * 4


def test_a_candle_that_makes_no_sense_is_left_out(tmp_path: Path) -> None:
    venue = Historian()
    venue.spoiled = True
    assert len(Started(tmp_path, venue).listener.bars) == 4


@pytest.mark.parametrize("trouble", [VenueError("no such interval"), VenueUnreachable("no answer in time")])
def test_a_venue_that_gives_none_keeps_nobody_from_starting(tmp_path: Path, trouble: VenueError) -> None:
    venue = Historian()
    venue.trouble = trouble
    bench = Started(tmp_path, venue)
    bench.run(2)
    assert bench.listener.bars == [] and len(bench.resting) == 2


def test_a_key_that_is_not_accepted_is_told_as_ever(tmp_path: Path) -> None:
    venue = Historian()
    venue.trouble = VenueAuthError("bad key")
    with pytest.raises(VenueAuthError):
        Started(tmp_path, venue)


def test_a_venue_without_candles_and_a_length_that_none_has_are_no_trouble(tmp_path: Path) -> None:
    assert Started(tmp_path / "none").listener.bars == []
    venue = Historian()
    monkey = pytest.MonkeyPatch()
    monkey.setattr(Listener, "length_s", 0.5)
    try:
        assert Started(tmp_path / "half", venue).listener.bars == []
    finally:
        monkey.undo()
    assert venue.asked is None


def test_who_wants_no_candles_asks_for_none(tmp_path: Path) -> None:
    venue = Historian()
    Bench(tmp_path, venue)
    assert venue.asked is None
