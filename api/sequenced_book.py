"""A local book from a snapshot and numbered deltas, for venues that number them with a first and a last (U, u).

Deltas that come before the snapshot are kept. A delta that does not follow on the one before throws the book away;
so does one that leaves bid and ask crossed: something was missed. What came behind the gap is kept for the next
snapshot. Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from core.market.book import LocalBook, OrderBook
from core.market.order import Side

Change = tuple[Side, int, int]  # side, price_ticks, size_lots; 0 lots removes the level


class BookStep(Enum):
    """What a message did to the book."""

    APPLIED = "applied"  # the book is whole and has changed
    KEPT = "kept"  # it waits for a snapshot, or was older than the book
    GAP = "gap"  # the book was thrown away: a (newer) snapshot is needed


@dataclass(frozen=True, slots=True)
class BookDelta:
    """Absolute sizes that replace those of the book; `previous` where a venue names the delta before (pu)."""

    first: int
    last: int
    changes: Sequence[Change]
    venue_ns: int
    previous: int | None = None


class SequencedBook:
    """One book. `max_kept` deltas are kept before a snapshot, of more the oldest are forgotten."""

    def __init__(self, max_kept: int = 2_000, max_levels: int = 50_000) -> None:
        self._book = LocalBook()
        self._kept: deque[BookDelta] = deque(maxlen=max_kept)
        self._levels: set[tuple[Side, int]] = set()
        self._max_levels = max_levels
        self._joined = False  # a delta has followed on the snapshot: from now on they follow each other
        self._newest = -1  # the highest number ever applied: a snapshot from before it is of no use
        self.is_whole = False
        self.sequence = -1
        self.venue_ns = 0

    def reset(self) -> None:
        """Forget everything: a new connection may count anew."""
        self._kept.clear()
        self._discard()
        self.sequence = self._newest = -1

    def _discard(self) -> None:
        self._book.clear()
        self._levels.clear()
        self.is_whole = self._joined = False

    def snapshot(self, sequence: int, levels: Iterable[Change], venue_ns: int) -> BookStep:
        """Begin anew from a whole book, then apply the kept deltas that are newer."""
        self._discard()
        kept = [delta for delta in self._kept if delta.last > sequence]
        if sequence < self._newest or (kept and not _follows_snapshot(kept[0], sequence)):
            return BookStep.GAP
        self._set(levels)
        self.sequence, self.venue_ns, self.is_whole = sequence, venue_ns, True
        self._newest = sequence
        self._kept.clear()
        for place, delta in enumerate(kept):
            if self._apply(delta) is BookStep.GAP:
                self._kept.extend(kept[place + 1 :])
                return BookStep.GAP
        return BookStep.APPLIED

    def delta(self, delta: BookDelta) -> BookStep:
        """Apply a delta, or keep it while there is no book."""
        if not self.is_whole:
            self._kept.append(delta)
            return BookStep.KEPT
        return self._apply(delta)

    def _apply(self, delta: BookDelta) -> BookStep:
        if not self._joined and delta.last <= self.sequence:
            return BookStep.KEPT
        follows = _follows_delta if self._joined else _follows_snapshot
        if not follows(delta, self.sequence):
            self._discard()
            self._kept.append(delta)
            return BookStep.GAP
        self._set(delta.changes)
        self._joined = True
        self.sequence = self._newest = delta.last
        self.venue_ns = delta.venue_ns
        if self._is_crossed or len(self._levels) > self._max_levels:
            self._discard()
            return BookStep.GAP
        return BookStep.APPLIED

    def _set(self, changes: Iterable[Change]) -> None:
        for side, price_ticks, size_lots in changes:
            self._book.set_level(side, price_ticks, size_lots)
            if size_lots:
                self._levels.add((side, price_ticks))
            else:
                self._levels.discard((side, price_ticks))

    @property
    def _is_crossed(self) -> bool:
        bid, ask = self._book.best(Side.BUY), self._book.best(Side.SELL)
        return bid is not None and ask is not None and bid.price_ticks >= ask.price_ticks

    def picture(self, depth: int, local_ns: int) -> OrderBook:
        """Return the best `depth` levels as of `local_ns`."""
        return self._book.picture(depth, self.sequence, self.venue_ns, local_ns)


def _follows_snapshot(delta: BookDelta, sequence: int) -> bool:
    """Tell whether a delta that is newer than a snapshot leaves nothing out between them."""
    return delta.first <= sequence + 1 or (delta.previous is not None and delta.previous <= sequence)


def _follows_delta(delta: BookDelta, sequence: int) -> bool:
    return delta.first == sequence + 1 if delta.previous is None else delta.previous == sequence
