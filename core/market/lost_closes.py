"""Closing orders that a venue took away: how often, by cell, and which cell an immediate order closes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.market.order import OrderEvent

LOST = frozenset({OrderEvent.CANCELED, OrderEvent.REJECTED, OrderEvent.EXPIRED})


@dataclass(slots=True)
class LostCloses:
    """The tries since a cell last traded on its closing side."""

    tries: dict[int, int] = field(default_factory=dict)
    taking: int | None = None

    def lost(self, number: int) -> None:
        """Note that a closing order of a cell ended without our asking."""
        self.tries[number] = self.tries.get(number, 0) + 1

    def traded(self, number: int) -> None:
        """Note that a cell has closed something, or has nothing to close."""
        self.tries.pop(number, None)

    def given_up(self, after: int) -> set[int]:
        """Return the cells whose resting orders were lost so often that an immediate one goes out instead."""
        return {number for number, tries in self.tries.items() if tries >= after}
