"""All cells of a grid: who opens, who holds, what they want, what came of their fills. Pure.

A line has one order at the most: a cell has one order at a time, cells of one side have lines of their own, and where
a buy and a sell of two cells would meet on a line the buy waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from itertools import count
from types import MappingProxyType
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.grid_cell import EXACT, ZERO, Cell, CellState, Matched, Parcel
from core.market.instrument import Instrument
from core.market.order import Fill, Side

_FAR = 1 << 62
_NONE_REST: Mapping[str, int] = MappingProxyType({})
Wish = tuple[Cell, Side, int, int]  # cell, side, line, lots


@dataclass(slots=True)
class GridBook:
    """The cells, ascending; money in quote. `loose` is held and in no cell, `kept` was earned in base and stays."""

    instrument: Instrument
    cells: list[Cell]
    keeps_base: bool = False
    grid_profit: Decimal = ZERO  # of matched pairs, after fees
    round_trips: int = 0
    loose: list[Parcel] = field(default_factory=list)
    kept: list[Parcel] = field(default_factory=list)
    unmatched: Decimal = ZERO  # base closed by fills that no cell held anything for

    # Fills

    def cell_of(self, slot: str, side: Side, price_ticks: int) -> Cell | None:
        """Return the cell of an order: by the slot that we gave it, else by side and line."""
        for cell in self.cells:
            if slot == cell.slot:
                return cell
        if slot:
            return None
        at_line = [cell for cell in self.cells if (cell.open_ticks, cell.opening) == (price_ticks, side)]
        at_line += [cell for cell in self.cells if (cell.close_ticks, cell.opening.opposite) == (price_ticks, side)]
        return at_line[0] if at_line else None

    def on_fill(self, cell: Cell, fill: Fill) -> Matched | None:
        """Book a fill of a cell's order; return what it matched, None when it opened."""
        if fill.side is cell.opening:
            cell.on_open(fill, self.instrument)
            return None
        matched = cell.on_close(fill, self.instrument, self.keeps_base)
        with localcontext(EXACT):
            self.grid_profit += matched.profit
            self.unmatched += self.instrument.to_size(fill.size_lots) - matched.size
        self.round_trips += matched.is_round
        self.kept.extend(matched.kept)
        return matched

    def add_loose(self, fill: Fill) -> None:
        """Hold what was opened for no cell in particular."""
        keeper = Cell(0, fill.side, fill.price_ticks, fill.price_ticks, 0)
        keeper.on_open(fill, self.instrument)
        self.loose.extend(keeper.parcels)

    def take_out(self, size: Decimal) -> list[Parcel]:
        """Give up to `size` away that somebody else traded: loose first, then the farthest cells."""
        keeper = Cell(0, Side.BUY, 1, 1, 0, parcels=self.loose)
        gone = keeper.leave(size)
        for cell in sorted(self.cells, key=lambda cell: cell.close_ticks * cell.opening.sign, reverse=True):
            if (left := size - sum((parcel.size for parcel in gone), ZERO)) > 0:
                gone += cell.leave(left)
        return gone

    # The market

    def place(self, price_ticks: float) -> None:
        """Begin: arm the cells that the price has left behind, fund the others from `loose`, nearest first."""
        for cell in self.cells:
            cell.arm(price_ticks)
        self._fund_behind(price_ticks)

    def _fund_behind(self, price_ticks: float) -> None:
        behind = [cell for cell in self.cells if cell.state is CellState.EMPTY and cell.is_behind(price_ticks)]
        for cell in sorted(behind, key=lambda cell: abs(cell.open_ticks - price_ticks)):
            self._fund(cell)

    def _fund(self, cell: Cell) -> None:
        keeper = Cell(0, cell.opening, 1, 1, 0, parcels=self.loose)
        size = min(self.instrument.to_size(cell.full_lots), keeper.held)
        lots = self.instrument.to_lots(size)
        if self.instrument.unplaceable_reason(cell.close_ticks, lots) is None:
            cell.fund(keeper.leave(self.instrument.to_size(lots)))

    def needed_lots(self, price_ticks: float) -> int:
        """Return the lots that the cells behind a price would hold if all were funded."""
        return sum(cell.full_lots for cell in self.cells if cell.is_behind(price_ticks))

    def follow(self, price_ticks: float) -> None:
        """Take a new price in: empty cells begin to open, half-filled openings far behind are given up."""
        for cell in self.cells:
            cell.arm(price_ticks)
            cell.turn(price_ticks, self.instrument)
        if self.loose:
            self._fund_behind(price_ticks)

    def unfunded(self, price_ticks: float) -> int:
        """Return how many cells behind a price hold nothing."""
        return sum(cell.state is CellState.EMPTY and cell.is_behind(price_ticks) for cell in self.cells)

    def bounds(self) -> tuple[int, int, int, int]:
        """Return the two lowest and the two highest lines."""
        first, last = self.cells[0], self.cells[-1]
        low, above = sorted((first.open_ticks, first.close_ticks))
        below, high = sorted((last.open_ticks, last.close_ticks))
        return low, above, below, high

    def empty_out(self) -> list[Parcel]:
        """Give away all that is held, before the cells are made anew."""
        gone, self.loose = self.loose, []
        for cell in self.cells:
            gone += cell.leave(cell.held)
        return gone

    def wishes(self) -> list[Wish]:
        """Return what the cells want, nothing twice on a line: where two meet, the one that closes goes first."""
        wanted = [(cell, *wish) for cell in self.cells if (wish := cell.wish(self.instrument, self.keeps_base))]
        closing = [(side, line) for cell, side, line, _ in wanted if cell.state is not CellState.OPENING]
        highest_buy = max((line for side, line in closing if side is Side.BUY), default=0)
        lowest_sell = min((line for side, line in closing if side is Side.SELL), default=_FAR)

        def is_free(cell: Cell, side: Side, line: int) -> bool:
            if cell.state is not CellState.OPENING:
                return True
            return (side, line) not in closing and (line < lowest_sell if side is Side.BUY else line > highest_buy)

        return [wish for wish in wanted if is_free(*wish[:3])]

    def quotes(
        self,
        market: OrderBook,
        wishes: Sequence[Wish],
        resting: Mapping[str, int] = _NONE_REST,
        leg: str = "main",
        reduce_only: bool = False,
    ) -> tuple[Quote, ...]:
        """Return wishes as quotes that rest, each at its line, and note what is offered.

        A line that the price has passed before its order was there would trade at once: that order goes beside the
        touch instead, to a price where nothing of ours is or comes; `resting` are the prices of live orders by slot.
        """
        for cell in self.cells:
            if cell.state is CellState.CLOSING:
                cell.state = CellState.HELD
        made: list[Quote] = []
        for side in Side:
            touch = market.best_ask_ticks - 1 if side is Side.BUY else market.best_bid_ticks + 1
            inside_first = sorted((w for w in wishes if w[1] is side), key=lambda w: -w[2] * side.sign)
            taken = {line for _, _, line, _ in inside_first if (line - touch) * side.sign <= 0}
            for level, (cell, _, line, lots) in enumerate(inside_first):
                price = line
                if (line - touch) * side.sign > 0:
                    others = taken.union(ticks for slot, ticks in resting.items() if slot != cell.slot)
                    price = next(p for p in count(touch, -side.sign) if p not in others)
                    taken.add(price)
                closes = cell.state is not CellState.OPENING
                if closes:
                    cell.state = CellState.CLOSING
                made.append(Quote(side, price, lots, level, leg, True, reduce_only and closes, cell.slot))
        return tuple(quote for quote in made if quote.price_ticks > 0)

    # Figures

    def held(self) -> Decimal:
        """Return what the cells hold, and what is loose, in base units."""
        with localcontext(EXACT):
            return sum((cell.held for cell in self.cells), ZERO) + sum((one.size for one in self.loose), ZERO)

    def held_cost(self) -> Decimal:
        """Return the value in quote at which that is held."""
        with localcontext(EXACT):
            cost = sum((cell.held_cost for cell in self.cells), ZERO)
            return (cost + sum((one.size * one.price for one in self.loose), ZERO)) * self.instrument.contract_size

    def states(self) -> dict[str, int]:
        """Return how many cells are in which state."""
        return dict(Counter(cell.state_name for cell in self.cells))

    # Over lives

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record of everything but the lines and sizes."""
        return {
            "cells": {str(cell.number): cell.to_plain() for cell in self.cells},
            "grid_profit": f"{self.grid_profit:f}",
            "round_trips": self.round_trips,
            "loose": _plain(self.loose),
            "kept": _plain(self.kept),
            "unmatched": f"{self.unmatched:f}",
        }

    def take_up(self, plain: Mapping[str, Any]) -> None:
        """Be as `to_plain` recorded, with the same cells. Raises KeyError, ValueError or ArithmeticError."""
        for cell in self.cells:
            cell.take_up(plain["cells"][str(cell.number)])
        self.take_up_totals(plain)
        self.loose = _parcels(plain["loose"])

    def take_up_totals(self, plain: Mapping[str, Any]) -> None:
        """Take up what was earned, not what the cells are about."""
        self.grid_profit, self.round_trips = Decimal(plain["grid_profit"]), int(plain["round_trips"])
        self.kept, self.unmatched = _parcels(plain["kept"]), Decimal(plain["unmatched"])


def nearest(wishes: Iterable[Wish], mid_ticks: float, most: int, within_pct: float | None) -> list[Wish]:
    """Return the wishes nearest to the mid: `most` of them (0 is all), none farther than `within_pct` percent."""
    chosen = sorted(wishes, key=lambda wish: (abs(wish[2] - mid_ticks), wish[2]))
    if within_pct is not None:
        chosen = [wish for wish in chosen if abs(wish[2] - mid_ticks) * 100 <= within_pct * mid_ticks]
    return chosen[:most] if most else chosen


def in_batches(quotes: Sequence[Quote], live: Collection[str], mid_ticks: float, size: int | None) -> tuple[Quote, ...]:
    """Return the quotes whose slots are live, and the nearest `size` of the others."""
    if size is None:
        return tuple(quotes)
    fresh = sorted((q for q in quotes if q.slot_name not in live), key=lambda q: abs(q.price_ticks - mid_ticks))
    chosen = {quote.slot_name for quote in fresh[:size]} | set(live)
    return tuple(quote for quote in quotes if quote.slot_name in chosen)


def _plain(parcels: Iterable[Parcel]) -> list[list[str]]:
    return [[f"{value:f}" for value in parcel] for parcel in parcels]


def _parcels(plain: Iterable[Sequence[str]]) -> list[Parcel]:
    return [Parcel(*(Decimal(value) for value in values)) for values in plain]
