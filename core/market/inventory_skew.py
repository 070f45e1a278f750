"""Leaning against inventory without a model: quotes shift and sizes shrink with the share of the largest position.

An alternative to the skew of the models in core/market/avellaneda.py and core/market/glft.py; a bot uses one, not both.
"""

from __future__ import annotations

from typing import NamedTuple


class InventorySkew(NamedTuple):
    """The signed share of the largest position, the shift of both quotes, and what each side's size is times."""

    ratio: float
    shift: float
    bid_scale: float
    ask_scale: float


def inventory_skew(
    position_base: float, mid: float, max_position_quote: float, factor: float, half_spread: float
) -> InventorySkew:
    """Return the skew; at the largest position only the other side is left. Raises ValueError.

    `factor` is 0 to 2 half-spreads at the largest position; the shift is in the unit of `half_spread`.
    """
    if not (mid > 0 and max_position_quote > 0 and 0 <= factor <= 2 and half_spread >= 0):
        raise ValueError(f"no skew: mid {mid}, largest {max_position_quote}, factor {factor}, half {half_spread}")
    ratio = max(-1.0, min(1.0, position_base * mid / max_position_quote))
    return InventorySkew(ratio, -factor * ratio * half_spread, 1 - max(ratio, 0.0), 1 - max(-ratio, 0.0))
