"""What Thalex says about instruments and the indexes that they hang on. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from api.simulator.thalex_shapes import Json, number, seconds

if TYPE_CHECKING:
    from api.market_facts import Market
    from core.market.instrument import Instrument

_EXPIRY = re.compile(r"-(\d{1,2})([A-Z]{3})(\d{2})$")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EXPIRY_HOUR = 8  # UTC


def expiry_of(symbol: str) -> datetime | None:
    """Return when a dated future (`BTC-25DEC26`) expires, None for a perpetual."""
    found = _EXPIRY.search(symbol)
    if found is None or found[2] not in _MONTHS:
        return None
    return datetime(2000 + int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]), _EXPIRY_HOUR, tzinfo=UTC)


def underlying_of(market: Market) -> str:
    """Return the index that a market hangs on, `BTCUSD`."""
    return market.base + market.quote


def product_of(market: Market) -> str:
    """Return the product group of a future or perpetual, `FBTCUSD`."""
    return "F" + underlying_of(market)


def instrument_row(market: Market, instrument: Instrument, listed_ns: int) -> Json:
    """Return an instrument."""
    row: Json = {
        "instrument_name": market.venue_symbol,
        "product": product_of(market),
        "tick_size": number(instrument.tick_size),
        "volume_tick_size": number(instrument.lot_size),
        "min_order_amount": number(instrument.to_size(instrument.min_lots)),
        "underlying": underlying_of(market),
        "type": "perpetual" if market.kind == "perp" else "future",
        "base_currency": market.quote,
        "create_time": seconds(listed_ns),
    }
    expiry = expiry_of(market.venue_symbol)
    if expiry is not None:
        row["expiry_date"] = expiry.date().isoformat()
        row["expiration_timestamp"] = int(expiry.timestamp())
    return row


def index_row(underlying: str, price: Decimal, at_ns: int) -> Json:
    """Return an index price."""
    return {"index_name": underlying, "price": number(price), "timestamp": seconds(at_ns)}
