"""Backpack's public REST calls: markets, prices, books, candles, funding, time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.simulator import backpack_shapes as shapes
from api.simulator.backpack_gate import Gate, Params, PublicHandler, whole
from api.simulator.backpack_orders import unparsed
from api.simulator.backpack_shapes import Json
from api.simulator.backpack_tape import INTERVALS

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk
    from api.simulator.exchange_market import SimMarket

_OPEN_INTEREST = "12345.67"


class PublicCalls:
    """The calls that need no key."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self, gate: Gate) -> Iterable[web.RouteDef]:
        """Return all public routes."""
        calls: dict[str, PublicHandler] = {
            "/api/v1/markets": self.markets,
            "/api/v1/market": self.market,
            "/api/v1/assets": self.assets,
            "/api/v1/securities": lambda params: [],
            "/api/v1/ticker": self.ticker,
            "/api/v1/tickers": self.tickers,
            "/api/v1/depth": self.depth,
            "/api/v1/trades": self.trades,
            "/api/v1/trades/history": self.trades,
            "/api/v1/klines": self.klines,
            "/api/v1/markPrices": self.mark_prices,
            "/api/v1/fundingRates": self.funding_rates,
            "/api/v1/openInterest": self.open_interest,
            "/api/v1/status": lambda params: {"status": "Ok", "message": None},
            "/api/v1/ping": lambda params: web.Response(text="pong"),
            "/api/v1/time": lambda params: web.Response(text=str(self._desk.now_ms())),
        }
        return [web.get(path, gate.public(call), allow_head=False) for path, call in calls.items()]

    def markets(self, params: Params) -> list[Json]:
        """Return all markets, or those of the types that `marketType` names, which may be repeated."""
        wanted = str(params.get("marketType", "")).split(",")
        rows = [shapes.market(market.listed) for market in self._desk.exchange.markets.values() if market.is_listed]
        return [row for row in rows if wanted == [""] or row["marketType"] in wanted]

    def market(self, params: Params) -> Json:
        """Return one market."""
        return shapes.market(self._asked(params).listed)

    def assets(self, params: Params) -> list[Json]:
        """Return all assets."""
        instruments = [market.instrument for market in self._desk.exchange.markets.values()]
        return [shapes.asset(name) for name in shapes.assets_of(instruments)]

    def ticker(self, params: Params) -> Any:
        """Return the day's figures, 204 when nothing was traded."""
        day = self._desk.tape(self._asked(params).symbol).day()
        return day if day is not None else web.Response(status=204)

    def tickers(self, params: Params) -> list[Json]:
        """Return the day's figures of all markets that traded."""
        days = [self._desk.tape(symbol).day() for symbol in self._desk.exchange.markets]
        return [day for day in days if day is not None]

    def depth(self, params: Params) -> Json:
        """Return the book."""
        market, limit = self._asked(params), whole(params, "limit", 1000, 1, 1000)
        if limit not in shapes.DEPTH_LIMITS:
            raise unparsed("failed to parse parameter `limit`")
        return shapes.depth(market.instrument, market.book, market.sequence, limit, self._desk.now_ns())

    def trades(self, params: Params) -> list[Json]:
        """Return the newest trades, newest first."""
        tape = self._desk.tape(self._asked(params).symbol)
        return tape.trades(whole(params, "limit", 100, 1, 1000), whole(params, "offset", 0, 0, 10**9))

    def klines(self, params: Params) -> list[Json]:
        """Return candles; times are in seconds."""
        market, interval = self._asked(params), str(params.get("interval"))
        if interval not in INTERVALS:
            raise unparsed('failed to parse "KlineInterval": Expect a valid enumeration value.')
        if "startTime" not in params:
            raise unparsed("parameter `startTime` is missing")
        now_s = self._desk.now_ns() // 10**9
        start_s = whole(params, "startTime", 0, 0, 10**11)
        end_s = min(now_s, whole(params, "endTime", now_s, 0, 10**11))
        mark = self._desk.exchange.mark(market.symbol)
        return self._desk.tape(market.symbol).candles(INTERVALS[interval], start_s, end_s, mark)

    def mark_prices(self, params: Params) -> list[Json]:
        """Return mark prices of perpetuals."""
        now_ns, mark = self._desk.now_ns(), self._desk.exchange.mark
        return [shapes.mark_price(found.symbol, mark(found.symbol), now_ns) for found in self._perps(params)]

    def funding_rates(self, params: Params) -> list[Json]:
        """Return past funding rates, newest first."""
        market = self._asked(params)
        limit, offset = whole(params, "limit", 100, 1, 10_000), whole(params, "offset", 0, 0, 10**9)
        return shapes.funding_rates(market.symbol, limit, offset, self._desk.now_ns())

    def open_interest(self, params: Params) -> list[Json]:
        """Return the open interest of perpetuals: a made-up figure."""
        rows = [{"symbol": found.symbol, "openInterest": _OPEN_INTEREST} for found in self._perps(params)]
        return [row | {"timestamp": self._desk.now_ms()} for row in rows]

    def _perps(self, params: Params) -> list[SimMarket]:
        if "symbol" in params:
            return [self._asked(params)]
        return [market for market in self._desk.exchange.markets.values() if not market.is_spot]

    def _asked(self, params: Params) -> SimMarket:
        return self._desk.market(params.get("symbol"))
