"""The Thalex part of a config, and the instrument that it names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

from api.thalex_messages import ThalexMarket, read_market, rows
from api.thalex_wire import WireFault
from core.market.instrument import Instrument
from utils.env import Secret
from utils.errors import NotListed, VenueRefused, VenueUnreachable

WS_URLS = {"live": "wss://thalex.com/ws/api/v2", "test": "wss://testnet.thalex.com/ws/api/v2"}
_TICKER = "1000ms"
_NEAR = 5


def plain(value: Any) -> str:
    """Return a config text, also one that is kept as a secret."""
    if isinstance(value, Secret):
        return value.reveal()
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class ThalexSettings:
    """What a config says of this venue; defaults are those of the schema."""

    ws_url: str = WS_URLS["live"]
    key_id: str = ""
    private_key: Secret = field(default_factory=lambda: Secret(""))
    venue_account: str | None = None
    cancel_on_disconnect_s: int = 6
    request_rate_per_s: float | None = None
    book_depth: int = 10
    maker_fee_bps: Decimal = Decimal(2)
    taker_fee_bps: Decimal = Decimal(5)
    proxy: Secret | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ThalexSettings:
        """Return the settings in a validated config with its secrets resolved."""
        given = {name: value for name, value in config.items() if value is not None}
        proxy, account, rate = (given.get(name) for name in ("proxy", "venue_account", "request_rate_per_s"))
        return cls(
            ws_url=plain(given.get("ws_url")) or WS_URLS[given.get("network", "live")],
            key_id=plain(given.get("key_id")),
            private_key=Secret(plain(given.get("private_key"))),
            venue_account=plain(account) or None,
            cancel_on_disconnect_s=int(given.get("cancel_on_disconnect_s", 6)),
            request_rate_per_s=None if rate is None else float(rate),
            book_depth=int(given.get("book_depth", 10)),
            maker_fee_bps=Decimal(str(given.get("maker_fee_bps", 2))),
            taker_fee_bps=Decimal(str(given.get("taker_fee_bps", 5))),
            proxy=Secret(plain(proxy)) if plain(proxy) else None,
        )


def book_channel(venue_symbol: str) -> str:
    """Return the channel of the whole book: a bounded one has no totals to hold it against."""
    return f"book.{venue_symbol}.none.all.raw"


def trades_channel(venue_symbol: str) -> str:
    """Return the channel of what trades."""
    return f"recent_trades.{venue_symbol}.single"


def ticker_channel(venue_symbol: str) -> str:
    """Return the channel that the book is held against."""
    return f"ticker.{venue_symbol}.{_TICKER}"


def find_market(listed: Any, symbol: str) -> ThalexMarket:
    """Return the market of our name or the venue's.

    Raises NotListed naming near ones, VenueUnreachable when nothing at all is listed, WireFault.
    """
    markets = []
    for source in rows(listed, "instruments"):
        try:
            market = read_market(source)
        except WireFault:
            continue  # one that we cannot read is not the one that we could trade
        if market is not None:
            markets.append(market)
    if not markets:
        raise VenueUnreachable("thalex lists no perpetual or future at all; wait for the venue")
    for market in markets:
        if symbol in (market.symbol, market.name):
            return market
    names = sorted({market.symbol for market in markets})
    near = difflib.get_close_matches(symbol, names, _NEAR, 0.4) or names[:_NEAR]
    raise NotListed(f"thalex lists no perpetual or future {symbol!r}; near: {', '.join(near)}")


def instrument_of(market: ThalexMarket, settings: ThalexSettings) -> Instrument:
    """Return the instrument; the venue does not list fees, so they are the config's. Raises VenueRefused."""
    try:
        return Instrument(
            symbol=market.symbol,
            venue_symbol=market.name,
            kind=market.kind,
            base=market.base,
            quote=market.quote,
            tick_size=market.tick_size,
            lot_size=market.size_step,
            min_lots=max(1, int((market.min_size / market.size_step).to_integral_value(ROUND_CEILING))),
            maker_fee_bps=settings.maker_fee_bps,
            taker_fee_bps=settings.taker_fee_bps,
            expiry_utc_ns=None if market.expiry_ms is None else market.expiry_ms * 1_000_000,
        )
    except (ValueError, ArithmeticError) as exc:
        raise VenueRefused(f"thalex lists {market.name} with increments that cannot be counted in: {exc}") from exc
