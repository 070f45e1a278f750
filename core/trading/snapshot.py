"""What a bot tells about itself: the trading part of `status --json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.market.order import OrderState
from core.market.position import VOLUMES
from core.market.risk_room import position_limit
from core.market.skew import inventory_ratio
from core.trading.clock import SECOND_NS
from core.trading.ledger_rows import text
from core.trading.live_stats import NO_ASK, NO_BID, own_tops

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

_ZERO = Decimal(0)
_VOLUMES = ("volume_quote", *VOLUMES)


@dataclass(frozen=True, slots=True)
class Told:
    """What only the loop itself can tell of itself."""

    phase: str
    gates: Sequence[str]
    paused: bool  # by an operator
    closing: str | None  # what is left to close and why, None when nothing is being closed
    uptime_pct: float
    lag_ns: int
    stats: dict[str, Any]  # the strategy's


def take_snapshot(bot: BotState, now_ns: int, told: Told) -> dict[str, Any]:
    """Return the keys of the contract; money and sizes as decimal strings, ages in seconds."""
    main = bot.legs[0]
    opened = [leg for leg in bot.legs if leg.is_open]
    ages = [age for leg in opened if (age := leg.book_age_ns(now_ns)) is not None]
    return {
        "phase": told.phase,
        "open_orders": sum(_open_orders(leg) for leg in bot.legs),
        "live_orders": sum(len(leg.tracker.live()) for leg in bot.legs),  # those in flight too: 0 is "quotes are off"
        "position": _position(main),
        "mid": None if not main.is_open or main.mid_ticks is None else text(main.mark() or _ZERO),
        "realised_pnl": _money(sum((leg.position.realised_pnl for leg in bot.legs), _ZERO)),
        "unrealised_pnl": _money(sum((_unrealised(leg) for leg in opened), _ZERO)),
        "fees": _money(sum((leg.position.fees_paid for leg in bot.legs), _ZERO)),
        "funding": _money(sum((leg.position.funding_paid for leg in bot.legs), _ZERO)),
        "fills": sum(leg.position.fills for leg in bot.legs),
        "quote_uptime_pct": round(told.uptime_pct, 2),
        "gates": list(told.gates),
        "paused": told.paused,
        "closing": told.closing,
        "legs": [_leg(leg) for leg in bot.legs],
        "book_age_s": max(ages) / SECOND_NS if ages else None,
        "last_ack_age_s": None if bot.last_ack_ns is None else (now_ns - bot.last_ack_ns) / SECOND_NS,
        "loop_lag_ms": round(told.lag_ns / 1_000_000, 3),
        "stats": _stats(bot, told.stats, now_ns),
    }


def _money(amount: Decimal) -> str:
    """Return an amount without the zeros that its history left behind."""
    written = text(amount)
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _open_orders(leg: LegState) -> int:
    """Return how many orders the venue has, as far as we know: all that are live but not those still in flight."""
    return sum(order.state is not OrderState.PENDING_NEW for order in leg.tracker.live())


def _position(leg: LegState) -> str:
    return text(leg.instrument.to_size(leg.position.size_lots)) if leg.is_open else "0"


def _unrealised(leg: LegState) -> Decimal:
    """Return the open profit at the last mark; without any mark none is claimed."""
    mark = leg.mark()
    return _ZERO if mark is None else leg.position.unrealised_pnl(mark, leg.instrument)


def _leg(leg: LegState) -> dict[str, Any]:
    return {
        "leg": leg.name,
        "exchange": leg.leg.exchange,
        "account": leg.leg.account,
        "symbol": leg.leg.symbol,
        "position": _position(leg),
        "open_orders": _open_orders(leg),
        "dead_man": leg.client.capabilities.dead_man_scope.value,
        "clock_offset_ms": None if (offset_ms := leg.client.clock_offset_ms()) is None else round(offset_ms),
    }


def _stats(bot: BotState, strategy_stats: dict[str, Any], now_ns: int) -> dict[str, Any]:
    session = bot.session
    return {
        **{name: bot.counters[name] for name in sorted(bot.counters)},
        "grid_profit": _money(sum((leg.position.grid_profit for leg in bot.legs), _ZERO)),
        **bot.live.told(bot),
        **({} if bot.reference is None else bot.reference.told(now_ns)),
        **{name: _money(sum((getattr(leg.position, name) for leg in bot.legs), _ZERO)) for name in _VOLUMES},
        "inventory_ratio": strategy_stats.get("inventory_ratio", _inventory_ratio(bot.legs[0])),
        "spread_quoted_bps": _spread_quoted_bps(bot),
        "avg_entry": _average_entry(bot.legs[0]),
        **_last_action(bot, now_ns),
        "breaker_state": bot.breaker.state(now_ns),
        "session_net": None if session.net is None else _money(session.net),
        "session_peak": None if session.peak is None else _money(session.peak),
        "ledger_error": bot.journal.reason or None,
        "strategy": strategy_stats,
    }


def _inventory_ratio(leg: LegState) -> float | None:
    """Return the position over its limit within -1 and 1; None without a limit, or without the price that it needs."""
    limit = position_limit(leg.limits, leg.book, leg.instrument)[0] if leg.is_open else None
    return round(inventory_ratio(leg.position.size_lots, 0, limit), 6) if limit else None


def _spread_quoted_bps(bot: BotState) -> float | None:
    """Return how far apart the best own bid and ask rest on the first leg that has both, in bps of their middle."""
    for leg in bot.legs:
        bid, ask = own_tops(leg)
        if bid > NO_BID and ask < NO_ASK and bid + ask:
            return round(20_000 * (ask - bid) / (ask + bid), 4)
    return None


def _average_entry(leg: LegState) -> str | None:
    """Return the average price of what the leg holds, None when that is nothing."""
    average = leg.position.average_price(leg.instrument) if leg.is_open else None
    return None if average is None else _money(round(average, 12))


def _last_action(bot: BotState, now_ns: int) -> dict[str, Any]:
    """Return what this worker sent to a venue last, and how long ago."""
    if bot.live.did is None:
        return {"last_action": None, "last_action_age_s": None}
    what, orders, leg, at_ns = bot.live.did
    return {"last_action": f"{what} {orders} {leg}", "last_action_age_s": round((now_ns - at_ns) / SECOND_NS, 3)}
