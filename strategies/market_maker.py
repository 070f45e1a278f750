"""Layered quotes around the book's price, sized by how much of the money is in base.

Decides on Timer events only: reference price, price skew, layers, sizes. What the limits and the balances allow is
`core/market/risk.py`'s; what changes at the venue is `core/market/order_diff.py`'s.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Command, Quote, Quotes
from core.market.events import Event, Timer
from core.market.instrument import Instrument
from core.market.ladder import (
    Rung,
    build_side,
    geometric_rungs,
    linear_rungs,
    power_rungs,
    size_factor,
    slot_names,
    tilt,
)
from core.market.order import Side
from strategies.base import Strategy, View, as_decimal
from utils.errors import ConfigError

LEG = "main"
_NOTHING = Quotes((), LEG)
_ABOVE_NOISE = 1 + 1e-12  # so that float noise in a skew factor does not cost a whole lot


@dataclass(frozen=True, slots=True)
class MarketMakerParams:
    """The strategy's own keys of `strategy_config`; units and ranges are told in its schema."""

    spread_pct: float = 0.2
    bid_spread_pct: float | None = None
    ask_spread_pct: float | None = None
    layers: int = 3
    layer_mode: str = "power"
    layer_step_ticks: float = 1.5
    layer_power: float = 1.5
    layer_step_pct: float = 0.1
    layer_ratio: float = 1.3
    size_ratio: float = 1.0
    layer_spreads_pct: tuple[float, ...] | None = None
    layer_sizes: tuple[Decimal, ...] | None = None
    order_size: Decimal | None = None
    order_size_quote: Decimal | None = None
    inventory_skew_enabled: bool = True
    inventory_target_pct: float = 50.0
    inventory_range_mult: float = 1.0
    price_skew: float = 0.0
    price_source: str = "mid"
    minimum_spread_pct: float = 0.0

    @property
    def half_shares(self) -> tuple[float, float]:
        """Return the distance of the first bid and the first ask from the reference, as a share of it."""
        half = self.spread_pct / 2
        bid = half if self.bid_spread_pct is None else self.bid_spread_pct
        ask = half if self.ask_spread_pct is None else self.ask_spread_pct
        return bid / 100, ask / 100


def _check_sizes(params: MarketMakerParams) -> None:
    if params.layer_sizes is not None:
        if params.layer_mode != "list":
            raise ConfigError("layer_sizes needs layer_mode 'list'")
        if len(params.layer_sizes) != len(params.layer_spreads_pct or ()):
            raise ConfigError("layer_sizes and layer_spreads_pct must be equally long")
    elif (params.order_size is None) == (params.order_size_quote is None):
        raise ConfigError("exactly one of order_size and order_size_quote is needed")


def _check_layers(params: MarketMakerParams) -> None:
    if (params.layer_mode == "list") != (params.layer_spreads_pct is not None):
        raise ConfigError("layer_spreads_pct and layer_mode 'list' need each other")
    spreads = params.layer_spreads_pct or ()
    if any(nearer > farther for nearer, farther in itertools.pairwise(spreads)):
        raise ConfigError("layer_spreads_pct must not decrease: the first layer is the inside one")


def side_rungs(params: MarketMakerParams, half_share: float) -> tuple[Rung, ...]:
    """Return the layers of a side whose first one is `half_share` away from the reference."""
    if params.layer_spreads_pct is not None:
        return tuple(Rung(0.0, distance / 100) for distance in params.layer_spreads_pct)
    if params.layer_mode == "power":
        return power_rungs(params.layers, half_share, params.layer_step_ticks, params.layer_power)
    if params.layer_mode == "linear":
        return linear_rungs(params.layers, half_share, params.layer_step_pct / 100)
    return geometric_rungs(params.layers, half_share, params.layer_step_pct / 100, params.layer_ratio)


