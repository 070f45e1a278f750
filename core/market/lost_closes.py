"""Closing orders that a venue took away: how often, by cell, and which cell an immediate order closes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.market.events import OrderUpdate
from core.market.grid_cell import Cell, CellState
from core.market.instrument import Instrument
from core.market.order import OrderEvent, Side

LOST = frozenset({OrderEvent.CANCELED, OrderEvent.REJECTED, OrderEvent.EXPIRED})


class Closing(NamedTuple):
    """What is closed at once: the side of it, and how much (0: first what rests on that side must be gone)."""

    side: Side
    size_lots: int


@dataclass(slots=True)
class LostCloses:
    """The tries since a cell last traded on its closing side."""

    tries: dict[int, int] = field(default_factory=dict)
    taking: int | None = None

    def hear(self, update: OrderUpdate, cells: Iterable[Cell]) -> None:
        """Count a closing order that ended without our asking; the cell stays held and is closed again."""
        if update.event not in LOST or update.asked_for:
            return
        for cell in cells:
            if cell.slot == update.slot and cell.state in (CellState.HELD, CellState.CLOSING):
                self.tries[cell.number] = self.tries.get(cell.number, 0) + 1

    def traded(self, number: int) -> None:
        """Note that a cell has closed something, or has nothing to close."""
        self.tries.pop(number, None)

    def taken_side(self, cells: Iterable[Cell]) -> Side | None:
        """Return the side on which an immediate order closes a cell now."""
        return next((cell.opening.opposite for cell in cells if cell.number == self.taking), None)

    def next(
        self,
        cells: Iterable[Cell],
        after: int,
        position_lots: int,
        resting: Collection[Side],
        price_ticks: int,
        instrument: Instrument,
    ) -> Closing | None:
        """Return what to close at once, one cell at a time: of those whose orders were lost `after` times or oftener.

        What rests on its side counts as filled and would leave nothing to reduce, so it must be gone first.
        """
        self.taking = None
        for cell in cells:
            if self.tries.get(cell.number, 0) < after:
                continue
            side = cell.opening.opposite
            lots = min(cell.held_lots(instrument), max(0, position_lots * cell.opening.sign))
            if instrument.unplaceable_reason(price_ticks, lots) is not None:
                self.traded(cell.number)
            elif side in resting:
                return Closing(side, 0)
            else:
                self.taking = cell.number
                return Closing(side, lots)
        return None

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record."""
        return {"tries": {str(number): tries for number, tries in self.tries.items()}, "taking": self.taking}

    @classmethod
    def from_plain(cls, tries: dict[str, int], taking: int | None) -> LostCloses:
        """Return what `to_plain` recorded."""
        return cls({int(number): count for number, count in tries.items()}, taking)
