"""How a grid gets what its first cells hold, and rid of what it holds at its end. Pure."""

from __future__ import annotations

from decimal import Decimal

from core.market.book import OrderBook
from core.market.commands import Command, Quote, Quotes, Take
from core.market.instrument import Instrument
from core.market.order import Side

INITIAL_SLOT = "initial"
_BPS = Decimal(10_000)


def mid_price(market: OrderBook, instrument: Instrument) -> Decimal:
    """Return the exact mid."""
    return instrument.tick_size * (market.best_bid_ticks + market.best_ask_ticks) / 2


def entry_commands(
    side: Side,
    lots: int,
    reference: Decimal,
    slippage_bps: Decimal,
    market: OrderBook,
    instrument: Instrument,
    *,
    rests: bool,
    is_taking: bool,
    leg: str,
) -> list[Command] | None:
    """Return what gets `lots`, not farther than the slippage from a reference price; None when they are too few.

    `rests`: by an order at the touch, else by immediate ones, the next when `is_taking` is over.
    """
    own, opposite = market.best_bid_ticks, market.best_ask_ticks
    if side is Side.SELL:
        own, opposite = opposite, own
    if instrument.unplaceable_reason(own, lots) is not None:
        return None
    worst = reference * (1 + side.sign * slippage_bps / _BPS) / instrument.tick_size
    limit = instrument.snap(float(worst), side)
    if rests:
        price = min(own, limit) if side is Side.BUY else max(own, limit)
        return [Quotes((Quote(side, price, lots, 0, leg, slot=INITIAL_SLOT),), leg)]
    if (opposite - limit) * side.sign > 0 or is_taking:
        return [Quotes((), leg)]
    return [Quotes((), leg), Take(side, limit, lots, leg)]


def exit_take(
    side: Side,
    lots: int,
    slippage_bps: Decimal,
    market: OrderBook,
    instrument: Instrument,
    leg: str,
    reduce_only: bool = False,
) -> Take | None:
    """Return an immediate order that may trade so far through the touch; None when the lots are too few for one."""
    touch = market.best_bid_ticks if side is Side.SELL else market.best_ask_ticks
    price = max(1, instrument.snap(float(touch * (1 + side.sign * slippage_bps / _BPS)), side))
    if instrument.unplaceable_reason(price, lots) is not None:
        return None
    return Take(side, price, lots, leg, reduce_only)
