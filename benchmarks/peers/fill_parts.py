"""What both engines are given and what they give back when their fills are compared: orders sent, fills, profit."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

POST_ONLY, GTC, IOC = range(3)
CANCEL = 0
_UNIT_QUOTE = Decimal("0.0001")  # of one tick times one lot, on the made-up market
_FEES = {True: Decimal("-0.00005"), False: Decimal("0.0005")}  # by whether the fill is a maker's


class Act(NamedTuple):
    """A message of ours, when it is sent (UTC in ns): +1 a buy order, -1 a sell order, 0 the cancel of order `key`."""

    at_ns: int
    what: int
    key: int
    price_ticks: int = 0
    size_lots: int = 0
    force: int = POST_ONLY


class OwnFill(NamedTuple):
    """One execution of order `key` at the venue; `sign` is +1 for a buy."""

    at_ns: int
    key: int
    sign: int
    price_ticks: int
    size_lots: int
    is_maker: bool


def by_order(fills: Iterable[OwnFill]) -> dict[int, tuple[OwnFill, ...]]:
    """Return the fills of each order; what happened in one moment at one price counts as one."""
    merged: dict[tuple[int, int, int], OwnFill] = {}
    for fill in fills:
        place = (fill.key, fill.at_ns, fill.price_ticks)
        before = merged.get(place)
        merged[place] = fill if before is None else fill._replace(size_lots=before.size_lots + fill.size_lots)
    found: dict[int, tuple[OwnFill, ...]] = {}
    for fill in merged.values():
        found[fill.key] = (*found.get(fill.key, ()), fill)
    return found


def position_of(fills: Iterable[OwnFill]) -> int:
    """Return the position that fills leave, in lots."""
    return sum(fill.sign * fill.size_lots for fill in fills)


def profit_of(fills: Iterable[OwnFill], last_mid_ticks: float) -> Decimal:
    """Return what fills earned by the last mid, after fees, in quote."""
    half_ticks, found = round(2 * last_mid_ticks), Decimal(0)
    for fill in fills:
        found += Decimal(fill.sign * (half_ticks - 2 * fill.price_ticks) * fill.size_lots) / 2
        found -= _FEES[bool(fill.is_maker)] * fill.price_ticks * fill.size_lots
    return found * _UNIT_QUOTE
