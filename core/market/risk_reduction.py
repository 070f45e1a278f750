"""The limits, asked when exposure is to shrink: what a closing order may be, and which resting orders are too many."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from core.market.commands import Quote
from core.market.order import Order, OrderState, Side
from core.market.risk_limits import RiskLimits
from core.market.risk_room import Denial, Verdict, trim_quotes
from core.market.risk_state import RiskState

_PLENTY = Decimal(10) ** 30
_LEAVING = frozenset({OrderState.PENDING_CANCEL})


def allow_reduction(quote: Quote, limits: RiskLimits, state: RiskState, in_group: bool = False) -> Verdict:
    """Return what may be sent of an order that only reduces the position, cut to what is held and to one order's size.

    What is on its way on the same side counts as filled. Limits of position, price, balance and number are there to
    keep exposure from growing: they never hold it open. With `in_group` those of a group of instruments count: less on
    one leg may take it farther from balance.
    """
    side = quote.side
    on_its_way = sum(order.remaining_lots for order in state.live_orders if order.side is side and not order.is_closed)
    on_its_way += sum(fills.size_lots for fills in state.missing if fills.side is side)
    held = -side.sign * state.position.size_lots
    lots = min(quote.size_lots, held - on_its_way)
    if in_group and state.group is not None:
        room = state.group.buy_lots if side is Side.BUY else state.group.sell_lots
        lots = min(lots, room - on_its_way)
    if limits.max_order_lots is not None:
        lots = min(lots, limits.max_order_lots)
    if lots <= 0:
        return Verdict((), (Denial(quote, "not_reducing"),))
    reason = state.instrument.unplaceable_reason(quote.price_ticks, lots)
    if reason is not None:
        return Verdict((), (Denial(quote, reason),))
    return Verdict((replace(quote, size_lots=lots),), ())


def limits_of_hedges(limits: RiskLimits) -> RiskLimits:
    """Return the limits that a hedge is held to: all but the band of prices, which is for quotes."""
    return replace(limits, price_floor_ticks=None, price_ceiling_ticks=None)


def orders_over_limits(limits: RiskLimits, state: RiskState) -> tuple[str, ...]:
    """Return the resting orders that the limits do not allow as they are, by client order id; the farthest go first.

    Balances are not asked: what an order reserves is its own. Nor is the venue's least size: the rest of an order may
    be smaller. Immediate orders and those on their way out are left out.
    """
    resting = [one for one in state.live_orders if one.time_in_force != "IOC" and one.state not in _LEAVING]
    plenty = {state.instrument.base: _PLENTY, state.instrument.quote: _PLENTY}
    instrument = replace(state.instrument, min_lots=1, min_notional=Decimal(0))
    state = replace(state, available=plenty, instrument=instrument)
    verdict = trim_quotes([_as_quote(order) for order in resting], limits, state)
    kept = {quote.slot: quote.size_lots for quote in verdict.allowed}
    return tuple(one.client_order_id for one in resting if kept.get(one.client_order_id) != one.remaining_lots)


def _as_quote(order: Order) -> Quote:
    return Quote(order.side, order.price_ticks, order.remaining_lots, 0, order.leg, slot=order.client_order_id)