class _Plan:
    """What follows from the parameters and the instrument alone, worked out once."""

    def __init__(self, params: MarketMakerParams, instrument: Instrument) -> None:
        bid_half, ask_half = params.half_shares
        self.instrument = instrument
        self.half_share = (bid_half + ask_half) / 2
        self.rungs = {Side.BUY: side_rungs(params, bid_half), Side.SELL: side_rungs(params, ask_half)}
        layers = len(self.rungs[Side.BUY])
        self.slots = {side: slot_names(side, layers) for side in Side}
        self.in_quote = params.order_size_quote is not None and params.layer_sizes is None
        # Lots per layer, or with a size in quote the number of ticks x lots: divided by the price it gives lots.
        amounts = self._amounts(params, layers)
        self.sizes = [float(amount) for amount in amounts]
        self.whole_sizes = [int(amount) for amount in amounts]

    def _amounts(self, params: MarketMakerParams, layers: int) -> Sequence[Decimal]:
        lot_size = self.instrument.lot_size
        if params.layer_sizes is not None:
            return [size / lot_size for size in params.layer_sizes]
        if params.order_size_quote is not None:
            first = params.order_size_quote / self.instrument.unit_quote
        else:
            first = as_decimal(params.order_size) / lot_size
        ratio = as_decimal(params.size_ratio)
        return [first * ratio**i for i in range(layers)]

    def total_lots(self, reference_ticks: float) -> float:
        """Return the lots of one side when nothing is skewed."""
        return sum(self.sizes) / (reference_ticks if self.in_quote else 1.0)

    def lots(self, factor: float, reference_ticks: float) -> list[int]:
        """Return the lots of each layer of a side, times `factor`, rounded down."""
        if self.in_quote:
            factor /= reference_ticks
        elif factor == 1.0:
            return self.whole_sizes
        factor *= _ABOVE_NOISE
        return [int(size * factor) for size in self.sizes]


class MarketMaker(Strategy):
    """Layers on both sides of the reference, more of the side that brings the inventory back to its target."""

    params: MarketMakerParams
    hears_prints = False

    def __init__(self, params: MarketMakerParams) -> None:
        super().__init__(params)
        self._plan: _Plan | None = None
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
        own = {field.name for field in dataclasses.fields(MarketMakerParams)}
        values = {key: value for key, value in strategy_config.items() if key in own and value is not None}
        for key in ("order_size", "order_size_quote"):
            if key in values:
                values[key] = as_decimal(values[key])
        if "layer_sizes" in values:
            values["layer_sizes"] = tuple(as_decimal(size) for size in values["layer_sizes"])
        if "layer_spreads_pct" in values:
            values["layer_spreads_pct"] = tuple(float(spread) for spread in values["layer_spreads_pct"])
        params = MarketMakerParams(**values)
        _check_layers(params)
        _check_sizes(params)
        return params

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Return the wanted set when a decision is due; an empty set when the book gives no price."""
        if not isinstance(event, Timer):
            return []
        book = view.books.get(LEG)
        if book is None or not book.is_quotable:
            return [_NOTHING]
        plan = self._plan_for(view.instruments[LEG])
        fair = book.microprice_ticks() if self.params.price_source == "micro" else book.mid_ticks()
        self._tilt = self._inventory_tilt(plan, fair, view)
        reference = fair * (1.0 - self.params.price_skew * plan.half_share * self._tilt)
        self._reference_ticks = reference
        quotes: list[Quote] = []
        for side in (Side.BUY, Side.SELL):
            factor = size_factor(side, self._tilt) if self.params.inventory_skew_enabled else 1.0
            lots = plan.lots(factor, reference)
            quotes += build_side(side, reference, plan.rungs[side], lots, plan.slots[side], book, plan.instrument, LEG)
        if self.params.minimum_spread_pct > 0:
            quotes = self._far_enough(quotes, book, view)
        return [Quotes(tuple(quotes), LEG)]

    def _plan_for(self, instrument: Instrument) -> _Plan:
        """Return the plan, made anew when the venue changed the instrument."""
        if self._plan is None or self._plan.instrument is not instrument:
            self._plan = _Plan(self.params, instrument)
        return self._plan

    def _inventory_tilt(self, plan: _Plan, reference_ticks: float, view: View) -> float:
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

    def _far_enough(self, quotes: Sequence[Quote], book: OrderBook, view: View) -> list[Quote]:
        """Leave out quotes nearer to the mid than allowed, and slots whose live order has come too near."""
        mid = book.mid_ticks()
        nearest = mid * self.params.minimum_spread_pct / 100
        near_slots = {order.slot for order in view.open_orders.get(LEG, ()) if abs(order.price_ticks - mid) < nearest}
        return [
            quote for quote in quotes if abs(quote.price_ticks - mid) >= nearest and quote.slot_name not in near_slots
        ]

    def stats(self) -> dict[str, Any]:
        """Return the base share (None when not known), the tilt it causes and the reference price in ticks."""
        return {"inventory_share": self._share, "inventory_tilt": self._tilt, "reference_ticks": self._reference_ticks}


STRATEGY = MarketMaker
