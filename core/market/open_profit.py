"""Taking the open profit of a position: first by an order that rests, then at once. Pure; money in quote."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.position import Position

SLOT = "profit"
REST, TAKE = "rest", "take"
_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class ProfitRules:
    """The keys; None is off. Between `min_pct` and `max_pct` the percentage follows the volatility."""

    pct: Decimal | None = None
    quote: Decimal | None = None
    min_pct: Decimal | None = None
    max_pct: Decimal | None = None
    usual_sigma: float | None = None
    rest_ns: int = 3_000_000_000

    def wanted_pct(self, sigma: float | None) -> Decimal | None:
        """Return the profit that is enough, in percent of the entry value; `sigma` is a share per root second."""
        if self.pct is None or self.min_pct is None or self.max_pct is None:
            return self.pct
        if sigma is None or not self.usual_sigma:
            return self.pct
        return min(self.max_pct, max(self.min_pct, self.pct * Decimal(sigma / self.usual_sigma)))


def closing_fee(position: Position, mark: Decimal, instrument: Instrument) -> Decimal:
    """Return what closing a position at once costs in fees."""
    value = abs(position.size_lots) * instrument.lot_size * instrument.contract_size * mark
    return value * max(Decimal(0), instrument.taker_fee_bps) / _BPS


class OpenProfit:
    """Whether a profit is being taken; once begun it goes on until nothing is held."""

    def __init__(self, rules: ProfitRules) -> None:
        self.rules = rules
        self.taken = 0
        self._since_ns: int | None = None

    def look(self, position: Position, mark: Decimal, instrument: Instrument, sigma: float | None, now_ns: int) -> str:
        """Return what to do: nothing (empty), an order that `rest`s, or `take`."""
        if not position.size_lots or instrument.unplaceable_reason(instrument.to_ticks(mark), abs(position.size_lots)):
            self._since_ns = None
            return ""
        if self._since_ns is None:
            if not self._is_enough(position, mark, instrument, sigma):
                return ""
            self._since_ns = now_ns
            self.taken += 1
        return REST if now_ns - self._since_ns < self.rules.rest_ns else TAKE

    def _is_enough(self, position: Position, mark: Decimal, instrument: Instrument, sigma: float | None) -> bool:
        gain, value, pct = position.unrealised_pnl(mark, instrument), position.entry_value, self.rules.wanted_pct(sigma)
        if gain <= closing_fee(position, mark, instrument):
            return False
        by_share = pct is not None and gain * 100 >= pct * value
        return by_share or (self.rules.quote is not None and gain >= self.rules.quote)


def closing_quote(position: Position, book: OrderBook, leg: str) -> Quote:
    """Return the order that closes a position by resting at the touch."""
    side = Side.SELL if position.size_lots > 0 else Side.BUY
    touch = book.best_ask_ticks if side is Side.SELL else book.best_bid_ticks
    return Quote(side, touch, abs(position.size_lots), 0, leg, post_only=True, reduce_only=True, slot=SLOT)
