"""What a regime model looks at, from closes alone, and what its components are called."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from math import fsum, isfinite, log, sqrt

FEATURES = ("ret_z", "vol_ratio", "trend_strength")
LABELS = ("trending", "ranging", "volatile")
SHORT, LONG = 20, 100  # bars


class RegimeFeatures:
    """The features of the last `short` bars against the last `long` ones."""

    def __init__(self, short: int = SHORT, long: int = LONG) -> None:
        if not 2 <= short < long:
            raise ValueError(f"windows were {short} and {long} bars")
        self._short, self._long = short, long
        self._closes: deque[float] = deque(maxlen=long + 1)

    def update(self, close: float) -> None:
        """Take a bar's close; one that is no price is left out."""
        if isfinite(close) and close > 0:
            self._closes.append(close)

    @property
    def value(self) -> tuple[float, float, float] | None:
        """Return ret_z, vol_ratio and trend_strength; None before a whole window, and where nothing moves."""
        if len(self._closes) <= self._long:
            return None
        closes = list(self._closes)
        squares = [log(after / before) ** 2 for before, after in pairwise(closes)]
        slow = sqrt(fsum(squares) / self._long)
        if slow == 0:
            return None
        fast = sqrt(fsum(squares[-self._short :]) / self._short)
        recent = closes[-self._short - 1 :]
        path = fsum(abs(after - before) for before, after in pairwise(recent))
        moved = recent[-1] - recent[0]
        z = log(recent[-1] / recent[0]) / (slow * sqrt(self._short))
        return z, fast / slow, abs(moved) / path if path > 0 else 0.0


def component_labels(features: Sequence[str], means: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """Name three components: the largest vol_ratio is volatile, of the others the straighter one is trending."""
    if len(means) != len(LABELS):
        raise ValueError(f"{len(means)} components; labels are for {len(LABELS)}")
    ratio, strength = features.index("vol_ratio"), features.index("trend_strength")
    volatile = max(range(3), key=lambda at: means[at][ratio])
    trending = max((at for at in range(3) if at != volatile), key=lambda at: means[at][strength])
    return tuple(("volatile" if at == volatile else "trending" if at == trending else "ranging") for at in range(3))
