"""The keys of a layered quoter, and what follows from them and the instrument: rungs, slots and sizes of each side."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.instrument import Instrument
from core.market.ladder import Rung, geometric_rungs, keep_outside, linear_rungs, power_rungs, quote_side, slot_names
from core.market.order import Order, Side
from utils.errors import ConfigError

_ABOVE_NOISE = 1 + 1e-12  # so that float noise in a skew factor does not cost a whole lot
LAST = "last"
_DECIMALS = ("order_size", "order_size_quote", "optimization_depth")
_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class LayerParams:
    """Keys that every layered strategy has; units and ranges are told in its schema."""

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
    order_size_pct: float | None = None
    price_source: str = "mid"
    minimum_spread_pct: float = 0.0
    add_fees_to_spread: bool = False

    @property
    def half_shares(self) -> tuple[float, float]:
        """Return the distance of the first bid and the first ask from the reference, as a share of it."""
        half = self.spread_pct / 2
        bid = half if self.bid_spread_pct is None else self.bid_spread_pct
        ask = half if self.ask_spread_pct is None else self.ask_spread_pct
        return bid / 100, ask / 100

    def check_layers(self) -> None:
        """Refuse keys that contradict each other. Raises ConfigError."""
        _check_layers(self)
        _check_sizes(self)


def own_values(kind: type[LayerParams], strategy_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a section that are fields of `kind`, those of the layers in the types that they have there."""
    own = {field.name for field in dataclasses.fields(kind)}
    values = {key: value for key, value in strategy_config.items() if key in own and value is not None}
    for key in _DECIMALS:
        if key in values:
            values[key] = Decimal(str(values[key]))
    if "layer_sizes" in values:
        values["layer_sizes"] = tuple(Decimal(str(size)) for size in values["layer_sizes"])
    if "layer_spreads_pct" in values:
        values["layer_spreads_pct"] = tuple(float(spread) for spread in values["layer_spreads_pct"])
    return values


def _check_sizes(params: LayerParams) -> None:
    if params.layer_sizes is not None:
        if params.layer_mode != "list":
            raise ConfigError("layer_sizes needs layer_mode 'list'")
        if len(params.layer_sizes) != len(params.layer_spreads_pct or ()):
            raise ConfigError("layer_sizes and layer_spreads_pct must be equally long")
    elif sum(size is not None for size in (params.order_size, params.order_size_quote, params.order_size_pct)) != 1:
        raise ConfigError("exactly one of order_size, order_size_quote and order_size_pct is needed")


def _check_layers(params: LayerParams) -> None:
    if (params.layer_mode == "list") != (params.layer_spreads_pct is not None):
        raise ConfigError("layer_spreads_pct and layer_mode 'list' need each other")
    spreads = params.layer_spreads_pct or ()
    if any(nearer > farther for nearer, farther in itertools.pairwise(spreads)):
        raise ConfigError("layer_spreads_pct must not decrease: the first layer is the inside one")


def side_rungs(params: LayerParams, half_share: float) -> tuple[Rung, ...]:
    """Return the layers of a side whose first one is `half_share` away from the reference."""
    if params.layer_spreads_pct is not None:
        return tuple(Rung(0.0, distance / 100) for distance in params.layer_spreads_pct)
    if params.layer_mode == "power":
        return power_rungs(params.layers, half_share, params.layer_step_ticks, params.layer_power)
    if params.layer_mode == "linear":
        return linear_rungs(params.layers, half_share, params.layer_step_pct / 100)
    return geometric_rungs(params.layers, half_share, params.layer_step_pct / 100, params.layer_ratio)


def fee_share(params: LayerParams, instrument: Instrument) -> float:
    """Return what the maker's fee adds to each half of the spread, as a share of the price; a rebate adds nothing."""
    return max(0.0, float(instrument.maker_fee_bps / _BPS)) if params.add_fees_to_spread else 0.0


def _farther(rungs: tuple[Rung, ...], share: float) -> tuple[Rung, ...]:
    return tuple(Rung(rung.ticks, rung.share + share) for rung in rungs) if share else rungs


