"""Stops placing after too many rejects in a row, or what else nobody could foresee, then tries once."""

from __future__ import annotations

from collections import deque


class RejectBreaker:
    """Opens after `limit` rejects without an acceptance between them inside a window; all in nanoseconds.

    After the cooldown one attempt is made: its reject opens the breaker again at once, an acceptance forgets all.
    """

    def __init__(self, limit: int, window_ns: int, cooldown_ns: int) -> None:
        self._rejects: deque[int] = deque()
        self.use(limit, window_ns, cooldown_ns)
        self._open_until_ns: int | None = None
        self.opened_ns: int | None = None  # when it last opened, whether or not it has closed since
        self._probing = False
        self._last_group: int | None = None

    def use(self, limit: int, window_ns: int, cooldown_ns: int) -> None:
        """Go by other limits from now on; what was refused so far counts."""
        self._limit, self._window_ns, self._cooldown_ns = limit, window_ns, cooldown_ns
        self._rejects = deque(self._rejects, maxlen=limit)

    def accepted(self) -> None:
        """Note that the venue accepted an order."""
        if self._rejects or self._probing:
            self._rejects.clear()
            self._probing = False

    def rejected(self, now_ns: int, group: int) -> None:
        """Note that the venue refused an order; several of one group count once."""
        if group == self._last_group:
            return
        self._last_group = group
        self._rejects.append(now_ns)
        full = len(self._rejects) == self._limit and now_ns - self._rejects[0] <= self._window_ns
        if full or self._probing:
            self.open(now_ns)

    def open(self, now_ns: int) -> None:
        """Let nothing through for the cooldown, whatever was accepted so far."""
        self.opened_ns = now_ns
        self._open_until_ns = now_ns + self._cooldown_ns
        self._rejects.clear()

    def state(self, now_ns: int) -> str:
        """Return `open`, `probing` (the cooldown is over, no answer has told yet), or `closed`; nothing changes."""
        if self._open_until_ns is not None:
            return "open" if now_ns < self._open_until_ns else "probing"
        return "probing" if self._probing else "closed"

    def is_open(self, now_ns: int) -> bool:
        """Tell whether nothing may be placed."""
        if self._open_until_ns is not None and now_ns >= self._open_until_ns:
            self._open_until_ns = None
            self._probing = True
        return self._open_until_ns is not None
