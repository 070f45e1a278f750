"""The trial strategy as a script."""

from __future__ import annotations

from decimal import Decimal

from core.market.commands import Quotes
from core.market.events import Timer
from core.market.order import Side
from strategies.base import View
from strategies.smoke import Smoke, SmokeParams, smallest_lots
from tests.market_parts import NOW, book, instrument

CENT = instrument(tick_size=Decimal("0.01"))


def wanted(strategy: Smoke, view: View, reason: str = "interval") -> list[tuple[Side, int]] | None:
    said = strategy.on_event(Timer(NOW, reason), view)
    if not said:
        return None
    (command,) = said
    assert isinstance(command, Quotes)
    return [(quote.side, quote.price_ticks) for quote in command.quotes]


def test_quotes_stand_far_from_the_mid_and_move_each_round() -> None:
    view = View(NOW, {"main": CENT}, {"main": book(9999, 10001)})
    strategy = Smoke(SmokeParams(5.0))
    assert wanted(strategy, view) == [(Side.BUY, 9500), (Side.SELL, 10500)]
    assert wanted(strategy, view) == [(Side.BUY, 9450), (Side.SELL, 10550)]
    assert wanted(strategy, view) == [(Side.BUY, 9500), (Side.SELL, 10500)]


def test_between_the_rounds_nothing_is_said() -> None:
    view = View(NOW, {"main": CENT}, {"main": book(9999, 10001)})
    strategy = Smoke(SmokeParams())
    assert wanted(strategy, view, "own")  # the first one is not waited for
    assert wanted(strategy, view, "own") is None


def test_without_a_book_nothing_is_wanted() -> None:
    assert wanted(Smoke(SmokeParams()), View(NOW, {"main": CENT})) == []


def test_the_size_is_the_smallest_that_the_venue_takes() -> None:
    plain = instrument(tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_notional=Decimal(5), min_lots=2)
    lots = smallest_lots(plain, 10_000)  # 100.00: 0.05 is worth 5
    assert lots == 50
    assert plain.unplaceable_reason(10_000, lots) is None
    assert plain.unplaceable_reason(10_000, lots - 1) is not None
    assert smallest_lots(plain, 10_000_000) == 2
