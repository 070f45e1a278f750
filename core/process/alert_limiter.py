"""How often a person is told: one alert of each kind and subject in an interval, the others counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_SUBJECTS = 4096


@dataclass(slots=True)
class AlertLimiter:
    """Remembers what was let through. Times are monotonic."""

    suppressed: int = 0  # in all
    _sent: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # -> when, how many left out since

    def offer(self, kind: str, subject: str, now_ns: int, interval_ns: int) -> int | None:
        """Return how many of these were left out since the last one; None when this one is left out, too."""
        key = (kind, subject)
        sent_ns, left_out = self._sent.get(key, (None, 0))
        if sent_ns is not None and now_ns - sent_ns < interval_ns:
            self._sent[key] = (sent_ns, left_out + 1)
            self.suppressed += 1
            return None
        self._sent.pop(key, None)  # so that the order is that of the sending
        self._sent[key] = (now_ns, 0)
        if len(self._sent) > MAX_SUBJECTS:
            self._sent.pop(next(iter(self._sent)))
        return left_out
