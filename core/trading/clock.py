"""Time as the loop sees it: one monotonic number for intervals, one UTC number for records, one way to wait."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import Protocol

SECOND_NS = 1_000_000_000
_MILLISECOND_NS = 1_000_000


def seconds(value: float) -> int:
    """Return `value` seconds in nanoseconds."""
    return round(value * SECOND_NS)


class Clock(Protocol):
    """What the loop and its owner need to know of time."""

    def now_ns(self) -> int:
        """Return monotonic nanoseconds."""

    def utc_ns(self) -> int:
        """Return UTC nanoseconds since 1970, for records only."""

    def wait(self, until_ns: int, fds: Sequence[int]) -> list[int]:
        """Wait until the monotonic time `until_ns` or until a descriptor is readable; return the readable ones."""


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._fds: tuple[int, ...] = ()

    def now_ns(self) -> int:
        """Return monotonic nanoseconds."""
        return time.monotonic_ns()

    def utc_ns(self) -> int:
        """Return UTC nanoseconds since 1970."""
        return time.time_ns()

    def wait(self, until_ns: int, fds: Sequence[int]) -> list[int]:
        """Wait until `until_ns` (to the next millisecond) or until a descriptor is readable."""
        self._watch(tuple(fds))
        left_ns = until_ns - time.monotonic_ns()
        return [fd for fd, _ in self._poll.poll(max(0, -(-left_ns // _MILLISECOND_NS)))]

    def _watch(self, fds: tuple[int, ...]) -> None:
        if fds == self._fds:
            return
        self._poll = select.poll()
        for fd in fds:
            self._poll.register(fd, select.POLLIN)
        self._fds = fds


class SimulatedClock:
    """A clock that moves only when somebody waits on it or pushes it: backtests and tests."""

    def __init__(self, now_ns: int = SECOND_NS, utc_ns: int = 1_700_000_000 * SECOND_NS) -> None:
        self._now_ns = now_ns
        self._utc_offset_ns = utc_ns - now_ns

    def now_ns(self) -> int:
        """Return simulated monotonic nanoseconds."""
        return self._now_ns

    def utc_ns(self) -> int:
        """Return simulated UTC nanoseconds."""
        return self._now_ns + self._utc_offset_ns

    def wait(self, until_ns: int, fds: Sequence[int]) -> list[int]:
        """Be at `until_ns` at once; nothing is ever readable."""
        self._now_ns = max(self._now_ns, until_ns)
        return []

    def advance(self, duration_ns: int) -> None:
        """Move on by `duration_ns`."""
        self._now_ns += duration_ns
