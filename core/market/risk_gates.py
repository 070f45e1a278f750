"""The gates: which reasons not to quote there are now, and what those that latch demand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.market.risk_limits import RiskLimits
    from core.market.risk_state import RiskState

    Rule = Callable[[RiskLimits, RiskState], "Gate | None"]

CLOSING_ACTIONS = frozenset({"close", "close_and_stop"})  # gates that demand a flat position
_NS = 1_000_000_000
REFERENCE_AGE_NS = 5 * _NS  # a second price that is older is not known


@dataclass(frozen=True, slots=True)
class Gate:
    """A reason not to quote. `latched`: it stays shut until an operator resets it, whatever the figures say later."""

    name: str
    action: str  # pause | cancel | close | close_and_stop
    latched: bool
    reason: str


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def tripped_gates(limits: RiskLimits, state: RiskState) -> list[Gate]:
    """Return every gate that is shut now; one that cannot be judged pauses, without a latch."""
    return gates_of((_stale_gate, *rules_of(limits)), limits, state)


def gates_of(rules: Sequence[Rule], limits: RiskLimits, state: RiskState) -> list[Gate]:
    """Return every gate that one of the rules shuts."""
    shut = []
    for rule in rules:
        gate = rule(limits, state)
        if gate is not None:
            shut.append(gate)
    return shut


def rules_of(limits: RiskLimits) -> tuple[Rule, ...]:
    """Return the rules that have anything to judge under these limits, all but the one of ages."""
    return tuple(rule for name, rule in _RULES if getattr(limits, name) is not None)


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
    return Gate(
        "max_loss", limits.max_loss_action, True, f"the session's net is {_plain(net)}, the limit {_plain(-limit)}"
    )


def _profit_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    limit, net = limits.max_profit_quote, state.session_net_quote
    if limit is None:
        return None
    if net is None:
        return _unjudged("max_profit")
    if net < limit:
        return None
    return Gate(
        "max_profit", limits.max_profit_action, True, f"the session's net is {_plain(net)}, the goal {_plain(limit)}"
    )


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
    told = f"the session's net is {_plain(net)}, it was {_plain(best)}"
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


def _price_move_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    shock = state.shock
    if limits.max_price_move_pct is None or shock is None:
        return None
    left_ns = shock.at_ns + limits.price_move_cooldown_ns - state.now_ns
    if left_ns <= 0:
        return None
    far = (
        f"{shock.move_pct:.2f} % within {limits.price_move_window_ns / _NS:g} s" if shock.move_pct else "too far before"
    )
    return Gate("price_move", "pause", False, f"the mid moved {far}")


def _reference_gate(limits: RiskLimits, state: RiskState) -> Gate | None:
    """Hold the mid against that of the reference, where there is one, else against what the venue tells beside it."""
    limit, book = limits.reference_deviation_bps, state.book
    if limit is None or book is None or not book.is_quotable:
        return None  # no book at all is the gate `stale`
    price, reason = _second_price(state)
    if price is None:
        return Gate("reference_unknown", "pause", False, reason)
    mid = float(state.instrument.tick_size) * book.mid_ticks()
    apart_bps = abs(mid / float(price) - 1) * 10_000
    if apart_bps <= limit:
        return None
    return Gate("reference_deviation", "pause", False, f"the mid is {apart_bps:.1f} bps away from {price:f}")


def _second_price(state: RiskState) -> tuple[Decimal | None, str]:
    """Return what the mid is held against: the reference, else the index, else the mark; or why there is none."""
    external, facts = state.external, state.facts
    if external is not None:
        return external.at(state.now_ns), f"{external.name}: {external.stale_reason(state.now_ns)}"
    price = None if facts is None else facts.index_price or facts.mark_price
    if price is None:
        return None, "the venue tells no price beside its book"
    if state.facts_age_ns is None or state.facts_age_ns > REFERENCE_AGE_NS:
        return None, "the price beside the book is too old"
    return price, ""


def drawdown(equity: Decimal, peak: Decimal) -> Decimal | None:
    """Return the fall from the peak as a share of it, None when the peak is not positive."""
    return (peak - equity) / peak if peak > 0 else None


# By the limit without which a rule has nothing to judge.
_RULES: tuple[tuple[str, Rule], ...] = (
    ("max_spread_bps", _spread_gate),
    ("max_loss_quote", _loss_gate),
    ("max_drawdown_pct", _drawdown_gate),
    ("max_profit_quote", _profit_gate),
    ("max_unrealised_loss_quote", _open_loss_gate),
    ("profit_lock_start_quote", _profit_lock_gate),
    ("max_price_move_pct", _price_move_gate),
    ("reference_deviation_bps", _reference_gate),
)
