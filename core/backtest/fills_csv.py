"""Fills as CSV: the same bytes for the same fills. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from core.market.instrument import Instrument
from core.market.order import Fill

_HEAD = "venue_ns,trade_id,client_order_id,side,price,size,liquidity,fee,fee_asset"
LegFills = tuple[str, Sequence[Fill], Instrument]  # of the leg of that name, in the order in which they happened


def fills_text(fills: Iterable[Fill], instrument: Instrument) -> str:
    """Return the fills of a bot with one leg."""
    return "\n".join([_HEAD, *(_line(fill, instrument) for fill in fills)]) + "\n"


def legs_fills_text(legs: Sequence[LegFills]) -> str:
    """Return the fills of all legs by time, those of one moment in the order of the legs; a row begins with its leg."""
    rows = [(fill.venue_ns, f"{name},{_line(fill, instrument)}") for name, fills, instrument in legs for fill in fills]
    rows.sort(key=lambda row: row[0])  # a stable sort: what is of one moment stays as it is
    return "\n".join([f"leg,{_HEAD}", *(line for _, line in rows)]) + "\n"


def digest_of(text: str) -> str:
    """Return what says that two texts are the same."""
    return hashlib.sha256(text.encode()).hexdigest()


def _line(fill: Fill, instrument: Instrument) -> str:
    price, size = instrument.to_price(fill.price_ticks), instrument.to_size(fill.size_lots)
    return (
        f"{fill.venue_ns},{fill.trade_id},{fill.client_order_id},{fill.side.value},{price},{size},"
        f"{fill.liquidity},{fill.fee},{fill.fee_asset}"
    )
