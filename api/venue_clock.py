"""How far a venue's clock is from ours, from answers that carry its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DRIFT_MS_PER_S = 0.1  # two ordinary clocks part by less
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Measured:
    offset_ms: float
    doubt_ms: float  # the truth is at most so far away, at the time of measuring
    at_utc_ns: int

    def doubt_at(self, utc_ns: int) -> float:
        return self.doubt_ms + abs(utc_ns - self.at_utc_ns) / 1e9 * DRIFT_MS_PER_S


def steady_utc(utc_ns: Callable[[], int], now_ns: Callable[[], int]) -> Callable[[], int]:
    """Return a clock that shows UTC as it is now and goes on by the monotonic one: steps of our clock pass it by."""
    began_ns = utc_ns() - now_ns()
    return lambda: began_ns + now_ns()


class VenueClock:
    """Keeps the offset that was measured with the shortest round trip, until a newer one is as good.

    A measurement that cannot be true together with the kept one replaces it: one of the clocks was set.
    """

    def __init__(self, utc_ns: Callable[[], int]) -> None:
        self._utc_ns = utc_ns
        self._best: _Measured | None = None

    @property
    def offset_ms(self) -> float:
        """Return what must be added to our clock; 0 while nothing was measured."""
        return self._best.offset_ms if self._best else 0.0

    def ahead_of_ms(self, utc_ns: int) -> float | None:
        """Return how far the venue is ahead of a time that is now by another clock, None while nothing was measured."""
        return None if self._best is None else (self._utc_ns() - utc_ns) / NS_PER_MS + self._best.offset_ms

    @property
    def age(self) -> float | None:
        """Return the seconds since the offset in use was measured, None when there is none."""
        return (self._utc_ns() - self._best.at_utc_ns) / 1e9 if self._best else None

    def note(self, venue_ms: float, sent_utc_ns: int, received_utc_ns: int, resolution_ms: float = 0.0) -> None:
        """Take a measurement: the venue's time in an answer, and our times of sending and receiving.

        `resolution_ms` is the step of the venue's time (1000 for a Date header), which it rounds down to.
        """
        round_trip_ns = received_utc_ns - sent_utc_ns
        if round_trip_ns < 0:  # our clock was set back meanwhile
            return
        middle_ms = (sent_utc_ns + received_utc_ns) / 2 / NS_PER_MS
        doubt_ms = round_trip_ns / 2 / NS_PER_MS + resolution_ms / 2
        new = _Measured(venue_ms + resolution_ms / 2 - middle_ms, doubt_ms, received_utc_ns)
        if self._best is None or self._is_better(new, self._best):
            self._best = new

    def forget(self) -> None:
        """Drop what was measured: the venue says that our time is wrong."""
        self._best = None

    def utc_ms(self) -> int:
        """Return the venue's time now, as well as we know it."""
        return int(self._utc_ns() / NS_PER_MS + self.offset_ms)

    @staticmethod
    def _is_better(new: _Measured, best: _Measured) -> bool:
        old_doubt_ms = best.doubt_at(new.at_utc_ns)
        contradicts = abs(new.offset_ms - best.offset_ms) > new.doubt_ms + old_doubt_ms
        return contradicts or new.doubt_ms <= old_doubt_ms
