"""A and kappa while the tape goes on: both sides pooled for quoting, each side for show; estimated at an interval."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from core.market.intensity import BurstMeter, Intensity, IntensityEstimator, IntensitySettings
from core.market.order import Side


@dataclass(frozen=True, slots=True)
class LiveIntensitySettings:
    """How the tape is watched; depths are in the bot's unit of price."""

    refresh_s: float = 60.0
    burst_interval_s: float = 1.0
    no_trade_timeout_s: float = 600.0
    estimator: IntensitySettings = field(default_factory=IntensitySettings)


class LiveIntensity:
    """Prints in, A and kappa out; nothing while no trade was seen for too long."""

    def __init__(self, settings: LiveIntensitySettings) -> None:
        self._settings = settings
        self._meter = BurstMeter(settings.burst_interval_s)
        self._pooled = IntensityEstimator(replace(settings.estimator, sides=2))
        self._sides = {side: IntensityEstimator(settings.estimator) for side in Side}
        self._estimated_ns: int | None = None
        self._traded_ns: int | None = None

    def update(self, at_ns: int, price: float, mid: float, aggressor: Side) -> None:
        """Take a print; price and mid in the unit of price."""
        self._traded_ns = at_ns
        burst = self._meter.update(at_ns, price, mid, aggressor)
        if burst is not None:
            side, depth = burst
            self._pooled.update(at_ns, depth)
            self._sides[side].update(at_ns, depth)

    def value(self, now_ns: int) -> Intensity | None:
        """Return the estimate of one side from both, worked out anew when due; None when there is none to go by."""
        if self.is_silent(now_ns):
            return None
        if self._estimated_ns is None or now_ns - self._estimated_ns >= self._settings.refresh_s * 1e9:
            self._estimated_ns = now_ns
            for one in (self._pooled, *self._sides.values()):
                one.estimate(now_ns)
        return self._pooled.value

    def is_silent(self, now_ns: int) -> bool:
        """Tell whether no trade was seen for so long that the tape says nothing."""
        return self._traded_ns is None or now_ns - self._traded_ns > self._settings.no_trade_timeout_s * 1e9

    def stats(self) -> dict[str, Any]:
        """Return the estimates with what they are from, None where there is none."""
        found = {"both": self._pooled} | {side.value: one for side, one in self._sides.items()}
        return {
            name: {
                "kappa": one.value and one.value.kappa,
                "kappa_error": one.value and one.value.kappa_error,
                "intensity": one.value and one.value.intensity,
                "intensity_error": one.value and one.value.intensity_error,
                "r2": one.r2,
                "bursts": one.bursts,
                "refusal": one.refusal,
            }
            for name, one in found.items()
        }
