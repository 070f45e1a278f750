"""A grid on a spot market: buy at each line that the price falls through, sell each purchase one line higher.

Decides on Timer events; fills change the cells at once. The cells are `core/market/grid_book.py`'s, what happens
outside the range is `core/market/grid_range.py`'s.

    waiting -> (acquiring ->) running -> (selling ->) done
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Command, Quotes
from core.market.events import FillEvent, OrderUpdate
from core.market.grid_cell import Parcel
from core.market.grid_entry import exit_take, mid_price
from core.market.grid_lines import bounds_ticks, range_around
from core.market.grid_trigger import Trigger
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from core.market.spot_grid import SpotGrid, parcels_of
from core.market.spot_grid_params import GridParams, spot_grid_params
from strategies.base import View, as_decimal
from strategies.grid_base import DONE, LEG, NOTHING, GridBase
from utils.errors import ConfigError


class GridStrategy(GridBase):
    """Cells that buy low and sell one line higher; what they hold is the account's base."""

    params: GridParams
    _LEAVING = "selling"

    def __init__(self, params: GridParams) -> None:
        super().__init__(params)
        self._grid: SpotGrid | None = None
        self._started_ns = 0  # by the venue's clock
        self._carried: list[Parcel] = []  # held by a grid of other lines, before this life
        self._now_ns = 0

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> GridParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        return spot_grid_params(strategy_config)

    @classmethod
    def check(cls, params: GridParams, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse lines that the market's ticks, fees or least sizes do not allow. Raises ConfigError."""
        instrument = instruments[LEG]
        if instrument.kind != "spot":
            raise ConfigError(f"grid_strategy trades spot; {instrument.symbol} is none: see perp_grid_strategy")
        if params.lower is not None and params.upper is not None:
            params.lines(bounds_ticks(params.lower, params.upper, instrument), instrument)

    # Events

    def _on_fill(self, event: FillEvent) -> None:
        if self._grid is None:
            return
        if not self._grid.on_fill(event.slot, event.fill) and event.fill.side is Side.BUY:
            self._to_acquire = max(0, self._to_acquire - event.fill.size_lots)
        self._saved = None

    def _on_update(self, update: OrderUpdate) -> None:
        """Leave it: a cell whose order is gone wants it again."""

    # Beginning

    def _make(self, view: View, market: OrderBook) -> bool:
        params, instrument = self.params, view.instruments[LEG]
        lines = params.lines(params.bounds(mid_price(market, instrument), instrument), instrument)
        grid = SpotGrid.make(lines, params.sizing, instrument, params.keeps_base)
        needed = grid.book.needed_lots(market.mid_ticks())
        found = self._inventory(view, market, needed)
        if found is None:
            return False
        grid.book.loose = found
        short = needed - instrument.to_lots(grid.book.held())
        self._to_acquire = max(0, short) if params.initial_inventory.startswith("buy_") else 0
        self._grid, self._started_ns = grid, market.venue_ns
        return True

    def _inventory(self, view: View, market: OrderBook, needed_lots: int) -> list[Parcel] | None:
        """Return what there is to fund cells with, at the price of now; None while the balance is not known."""
        instrument, carried = view.instruments[LEG], list(self._carried)
        if self.params.initial_inventory == "none" or not needed_lots:
            return carried
        balance = view.balances.get(LEG, {}).get(instrument.base)
        if balance is None:
            return None
        have = sum((one.size for one in carried), Decimal(0))
        more = min(balance.available, instrument.to_size(needed_lots)) - have
        lots = instrument.to_lots(max(Decimal(0), more))
        return [*carried, Parcel(instrument.to_size(lots), mid_price(market, instrument))] if lots else carried

    def _acquire(self, view: View, market: OrderBook) -> list[Command]:
        """Buy what the cells above the price lack."""
        assert self._grid is not None
        return self._acquired(view, market, self._grid.book, Side.BUY, self.params.initial_inventory == "buy_maker")

    # Running

    def _step(self, view: View, market: OrderBook) -> list[Command]:
        self._now_ns = market.venue_ns
        return super()._step(view, market)

    def _run(self, view: View, market: OrderBook) -> list[Command]:
        assert self._grid is not None
        grid = self._grid
        ended = self._outside(view, market, grid.watch, grid.book.bounds())
        if ended is not None:
            return ended
        book = grid.book  # it may be another one by now
        book.follow(market.mid_ticks())
        return [Quotes(self._offers(view, market, book, book.wishes(), reduce_only=False), LEG)]

    def _trail(self, step: int, view: View) -> None:
        assert self._grid is not None
        self._grid.trail(step)

    def _recenter(self, view: View, market: OrderBook) -> None:
        assert self._grid is not None
        instrument = view.instruments[LEG]
        around = range_around(mid_price(market, instrument), self.params.range_pct, instrument)
        self._grid.recenter(self.params.lines(around, instrument), market.mid_ticks(), market.venue_ns)

    # Leaving

    def _get_out(self, view: View, market: OrderBook) -> list[Command]:
        """Sell what the grid holds in immediate orders near the touch, once nothing else rests or is in flight."""
        assert self._grid is not None
        instrument = view.instruments[LEG]
        if view.open_orders.get(LEG) or view.unbooked.get(LEG):
            return [NOTHING]
        lots = instrument.to_lots(self._grid.book.held())
        balance = view.balances.get(LEG, {}).get(instrument.base)
        if balance is not None:
            lots = min(lots, instrument.to_lots(balance.available))
        slippage_bps = as_decimal(self.params.initial_max_slippage_bps)
        take = exit_take(Side.SELL, lots, slippage_bps, market, instrument, LEG)
        if take is not None:
            return [NOTHING, take]
        return self._end(f"{self._reason}; what the grid held is sold")

    # Memory

    def saved(self) -> dict[str, Any] | None:
        """Return the grid and where it is in its life; None before there is any of it."""
        if self._saved is None and (self._grid is not None or self._trigger.side is not None):
            grid = None if self._grid is None else self._grid.to_plain()
            self._saved = self._common() | {"started_ns": self._started_ns, "grid": grid}
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up a grid; one of other lines gives what it holds to the new one, one that is over is forgotten."""
        if saved["phase"] == DONE:
            return
        self._trigger = Trigger(*saved["trigger"])
        if saved["grid"] is None:
            return
        instrument, params, grid = view.instruments[LEG], self.params, None
        if saved["key"] == self._key():
            grid = SpotGrid.from_plain(saved["grid"], params.sizing, instrument, params.keeps_base)
        if grid is None:
            self._carried = parcels_of(saved["grid"], instrument)
            return
        self._take_up_common(saved)
        self._grid, self._started_ns, self._reason = grid, saved["started_ns"], saved["reason"]

    # Figures

    def stats(self) -> dict[str, Any]:
        """Return the phase, what the cells are about and what they earned; money in quote, shares in percent."""
        told: dict[str, Any] = {"phase": self._phase}
        if self._grid is None:
            return told
        lasted_ns = self._now_ns - self._started_ns if self._started_ns else 0
        annualised = self._grid.annualised_pct(lasted_ns)
        return told | self._grid.figures(self._mid_ticks) | {"annualised_grid_return_pct": annualised}


STRATEGY = GridStrategy
