"""Backpack's requests, built and signed at the moment they are sent. Pure but for the clock it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from api.backpack_sign import Params, SigningKey, plain_text, signed_headers, subscribe_frame
from api.backpack_values import SIDE_NAMES
from api.http_call import BuiltRequest
from api.wire_json import dumps
from core.market.instrument import Instrument
from core.market.order import Order

BASE_URL = "https://api.backpack.exchange"
WS_URL = "wss://ws.backpack.exchange"
FILLS_PER_PAGE = 1_000
CLOCK_TARGET = "/api/v1/time"
_BODY_TYPE = {"Content-Type": "application/json; charset=utf-8"}
_INTERVALS = {
    1: "1s",
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1h",
    7200: "2h",
    14_400: "4h",
    21_600: "6h",
    28_800: "8h",
    43_200: "12h",
    86_400: "1d",
    259_200: "3d",
    604_800: "1w",
}


def public(path: str, **params: str | int) -> BuiltRequest:
    """Return a request that needs no key."""
    return BuiltRequest("GET", _target(path, params))


def depth_request(symbol: str, limit: int) -> BuiltRequest:
    """Ask for the book."""
    return public("/api/v1/depth", symbol=symbol, limit=limit)


def candles_request(symbol: str, interval_s: int, since_s: int) -> BuiltRequest:
    """Ask for candles from a UTC second on. Raises ValueError for an interval that the venue does not have."""
    if interval_s not in _INTERVALS:
        raise ValueError(f"{interval_s} s is not one of {', '.join(map(str, _INTERVALS))}")
    return public("/api/v1/klines", symbol=symbol, interval=_INTERVALS[interval_s], startTime=since_s)


def order_params(
    order: Order, client_id: int, instrument: Instrument, auto_lend_redeem: bool = False
) -> dict[str, Any]:
    """Return the parameters of a new limit order; what is not wanted is left out."""
    params: dict[str, Any] = {
        "symbol": instrument.venue_symbol,
        "side": SIDE_NAMES[order.side],
        "orderType": "Limit",
        "price": format(instrument.to_price(order.price_ticks), "f"),
        "quantity": format(instrument.to_size(order.size_lots), "f"),
        "timeInForce": order.time_in_force,
        "clientId": client_id,
    }
    if order.post_only:
        params["postOnly"] = True
    if order.reduce_only and instrument.kind != "spot":
        params["reduceOnly"] = True
    if auto_lend_redeem:
        params["autoLendRedeem"] = True
    return params


def _target(path: str, params: Params) -> str:
    query = urlencode([(name, plain_text(value)) for name, value in params.items()])
    return f"{path}?{query}" if query else path


class BackpackWire:
    """The signed requests of one key. `utc_ms` is the venue's time; a signature is good for `window_ms`."""

    def __init__(self, key: SigningKey, utc_ms: Callable[[], int], window_ms: int) -> None:
        self._key = key
        self._utc_ms = utc_ms
        self._window_ms = window_ms

    def query(self, instruction: str, path: str, **params: str | int) -> BuiltRequest:
        """Return a signed GET."""
        return BuiltRequest("GET", _target(path, params), self._headers(instruction, params))

    def command(self, method: str, instruction: str, path: str, params: Params | Sequence[Params]) -> BuiltRequest:
        """Return a signed request with a JSON body."""
        headers = self._headers(instruction, params) | _BODY_TYPE
        return BuiltRequest(method, path, headers, dumps(params).encode())

    def _headers(self, instruction: str, params: Params | Sequence[Params]) -> dict[str, str]:
        return signed_headers(self._key, instruction, params, self._utc_ms(), self._window_ms)

    def place(self, orders: Sequence[dict[str, Any]]) -> BuiltRequest:
        """Place one order, or several in one request."""
        if len(orders) == 1:
            return self.command("POST", "orderExecute", "/api/v1/order", orders[0])
        return self.command("POST", "orderExecute", "/api/v1/orders", orders)

    def cancel(self, symbol: str, order_id: str | None, client_id: int) -> BuiltRequest:
        """Cancel one order, by the venue's id when it is known."""
        return self.command("DELETE", "orderCancel", "/api/v1/order", _one_order(symbol, order_id, client_id))

    def order(self, symbol: str, order_id: str | None, client_id: int) -> BuiltRequest:
        """Ask for one open order."""
        return self.query("orderQuery", "/api/v1/order", **_one_order(symbol, order_id, client_id))

    def open_orders(self, symbol: str) -> BuiltRequest:
        """Ask for the open orders of a market."""
        return self.query("orderQueryAll", "/api/v1/orders", symbol=symbol)

    def open_orders_anywhere(self) -> BuiltRequest:
        """Ask for the open orders of all markets."""
        return self.query("orderQueryAll", "/api/v1/orders")

    def fills(self, symbol: str, from_ms: int, offset: int) -> BuiltRequest:
        """Ask for a page of fills from a venue time on."""
        page: dict[str, str | int] = {"symbol": symbol, "from": from_ms, "limit": FILLS_PER_PAGE, "offset": offset}
        return self.query("fillHistoryQueryAll", "/wapi/v1/history/fills", **page)

    def position(self, symbol: str) -> BuiltRequest:
        """Ask for the position of a market."""
        return self.query("positionQuery", "/api/v1/position", symbol=symbol)

    def capital(self) -> BuiltRequest:
        """Ask for the balances without what is lent."""
        return self.query("balanceQuery", "/api/v1/capital")

    def collateral(self) -> BuiltRequest:
        """Ask for the margin account."""
        return self.query("collateralQuery", "/api/v1/capital/collateral")

    def account(self) -> BuiltRequest:
        """Ask for the account's settings."""
        return self.query("accountQuery", "/api/v1/account")

    def set_leverage(self, leverage: Decimal) -> BuiltRequest:
        """Set the leverage of the whole account."""
        return self.command("PATCH", "accountUpdate", "/api/v1/account", {"leverageLimit": format(leverage, "f")})

    def subscribe(self, streams: Sequence[str]) -> str:
        """Return a signed subscription."""
        return dumps(subscribe_frame(streams, self._key, self._utc_ms(), self._window_ms))


def _one_order(symbol: str, order_id: str | None, client_id: int) -> dict[str, str | int]:
    if order_id is not None:
        return {"symbol": symbol, "orderId": order_id}
    return {"symbol": symbol, "clientId": client_id}
