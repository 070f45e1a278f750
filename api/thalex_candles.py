"""Thalex' candles: of the mark price, there are none of trades."""

from __future__ import annotations

from typing import Any

from api.base_client import Candle
from api.thalex_messages import read_candles
from api.thalex_wire import Request
from utils.errors import VenueRefused

_RESOLUTIONS = {60: "1m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 86_400: "1d", 604_800: "1w"}


def candles_request(venue_symbol: str, interval_s: int, limit: int, now_s: int) -> Request:
    """Return the request for the newest candles. Raises VenueRefused for an interval that the venue has not."""
    resolution = _RESOLUTIONS.get(interval_s)
    if resolution is None:
        raise VenueRefused(f"thalex has no candles of {interval_s} s; it has {', '.join(map(str, _RESOLUTIONS))}")
    start = now_s - now_s % interval_s - interval_s * max(0, limit - 1)
    fields = {"instrument_name": venue_symbol, "from": start, "to": now_s, "resolution": resolution}
    return Request("public/mark_price_historical_data", fields)


def read_mark_candles(result: Any, limit: int) -> list[Candle]:
    """Return the newest candles, oldest first; they have no volume. Raises WireFault."""
    found = [Candle(row.start_ns, row.open, row.high, row.low, row.close, None) for row in read_candles(result)]
    return found[-limit:] if limit > 0 else []
