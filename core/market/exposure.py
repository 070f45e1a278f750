"""What is too much of a position, and how near it is to its liquidation. Pure; sizes in lots, prices in quote."""

from __future__ import annotations

from decimal import Decimal


def target_for(position_lots: int, target_lots: int, mode: str) -> int:
    """Return the signed target; in mode `absolute` it is a size to hold on whichever side the position is."""
    if mode == "absolute" and position_lots < 0:
        return -abs(target_lots)
    return abs(target_lots) if mode == "absolute" else target_lots


def lots_over_limit(position_lots: int, limit_lots: int | None) -> int:
    """Return the signed lots of a position beyond its limit, 0 when it is inside or there is none."""
    if limit_lots is None:
        return 0
    over = max(0, abs(position_lots) - limit_lots)
    return over if position_lots > 0 else -over


def lots_beyond_band(position_lots: int, target_lots: int, threshold_lots: int | None) -> int:
    """Return the signed lots to shed: what lies beyond the band of `threshold_lots` round the target.

    Shedding only ever makes a position smaller: a target that is farther out is for the quotes to reach, and past
    zero nothing is left to shed.
    """
    if threshold_lots is None:
        return 0
    off = position_lots - target_lots
    beyond = max(0, abs(off) - threshold_lots)
    if off * position_lots <= 0:
        return 0
    shed = min(beyond, abs(position_lots))
    return shed if position_lots > 0 else -shed


def liquidation_price(
    size: Decimal, entry_price: Decimal, margin: Decimal, maintenance_rate: Decimal
) -> Decimal | None:
    """Return where a linear position of signed `size` that `margin` backs is liquidated, None when it never is."""
    if not size:
        return None
    if size > 0:
        price = (entry_price - margin / size) / (1 - maintenance_rate)
    else:
        price = (entry_price + margin / -size) / (1 + maintenance_rate)
    return price if price > 0 else None


def liquidation_distance_pct(mark: Decimal, liquidation: Decimal | None) -> Decimal | None:
    """Return how far the mark is from the liquidation price, in percent of the mark; None when there is none."""
    if liquidation is None or mark <= 0:
        return None
    return abs(mark - liquidation) * 100 / mark
