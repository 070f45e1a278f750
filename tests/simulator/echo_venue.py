"""A venue with hardly a protocol, to test what every venue's server inherits; served on real loopback ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
from aiohttp import web

from api.simulator.accounts import default_accounts
from api.simulator.control import Control
from api.simulator.faults import Fault, Faults
from api.simulator.market_setup import FeedOptions, build_exchange
from api.simulator.running import Running
from api.simulator.server import Listing, VenueServer
from api.simulator.sockets import SimSocket
from core.market.fill_rules import MatchingRules
from core.market.order import Side
from tests.simulator.exchange_parts import PERP, SPOT, market

BALANCES = {"SOL": Decimal(10), "USDC": Decimal(1000)}


class EchoServer(VenueServer):
    """Says back what it is told."""

    venue = "echo"
    base_path = "/v1"
    ws_path = "/ws"

    @classmethod
    def listings(cls) -> tuple[Listing, ...]:
        """List a spot market and a perpetual."""
        return tuple(Listing(market(symbol, initial_balances=BALANCES), Decimal(100)) for symbol in (SPOT, PERP))

    @classmethod
    def new_credentials(cls, account: str, seed: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key out of the name."""
        return {"api_key": f"key-{account}-{seed}", **given}

    def account_of(self, request: web.Request) -> str | None:
        """Read the account from a header."""
        return request.headers.get("X-Account")

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/v1/ping", self._ping)
        app.router.add_get("/v1/history", self._ping)
        app.router.add_get("/v1/boom", self._boom)
        app.router.add_post("/v1/order", self._order)
        app.router.add_get("/ws", self._socket)
        return app

    async def apply_fault_now(self, fault: Fault) -> int:
        """Have a fault of its own."""
        return 7 if fault.kind == "expire_token" else await super().apply_fault_now(fault)

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({"utc_ns": self.utc_ns()})

    async def _boom(self, request: web.Request) -> web.Response:
        raise RuntimeError("a bug of the simulator")

    async def _order(self, request: web.Request) -> web.Response:
        order = self.exchange.submit("a", SPOT, side=Side.BUY, price_ticks=9000, size_lots=100)
        return web.json_response({"id": order.order_id})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = SimSocket()
        await socket.open(request)
        self.sockets.add(socket)
        try:
            async for text in socket.messages():
                socket.account = text
                socket.send(text)
        finally:
            self.sockets.discard(socket)
            await socket.close()
        return socket.web


class Bench:
    """An echo venue that runs, and a client of it."""

    def __init__(
        self, server: EchoServer, running: Running, hello: dict[str, Any], http: aiohttp.ClientSession
    ) -> None:
        self.server, self.running, self.hello, self.http = server, running, hello, http

    async def control(self, what: str, body: Any = None) -> tuple[int, Any]:
        """Ask the control port: GET without a body, else POST (text is sent as it is)."""
        url = f"{self.hello['control_url']}/_sim/{what}"
        if body is None:
            async with self.http.get(url) as answer:
                return answer.status, await answer.json()
        data = {"data": body} if isinstance(body, str | bytes) else {"json": body}
        async with self.http.post(url, **data) as answer:
            return answer.status, await answer.json()

    async def venue(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        """Ask the venue."""
        async with self.http.request(method, self.hello["base_url"] + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def fault(self, kind: str, **params: Any) -> Any:
        """Arm a fault that must be accepted."""
        status, answer = await self.control("fault", {"kind": kind, **params})
        assert status == 200, answer
        return answer


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Serve the echo venue; the market stands still."""
    options = FeedOptions(volatility_bps=0, trades_per_s=0)
    exchange = build_exchange(EchoServer.listings(), options, MatchingRules(), time.time_ns())
    accounts = default_accounts(EchoServer, 1)
    for account in accounts:
        exchange.add_account(account.account, account.balances)
    server = EchoServer(exchange, Faults(time.time_ns), accounts, time.time_ns)
    running = Running(server, Control(server, 1).app())
    try:
        hello = await running.start()
        # A pooled connection that was cut would make the client try a second time: each request has its own.
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as http:
            yield Bench(server, running, hello, http)
    finally:
        await running.close()


def run(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    """Run a scenario against a fresh echo venue."""

    async def whole() -> None:
        async with bench() as found:
            await scenario(found)

    asyncio.run(whole())
