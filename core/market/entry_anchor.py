"""No quote that would turn a position into a loss, none that adds to it near its entry. Pure; prices in ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.market.commands import Quote
from core.market.instrument import Instrument
from core.market.ladder import keep_outside
from core.market.order import Side


@dataclass(frozen=True, slots=True)
class AnchorRules:
    """How far from the average entry, as shares of it; `max_age_ns`: after that the looser tolerance counts."""

    tolerance: float = 0.0
    signal_tolerance: float = 0.005
    distance: float = 0.0005  # of what adds
    max_age_ns: int | None = None

    def tolerance_at(self, has_signal: bool, age_ns: int) -> float:
        """Return how far on the wrong side of its entry a position may be closed."""
        is_old = self.max_age_ns is not None and age_ns > self.max_age_ns
        return self.signal_tolerance if has_signal or is_old else self.tolerance


def anchor_bounds(
    entry_ticks: float, held: int, tolerance: float, distance: float, fees: float, instrument: Instrument
) -> dict[Side, int]:
    """Return how near to the market each side may be: the highest bid and the lowest ask, in ticks.

    Closing earns the fees and loses the tolerance at the most, adding keeps its distance from the entry.
    """
    closes, adds = (Side.SELL, Side.BUY) if held > 0 else (Side.BUY, Side.SELL)
    away = closes.sign * (tolerance - fees)  # a long one sells above its entry, a short one buys below it
    closing, adding = entry_ticks * (1 + away), entry_ticks * (1 - adds.sign * distance)
    return {closes: instrument.snap(closing, closes), adds: instrument.snap(adding, adds)}


def anchored(quotes: Sequence[Quote], bounds: dict[Side, int]) -> list[Quote]:
    """Return the quotes with each side moved behind its bound, strictly ordered as before."""
    found: list[Quote] = []
    for side in Side:
        own = sorted((quote for quote in quotes if quote.side is side), key=lambda q: -q.side.sign * q.price_ticks)
        if side in bounds:
            layers = [(at, quote.price_ticks, quote.size_lots) for at, quote in enumerate(own)]
            moved = keep_outside(side, layers, bounds[side] + side.sign)
            own = [replace(own[at], price_ticks=price) for at, price, _ in moved]
        found += [quote for quote in own if quote.price_ticks > 0]
    return found
