"""Several venues under one simulated clock: what the loop is shown of one is never later than what it sees of another.

A venue can be played on by itself until something of ours happens there, but nobody knows beforehand when that is. So
while orders rest on several legs their venues are played in short windows, from event to event; when something of ours
has happened in one, all of them are looked at when the window ends. A fill is heard a window late at the most, and
never is a book seen early. Where no order rests nothing can happen by itself: such a venue is played when it is looked
at. With orders on one leg alone that one is played to the moment of its fill, as is the only venue of a bot with one.

Messages under way bound every window: an order meets the market at the time of its arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

WINDOW_NS = 1_000_000


class Playable(Protocol):
    """A venue that plays recorded events; times are the loop's clock."""

    @property
    def rests(self) -> bool:
        """Tell whether an order of ours rests."""

    @property
    def fill_count(self) -> int:
        """Return how many fills there were."""

    def arrival_ns(self) -> int:
        """Return when the next message under way arrives, far in the future when there is none."""

    def next_event_ns(self) -> int:
        """Return when the next event that is not played yet comes, far in the future when there is none."""

    def run_ahead(self, until_ns: int) -> int:
        """Play on until something of ours happens, to `until_ns` at most; return when that was."""


def window_ns(latencies_ns: Sequence[int]) -> int:
    """Return how long a window may be: no longer than an order is under way, where it is at all."""
    return min([WINDOW_NS, *(latency_ns for latency_ns in latencies_ns if latency_ns > 0)])


class Lockstep:
    """The venues of a bot's legs, in the order of the legs."""

    def __init__(self, venues: Sequence[Playable], window_ns: int) -> None:
        self._venues, self._window_ns = venues, window_ns
        self._only = venues[0] if len(venues) == 1 else None

    def run_ahead(self, now_ns: int, until_ns: int) -> int:
        """Play on until something of ours happens, to `until_ns` at most; return when the loop is to look."""
        if self._only is not None:  # there is no other that could be seen early, and messages stop it by themselves
            return self._only.run_ahead(until_ns)
        stop_ns = max(now_ns, min([until_ns, *(venue.arrival_ns() for venue in self._venues)]))
        resting = [venue for venue in self._venues if venue.rests]
        if not resting:
            return stop_ns
        if len(resting) == 1:
            return resting[0].run_ahead(stop_ns)
        return self._in_windows(resting, now_ns, stop_ns)

    def _in_windows(self, resting: Sequence[Playable], now_ns: int, stop_ns: int) -> int:
        fills = sum(venue.fill_count for venue in resting)
        while now_ns < stop_ns:
            coming_ns = [venue.next_event_ns() for venue in resting]
            first_ns = max(now_ns, min(coming_ns))
            now_ns = min(stop_ns, first_ns + self._window_ns)
            if first_ns >= stop_ns:
                break  # nothing comes before; what comes then is played when it is looked at
            for venue, event_ns in zip(resting, coming_ns, strict=True):
                if event_ns <= now_ns:
                    venue.run_ahead(now_ns)
            if sum(venue.fill_count for venue in resting) != fills:
                break  # the venue that stopped at its fill plays the rest of the window when it is looked at
        return now_ns
