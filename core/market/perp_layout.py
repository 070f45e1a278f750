"""A margin grid as it is laid out: lines, centre, sizes, cells, and what it can come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any

from core.market.grid_book import GridBook
from core.market.grid_cell import Cell, Parcel
from core.market.grid_lines import GridLines, interval_profits
from core.market.grid_sizing import Sizing, check_profit, check_sizes, fee_rate
from core.market.grid_worst_case import WorstCase, check_worst_case, worst_case
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.perp_grid import SHORT, PerpGrid, make_cells
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from utils.errors import ConfigError

_ZERO = Decimal(0)
_NUMBERS_APART = 1_000  # cells of a grid made anew have other numbers, so that late fills are not taken for theirs


@dataclass(frozen=True, slots=True)
class GridTerms:
    """What is the same for every layout of a bot; stop prices in ticks."""

    grid_type: str
    leverage: Decimal
    must_earn: bool
    stop_lower_ticks: int | None = None
    stop_upper_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class PerpLayout:
    """One layout with its cells; only the cells change. The cell `number` is number - offset - shifted from the lowest.

    `shifted` is how many cells it has moved from its lines, up is positive.
    """

    lines: GridLines
    centre_ticks: int
    sizing: Sizing
    terms: GridTerms
    grid: PerpGrid
    worst: tuple[WorstCase, ...]  # of the long cells, of the short cells
    shifted: int = 0
    offset: int = 0

    @classmethod
    def make(
        cls,
        terms: GridTerms,
        lines: GridLines,
        centre_ticks: int,
        sizing: Sizing,
        instrument: Instrument,
        shifted: int = 0,
        offset: int = 0,
    ) -> PerpLayout:
        """Return a layout whose cells are empty."""
        prices = lines.from_line(shifted)
        cells = make_cells(prices, terms.grid_type, centre_ticks, sizing, instrument, terms.must_earn)
        for cell in cells:
            cell.number += shifted + offset
        stops = {Side.BUY: terms.stop_lower_ticks, Side.SELL: terms.stop_upper_ticks}
        worst = [worst_case(cells, side, stops[side], terms.leverage, instrument) for side in Side]
        found = tuple(one for one in worst if one is not None)
        grid = PerpGrid(GridBook(instrument, cells))
        return cls(lines, centre_ticks, sizing, terms, grid, found, shifted, offset)

    @property
    def prices(self) -> tuple[int, ...]:
        """Return the lines that the cells lie between, in ticks, ascending."""
        return self.lines.from_line(self.shifted)

    def reserve_for(self, position: Position, price_ticks: float) -> int:
        """Set aside what is held already for the cells behind a price; return the lots that they still lack."""
        book = self.grid.book
        needed, sign = book.needed_lots(price_ticks), -1 if self.terms.grid_type == SHORT else 1
        held, entry = max(0, position.size_lots * sign), position.average_price(book.instrument)
        if held and entry is not None:
            book.loose = [Parcel(book.instrument.to_size(min(held, needed)), entry)]
        return max(0, needed - held)

    # Moving

    def trailed(self, step: int, limits: RiskLimits) -> PerpLayout:
        """Return the grid a cell higher (1) or lower (-1), with the same cells but for one. Raises ConfigError.

        What the cell that goes still holds is moved to the new one when that is farther from closing; else it is left
        to be found as a difference between cells and position. The limits are asked as for a new grid.
        """
        old = self.grid.book
        moved = self._same_kind(self.lines, self.centre_ticks, self.shifted + step, self.offset)
        moved.check(limits)
        kept = {cell.number: cell for cell in old.cells}
        cells = [kept.pop(cell.number, cell) for cell in moved.grid.book.cells]
        (leaving,) = kept.values()
        fresh = cells[-1 if step > 0 else 0]
        if leaving.parcels and fresh.opening.sign * step < 0:
            fresh.fund(leaving.leave(leaving.held))
        return self._with_cells(moved, cells, old.loose)

    def recentered(self, lines: GridLines, centre_ticks: int, price_ticks: float, limits: RiskLimits) -> PerpLayout:
        """Return the grid on other lines, with all that it has earned. Raises ConfigError.

        What it holds goes to the cells behind the price, nearest first; what finds none is left to be found as a
        difference between cells and position.
        """
        made = self._same_kind(lines, centre_ticks, 0, self.offset + _NUMBERS_APART)
        made.check(limits)
        moved = self._with_cells(made, made.grid.book.cells, self.grid.book.empty_out())
        moved.grid.book.place(price_ticks)
        moved.grid.book.loose = []
        return moved

    def _same_kind(self, lines: GridLines, centre_ticks: int, shifted: int, offset: int) -> PerpLayout:
        instrument, prices = self.grid.book.instrument, lines.from_line(shifted)
        if prices[0] < 1 or any(low >= high for low, high in pairwise(prices)):
            raise ConfigError("the lines of the grid would be below one tick, or two of them on one tick")
        return PerpLayout.make(self.terms, lines, centre_ticks, self.sizing, instrument, shifted, offset)

    def _with_cells(self, made: PerpLayout, cells: list[Cell], loose: list[Parcel]) -> PerpLayout:
        """Return a layout with the totals of this one."""
        book = GridBook(self.grid.book.instrument, cells, loose=loose)
        book.take_up_totals(self.grid.book.to_plain())
        return replace(made, grid=PerpGrid(book))

    def check(self, limits: RiskLimits) -> None:
        """Refuse a grid that cannot earn, be placed, or be carried to its end. Raises ConfigError."""
        instrument, cells = self.grid.book.instrument, self.grid.book.cells
        if self.terms.must_earn:
            check_profit(self.prices, instrument)
        if not cells:
            raise ConfigError("no cell of the grid can earn anything: more lines or another neutral_center are needed")
        check_sizes([(cell.open_ticks, cell.full_lots) for cell in cells], self.sizing, instrument)
        for one in self.worst:
            check_worst_case(one, limits, instrument)

    def bounds(self) -> tuple[int, int, int, int]:
        """Return the two lowest and the two highest lines."""
        low, above, *_ = self.prices
        *_, below, high = self.prices
        return low, above, below, high

    def most_value(self) -> Decimal:
        """Return the value in quote of the larger side when all its cells are filled."""
        return max((one.margin * self.terms.leverage for one in self.worst), default=_ZERO)

    # Over lives

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record; prices and sizes as decimal strings."""
        to_price = self.grid.book.instrument.to_price
        return {
            "bounds": [f"{to_price(ticks):f}" for ticks in (self.lines.lower_ticks, self.lines.upper_ticks)],
            "mode": self.lines.mode,
            "count": self.lines.count,
            "centre": f"{to_price(self.centre_ticks):f}",
            "quantity": None if self.sizing.quantity is None else f"{self.sizing.quantity:f}",
            "book": self.grid.book.to_plain(),
            "gap": self.grid.gap,
            "shifted": self.shifted,
            "offset": self.offset,
        }

    @classmethod
    def from_plain(
        cls, plain: Mapping[str, Any], terms: GridTerms, sizing: Sizing, instrument: Instrument
    ) -> PerpLayout | None:
        """Return what `to_plain` recorded, None when it does not fit any more: other ticks, other halves at the centre.

        `sizing` is the configured one; an automatic size stays what it was.
        """
        prices = [Decimal(text) for text in (*plain["bounds"], plain["centre"])]
        if any(price % instrument.tick_size for price in prices):
            return None
        low, high, centre = (instrument.to_ticks(price) for price in prices)
        if sizing == Sizing():
            sizing = Sizing(quantity=Decimal(plain["quantity"]))
        lines, moved = (
            GridLines(plain["mode"], low, high, plain["count"]),
            [plain.get(k, 0) for k in ("shifted", "offset")],
        )
        layout = cls.make(terms, lines, centre, sizing, instrument, *moved)
        if {str(cell.number) for cell in layout.grid.book.cells} != set(plain["book"]["cells"]):
            return None
        layout.grid.book.take_up(plain["book"])
        layout.grid.gap = plain["gap"]
        return layout

    # Figures

    def figures(self, position_lots: int, price_ticks: float) -> dict[str, Any]:
        """Return what the cells are about and what they can come to; money in quote, shares in percent."""
        grid, instrument, lines = self.grid, self.grid.book.instrument, self.prices
        least, most = interval_profits(lines, fee_rate(instrument))
        longs = sum(cell.opening is Side.BUY for cell in grid.book.cells)
        at_stop = [one.loss_at_stop for one in self.worst if one.loss_at_stop is not None]
        return {
            "cells": grid.book.states(),
            "long_cells": longs,
            "short_cells": len(grid.book.cells) - longs,
            "profit_per_grid_pct": [round(float(share) * 100, 6) for share in (least, most)],
            "held_base": f"{instrument.to_size(grid.net_lots):f}",
            "range_position_pct": round((price_ticks - lines[0]) / (lines[-1] - lines[0]) * 100, 2),
            "uncovered": f"{instrument.to_size(grid.uncovered(position_lots)):f}",
            "worst_case_loss": _short(max((one.loss for one in self.worst), default=_ZERO)),
            "worst_case_loss_at_stop": _short(max(at_stop)) if at_stop else None,
            "worst_case_margin": _short(max((one.margin for one in self.worst), default=_ZERO)),
            "liq_price": {
                one.side.value: None if one.liquidation_price is None else _short(one.liquidation_price)
                for one in self.worst
            },
        }


def _short(number: Decimal) -> str:
    """Return ten digits of a number, without trailing zeros or an exponent."""
    return f"{Context(prec=10).create_decimal(number).normalize():f}"
