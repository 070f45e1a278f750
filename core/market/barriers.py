"""The triple barrier: a loss, a gain or an age at which what is held is closed; the first one reached counts. Pure.

What is held is told by its sign and judged by its gain in quote against a base value in quote: the unrealised profit
against the entry value for a position, the equity against the investment for a grid. The clock begins when something is
held, and again when its sign turns; what is added to it does not set the clock back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from utils.errors import ConfigError

_PERCENT = Decimal(100)
_SECOND_NS = 1_000_000_000
BARRIER_KEYS = (
    "stop_loss",
    "take_profit",
    "stop_loss_pct",
    "take_profit_pct",
    "trailing_start_pct",
    "trailing_delta_pct",
    "time_limit_s",
)


class Barrier(str, Enum):
    """What was reached; when several are at once the first of these is told: stops, then time, then profit."""

    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"
    TIME_LIMIT = "time_limit"
    TAKE_PROFIT = "take_profit"


@dataclass(frozen=True, slots=True)
class BarrierLimits:
    """Where the barriers stand, all of them positive; None is off. Percentages are of the base value.

    The trailing stop is armed once the gain has reached `trailing_start_pct`, and is reached when the gain has fallen
    by `trailing_delta_pct` percentage points from its highest since.
    """

    stop_loss_quote: Decimal | None = None
    take_profit_quote: Decimal | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    trailing_start_pct: Decimal | None = None
    trailing_delta_pct: Decimal | None = None
    time_limit_ns: int | None = None


def barrier_limits(config: Mapping[str, Any]) -> BarrierLimits:
    """Return the barriers of a validated section; amounts may be given with their sign. Raises ConfigError."""
    values = {key: Decimal(str(config[key])) for key in BARRIER_KEYS if config.get(key) is not None}
    for key in ("stop_loss", "take_profit"):
        if key in values and not values[key]:
            raise ConfigError(f"{key} must not be 0: null is off")
    if ("trailing_start_pct" in values) != ("trailing_delta_pct" in values):
        raise ConfigError("trailing_start_pct and trailing_delta_pct need each other")
    limit_s = values.get("time_limit_s")
    return BarrierLimits(
        stop_loss_quote=abs(values["stop_loss"]) if "stop_loss" in values else None,
        take_profit_quote=abs(values["take_profit"]) if "take_profit" in values else None,
        stop_loss_pct=values.get("stop_loss_pct"),
        take_profit_pct=values.get("take_profit_pct"),
        trailing_start_pct=values.get("trailing_start_pct"),
        trailing_delta_pct=values.get("trailing_delta_pct"),
        time_limit_ns=None if limit_s is None else int(limit_s * _SECOND_NS),
    )


@dataclass(frozen=True)  # without slots: strategies have it beside another base
class BarrierParams:
    """The keys of the barriers, the same in every strategy that has them; told in its schema."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None
    trailing_start_pct: float | None = None
    trailing_delta_pct: float | None = None
    time_limit_s: float | None = None
    barrier_cooldown_s: float = 60.0

    def barriers(self) -> BarrierLimits:
        """Return where the barriers stand. Raises ConfigError for those that contradict each other."""
        return barrier_limits({key: getattr(self, key) for key in BARRIER_KEYS})


@dataclass(frozen=True, slots=True)
class BarrierClock:
    """What the barriers remember of what is held."""

    side: int = 0  # 1 long, -1 short, 0 nothing
    since_ns: int = 0
    peak_pct: Decimal | None = None  # the highest gain since the trailing stop was armed; None before

    def follow(self, held: int, now_ns: int) -> BarrierClock:
        """Return the clock for `held` (only its sign counts), begun anew when that is not the side of before."""
        side = (held > 0) - (held < 0)
        return self if side == self.side else BarrierClock(side, now_ns)


def judge(
    limits: BarrierLimits, clock: BarrierClock, gain_quote: Decimal, base_quote: Decimal, now_ns: int
) -> tuple[BarrierClock, Barrier | None]:
    """Return the clock after a look at the gain, and the barrier that is reached, None when none is."""
    if not clock.side:
        return clock, None
    # Without a base value there are no percentages; amounts and time are judged all the same.
    gain_pct = gain_quote * _PERCENT / base_quote if base_quote > 0 else None
    clock = _after_gain(limits, clock, gain_pct)
    reached = (
        (Barrier.STOP_LOSS, _has_lost(limits, gain_quote, gain_pct)),
        (Barrier.TRAILING_STOP, _has_fallen(limits, clock, gain_pct)),
        (Barrier.TIME_LIMIT, limits.time_limit_ns is not None and now_ns - clock.since_ns >= limits.time_limit_ns),
        (Barrier.TAKE_PROFIT, _has_gained(limits, gain_quote, gain_pct)),
    )
    return clock, next((barrier for barrier, is_reached in reached if is_reached), None)


def _after_gain(limits: BarrierLimits, clock: BarrierClock, gain_pct: Decimal | None) -> BarrierClock:
    start = limits.trailing_start_pct
    if gain_pct is None or start is None:
        return clock
    is_news = gain_pct >= start if clock.peak_pct is None else gain_pct > clock.peak_pct
    return replace(clock, peak_pct=gain_pct) if is_news else clock


def _has_lost(limits: BarrierLimits, gain_quote: Decimal, gain_pct: Decimal | None) -> bool:
    by_amount, by_share = limits.stop_loss_quote, limits.stop_loss_pct
    if by_amount is not None and gain_quote <= -by_amount:
        return True
    return by_share is not None and gain_pct is not None and gain_pct <= -by_share


def _has_gained(limits: BarrierLimits, gain_quote: Decimal, gain_pct: Decimal | None) -> bool:
    by_amount, by_share = limits.take_profit_quote, limits.take_profit_pct
    if by_amount is not None and gain_quote >= by_amount:
        return True
    return by_share is not None and gain_pct is not None and gain_pct >= by_share


def _has_fallen(limits: BarrierLimits, clock: BarrierClock, gain_pct: Decimal | None) -> bool:
    delta, peak = limits.trailing_delta_pct, clock.peak_pct
    return delta is not None and peak is not None and gain_pct is not None and peak - gain_pct >= delta
