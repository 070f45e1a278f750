"""What every grid does, on spot and on margin: phases, trigger, entry, orders of the cells, memory.

Decides on Timer events; fills change the cells at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from core.market.book import OrderBook
from core.market.commands import Command, Halt, Quote, Quotes
from core.market.events import Event, FillEvent, OrderUpdate, Timer
from core.market.grid_book import GridBook, Wish, in_batches, nearest
from core.market.grid_entry import entry_commands, mid_price
from core.market.grid_params import GridLineParams
from core.market.grid_range import RECENTER, STOP, STOP_AND_SELL, TRAIL_DOWN, TRAIL_UP, RangeWatch, stop_reason
from core.market.grid_trigger import Trigger
from core.market.instrument import Instrument
from core.market.order import Side
from strategies.base import Strategy, View, as_decimal
from utils.errors import ConfigError

LEG = "main"
WAITING, ACQUIRING, RUNNING, DONE = "waiting", "acquiring", "running", "done"
NOTHING = Quotes((), LEG)
TAKE_SLOT = "take"


class GridBase(Strategy):
    """One grid. It outlives a life; what the price did while nobody looked does not matter."""

    params: GridLineParams
    _LEAVING: ClassVar[str]  # the phase in which it gets rid of what it holds
    _KEYS: ClassVar[tuple[str, ...]] = ("lower", "upper", "auto_range", "range_pct", "grid_num", "grid_mode")

    def __init__(self, params: GridLineParams) -> None:
        super().__init__(params)
        self._phase = WAITING
        self._trigger = Trigger()
        self._start_price: Decimal | None = None
        self._to_acquire = 0  # lots
        self._reason = ""  # why it is left
        self._mid_ticks = 0.0
        self._states: tuple[Any, ...] = ()
        self._saved: dict[str, Any] | None = None  # None: to be made anew

    # Events

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Book fills, hear of orders, watch for the trigger, and return what is wanted when a decision is due."""
        if isinstance(event, Timer):
            return self._decide(view)
        if isinstance(event, FillEvent):
            self._on_fill(event)
        elif isinstance(event, OrderUpdate):
            self._on_update(event)
        else:
            self._hear_trigger(event, view)
        return []

    @abstractmethod
    def _on_fill(self, event: FillEvent) -> None:
        """Book a fill in the cells."""

    @abstractmethod
    def _on_update(self, update: OrderUpdate) -> None:
        """Hear what became of an order."""

    # Decisions

    def _decide(self, view: View) -> list[Command]:
        market = view.books.get(LEG)
        if market is None or not market.is_quotable:
            return []  # no price: what was wanted still is
        self._mid_ticks = market.mid_ticks()
        return self._step(view, market)

    def _step(self, view: View, market: OrderBook) -> list[Command]:
        if self._phase == WAITING:
            return self._begin(view, market)
        if self._phase == ACQUIRING:
            return self._acquire(view, market)
        if self._phase == RUNNING:
            return self._run(view, market)
        if self._phase == self._LEAVING:
            return self._get_out(view, market)
        return [NOTHING, Halt(self._reason)]

    @abstractmethod
    def _make(self, view: View, market: OrderBook) -> bool:
        """Lay the grid out around the price of now; return whether what it needs is known. Raises ConfigError."""

    @abstractmethod
    def _acquire(self, view: View, market: OrderBook) -> list[Command]:
        """Get what the cells behind the price lack, then run."""

    @abstractmethod
    def _run(self, view: View, market: OrderBook) -> list[Command]:
        """Return what is wanted while the grid runs."""

    @abstractmethod
    def _get_out(self, view: View, market: OrderBook) -> list[Command]:
        """Get rid of what the grid holds, then end."""

    def _enter(self, phase: str) -> None:
        self._phase, self._saved = phase, None

    def _end(self, reason: str) -> list[Command]:
        self._reason = reason
        self._enter(DONE)
        return [NOTHING, Halt(reason)]

    # Beginning

    def _hear_trigger(self, event: Event, view: View) -> None:
        price = self.params.trigger_price
        if price is not None and self._trigger.hear(event, price, view.instruments[LEG]):
            self._saved = None

    def _begin(self, view: View, market: OrderBook) -> list[Command]:
        instrument = view.instruments[LEG]
        if not self._is_triggered(market, instrument):
            return [NOTHING]
        try:
            is_made = self._make(view, market)
        except ConfigError as exc:
            return [NOTHING, Halt(str(exc))]
        if not is_made:
            return [NOTHING]
        self._start_price = mid_price(market, instrument)
        self._enter(ACQUIRING)
        return self._acquire(view, market)

    def _is_triggered(self, market: OrderBook, instrument: Instrument) -> bool:
        price = self.params.trigger_price
        if price is not None:
            self._trigger.see(market.mid_ticks(), price, instrument)
        return price is None or self._trigger.is_touched

    def _acquired(self, view: View, market: OrderBook, book: GridBook, side: Side, rests: bool) -> list[Command]:
        """Get what the cells behind the price lack, not farther than allowed; then place the grid."""
        assert self._start_price is not None
        commands = entry_commands(
            side,
            self._to_acquire,
            self._start_price,
            as_decimal(self.params.initial_max_slippage_bps),
            market,
            view.instruments[LEG],
            rests=rests,
            is_taking=is_taking(view),
            leg=LEG,
        )
        if commands is not None:
            return commands
        book.place(market.mid_ticks())
        self._enter(RUNNING)
        return self._run(view, market)

    # Running

    @abstractmethod
    def _trail(self, step: int, view: View) -> None:
        """Move the grid by a cell, up (1) or down (-1)."""

    @abstractmethod
    def _recenter(self, view: View, market: OrderBook) -> None:
        """Make the cells anew around the price of now. Raises ConfigError."""

    def _outside(
        self, view: View, market: OrderBook, watch: RangeWatch, lines: tuple[int, int, int, int]
    ) -> list[Command] | None:
        """Return what ends the grid, None when it goes on; move it where the price has left its range.

        `lines` are the two lowest and the two highest ones.
        """
        rules, mid = self.params.rules(view.instruments[LEG]), market.mid_ticks()
        if reason := stop_reason(rules, mid):
            return self._leave(view, market, f"{reason} is reached")
        action = watch.look(rules, mid, lines, view.now_ns)
        if action == STOP:
            return self._end("the price left the range of the grid")
        if action == STOP_AND_SELL:
            return self._leave(view, market, "the price left the range of the grid")
        if action in (TRAIL_UP, TRAIL_DOWN):
            self._trail(1 if action == TRAIL_UP else -1, view)
        elif action == RECENTER and watch.may_recenter(rules, market.venue_ns):
            try:
                self._recenter(view, market)
            except ConfigError as exc:
                return [NOTHING, Halt(str(exc))]
        return None

    def _leave(self, view: View, market: OrderBook, reason: str) -> list[Command]:
        self._reason = reason
        self._enter(self._LEAVING)
        return self._get_out(view, market)

    def _offers(
        self, view: View, market: OrderBook, book: GridBook, wishes: Collection[Wish], reduce_only: bool
    ) -> tuple[Quote, ...]:
        """Return wishes as quotes: not of slots that may have filled, the nearest ones, new ones in batches."""
        params, mid = self.params, market.mid_ticks()
        unbooked = view.unbooked.get(LEG, frozenset())  # filled or cancelled is not known yet
        known = [wish for wish in wishes if wish[0].slot not in unbooked]
        live = {order.slot: order.price_ticks for order in view.open_orders.get(LEG, ())}
        chosen = nearest(known, mid, params.max_active_orders, params.activation_pct)
        quotes = book.quotes(market, chosen, live, LEG, reduce_only)
        states = tuple((cell.number, cell.state) for cell in book.cells)
        if states != self._states:
            self._states, self._saved = states, None
        return in_batches(quotes, live, mid, params.batch_size)

    # Memory

    def _key(self) -> list[str]:
        """Return what makes another grid of it when it changes."""
        return [str(getattr(self.params, name)) for name in self._KEYS]

    def _common(self) -> dict[str, Any]:
        """Return what every grid saves."""
        return {
            "version": 1,
            "key": self._key(),
            "phase": self._phase,
            "trigger": [self._trigger.side, self._trigger.is_touched],
            "to_acquire": self._to_acquire,
            "start_price": as_text(self._start_price),
            "reason": self._reason,
        }

    def _take_up_common(self, saved: Mapping[str, Any]) -> None:
        """Take up what every grid saves, once its cells are taken up."""
        self._phase, self._to_acquire = saved["phase"], saved["to_acquire"]
        self._start_price = Decimal(saved["start_price"])


def as_text(number: Decimal | None) -> str | None:
    """Return a number as text for a record, None for none."""
    return None if number is None else f"{number:f}"


def is_taking(view: View) -> bool:
    """Tell whether an immediate order is not settled, or its fills are not booked."""
    in_flight = any(order.slot == TAKE_SLOT for order in view.open_orders.get(LEG, ()))
    return in_flight or TAKE_SLOT in view.unbooked.get(LEG, frozenset())
