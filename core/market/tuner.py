"""The adaptive tuner: losing round trips raise gamma and lower kappa, winning ones the other way, within a band.

Its constants are proposals without market evidence: off by default, and frozen while a bot is halted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp, fsum, isfinite, log, sqrt
from typing import Any


@dataclass(frozen=True, slots=True)
class TunerSettings:
    """Where it starts and how far and fast it goes."""

    gamma0: float
    kappa0: float
    eta: float = 0.10
    rho: float = 0.02
    band: float = 4.0  # gamma and kappa stay within this factor of where they start
    target: float = 0.55  # share of round trips to be won
    window: int = 50
    min_n: int = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be tuned; raises ValueError."""
        if not (self.gamma0 > 0 and self.kappa0 > 0 and self.band >= 1 and self.eta >= 0 and 0 <= self.rho <= 1):
            raise ValueError("gamma0 and kappa0 are positive, band at least 1, eta not negative, rho a share")
        if not 1 <= self.min_n <= self.window:
            raise ValueError("min_n lies between 1 and the window")


@dataclass(frozen=True, slots=True)
class Tuner:
    """Two offsets in logs and the profits of the last round trips; a value of its own for each trip."""

    settings: TunerSettings
    gamma_offset: float = 0.0
    kappa_offset: float = 0.0
    profits: tuple[float, ...] = ()

    @property
    def gamma(self) -> float:
        """Return the tuned risk aversion."""
        return self.settings.gamma0 * exp(self.gamma_offset)

    @property
    def kappa(self) -> float:
        """Return the tuned decay of fills."""
        return self.settings.kappa0 * exp(self.kappa_offset)

    def after_trip(self, profit: float) -> Tuner:
        """Return the tuner after a closed round trip. Raises ValueError for a profit that is no number."""
        if not isfinite(profit):
            raise ValueError(f"a round trip's profit was {profit}")
        settings = self.settings
        profits = (*self.profits, profit)[-settings.window :]
        if len(profits) < settings.min_n:
            return replace(self, profits=profits)
        push, most, keep = settings.eta * self._error(profits), log(settings.band), 1 - settings.rho
        return replace(
            self,
            gamma_offset=_clip(keep * self.gamma_offset + push, most),
            kappa_offset=_clip(keep * self.kappa_offset - push, most),
            profits=profits,
        )

    def _error(self, profits: tuple[float, ...]) -> float:
        """Return how badly it goes, -1 to 1: too few trips won, and their mean against their size."""
        n, largest = len(profits), max(map(abs, profits))
        won = (sum(profit > 0 for profit in profits) + 1) / (n + 2)
        # Of shares of the largest: squares of huge profits overflow, those of tiny ones vanish.
        shares = [profit / largest for profit in profits] if largest > 0 else [0.0]
        rms = sqrt(fsum(share * share for share in shares) / len(shares))
        score = fsum(shares) / len(shares) / rms if rms > 0 else 0.0
        return _clip(0.5 * (self.settings.target - won) - 0.5 * score, 1.0)

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        return {
            "gamma0": self.settings.gamma0,
            "kappa0": self.settings.kappa0,
            "gamma_offset": self.gamma_offset,
            "kappa_offset": self.kappa_offset,
            "profits": list(self.profits),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], settings: TunerSettings) -> Tuner:
        """Return what was recorded; a fresh one when it started elsewhere. Raises ValueError for a damaged record."""
        try:
            if (plain["gamma0"], plain["kappa0"]) != (settings.gamma0, settings.kappa0):
                return cls(settings)
            offsets = float(plain["gamma_offset"]), float(plain["kappa_offset"])
            profits = tuple(map(float, plain["profits"]))[-settings.window :]
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a tuner's record: {exc!r}") from exc
        if not all(map(isfinite, (*offsets, *profits))):
            raise ValueError("not a tuner's record: it holds what is no number")
        most = log(settings.band)
        return cls(settings, _clip(offsets[0], most), _clip(offsets[1], most), profits)


def _clip(value: float, most: float) -> float:
    return max(-most, min(most, value))
