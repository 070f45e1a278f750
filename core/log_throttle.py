"""How fast one process may log: a bucket of lines that refills, with a part kept for each higher level.

A line costs one. Half of the bucket is kept for warnings and errors, and half of that for errors alone: a loop that
floods with INFO leaves room for the error that explains it, and an error is left out only where a warning would be,
too. What was left out is counted by event, and told.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """Far above what a healthy bot writes, also with every decision logged."""

    lines_per_s: float = 200.0
    burst_lines: int = 4000  # a daemon that starts 500 bots writes some 1500 at once
    notice_s: float = 5.0  # from one notice to the next
    events: int = 20  # counted by name; the rest together

    def kept_from(self, level: int) -> float:
        """Return how many lines of the bucket a level may not use."""
        if level >= logging.ERROR:
            return 0.0
        return self.burst_lines * (0.25 if level >= logging.WARNING else 0.5)


class Throttle:
    """The bucket of one process; times are monotonic seconds."""

    def __init__(self, limits: ThrottleLimits | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or ThrottleLimits()
        self._clock_s = now_s
        self._lines = float(self._limits.burst_lines)
        self._filled_s = now_s()
        self._left_out: Counter[str] = Counter()
        self._told_s = -math.inf  # when the last notice was made

    def admits(self, level: int, event: str) -> bool:
        """Tell whether a line may be written now; one that may not is counted."""
        now_s = self._clock_s()
        passed_s, self._filled_s = now_s - self._filled_s, now_s
        self._lines = min(self._limits.burst_lines, self._lines + passed_s * self._limits.lines_per_s)
        if self._lines - 1 >= self._limits.kept_from(level):
            self._lines -= 1
            return True
        known = event in self._left_out or len(self._left_out) < self._limits.events
        self._left_out[event if known else _OTHERS] += 1
        return False

    def owes_notice(self, at_once: bool = False) -> bool:
        """Tell whether it is time to tell what was left out."""
        return bool(self._left_out) and (at_once or self._clock_s() - self._told_s >= self._limits.notice_s)

    def left_out(self) -> dict[str, Any]:
        """Return how many lines were left out since the last notice, and of which events."""
        return {"lines": self._left_out.total(), "events": dict(self._left_out.most_common())}

    def told(self) -> None:
        """Begin to count anew: the notice is written."""
        self._left_out.clear()
        self._told_s = self._clock_s()
