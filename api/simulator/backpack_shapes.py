"""How Backpack writes numbers, times, markets, prices and books; pure. Frames are in `backpack_frames.py`.

Sources: the venue's API description and captured answers. Numbers with decimals are text. Live times are numbers
(milliseconds, on streams microseconds), those of history and markets are text without a zone (UTC).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from api.simulator.exchange_types import MarketPrint
from core.market.book import LocalBook
from core.market.instrument import Instrument
from core.market.order import Side

Json = dict[str, Any]

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
MARKET_TYPES = {"spot": "SPOT", "perp": "PERP", "future": "DATED"}
SIDES = {Side.BUY: "Bid", Side.SELL: "Ask"}
FUNDING_INTERVAL_MS = 3_600_000
FUNDING_RATE = Decimal("0.0000125")
IMF, MMF = Decimal("0.02"), Decimal("0.0125")
_LISTED_AT = "2025-01-21T06:34:54.691858"


def plain(value: Decimal | int) -> str:
    """Return a decimal as text without exponent and trailing zeros."""
    text = format(Decimal(value), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def iso_time(ns: int) -> str:
    """Return a UTC time as history has it: milliseconds, no zone."""
    at = datetime.fromtimestamp(ns // 10**9, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns // 10**6 % 1000:03d}"


def iso_second(ns: int) -> str:
    """Return a UTC time without a fraction, as funding intervals have it."""
    return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}"


def price_text(instrument: Instrument, price_ticks: int) -> str:
    """Return a price without trailing zeros."""
    return plain(instrument.to_price(price_ticks))


def size_text(instrument: Instrument, size_lots: int) -> str:
    """Return a size without trailing zeros."""
    return plain(instrument.to_size(size_lots))


def market(instrument: Instrument, state: str = "Open") -> Json:
    """Return a row of `GET /api/v1/markets`."""
    perp = instrument.kind != "spot"
    return {
        "symbol": instrument.venue_symbol,
        "baseSymbol": instrument.base,
        "quoteSymbol": instrument.quote,
        "marketType": MARKET_TYPES[instrument.kind],
        "filters": _filters(instrument),
        "imfFunction": {"type": "sqrt", "base": plain(IMF), "factor": "0.0001275"} if perp else None,
        "mmfFunction": {"type": "sqrt", "base": plain(MMF), "factor": "0.0000765"} if perp else None,
        "fundingInterval": FUNDING_INTERVAL_MS if perp else None,
        "fundingRateUpperBound": "100" if perp else None,
        "fundingRateLowerBound": "-100" if perp else None,
        "openInterestLimit": "4000000" if perp else "0",
        "orderBookState": state,
        "createdAt": _LISTED_AT,
        "visible": True,
    }


def _filters(instrument: Instrument) -> Json:
    perp = instrument.kind != "spot"
    return {
        "price": {
            "minPrice": plain(instrument.tick_size),
            "maxPrice": None,
            "tickSize": plain(instrument.tick_size),
            "minMultiplier": "0.75",
            "maxMultiplier": "1.25",
            "minImpactMultiplier": "0.97",
            "maxImpactMultiplier": "1.03",
            "meanMarkPriceBand": {"minMultiplier": "0.9", "maxMultiplier": "1.1"},
            "meanPremiumBand": {"tolerancePct": "0.05"} if perp else None,
        },
        "quantity": {
            "minQuantity": size_text(instrument, max(1, instrument.min_lots)),
            "maxQuantity": None,
            "stepSize": plain(instrument.lot_size),
        },
    }


def level(instrument: Instrument, price_ticks: int, size_lots: int) -> list[str]:
    """Return a book level as the venue prints it: all decimals of tick and lot, so `18.70` and `0.000` occur."""
    return [format(instrument.to_price(price_ticks), "f"), format(instrument.to_size(size_lots), "f")]


def depth(instrument: Instrument, book: LocalBook, sequence: int, limit: int, at_ns: int) -> Json:
    """Return `GET /api/v1/depth`: both sides by rising price, so bids arrive worst first; the number is text."""
    bids = reversed(book.top(Side.BUY, limit))
    return {
        "asks": [level(instrument, *found) for found in book.top(Side.SELL, limit)],
        "bids": [level(instrument, *found) for found in bids],
        "lastUpdateId": str(sequence),
        "timestamp": at_ns // 1000,
    }


def public_trade(instrument: Instrument, print_: MarketPrint) -> Json:
    """Return a row of `GET /api/v1/trades`."""
    quote = instrument.notional_quote(print_.price_ticks, print_.size_lots)
    return {
        "id": int(print_.trade_id),
        "price": price_text(instrument, print_.price_ticks),
        "quantity": size_text(instrument, print_.size_lots),
        "quoteQuantity": plain(quote),
        "timestamp": print_.at_ns // 10**6,
        "isBuyerMaker": print_.aggressor is Side.SELL,
    }


def mark_price(symbol: str, mark: Decimal, at_ns: int) -> Json:
    """Return a row of `GET /api/v1/markPrices`."""
    return {
        "symbol": symbol,
        "markPrice": plain(mark),
        "indexPrice": plain(mark),
        "fundingRate": plain(FUNDING_RATE),
        "nextFundingTimestamp": next_funding_ms(at_ns),
    }


def next_funding_ms(at_ns: int) -> int:
    """Return the end of the running funding interval."""
    return (at_ns // 10**6 // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS


def funding_rates(symbol: str, limit: int, offset: int, at_ns: int) -> list[Json]:
    """Return `GET /api/v1/fundingRates`, newest first."""
    ends = [next_funding_ms(at_ns) - FUNDING_INTERVAL_MS * (back + 1) for back in range(offset, offset + limit)]
    return [
        {"symbol": symbol, "intervalEndTimestamp": iso_second(end * 10**6), "fundingRate": plain(FUNDING_RATE)}
        for end in ends
    ]


def asset(name: str) -> Json:
    """Return a row of `GET /api/v1/assets`."""
    return {"symbol": name, "displayName": name, "coingeckoId": None, "tokens": []}


def by_number(rows: Sequence[Any], limit: int, offset: int) -> list[Any]:
    """Return one page of rows."""
    return list(rows[offset : offset + limit])


def assets_of(instruments: Iterable[Instrument]) -> list[str]:
    """Return every asset that the markets know, sorted."""
    return sorted({name for instrument in instruments for name in (instrument.base, instrument.quote)})
