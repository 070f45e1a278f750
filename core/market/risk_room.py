"""The room that limits and balances leave, and which orders may go out.

Two questions are asked of every wanted order. `trim_quotes` asks before the diff: does the wanted set, once it rests,
stay inside the limits and the balances? `allow_places` asks last, before sending: would the position stay inside if
every order that may still fill did fill, the new ones included? Orders are cut to fit or dropped with a reason, never
made larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, zip_longest
from operator import attrgetter
from typing import TYPE_CHECKING

from core.market.commands import Quote
from core.market.order import CLOSED, Side
from utils.quick_values import quickly_made

if TYPE_CHECKING:
    from core.market.book import OrderBook
    from core.market.group_room import GroupRoom
    from core.market.instrument import Instrument
    from core.market.order import Amend, Order
    from core.market.risk_limits import RiskLimits
    from core.market.risk_state import RiskState

BALANCE_RESERVE = Decimal("0.005")  # share of a balance that quotes leave alone, for fees and rounding
_NO_LIMIT = 1 << 100
_BY_PRICE = attrgetter("price_ticks")


@quickly_made
@dataclass(frozen=True, slots=True)
class Denial:
    """An order that may not go out, and why."""

    quote: Quote
    reason: str


@quickly_made
@dataclass(frozen=True, slots=True)
class Verdict:
    """The orders that may go out, cut where needed, inside first; and the others."""

    allowed: tuple[Quote, ...]
    denied: tuple[Denial, ...]


def trim_quotes(quotes: Sequence[Quote], limits: RiskLimits, state: RiskState) -> Verdict:
    """Return the wanted set that fits position limits and balances; live orders are ignored, it replaces them."""
    return _admit(quotes, limits, state, _Room(limits, state, BALANCE_RESERVE), limits.max_open_orders)


def allow_places(places: Sequence[Quote], limits: RiskLimits, state: RiskState) -> Verdict:
    """Return what may be sent now, with every live order counted as filled: the last word before sending."""
    live = [order for order in state.live_orders if order.state not in CLOSED]
    room = _Room(limits, state, Decimal(0))
    for order in live:
        room.take(order.side, order.price_ticks, order.remaining_lots)
    return _admit(places, limits, state, room, limits.max_open_orders - len(live))


def allow_amends(amends: Sequence[Amend], limits: RiskLimits, state: RiskState) -> tuple[Amend, ...]:
    """Return the amendments that may be sent now: their orders fit on the old terms and on the new, all others filled.

    The first ones go first; an order that fits only on one of its terms is for its caller to cancel.
    """
    room = _Room(limits, state, Decimal(0))
    live = [order for order in state.live_orders if order.state not in CLOSED]
    for order in live:
        room.take(order.side, order.price_ticks, order.remaining_lots)
    by_id = {order.client_order_id: order for order in live}
    return tuple(amend for amend in amends if _holds_amended(by_id[amend.client_order_id], amend, limits, state, room))


def _holds_amended(order: Order, amend: Amend, limits: RiskLimits, state: RiskState, room: _Room) -> bool:
    """Tell whether there is room for an order whichever terms it gets; if so it is used up.

    The size of one order counts whole, what has filled included: else it could be amended on and on.
    """
    worst = order.while_amending(amend)
    quote = Quote(order.side, worst.price_ticks, worst.remaining_lots)
    reason = state.instrument.unplaceable_reason(amend.price_ticks, amend.size_lots) or _price_rule(quote, limits)
    largest_lots = max(amend.size_lots, quote.size_lots)
    if reason or (limits.max_order_lots is not None and largest_lots > limits.max_order_lots):
        return False
    room.take(order.side, order.price_ticks, -order.remaining_lots)
    is_held = room.fit(quote)[0] == quote.size_lots
    kept = worst if is_held else order
    room.take(kept.side, kept.price_ticks, kept.remaining_lots)
    return is_held


class _Room:
    """What is left on each side: lots until the position limit, and balance. Plain integers, one set per question."""

    def __init__(self, limits: RiskLimits, state: RiskState, reserve: Decimal) -> None:
        held = state.position.size_lots
        limit, self.buy_reason = position_limit(limits, state.book, state.instrument)
        self.sell_reason = self.buy_reason
        self.buy_lots = _NO_LIMIT if limit is None else limit - held
        self.sell_lots = _NO_LIMIT if limit is None else limit + held
        if state.group is not None:
            self._keep_inside(state.group)
        self.quote_units, self.base_lots = _budgets(state, reserve)
        for fills in state.missing:
            self.take(fills.side, fills.price_ticks, fills.size_lots)

    def _keep_inside(self, group: GroupRoom) -> None:
        if group.buy_lots < self.buy_lots:
            self.buy_lots, self.buy_reason = group.buy_lots, group.buy_reason
        if group.sell_lots < self.sell_lots:
            self.sell_lots, self.sell_reason = group.sell_lots, group.sell_reason

    def take(self, side: Side, price_ticks: int, size_lots: int) -> None:
        """Use up room for an order."""
        if side is Side.BUY:
            self.buy_lots -= size_lots
            if self.quote_units is not None:
                self.quote_units -= price_ticks * size_lots
        else:
            self.sell_lots -= size_lots
            if self.base_lots is not None:
                self.base_lots -= size_lots

    def holds(self, quotes: Sequence[Quote]) -> bool:
        """Tell whether there is room for all of these at once; none of it is used up."""
        bought_lots = bought_units = sold_lots = 0
        for quote in quotes:
            if quote.side is Side.BUY:
                bought_lots += quote.size_lots
                bought_units += quote.price_ticks * quote.size_lots
            else:
                sold_lots += quote.size_lots
        if bought_lots and (self.quote_units is None or bought_units > self.quote_units or bought_lots > self.buy_lots):
            return False
        return not sold_lots or (self.base_lots is not None and sold_lots <= min(self.base_lots, self.sell_lots))

    def fit(self, quote: Quote) -> tuple[int, str]:
        """Return how many lots of a quote fit, and what stands in the way of the rest."""
        wanted = quote.size_lots
        if quote.side is Side.BUY:
            lots, budget, full_reason = self.buy_lots, self.quote_units, self.buy_reason
            afforded = budget // quote.price_ticks if budget is not None else None
        else:
            lots, afforded, full_reason = self.sell_lots, self.base_lots, self.sell_reason
        if afforded is None:
            return 0, "balance_unknown"
        if afforded < lots:
            return (afforded if afforded < wanted else wanted), "balance"
        return (lots if lots < wanted else wanted), full_reason


def position_limit(limits: RiskLimits, book: OrderBook | None, instrument: Instrument) -> tuple[int | None, str]:
    """Return the tighter of both position limits in lots, and the name of the reason."""
    lots = limits.max_position_lots
    if limits.max_position_quote is None:
        return lots, "max_position"
    if book is None or not (book.bids or book.asks):
        return 0, "no_mark"  # without a price the position's value is not known: nothing that could increase it
    highest = book.best_ask_ticks if book.asks else book.best_bid_ticks
    by_value = int(limits.max_position_quote / (highest * instrument.unit_quote))
    return (by_value if lots is None else min(lots, by_value)), "max_position"


def _budgets(state: RiskState, reserve: Decimal) -> tuple[int | None, int | None]:
    """Return what the balances pay for: ticks x lots to buy, lots to sell; None is "not known". Spot only."""
    instrument = state.instrument
    if instrument.kind != "spot":
        return _NO_LIMIT, _NO_LIMIT
    quote, base = state.available.get(instrument.quote), state.available.get(instrument.base)
    left = 1 - reserve
    units = None if quote is None else int(quote * left / instrument.unit_cost)
    lots = None if base is None else int(base * left / instrument.lot_base)
    return units, lots


def _inside_first(quotes: Sequence[Quote]) -> list[Quote]:
    """Return the quotes from the touch outward, both sides in turn: what is dropped is the farthest."""
    bids: list[Quote] = []
    asks: list[Quote] = []
    for quote in quotes:
        (bids if quote.side is Side.BUY else asks).append(quote)
    bids.sort(key=_BY_PRICE, reverse=True)
    asks.sort(key=_BY_PRICE)
    if len(bids) == len(asks):
        return list(chain.from_iterable(zip(bids, asks, strict=True)))
    return [quote for pair in zip_longest(bids, asks) for quote in pair if quote is not None]


def _admit(quotes: Sequence[Quote], limits: RiskLimits, state: RiskState, room: _Room, slots_left: int) -> Verdict:
    """Give room to all quotes where there is room for all, else to one after the other."""
    ordered = _inside_first(quotes)
    if len(ordered) <= slots_left and _is_plain(ordered, limits, state.instrument) and room.holds(ordered):
        return Verdict(tuple(ordered), ())
    return _admit_each(ordered, limits, state, room, slots_left)


def _is_plain(quotes: Sequence[Quote], limits: RiskLimits, instrument: Instrument) -> bool:
    """Tell whether no quote is refused or cut for what it is, whatever the others are."""
    least_lots, least_units = max(1, instrument.min_lots), max(1, instrument.min_units)
    most_lots = _NO_LIMIT if limits.max_order_lots is None else limits.max_order_lots
    for quote in quotes:
        lots = quote.size_lots
        if not least_lots <= lots <= most_lots or quote.price_ticks * lots < least_units:
            return False
    return not _has_band(limits) or not any(_price_rule(quote, limits) for quote in quotes)


def _admit_each(
    ordered: Sequence[Quote], limits: RiskLimits, state: RiskState, room: _Room, slots_left: int
) -> Verdict:
    allowed: list[Quote] = []
    denied: list[Denial] = []
    instrument = state.instrument
    has_band = _has_band(limits)
    for quote in ordered:
        reason = instrument.unplaceable_reason(quote.price_ticks, quote.size_lots)
        if reason is None and has_band:
            reason = _price_rule(quote, limits)
        if reason is None and len(allowed) >= slots_left:
            reason = "max_open_orders"
        if reason is None:
            fitted, reason = _fitted(quote, limits, room, instrument)
        if reason is not None:
            denied.append(Denial(quote, reason))
            continue
        room.take(fitted.side, fitted.price_ticks, fitted.size_lots)
        allowed.append(fitted)
    return Verdict(tuple(allowed), tuple(denied))


def _fitted(quote: Quote, limits: RiskLimits, room: _Room, instrument: Instrument) -> tuple[Quote, str | None]:
    """Return the quote cut to what fits, and the reason when what fits is no order."""
    lots, in_the_way = room.fit(quote)
    if limits.max_order_lots is not None and lots > limits.max_order_lots:
        lots, in_the_way = limits.max_order_lots, "max_order_size"
    if lots == quote.size_lots:
        return quote, None
    if lots <= 0 or instrument.unplaceable_reason(quote.price_ticks, lots):
        return quote, in_the_way
    return replace(quote, size_lots=lots), None


def _has_band(limits: RiskLimits) -> bool:
    return limits.price_ceiling_ticks is not None or limits.price_floor_ticks is not None


def _price_rule(quote: Quote, limits: RiskLimits) -> str | None:
    """Return why a price is outside the bot's own band: no buys above the ceiling, no sells below the floor."""
    if quote.side is Side.BUY:
        ceiling = limits.price_ceiling_ticks
        return "price_ceiling" if ceiling is not None and quote.price_ticks > ceiling else None
    floor = limits.price_floor_ticks
    return "price_floor" if floor is not None and quote.price_ticks < floor else None
