"""A grid on a perpetual or future: long, short, or neutral around a centre; closing orders only reduce.

Decides on Timer events; fills change the cells at once. The cells are `core/market/grid_book.py`'s, which of them open
and close which way is `core/market/perp_grid.py`'s.

    waiting -> (acquiring ->) running -> (closing -> waiting | cooling -> waiting | done)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.barriers import BARRIER_KEYS, Barrier, BarrierClock, barrier_limits, judge
from core.market.book import OrderBook
from core.market.commands import Command, Halt, Quote, Quotes, Take
from core.market.events import Event, FillEvent, OrderUpdate, Timer
from core.market.grid_book import in_batches, nearest
from core.market.grid_cell import CellState, Parcel
from core.market.grid_entry import entry_commands, exit_take, mid_price
from core.market.grid_lines import GridLines, bounds_ticks, make_lines, range_around
from core.market.grid_range import HOLD, STOP, RangeRules, RangeWatch, side_of_range, stop_reason
from core.market.grid_sizing import Sizing
from core.market.grid_trigger import Trigger
from core.market.instrument import Instrument
from core.market.lost_closes import LOST, LostCloses
from core.market.order import Side
from core.market.perp_grid import NEUTRAL, SHORT
from core.market.perp_layout import GridTerms, PerpLayout
from core.market.position import Position
from core.market.risk import RiskLimits
from strategies.base import Strategy, View, as_decimal
from utils.errors import ConfigError

LEG = "main"
WAITING, ACQUIRING, RUNNING, CLOSING, COOLING, DONE = "waiting", "acquiring", "running", "closing", "cooling", "done"
_NOTHING = Quotes((), LEG)
_TAKE_SLOT = "take"
_PRICES = ("lower", "upper", "trigger_price", "stop_lower", "stop_upper", "neutral_center")
_DECIMALS = (*_PRICES, "quantity", "quantity_quote", "range_pct", "leverage", "stop_loss", "take_profit")
_GRID_KEYS = ("lower", "upper", "auto_range", "range_pct", "grid_num", "grid_mode", "grid_type", "neutral_center")
_SECOND_NS = 1_000_000_000
_WIDER = Decimal("1.5")  # each try to close may trade this much farther


@dataclass(frozen=True, slots=True)
class PerpGridParams:
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    lower: Decimal | None = None
    upper: Decimal | None = None
    auto_range: bool = False
    range_pct: Decimal = Decimal("5.0")
    grid_num: int = 10
    grid_mode: str = "arithmetic"
    quantity: Decimal | None = None
    quantity_quote: Decimal | None = None
    grid_type: str = NEUTRAL
    neutral_center: Decimal | None = None
    initial_position: str = "none"
    initial_max_slippage_bps: float = 30.0
    leverage: Decimal = Decimal("1.0")
    margin_mode: str | None = "cross"
    margin_buffer_pct: float = 20.0
    min_profit_check: bool = True
    trigger_price: Decimal | None = None
    stop_lower: Decimal | None = None
    stop_upper: Decimal | None = None
    on_range_exit: str = HOLD
    range_exit_confirm_s: float = 10.0
    max_active_orders: int = 0
    activation_pct: float | None = None
    batch_size: int | None = None
    close_market_after: int = 3
    position_sync_s: float = 60.0
    reduce_slippage_bps: float = 20.0
    max_close_slippage_bps: float = 200.0
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None
    trailing_start_pct: float | None = None
    trailing_delta_pct: float | None = None
    time_limit_s: float | None = None
    barrier_base: str = "equity"
    after_barrier: str = "stop"
    barrier_cooldown_s: float = 60.0

    @property
    def sizing(self) -> Sizing:
        """Return how much a cell trades, an empty one when the margin decides."""
        return Sizing(self.quantity, self.quantity_quote)

    def rules(self, instrument: Instrument) -> RangeRules:
        """Return what happens outside the range, in ticks."""

        def ticks(price: Decimal | None) -> int | None:
            return None if price is None else instrument.to_ticks(price)

        confirm_ns = int(self.range_exit_confirm_s * _SECOND_NS)
        return RangeRules(self.on_range_exit, confirm_ns, ticks(self.stop_lower), ticks(self.stop_upper))

    def terms(self, instrument: Instrument) -> GridTerms:
        """Return what every layout of this bot has in common."""
        rules = self.rules(instrument)
        stops = (rules.stop_lower_ticks, rules.stop_upper_ticks)
        return GridTerms(self.grid_type, self.leverage, self.min_profit_check, *stops)


def _check_range(params: PerpGridParams) -> None:
    given = [bound for bound in (params.lower, params.upper) if bound is not None]
    if params.auto_range and given:
        raise ConfigError("lower and upper are not given with auto_range")
    if not params.auto_range and len(given) != 2:
        raise ConfigError("lower and upper are needed, or auto_range")
    if len(given) != 2:
        return
    lower, upper = given
    if lower >= upper:
        raise ConfigError("lower must be below upper")
    if params.neutral_center is not None and not lower < params.neutral_center < upper:
        raise ConfigError("neutral_center must be between lower and upper")
    if params.stop_lower is not None and params.stop_lower >= lower:
        raise ConfigError("stop_lower must be below lower")
    if params.stop_upper is not None and params.stop_upper <= upper:
        raise ConfigError("stop_upper must be above upper")


def _check_kind(params: PerpGridParams) -> None:
    if params.neutral_center is not None and params.grid_type != NEUTRAL:
        raise ConfigError("neutral_center needs grid_type 'neutral'")
    if params.initial_position != "none" and params.grid_type == NEUTRAL:
        raise ConfigError("a neutral grid has no initial_position")
    if params.quantity is not None and params.quantity_quote is not None:
        raise ConfigError("at most one of quantity and quantity_quote is given")


class PerpGridStrategy(Strategy):
    """One grid. It outlives a life; what the price did while nobody looked does not matter."""

    params: PerpGridParams

    def __init__(self, params: PerpGridParams) -> None:
        super().__init__(params)
        self._phase = WAITING
        self._laid: PerpLayout | None = None
        self._trigger = Trigger()
        self._watch = RangeWatch()
        self._clock = BarrierClock()
        self._closers = LostCloses()
        self._start_price: Decimal | None = None
        self._start_net: Decimal | None = None  # of the ledger's position, when the grid began
        self._to_acquire = 0  # lots
        self._sync_due_ns = self._cool_until_ns = 0
        self._close_tries = 0
        self._reason = ""
        self._earned = (Decimal(0), 0)  # profit and round trips of grids that barriers have ended
        self._position = Position(LEG)
        self._mid_ticks = 0.0
        self._states: tuple[Any, ...] = ()
        self._saved: dict[str, Any] | None = None

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> PerpGridParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        own = {one.name for one in dataclasses.fields(PerpGridParams)}
        values = {key: value for key, value in strategy_config.items() if key in own and value is not None}
        if "margin_mode" in strategy_config:
            values["margin_mode"] = strategy_config["margin_mode"]
        params = PerpGridParams(**values | {key: as_decimal(values[key]) for key in _DECIMALS if key in values})
        _check_range(params)
        _check_kind(params)
        barrier_limits({key: getattr(params, key) for key in BARRIER_KEYS})
        return params

    @classmethod
    def check(
        cls, params: PerpGridParams, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]
    ) -> None:
        """Refuse what the market's ticks, fees and least sizes or the limits do not allow. Raises ConfigError."""
        instrument = instruments[LEG]
        if instrument.kind == "spot":
            raise ConfigError(f"perp_grid_strategy trades perpetuals and futures; for {instrument.symbol} there is"
                              " grid_strategy")  # fmt: skip
        if params.lower is None or params.upper is None or params.sizing == Sizing():
            return  # only the first decision knows the price, or the margin
        low, high = bounds_ticks(params.lower, params.upper, instrument)
        lines = make_lines(params.grid_mode, low, high, params.grid_num)
        centre = (low + high) // 2 if params.neutral_center is None else instrument.to_ticks(params.neutral_center)
        PerpLayout.make(params.terms(instrument), lines, centre, params.sizing, instrument).check(limits[LEG])

    def account_needs(self) -> AccountNeeds:
        """Return how the account must be set before the first order."""
        return AccountNeeds(self.params.leverage, self.params.margin_mode)

    # Events

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Book fills, note lost closing orders, and return what is wanted when a decision is due."""
        if isinstance(event, Timer):
            return self._decide(view)
        if isinstance(event, FillEvent):
            self._on_fill(event)
        elif isinstance(event, OrderUpdate):
            self._on_update(event)
        elif self.params.trigger_price is not None and self._trigger.hear(
            event, self.params.trigger_price, view.instruments[LEG]
        ):
            self._saved = None
        return []

    def _on_fill(self, event: FillEvent) -> None:
        fill, closers = event.fill, self._closers
        if self._laid is None or fill.liquidity not in ("maker", "taker"):
            return  # an adjustment is found by comparing cells and position
        book, slot = self._laid.grid.book, event.slot
        self._saved = None
        if slot == _TAKE_SLOT and closers.taking is not None:
            slot = f"cell.{closers.taking}"
        cell = book.cell_of(slot, fill.side, fill.price_ticks)
        if cell is not None:
            if book.on_fill(cell, fill) is not None:
                closers.traded(cell.number)
        elif self._phase == ACQUIRING and self._to_acquire:
            book.add_loose(fill)
            self._to_acquire = max(0, self._to_acquire - fill.size_lots)

    def _on_update(self, update: OrderUpdate) -> None:
        """Count a closing order that ended without our asking; the cell stays held and is closed again."""
        if self._laid is None or update.event not in LOST or update.asked_for:
            return
        for cell in self._laid.grid.book.cells:
            if cell.slot == update.slot and cell.state in (CellState.HELD, CellState.CLOSING):
                self._closers.lost(cell.number)

    # Decisions

    def _decide(self, view: View) -> list[Command]:
        market = view.books.get(LEG)
        if market is None or not market.is_quotable:
            return []  # no price: what was wanted still is
        self._mid_ticks, self._position = market.mid_ticks(), view.positions.get(LEG, Position(LEG))
        if self._phase == COOLING:
            if view.now_ns < self._cool_until_ns:
                return [_NOTHING]
            self._enter(WAITING)
        if self._phase == WAITING:
            return self._begin(view, market)
        if self._phase == ACQUIRING:
            return self._acquire(view, market)
        if self._phase == RUNNING:
            return self._run(view, market)
        if self._phase == CLOSING:
            return self._close(view, market)
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
            laid = self._new_grid(view, market, instrument)
        except ConfigError as exc:
            return [_NOTHING, Halt(str(exc))]
        if laid is None:
            return [_NOTHING]
        self._laid, self._watch, self._closers = laid, RangeWatch(), LostCloses()
        self._start_price = mid_price(market, instrument)
        self._start_net = self._position.net_pnl(self._start_price, instrument)
        self._clock = BarrierClock().follow(1, view.now_ns) if params.barrier_base == "equity" else BarrierClock()
        self._to_acquire = self._lacking(laid, market, instrument)
        self._sync_due_ns = view.now_ns
        self._enter(ACQUIRING)
        return self._acquire(view, market)

    def _lacking(self, laid: PerpLayout, market: OrderBook, instrument: Instrument) -> int:
        """Return the lots that cells behind the price still need; what is held already on that side is for them."""
        if self.params.initial_position == "none":
            return 0
        needed = laid.grid.book.needed_lots(market.mid_ticks())
        sign = -1 if self.params.grid_type == SHORT else 1
        held, entry = max(0, self._position.size_lots * sign), self._position.average_price(instrument)
        if held and entry is not None:
            laid.grid.book.loose = [Parcel(instrument.to_size(min(held, needed)), entry)]
        return max(0, needed - held)

    def _new_grid(self, view: View, market: OrderBook, instrument: Instrument) -> PerpLayout | None:
        """Return a grid around the price of now; None while the margin is not known. Raises ConfigError."""
        params, mid = self.params, mid_price(market, instrument)
        if params.lower is not None and params.upper is not None:
            low, high = bounds_ticks(params.lower, params.upper, instrument)
        else:
            low, high = range_around(mid, params.range_pct, instrument)
        lines = make_lines(params.grid_mode, low, high, params.grid_num)
        centre = instrument.to_ticks(mid if params.neutral_center is None else params.neutral_center)
        if params.grid_type == NEUTRAL and not low < centre < high:
            raise ConfigError("the centre of a neutral grid must be between its bounds; set neutral_center")
        sizing = self._sizing(view, lines, instrument)
        if sizing is None:
            return None
        laid = PerpLayout.make(params.terms(instrument), lines, centre, sizing, instrument)
        laid.check(view.limits.get(LEG, RiskLimits()))
        return laid

    def _sizing(self, view: View, lines: GridLines, instrument: Instrument) -> Sizing | None:
        """Return the configured size, or what the free margin carries; None while that is not known."""
        params = self.params
        if params.sizing != Sizing():
            return params.sizing
        balance = view.balances.get(LEG, {}).get(instrument.quote)
        if balance is None:
            return None
        usable = balance.available * (1 - as_decimal(params.margin_buffer_pct) / 100) * params.leverage
        value = instrument.tick_size * instrument.contract_size * sum(lines.all())
        return Sizing(quantity=usable / value)

    def _acquire(self, view: View, market: OrderBook) -> list[Command]:
        """Open what the cells behind the price hold, not dearer than allowed; then place the grid."""
        assert self._laid is not None
        assert self._start_price is not None
        commands = entry_commands(
            Side.SELL if self.params.grid_type == SHORT else Side.BUY,
            self._to_acquire,
            self._start_price,
            as_decimal(self.params.initial_max_slippage_bps),
            market,
            view.instruments[LEG],
            rests=self.params.initial_position == "maker",
            is_taking=_is_taking(view),
            leg=LEG,
        )
        if commands is not None:
            return commands
        self._laid.grid.book.place(market.mid_ticks())
        self._enter(RUNNING)
        return self._run(view, market)

    # Running

    def _run(self, view: View, market: OrderBook) -> list[Command]:
        assert self._laid is not None
        instrument, mid = view.instruments[LEG], market.mid_ticks()
        rules = self.params.rules(instrument)
        if (barrier := self._barrier(view, market, instrument)) is not None:
            return self._leave(view, market, f"barrier {barrier.value}")
        if reason := stop_reason(rules, mid):
            return self._leave(view, market, f"{reason} is reached")
        action = self._watch.look(rules, mid, self._laid.bounds(), view.now_ns)
        if action == STOP:
            return self._end("the price left the range of the grid")
        if action != HOLD:
            return self._leave(view, market, "the price left the range of the grid")
        self._sync(view, instrument)
        take, cleared = self._close_lost(view, market, instrument)
        quotes = Quotes(self._quotes(view, market, cleared), LEG)
        return [quotes] if take is None else [quotes, take]

    def _barrier(self, view: View, market: OrderBook, instrument: Instrument) -> Barrier | None:
        """Look at the equity since the start, or at the open profit; return the barrier that is reached."""
        assert self._laid is not None
        params, mark, position = self.params, mid_price(market, instrument), self._position
        limits = barrier_limits({key: getattr(params, key) for key in BARRIER_KEYS})
        if params.barrier_base == "equity":
            gain = position.net_pnl(mark, instrument) - (self._start_net or Decimal(0))
            base = self._laid.most_value()
        else:
            self._clock = self._clock.follow(position.size_lots, view.now_ns)
            gain, base = position.unrealised_pnl(mark, instrument), position.entry_value
        before = self._clock
        self._clock, barrier = judge(limits, before, gain, base, view.now_ns)
        if self._clock != before:
            self._saved = None
        return barrier

    def _sync(self, view: View, instrument: Instrument) -> None:
        """Compare cells and position now and then; a difference that is there twice is settled."""
        assert self._laid is not None
        if view.now_ns < self._sync_due_ns or view.unbooked.get(LEG):
            return
        self._sync_due_ns = view.now_ns + int(self.params.position_sync_s * _SECOND_NS)
        if self._laid.grid.settle(self._position.size_lots, self._position.average_price(instrument)):
            self._saved = None

    def _close_lost(self, view: View, market: OrderBook, instrument: Instrument) -> tuple[Take | None, Side | None]:
        """Return an immediate order for a cell whose closing orders were lost too often, one at a time.

        And the side on which nothing may rest meanwhile: what does counts as filled, and would leave nothing to reduce.
        """
        assert self._laid is not None
        closers, cells = self._closers, self._laid.grid.book.cells
        if _is_taking(view):
            return None, next((c.opening.opposite for c in cells if c.number == closers.taking), None)
        closers.taking = None
        resting = {order.side for order in view.open_orders.get(LEG, ())}
        given_up = closers.given_up(self.params.close_market_after)
        for cell in cells:
            if cell.number not in given_up:
                continue
            side = cell.opening.opposite
            lots = min(cell.held_lots(instrument), max(0, self._position.size_lots * cell.opening.sign))
            take = self._exit_take(side, lots, market, instrument, 0)
            if take is None:
                closers.traded(cell.number)
            elif side in resting:
                return None, side
            else:
                closers.taking = cell.number
                return take, side
        return None, None

    def _quotes(self, view: View, market: OrderBook, cleared: Side | None) -> tuple[Quote, ...]:
        assert self._laid is not None
        grid, params, mid = self._laid.grid, self.params, market.mid_ticks()
        grid.book.follow(mid)
        if grid.net_out():
            self._saved = None
        low, _, _, high = self._laid.bounds()
        unbooked = view.unbooked.get(LEG, frozenset())  # filled or cancelled is not known yet
        wishes = grid.wishes(self._position.size_lots, side_of_range(mid, low, high))
        wishes = [one for one in wishes if one[0].slot not in unbooked and one[1] is not cleared]
        live = {order.slot: order.price_ticks for order in view.open_orders.get(LEG, ())}
        chosen = nearest(wishes, mid, params.max_active_orders, params.activation_pct)
        quotes = grid.book.quotes(market, chosen, live, LEG, reduce_only=True)
        states = tuple(cell.state for cell in grid.book.cells)
        if states != self._states:
            self._states, self._saved = states, None
        return in_batches(quotes, live, mid, params.batch_size)

    # Leaving

    def _leave(self, view: View, market: OrderBook, reason: str) -> list[Command]:
        self._reason, self._close_tries, self._closers = reason, 0, LostCloses()
        self._enter(CLOSING)
        return self._close(view, market)

    def _close(self, view: View, market: OrderBook) -> list[Command]:
        """Close the position in immediate orders that only reduce, each wider, once nothing else is in flight."""
        instrument, held = view.instruments[LEG], self._position.size_lots
        if view.open_orders.get(LEG) or view.unbooked.get(LEG):
            return [_NOTHING]
        side = Side.SELL if held > 0 else Side.BUY
        take = self._exit_take(side, abs(held), market, instrument, self._close_tries)
        if take is None:
            return self._closed(view)
        self._close_tries += 1
        return [_NOTHING, take]

    def _exit_take(self, side: Side, lots: int, market: OrderBook, instrument: Instrument, tries: int) -> Take | None:
        most, first = as_decimal(self.params.max_close_slippage_bps), as_decimal(self.params.reduce_slippage_bps)
        slippage_bps = min(most, first * _WIDER ** min(tries, 40))
        return exit_take(side, lots, slippage_bps, market, instrument, LEG, reduce_only=True)

    def _closed(self, view: View) -> list[Command]:
        assert self._laid is not None
        is_barrier = self._reason.startswith("barrier")
        if not is_barrier or self.params.after_barrier == "stop":
            return self._end(f"{self._reason}; the position is closed")
        book = self._laid.grid.book
        self._earned = (self._earned[0] + book.grid_profit, self._earned[1] + book.round_trips)
        self._laid = None
        self._cool(view.now_ns)
        return [_NOTHING]

    def _cool(self, now_ns: int) -> None:
        pause_s = self.params.barrier_cooldown_s if self.params.after_barrier == "wait" else 0.0
        self._cool_until_ns = now_ns + int(pause_s * _SECOND_NS)
        self._enter(COOLING)

    # Memory

    def saved(self) -> dict[str, Any] | None:
        """Return the grid and where it is in its life; None before there is any of it."""
        has_begun = self._laid is not None or self._trigger.side is not None or self._phase != WAITING
        if self._saved is None and has_begun:
            self._saved = {
                "version": 1,
                "key": [str(getattr(self.params, name)) for name in _GRID_KEYS],
                "phase": self._phase,
                "trigger": [self._trigger.side, self._trigger.is_touched],
                "to_acquire": self._to_acquire,
                "start_price": _text(self._start_price),
                "start_net": _text(self._start_net),
                "clock": [self._clock.side, _text(self._clock.peak_pct)],
                "tries": {str(number): tries for number, tries in self._closers.tries.items()},
                "taking": self._closers.taking,
                "reason": self._reason,
                "earned": [f"{self._earned[0]:f}", self._earned[1]],
                "grid": None if self._laid is None else self._laid.to_plain(),
            }
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up a grid; one of other lines is forgotten, and its position goes to the cells of the new one."""
        self._earned = (Decimal(saved["earned"][0]), saved["earned"][1])
        if saved["phase"] == DONE:
            return
        self._trigger = Trigger(*saved["trigger"])
        self._reason = saved["reason"]
        if saved["phase"] == COOLING:  # its clock begins anew: how long the bot was away is not known
            self._cool(view.now_ns)
        key = [str(getattr(self.params, name)) for name in _GRID_KEYS]
        if saved["grid"] is None or saved["key"] != key:
            return
        instrument = view.instruments[LEG]
        laid = PerpLayout.from_plain(saved["grid"], self.params.terms(instrument), self.params.sizing, instrument)
        if laid is None:
            return
        self._laid = laid
        self._phase, self._to_acquire = saved["phase"], saved["to_acquire"]
        self._start_price, self._start_net = Decimal(saved["start_price"]), Decimal(saved["start_net"])
        side, peak = saved["clock"]
        self._clock = BarrierClock(side, view.now_ns, None if peak is None else Decimal(peak))
        tries = {int(number): tries for number, tries in saved["tries"].items()}
        self._closers = LostCloses(tries, saved["taking"])

    # Figures

    def stats(self) -> dict[str, Any]:
        """Return the phase, what the cells are about, what they earned and what they can come to; money in quote."""
        told: dict[str, Any] = {"phase": self._phase}
        if self._laid is None:
            return told
        book = self._laid.grid.book
        return (
            told
            | self._laid.figures(self._position.size_lots, self._mid_ticks)
            | {
                "grid_profit": f"{self._earned[0] + book.grid_profit:f}",
                "round_trips": self._earned[1] + book.round_trips,
                "pending_close": sorted(self._closers.tries),
                "funding": f"{self._position.funding_paid:f}",
            }
        )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"


def _is_taking(view: View) -> bool:
    """Tell whether an immediate order is not settled, or its fills are not booked."""
    in_flight = any(order.slot == _TAKE_SLOT for order in view.open_orders.get(LEG, ()))
    return in_flight or _TAKE_SLOT in view.unbooked.get(LEG, frozenset())


STRATEGY = PerpGridStrategy
