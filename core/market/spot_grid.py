"""A grid on a spot market as a whole: its lines, its cells, where it moves, what it says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.market.grid_book import GridBook
from core.market.grid_cell import ZERO, Cell, Parcel
from core.market.grid_lines import GridLines, interval_profits
from core.market.grid_range import RangeWatch
from core.market.grid_sizing import Sizing, check_profit, check_sizes, fee_rate
from core.market.instrument import Instrument
from core.market.order import Fill, Side

_NUMBERS_APART = 1_000  # cells of a grid made anew have other numbers, so that late fills are not taken for theirs
_HOUR_NS = 3_600 * 1_000_000_000
_YEAR_NS = 365 * 24 * _HOUR_NS


def check_spot_grid(lines: GridLines, sizing: Sizing, instrument: Instrument, must_earn: bool) -> None:
    """Refuse a grid that cannot be placed, or with `must_earn` one that cannot earn. Raises ConfigError."""
    prices = lines.all()
    if must_earn:
        check_profit(prices, instrument)
    check_sizes([(line, sizing.lots(line, lines.count - 1, instrument)) for line in prices[:-1]], sizing, instrument)


@dataclass(slots=True)
class SpotGrid:
    """One grid; the cell `number` lies between the lines number - offset and the next."""

    lines: GridLines
    sizing: Sizing
    book: GridBook
    offset: int = 0
    watch: RangeWatch = field(default_factory=RangeWatch)
    exit_profit: Decimal = ZERO  # of what was sold by no cell, after fees, in quote

    @classmethod
    def make(cls, lines: GridLines, sizing: Sizing, instrument: Instrument, keeps_base: bool) -> SpotGrid:
        """Return a grid whose cells are empty."""
        grid = cls(lines, sizing, GridBook(instrument, [], keeps_base))
        grid._lay_out(0)
        return grid

    def _lay_out(self, first: int) -> None:
        numbers = range(self.offset + first, self.offset + first + self.lines.count - 1)
        self.book.cells = [self._cell(number) for number in numbers]

    def _cell(self, number: int) -> Cell:
        low, high = self.lines.at(number - self.offset), self.lines.at(number - self.offset + 1)
        return Cell(number, Side.BUY, low, high, self.sizing.lots(low, self.lines.count - 1, self.book.instrument))

    # What happens

    def on_fill(self, slot: str, fill: Fill) -> bool:
        """Book a fill; return whether it was of a cell's order. Others buy what is loose, and sell from anywhere."""
        book, instrument = self.book, self.book.instrument
        cell = book.cell_of(slot, fill.side, fill.price_ticks)
        if cell is not None:
            book.on_fill(cell, fill)
        elif fill.side is Side.BUY:
            book.add_loose(fill)
        else:
            price = instrument.to_price(fill.price_ticks)
            gone = book.take_out(instrument.to_size(fill.size_lots))
            self.exit_profit += sum((one.size * (price - one.price) - one.fee for one in gone), ZERO)
            self.exit_profit -= fill.fee if fill.fee_asset == instrument.quote else ZERO
        return cell is not None

    def trail(self, step: int) -> None:
        """Move by a cell: up, one is added above and the lowest goes; down, what the highest holds moves below."""
        book = self.book
        leaving = book.cells.pop(0 if step > 0 else -1)
        parcels = leaving.leave(leaving.held)
        if step > 0:
            book.cells.append(self._cell(book.cells[-1].number + 1))
            book.loose.extend(parcels)
        else:
            book.cells.insert(0, self._cell(book.cells[0].number - 1))
            if parcels:
                book.cells[0].fund(parcels)
        self.watch.shifted += step

    def recenter(self, lines: GridLines, price_ticks: float, venue_ns: int) -> None:
        """Make the cells anew on other lines, with all that the grid holds and has earned."""
        before = self.book
        totals, parcels = before.to_plain(), before.empty_out()
        self.lines, self.offset = lines, self.offset + _NUMBERS_APART
        self.book = GridBook(before.instrument, [], before.keeps_base)
        self._lay_out(0)
        self.book.take_up_totals(totals)
        self.book.loose = parcels
        self.book.place(price_ticks)
        self.watch.recentered(venue_ns)

    # Over lives

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record; prices and sizes as decimal strings."""
        to_price = self.book.instrument.to_price
        return {
            "mode": self.lines.mode,
            "bounds": [f"{to_price(ticks):f}" for ticks in (self.lines.lower_ticks, self.lines.upper_ticks)],
            "count": self.lines.count,
            "offset": self.offset,
            "shifted": self.watch.shifted,
            "recentered_ns": list(self.watch.recentered_ns),
            "exit_profit": f"{self.exit_profit:f}",
            "book": self.book.to_plain(),
        }

    @classmethod
    def from_plain(
        cls, plain: Mapping[str, Any], sizing: Sizing, instrument: Instrument, keeps_base: bool
    ) -> SpotGrid | None:
        """Return what `to_plain` recorded, None when the market's ticks do not fit its lines any more."""
        bounds = [Decimal(bound) for bound in plain["bounds"]]
        if any(bound % instrument.tick_size for bound in bounds):
            return None
        low, high = (instrument.to_ticks(bound) for bound in bounds)
        lines = GridLines(plain["mode"], low, high, plain["count"])
        watch = RangeWatch(shifted=plain["shifted"], recentered_ns=tuple(plain["recentered_ns"]))
        book = GridBook(instrument, [], keeps_base)
        grid = cls(lines, sizing, book, plain["offset"], watch, Decimal(plain["exit_profit"]))
        grid._lay_out(watch.shifted)
        book.take_up(plain["book"])
        return grid

    # Figures

    def figures(self, price_ticks: float) -> dict[str, Any]:
        """Return what the cells are about and what they earned; money in quote, shares in percent."""
        book, cells = self.book, self.book.cells
        lines = (*(cell.open_ticks for cell in cells), cells[-1].close_ticks)
        held, cost = book.held(), book.held_cost()
        least, most = interval_profits(lines, fee_rate(book.instrument))
        return {
            "cells": book.states(),
            "grid_profit": f"{book.grid_profit:f}",
            "profit_per_grid_pct": [round(float(share) * 100, 6) for share in (least, most)],
            "round_trips": book.round_trips,
            "unfunded_cells": book.unfunded(price_ticks),
            "held_base": f"{held:f}",
            "held_cost": f"{cost:f}",
            "kept_base": f"{sum((one.size for one in book.kept), ZERO):f}",
            "break_even": f"{(cost - book.grid_profit) / held:.10f}" if held else None,
            "range_position_pct": round((price_ticks - lines[0]) / (lines[-1] - lines[0]) * 100, 2),
            "exit_profit": f"{self.exit_profit:f}",
        }

    def annualised_pct(self, lasted_ns: int) -> float | None:
        """Return the grid's profit a year over what all its purchases would cost; None in the first hour."""
        notional = self.book.instrument.notional_quote
        invested = sum((notional(cell.open_ticks, cell.full_lots) for cell in self.book.cells), ZERO)
        if lasted_ns < _HOUR_NS or not invested:
            return None
        return round(float(self.book.grid_profit / invested) * 100 * _YEAR_NS / lasted_ns, 4)


def parcels_of(plain: Mapping[str, Any], instrument: Instrument) -> list[Parcel]:
    """Return all that a recorded grid holds, whatever its lines were."""
    keeper = GridBook(instrument, [Cell(int(number), Side.BUY, 1, 2, 0) for number in plain["book"]["cells"]])
    keeper.take_up(plain["book"])
    return keeper.empty_out()
