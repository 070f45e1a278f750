"""The keys of what the trades say; units and ranges are told in the schema."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.volume_signals import SignalWeights


@dataclass(frozen=True)  # without slots: a strategy's parameters have it beside another base
class TapeParams:
    """Pressure of the tape, and candles of equal volume with the weight of each of their effects."""

    vamp: bool = False
    vamp_weight: float = 0.25
    vamp_window_trades: int = 50
    vamp_window_s: float = 60.0
    toxic_level: float = 0.8
    toxic_hold_s: float = 5.0
    volume_candle_size: Decimal | None = None
    signal_gamma_volatility: float = 0.0
    signal_gamma_reversal: float = 0.0
    signal_kappa_volatility: float = 0.0
    signal_momentum: float = 0.0
    signal_reversal: float = 0.0
    signal_max_age_s: float = 120.0

    def signal_weights(self) -> SignalWeights:
        """Return how much each signal does."""
        return SignalWeights(
            self.signal_gamma_volatility,
            self.signal_gamma_reversal,
            self.signal_kappa_volatility,
            self.signal_momentum,
            self.signal_reversal,
        )

    def tape_keys(self) -> tuple[Any, ...]:
        """Return the values of the keys above: another tuple needs another `TapeSignals`."""
        return tuple(getattr(self, name) for name in TapeParams.__dataclass_fields__)
