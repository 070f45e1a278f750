"""GARCH(1,1) while returns arrive: fitted anew at an interval, carried on from return to return in between.

A fit of 2,000 returns takes some 20 ms, so it is done once in `refit_every` returns; everything else is constant time
and memory.
"""

from __future__ import annotations

from collections import deque
from math import isfinite, sqrt

import numpy as np

from core.market.garch import GarchSigma, garch_sigma


class LiveGarch:
    """The variance of the next return, from the last fit; without a fit to trust, the rolling standard deviation."""

    def __init__(self, window: int = 2000, refit_every: int = 300, fallback_window: int = 300) -> None:
        if not 1 <= fallback_window <= window or refit_every < 1:
            raise ValueError(f"windows were {window} and {fallback_window} returns, a fit every {refit_every}")
        self._returns: deque[float] = deque(maxlen=window)
        self._refit_every, self._fallback_window = refit_every, fallback_window
        self._since_fit = 0
        self._fit: GarchSigma | None = None
        self._following = 0.0

    def update(self, value: float) -> None:
        """Take a return; one that is no number is left out."""
        if not isfinite(value):
            return
        self._returns.append(value)
        self._since_fit += 1
        if self._fit is None or self._since_fit >= self._refit_every:
            self._refit()  # the first time only to say how many returns are lacking
        elif self._fit.params is not None:
            self._following = self._fit.params.next_variance(self._following, value)

    def _refit(self) -> None:
        self._fit = garch_sigma(np.array(self._returns), 0.0, 1, self._fallback_window)
        self._following = self._fit.following or 0.0
        self._since_fit = 0

    def sigma(self, floor: float, steps: int = 1) -> GarchSigma | None:
        """Return the volatility over the next `steps` returns, at least `floor` for one; None before two returns."""
        if self._fit is None or len(self._returns) < 2:
            return None
        least = floor * sqrt(steps)
        if self._fit.params is not None:
            found, source = sqrt(sum(self._fit.params.forecast(self._following, steps))), "garch"
        else:
            recent = np.array(self._returns)[-self._fallback_window :]
            found, source = float(np.std(recent)) * sqrt(steps), "rolling"
        return GarchSigma(
            max(found, least), source if found > least else "floor", self._fit.reason, self._fit.params, self._following
        )
