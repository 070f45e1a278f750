"""What a backtest earned and why: pure arithmetic on its record.

Profit is split exactly. Each fill earns its distance from the mid it met (`spread`); from there on the position earns
what the mid does (`inventory`); `fees` is a cost, negative is a rebate; `funding` is what perpetuals paid us, negative
when we paid: net = spread + inventory - fees + funding.
A markout is what the mid says of a fill some time later, in bps of its price, weighted by size: below 0 the market ran
over us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from core.backtest.recorder import Recorder
from core.market.instrument import Instrument
from core.market.order import Side

MARKOUTS_S = (1, 5, 30, 60)
_NS = 10**9
PRECISION = 60  # digits, so that sums are exact
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profit:
    """The split of the profit, in quote."""

    spread: Decimal
    inventory: Decimal
    fees: Decimal
    funding: Decimal
    volume: Decimal

    @property
    def net(self) -> Decimal:
        """Return what is left."""
        return self.spread + self.inventory - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class Course:
    """How it went: one number for each sample. Money is float here, for pictures and drawdown."""

    times_ns: npt.NDArray[np.int64]
    mid: Floats
    position: Floats  # base
    net: Floats  # quote

    @property
    def drawdown(self) -> Floats:
        """Return how far the profit is below its highest so far, 0 or more."""
        return drawdown_of(self.net)


def drawdown_of(net: Floats) -> Floats:
    """Return how far a profit is below its highest so far, 0 or more."""
    return np.maximum.accumulate(np.maximum(net, 0.0)) - net


def profit_of(record: Recorder, instrument: Instrument, last_mid_half_ticks: int) -> Profit:
    """Return the exact split of the profit at the last mid."""
    with localcontext() as context:
        context.prec = PRECISION
        half = instrument.unit_quote / 2  # of half a tick times a lot
        spread = sum(
            fill.side.sign * (mid - 2 * fill.price_ticks) * fill.size_lots
            for fill, mid in zip(record.fills, record.fill_mids, strict=True)
        )
        moved, last = 0, last_mid_half_ticks
        for fill, mid in zip(record.fills, record.fill_mids, strict=True):
            signed = fill.side.sign * fill.size_lots
            moved += signed * (last - mid)
        volume = sum(fill.price_ticks * fill.size_lots for fill in record.fills) * instrument.unit_quote
        fees = sum((_fee_quote(record, at, instrument) for at in range(len(record.fills))), Decimal(0))
        funding = sum((payment.amount for payment in record.funding), Decimal(0))
        return Profit(spread * half, moved * half, fees, funding, Decimal(volume))


def _fee_quote(record: Recorder, at: int, instrument: Instrument) -> Decimal:
    fill = record.fills[at]
    if fill.fee_asset == instrument.base and instrument.base != instrument.quote:
        return fill.fee * instrument.to_price(fill.price_ticks)
    return fill.fee


def course_of(record: Recorder, instrument: Instrument) -> Course:
    """Return profit and position at each sample."""
    times = np.array(record.times, dtype=np.int64)
    tick, lot = float(instrument.tick_size), float(instrument.lot_size * instrument.contract_size)
    mid = np.array(record.mids, dtype=np.float64) * (tick / 2)
    fill_ns = np.array([fill.venue_ns for fill in record.fills], dtype=np.int64)
    signed = np.array([fill.side.sign * fill.size_lots for fill in record.fills], dtype=np.float64) * lot
    prices = np.array([fill.price_ticks for fill in record.fills], dtype=np.float64) * tick
    fees = np.array([float(_fee_quote(record, at, instrument)) for at in range(len(record.fills))], dtype=np.float64)
    before = np.searchsorted(fill_ns, times, side="right")
    position = np.concatenate([[0.0], np.cumsum(signed)])[before]
    cash = np.concatenate([[0.0], np.cumsum(-signed * prices - fees)])[before]
    paid_ns = np.array([payment.venue_ns for payment in record.funding], dtype=np.int64)
    paid = np.cumsum([0.0, *(float(payment.amount) for payment in record.funding)])
    cash = cash + paid[np.searchsorted(paid_ns, times, side="right")]
    return Course(times, mid, position, cash + position * mid)


def markouts(record: Recorder, horizons_s: Sequence[int] = MARKOUTS_S) -> dict[str, float | None]:
    """Return the mean markout by horizon, in bps; None where no fill is old enough."""
    times, mids = np.array(record.times, dtype=np.int64), np.array(record.mids, dtype=np.float64)
    fill_ns = np.array([fill.venue_ns for fill in record.fills], dtype=np.int64)
    prices = np.array([fill.price_ticks for fill in record.fills], dtype=np.float64)
    signs = np.array([fill.side.sign for fill in record.fills], dtype=np.float64)
    sizes = np.array([fill.size_lots for fill in record.fills], dtype=np.float64)
    found: dict[str, float | None] = {}
    for horizon_s in horizons_s:
        at = np.searchsorted(times, fill_ns + horizon_s * _NS)
        known = at < len(times)
        if not known.any():
            found[f"{horizon_s}s"] = None
            continue
        later = mids[at[known]] / 2
        bps = signs[known] * (later - prices[known]) / prices[known] * 10_000
        found[f"{horizon_s}s"] = round(float(np.average(bps, weights=sizes[known])), 6)
    return found


def summary_of(record: Recorder, instrument: Instrument, course: Course, snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return the table of statistics; money and sizes are decimal text."""
    stats = snapshot["stats"]
    return {
        **traded(record, instrument, course),
        "quote_uptime_pct": snapshot["quote_uptime_pct"],
        "markouts_bps": markouts(record),
        "decisions": stats.get("cycles", 0),
        "orders": order_counts(stats),
    }


def order_counts(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return how many orders there were, from the loop's counters."""
    return {key: stats.get(f"orders_{key}", 0) for key in ("created", "amended", "cancelled", "rejected")}


def traded(record: Recorder, instrument: Instrument, course: Course) -> dict[str, Any]:
    """Return what fills and payments of one leg came to; money and sizes are decimal text."""
    last_mid = record.mids[-1] if record.mids else 0
    profit = profit_of(record, instrument, last_mid)
    position = sum(fill.side.sign * fill.size_lots for fill in record.fills)
    return {
        "fills": len(record.fills),
        "buys": sum(fill.side is Side.BUY for fill in record.fills),
        "maker_fills": sum(fill.liquidity == "maker" for fill in record.fills),
        "volume_quote": decimal_text(profit.volume),
        "net_pnl": decimal_text(profit.net),
        "spread_pnl": decimal_text(profit.spread),
        "inventory_pnl": decimal_text(profit.inventory),
        "fees": decimal_text(profit.fees),
        "funding": decimal_text(profit.funding),
        "max_drawdown": round(float(course.drawdown.max()), 8) if len(course.net) else 0.0,
        "position": decimal_text(instrument.to_size(position)),
        "max_position": round(float(np.abs(course.position).max()), 12) if len(course.net) else 0.0,
    }


def decimal_text(number: Decimal) -> str:
    """Return a number without the zeros that its history left behind."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
