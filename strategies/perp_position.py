"""What a strategy on a perpetual does for its position, whatever it quotes: barriers, limit, shedding.

While a gate keeps the quotes off, this goes on. The arithmetic is in `core/market`: protection, shedding, exposure.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.commands import Command, Flatten, Quote, Quotes
from core.market.events import Event, FillEvent, OrderUpdate, Timer, Watch
from core.market.expiry import NearExpiry
from core.market.exposure import target_for
from core.market.external_price import EXTERNAL, external_ticks
from core.market.instrument import Instrument
from core.market.lasting import Moment, record_of
from core.market.layers import only_reducing
from core.market.order import Fill, OrderEvent
from core.market.position import Position
from core.market.position_params import PositionParams
from core.market.protection import Protection
from core.market.shedding import SLOT, Shed, Shedding
from strategies.base import Strategy, View

LEG = "main"
NOTHING = Quotes((), LEG)
_MAX_MARK_AGE_NS = 10_000_000_000  # an older mark price is none; the mid takes its place
TOLD_PRICES = ("mark", "index", EXTERNAL)  # sources of a reference beside the book; while one is not told, the mid is


class PositionStrategy(Strategy):
    """A quoter of one leg that closes and cuts its position; subclasses say what they quote."""

    params: PositionParams

    def __init__(self, params: PositionParams) -> None:
        super().__init__(params)
        self._protection = Protection(params.protection_rules())
        self._shedding = Shedding(params.shed_rules())
        self._reducing_ids: deque[str] = deque(maxlen=64)  # the newest orders in the slot `reduce`
        self._reduced_quote = Decimal(0)
        self._funding_paid = Decimal(0)
        self._now = Moment(0, 0)
        self._saved: dict[str, Any] = {}
        self._clocks: dict[str, Any] = {}

    def reconfigure(self, params: Any) -> None:
        """Go by other parameters from the next decision on; the clocks of the barriers go on."""
        super().reconfigure(params)
        self._protection.rules = params.protection_rules()
        self._shedding.rules = params.shed_rules()

    def account_needs(self) -> AccountNeeds:
        """Return the leverage and the margin mode that the account must have."""
        return self.params.account_needs()

    @abstractmethod
    def wanted(self, view: View) -> list[Quote]:
        """Return the quotes of both sides, before what the position needs; the book is quotable."""

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Decide when it is time, protect the position while a gate is shut, follow fills at any time."""
        if isinstance(event, Timer):
            return self._protect(view) or self._quote(view)
        if isinstance(event, Watch):
            return self._protect(view)
        if isinstance(event, FillEvent):
            self._follow(event.fill, view)
        elif isinstance(event, OrderUpdate) and event.event is OrderEvent.ACCEPTED:
            key, live = event.client_order_id, view.open_orders.get(LEG, ())
            self._reducing_ids.extend(key for order in live if order.client_order_id == key and order.slot == SLOT)
        return []

    def _follow(self, fill: Fill, view: View) -> None:
        self._now = Moment(view.now_ns, view.utc_ns)
        self._protection.book_fill(fill.side.sign * fill.size_lots, position_of(view).size_lots, view.now_ns)
        if fill.liquidity == "taker" or fill.client_order_id in self._reducing_ids:  # it takes only to reduce
            self._reduced_quote += view.instruments[LEG].notional_quote(fill.price_ticks, fill.size_lots)

    # The position

    def _protect(self, view: View) -> list[Command]:
        """Return what closes or cuts the position at once, nothing when it may stay as it is."""
        self._now = Moment(view.now_ns, view.utc_ns)
        mark, position, instrument = mark_of(view), position_of(view), view.instruments[LEG]
        self._funding_paid = -position.funding_paid
        if mark is None:
            return []
        if self._near_expiry(view) is NearExpiry.FLAT and _can_close(position, instrument, mark):
            return [Flatten("expiry", self.params.reduce_slippage_bps, self._widest_bps(), LEG)]
        held_there = view.venue_positions.get(LEG)
        # As of the last report: good enough while the position has not turned since.
        known = held_there is not None and held_there.size_lots * position.size_lots > 0
        liquidation = held_there.liquidation_price if held_there is not None and known else None
        reason = self._protection.look(position, instrument, mark, liquidation, view.now_ns)
        if reason:
            return [Flatten(reason, self.params.reduce_slippage_bps, self._widest_bps(), LEG)]
        shed = self._too_much(view, position, instrument)
        return self._shed_now(shed, view) if shed is not None and shed.immediate else []

    def _near_expiry(self, view: View) -> NearExpiry:
        return self.params.expiry_rules().look(view.instruments[LEG], view.utc_ns)

    def _widest_bps(self) -> float:
        return max(self.params.reduce_slippage_bps, self.params.max_close_slippage_bps)

    def _too_much(self, view: View, position: Position, instrument: Instrument) -> Shed | None:
        held, limit = position.size_lots, view.position_limits.get(LEG)
        target, given = self._target(held, instrument), self.params.position_threshold
        threshold = instrument.to_lots(given) if given is not None else (None if limit is None else limit // 2)
        shed, book = self._shedding.judge(held, target, threshold, limit, view.now_ns), view.books.get(LEG)
        if shed is None or book is None or not book.is_quotable:
            return None
        return None if instrument.unplaceable_reason(book.best_bid_ticks, shed.size_lots) else shed

    def _target(self, held_lots: int, instrument: Instrument) -> int:
        return target_for(held_lots, instrument.to_lots(self.params.target_position), self.params.target_mode)

    def _shed_now(self, shed: Shed, view: View) -> list[Command]:
        """Return an immediate order once no quote of ours is left that it could meet, or that could fill beside it."""
        if view.open_orders.get(LEG) or not self._shedding.may_take(view.now_ns):
            return [NOTHING]
        take = shed.take(view.books[LEG], view.instruments[LEG], self.params.reduce_slippage_bps, LEG)
        return [NOTHING, take]

    # The quotes

    def _quote(self, view: View) -> list[Command]:
        book = view.books.get(LEG)
        if book is None or not book.is_quotable:
            return [NOTHING]
        position, near = position_of(view), self._near_expiry(view)
        if near is NearExpiry.FLAT:
            return [NOTHING]
        quotes = self.wanted(view)
        if near is NearExpiry.REDUCE or self._protection.is_cooling(view.now_ns):
            quotes = only_reducing(quotes, position.size_lots)
        shed = self._too_much(view, position, view.instruments[LEG])
        if shed is not None:  # it takes the place of the quotes on its side
            quotes = [quote for quote in quotes if quote.side is not shed.side]
            quotes.append(shed.quote(book, LEG))
        return [Quotes(tuple(quotes), LEG)]

    # Memory

    def remembered(self) -> dict[str, Any]:
        """Return what must outlive this life by name; subclasses add theirs. A part that did not change is the same."""
        protection, since = self._protection.to_plain(self._now), self._shedding.since_utc_ns(self._now)
        if self._clocks.get("protection") is not protection or (since is None) != (self._clocks["shed_since"] is None):
            self._clocks = {"protection": protection, "shed_since": since}
        return {"clocks": self._clocks}

    def saved(self) -> dict[str, Any]:
        """Return the clocks of barriers and shedding, and what the strategy adds to that."""
        self._saved = record_of(self._saved, self.remembered())
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Go on with the clocks of an earlier life; one that had none begins them."""
        clocks, self._now = saved.get("clocks"), Moment(view.now_ns, view.utc_ns)
        if clocks is not None:
            self._protection.take_up(clocks["protection"], self._now)
            self._shedding.take_up(clocks["shed_since"], self._now)

    def stats(self) -> dict[str, Any]:
        """Return what its barriers did, what it shed and paid; money in quote as decimal text."""
        distance = self._protection.distance_pct
        return {
            "barrier_hits": dict(self._protection.hits),
            "reduce_volume": format(self._reduced_quote, "f"),
            "funding_paid": format(self._funding_paid, "f"),
            "liq_distance_pct": None if distance is None else round(float(distance), 3),
        }


def position_of(view: View) -> Position:
    """Return what is held, a flat position when nothing is known of one."""
    return view.positions.get(LEG) or Position(LEG)


def mark_of(view: View) -> Decimal | None:
    """Return the venue's mark price while it is fresh, else the mid; None when there is neither."""
    facts, book = view.facts.get(LEG), view.books.get(LEG)
    if facts is not None and facts.mark_price is not None and view.now_ns - facts.local_ns <= _MAX_MARK_AGE_NS:
        return facts.mark_price
    if book is None or not book.is_quotable:
        return None
    return Decimal(book.mid_ticks()) * view.instruments[LEG].tick_size


def told_ticks(view: View, price_source: str) -> float | None:
    """Return the price beside the book that is the reference, in ticks; None for another source, or while it is old."""
    if price_source == EXTERNAL:
        return external_ticks(view.external, view.now_ns, view.instruments[LEG].tick_size)
    facts = view.facts.get(LEG)
    if price_source not in TOLD_PRICES or facts is None or view.now_ns - facts.local_ns > _MAX_MARK_AGE_NS:
        return None
    price = facts.mark_price if price_source == "mark" else facts.index_price
    return None if price is None else float(price / view.instruments[LEG].tick_size)


def _can_close(position: Position, instrument: Instrument, mark: Decimal) -> bool:
    """Tell whether something is held, and not too little for an order."""
    return instrument.unplaceable_reason(instrument.to_ticks(mark), abs(position.size_lots)) is None
