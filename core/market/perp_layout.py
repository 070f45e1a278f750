"""A margin grid as it is laid out: lines, centre, sizes, cells, and what it can come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from core.market.grid_book import GridBook
from core.market.grid_lines import GridLines, interval_profits
from core.market.grid_sizing import Sizing, check_profit, check_sizes, fee_rate
from core.market.grid_worst_case import WorstCase, check_worst_case, worst_case
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.perp_grid import PerpGrid, make_cells
from core.market.risk import RiskLimits
from utils.errors import ConfigError

_ZERO = Decimal(0)


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
    """One layout with its cells; only the cells change."""

    lines: GridLines
    centre_ticks: int
    sizing: Sizing
    terms: GridTerms
    grid: PerpGrid
    worst: tuple[WorstCase, ...]  # of the long cells, of the short cells

    @classmethod
    def make(
        cls, terms: GridTerms, lines: GridLines, centre_ticks: int, sizing: Sizing, instrument: Instrument
    ) -> PerpLayout:
        """Return a layout whose cells are empty."""
        cells = make_cells(lines.all(), terms.grid_type, centre_ticks, sizing, instrument, terms.must_earn)
        stops = {Side.BUY: terms.stop_lower_ticks, Side.SELL: terms.stop_upper_ticks}
        worst = [worst_case(cells, side, stops[side], terms.leverage, instrument) for side in Side]
        found = tuple(one for one in worst if one is not None)
        return cls(lines, centre_ticks, sizing, terms, PerpGrid(GridBook(instrument, cells)), found)

    def check(self, limits: RiskLimits) -> None:
        """Refuse a grid that cannot earn, be placed, or be carried to its end. Raises ConfigError."""
        instrument, cells = self.grid.book.instrument, self.grid.book.cells
        if self.terms.must_earn:
            check_profit(self.lines.all(), instrument)
        if not cells:
            raise ConfigError("no cell of the grid can earn anything: more lines or another neutral_center are needed")
        check_sizes([(cell.open_ticks, cell.full_lots) for cell in cells], self.sizing, instrument)
        for one in self.worst:
            check_worst_case(one, limits, instrument)

    def bounds(self) -> tuple[int, int, int, int]:
        """Return the two lowest and the two highest lines."""
        lines, last = self.lines, self.lines.count - 1
        return lines.at(0), lines.at(1), lines.at(last - 1), lines.at(last)

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
        layout = cls.make(terms, GridLines(plain["mode"], low, high, plain["count"]), centre, sizing, instrument)
        if {str(cell.number) for cell in layout.grid.book.cells} != set(plain["book"]["cells"]):
            return None
        layout.grid.book.take_up(plain["book"])
        layout.grid.gap = plain["gap"]
        return layout

    # Figures

    def figures(self, position_lots: int, price_ticks: float) -> dict[str, Any]:
        """Return what the cells are about and what they can come to; money in quote, shares in percent."""
        grid, instrument, lines = self.grid, self.grid.book.instrument, self.lines.all()
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
