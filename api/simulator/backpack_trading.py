"""Backpack's signed order calls: place, batch, cancel, look up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.simulator import backpack_account_shapes as shapes
from api.simulator.backpack_auth import Refusal
from api.simulator.backpack_gate import Gate, Params, SignedHandler
from api.simulator.backpack_orders import (
    BATCH_LIMIT,
    find_order,
    read_order,
    refusal,
    rejection,
    to_redeem,
    unparsed,
)
from api.simulator.backpack_shapes import MARKET_TYPES, Json
from api.simulator.exchange_types import SimOrder
from core.market.order import OrderState

if TYPE_CHECKING:
    from api.simulator.backpack_state import Desk

ONE, MANY = "/api/v1/order", "/api/v1/orders"
_LATE_ORDERS = 1000  # closed ones whose cancel is not held against a client
READ_ONLY = "-view"  # the key of an account whose name ends so may look but not trade


class TradingCalls:
    """The calls about orders."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self, gate: Gate) -> Iterable[web.RouteDef]:
        """Return all order routes."""
        return [
            web.post(ONE, gate.signed(_trading(self.place))),
            web.post(MANY, gate.signed(_trading(self.place_batch), batch=True)),
            web.delete(ONE, gate.signed(_trading(self.cancel))),
            web.delete(MANY, gate.signed(_trading(self.cancel_all))),
            web.get(ONE, gate.signed(self.find), allow_head=False),
            web.get(MANY, gate.signed(self.open_orders), allow_head=False),
        ]

    # -- placing ----------------------------------------------------------------------------------------------------
    def place(self, account: str, body: Any) -> Json:
        """Place one order; the answer is its state after matching."""
        return self._shape(self._place(account, body, f"POST {ONE}"))

    def place_batch(self, account: str, bodies: Any) -> list[Json]:
        """Place several orders in turn; one that fails does not stop the others and the status is 200 all the same."""
        if not isinstance(bodies, list) or not 1 <= len(bodies) <= BATCH_LIMIT:
            raise unparsed(f"expected a list of 1 to {BATCH_LIMIT} orders")
        return [self._place_in_batch(account, body) for body in bodies]

    def _place_in_batch(self, account: str, body: Any) -> Json:
        try:
            return {"operation": "Ok", **self._shape(self._place(account, body, f"POST {MANY}"))}
        except Refusal as refused:
            self._desk.violation(refused.violation)
            return {"operation": "Err", **refused.body()}

    def _place(self, account: str, body: Any, request: str) -> SimOrder:
        fault = self._desk.faults.take("reject_next", account, request)
        if fault is not None:
            raise refusal(str(fault["code"] or "INVALID_ORDER"), fault["message"])
        wanted = read_order(body, self._desk)
        redeemed = to_redeem(wanted, account, self._desk)
        order = self._desk.exchange.submit(
            account,
            wanted.market.symbol,
            side=wanted.side,
            price_ticks=wanted.price_ticks,
            size_lots=wanted.size_lots,
            client_id=None if wanted.client_id is None else str(wanted.client_id),
            post_only=wanted.post_only,
            reduce_only=wanted.reduce_only,
            time_in_force=wanted.time_in_force,
        )
        if order.state is OrderState.REJECTED:
            raise rejection(order.reason)
        self._desk.redeem(account, *redeemed)
        return order

    # -- cancelling -------------------------------------------------------------------------------------------------
    def cancel(self, account: str, body: Any) -> Any:
        """Cancel one order, named by exactly one of its ids."""
        try:
            order = find_order(body, account, self._desk)
        except Refusal as refused:
            if refused.code == "RESOURCE_NOT_FOUND" and not self._ended_lately(account, body):
                self._desk.violation("unknown_cancel")
            raise
        later = self._later(account, f"DELETE {ONE}", [order])
        if later is not None:
            return later
        self._desk.exchange.cancel(account, order.order_id)
        return self._shape(order)

    def _ended_lately(self, account: str, body: Params) -> bool:
        """Tell whether a cancel only came too late: nobody can help that."""
        ids = (str(body.get("orderId")), str(body.get("clientId")))
        closed = self._desk.exchange.closed_orders(account)[-_LATE_ORDERS:]
        return any(order.order_id == ids[0] or order.client_id == ids[1] for order in closed)

    def cancel_all(self, account: str, body: Any) -> Any:
        """Cancel the open orders of a market; there are no conditional ones here."""
        market = self._desk.market(body.get("symbol"))
        if body.get("orderType") == "ConditionalOrder":
            return []
        orders = self._desk.exchange.open_orders(account, market.symbol)
        later = self._later(account, f"DELETE {MANY}", orders)
        if later is not None:
            return later
        return [self._shape(self._desk.exchange.cancel(account, order.order_id) or order) for order in orders]

    def _later(self, account: str, request: str, orders: list[SimOrder]) -> web.Response | None:
        """Return 202 and cancel a moment later, when the fault accepted_cancel says so."""
        fault = self._desk.faults.take("accepted_cancel", account, request)
        if fault is None:
            return None
        cancel: Callable[[str, str], Any] = self._desk.exchange.cancel
        for order in orders:
            asyncio.get_running_loop().call_later(fault["seconds"], cancel, account, order.order_id)
        return web.Response(status=202)

    # -- looking up -------------------------------------------------------------------------------------------------
    def find(self, account: str, params: Params) -> Json:
        """Return an open order; one that is closed is not found here any more."""
        return self._shape(find_order(params, account, self._desk))

    def open_orders(self, account: str, params: Params) -> list[Json]:
        """Return the open orders of an account, of a market, or of a type of market."""
        symbol, kind = params.get("symbol"), params.get("marketType")
        if symbol is not None:
            self._desk.market(symbol)
        orders = self._desk.exchange.open_orders(account, symbol)
        return [
            self._shape(order)
            for order in orders
            if kind in (None, MARKET_TYPES[self._desk.instrument(order.symbol).kind])
        ]

    def _shape(self, order: SimOrder) -> Json:
        return shapes.order(order, self._desk.instrument(order.symbol))


def _trading(handler: SignedHandler) -> SignedHandler:
    """Return a handler that refuses the keys that may only look."""

    def checked(account: str, params: Any) -> Any:
        if account.endswith(READ_ONLY):
            raise refusal("FORBIDDEN", "The API key may not trade", "no_right")
        return handler(account, params)

    return checked
