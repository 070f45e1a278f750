"""The end of a dated future: first only less, then nothing. Pure; times in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from core.market.instrument import Instrument


class NearExpiry(str, Enum):
    """What is still done."""

    FAR = "far"  # everything, also where there is no expiry
    REDUCE = "reduce"  # only what makes the position smaller
    FLAT = "flat"  # the position is closed, nothing is quoted


@dataclass(frozen=True, slots=True)
class ExpiryRules:
    """How long before the expiry each begins."""

    reduce_ns: int = 86_400 * 1_000_000_000
    flat_ns: int = 3_600 * 1_000_000_000

    def look(self, instrument: Instrument, utc_ns: int) -> NearExpiry:
        """Return what is still done at a time."""
        left_ns = left_until_expiry(instrument, utc_ns)
        if left_ns is None or left_ns > max(self.reduce_ns, self.flat_ns):
            return NearExpiry.FAR
        return NearExpiry.REDUCE if left_ns > self.flat_ns else NearExpiry.FLAT


def left_until_expiry(instrument: Instrument, utc_ns: int) -> int | None:
    """Return the time that is left, None for what does not expire."""
    return None if instrument.expiry_utc_ns is None else instrument.expiry_utc_ns - utc_ns
