"""The smallest order per side, far from the touch, moved back and forth: what `run.py smoke` lets loose on a venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.market.commands import Command, Quote, Quotes
from core.market.events import Event, Timer
from core.market.instrument import Instrument
from core.market.order import Side
from strategies.base import Strategy, View

LEG = "main"
_MOVED = 1.1  # every second time the quotes stand this much farther away, so that each round replaces them


@dataclass(frozen=True, slots=True)
class SmokeParams:
    """The strategy's own keys of `strategy_config`."""

    distance_pct: float = 5.0


def smallest_lots(instrument: Instrument, price_ticks: int) -> int:
    """Return the smallest size that the venue takes at a price."""
    return max(1, instrument.min_lots, -(-instrument.min_units // max(1, price_ticks)))


class Smoke(Strategy):
    """Nothing that should ever fill."""

    params: SmokeParams

    def __init__(self, params: SmokeParams) -> None:
        super().__init__(params)
        self._rounds = 0

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> SmokeParams:
        """Return the parameters of a section, the loop's keys left out."""
        given = strategy_config.get("distance_pct")
        return SmokeParams() if given is None else SmokeParams(float(given))

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return one quote a side at the first and each regular decision; another event changes nothing."""
        if not isinstance(event, Timer) or (self._rounds and event.reason != "interval"):
            return []
        book = view.books.get(LEG)
        if book is None or not book.is_quotable:
            return [Quotes((), LEG)]
        self._rounds += 1
        share = self.params.distance_pct / 100 * (_MOVED if self._rounds % 2 == 0 else 1.0)
        quotes = tuple(self._quote(side, book.mid_ticks(), share, view.instruments[LEG]) for side in Side)
        return [Quotes(tuple(quote for quote in quotes if quote.price_ticks > 0), LEG)]

    def _quote(self, side: Side, mid_ticks: float, share: float, instrument: Instrument) -> Quote:
        price_ticks = instrument.snap(mid_ticks * (1 - side.sign * share), side)
        return Quote(side, price_ticks, smallest_lots(instrument, price_ticks), 0, LEG)

    def stats(self) -> dict[str, Any]:
        """Return how many rounds were made."""
        return {"rounds": self._rounds}


STRATEGY = Smoke
