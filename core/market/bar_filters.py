"""The filters over finished bars, each around an indicator of core/market/indicators.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from math import fsum
from typing import ClassVar

from core.market.bars import Bar
from core.market.filter import NEUTRAL, WAITING, Reading, Signal, sign_of
from core.market.indicators import Adx, Atr, Bollinger, Choppiness, Ema, Rsi, at_least


class BarFilter(ABC):
    """A filter over bars that is ready as soon as it has a value."""

    sees: ClassVar[str] = "bar"

    @abstractmethod
    def update(self, seen: Bar) -> None:
        """Take a finished bar."""

    @property
    @abstractmethod
    def value(self) -> float | None:
        """Return the number to show, None before the first."""

    @property
    def ready(self) -> bool:
        """Tell whether enough was seen."""
        return self.value is not None

    @property
    @abstractmethod
    def reading(self) -> Reading:
        """Return what it makes of it."""


class BollingerFilter(BarFilter):
    """A close at or beyond a band; the value is %B."""

    def __init__(self, period: int = 20, std: float = 2.0) -> None:
        self._bands = Bollinger(period, std)
        self._close = 0.0

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        if seen.is_sound:
            self._bands.update(seen)
            self._close = seen.close

    @property
    def value(self) -> float | None:
        """Return %B."""
        return self._bands.value and self._bands.value.percent_b

    @property
    def reading(self) -> Reading:
        """Return buy at the lower band, sell at the upper; bands without width say nothing."""
        bands = self._bands.value
        if bands is None:
            return WAITING
        if bands.lower < bands.upper and self._close <= bands.lower:
            return Reading(Signal.BUY)
        if bands.lower < bands.upper and self._close >= bands.upper:
            return Reading(Signal.SELL)
        return NEUTRAL


class RsiFilter(BarFilter):
    """Oversold or overbought."""

    def __init__(self, period: int = 14, low: float = 30.0, high: float = 70.0) -> None:
        self._rsi = Rsi(period)
        self._low, self._high = low, high

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        self._rsi.update(seen)

    @property
    def value(self) -> float | None:
        """Return the index, 0 to 100."""
        return self._rsi.value

    @property
    def reading(self) -> Reading:
        """Return buy when oversold, sell when overbought."""
        if self.value is None:
            return WAITING
        if self.value <= self._low:
            return Reading(Signal.BUY)
        return Reading(Signal.SELL) if self.value >= self._high else NEUTRAL


class AdxFilter(BarFilter):
    """A trend with its direction, or none."""

    def __init__(self, period: int = 14, trend: float = 25.0, ranging: float = 20.0) -> None:
        self._adx = Adx(period)
        self._trend, self._ranging = trend, ranging

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        self._adx.update(seen)

    @property
    def value(self) -> float | None:
        """Return the index, 0 to 100."""
        return self._adx.value

    @property
    def reading(self) -> Reading:
        """Return trending above one bound, ranging below the other."""
        if self.value is None:
            return WAITING
        if self.value > self._trend:
            return Reading(Signal.TRENDING, sign_of((self._adx.plus_di or 0.0) - (self._adx.minus_di or 0.0)))
        return Reading(Signal.RANGING) if self.value < self._ranging else NEUTRAL


class AtrFilter(BarFilter):
    """A true range far above its own mean over the last `base` bars; the value is their ratio."""

    def __init__(self, period: int = 14, mult: float = 2.0, base: int = 100) -> None:
        self._atr = Atr(period)
        self._mult = mult
        self._past: deque[float] = deque(maxlen=at_least(base, 1))

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        if not seen.is_sound:
            return
        self._atr.update(seen)
        if self._atr.value is not None:
            self._past.append(self._atr.value)

    @property
    def value(self) -> float | None:
        """Return ATR over its mean; 1 when nothing moves."""
        if not self._past:
            return None
        mean = fsum(self._past) / len(self._past)
        return self._past[-1] / mean if mean > 0 else 1.0

    @property
    def ready(self) -> bool:
        """Tell whether the mean is over all of `base`."""
        return len(self._past) == self._past.maxlen

    @property
    def reading(self) -> Reading:
        """Return volatile above the bound."""
        if not self.ready:
            return WAITING
        return Reading(Signal.VOLATILE) if (self.value or 0.0) > self._mult else NEUTRAL


class ChopFilter(BarFilter):
    """A way there and back, or a straight one."""

    def __init__(self, period: int = 14, high: float = 61.8, low: float = 38.2) -> None:
        self._chop = Choppiness(period)
        self._high, self._low = high, low

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        self._chop.update(seen)

    @property
    def value(self) -> float | None:
        """Return the choppiness, 0 to 100."""
        return self._chop.value

    @property
    def reading(self) -> Reading:
        """Return ranging above one bound, trending below the other."""
        if self.value is None:
            return WAITING
        if self.value > self._high:
            return Reading(Signal.RANGING)
        return Reading(Signal.TRENDING) if self.value < self._low else NEUTRAL


class MaFilter(BarFilter):
    """How far a fast average is from a slow one, in basis points of the slow one."""

    def __init__(self, fast: int = 10, slow: int = 20, distance_bps: float = 5.0) -> None:
        if not fast < slow:
            raise ValueError(f"the fast period was {fast}, the slow one {slow}")
        self._fast, self._slow = Ema(fast), Ema(slow)
        self._distance_bps = distance_bps

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        self._fast.update(seen)
        self._slow.update(seen)

    @property
    def value(self) -> float | None:
        """Return the distance in basis points, positive when the fast one is above."""
        if self._fast.value is None or self._slow.value is None:
            return None
        return (self._fast.value / self._slow.value - 1) * 10_000

    @property
    def reading(self) -> Reading:
        """Return trending when the distance is beyond the bound."""
        if self.value is None:
            return WAITING
        return Reading(Signal.TRENDING, sign_of(self.value)) if abs(self.value) > self._distance_bps else NEUTRAL
