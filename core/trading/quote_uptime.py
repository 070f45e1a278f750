"""The share of time with a quote on each side."""

from __future__ import annotations


class QuoteUptime:
    """Counts from `begin`, which is when the bot is first ready."""

    def __init__(self) -> None:
        self._began_ns: int | None = None
        self._since_ns: int | None = None  # quoting on both sides since then
        self._quoted_ns = 0

    def begin(self, now_ns: int) -> None:
        """Start to count; a second call changes nothing."""
        if self._began_ns is None:
            self._began_ns = now_ns
            if self._since_ns is not None:
                self._since_ns = now_ns

    def update(self, now_ns: int, both_sides: bool) -> None:
        """Say whether at least one quote rests on each side from now on."""
        if both_sides == (self._since_ns is not None):
            return
        if self._since_ns is None:
            self._since_ns = now_ns
            return
        if self._began_ns is not None:
            self._quoted_ns += now_ns - self._since_ns
        self._since_ns = None

    def pct(self, now_ns: int) -> float:
        """Return the share in percent, 0 before `begin`."""
        if self._began_ns is None or now_ns <= self._began_ns:
            return 0.0
        running_ns = 0 if self._since_ns is None else now_ns - self._since_ns
        return 100.0 * (self._quoted_ns + running_ns) / (now_ns - self._began_ns)
