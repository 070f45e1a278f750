"""Where an isolated position in a linear contract is liquidated, and whether that is too near. Money in quote.

Of cross margin only the venue knows: ours is a check of its sign.
"""

from __future__ import annotations

from decimal import Decimal

from core.market.order import Side

_ONE = Decimal(1)
_FARTHEST = Decimal("0.1")  # the venue's value from ours


def liquidation_price(
    held: Side, entry: Decimal, size: Decimal, margin: Decimal, maintenance_rate: Decimal
) -> Decimal | None:
    """Return the mark price of liquidation; None for a long whose margin covers it down to nothing.

    `held` is BUY for a long. Raises ValueError for what is no position.
    """
    if not (entry > 0 and size > 0 and margin >= 0 and 0 <= maintenance_rate < 1):
        raise ValueError(f"no position: entry {entry}, size {size}, margin {margin}, rate {maintenance_rate}")
    price = (entry - held.sign * margin / size) / (_ONE - held.sign * maintenance_rate)
    return price if price > 0 else None


def liquidation_complaint(
    held: Side, mark: Decimal, ours: Decimal | None, venues: Decimal | None, min_distance_pct: Decimal
) -> str | None:
    """Return why only reducing is safe: wrong side of mark, far from the venue's value, or too near. None is well.

    The venue's value counts where there is one.
    """
    price = ours if venues is None else venues
    if price is None:
        return None
    if held.sign * (mark - price) <= 0:
        return f"liquidation at {price} is on the wrong side of the mark price {mark}"
    if venues is not None and ours is not None and abs(venues - ours) > _FARTHEST * ours:
        return f"the venue's liquidation price {venues} is more than 10 % from ours, {ours}"
    if abs(mark - price) / mark * 100 < min_distance_pct:
        return f"liquidation at {price} is nearer to {mark} than {min_distance_pct} %"
    return None
