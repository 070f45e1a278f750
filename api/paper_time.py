"""The paper venue's own time: it runs from the venue's birth on, never back, whatever the system clock does."""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = 1_000_000  # speed is kept as a whole number of millionths, so that positions are exact


@dataclass(slots=True)
class VenueTime:
    """Elapsed time since birth, in ns; the feed runs `speed` times as fast.

    At the opening it is what UTC says, but not before `high_water_ns`, the latest moment on record: a clock that was
    set back while the venue was closed does not move it back. From there on the monotonic clock counts.
    """

    birth_utc_ns: int
    opened_ns: int  # the loop's clock at the opening
    base_ns: int  # elapsed at the opening
    speed_millionths: int

    @classmethod
    def at_opening(cls, birth_utc_ns: int, high_water_ns: int, utc_ns: int, now_ns: int, speed: float) -> VenueTime:
        """Return the time of a venue that is opened now."""
        base_ns = max(utc_ns - birth_utc_ns, high_water_ns, 0)
        return cls(birth_utc_ns, now_ns, base_ns, max(1, round(speed * _UNITS)))

    def elapsed(self, now_ns: int) -> int:
        """Return the venue's time at `now_ns` of the loop's clock."""
        return self.base_ns + max(0, now_ns - self.opened_ns)

    def now_at(self, elapsed_ns: int) -> int:
        """Return the loop's clock at a time of the venue."""
        return elapsed_ns - self.base_ns + self.opened_ns

    def utc(self, elapsed_ns: int) -> int:
        """Return the UTC that the venue stamps its records with."""
        return self.birth_utc_ns + elapsed_ns

    def at_utc(self, utc_ns: int) -> int:
        """Return the venue's time at a UTC of its records."""
        return utc_ns - self.birth_utc_ns

    def position(self, elapsed_ns: int) -> int:
        """Return how far the feed is."""
        return elapsed_ns * self.speed_millionths // _UNITS

    def elapsed_at(self, position_ns: int) -> int:
        """Return when the feed gets to a position; `position` of it is not before that position."""
        return -(-position_ns * _UNITS // self.speed_millionths)
