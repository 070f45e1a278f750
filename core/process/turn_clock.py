"""How long the turns of the supervisor's loop take: what everybody else waits for."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_NS = 60_000_000_000


@dataclass(slots=True)
class TurnClock:
    """Times of work between two waits. Times are monotonic."""

    turns: int = 0
    busy_ns: int = 0
    _began_ns: int = 0
    _window_ns: int = 0  # when the present window began
    _worst_ns: int = 0  # in the present window
    _before_ns: int = 0  # in the one before

    def begin(self, now_ns: int) -> None:
        """Take note that the wait is over."""
        self._began_ns = now_ns

    def end(self, now_ns: int) -> None:
        """Take note that the work is done."""
        took_ns = now_ns - self._began_ns
        self.turns += 1
        self.busy_ns += took_ns
        self._roll(now_ns)
        self._worst_ns = max(self._worst_ns, took_ns)

    def worst_ns(self, now_ns: int) -> int:
        """Return the longest turn of the last one to two minutes."""
        self._roll(now_ns)
        return max(self._worst_ns, self._before_ns)

    def _roll(self, now_ns: int) -> None:
        if now_ns - self._window_ns >= WINDOW_NS:
            fresh = now_ns - self._window_ns < 2 * WINDOW_NS
            self._before_ns = self._worst_ns if fresh else 0
            self._window_ns, self._worst_ns = now_ns, 0
