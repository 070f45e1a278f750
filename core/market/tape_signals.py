"""What the trades say about the next moment: pressure of the tape, and the signals of candles of equal volume.

Every effect is bounded and off by default: the weights are proposals without market evidence. Signals are worked out
when a candle closes, not for every decision.
"""

from __future__ import annotations

from typing import Any

from core.market.avellaneda import ModelInputs, ModelQuote
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.order_flow import FlowPressure, ToxicFlow, pressed_reservation
from core.market.tape_params import TapeParams
from core.market.volume_candles import VolumeCandles
from core.market.volume_signals import (
    NEUTRAL,
    VolumeSignals,
    aged,
    gamma_factor,
    kappa_factor,
    shifted,
    volume_signals,
)


class TapeSignals:
    """Prints in; factors, shifts and holds out. Times are the view's."""

    def __init__(self, params: TapeParams, instrument: Instrument) -> None:
        self._params = params
        self._weights = params.signal_weights()
        self._pressure = FlowPressure(params.vamp_window_trades, params.vamp_window_s) if params.vamp else None
        self._toxic = ToxicFlow()
        self._candles: VolumeCandles | None = None
        if params.volume_candle_size is not None:
            self._candles = VolumeCandles(max(1, instrument.to_lots(params.volume_candle_size)))
        self._signals, self._closed_ns = NEUTRAL, 0

    def see(self, now_ns: int, price_ticks: int, size_lots: int, aggressor: Side) -> None:
        """Take a print."""
        if self._pressure is not None:
            self._pressure.update(now_ns, size_lots, aggressor)
        if self._candles is not None and self._candles.update(now_ns, float(price_ticks), size_lots, aggressor):
            self._signals, self._closed_ns = volume_signals(self._candles.candles), now_ns

    def pressure(self, now_ns: int) -> float:
        """Return the pressure, -1 to 1; 0 when it is not asked for."""
        return 0.0 if self._pressure is None else self._pressure.value(now_ns)

    def signals(self, now_ns: int) -> VolumeSignals:
        """Return the signals of the last candle, less of them as they get old."""
        return aged(self._signals, (now_ns - self._closed_ns) / 1e9, self._params.signal_max_age_s)

    def inputs(self, inputs: ModelInputs, now_ns: int) -> ModelInputs:
        """Return what the model is asked with after the signals."""
        signals = self.signals(now_ns)
        return inputs._replace(
            gamma=inputs.gamma * gamma_factor(signals, self._weights),
            kappa=inputs.kappa * kappa_factor(signals, self._weights),
        )

    def moved(self, quote: ModelQuote, now_ns: int) -> ModelQuote:
        """Return the quote after signals and pressure: each moves it by a part of its half-spread."""
        quote = shifted(quote, self.signals(now_ns), self._weights)
        middle = pressed_reservation(quote.reservation, self.pressure(now_ns), quote.spread, self._params.vamp_weight)
        more = middle - quote.reservation
        return ModelQuote(quote.bid + more, quote.ask + more, middle, quote.spread)

    def step(self, now_ns: int) -> ToxicFlow:
        """Return which sides stay out, after a look at the pressure; once a decision."""
        pressure = self.pressure(now_ns)
        self._toxic = self._toxic.step(now_ns, pressure, self._params.toxic_level, self._params.toxic_hold_s)
        return self._toxic

    def stats(self, now_ns: int) -> dict[str, Any]:
        """Return what the tape says."""
        signals = self.signals(now_ns)._asdict() if self._candles is not None else None
        vpin = None if self._candles is None else self._candles.vpin(50)
        return {"pressure": self.pressure(now_ns), "volume_signals": signals, "vpin": vpin}
