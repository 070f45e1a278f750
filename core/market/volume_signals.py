"""Four signals of volume candles, and what they do to gamma, kappa and the reservation price; all of it bounded.

They are scores in [0, 1] (momentum in [-1, 1]), not calibrated probabilities, and their weights are proposals without
market evidence: off by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum, log, sqrt, tanh
from typing import NamedTuple

from core.market.avellaneda import ModelQuote
from core.market.volume_candles import VolumeCandle


class VolumeSignals(NamedTuple):
    """What the candles say; `z` is the last move in its own standard deviations."""

    momentum: float
    reversal: float
    volatility: float
    exhaustion: float
    z: float


NEUTRAL = VolumeSignals(0.0, 0.0, 0.5, 0.0, 0.0)


def volume_signals(candles: Sequence[VolumeCandle], recent: int = 5, history: int = 50) -> VolumeSignals:
    """Return the signals of closed candles, oldest first; neutral with fewer than recent + 1."""
    n, kept = recent, list(candles)[-(history + 1) :]
    if len(kept) < n + 1:
        return NEUTRAL
    deltas = [one.delta for one in kept]
    flow = fsum(deltas[-n:]) / n
    z = _move(kept, n)
    t, sign = tanh(z), (z > 0) - (z < 0)
    slow = fsum(deltas) / len(deltas)
    fading = -_slope([sign * delta for delta in deltas[-n:]]) * (n - 1) / 2
    return VolumeSignals(
        momentum=(t + flow) / 2,
        reversal=abs(t) * _clip(-sign * (flow - slow), 0.0, 1.0),
        volatility=_relative_range(kept, n),
        exhaustion=abs(t) * _clip(fading, 0.0, 1.0),
        z=z,
    )


def _move(kept: list[VolumeCandle], n: int) -> float:
    """Return the last n candles' return in standard deviations of what n candles do."""
    returns = [log(after.close / before.close) for before, after in pairwise(kept)]
    deviation = sqrt(fsum(value * value for value in returns) / len(returns))
    return log(kept[-1].close / kept[-1 - n].close) / (deviation * sqrt(n)) if deviation > 0 else 0.0


def _relative_range(kept: list[VolumeCandle], n: int) -> float:
    ranges = [log(one.high / one.low) ** 2 for one in kept]
    fast, slow = fsum(ranges[-n:]) / n, fsum(ranges) / len(ranges)
    return fast / (fast + slow) if fast + slow > 0 else 0.5


def _slope(values: list[float]) -> float:
    """Return the least-squares slope over equal steps."""
    middle = (len(values) - 1) / 2
    spread = fsum((at - middle) ** 2 for at in range(len(values)))
    return fsum((at - middle) * value for at, value in enumerate(values)) / spread if spread else 0.0


def _clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def aged(signals: VolumeSignals, age_s: float, max_age_s: float) -> VolumeSignals:
    """Return the signals as they count after `age_s`: in full up to `max_age_s`, then fading over as much time."""
    if age_s <= max_age_s:
        return signals
    share = max(0.0, 2 - age_s / max_age_s) if max_age_s > 0 else 0.0
    return VolumeSignals(
        *(neutral + share * (value - neutral) for value, neutral in zip(signals, NEUTRAL, strict=True))
    )


@dataclass(frozen=True, slots=True)
class SignalWeights:
    """How much each signal does; 0 is off."""

    gamma_volatility: float = 0.0
    gamma_reversal: float = 0.0
    kappa_volatility: float = 0.0
    momentum: float = 0.0
    reversal: float = 0.0


PROPOSED = SignalWeights(0.5, 0.5, 0.3, 0.25, 0.25)


def gamma_factor(signals: VolumeSignals, weights: SignalWeights) -> float:
    """Return what gamma is multiplied with, 0.5 to 2."""
    louder = 2 * signals.volatility - 1
    return _clip(1 + weights.gamma_volatility * louder + weights.gamma_reversal * signals.reversal, 0.5, 2.0)


def kappa_factor(signals: VolumeSignals, weights: SignalWeights) -> float:
    """Return what kappa is multiplied with, 0.5 to 1.5."""
    return _clip(1 - weights.kappa_volatility * (2 * signals.volatility - 1), 0.5, 1.5)


def shifted(quote: ModelQuote, signals: VolumeSignals, weights: SignalWeights) -> ModelQuote:
    """Return the quote moved with momentum and against a reversal, by at most a quarter of the spread."""
    sign = (signals.z > 0) - (signals.z < 0)
    along = weights.momentum * signals.momentum * (1 - signals.exhaustion)
    shift = _clip(along - weights.reversal * sign * signals.reversal, -0.5, 0.5) * quote.spread / 2
    return ModelQuote(quote.bid + shift, quote.ask + shift, quote.reservation + shift, quote.spread)
