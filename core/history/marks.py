"""What the mid said of fills some time later: arithmetic only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.history.records import FillRow, Markout

BEGIN = "SELECT MIN(utc_ns) FROM series WHERE step_s = ?"
MIDS = "SELECT leg, utc_ns, mid FROM series WHERE mid IS NOT NULL AND utc_ns >= ? ORDER BY leg, utc_ns"
_SECOND_NS = 1_000_000_000
NEAR_NS = 6 * _SECOND_NS  # rows are ten seconds apart, so one is at most half of that away
_AFTER_FILL_NS = 2 * _SECOND_NS  # a fill is followed by a row of its own


@dataclass(slots=True)
class _Course:
    times_ns: list[int] = field(default_factory=list)
    mids: list[float] = field(default_factory=list)


class Mids:
    """The mids of each leg over time."""

    def __init__(self, rows: Iterable[tuple[str, int, str]]) -> None:
        """Take the rows of MIDS."""
        self._legs: dict[str, _Course] = {}
        for leg, utc_ns, mid in rows:
            course = self._legs.setdefault(leg, _Course())
            course.times_ns.append(utc_ns)
            course.mids.append(float(mid))

    def at_fill(self, leg: str, utc_ns: int) -> float | None:
        """Return the mid that a fill met: the first row after it, else the nearest; None when none is near."""
        course = self._legs.get(leg, _Course())
        after = bisect_left(course.times_ns, utc_ns)
        if after < len(course.times_ns) and course.times_ns[after] - utc_ns <= _AFTER_FILL_NS:
            return course.mids[after]
        return self.near(leg, utc_ns, NEAR_NS)

    def near(self, leg: str, utc_ns: int, within_ns: int) -> float | None:
        """Return the mid of the row nearest to a time, None when none is within reach."""
        course = self._legs.get(leg, _Course())
        after = bisect_left(course.times_ns, utc_ns)
        around = [at for at in (after - 1, after) if 0 <= at < len(course.times_ns)]
        best = min(around, key=lambda at: abs(course.times_ns[at] - utc_ns), default=None)
        if best is None or abs(course.times_ns[best] - utc_ns) > within_ns:
            return None
        return course.mids[best]


@dataclass(slots=True)
class _Mean:
    weighted: float = 0.0
    weight: float = 0.0
    fills: int = 0


def mean_markouts(course: Mids, fills: Iterable[FillRow], horizons_s: Sequence[float]) -> list[Markout]:
    """Return the mean of each horizon, 0 being the captured spread."""
    means = {horizon_s: _Mean() for horizon_s in horizons_s}
    for fill in fills:
        price, size, sign = float(fill.price), float(fill.size), 1 if fill.side == "buy" else -1
        for horizon_s, mean in means.items():
            mid = _mid_for(course, fill, horizon_s)
            if mid is not None and price:
                mean.weighted += sign * (mid - price) / price * 10_000 * size
                mean.weight += size
                mean.fills += 1
    return [_told(horizon_s, mean) for horizon_s, mean in means.items()]


def _mid_for(course: Mids, fill: FillRow, horizon_s: float) -> float | None:
    if horizon_s == 0:
        return course.at_fill(fill.leg, fill.utc_ns)
    within_ns = max(NEAR_NS, round(horizon_s * _SECOND_NS / 10))
    return course.near(fill.leg, fill.utc_ns + round(horizon_s * _SECOND_NS), within_ns)


def _told(horizon_s: float, mean: _Mean) -> Markout:
    return Markout(horizon_s, round(mean.weighted / mean.weight, 4) if mean.weight else None, mean.fills)
