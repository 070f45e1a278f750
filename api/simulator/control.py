"""The simulator's control, on a port of its own: look at everything, make things go wrong, trade against a bot.

    GET  /_sim/health, /_sim/state[?account=NAME][&fills=N][&requests=N]
    POST /_sim/fault    {"kind", "count": 1, "account": null, "match": "", ...}, {"kind": "clear"[, "which"]}
    POST /_sim/price    {"symbol", "price"}    (or "mid": what the middle of the displayed market becomes)
    POST /_sim/tick     {"symbol", "multiple"} the tick size becomes that many times the first one; its orders end
    POST /_sim/delist   {"symbol"}            off the list, as when it expires; its orders end
    POST /_sim/account  {"account"?, "balances"?, "credentials"?} -> the row of the hello line
    POST /_sim/order    {"account", "symbol", "side", "price", "size"[, "tif", "post_only", "reduce_only", "client_id"]}
    POST /_sim/cancel   {"account", "symbol"?, "order_id"?}
    POST /_sim/feed     {"paused": true|false}    the displayed market stands still; orders still trade
    POST /_sim/reset    {}    no open orders, no faults, feeds move, first tick sizes, all listed; the rest stays

A bad request is answered 400 `{"error": "one line"}`. Prices and sizes are text or numbers; a null price is a market
order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.market_facts import as_amount
from api.simulator.accounts import account_from
from api.simulator.control_state import order_row, state_of
from api.simulator.faults import AT_ONCE
from core.market.order import Side
from utils.errors import ConfigError

if TYPE_CHECKING:
    from api.simulator.exchange import SimMarket, SimOrder
    from api.simulator.server import VenueServer

Plain = dict[str, Any]
_MAX_MULTIPLE = 1_000


class Control:
    """What the control port can do to a server."""

    def __init__(self, server: VenueServer, seed: int) -> None:
        self._server, self._exchange, self._seed = server, server.exchange, seed
        self._numbers = count(1)  # of accounts that were not named

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/_sim/health", self._health)
        app.router.add_get("/_sim/state", self._state)
        for name in ("fault", "price", "tick", "delist", "account", "order", "cancel", "feed", "reset"):
            app.router.add_post(f"/_sim/{name}", self._door(getattr(self, name)))
        return app

    def _door(self, act: Callable[[Plain], Awaitable[Plain]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            self._server.advance()
            try:
                return web.json_response(await act(_plain(await request.read())))
            except (ValueError, ConfigError) as exc:
                return web.json_response({"error": " ".join(str(exc).split())}, status=400)

        return answer

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "venue": self._server.venue, "pid": os.getpid()})

    async def _state(self, request: web.Request) -> web.Response:
        self._server.advance()
        try:
            fills, requests = (int(request.query.get(name, most)) for name, most in (("fills", 1000), ("requests", 0)))
            account = request.query.get("account")
            names = list(self._exchange.accounts) if account is None else [self._account({"account": account})]
        except ValueError as exc:
            return web.json_response({"error": str(exc)}, status=400)
        return web.json_response(state_of(self._server, names, fills, requests))

    # -- what can be asked for --------------------------------------------------------------------------------------
    async def fault(self, plain: Plain) -> Plain:
        """Arm a fault, do one at once, or clear what is armed. Raises ValueError."""
        faults = self._server.faults
        if plain.get("kind") == "clear":
            return {"cleared": faults.clear(plain.get("which"))}
        fault = faults.read(plain)
        if fault.account is not None:
            self._account({"account": fault.account})
        if fault.kind in AT_ONCE:
            return {"hit": await self._server.apply_fault_now(fault)}
        return {"armed": faults.arm(fault).to_plain()}

    async def price(self, plain: Plain) -> Plain:
        """Move a market. Raises ValueError."""
        market, price = self._market(plain), as_amount(plain.get("price", plain.get("mid")))
        if not price:
            raise ValueError("price is 0, expected more")
        self._exchange.set_price(market.symbol, price)
        return {"symbol": market.symbol, "mark": f"{self._exchange.mark(market.symbol):f}"}

    async def tick(self, plain: Plain) -> Plain:
        """List another tick size. Raises ValueError."""
        market, multiple = self._market(plain), plain.get("multiple")
        if not isinstance(multiple, int) or isinstance(multiple, bool) or not 1 <= multiple <= _MAX_MULTIPLE:
            raise ValueError(f"multiple is {multiple!r}, expected a whole number of 1 to {_MAX_MULTIPLE}")
        self._exchange.set_tick(market.symbol, multiple)
        return {"symbol": market.symbol, "tick_size": f"{market.listed.tick_size:f}"}

    async def delist(self, plain: Plain) -> Plain:
        """Take a market off the list. Raises ValueError."""
        return self._cancelled(self._exchange.delist(self._market(plain).symbol))

    async def account(self, plain: Plain) -> Plain:
        """Open an account. Raises ValueError, ConfigError."""
        name = plain.get("account") or next(
            name for number in self._numbers if (name := f"s{number}") not in self._exchange.accounts
        )
        given = plain.get("credentials") or {}
        if not isinstance(given, dict):
            raise ValueError(f"credentials is {given!r}, expected an object")
        row = {**given, "account": name, "balances": plain.get("balances")}
        account = account_from(row, type(self._server), self._seed)
        self._exchange.add_account(account.account, account.balances)
        self._server.register(account)
        return account.to_plain()

    async def order(self, plain: Plain) -> Plain:
        """Trade as an account. Raises ValueError; an order that the exchange rejects is an answer like any other."""
        account, market = self._account(plain), self._market(plain)
        side = plain.get("side")
        if side not in ("buy", "sell"):
            raise ValueError(f"side is {side!r}, expected 'buy' or 'sell'")
        order = self._exchange.submit(
            account,
            market.symbol,
            side=Side(side),
            price_ticks=_counted(plain, "price", market.exact_ticks) if plain.get("price") is not None else None,
            size_lots=_counted(plain, "size", market.exact_lots),
            client_id=None if plain.get("client_id") is None else str(plain["client_id"]),
            post_only=bool(plain.get("post_only")),
            reduce_only=bool(plain.get("reduce_only")),
            time_in_force=str(plain.get("tif", "GTC")),
        )
        return order_row(self._server, order)

    async def cancel(self, plain: Plain) -> Plain:
        """Cancel an account's orders. Raises ValueError."""
        account, order_id = self._account(plain), plain.get("order_id")
        symbol = None if plain.get("symbol") is None else self._market(plain).symbol
        if order_id is None:
            return self._cancelled(self._exchange.cancel_all(account, symbol))
        named = (order for order in self._exchange.open_orders(account) if self._is_named(order, str(order_id)))
        return self._cancelled([order for order in named if self._exchange.cancel(account, order.order_id)])

    def _is_named(self, order: SimOrder, order_id: str) -> bool:
        return order_id in (order.order_id, self._server.wire_order_id(order))

    def _cancelled(self, orders: list[SimOrder]) -> Plain:
        return {"cancelled": [self._server.wire_order_id(order) for order in orders]}

    async def feed(self, plain: Plain) -> Plain:
        """Stop or resume the feeds. Raises ValueError."""
        paused = plain.get("paused")
        if not isinstance(paused, bool):
            raise ValueError(f"paused is {paused!r}, expected true or false")
        self._exchange.pause(paused)
        return {"paused": paused}

    async def reset(self, plain: Plain) -> Plain:
        """Cancel every open order, disarm every fault, let the feeds move, list all with their first tick sizes."""
        self._server.faults.clear()
        for market in self._exchange.markets.values():
            market.is_listed = True
            if market.tick_multiple != 1:
                self._exchange.set_tick(market.symbol, 1)
        self._exchange.pause(False)
        orders = [order for name in self._exchange.accounts for order in self._exchange.cancel_all(name)]
        return self._cancelled(orders)

    def _account(self, plain: Plain) -> str:
        name = plain.get("account")
        if not isinstance(name, str) or name not in self._exchange.accounts:
            raise ValueError(f"there is no account {name!r}; there are: {', '.join(self._exchange.accounts)}")
        return name

    def _market(self, plain: Plain) -> SimMarket:
        symbol = plain.get("symbol")
        for market in self._exchange.markets.values():
            if isinstance(symbol, str) and market.market.lists(symbol):
                return market
        raise ValueError(f"there is no symbol {symbol!r}; there are: {', '.join(self._exchange.markets)}")


def _plain(text: bytes) -> Plain:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"the body is not JSON ({exc})") from exc
    if not isinstance(plain, dict):
        raise ValueError("the body is not a JSON object")
    return plain


def _counted(plain: Plain, key: str, counting: Callable[[Decimal], int | None]) -> int:
    try:
        found = counting(as_amount(plain.get(key)))
    except ValueError as exc:
        raise ValueError(f"{key}: {exc}") from exc
    if found is None:
        raise ValueError(f"{key} {plain[key]!r} is not a multiple of the market's step")
    return found
