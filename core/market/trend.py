"""What the market looks like over candles of the mid, by one filter, and the signal that outlives its candle.

Candles are aligned to UTC and times are UTC, so that a kept signal means the same in the next life.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.market.bars import Bar, BarBuilder
from core.market.filter import NEUTRAL, Filter, Reading
from core.market.filters import FILTERS, make_filter
from core.market.indicators import Rsi
from core.market.order import Side
from core.market.signal_latch import LatchSettings, SignalLatch, blocked_sides, confirmed

OFF = "off"


@dataclass(frozen=True)  # without slots: a strategy's parameters have it beside another base
class TrendParams:
    """Keys of a trend filter: `NAME_SETTING` is that setting of the filter NAME; units are in the schema."""

    trend_filter: str = OFF
    candle_s: float = 60.0
    rsi_confirm: bool = True
    bollinger_period: int = 20
    bollinger_std: float = 2.0
    rsi_period: int = 14
    rsi_low: float = 30.0
    rsi_high: float = 70.0
    adx_period: int = 14
    adx_trend: float = 25.0
    adx_ranging: float = 20.0
    atr_period: int = 14
    atr_mult: float = 2.0
    atr_base: int = 100
    chop_period: int = 14
    chop_high: float = 61.8
    chop_low: float = 38.2
    ma_fast: int = 10
    ma_slow: int = 20
    ma_distance_bps: float = 5.0
    combo_weights: Mapping[str, float] = field(default_factory=dict)  # empty: all of them, equally
    latch_buy_release: float = 40.0
    latch_sell_release: float = 60.0
    latch_max_s: float = 3600.0

    def filter_settings(self, name: str) -> dict[str, Any]:
        """Return the settings of a filter that have keys; those of a vote are the settings of all that vote."""
        if name == "combo":
            settings = {one: self.filter_settings(one) for one in FILTERS if one != "combo"}
            return {"settings": settings, "weights": self.combo_weights or None}
        keys = {key: f"{name}_{key}" for key in inspect.signature(FILTERS[name]).parameters}
        return {key: getattr(self, ours) for key, ours in keys.items() if hasattr(self, ours)}

    def make_filter(self) -> Filter[Any] | None:
        """Return the filter that is asked for, None when none is. Raises ValueError for settings that cannot be."""
        if self.trend_filter == OFF:
            return None
        return make_filter(self.trend_filter, **self.filter_settings(self.trend_filter))

    def latch_settings(self) -> LatchSettings:
        """Return when a kept signal is released."""
        return LatchSettings(self.latch_buy_release, self.latch_sell_release, self.latch_max_s)

    def trend_keys(self) -> tuple[Any, ...]:
        """Return the values of the keys above: another tuple needs another `Trend`."""
        return tuple(getattr(self, name) for name in TrendParams.__dataclass_fields__)


class Trend:
    """One filter with its candles, RSI and latch; without a filter everything is neutral."""

    def __init__(self, params: TrendParams, latch: SignalLatch | None = None) -> None:
        self._params = params
        self._filter = params.make_filter()
        self._rsi = Rsi(params.rsi_period)
        self._candles = BarBuilder(params.candle_s)
        self._has_new_bar = False
        self.latch = latch or SignalLatch()
        self.effective = NEUTRAL

    def see(self, utc_ns: int, mid: float) -> None:
        """Look at the mid."""
        bar = self._candles.update(utc_ns, mid) if self._filter is not None else None
        if bar is not None and self._filter is not None:
            self._filter.update(bar)
            self._rsi.update(bar)
            self._has_new_bar = True

    def preload(self, bars: Iterable[Bar]) -> None:
        """Take finished bars of before; a kept signal waits for the next one, as it does after a start without any."""
        for bar in bars:
            if self._filter is not None:
                self._filter.update(bar)
                self._rsi.update(bar)

    def step(self, utc_ns: int, is_flat: bool) -> Reading:
        """Return what counts now: the filter's reading, or the kept signal while that is neutral; once a decision."""
        if self._filter is None:
            return NEUTRAL
        params, reading, before = self._params, self._filter.reading, self.latch
        if params.rsi_confirm:
            reading = confirmed(reading, self._rsi.value, params.rsi_low, params.rsi_high)
        settings = params.latch_settings()
        after = before.step(utc_ns, reading, self._rsi.value, is_flat, self._has_new_bar, settings)
        self._has_new_bar = False
        # The same signal again while nothing is held is no news: a latch is saved whenever it changes.
        self.latch = before if is_flat and after.signal is before.signal else after
        self.effective = self.latch.effective(reading)
        return self.effective

    def blocks(self, side: Side) -> bool:
        """Tell whether nothing may be added on a side: no buys overbought, no sells oversold."""
        if self._filter is None:
            return False
        buys, sells = blocked_sides(self._rsi.value, self._params.rsi_low, self._params.rsi_high)
        return buys if side is Side.BUY else sells

    def stats(self) -> dict[str, Any]:
        """Return what it sees and what counts."""
        signal = self.latch.signal
        return {
            "trend_value": self._filter and self._filter.value,
            "trend_reading": self._filter and self._filter.reading.signal.value,
            "rsi": self._rsi.value,
            "latched": signal and signal.value,
            "regime": self.effective.signal.value,
        }
