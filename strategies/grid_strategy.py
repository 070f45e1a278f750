"""A grid on a spot market: buy at each line that the price falls through, sell each purchase one line higher.

Decides on Timer events; fills change the cells at once. The cells are `core/market/grid_book.py`'s, what happens
outside the range is `core/market/grid_range.py`'s.

    waiting -> (acquiring ->) running -> (selling ->) done
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Command, Halt, Quote, Quotes
from core.market.events import Event, FillEvent, Timer
from core.market.grid_book import in_batches, nearest
from core.market.grid_cell import Parcel
from core.market.grid_entry import entry_commands, exit_take, mid_price
from core.market.grid_lines import GridLines, bounds_ticks, make_lines, range_around
from core.market.grid_range import HOLD, RECENTER, STOP, TRAIL_DOWN, TRAIL_UP, RangeRules, stop_reason
from core.market.grid_sizing import Sizing
from core.market.grid_trigger import Trigger
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.risk import RiskLimits
from core.market.spot_grid import SpotGrid, check_spot_grid, parcels_of
from strategies.base import Strategy, View, as_decimal
from utils.errors import ConfigError

LEG = "main"
WAITING, ACQUIRING, RUNNING, SELLING, DONE = "waiting", "acquiring", "running", "selling", "done"
_NOTHING = Quotes((), LEG)
_TAKE_SLOT = "take"
_MONEY = ("lower", "upper", "quantity", "quantity_quote", "total_investment", "trigger_price", "stop_lower")
_DECIMALS = (*_MONEY, "stop_upper", "trail_floor", "range_pct")
_GRID_KEYS = ("lower", "upper", "auto_range", "range_pct", "grid_num", "grid_mode")


@dataclass(frozen=True, slots=True)
class GridParams:
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    lower: Decimal | None = None
    upper: Decimal | None = None
    auto_range: bool = False
    range_pct: Decimal = Decimal("5.0")
    grid_num: int = 10
    grid_mode: str = "arithmetic"
    quantity: Decimal | None = None
    quantity_quote: Decimal | None = None
    total_investment: Decimal | None = None
    initial_inventory: str = "use_balance"
    initial_max_slippage_bps: float = 30.0
    min_profit_check: bool = True
    trigger_price: Decimal | None = None
    stop_lower: Decimal | None = None
    stop_upper: Decimal | None = None
    on_range_exit: str = HOLD
    range_exit_confirm_s: float = 10.0
    trail_limit: int = 0
    trail_floor: Decimal | None = None
    max_recenters: int = 3
    max_active_orders: int = 0
    activation_pct: float | None = None
    batch_size: int | None = None
    profit_mode: str = "quote"

    @property
    def sizing(self) -> Sizing:
        """Return how much a cell trades."""
        return Sizing(self.quantity, self.quantity_quote, self.total_investment)

    def rules(self, instrument: Instrument) -> RangeRules:
        """Return what happens outside the range, in ticks."""

        def ticks(price: Decimal | None) -> int | None:
            return None if price is None else instrument.to_ticks(price)

        return RangeRules(
            mode=self.on_range_exit,
            confirm_ns=int(self.range_exit_confirm_s * 1_000_000_000),
            stop_lower_ticks=ticks(self.stop_lower),
            stop_upper_ticks=ticks(self.stop_upper),
            trail_limit=self.trail_limit,
            trail_floor_ticks=ticks(self.trail_floor),
            max_recenters=self.max_recenters,
        )


def _check_range(params: GridParams) -> None:
    given = [bound for bound in (params.lower, params.upper) if bound is not None]
    if params.auto_range and given:
        raise ConfigError("lower and upper are not given with auto_range")
    if not params.auto_range and len(given) != 2:
        raise ConfigError("lower and upper are needed, or auto_range")
    if len(given) == 2 and given[0] >= given[1]:
        raise ConfigError("lower must be below upper")


def _check_stops(params: GridParams) -> None:
    lower, upper = params.lower, params.upper
    if params.stop_lower is not None and lower is not None and params.stop_lower >= lower:
        raise ConfigError("stop_lower must be below lower")
    if params.stop_upper is not None and upper is not None and params.stop_upper <= upper:
        raise ConfigError("stop_upper must be above upper")
    if None not in (params.stop_lower, params.stop_upper) and params.stop_lower >= params.stop_upper:  # type: ignore[operator]
        raise ConfigError("stop_lower must be below stop_upper")
    if params.trail_floor is not None and lower is not None and params.trail_floor > lower:
        raise ConfigError("trail_floor must not be above lower")


def _check_size(params: GridParams) -> None:
    sizes = (params.quantity, params.quantity_quote, params.total_investment)
    if sum(size is not None for size in sizes) != 1:
        raise ConfigError("exactly one of quantity, quantity_quote and total_investment is needed")


class GridStrategy(Strategy):
    """One grid. It outlives a life; what the price did while nobody looked does not matter."""

    params: GridParams

    def __init__(self, params: GridParams) -> None:
        super().__init__(params)
        self._phase = WAITING
        self._grid: SpotGrid | None = None
        self._start_price: Decimal | None = None
        self._started_ns = 0  # by the venue's clock
        self._to_acquire = 0  # lots
        self._trigger = Trigger()
        self._carried: list[Parcel] = []  # held by a grid of other lines, before this life
        self._reason = ""  # why it is left
        self._mid_ticks, self._now_ns = 0.0, 0
        self._states: tuple[Any, ...] = ()
        self._saved: dict[str, Any] | None = None  # None: to be made anew

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> GridParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        own = {field.name for field in dataclasses.fields(GridParams)}
        values = {key: value for key, value in strategy_config.items() if key in own and value is not None}
        params = GridParams(**values | {key: as_decimal(values[key]) for key in _DECIMALS if key in values})
        _check_range(params)
        _check_stops(params)
        _check_size(params)
        return params

    @classmethod
    def check(cls, params: GridParams, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse lines that the market's ticks, fees or least sizes do not allow. Raises ConfigError."""
        instrument = instruments[LEG]
        if instrument.kind != "spot":
            raise ConfigError(f"grid_strategy trades spot; {instrument.symbol} is none: see perp_grid_strategy")
        if params.lower is not None and params.upper is not None:
            _lines(params, bounds_ticks(params.lower, params.upper, instrument), instrument)

    # Events

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Book fills, watch for the trigger, and return what is wanted when a decision is due."""
        if isinstance(event, Timer):
            return self._decide(view)
        if isinstance(event, FillEvent):
            self._on_fill(event)
        elif self.params.trigger_price is not None and self._trigger.hear(
            event, self.params.trigger_price, view.instruments[LEG]
        ):
            self._saved = None
        return []

    def _on_fill(self, event: FillEvent) -> None:
        if self._grid is None:
            return
        if not self._grid.on_fill(event.slot, event.fill) and event.fill.side is Side.BUY:
            self._to_acquire = max(0, self._to_acquire - event.fill.size_lots)
        self._saved = None

    # Decisions

    def _decide(self, view: View) -> list[Command]:
        market = view.books.get(LEG)
        if market is None or not market.is_quotable:
            return []  # no price: what was wanted still is
        self._mid_ticks, self._now_ns = market.mid_ticks(), market.venue_ns
        if self._phase == WAITING:
            return self._begin(view, market)
        if self._phase == ACQUIRING:
            return self._acquire(view, market)
        if self._phase == RUNNING:
            return self._run(view, market)
        if self._phase == SELLING:
            return self._sell_out(view, market)
        return [_NOTHING, Halt(self._reason)]

    def _enter(self, phase: str) -> None:
        self._phase, self._saved = phase, None

    def _end(self, reason: str) -> list[Command]:
        self._reason = reason
        self._enter(DONE)
        return [_NOTHING, Halt(reason)]

    # Beginning

    def _begin(self, view: View, market: OrderBook) -> list[Command]:
        params, instrument = self.params, view.instruments[LEG]
        if params.trigger_price is not None:
            self._trigger.see(market.mid_ticks(), params.trigger_price, instrument)
            if not self._trigger.is_touched:
                return [_NOTHING]
        try:
            lines = _lines(params, self._bounds(market, instrument), instrument)
        except ConfigError as exc:
            return [_NOTHING, Halt(str(exc))]
        grid = SpotGrid.make(lines, params.sizing, instrument, params.profit_mode == "base")
        needed = grid.book.needed_lots(market.mid_ticks())
        found = self._inventory(view, market, needed)
        if found is None:
            return [_NOTHING]
        grid.book.loose = found
        short = needed - instrument.to_lots(grid.book.held())
        self._to_acquire = max(0, short) if params.initial_inventory.startswith("buy_") else 0
        self._grid, self._started_ns, self._start_price = grid, market.venue_ns, mid_price(market, instrument)
        self._enter(ACQUIRING)
        return self._acquire(view, market)

    def _bounds(self, market: OrderBook, instrument: Instrument) -> tuple[int, int]:
        """Return the bounds in ticks; those of an automatic range are frozen from here on."""
        lower, upper = self.params.lower, self.params.upper
        if lower is not None and upper is not None:
            return bounds_ticks(lower, upper, instrument)
        return range_around(mid_price(market, instrument), self.params.range_pct, instrument)

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
        """Buy what the cells above the price lack, not dearer than allowed; then place the grid."""
        assert self._grid is not None
        assert self._start_price is not None
        commands = entry_commands(
            Side.BUY,
            self._to_acquire,
            self._start_price,
            self._slippage_bps,
            market,
            view.instruments[LEG],
            rests=self.params.initial_inventory == "buy_maker",
            is_taking=_is_taking(view),
            leg=LEG,
        )
        if commands is not None:
            return commands
        self._grid.book.place(market.mid_ticks())
        self._enter(RUNNING)
        return self._run(view, market)

    @property
    def _slippage_bps(self) -> Decimal:
        return as_decimal(self.params.initial_max_slippage_bps)

    # Running

    def _run(self, view: View, market: OrderBook) -> list[Command]:
        assert self._grid is not None
        instrument, grid, mid = view.instruments[LEG], self._grid, market.mid_ticks()
        rules = self.params.rules(instrument)
        if reason := stop_reason(rules, mid):
            return self._leave(view, market, f"{reason} is reached")
        action = grid.watch.look(rules, mid, grid.book.bounds(), view.now_ns)
        if action == STOP:
            return self._end("the price left the range of the grid")
        if action in (TRAIL_UP, TRAIL_DOWN):
            grid.trail(1 if action == TRAIL_UP else -1)
        elif action == RECENTER and grid.watch.may_recenter(rules, market.venue_ns):
            try:
                lines = _lines(
                    self.params,
                    range_around(mid_price(market, instrument), self.params.range_pct, instrument),
                    instrument,
                )
            except ConfigError as exc:
                return [_NOTHING, Halt(str(exc))]
            grid.recenter(lines, mid, market.venue_ns)
        elif action not in (HOLD, RECENTER):
            return self._leave(view, market, "the price left the range of the grid")
        return [Quotes(self._quotes(view, market, grid), LEG)]

    def _quotes(self, view: View, market: OrderBook, grid: SpotGrid) -> tuple[Quote, ...]:
        book, params, mid = grid.book, self.params, market.mid_ticks()
        book.follow(mid)
        unbooked = view.unbooked.get(LEG, frozenset())  # filled or cancelled is not known yet
        wishes = [wish for wish in book.wishes() if wish[0].slot not in unbooked]
        live = {order.slot: order.price_ticks for order in view.open_orders.get(LEG, ())}
        chosen = nearest(wishes, mid, params.max_active_orders, params.activation_pct)
        quotes = book.quotes(market, chosen, live, LEG)
        states = tuple((cell.number, cell.state) for cell in book.cells)
        if states != self._states:
            self._states, self._saved = states, None
        return in_batches(quotes, live, mid, params.batch_size)

    # Leaving

    def _leave(self, view: View, market: OrderBook, reason: str) -> list[Command]:
        self._reason = reason
        self._enter(SELLING)
        return self._sell_out(view, market)

    def _sell_out(self, view: View, market: OrderBook) -> list[Command]:
        """Sell what the grid holds in immediate orders near the touch, once nothing else rests or is in flight."""
        assert self._grid is not None
        instrument = view.instruments[LEG]
        if view.open_orders.get(LEG) or view.unbooked.get(LEG):
            return [_NOTHING]
        lots = instrument.to_lots(self._grid.book.held())
        balance = view.balances.get(LEG, {}).get(instrument.base)
        if balance is not None:
            lots = min(lots, instrument.to_lots(balance.available))
        take = exit_take(Side.SELL, lots, self._slippage_bps, market, instrument, LEG)
        if take is not None:
            return [_NOTHING, take]
        return self._end(f"{self._reason}; what the grid held is sold")

    # Memory

    def saved(self) -> dict[str, Any] | None:
        """Return the grid and where it is in its life; None before there is any of it."""
        if self._saved is None and (self._grid is not None or self._trigger.side is not None):
            self._saved = {
                "version": 1,
                "key": self._key(),
                "phase": self._phase,
                "trigger": [self._trigger.side, self._trigger.is_touched],
                "to_acquire": self._to_acquire,
                "start_price": None if self._start_price is None else f"{self._start_price:f}",
                "started_ns": self._started_ns,
                "reason": self._reason,
                "grid": None if self._grid is None else self._grid.to_plain(),
            }
        return self._saved

    def _key(self) -> list[str]:
        return [str(getattr(self.params, name)) for name in _GRID_KEYS]

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up a grid; one of other lines gives what it holds to the new one, one that is over is forgotten."""
        if saved["phase"] == DONE:
            return
        self._trigger = Trigger(*saved["trigger"])
        if saved["grid"] is None:
            return
        instrument, params, grid = view.instruments[LEG], self.params, None
        if saved["key"] == self._key():
            grid = SpotGrid.from_plain(saved["grid"], params.sizing, instrument, params.profit_mode == "base")
        if grid is None:
            self._carried = parcels_of(saved["grid"], instrument)
            return
        self._grid, self._phase, self._to_acquire = grid, saved["phase"], saved["to_acquire"]
        self._start_price, self._started_ns = Decimal(saved["start_price"]), saved["started_ns"]
        self._reason = saved["reason"]

    # Figures

    def stats(self) -> dict[str, Any]:
        """Return the phase, what the cells are about and what they earned; money in quote, shares in percent."""
        told: dict[str, Any] = {"phase": self._phase}
        if self._grid is None:
            return told
        lasted_ns = self._now_ns - self._started_ns if self._started_ns else 0
        annualised = self._grid.annualised_pct(lasted_ns)
        return told | self._grid.figures(self._mid_ticks) | {"annualised_grid_return_pct": annualised}


def _lines(params: GridParams, bounds: tuple[int, int], instrument: Instrument) -> GridLines:
    """Return the lines between two bounds in ticks. Raises ConfigError for a grid that cannot be."""
    lines = make_lines(params.grid_mode, *bounds, params.grid_num)
    check_spot_grid(lines, params.sizing, instrument, params.min_profit_check)
    return lines


def _is_taking(view: View) -> bool:
    """Tell whether an immediate order is not settled, or its fills are not booked."""
    in_flight = any(order.slot == _TAKE_SLOT for order in view.open_orders.get(LEG, ()))
    return in_flight or _TAKE_SLOT in view.unbooked.get(LEG, frozenset())


STRATEGY = GridStrategy
