"""When to read a market's listing again, and what it must still say: everything of a bot is counted in its increments.

A tick or lot size that the venue has changed cannot be taken over while orders and prices are counted in the old one:
the client ends, and the next one reads the listing first.
"""

from __future__ import annotations

from decimal import Decimal

from core.market.instrument import Instrument
from utils.errors import VenueUnreachable

_S = 1_000_000_000
INTERVAL_NS = 300 * _S
LEAST_GAP_NS = 5 * _S  # between two readings that something has made urgent


class ListingWatch:
    """The watch over one listing that was read at `now_ns`; times are monotonic nanoseconds."""

    def __init__(self, instrument: Instrument, now_ns: int) -> None:
        self._instrument = instrument
        self._read_ns = now_ns
        self.due_ns = now_ns + INTERVAL_NS

    def hurry(self) -> None:
        """Read soon: the connection is a new one, or the venue does not like our prices or sizes."""
        self.due_ns = min(self.due_ns, self._read_ns + LEAST_GAP_NS)

    def take_turn(self, now_ns: int) -> bool:
        """Tell whether to read now, and count that as done."""
        if now_ns < self.due_ns:
            return False
        self._read_ns, self.due_ns = now_ns, now_ns + INTERVAL_NS
        return True

    def compare(self, tick_size: Decimal, lot_size: Decimal) -> VenueUnreachable | None:
        """Return why the client must end, None when the listing says what it said at the opening."""
        ours = self._instrument
        changed = [
            f"{what} size from {before} to {after}"
            for what, before, after in (("tick", ours.tick_size, tick_size), ("lot", ours.lot_size, lot_size))
            if before != after
        ]
        if not changed:
            return None
        return VenueUnreachable(f"the venue changed {ours.venue_symbol}: {' and '.join(changed)}; it is opened anew")
