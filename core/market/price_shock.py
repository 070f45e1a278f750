"""How far a market's mid has moved within a window, and that it moved too far. Pure; monotonic nanoseconds, ticks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PriceShock:
    """The mid moved farther within the window than the limit allows; `at_ns` is when that was last seen."""

    move_pct: float
    at_ns: int


class MidWindow:
    """The highest and the lowest mid of the newest `window_ns`; each mid is kept as long as none later outdoes it."""

    def __init__(self) -> None:
        self._highs: deque[tuple[int, float]] = deque()
        self._lows: deque[tuple[int, float]] = deque()

    def move_pct(self, mid_ticks: float, now_ns: int, window_ns: int) -> float:
        """Take a mid in; return how far apart the outermost ones of the window are, in percent of the lowest."""
        while self._highs and self._highs[-1][1] <= mid_ticks:
            self._highs.pop()
        while self._lows and self._lows[-1][1] >= mid_ticks:
            self._lows.pop()
        for kept in (self._highs, self._lows):
            kept.append((now_ns, mid_ticks))
            while kept[0][0] < now_ns - window_ns:
                kept.popleft()
        lowest = self._lows[0][1]
        return (self._highs[0][1] - lowest) / lowest * 100
