"""What fills do to the quotes that follow, and other habits of a layered quoter, whatever it quotes around. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.events import FillEvent
from core.market.hanging import HangingOrders, apart_from
from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, moment_after
from core.market.order import Order, Side
from core.market.order_optimization import moved_to_front
from utils.errors import ConfigError

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)  # without slots: strategies have it beside another base
class HabitParams:
    """Keys of `strategy_config` that layered strategies share; units and ranges are told in their schemas."""

    order_optimization: bool = False
    optimization_depth: Decimal = Decimal("0.0")
    filled_order_delay_s: float = 0.0
    hanging_orders: bool = False
    hanging_cancel_pct: float = 10.0
    ping_pong: bool = False
    warmup_s: float = 0.0
    min_samples: int = 0

    @property
    def remembers_fills(self) -> bool:
        """Tell whether fills have any effect on later quotes."""
        return self.hanging_orders or self.ping_pong or self.filled_order_delay_s > 0

    def check_habits(self) -> None:
        """Refuse keys that contradict each other. Raises ConfigError."""
        if self.hanging_orders and self.ping_pong:
            raise ConfigError("hanging_orders and ping_pong exclude each other: both answer a fill on the other side")


class QuoteHabits:
    """The habits of one leg; times are the view's."""

    def __init__(self, params: HabitParams) -> None:
        self.params = params
        self.hanging = HangingOrders()
        self.only: Side | None = None  # ping-pong: the side that is quoted, None for both
        self._filled = {Side.BUY: 0, Side.SELL: 0}  # lots since ping-pong last turned
        self._rests: dict[Side, Moment] = {}  # until when a side is not quoted
        self._began_ns: int | None = None
        self._samples = 0
        self._book: OrderBook | None = None
        self._increments: list[str] = []  # tick and lot that the hanging orders are told in
        self._plain: dict[str, Any] | None = None  # None: to be made anew

    def use(self, params: HabitParams) -> None:
        """Go by other parameters; what a habit that is off had kept is forgotten."""
        self.params, self._plain = params, None
        if not params.hanging_orders:
            self.hanging = HangingOrders()
        if not params.ping_pong:
            self.only, self._filled = None, {Side.BUY: 0, Side.SELL: 0}
        if not params.filled_order_delay_s:
            self._rests = {}

    # What happens

    def see(self, book: OrderBook, now_ns: int) -> None:
        """Count a book that gives a price, for the warm-up."""
        if self._began_ns is None:
            self._began_ns = now_ns
        if book is not self._book:
            self._book, self._samples = book, self._samples + 1

    @property
    def samples(self) -> int:
        """Return how many books were seen."""
        return self._samples

    def is_warm(self, now_ns: int) -> bool:
        """Tell whether both the time and the number of books have passed before which nothing is quoted."""
        params, began_ns = self.params, self._began_ns
        if not (params.warmup_s or params.min_samples):
            return True
        lasted_ns = 0 if began_ns is None else now_ns - began_ns
        return lasted_ns >= params.warmup_s * _SECOND_NS and self._samples >= params.min_samples

    def on_fill(self, event: FillEvent, live: Sequence[Order], instrument: Instrument, now: Moment) -> None:
        """Follow a fill of a layer; fills of other slots are none of a quote."""
        fill, params = event.fill, self.params
        if not params.remembers_fills or event.slot.partition(".")[0] not in (Side.BUY.value, Side.SELL.value):
            return
        self._plain, self._increments = None, _increments_of(instrument)
        self.hanging.on_fill(fill, event.slot, live, params.hanging_orders)
        if params.filled_order_delay_s:
            self._rests[fill.side] = moment_after(now, int(params.filled_order_delay_s * _SECOND_NS))
        if params.ping_pong and self.only is not fill.side.opposite:
            self._filled[fill.side] += fill.size_lots
            if instrument.unplaceable_reason(fill.price_ticks, self._filled[fill.side]) is None:
                self.only, self._filled = fill.side.opposite, {Side.BUY: 0, Side.SELL: 0}

    # The quotes

    def in_front(
        self, quotes: Sequence[Quote], side: Side, book: OrderBook, instrument: Instrument, live: Sequence[Order]
    ) -> Sequence[Quote]:
        """Return the quotes of a side, inside first, no better than it takes to be the first, where that is asked."""
        if not self.params.order_optimization:
            return quotes
        return moved_to_front(quotes, side, book, instrument.to_lots(self.params.optimization_depth), live)

    def shape(
        self, quotes: Sequence[Quote], book: OrderBook, unbooked: frozenset[str], now_ns: int, leg: str
    ) -> Sequence[Quote]:
        """Return what is left of the layers after what has filled, and the orders that stay."""
        if not self.params.remembers_fills:
            return quotes
        kept = [self._named(quote) for quote in quotes if not self._rests_on(quote.side, now_ns)]
        before = len(self.hanging.orders)
        self.hanging.drop_far(book.mid_ticks(), self.params.hanging_cancel_pct)
        if len(self.hanging.orders) != before:
            self._plain = None
        hanging = self.hanging.quotes(book, unbooked, leg)
        return [*apart_from(kept, hanging), *hanging]

    def _named(self, quote: Quote) -> Quote:
        slot = self.hanging.layer_slot(quote.slot_name)
        return quote if slot == quote.slot_name else replace(quote, slot=slot)

    def _rests_on(self, side: Side, now_ns: int) -> bool:
        if self.only is side.opposite:
            return True
        rest = self._rests.get(side)
        return rest is not None and now_ns < rest.now_ns

    # Over lives

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record; the same object while nothing has changed."""
        if self._plain is None:
            self._plain = {
                "only": None if self.only is None else self.only.value,
                "filled": [self._filled[side] for side in Side],
                "rests": {side.value: until.utc_ns for side, until in self._rests.items()},
                "increments": self._increments,
                "hanging": self.hanging.to_plain(),
            }
        return self._plain

    def take_up(self, plain: Mapping[str, Any], instrument: Instrument, now: Moment) -> None:
        """Take up what `to_plain` recorded, as far as its habits are still asked for.

        Hanging orders are left behind when the venue counts in other ticks or lots than it did.
        """
        self.only = None if plain["only"] is None else Side(plain["only"])
        self._filled = dict(zip(Side, plain["filled"], strict=True))
        latest = moment_after(now, int(self.params.filled_order_delay_s * _SECOND_NS))  # whatever the clock was set to
        self._rests = {Side(side): min(at_moment(utc_ns, now), latest) for side, utc_ns in plain["rests"].items()}
        self._increments = plain["increments"]
        fits = self._increments == _increments_of(instrument)
        self.hanging = HangingOrders.from_plain(plain["hanging"]) if fits else HangingOrders()
        self.use(self.params)

    def stats(self) -> dict[str, Any]:
        """Return the side that ping-pong quotes (null is both) and how many orders hang."""
        return {"quoted_side": None if self.only is None else self.only.value, "hanging": len(self.hanging.orders)}


def _increments_of(instrument: Instrument) -> list[str]:
    return [f"{instrument.tick_size:f}", f"{instrument.lot_size:f}"]
