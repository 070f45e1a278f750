"""Layered quotes on a perpetual that lean against the position, and care for the position itself.

At each decision: the barriers and the distance to liquidation, what is too much of the position, then the quotes. While
a gate keeps the quotes off, the first two go on. The arithmetic of layers, skew, barriers and shedding is in
`core/market`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Command, Quote
from core.market.events import BookUpdate, Event, FillEvent, TradePrint
from core.market.grid_entry import mid_price
from core.market.instrument import Instrument
from core.market.lasting import Moment
from core.market.layers import LayerParams, LayerPlan, fair_ticks, far_enough, only_reducing, own_values
from core.market.order import Side
from core.market.order_value import equity_quote, order_value
from core.market.position_params import PositionParams, position_values
from core.market.quote_habits import HabitParams, QuoteHabits
from core.market.skew import inventory_ratio, size_share, skew_shift
from strategies.base import View
from strategies.perp_position import LEG, TOLD_PRICES, PositionStrategy, position_of, told_ticks

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PerpMarketMakerParams(LayerParams, HabitParams, PositionParams):
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    inventory_skew: float = 0.0
    skew_unit: str = "spread"
    size_skew: float = 0.0
    funding_aware: bool = False
    funding_horizon_s: float = 600.0
    max_funding_bps: float | None = None


class PerpMarketMaker(PositionStrategy):
    """Layers on both sides of a reference that leans against the position."""

    params: PerpMarketMakerParams

    def __init__(self, params: PerpMarketMakerParams) -> None:
        super().__init__(params)
        self._habits = QuoteHabits(params)
        self._last_ticks: int | None = None
        self._plan: LayerPlan | None = None
        self._ratio = 0.0
        self._skew_bps = 0.0
        self._reference_ticks: float | None = None
        self._reference_stale = False

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> PerpMarketMakerParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        values = own_values(PerpMarketMakerParams, strategy_config)
        params = PerpMarketMakerParams(**position_values(values, strategy_config))
        params.check_layers()
        params.check_habits()
        params.protection_rules()
        return params

    def reconfigure(self, params: Any) -> None:
        """Go by other parameters from the next decision on; the clocks of the barriers go on."""
        super().reconfigure(params)
        self._habits.use(params)
        self._plan = None

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Let fills change what is quoted next, besides what every position needs."""
        if isinstance(event, FillEvent):
            now = Moment(view.now_ns, view.utc_ns)
            self._habits.on_fill(event, view.open_orders.get(LEG, ()), view.instruments[LEG], now)
        elif isinstance(event, BookUpdate) and self.params.min_samples and event.book.is_quotable:
            self._habits.see(event.book, view.now_ns)
        elif isinstance(event, TradePrint):
            self._last_ticks = event.price_ticks
        return super().on_event(event, view)

    def wanted(self, view: View) -> list[Quote]:
        """Return the layers of both sides, after skew, funding and what has filled."""
        book = view.books[LEG]
        self._habits.see(book, view.now_ns)
        if not self._habits.is_warm(view.now_ns):
            return []
        ladder = self._ladder(view, book, view.instruments[LEG], position_of(view).size_lots)
        quotes = self._habits.shape(ladder, book, view.unbooked.get(LEG, frozenset()), view.now_ns, LEG)
        return list(far_enough(quotes, self.params.minimum_spread_pct, book, view.open_orders.get(LEG, ())))

    def _ladder(self, view: View, book: OrderBook, instrument: Instrument, held: int) -> Sequence[Quote]:
        params, plan = self.params, self._plan_for(instrument)
        fair, times = self._fair(view, book), self._order_times(view, book, instrument)
        self._ratio = inventory_ratio(held, self._target(held, instrument), view.position_limits.get(LEG))
        shift = skew_shift(fair, fair * plan.half_share, self._ratio, params.inventory_skew, params.skew_unit)
        self._skew_bps = shift / fair * 10_000
        self._reference_ticks = reference = fair + shift
        payer, rate = self._payer(view)
        sides: dict[Side, Sequence[Quote]] = {}
        for side in (Side.BUY, Side.SELL):
            factor = times * size_share(side, self._ratio, params.size_skew)
            around = reference * (1 - side.sign * rate) if side is payer else reference
            made = plan.side(side, around, factor, book, LEG)
            sides[side] = self._habits.in_front(made, side, book, instrument, view.open_orders.get(LEG, ()))
        growing = Side.BUY if self._ratio >= 0 else Side.SELL
        quotes = plan.apart(sides[Side.BUY], sides[Side.SELL], growing)
        most_bps = params.max_funding_bps
        if payer is not None and most_bps is not None and rate * 10_000 > most_bps:
            quotes = only_reducing(quotes, held, payer)
        return quotes

    def _order_times(self, view: View, book: OrderBook, instrument: Instrument) -> float:
        """Return what the sizes of the plan are multiplied by: with a share of the equity the value of an order."""
        share_pct = self.params.order_size_pct
        if share_pct is None:
            return 1.0
        mid = mid_price(book, instrument)
        return order_value(equity_quote(view.balances.get(LEG, {}), position_of(view), instrument, mid), share_pct)

    def _fair(self, view: View, book: OrderBook) -> float:
        told = told_ticks(view, self.params.price_source)
        self._reference_stale = told is None and self.params.price_source in TOLD_PRICES
        return fair_ticks(self.params, book, self._last_ticks) if told is None else told

    def _payer(self, view: View) -> tuple[Side | None, float]:
        """Return the side whose fills would soon pay funding, and the rate as a share; no side when none does."""
        facts, due_ns = view.facts.get(LEG), view.funding_due_ns.get(LEG)
        if not self.params.funding_aware or facts is None or not facts.funding_rate or due_ns is None:
            return None, 0.0
        if not 0 <= due_ns - view.now_ns <= self.params.funding_horizon_s * _SECOND_NS:
            return None, 0.0
        return (Side.BUY if facts.funding_rate > 0 else Side.SELL), abs(float(facts.funding_rate))

    def _plan_for(self, instrument: Instrument) -> LayerPlan:
        """Return the plan, made anew when the venue changed the instrument."""
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = LayerPlan(self.params, instrument)
        return self._plan

    def remembered(self) -> dict[str, Any]:
        """Return what fills have left beside the position's clocks."""
        return super().remembered() | {"habits": self._habits.to_plain()}

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        """Go on with the clocks and with what fills have left."""
        super().restore(saved, view)
        self._habits.take_up(saved["habits"], view.instruments[LEG], Moment(view.now_ns, view.utc_ns))

    def stats(self) -> dict[str, Any]:
        """Return what it leans by, and what became of the position."""
        own = {"inventory_ratio": self._ratio, "skew_bps": self._skew_bps, "reference_ticks": self._reference_ticks}
        own["reference_stale"] = self._reference_stale
        return own | self._habits.stats() | super().stats()


STRATEGY = PerpMarketMaker
