"""What the legs of a bot come to together: profit, and what is held open between them. Pure.

Money of all legs is added as if their quote assets were one. The exposure to a base asset is what all legs that trade
it hold of it, from their fills: 0 where everything is hedged. What is held is worth its leg's mid; the sum over all
legs, shorts below 0, is what the bot gains or loses when every price moves alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from core.backtest.figures import (
    PRECISION,
    Course,
    Floats,
    decimal_text,
    drawdown_of,
    markouts,
    order_counts,
    traded,
)
from core.backtest.fills_csv import digest_of, fills_text
from core.backtest.recorder import Recorder
from core.bot_config import Leg
from core.market.instrument import Instrument

Times = npt.NDArray[np.int64]
EXPOSURES = ("max_exposure_quote", "mean_exposure_quote")  # figures that only a bot with several legs has
_COUNTS = ("fills", "buys", "maker_fills")
_MONEY = ("volume_quote", "net_pnl", "spread_pnl", "inventory_pnl", "fees", "funding")
_DECIMALS = 12  # of a float: what adding up leaves behind it is not told


@dataclass(frozen=True, slots=True)
class PlayedLeg:
    """What was written down of a leg."""

    leg: Leg
    instrument: Instrument
    record: Recorder
    course: Course
    model: Mapping[str, Any]  # how its venue filled
    events: int


@dataclass(frozen=True, slots=True)
class Together:
    """All legs at every moment at which one of them was sampled or had a fill; money is float here."""

    times_ns: Times
    net: Floats  # quote
    exposure: Mapping[str, Floats]  # by base asset, in base
    value: Floats  # of all exposures, in quote

    @property
    def drawdown(self) -> Floats:
        """Return how far the profit is below its highest so far, 0 or more."""
        return drawdown_of(self.net)


def together_of(legs: Sequence[PlayedLeg]) -> Together:
    """Return the sum of legs, as it is after each moment's last fill."""
    times = np.unique(np.concatenate([part for leg in legs for part in (_sample_times(leg), _fill_times(leg))]))
    net, value = np.zeros(len(times)), np.zeros(len(times))
    exposure: dict[str, Floats] = {}
    for leg in legs:
        base, position = leg.instrument.base, _position_at(leg, times)
        net += _last_known(leg.course.times_ns, leg.course.net, times, 0.0)
        value += position * _mid_at(leg, times)
        exposure[base] = exposure.get(base, np.zeros(len(times))) + position
    return Together(times, net, {base: np.round(held, _DECIMALS) for base, held in exposure.items()}, value)


def _sample_times(leg: PlayedLeg) -> Times:
    return np.array(leg.record.times, dtype=np.int64)


def _fill_times(leg: PlayedLeg) -> Times:
    return np.array([fill.venue_ns for fill in leg.record.fills], dtype=np.int64)


def _position_at(leg: PlayedLeg, times: Times) -> Floats:
    lots = np.cumsum([fill.side.sign * fill.size_lots for fill in leg.record.fills]).astype(np.float64)
    return _last_known(_fill_times(leg), lots * float(leg.instrument.lot_base), times, 0.0)


def _mid_at(leg: PlayedLeg, times: Times) -> Floats:
    """Return the mid as it was last seen, by a sample or by a fill; before that the first one."""
    record = leg.record
    seen_ns = np.concatenate([_sample_times(leg), _fill_times(leg)])
    mids = np.array([*record.mids, *record.fill_mids], dtype=np.float64) * (float(leg.instrument.tick_size) / 2)
    order = np.argsort(seen_ns, kind="stable")
    return _last_known(seen_ns[order], mids[order], times, float(mids[order][0]) if len(order) else 0.0)


def _last_known(known_ns: Times, values: Floats, times: Times, before: float) -> Floats:
    """Return the newest value at each time; `before` where there was none yet."""
    return np.concatenate([[before], values])[np.searchsorted(known_ns, times, side="right")]


def held_open(times: Times, held: Floats) -> tuple[float, float]:
    """Return the largest amount of either sign and the mean one; what lasted for no time does not count."""
    lasted = np.diff(times, append=times[-1:]).astype(np.float64)
    sizes = np.abs(held)
    if not lasted.any():
        return 0.0, 0.0
    return float(sizes[lasted > 0].max()), float(np.average(sizes, weights=lasted))


def legs_summary(legs: Sequence[PlayedLeg], snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statistics of the bot, with those of its legs; money and sizes are decimal text."""
    tables, all_legs = [_table(leg) for leg in legs], together_of(legs)
    stats = snapshot["stats"]
    most, mean = held_open(all_legs.times_ns, all_legs.value)
    return {
        **{key: sum(table[key] for table in tables) for key in _COUNTS},
        **{key: _money(table[key] for table in tables) for key in _MONEY},
        "max_drawdown": round(float(all_legs.drawdown.max()), 8) if len(all_legs.net) else 0.0,
        "max_position": max(table["max_position"] for table in tables),
        "max_exposure_quote": round(most, 8),
        "mean_exposure_quote": round(mean, 8),
        "exposure": {base: _exposure(base, legs, all_legs) for base in all_legs.exposure},
        "quote_uptime_pct": snapshot["quote_uptime_pct"],
        "markouts_bps": _markouts(tables),
        "decisions": stats.get("cycles", 0),
        "orders": order_counts(stats),
        "strategy": stats["strategy"],
        "legs": tables,
    }


def _table(leg: PlayedLeg) -> dict[str, Any]:
    """Return the statistics of one leg."""
    return {
        "leg": leg.leg.leg,
        "exchange": leg.leg.exchange,
        "symbol": leg.leg.symbol,
        **leg.model,
        "events": leg.events,
        **traded(leg.record, leg.instrument, leg.course),
        "markouts_bps": markouts(leg.record),
        "fills_sha256": digest_of(fills_text(leg.record.fills, leg.instrument)),
    }


def _money(amounts: Iterable[str]) -> str:
    with localcontext() as context:
        context.prec = PRECISION
        return decimal_text(sum(map(Decimal, amounts), Decimal(0)))


def _exposure(base: str, legs: Sequence[PlayedLeg], all_legs: Together) -> dict[str, Any]:
    """Return what is open of a base asset at the end, exactly, and what was open until then."""
    trading = [leg for leg in legs if leg.instrument.base == base]
    end = sum(fill.side.sign * fill.size_lots * leg.instrument.lot_base for leg in trading for fill in leg.record.fills)
    most, mean = held_open(all_legs.times_ns, all_legs.exposure[base])
    return {"end": decimal_text(Decimal(end)), "max": round(most, _DECIMALS), "mean": round(mean, _DECIMALS)}


def _markouts(tables: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the markouts of all legs, weighted by what they have traded."""
    return {after: _weighted(tables, after) for after in tables[0]["markouts_bps"]}


def _weighted(tables: Sequence[Mapping[str, Any]], after: str) -> float | None:
    known = [table for table in tables if table["markouts_bps"][after] is not None]
    if not known:
        return None
    volumes = [float(table["volume_quote"]) for table in known]
    return round(float(np.average([table["markouts_bps"][after] for table in known], weights=volumes)), 6)
