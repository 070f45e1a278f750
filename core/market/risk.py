"""The limits: which gates are shut, and which orders may go out.

Two questions are asked of every wanted order. `trim_quotes` asks before the diff: does the wanted set, once it rests,
stay inside the limits and the balances? `allow_places` asks last, before sending: would the position stay inside if
every order that may still fill did fill, the new ones included? Orders are cut to fit or dropped with a reason, never
made larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, zip_longest
from operator import attrgetter
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.instrument import CEIL, FLOOR, Instrument
from core.market.order import MissingFills, Order, Side
from core.market.position import Position
from utils.errors import ConfigError
from utils.quick_values import quickly_made

CLOSING_ACTIONS = frozenset({"close", "close_and_stop"})  # gates that demand a flat position
BALANCE_RESERVE = Decimal("0.005")  # share of a balance that quotes leave alone, for fees and rounding
_NS = 1_000_000_000
_NO_LIMIT = 1 << 100
_BY_PRICE = attrgetter("price_ticks")


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """The `risk_config` section in lots, ticks and quote; None is "no limit"."""

    max_position_lots: int | None = None
    max_position_quote: Decimal | None = None
    max_order_lots: int | None = None
    max_open_orders: int = 50
    max_loss_quote: Decimal | None = None
    max_loss_action: str = "cancel"
    max_drawdown_pct: float | None = None
    max_drawdown_action: str = "close_and_stop"
    max_profit_quote: Decimal | None = None
    max_profit_action: str = "close_and_stop"
    max_book_age_ns: int = 5 * _NS
    max_position_age_ns: int = 30 * _NS
    max_spread_bps: float | None = None
    price_floor_ticks: int | None = None
    price_ceiling_ticks: int | None = None
    max_unrealised_loss_quote: Decimal | None = None
    max_unrealised_loss_action: str = "close"
    profit_lock_start_quote: Decimal | None = None
    profit_lock_pct: float | None = None
    profit_lock_action: str = "close_and_stop"

    @classmethod
    def from_config(cls, risk_config: Mapping[str, Any], instrument: Instrument) -> RiskLimits:
        """Return the limits of a validated section. Raises ConfigError for one that is less than a lot."""
        config = {key: value for key, value in risk_config.items() if value is not None}
        defaults = cls()
        return cls(
            max_position_lots=_lots(config, "max_position", instrument),
            max_position_quote=_decimal(config, "max_position_usd"),
            max_order_lots=_lots(config, "max_order_size", instrument),
            max_open_orders=int(config.get("max_open_orders", defaults.max_open_orders)),
            max_loss_quote=_decimal(config, "max_loss"),
            max_loss_action=config.get("max_loss_action", defaults.max_loss_action),
            max_drawdown_pct=config.get("max_drawdown_pct"),
            max_drawdown_action=config.get("max_drawdown_action", defaults.max_drawdown_action),
            max_profit_quote=_decimal(config, "max_profit"),
            max_profit_action=config.get("max_profit_action", defaults.max_profit_action),
            max_unrealised_loss_quote=_decimal(config, "max_unrealised_loss"),
            max_unrealised_loss_action=config.get("max_unrealised_loss_action", defaults.max_unrealised_loss_action),
            profit_lock_start_quote=_decimal(config, "profit_lock_start"),
            profit_lock_pct=config.get("trailing_profit_lock_pct"),
            profit_lock_action=config.get("trailing_profit_lock_action", defaults.profit_lock_action),
            max_book_age_ns=_nanoseconds(config, "max_book_age_s", defaults.max_book_age_ns),
            max_position_age_ns=_nanoseconds(config, "max_position_age_s", defaults.max_position_age_ns),
            max_spread_bps=config.get("max_spread_bps"),
            price_floor_ticks=_ticks(config, "price_floor", instrument, CEIL),
            price_ceiling_ticks=_ticks(config, "price_ceiling", instrument, FLOOR),
        )


def _decimal(config: Mapping[str, Any], key: str) -> Decimal | None:
    return Decimal(str(config[key])) if key in config else None


def _lots(config: Mapping[str, Any], key: str, instrument: Instrument) -> int | None:
    size = _decimal(config, key)
    if size is None:
        return None
    lots = instrument.to_lots(size)
    if lots < 1:
        raise ConfigError(f"risk_config.{key}: {size} is less than one lot ({instrument.lot_size} {instrument.base})")
    return lots


def _ticks(config: Mapping[str, Any], key: str, instrument: Instrument, rounding: str) -> int | None:
    price = _decimal(config, key)
    return None if price is None else instrument.to_ticks(price, rounding)


def _nanoseconds(config: Mapping[str, Any], key: str, default: int) -> int:
    return int(Decimal(str(config[key])) * _NS) if key in config else default


@dataclass(slots=True)  # not frozen, which costs thrice the time: one is made for each question
class RiskState:
    """What the limits are held against, of one leg; None is "not known", which is never zero.

    `live_orders` is every order that may still fill. Session figures count from the session's begin: its net profit
    now, the highest net profit it reached, the equity it began with. `available` is by asset: the free balance plus
    what our own live orders reserve; an asset that is missing there is not known.
    """

    now_ns: int
    position: Position
    live_orders: Sequence[Order]
    book: OrderBook | None
    book_age_ns: int | None
    position_age_ns: int | None
    session_net_quote: Decimal | None
    session_peak_quote: Decimal | None
    start_equity_quote: Decimal | None
    available: Mapping[str, Decimal]
    instrument: Instrument
    missing: Sequence[MissingFills] = ()  # they happened, so they use up room; they never make any


@dataclass(frozen=True, slots=True)
class Gate:
    """A reason not to quote. `latched`: it stays shut until an operator resets it, whatever the figures say later."""

    name: str
    action: str  # pause | cancel | close | close_and_stop
    latched: bool
    reason: str


def tripped_gates(limits: RiskLimits, state: RiskState) -> list[Gate]:
    """Return every gate that is shut now; one that cannot be judged pauses, without a latch."""
    gates = (
        _stale_gate(limits, state),
        _spread_gate(limits, state),
        _loss_gate(limits, state),
        _drawdown_gate(limits, state),
        _profit_gate(limits, state),
        _open_loss_gate(limits, state),
        _profit_lock_gate(limits, state),
    )
    return [gate for gate in gates if gate is not None]


def stale_book(limits: RiskLimits, state: RiskState) -> str:
    """Return why the book is no price to judge anything by, empty when it is one."""
    if state.book is None or state.book_age_ns is None:
        return "no book"
    if state.book_age_ns > limits.max_book_age_ns:
        return f"the book is {state.book_age_ns / _NS:.1f} s old"
    return ""


def _stale_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    if reason := stale_book(limits, state):
        return Gate("stale", "pause", False, reason)
    if state.position_age_ns is None:
        return Gate("stale", "pause", False, "no position")
    if state.position_age_ns > limits.max_position_age_ns:
        return Gate("stale", "pause", False, f"the position is {state.position_age_ns / _NS:.1f} s old")
    return None


def _spread_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    if limits.max_spread_bps is None or state.book is None:
        return None  # no book at all is the gate `stale`
    if not state.book.is_quotable:
        return Gate("spread", "pause", False, "the book is one-sided or crossed")
    bid, ask = state.book.best_bid_ticks, state.book.best_ask_ticks
    spread_bps = (ask - bid) / (ask + bid) * 20_000
    if spread_bps <= limits.max_spread_bps:
        return None
    return Gate("spread", "pause", False, f"the spread is {spread_bps:.1f} bps")


def _unjudged(name: str) -> Gate:
    return Gate(name, "pause", False, "the session's profit is not known")


def _loss_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    limit, net = limits.max_loss_quote, state.session_net_quote
    if limit is None:
        return None
    if net is None:
        return _unjudged("max_loss")
    if net > -limit:
        return None
    return Gate("max_loss", limits.max_loss_action, True, f"the session's net is {net:f}, the limit -{limit:f}")


def _profit_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    limit, net = limits.max_profit_quote, state.session_net_quote
    if limit is None:
        return None
    if net is None:
        return _unjudged("max_profit")
    if net < limit:
        return None
    return Gate("max_profit", limits.max_profit_action, True, f"the session's net is {net:f}, the goal {limit:f}")


def _open_loss_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    limit, held = limits.max_unrealised_loss_quote, state.position.size_lots
    if limit is None or not held or state.book is None:
        return None  # no book at all is the gate `stale`
    if not state.book.is_quotable:
        return Gate("max_unrealised_loss", "pause", False, "the book is one-sided or crossed")
    mark = state.instrument.tick_size * Decimal(state.book.mid_ticks())
    gain = state.position.unrealised_pnl(mark, state.instrument)
    if gain > -limit:
        return None
    told = f"the open result is {gain:f}, the limit -{limit:f}"
    return Gate("max_unrealised_loss", limits.max_unrealised_loss_action, True, told)


def _profit_lock_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    start, share, net = limits.profit_lock_start_quote, limits.profit_lock_pct, state.session_net_quote
    if start is None or share is None:
        return None
    if net is None:
        return _unjudged("profit_lock")
    best = max(net, Decimal(0) if state.session_peak_quote is None else state.session_peak_quote)
    if best < start or (best - net) * 100 < best * Decimal(str(share)):
        return None
    told = f"the session's net is {net:f}, it was {best:f}"
    return Gate("profit_lock", limits.profit_lock_action, True, told)


def _drawdown_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    if limits.max_drawdown_pct is None:
        return None
    net, start = state.session_net_quote, state.start_equity_quote
    if net is None or start is None:
        return _unjudged("max_drawdown")
    best = max(net, Decimal(0) if state.session_peak_quote is None else state.session_peak_quote)
    fallen = drawdown(start + net, start + best)
    if fallen is not None and fallen * 100 < Decimal(str(limits.max_drawdown_pct)):
        return None
    told = "the peak equity is not positive" if fallen is None else f"{fallen * 100:.2f} % below the peak"
    return Gate("max_drawdown", limits.max_drawdown_action, True, told)


def drawdown(equity: Decimal, peak: Decimal) -> Decimal | None:
    """Return the fall from the peak as a share of it, None when the peak is not positive."""
    return (peak - equity) / peak if peak > 0 else None


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
    live = [order for order in state.live_orders if not order.is_closed]
    room = _Room(limits, state, Decimal(0))
    for order in live:
        room.take(order.side, order.price_ticks, order.remaining_lots)
    return _admit(places, limits, state, room, limits.max_open_orders - len(live))


class _Room:
    """What is left on each side: lots until the position limit, and balance. Plain integers, one set per question."""

    def __init__(self, limits: RiskLimits, state: RiskState, reserve: Decimal) -> None:
        held = state.position.size_lots
        limit, self.full_reason = position_limit(limits, state.book, state.instrument)
        self.buy_lots = _NO_LIMIT if limit is None else limit - held
        self.sell_lots = _NO_LIMIT if limit is None else limit + held
        self.quote_units, self.base_lots = _budgets(state, reserve)
        for fills in state.missing:
            self.take(fills.side, fills.price_ticks, fills.size_lots)

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

    def take_whole(self, side: Side, price_ticks: int, size_lots: int) -> bool:
        """Use up room for an order where there is room for all of it; return whether there was."""
        if side is Side.BUY:
            units, budget = price_ticks * size_lots, self.quote_units
            if size_lots > self.buy_lots or budget is None or units > budget:
                return False
            self.buy_lots -= size_lots
            self.quote_units = budget - units
            return True
        base_lots = self.base_lots
        if size_lots > self.sell_lots or base_lots is None or size_lots > base_lots:
            return False
        self.sell_lots -= size_lots
        self.base_lots = base_lots - size_lots
        return True

    def fit(self, quote: Quote) -> tuple[int, str]:
        """Return how many lots of a quote fit, and what stands in the way of the rest."""
        wanted = quote.size_lots
        if quote.side is Side.BUY:
            lots, budget = self.buy_lots, self.quote_units
            afforded = budget // quote.price_ticks if budget is not None else None
        else:
            lots, afforded = self.sell_lots, self.base_lots
        if afforded is None:
            return 0, "balance_unknown"
        if afforded < lots:
            return (afforded if afforded < wanted else wanted), "balance"
        return (lots if lots < wanted else wanted), self.full_reason


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
    """Give room to one quote after the other."""
    allowed: list[Quote] = []
    denied: list[Denial] = []
    instrument = state.instrument
    refusal, take_whole = instrument.unplaceable_reason, room.take_whole
    most_lots = _NO_LIMIT if limits.max_order_lots is None else limits.max_order_lots
    has_band = limits.price_ceiling_ticks is not None or limits.price_floor_ticks is not None
    for quote in _inside_first(quotes):
        price_ticks, size_lots = quote.price_ticks, quote.size_lots
        reason = refusal(price_ticks, size_lots)
        if reason is None and has_band:
            reason = _price_rule(quote, limits)
        if reason is None and len(allowed) >= slots_left:
            reason = "max_open_orders"
        if reason is None:
            if size_lots <= most_lots and take_whole(quote.side, price_ticks, size_lots):
                allowed.append(quote)  # by far the most frequent case
                continue
            fitted, reason = _fitted(quote, limits, room, instrument)
        if reason is not None:
            denied.append(Denial(quote, reason))
            continue
        room.take(fitted.side, price_ticks, fitted.size_lots)
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


def _price_rule(quote: Quote, limits: RiskLimits) -> str | None:
    """Return why a price is outside the bot's own band: no buys above the ceiling, no sells below the floor."""
    if quote.side is Side.BUY:
        ceiling = limits.price_ceiling_ticks
        return "price_ceiling" if ceiling is not None and quote.price_ticks > ceiling else None
    floor = limits.price_floor_ticks
    return "price_floor" if floor is not None and quote.price_ticks < floor else None
