"""Inventory skew of a position against its target: how far the reference moves, how a side's sizes shrink. Pure."""

from __future__ import annotations

from core.market.order import Side


def inventory_ratio(position_lots: int, target_lots: int, limit_lots: int | None) -> float:
    """Return (position - target) / limit within -1 and 1, 0 without a limit."""
    if not limit_lots:
        return 0.0
    return max(-1.0, min(1.0, (position_lots - target_lots) / limit_lots))


def skew_shift(reference: float, half: float, ratio: float, skew: float, unit: str) -> float:
    """Return how far the reference moves against the inventory, in its own unit: down when long.

    `unit`: `spread` is skew x half spread x ratio, `price` is skew x reference x ratio.
    """
    return -skew * ratio * (reference if unit == "price" else half)


def size_share(side: Side, ratio: float, skew: float) -> float:
    """Return the size factor of a side: 1 - skew x |ratio| for the one that takes the position farther away, else 1."""
    increases = side.sign * ratio > 0
    return 1.0 - skew * abs(ratio) if increases else 1.0
