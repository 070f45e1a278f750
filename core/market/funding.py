"""Funding of perpetuals: what a payment is, when it is due and how much it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One payment on a leg's position; `amount` is in quote and added to the account, negative when we pay."""

    payment_id: str  # the venue's, or made of what it tells; unique within a leg
    leg: str
    amount: Decimal
    rate: Decimal
    mark_price: Decimal
    size_lots: int  # of the position that it was for
    venue_ns: int


def funding_amount(size: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """Return what a position of signed `size` (base) receives: at a positive rate longs pay and shorts are paid."""
    return -size * mark * rate


def next_funding_ns(utc_ns: int, interval_ns: int) -> int:
    """Return the first payment's time after a moment; payments are at whole multiples of the interval, UTC."""
    return (utc_ns // interval_ns + 1) * interval_ns
