"""What a future costs more than its perpetual: an exponential average of what was seen of it. Pure."""

from __future__ import annotations


class Basis:
    """The average of a difference of prices, in quote; after `halflife_s` a value counts half."""

    def __init__(self, halflife_s: float) -> None:
        self.halflife_s = halflife_s
        self.value: float | None = None  # None before the first look
        self._seen_ns = 0

    def see(self, now_ns: int, difference: float) -> None:
        """Take a difference: it held since the last look, however long ago that was."""
        if self.value is None:
            self.value = difference
        else:
            kept = 0.5 ** (max(0, now_ns - self._seen_ns) / 1e9 / self.halflife_s)
            self.value += (1 - kept) * (difference - self.value)
        self._seen_ns = now_ns
