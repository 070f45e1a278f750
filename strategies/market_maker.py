"""Layered quotes around the book's price, sized by how much of the money is in base.

Decides on Timer events: reference price, price skew, layers, sizes; fills change what is quoted next. What the limits
and the balances allow is `core/market/risk_room.py`'s; what changes at the venue is `core/market/order_diff.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Command, Quote, Quotes
from core.market.events import BookUpdate, Event, FillEvent, Timer, TradePrint
from core.market.external_price import EXTERNAL, external_ticks
from core.market.grid_entry import exit_take, mid_price
from core.market.instrument import Instrument
from core.market.ladder import size_factor, tilt
from core.market.lasting import Moment, record_of
from core.market.layers import LAST, LayerParams, LayerPlan, fair_ticks, far_enough, own_values
from core.market.order import Side
from core.market.order_value import equity_quote, order_value
from core.market.position import Position
from core.market.quote_habits import HabitParams, QuoteHabits
from core.market.rebalance import IOC, MAKER, SKEW_ONLY, SLOT, Account, Move, Rebalancer, RebalanceRules
from core.market.risk_limits import RiskLimits
from strategies.base import Strategy, View, as_decimal
from utils.errors import ConfigError

LEG = "main"
_NOTHING = Quotes((), LEG)
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MarketMakerParams(LayerParams, HabitParams):
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    inventory_skew_enabled: bool = True
    inventory_target_pct: float = 50.0
    inventory_range_mult: float = 1.0
    price_skew: float = 0.0
    rebalance_enabled: bool = False
    base_target_pct: float = 30.0
    rebalance_threshold_pct: float = 15.0
    rebalance_mode: str = MAKER
    rebalance_max_slippage_bps: float = 10.0
    rebalance_cooldown_s: float = 300.0
    rebalance_buffer_pct: float = 5.0

    def rebalance_rules(self) -> RebalanceRules:
        """Return when base is bought or sold to get its share of the value right."""
        return RebalanceRules(
            target_pct=as_decimal(self.base_target_pct),
            threshold_pct=as_decimal(self.rebalance_threshold_pct),
            mode=self.rebalance_mode,
            slippage_bps=as_decimal(self.rebalance_max_slippage_bps),
            cooldown_ns=int(self.rebalance_cooldown_s * _SECOND_NS),
            buffer_pct=as_decimal(self.rebalance_buffer_pct),
        )


class MarketMaker(Strategy):
    """Layers on both sides of the reference, more of the side that brings the inventory back to its target."""

    params: MarketMakerParams

    def __init__(self, params: MarketMakerParams) -> None:
        super().__init__(params)
        self.hears_prints = params.price_source == LAST
        self._last_ticks: int | None = None
        self._habits = QuoteHabits(params)
        self._rebalancer = Rebalancer(params.rebalance_rules())
        self._remembers = params.remembers_fills or params.rebalance_enabled
        self._saved: dict[str, Any] = {}
        self._plan: LayerPlan | None = None
        self._move: Move | None = None
        self._share: float | None = None
        self._tilt = 0.0
        self._reference_ticks: float | None = None
        self._reference_stale = False

    def reconfigure(self, params: MarketMakerParams) -> None:
        """Go by other parameters from the next decision on."""
        super().reconfigure(params)
        self.hears_prints = params.price_source == LAST
        self._last_ticks = self._last_ticks if self.hears_prints else None
        self._habits.use(params)
        self._rebalancer.rules = params.rebalance_rules()
        self._remembers = self._remembers or params.remembers_fills or params.rebalance_enabled
        self._plan = None

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> MarketMakerParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        params = MarketMakerParams(**own_values(MarketMakerParams, strategy_config))
        params.check_layers()
        params.check_habits()
        return params

    @classmethod
    def check(cls, params: Any, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        """Refuse to rebalance where there is no base to hold. Raises ConfigError."""
        if params.rebalance_enabled and instruments[LEG].kind != "spot":
            raise ConfigError(f"rebalance_enabled: {instruments[LEG].symbol} is no spot market, it has no base to hold")

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return the wanted set when a decision is due; an empty set when the book gives no price."""
        if isinstance(event, FillEvent):
            self._habits.on_fill(event, view.open_orders.get(LEG, ()), view.instruments[LEG], _now(view))
        elif isinstance(event, BookUpdate) and self.params.min_samples and event.book.is_quotable:
            self._habits.see(event.book, view.now_ns)
        elif isinstance(event, TradePrint):
            self._last_ticks = event.price_ticks
        elif isinstance(event, Timer):
            return self._decide(view)
        return []

    def _decide(self, view: View) -> list[Command]:
        book = view.books.get(LEG)
        if book is None or not book.is_quotable:
            return [_NOTHING]
        self._habits.see(book, view.now_ns)
        if not self._habits.is_warm(view.now_ns):
            return [_NOTHING]
        self._move = self._look_at_inventory(view, book)
        if self._move is not None and self.params.rebalance_mode == IOC and self._rebalancer.may_take(view.now_ns):
            return self._take(self._move, view, book)
        return [Quotes(tuple(self._quotes(view, book)), LEG)]

    # The quotes

    def _quotes(self, view: View, book: OrderBook) -> Sequence[Quote]:
        params, plan, live = self.params, self._plan_for(view.instruments[LEG]), view.open_orders.get(LEG, ())
        fair = self._fair(view, book)
        times = self._order_times(view, book)
        self._tilt = self._inventory_tilt(plan, fair, times, view)
        reference = fair * (1.0 - params.price_skew * plan.half_share * self._tilt)
        self._reference_ticks = reference
        leans = params.inventory_skew_enabled or self._rebalances(SKEW_ONLY)
        sides: dict[Side, Sequence[Quote]] = {}
        for side in (Side.BUY, Side.SELL):
            made = plan.side(side, reference, times * (size_factor(side, self._tilt) if leans else 1.0), book, LEG)
            sides[side] = self._habits.in_front(made, side, book, plan.instrument, live)
        if self._rebalances(MAKER) and self._move is not None:
            sides[self._move.side] = ()
        quotes = plan.apart(sides[Side.BUY], sides[Side.SELL], Side.BUY if self._tilt >= 0 else Side.SELL)
        quotes = self._habits.shape(quotes, book, view.unbooked.get(LEG, frozenset()), view.now_ns, LEG)
        quotes = far_enough(quotes, params.minimum_spread_pct, book, live)
        if self._rebalances(MAKER) and self._move is not None:
            return [*quotes, _at_touch(self._move, book)]
        return quotes

    def _fair(self, view: View, book: OrderBook) -> float:
        told = None
        if self.params.price_source == EXTERNAL:
            told = external_ticks(view.external, view.now_ns, view.instruments[LEG].tick_size)
        self._reference_stale = told is None and self.params.price_source == EXTERNAL
        return fair_ticks(self.params, book, self._last_ticks) if told is None else told

    def _plan_for(self, instrument: Instrument) -> LayerPlan:
        """Return the plan, made anew when the venue changed the instrument."""
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = LayerPlan(self.params, instrument)
        return self._plan

    def _order_times(self, view: View, book: OrderBook) -> float:
        """Return what the sizes of the plan are multiplied by: with a share of the equity the value of an order."""
        share_pct, instrument = self.params.order_size_pct, view.instruments[LEG]
        if share_pct is None:
            return 1.0
        position, mid = view.positions.get(LEG) or Position(LEG), mid_price(book, instrument)
        return order_value(equity_quote(view.balances.get(LEG, {}), position, instrument, mid), share_pct)

    def _inventory_tilt(self, plan: LayerPlan, reference_ticks: float, times: float, view: View) -> float:
        """Return the tilt of the inventory; 0 when it is not asked for, no spot, or a balance is not known."""
        self._share = None
        if self._move is not None and self._rebalances(SKEW_ONLY):
            return -float(self._move.side.sign)
        instrument, params = plan.instrument, self.params
        if instrument.kind != "spot" or not (params.inventory_skew_enabled or params.price_skew):
            return 0.0
        held = _held(view, instrument)
        if held is None:
            return 0.0
        base_value = float(held[0] / instrument.lot_size) * reference_ticks  # both in units of ticks x lots
        total = base_value + float(held[1] / instrument.unit_quote)
        if total <= 0:
            return 0.0
        self._share = base_value / total
        width = params.inventory_range_mult * 2 * times * plan.total_lots(reference_ticks) * reference_ticks / total
        return tilt(self._share, params.inventory_target_pct / 100, width)

    # Rebalancing

    def _rebalances(self, mode: str) -> bool:
        return self._move is not None and self.params.rebalance_mode == mode

    def _look_at_inventory(self, view: View, book: OrderBook) -> Move | None:
        """Return what is to be bought or sold to get the base's share right; None while a balance is not known."""
        instrument = view.instruments[LEG]
        held = _held(view, instrument) if self.params.rebalance_enabled else None
        if held is None:
            return None
        return self._rebalancer.look(Account(*held, mid_price(book, instrument)), instrument, _now(view))

    def _take(self, move: Move, view: View, book: OrderBook) -> list[Command]:
        """Return an immediate order, once no order of ours is left that it could meet."""
        if view.open_orders.get(LEG) or view.unbooked.get(LEG):
            return [_NOTHING]
        self._rebalancer.took(view.now_ns)
        slippage = self._rebalancer.rules.slippage_bps
        take = exit_take(move.side, move.size_lots, slippage, book, view.instruments[LEG], LEG)
        return [_NOTHING] if take is None else [_NOTHING, take]

    # Memory

    def saved(self) -> dict[str, Any] | None:
        """Return what fills and rebalancing have left; None where neither has a say."""
        if not self._remembers:
            return None
        parts = {"habits": self._habits.to_plain(), "rebalance": self._rebalancer.to_plain()}
        self._saved = record_of(self._saved, parts)
        return self._saved

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Take up what an earlier life left."""
        self._habits.take_up(saved["habits"], view.instruments[LEG], _now(view))
        self._rebalancer.take_up(saved["rebalance"], _now(view))
        self._remembers = True

    def stats(self) -> dict[str, Any]:
        """Return the base share (None when not known), the tilt it causes, the reference price in ticks, and habits.

        `reference_stale`: the mid is in the place of a price that is not heard.
        """
        own = {"inventory_share": self._share, "inventory_tilt": self._tilt, "reference_ticks": self._reference_ticks}
        own["reference_stale"] = self._reference_stale
        return own | self._habits.stats() | {"rebalancing": None if self._move is None else self._move.side.value}


def _now(view: View) -> Moment:
    return Moment(view.now_ns, view.utc_ns)


def _held(view: View, instrument: Instrument) -> tuple[Decimal, Decimal] | None:
    """Return what the account has of base and quote, None while either is not known."""
    balances = view.balances.get(LEG, {})
    base, quote = balances.get(instrument.base), balances.get(instrument.quote)
    return None if base is None or quote is None else (base.total, quote.total)


def _at_touch(move: Move, book: OrderBook) -> Quote:
    """Return the patient order that rebalances: post-only, at the touch of its own side."""
    touch = book.best_bid_ticks if move.side is Side.BUY else book.best_ask_ticks
    return Quote(move.side, touch, move.size_lots, 0, LEG, slot=SLOT)


STRATEGY = MarketMaker
