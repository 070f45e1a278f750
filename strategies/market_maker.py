"""Layered quotes around the book's price, sized by how much of the money is in base.

Decides on Timer events only: reference price, price skew, layers, sizes. What the limits and the balances allow is
`core/market/risk.py`'s; what changes at the venue is `core/market/order_diff.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.market.commands import Command, Quote, Quotes
from core.market.events import Event, Timer
from core.market.instrument import Instrument
from core.market.ladder import size_factor, tilt
from core.market.layers import LayerParams, LayerPlan, fair_ticks, far_enough, own_values
from core.market.order import Side
from strategies.base import Strategy, View

LEG = "main"
_NOTHING = Quotes((), LEG)


@dataclass(frozen=True, slots=True)
class MarketMakerParams(LayerParams):
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    inventory_skew_enabled: bool = True
    inventory_target_pct: float = 50.0
    inventory_range_mult: float = 1.0
    price_skew: float = 0.0


class MarketMaker(Strategy):
    """Layers on both sides of the reference, more of the side that brings the inventory back to its target."""

    params: MarketMakerParams
    hears_prints = False

    def __init__(self, params: MarketMakerParams) -> None:
        super().__init__(params)
        self._plan: LayerPlan | None = None
        self._share: float | None = None
        self._tilt = 0.0
        self._reference_ticks: float | None = None

    def reconfigure(self, params: MarketMakerParams) -> None:
        """Go by other parameters from the next decision on."""
        super().reconfigure(params)
        self._plan = None

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> MarketMakerParams:
        """Return the parameters of a section, the loop's keys left out. Raises ConfigError for a contradiction."""
        params = MarketMakerParams(**own_values(MarketMakerParams, strategy_config))
        params.check_layers()
        return params

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return the wanted set when a decision is due; an empty set when the book gives no price."""
        if not isinstance(event, Timer):
            return []
        book = view.books.get(LEG)
        if book is None or not book.is_quotable:
            return [_NOTHING]
        plan = self._plan_for(view.instruments[LEG])
        fair = fair_ticks(self.params, book)
        self._tilt = self._inventory_tilt(plan, fair, view)
        reference = fair * (1.0 - self.params.price_skew * plan.half_share * self._tilt)
        self._reference_ticks = reference
        quotes: list[Quote] = []
        for side in (Side.BUY, Side.SELL):
            factor = size_factor(side, self._tilt) if self.params.inventory_skew_enabled else 1.0
            quotes += plan.side(side, reference, factor, book, LEG)
        quotes = far_enough(quotes, self.params.minimum_spread_pct, book, view.open_orders.get(LEG, ()))
        return [Quotes(tuple(quotes), LEG)]

    def _plan_for(self, instrument: Instrument) -> LayerPlan:
        """Return the plan, made anew when the venue changed the instrument."""
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = LayerPlan(self.params, instrument)
        return self._plan

    def _inventory_tilt(self, plan: LayerPlan, reference_ticks: float, view: View) -> float:
        """Return the tilt of the inventory; 0 when it is not asked for, no spot, or a balance is not known."""
        self._share = None
        instrument, params = plan.instrument, self.params
        if instrument.kind != "spot" or not (params.inventory_skew_enabled or params.price_skew):
            return 0.0
        balances = view.balances.get(LEG, {})
        base, quote = balances.get(instrument.base), balances.get(instrument.quote)
        if base is None or quote is None:
            return 0.0
        base_value = float(base.total / instrument.lot_size) * reference_ticks  # both in units of ticks x lots
        total = base_value + float(quote.total / instrument.unit_quote)
        if total <= 0:
            return 0.0
        self._share = base_value / total
        width = params.inventory_range_mult * 2 * plan.total_lots(reference_ticks) * reference_ticks / total
        return tilt(self._share, params.inventory_target_pct / 100, width)

    def stats(self) -> dict[str, Any]:
        """Return the base share (None when not known), the tilt it causes and the reference price in ticks."""
        return {"inventory_share": self._share, "inventory_tilt": self._tilt, "reference_ticks": self._reference_ticks}


STRATEGY = MarketMaker
