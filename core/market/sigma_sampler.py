"""Sigma from the mid, sampled at a fixed step: what quotes go by while they live.

The mid is looked at once a step; a gap of more than three steps splits the sample, so that no return spans it. The
result is relative and per square root of a second, within a floor and a cap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import fsum, isfinite, log, sqrt

from core.market.garch_live import LiveGarch

_GAP_STEPS = 3
METHODS = ("returns", "ewma", "garch")


@dataclass(frozen=True, slots=True)
class SigmaSettings:
    """How sigma is measured; `floor` and `cap` are relative, per square root of a second."""

    method: str = "returns"
    step_s: float = 1.0
    window: int = 200  # returns
    min_samples: int = 20
    halflife_s: float = 60.0
    garch_window: int = 2000  # returns
    garch_refit_s: float = 300.0
    floor: float = 1e-6
    cap: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse what cannot be measured with; raises ValueError."""
        if self.method not in METHODS:
            raise ValueError(f"method was {self.method!r}; it is one of {', '.join(METHODS)}")
        if not (self.step_s > 0 and self.halflife_s > 0 and 0 < self.floor <= self.cap):
            raise ValueError("step, halflife and floor must be positive and the floor not above the cap")
        if not (self.garch_window >= 500 and self.garch_refit_s > 0):
            raise ValueError("garch needs 500 returns and an interval")
        if not 2 <= self.min_samples <= self.window:
            raise ValueError("min_samples lies between 2 and the window")


class SigmaSampler:
    """Log returns of the mid per step, and their spread."""

    def __init__(self, settings: SigmaSettings) -> None:
        self.settings = settings
        self.returns: deque[float] = deque(maxlen=settings.window)
        self._garch: LiveGarch | None = None
        if settings.method == "garch":
            refit_every = max(1, round(settings.garch_refit_s / settings.step_s))
            self._garch = LiveGarch(settings.garch_window, refit_every)
        self.source = settings.method  # what the value is from: garch may fall back to `rolling`
        self._step_ns = round(settings.step_s * 1e9)
        self._at_ns: int | None = None
        self._log_mid = 0.0
        self._variance: float | None = None  # of a step, exponentially weighted
        self._sigma: float | None = None  # worked out once a return, asked for at each decision
        self._decay = 0.5 ** (settings.step_s / settings.halflife_s)

    def update(self, now_ns: int, mid: float) -> bool:
        """Look at the mid; tell whether a return was taken."""
        if not (isfinite(mid) and mid > 0):
            return False
        if self._at_ns is None:
            self._at_ns, self._log_mid = now_ns, log(mid)
            return False
        passed_ns = now_ns - self._at_ns
        if passed_ns < self._step_ns:
            return False
        log_mid = log(mid)
        gap = passed_ns > _GAP_STEPS * self._step_ns
        if not gap:  # a late look is a longer return: scaled to one step
            self._take((log_mid - self._log_mid) / sqrt(passed_ns / self._step_ns))
        self._at_ns, self._log_mid = now_ns, log_mid
        return not gap

    def _take(self, value: float) -> None:
        self.returns.append(value)
        if self._garch is not None:
            self._garch.update(value)
        squared = value * value
        before = self._variance
        self._variance = squared if before is None else self._decay * before + (1 - self._decay) * squared
        self._sigma = None

    @property
    def value(self) -> float | None:
        """Return sigma, relative and per square root of a second; None before `min_samples` returns."""
        if len(self.returns) < self.settings.min_samples:
            return None
        if self._sigma is None:
            per_second = self._of_a_step() / sqrt(self.settings.step_s)
            self._sigma = max(self.settings.floor, min(self.settings.cap, per_second))
        return self._sigma

    def _of_a_step(self) -> float:
        """Return the volatility of a step by the method that was chosen."""
        if self._garch is not None:
            found = self._garch.sigma(self.settings.floor * sqrt(self.settings.step_s))
            if found is not None:
                self.source = found.source
                return found.sigma
        return sqrt(self._variance or 0.0) if self.settings.method == "ewma" else sqrt(self._sample_variance())

    def _sample_variance(self) -> float:
        """Return the population variance of the returns in the window."""
        n = len(self.returns)
        mean = fsum(self.returns) / n
        return fsum((value - mean) ** 2 for value in self.returns) / n
