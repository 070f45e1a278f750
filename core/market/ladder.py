"""Spread, skew and layers: from a reference price to wanted quotes.

A rung is a layer's distance from the reference on one side, in ticks plus a share of the reference, so that a whole
ladder costs one multiplication a layer. Distances are estimates (float, ticks); prices are whole ticks, bids rounded
down and asks up; sizes are whole lots, rounded down.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.instrument import Instrument
from core.market.order import Side


class Rung(NamedTuple):
    """The distance of a layer from the reference: `ticks + share x reference`."""

    ticks: float
    share: float


def power_rungs(layers: int, half_share: float, step_ticks: float, power: float) -> tuple[Rung, ...]:
    """Return layers at half_share + step_ticks x i^power ticks."""
    return tuple(Rung(step_ticks * i**power, half_share) for i in range(layers))


def linear_rungs(layers: int, half_share: float, step_share: float) -> tuple[Rung, ...]:
    """Return layers at half_share + i x step_share."""
    return tuple(Rung(0.0, half_share + i * step_share) for i in range(layers))


def geometric_rungs(layers: int, half_share: float, step_share: float, ratio: float) -> tuple[Rung, ...]:
    """Return layers whose gaps grow by `ratio`: half_share + step_share x (ratio^i - 1) / (ratio - 1)."""
    gaps = [ratio**i for i in range(layers)]
    return tuple(Rung(0.0, half_share + step_share * sum(gaps[:i])) for i in range(layers))


def slot_names(side: Side, layers: int) -> tuple[str, ...]:
    """Return the slots of a side, inside first: `buy.0`, `buy.1`, ..."""
    return tuple(f"{side.value}.{i}" for i in range(layers))


def tilt(share: float, target: float, width: float) -> float:
    """Return how far the base share is from its target, in band half-widths, within -1 (low) and 1 (high)."""
    if width <= 0:
        return 0.0
    return max(-1.0, min(1.0, (share - target) / width))


def size_factor(side: Side, tilted: float) -> float:
    """Return the size factor of a side: 2 at the edge where the side is needed, 1 on target, 0 at the other edge."""
    return 1.0 - side.sign * tilted


def merge_layers(prices: Sequence[int], sizes: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return (layer, price, size) with layers on one tick merged into the inner one and empty ones left out."""
    merged: list[tuple[int, int, int]] = []
    for layer, (price, size) in enumerate(zip(prices, sizes, strict=True)):
        if size <= 0:
            continue
        if merged and merged[-1][1] == price:
            inner, _, before = merged[-1]
            merged[-1] = (inner, price, before + size)
        else:
            merged.append((layer, price, size))
    return merged


def keep_outside(
    side: Side, layers: Sequence[tuple[int, int, int]], opposite_best_ticks: int
) -> Sequence[tuple[int, int, int]]:
    """Return the layers with the inside one at most one tick from the opposite touch, and the deeper ones behind it."""
    sign = side.sign
    if not layers or (opposite_best_ticks - layers[0][1]) * sign > 0:
        return layers
    bound = opposite_best_ticks - sign
    moved = []
    for layer, price, size in layers:
        outside = min(price, bound) if sign > 0 else max(price, bound)
        moved.append((layer, outside, size))
        bound = outside - sign
    return moved


def build_side(
    side: Side,
    reference_ticks: float,
    rungs: Sequence[Rung],
    sizes: Sequence[int],
    slots: Sequence[str],
    book: OrderBook,
    instrument: Instrument,
    leg: str = "main",
) -> list[Quote]:
    """Return the quotes of a side, inside first; strictly ordered and never crossing the touch of `book`."""
    touch = book.best_ask_ticks if side is Side.BUY else book.best_bid_ticks
    return quote_side(side, instrument.snap_rungs(reference_ticks, rungs, side), sizes, slots, touch, leg)


def quote_side(
    side: Side, prices: Sequence[int], sizes: Sequence[int], slots: Sequence[str], touch: int, leg: str
) -> list[Quote]:
    """Return the quotes of a side at prices that are given, inside first; never crossing `touch`, the opposite best."""
    layers = merge_layers(prices, sizes)
    return [
        Quote(side, price, size, layer, leg, True, False, slots[layer])
        for layer, price, size in keep_outside(side, layers, touch)
    ]


def stepped_back(quotes: Sequence[Quote], slots: Collection[str], book: OrderBook) -> list[Quote]:
    """Return the quotes with the post-only ones of `slots` a tick behind the touch of their side at least.

    Those of one side stay apart. None is made better, and none is moved to a price that there is not.
    """
    bounds = {Side.BUY: book.best_bid_ticks - 1, Side.SELL: book.best_ask_ticks + 1}
    found = []
    for quote in quotes:
        sign, bound = quote.side.sign, bounds[quote.side]
        is_meant = quote.post_only and quote.slot_name in slots
        if is_meant and bound > 0 and (quote.price_ticks - bound) * sign > 0:
            bounds[quote.side] = bound - sign
            found.append(replace(quote, price_ticks=bound))
        else:
            found.append(quote)
    return found
