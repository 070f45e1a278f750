"""A grid on a perpetual or future: long, short, or neutral around a centre; closing orders only reduce.

Decides on Timer events; fills change the cells at once. The cells are `core/market/grid_book.py`'s, which of them open
and close which way is `core/market/perp_grid.py`'s.

    waiting -> (acquiring ->) running -> (closing -> waiting | cooling -> waiting | done)
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.market.account_needs import AccountNeeds
from core.market.barriers import Barrier
from core.market.book import OrderBook
from core.market.commands import Command, Quote, Quotes, Take
from core.market.events import FillEvent, OrderUpdate
from core.market.grid_barriers import GridBarriers, barriers_of
from core.market.grid_entry import exit_take, mid_price
from core.market.grid_range import RangeWatch, side_of_range
from core.market.grid_sizing import Sizing
from core.market.grid_trigger import Trigger
from core.market.instrument import Instrument
from core.market.lasting import Moment, at_moment, moment_after
from core.market.lost_closes import LostCloses
from core.market.order import Side
from core.market.perp_grid import SHORT
from core.market.perp_grid_params import PerpGridParams, perp_grid_params
from core.market.perp_layout import PerpLayout
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from strategies.base import View
from strategies.grid_base import ACQUIRING, DONE, LEG, NOTHING, TAKE_SLOT, WAITING, GridBase, is_taking
from utils.errors import ConfigError

COOLING = "cooling"
_SECOND_NS = 1_000_000_000


class PerpGridStrategy(GridBase):
    """Cells that open and close one line apart; what they hold is the position."""

    params: PerpGridParams
    _LEAVING = "closing"
    _KEYS = (*GridBase._KEYS, "grid_type", "neutral_center")

    def __init__(self, params: PerpGridParams) -> None:
        super().__init__(params)
        self._laid: PerpLayout | None = None
        self._watch = RangeWatch()
        self._barriers = GridBarriers()
        self._closers = LostCloses()
        self._sync_due_ns = 0
        self._now = self._cool_until = Moment(0, 0)
        self._refusal: str | None = None  # why the grid could not move
        self._close_tries = 0
        self._earned = (Decimal(0), 0)  # profit and round trips of grids that barriers have ended
        self._position = Position(LEG)

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> PerpGridParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        return perp_grid_params(strategy_config)

    @classmethod
    def check(
        cls, params: PerpGridParams, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]
    ) -> None:
        """Refuse what the market's ticks, fees and least sizes or the limits do not allow. Raises ConfigError."""
        instrument = instruments[LEG]
        if instrument.kind == "spot":
            raise ConfigError(f"perp_grid_strategy trades perpetuals and futures; for {instrument.symbol} there is"
                              " grid_strategy")  # fmt: skip
        if params.lower is not None and params.upper is not None and params.sizing != Sizing():
            params.layout((params.lower + params.upper) / 2, None, instrument, limits[LEG])
        # Else only the first decision knows the price, or the margin.

    def account_needs(self) -> AccountNeeds:
        """Return how the account must be set before the first order."""
        return AccountNeeds(self.params.leverage, self.params.margin_mode)

    # Events

    def _on_fill(self, event: FillEvent) -> None:
        fill, closers = event.fill, self._closers
        if self._laid is None or fill.liquidity not in ("maker", "taker"):
            return  # an adjustment is found by comparing cells and position
        book, slot = self._laid.grid.book, event.slot
        self._saved = None
        if slot == TAKE_SLOT and closers.taking is not None:
            slot = f"cell.{closers.taking}"
        cell = book.cell_of(slot, fill.side, fill.price_ticks)
        if cell is not None:
            if book.on_fill(cell, fill) is not None:
                closers.traded(cell.number)
        elif self._phase == ACQUIRING and self._to_acquire:
            book.add_loose(fill)
            self._to_acquire = max(0, self._to_acquire - fill.size_lots)

    def _on_update(self, update: OrderUpdate) -> None:
        if self._laid is not None:
            self._closers.hear(update, self._laid.grid.book.cells)

    # Decisions

    def _step(self, view: View, market: OrderBook) -> list[Command]:
        self._now = Moment(view.now_ns, view.utc_ns)
        self._position = view.positions.get(LEG, Position(LEG))
        if self._phase == COOLING:
            if view.now_ns < self._cool_until.now_ns:
                return [NOTHING]
            self._enter(WAITING)
        return super()._step(view, market)

    # Beginning

    def _make(self, view: View, market: OrderBook) -> bool:
        params, instrument = self.params, view.instruments[LEG]
        mid, balance = mid_price(market, instrument), view.balances.get(LEG, {}).get(instrument.quote)
        free = None if balance is None else balance.available
        laid = params.layout(mid, free, instrument, view.limits.get(LEG, RiskLimits()))
        if laid is None:
            return False
        self._laid, self._closers = laid, LostCloses()
        self._watch = RangeWatch(recentered_ns=self._watch.recentered_ns)
        self._barriers = GridBarriers.begun(params.barrier_base, self._position, mid, instrument, view.now_ns)
        takes_over = params.initial_position != "none"
        self._to_acquire = laid.reserve_for(self._position, market.mid_ticks()) if takes_over else 0
        self._sync_due_ns = view.now_ns
        return True

    def _acquire(self, view: View, market: OrderBook) -> list[Command]:
        """Open what the cells behind the price hold."""
        assert self._laid is not None
        side = Side.SELL if self.params.grid_type == SHORT else Side.BUY
        return self._acquired(view, market, self._laid.grid.book, side, self.params.initial_position == "maker")

    # Running

    def _run(self, view: View, market: OrderBook) -> list[Command]:
        assert self._laid is not None
        instrument = view.instruments[LEG]
        if (barrier := self._barrier(view, market, instrument)) is not None:
            return self._leave(view, market, f"barrier {barrier.value}")
        ended = self._outside(view, market, self._watch, self._laid.bounds())
        if ended is not None:
            return ended
        self._sync(view, instrument)
        take, cleared = self._close_lost(view, market, instrument)
        quotes = Quotes(self._quotes(view, market, cleared), LEG)
        return [quotes] if take is None else [quotes, take]

    def _barrier(self, view: View, market: OrderBook, instrument: Instrument) -> Barrier | None:
        assert self._laid is not None
        before, limits = self._barriers.clock, self.params.barriers()
        mark, most = mid_price(market, instrument), self._laid.most_value()
        barrier = self._barriers.look(limits, self._position, mark, most, instrument, view.now_ns)
        if self._barriers.clock != before:
            self._saved = None
        return barrier

    def _trail(self, step: int, view: View) -> None:
        assert self._laid is not None
        try:
            self._laid = self._laid.trailed(step, view.limits.get(LEG, RiskLimits()))
        except ConfigError as exc:  # it stays where it is
            self._refusal = str(exc)
            return
        self._watch.shifted, self._saved, self._refusal = self._laid.shifted, None, None

    def _recenter(self, view: View, market: OrderBook) -> None:
        assert self._laid is not None
        instrument = view.instruments[LEG]
        mid = mid_price(market, instrument)
        lines = self.params.lines_around(mid, instrument)
        limits = view.limits.get(LEG, RiskLimits())
        self._laid = self._laid.recentered(lines, instrument.to_ticks(mid), market.mid_ticks(), limits)
        self._watch.recentered(market.venue_ns)
        self._closers, self._saved = LostCloses(), None

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

        And the side on which nothing may rest meanwhile.
        """
        assert self._laid is not None
        cells, closers, held = self._laid.grid.book.cells, self._closers, self._position.size_lots
        if is_taking(view):
            return None, closers.taken_side(cells)
        resting = {order.side for order in view.open_orders.get(LEG, ())}
        after, touch = self.params.close_market_after, market.best_bid_ticks
        closing = closers.next(cells, after, held, resting, touch, instrument)
        if closing is None:
            return None, None
        take = self._exit_take(closing.side, closing.size_lots, market, instrument, 0)
        if take is None and closers.taking is not None:  # too little for an order after all
            closers.traded(closers.taking)
        return take, closing.side

    def _quotes(self, view: View, market: OrderBook, cleared: Side | None) -> tuple[Quote, ...]:
        assert self._laid is not None
        grid, mid = self._laid.grid, market.mid_ticks()
        grid.book.follow(mid)
        if grid.net_out():
            self._saved = None
        low, _, _, high = self._laid.bounds()
        wishes = grid.wishes(self._position.size_lots, side_of_range(mid, low, high))
        allowed = [wish for wish in wishes if wish[1] is not cleared]
        return self._offers(view, market, grid.book, allowed, reduce_only=True)

    # Leaving

    def _leave(self, view: View, market: OrderBook, reason: str) -> list[Command]:
        self._close_tries, self._closers = 0, LostCloses()
        return super()._leave(view, market, reason)

    def _get_out(self, view: View, market: OrderBook) -> list[Command]:
        """Close the position in immediate orders that only reduce, each wider, once nothing else is in flight."""
        instrument, held = view.instruments[LEG], self._position.size_lots
        if view.open_orders.get(LEG) or view.unbooked.get(LEG):
            return [NOTHING]
        side = Side.SELL if held > 0 else Side.BUY
        take = self._exit_take(side, abs(held), market, instrument, self._close_tries)
        if take is None:
            return self._closed()
        self._close_tries += 1
        return [NOTHING, take]

    def _exit_take(self, side: Side, lots: int, market: OrderBook, instrument: Instrument, tries: int) -> Take | None:
        slippage_bps = self.params.close_slippage_bps(tries)
        return exit_take(side, lots, slippage_bps, market, instrument, LEG, reduce_only=True)

    def _closed(self) -> list[Command]:
        assert self._laid is not None
        is_barrier = self._reason.startswith("barrier")
        if not is_barrier or self.params.after_barrier == "stop":
            return self._end(f"{self._reason}; the position is closed")
        book = self._laid.grid.book
        self._earned = (self._earned[0] + book.grid_profit, self._earned[1] + book.round_trips)
        self._laid = None
        self._cool_until = moment_after(self._now, self.params.pause_ns())
        self._enter(COOLING)
        return [NOTHING]

    # Memory

    def saved(self) -> dict[str, Any] | None:
        """Return the grid and where it is in its life; None before there is any of it."""
        has_begun = self._laid is not None or self._trigger.side is not None or self._phase != WAITING
        if self._saved is None and has_begun:
            self._saved = self._common() | {
                "start_net": f"{self._barriers.start_net:f}",
                "clock": self._barriers.clock_to_plain(self._now),
                **self._closers.to_plain(),
                "earned": [f"{self._earned[0]:f}", self._earned[1]],
                "cool_until_utc_ns": self._cool_until.utc_ns,
                "recentered_ns": list(self._watch.recentered_ns),
                "grid": None if self._laid is None else self._laid.to_plain(),
            }
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up a grid; one of other lines is forgotten, and its position goes to the cells of the new one."""
        self._now = Moment(view.now_ns, view.utc_ns)
        self._earned = (Decimal(saved["earned"][0]), saved["earned"][1])
        self._watch = RangeWatch(recentered_ns=tuple(saved.get("recentered_ns", ())))
        if saved["phase"] == DONE:
            return
        self._trigger = Trigger(*saved["trigger"])
        self._reason = saved["reason"]
        if saved["phase"] == COOLING:  # a clock that was set back makes no pause longer than it may be
            latest = moment_after(self._now, self.params.pause_ns())
            until = saved.get("cool_until_utc_ns")
            self._cool_until = latest if until is None else min(at_moment(until, self._now), latest)
            self._enter(COOLING)
        if saved["grid"] is None or saved["key"] != self._key():
            return
        instrument = view.instruments[LEG]
        laid = PerpLayout.from_plain(saved["grid"], self.params.terms(instrument), self.params.sizing, instrument)
        if laid is None:
            return
        self._laid, self._watch.shifted = laid, laid.shifted
        self._take_up_common(saved)
        self._barriers = barriers_of(self.params.barrier_base, saved["start_net"], saved["clock"], self._now)
        self._closers = LostCloses.from_plain(saved["tries"], saved["taking"])

    # Figures

    def stats(self) -> dict[str, Any]:
        """Return the phase, what the cells are about, what they earned and what they can come to; money in quote."""
        told: dict[str, Any] = {"phase": self._phase}
        if self._laid is None:
            return told
        book, figures = self._laid.grid.book, self._laid.figures(self._position.size_lots, self._mid_ticks)
        return {
            **told,
            **figures,
            "grid_profit": f"{self._earned[0] + book.grid_profit:f}",
            "round_trips": self._earned[1] + book.round_trips,
            "pending_close": sorted(self._closers.tries),
            "funding": f"{self._position.funding_paid:f}",
            "shifted": self._laid.shifted,
            "refusal": self._refusal,
        }


STRATEGY = PerpGridStrategy