class LayerPlan:
    """What follows from the parameters and the instrument alone, worked out once."""

    def __init__(self, params: LayerParams, instrument: Instrument) -> None:
        halves, fee = params.half_shares, fee_share(params, instrument)
        self.instrument = instrument
        self.half_share = sum(halves) / 2 + fee
        rungs = [side_rungs(params, half) for half in halves]
        self.rungs = {side: _farther(own, fee) for side, own in zip((Side.BUY, Side.SELL), rungs, strict=True)}
        layers = len(self.rungs[Side.BUY])
        self.slots = {side: slot_names(side, layers) for side in Side}
        self.in_quote = params.order_size is None and params.layer_sizes is None
        # Lots per layer, or with a size in quote the number of ticks x lots: divided by the price it gives lots.
        amounts = self._amounts(params, layers)
        self.sizes = [float(amount) for amount in amounts]
        self.whole_sizes = [int(amount) for amount in amounts]
        self._total = sum(self.sizes)
        self._laid: dict[Side, tuple[float, float, list[int], list[int]]] = {}  # reference and factor, prices and lots
        self._last: dict[Side, tuple[Any, tuple[Quote, ...]]] = {}  # what a side was made of, and the side
        self._apart: tuple[Any, Any, Any, Sequence[Quote]] = (None, None, None, ())  # both sides as given, and the wish

    def _amounts(self, params: LayerParams, layers: int) -> Sequence[Decimal]:
        lot_size = self.instrument.lot_size
        if params.layer_sizes is not None:
            return [size / lot_size for size in params.layer_sizes]
        if params.order_size is None:  # a share of the equity is a factor of sizes that are worth one quote
            first = (params.order_size_quote or Decimal(1)) / self.instrument.unit_quote
        else:
            first = Decimal(str(params.order_size)) / lot_size
        ratio = Decimal(str(params.size_ratio))
        return [first * ratio**i for i in range(layers)]

    def total_lots(self, reference_ticks: float) -> float:
        """Return the lots of one side when nothing is skewed."""
        return self._total / (reference_ticks if self.in_quote else 1.0)

    def lots(self, factor: float, reference_ticks: float) -> list[int]:
        """Return the lots of each layer of a side, times `factor`, rounded down."""
        if self.in_quote:
            factor /= reference_ticks
        elif factor == 1.0:
            return self.whole_sizes
        factor *= _ABOVE_NOISE
        return [int(size * factor) for size in self.sizes]

    def side(self, side: Side, reference_ticks: float, factor: float, book: OrderBook, leg: str) -> Sequence[Quote]:
        """Return the quotes of a side round a reference, its sizes times `factor`; never through the touch."""
        prices, lots = self._layers(side, reference_ticks, factor)
        touch = book.best_ask_ticks if side is Side.BUY else book.best_bid_ticks
        is_through = bool(prices) and (touch - prices[0]) * side.sign <= 0
        told = (prices, lots, leg, touch if is_through else None)
        last = self._last.get(side)
        if last is None or last[0] != told:
            made = quote_side(side, prices, lots, self.slots[side], touch, leg)
            self._last[side] = last = (told, tuple(made))
        return last[1]  # the same quotes, which nobody has to compare with what they were

    def apart(self, bids: Sequence[Quote], asks: Sequence[Quote], yielding: Side) -> Sequence[Quote]:
        """Return `keep_apart` of both sides; for the very same ones the very same wish."""
        last = self._apart
        if last[0] is not bids or last[1] is not asks or last[2] is not yielding:
            self._apart = last = (bids, asks, yielding, tuple(keep_apart(bids, asks, yielding)))
        return last[3]

    def _layers(self, side: Side, reference_ticks: float, factor: float) -> tuple[list[int], list[int]]:
        """Return prices and lots of a side; those of before while the reference stays."""
        last = self._laid.get(side)
        if last is None or last[0] != reference_ticks or last[1] != factor:
            prices = self.instrument.snap_rungs(reference_ticks, self.rungs[side], side)
            self._laid[side] = last = (reference_ticks, factor, prices, self.lots(factor, reference_ticks))
        return last[2], last[3]


def fair_ticks(params: LayerParams, book: OrderBook, last_ticks: int | None = None) -> float:
    """Return the price that quotes are laid around, before any skew.

    The last trade counts as far as the book still agrees: one outside the touch is an old one, or off the market.
    """
    if params.price_source == LAST and last_ticks is not None:
        return float(min(max(last_ticks, book.best_bid_ticks), book.best_ask_ticks))
    return book.microprice_ticks() if params.price_source == "micro" else book.mid_ticks()


def keep_apart(bids: Sequence[Quote], asks: Sequence[Quote], yielding: Side) -> list[Quote]:
    """Return both sides, inside first, the yielding one moved behind the other: our quotes never meet each other."""
    if not bids or not asks:
        return [*bids, *asks]
    moving, staying = (bids, asks) if yielding is Side.BUY else (asks, bids)
    layers = [(place, quote.price_ticks, quote.size_lots) for place, quote in enumerate(moving)]
    moved = keep_outside(yielding, layers, staying[0].price_ticks)
    if moved is layers:
        return [*bids, *asks]
    behind = [dataclasses.replace(moving[place], price_ticks=price) for place, price, _ in moved]
    return [*behind, *asks] if yielding is Side.BUY else [*bids, *behind]


def only_reducing(quotes: Sequence[Quote], held_lots: int, side: Side | None = None) -> list[Quote]:
    """Return the quotes that only make a position smaller, inside first and cut to it; of one side, or of both."""
    room = abs(held_lots)
    kept: list[Quote] = []
    for quote in quotes:
        if side is not None and quote.side is not side:
            kept.append(quote)
        elif quote.side.sign * held_lots < 0 and room > 0:
            lots = min(room, quote.size_lots)
            room -= lots
            kept.append(dataclasses.replace(quote, size_lots=lots, reduce_only=True))
    return kept


def far_enough(quotes: Sequence[Quote], least_pct: float, book: OrderBook, live: Sequence[Order]) -> Sequence[Quote]:
    """Leave out quotes nearer to the mid than `least_pct` percent, and slots whose live order has come too near."""
    if least_pct <= 0:
        return quotes
    mid = book.mid_ticks()
    nearest = mid * least_pct / 100
    near_slots = {order.slot for order in live if abs(order.price_ticks - mid) < nearest}
    return [quote for quote in quotes if abs(quote.price_ticks - mid) >= nearest and quote.slot_name not in near_slots]
