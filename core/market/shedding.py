"""How too much of a position is shed: patiently at the touch, at once, or first the one and then the other. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from core.market.book import OrderBook
from core.market.commands import Quote, Take
from core.market.exposure import lots_beyond_band, lots_over_limit
from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, utc_of
from core.market.order import Side

SLOT = "reduce"
_RETRY_NS = 1_000_000_000  # between two immediate orders: what the book does not give now it may give later


@dataclass(frozen=True, slots=True)
class ShedRules:
    """The keys of shedding; `mode` is maker, ioc or maker_then_ioc."""

    mode: str = "maker_then_ioc"
    wait_ns: int = 15_000_000_000
    slippage_bps: float = 20.0


@dataclass(frozen=True, slots=True)
class Shed:
    """What is too much now: an order of `side`, at once or patiently."""

    side: Side
    size_lots: int
    immediate: bool

    def quote(self, book: OrderBook, leg: str) -> Quote:
        """Return the patient order: post-only, at the touch of its own side."""
        touch = book.best_bid_ticks if self.side is Side.BUY else book.best_ask_ticks
        return Quote(self.side, touch, self.size_lots, 0, leg, post_only=True, reduce_only=True, slot=SLOT)

    def take(self, book: OrderBook, instrument: Instrument, slippage_bps: float, leg: str) -> Take:
        """Return the immediate order: through the opposite touch by a slippage at the most."""
        touch = book.best_ask_ticks if self.side is Side.BUY else book.best_bid_ticks
        price = instrument.snap(touch * (1 + self.side.sign * slippage_bps / 10_000), self.side)
        return Take(self.side, price, self.size_lots, leg, reduce_only=True)


class Shedding:
    """Since when there is too much of a position; times are the view's."""

    def __init__(self, rules: ShedRules) -> None:
        self.rules = rules
        self._since_ns: int | None = None
        self._next_take_ns = 0

    def judge(self, held: int, target: int, threshold: int | None, limit: int | None, now_ns: int) -> Shed | None:
        """Return what to shed of `held` lots: all beyond the limit at once, else what is beyond the band."""
        over, beyond = lots_over_limit(held, limit), lots_beyond_band(held, target, threshold)
        if not over and not beyond:
            self._since_ns = None
            return None
        if self._since_ns is None:
            self._since_ns = now_ns
        side = Side.SELL if held > 0 else Side.BUY
        if over:
            return Shed(side, abs(over), True)
        waited = now_ns - self._since_ns >= self.rules.wait_ns
        return Shed(side, abs(beyond), self.rules.mode == "ioc" or (self.rules.mode == "maker_then_ioc" and waited))

    def may_take(self, now_ns: int) -> bool:
        """Tell whether an immediate order may go out, and count it as sent."""
        if now_ns < self._next_take_ns:
            return False
        self._next_take_ns = now_ns + _RETRY_NS
        return True

    def since_utc_ns(self, now: Moment) -> int | None:
        """Return since when there is too much, None when there is not: what a later life goes on from."""
        return None if self._since_ns is None else utc_of(self._since_ns, now)

    def take_up(self, since_utc_ns: int | None, now: Moment) -> None:
        """Go on from an earlier life's clock."""
        self._since_ns = None if since_utc_ns is None else min(at_moment(since_utc_ns, now).now_ns, now.now_ns)
