"""Candles of the mark price: what was seen since the simulator began, and a made-up past before it. Pure."""

from __future__ import annotations

import math
import zlib
from decimal import Decimal
from typing import NamedTuple

RESOLUTIONS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "1d": 86_400, "1w": 604_800}
MAX_ROWS = 5_000
_MINUTE_NS = 60 * 10**9


class Ohlc(NamedTuple):
    """Open, high, low and close of one stretch of time."""

    open: float
    high: float
    low: float
    close: float

    def joined(self, later: Ohlc) -> Ohlc:
        """Return the candle of this stretch and the next."""
        return Ohlc(self.open, max(self.high, later.high), min(self.low, later.low), later.close)


class MarkCandles:
    """Minutes of one market. The past is a function of the minute and the name, so each request says the same."""

    def __init__(self, born_ns: int, opening: Decimal, name: str) -> None:
        self._born = born_ns // _MINUTE_NS
        self._opening = float(opening)
        self._name = name
        price = self._opening
        self._minutes: dict[int, Ohlc] = {self._born: Ohlc(price, price, price, price)}
        self._last = self._born

    def note(self, at_ns: int, mark: Decimal) -> None:
        """Take a mark price."""
        minute, price = at_ns // _MINUTE_NS, float(mark)
        if minute > self._last:
            previous = self._minutes[self._last].close
            for silent in range(self._last + 1, minute):
                self._minutes[silent] = Ohlc(previous, previous, previous, previous)
            self._minutes[minute] = Ohlc(previous, max(previous, price), min(previous, price), price)
            self._last = minute
            return
        known = self._minutes.get(minute)
        if known is not None:
            self._minutes[minute] = known.joined(Ohlc(price, price, price, price))

    def rows(self, from_s: float, to_s: float, resolution_s: int) -> list[tuple[int, Ohlc]]:
        """Return (start in Unix seconds, candle) that begin within [from, to), oldest first; at most the newest."""
        end_s = min(to_s, (self._last + 1) * 60)
        starts = range(math.ceil(from_s / resolution_s) * resolution_s, math.ceil(end_s), resolution_s)
        return [(start, self._candle(start // 60, resolution_s // 60)) for start in starts[-MAX_ROWS:]]

    def _candle(self, minute: int, minutes: int) -> Ohlc:
        """Return the candle of some minutes; of long ones a sample of twenty minutes stands for all."""
        last = min(minute + minutes - 1, max(self._last, minute))
        chosen = range(minute, last + 1, max(1, minutes // 20))
        candle = self._minute(minute)
        for each in (*chosen, last):
            candle = candle.joined(self._minute(each))
        return candle

    def _minute(self, minute: int) -> Ohlc:
        if minute >= self._born:
            return self._minutes[min(minute, self._last)]
        opened, closed = self._past_close(minute - 1), self._past_close(minute)
        reach = closed * 2e-5
        return Ohlc(opened, max(opened, closed) + reach, min(opened, closed) - reach, closed)

    def _past_close(self, minute: int) -> float:
        """Return the close of a minute before the beginning: waves of several lengths and a little noise."""
        age = self._born - 1 - minute
        waves = math.sin(age / 7) + 2 * math.sin(age / 31) + 4 * math.sin(age / 137) + 9 * math.sin(age / 997)
        noise = zlib.crc32(f"{self._name} {minute}".encode()) / 2**32 - 0.5 if age else 0.0
        return round(self._opening * math.exp((waves + noise) * 4e-4), 6)
