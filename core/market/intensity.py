"""How often the market trades through a distance: lambda(d) = A exp(-kappa d), estimated from the tape.

A burst is what one side takes within an interval; its depth is the furthest distance from the mid that it reached.
Depths are in the bot's unit of price, kappa in one over it, A (`intensity`) in bursts a second of one side.

By maximum likelihood, in constant time a burst; a regression of counts is the cross-check. Order flow is not
exponential over its whole range: estimate over the range where quotes are, from `floor` on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, log, sqrt
from typing import NamedTuple

from core.market.blending import blended
from core.market.order import Side

_LEAST_BURSTS = 200
_LEAST_R2 = 0.8
_LEAST_POINTS = 5
_LEAST_COUNT = 20


class Intensity(NamedTuple):
    """An estimate with its standard errors."""

    intensity: float
    kappa: float
    intensity_error: float
    kappa_error: float
    bursts: int


class Regression(NamedTuple):
    """The line through ln(count / seconds) over distance: the cross-check."""

    intensity: float
    kappa: float
    r2: float
    points: int


def most_likely(excess_sum: float, bursts: int, watched_s: float, floor: float = 0.0) -> Intensity | None:
    """Return the estimate of greatest likelihood, from the sum of (depth - floor); None when nothing decays."""
    if not (bursts > 0 and excess_sum > 0 and watched_s > 0 and isfinite(excess_sum)):
        return None
    kappa = bursts / excess_sum
    intensity = bursts / watched_s * exp(kappa * floor)
    return Intensity(intensity, kappa, intensity / sqrt(bursts), kappa / sqrt(bursts), bursts)


def regress(
    depths: Sequence[float], watched_s: float, grid: Sequence[float], min_count: int = _LEAST_COUNT
) -> Regression | None:
    """Return the least-squares line of ln(count reaching d / seconds) on the grid; None with fewer than two points."""
    ordered = sorted(depths)
    counts = [len(ordered) - bisect_left(ordered, distance) for distance in grid]
    points = [(d, log(n / watched_s)) for d, n in zip(grid, counts, strict=True) if n >= max(1, min_count)]
    if len(points) < 2:
        return None
    mean_d = fsum(d for d, _ in points) / len(points)
    mean_y = fsum(y for _, y in points) / len(points)
    spread = fsum((d - mean_d) ** 2 for d, _ in points)
    slope = fsum((d - mean_d) * (y - mean_y) for d, y in points) / spread if spread else 0.0
    total = fsum((y - mean_y) ** 2 for _, y in points)
    missed = fsum((y - mean_y - slope * (d - mean_d)) ** 2 for d, y in points)
    r2 = 1 - missed / total if total else 0.0
    return Regression(exp(mean_y - slope * mean_d), -slope, r2, len(points))


class BurstMeter:
    """Turns prints into bursts: one for each side and interval, at the furthest distance from the mid it reached."""

    def __init__(self, interval_s: float) -> None:
        if not interval_s > 0:
            raise ValueError(f"an interval was {interval_s} s")
        self._interval_ns = round(interval_s * 1e9)
        self._open: dict[Side, tuple[int, float]] = {}  # side -> interval, depth

    def update(self, at_ns: int, price: float, mid: float, aggressor: Side) -> tuple[Side, float] | None:
        """Take a print; return the side and depth of the burst before it on its side, if it began a new one."""
        depth = aggressor.sign * (price - mid)
        if not isfinite(depth):
            return None
        depth, interval = max(0.0, depth), at_ns // self._interval_ns
        before = self._open.get(aggressor)
        if before is not None and before[0] == interval:
            self._open[aggressor] = (interval, max(before[1], depth))
            return None
        self._open[aggressor] = (interval, depth)
        return None if before is None else (aggressor, before[1])


@dataclass(frozen=True, slots=True)
class IntensitySettings:
    """Over which bursts A and kappa are estimated and when an estimate is refused."""

    window_s: float = 1800.0
    most_bursts: int = 20_000
    sides: int = 1  # 2 when bursts of both sides are pooled: the estimate is of one
    floor: float = 0.0  # depths below it are left out
    grid: tuple[float, ...] = ()  # of the regression; empty: ten steps to the depth that a twentieth of bursts reach
    min_bursts: int = _LEAST_BURSTS
    min_r2: float = _LEAST_R2
    weight: float = 0.3  # of a new estimate
    most_factor: float = 2.0  # from one estimate to the next


class IntensityEstimator:
    """A and kappa over the last `window_s`: bounded memory, constant time a burst."""

    def __init__(self, settings: IntensitySettings) -> None:
        self.settings = settings
        self.value: Intensity | None = None  # the last good one
        self.refusal = "no bursts yet"
        self.r2: float | None = None
        self._bursts: deque[tuple[int, float]] = deque()
        self._excess = 0.0
        self._began_ns: int | None = None

    @property
    def bursts(self) -> int:
        """Return how many bursts are in the window."""
        return len(self._bursts)

    def watch(self, now_ns: int) -> None:
        """Say that the tape is watched from now on; a first burst says so, too."""
        if self._began_ns is None:
            self._began_ns = now_ns

    def update(self, at_ns: int, depth: float) -> None:
        """Take a burst."""
        self.watch(at_ns)
        if not (isfinite(depth) and depth >= self.settings.floor):
            return
        self._bursts.append((at_ns, depth))
        self._excess += depth - self.settings.floor
        self._forget(at_ns)

    def _forget(self, now_ns: int) -> None:
        """Leave out what is older than the window, and the oldest of too many."""
        bursts, settings = self._bursts, self.settings
        oldest_ns = now_ns - round(settings.window_s * 1e9)
        while bursts and (bursts[0][0] < oldest_ns or len(bursts) > settings.most_bursts):
            at_ns, depth = bursts.popleft()
            self._excess -= depth - settings.floor
            self._began_ns = max(self._began_ns or 0, at_ns)
        if not bursts:
            self._excess = 0.0  # what rounding left behind

    def estimate(self, now_ns: int) -> Intensity | None:
        """Return the estimate now, blended with the last; the last one when the new one is refused (`refusal`).

        Sorts the window: for every minute or so, not for every decision.
        """
        self._forget(now_ns)
        found, self.refusal = self._fresh(now_ns)
        if found is not None:
            self.value = self._joined(found)
        return self.value

    def _fresh(self, now_ns: int) -> tuple[Intensity | None, str]:
        settings, n = self.settings, len(self._bursts)
        if n < max(1, settings.min_bursts) or self._began_ns is None:
            return None, f"{n} bursts, fewer than {settings.min_bursts}"
        began_ns = max(self._began_ns, now_ns - round(settings.window_s * 1e9))
        watched_s = settings.sides * (now_ns - began_ns) / 1e9
        depths = [depth for _, depth in self._bursts]
        if min(depths) == max(depths):
            return None, "all bursts went to the same depth"
        found = most_likely(self._excess, n, watched_s, settings.floor)
        check = regress(depths, watched_s, settings.grid or _even_grid(depths, settings.floor)) if found else None
        if found is None or check is None or check.points < _LEAST_POINTS or check.kappa <= 0:
            return None, "depths do not decay"
        self.r2 = check.r2
        if check.r2 < settings.min_r2:
            return None, f"R2 is {check.r2:.2f}, below {settings.min_r2}"
        return found, ""

    def _joined(self, found: Intensity) -> Intensity:
        last, weight, factor = self.value, self.settings.weight, self.settings.most_factor
        return found._replace(
            intensity=blended(last and last.intensity, found.intensity, weight, factor),
            kappa=blended(last and last.kappa, found.kappa, weight, factor),
        )


def _even_grid(depths: Sequence[float], floor: float) -> list[float]:
    """Return ten distances from the floor to the depth that a twentieth of the bursts reach."""
    deep = sorted(depths)[-max(1, len(depths) // 20)]
    return [floor + (deep - floor) * step / 9 for step in range(10)]
