"""A buy or sell signal outlives the bar that gave it: it is kept until it is used up, released or too old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.market.filter import NEUTRAL, Reading, Signal

_KEPT = (Signal.BUY, Signal.SELL)


@dataclass(frozen=True, slots=True)
class LatchSettings:
    """When a kept signal is released; RSI levels of 0 to 100."""

    buy_release: float = 40.0
    sell_release: float = 60.0
    max_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class SignalLatch:
    """The kept signal, if any, and since when."""

    signal: Signal | None = None
    since_ns: int = 0

    def step(
        self, now_ns: int, reading: Reading, rsi: float | None, flat: bool, bar_finished: bool, settings: LatchSettings
    ) -> SignalLatch:
        """Return the latch after a cycle: flat and old ones go, then RSI releases, then a new signal is kept.

        `flat`: less than half a lot is held. RSI is asked only when a bar has just finished.
        """
        latch = self
        if latch.signal is not None and (flat or now_ns - latch.since_ns > settings.max_s * 1e9):
            latch = SignalLatch()
        if bar_finished and rsi is not None and latch._is_released(rsi, settings):
            latch = SignalLatch()
        if reading.signal in _KEPT and reading.signal is not latch.signal:
            latch = SignalLatch(reading.signal, now_ns)
        return latch

    def _is_released(self, rsi: float, settings: LatchSettings) -> bool:
        if self.signal is Signal.BUY:
            return rsi > settings.buy_release
        return self.signal is Signal.SELL and rsi < settings.sell_release

    def effective(self, reading: Reading) -> Reading:
        """Return the kept signal while the present one is neutral, else the present one."""
        if self.signal is None or reading.signal not in (Signal.NEUTRAL, Signal.WAITING):
            return reading
        return Reading(self.signal)

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        return {"signal": self.signal.value if self.signal else None, "since_ns": self.since_ns}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SignalLatch:
        """Return what `to_plain` recorded. Raises ValueError when it is no such record."""
        try:
            signal = None if plain["signal"] is None else Signal(plain["signal"])
            latch = cls(signal, int(plain["since_ns"]))
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a recorded latch: {exc!r}") from exc
        if latch.signal not in (None, *_KEPT):
            raise ValueError(f"not a recorded latch: {latch.signal}")
        return latch


def confirmed(reading: Reading, rsi: float | None, low: float, high: float) -> Reading:
    """Return the reading if RSI agrees: a buy signal needs oversold, a sell signal overbought; else neutral."""
    if reading.signal is Signal.BUY:
        return reading if rsi is not None and rsi <= low else NEUTRAL
    if reading.signal is Signal.SELL:
        return reading if rsi is not None and rsi >= high else NEUTRAL
    return reading


def blocked_sides(rsi: float | None, low: float, high: float) -> tuple[bool, bool]:
    """Return whether new buys and new sells are blocked: overbought blocks buys, oversold sells."""
    return rsi is not None and rsi >= high, rsi is not None and rsi <= low
