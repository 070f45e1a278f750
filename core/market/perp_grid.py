"""A grid on a perpetual or future: long cells, short cells, and what their orders may reduce. Pure.

A long cell buys to open and sells to close, a short one the other way round. In a neutral grid the centre decides which
is which; the cell with the centre in it is split there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from core.market.grid_book import GridBook, Wish
from core.market.grid_cell import ZERO, Cell, CellState, Parcel
from core.market.grid_sizing import Sizing, fee_rate
from core.market.instrument import Instrument
from core.market.order import Fill, Side

LONG, SHORT, NEUTRAL = "long", "short", "neutral"


def make_cells(
    lines: Sequence[int], grid_type: str, centre_ticks: int, sizing: Sizing, instrument: Instrument, must_earn: bool
) -> list[Cell]:
    """Return the empty cells; with `must_earn` a half of the split cell that cannot earn is left out."""
    split = grid_type == NEUTRAL and centre_ticks not in lines
    prices = sorted({*lines, centre_ticks}) if split else list(lines)
    cells: list[Cell] = []
    for number, (low, high) in enumerate(pairwise(prices)):
        is_half = split and centre_ticks in (low, high)
        if is_half and must_earn and high - low <= fee_rate(instrument) * (high + low):
            continue
        is_long = grid_type == LONG or (grid_type == NEUTRAL and high <= centre_ticks)
        opens, closes = (low, high) if is_long else (high, low)
        lots = sizing.lots(opens, len(lines) - 1, instrument)
        cells.append(Cell(number, Side.BUY if is_long else Side.SELL, opens, closes, lots, is_eager=True))
    return cells


@dataclass(slots=True)
class PerpGrid:
    """The cells of one grid, and by how much they disagreed with the position."""

    book: GridBook
    gap: int = 0  # lots, at the last look

    def held_lots(self, side: Side) -> int:
        """Return what the cells that open with `side` hold."""
        held = sum((cell.held for cell in self.book.cells if cell.opening is side), ZERO)
        return self.book.instrument.to_lots(held)

    @property
    def net_lots(self) -> int:
        """Return the position that the cells add up to."""
        return self.held_lots(Side.BUY) - self.held_lots(Side.SELL)

    def wishes(self, position_lots: int, side_of_range: int) -> list[Wish]:
        """Return what the cells want, as far as the position carries it.

        Closing orders together are never more than the position. Outside the range (1 above, -1 below) nothing opens on
        the side that loses there.
        """
        losing = {1: Side.SELL, -1: Side.BUY}.get(side_of_range)
        room = {Side.SELL: max(0, position_lots), Side.BUY: max(0, -position_lots)}
        chosen: list[Wish] = []
        for wish in sorted(self.book.wishes(), key=lambda wish: -wish[2] * wish[1].sign):
            cell, side, line, lots = wish
            if cell.state is CellState.OPENING:
                if side is not losing:
                    chosen.append(wish)
                continue
            allowed = min(lots, room[side])
            if self.book.instrument.unplaceable_reason(line, allowed) is None:
                room[side] -= allowed
                chosen.append((cell, side, line, allowed))
        return chosen

    def net_out(self) -> bool:
        """Close what long and short cells hold against each other: together it is no position; return whether any was.

        It happens where a price turns before an opening is complete, or jumps over a closing line. At which price both
        are reckoned as closed makes no difference to their sum.
        """
        lots = min(self.held_lots(side) for side in Side)
        if lots <= 0:
            return False
        centre = max(cell.close_ticks for cell in self.book.cells if cell.opening is Side.BUY)
        for side in Side:
            left = lots
            for cell in self.book.cells:
                if cell.opening is side and left and (taken := min(left, cell.held_lots(self.book.instrument))):
                    self.book.on_fill(cell, Fill("", "", "main", side.opposite, centre, taken, "netting", ZERO, "", 0))
                    left -= taken
        return True

    def uncovered(self, position_lots: int) -> int:
        """Return the lots of the position that no cell holds; negative when cells hold what is not there."""
        sign = 1 if position_lots > 0 else -1
        own = self.held_lots(Side.BUY if sign > 0 else Side.SELL)
        return abs(position_lots) - own if position_lots else -abs(self.net_lots)

    def settle(self, position_lots: int, average_price: Decimal | None) -> bool:
        """Look at the difference between position and cells; one seen twice is settled; return whether that was so.

        What no cell holds goes to the cell nearest to the average entry, which closes it; what is not there any more
        is taken from the farthest cells.
        """
        gap, before = position_lots - self.net_lots, self.gap
        self.gap = gap
        if not gap or gap != before:
            return False
        if position_lots * gap > 0 and average_price is not None:
            self._cover(Side.BUY if gap > 0 else Side.SELL, abs(gap), average_price)
        else:
            self._drop(Side.SELL if gap > 0 else Side.BUY, abs(gap))
        self.gap = 0
        return True

    def _cover(self, side: Side, lots: int, average_price: Decimal) -> None:
        instrument = self.book.instrument
        own = [cell for cell in self.book.cells if cell.opening is side]
        if not own or instrument.unplaceable_reason(own[0].close_ticks, lots) is not None:
            return
        entry = float(average_price / instrument.tick_size)
        nearest = min(own, key=lambda cell: abs(cell.open_ticks - entry))
        nearest.fund([Parcel(instrument.to_size(lots), average_price)])

    def _drop(self, side: Side, lots: int) -> None:
        """Take lots from the cells that open with `side`, those farthest from closing first."""
        left = self.book.instrument.to_size(lots)
        own = [cell for cell in self.book.cells if cell.opening is side]
        for cell in sorted(own, key=lambda cell: cell.close_ticks * side.sign, reverse=True):
            left -= sum((parcel.size for parcel in cell.leave(left)), ZERO)
