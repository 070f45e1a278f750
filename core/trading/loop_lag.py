"""How late a loop is called: the worst of the last seconds."""

from __future__ import annotations

from core.trading.clock import SECOND_NS


class LoopLag:
    """Nanoseconds between when a step was due and when it came."""

    def __init__(self) -> None:
        self.promised_ns: int | None = None  # when the next step is due
        self._window_ns = 0
        self._worst_ns = 0
        self._worst_before_ns = 0

    def called(self, now_ns: int) -> None:
        """Note that a step begins."""
        if now_ns - self._window_ns >= SECOND_NS:
            self._window_ns, self._worst_before_ns, self._worst_ns = now_ns, self._worst_ns, 0
        if self.promised_ns is not None and now_ns - self.promised_ns > self._worst_ns:
            self._worst_ns = now_ns - self.promised_ns

    def worst_ns(self) -> int:
        """Return the longest delay of this second and the one before."""
        return max(self._worst_ns, self._worst_before_ns)
