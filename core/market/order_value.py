"""The value of one order as a share of what the account is worth. Pure; money in quote."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.market.instrument import Instrument
from core.market.position import Position
from core.market.reports import Balance


def equity_quote(
    balances: Mapping[str, Balance], position: Position, instrument: Instrument, mid: Decimal
) -> Decimal | None:
    """Return what the account is worth at a mid, None while a balance is not known.

    On spot both assets of the symbol count, on margin the quote asset and the open profit.
    """
    quote, base = balances.get(instrument.quote), balances.get(instrument.base)
    if quote is None:
        return None
    if instrument.kind != "spot":
        return quote.total + position.unrealised_pnl(mid, instrument)
    return None if base is None else quote.total + base.total * mid


def order_value(equity: Decimal | None, share_pct: float) -> float:
    """Return the value of the innermost order; 0, which is no order, while the equity is not known or is gone."""
    return 0.0 if equity is None else max(0.0, float(equity)) * share_pct / 100
