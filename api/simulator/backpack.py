"""A simulated Backpack Exchange: spot and perpetuals, signed REST calls, one socket for public and private streams."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from email.utils import formatdate
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.market_facts import Market
from api.simulator.backpack_account import AccountCalls
from api.simulator.backpack_auth import KeyRing, public_key_of
from api.simulator.backpack_gate import MAX_BODY_BYTES, Gate, refuse
from api.simulator.backpack_public import PublicCalls
from api.simulator.backpack_state import Desk, too_many
from api.simulator.backpack_stream import StreamHub
from api.simulator.backpack_trading import TradingCalls
from api.simulator.server import Listing, SimCredentials, VenueServer
from api.simulator.sockets import SimSocket
from utils.errors import ConfigError

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange
    from api.simulator.faults import Fault, Faults

REQUESTS_PER_MINUTE = 2000
_STEP = Decimal("0.01")
_BALANCES = {"SOL": Decimal(300), "USDC": Decimal(50_000)}


def _listing(symbol: str, venue_symbol: str, kind: str, maker_bps: str, taker_bps: str) -> Listing:
    market = Market(
        symbol, venue_symbol, kind, "SOL", "USDC", _STEP, _STEP, Decimal(0), _BALANCES, source="simulator"
    )  # fmt: skip
    return Listing(market, Decimal(150), Decimal(maker_bps), Decimal(taker_bps), fee_in_base=kind == "spot")


class BackpackServer(VenueServer):
    """Backpack's protocol over the simulated exchange."""

    venue = "backpack"
    ping_interval_s = 60.0
    pong_within_s = 120.0

    def __init__(
        self, exchange: SimExchange, faults: Faults, accounts: Sequence[SimCredentials], now_ns: Callable[[], int]
    ) -> None:
        self._keys = KeyRing({})
        super().__init__(exchange, faults, accounts, now_ns)
        self.desk = Desk(self, self._keys, REQUESTS_PER_MINUTE)
        self.hub = StreamHub(self.desk)
        exchange.listeners.append(self.hub)

    @classmethod
    def listings(cls) -> tuple[Listing, ...]:
        """Return one spot market and one perpetual of the same coin."""
        return (
            _listing("SOL-USDC", "SOL_USDC", "spot", "8", "10"),
            _listing("SOL-PERP", "SOL_USDC_PERP", "perp", "2", "5"),
        )

    @classmethod
    def new_credentials(cls, account: str, seed: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the key pair of an account: base64 of public key and seed."""
        secret = given.get("api_secret")
        if secret is None:
            secret = base64.b64encode(sha256(f"makerd simulator/{seed}/{account}".encode()).digest()).decode()
        try:
            public = public_key_of(base64.b64decode(secret, validate=True)[:32])
        except (TypeError, ValueError, binascii.Error) as exc:
            raise ConfigError(f"api_secret is not 32 bytes in base64 ({exc})") from exc
        if given.get("api_key", public) != public:
            raise ConfigError(f"api_key does not belong to api_secret, expected {public}")
        return {"api_key": public, "api_secret": secret}

    def register(self, account: SimCredentials) -> None:
        """Take an account; its key is valid from now on."""
        super().register(account)
        self._keys.accounts_by_key[account.credentials["api_key"]] = account.account

    def limit_requests(self, per_minute: int) -> None:
        """Set how many requests a key may make in a minute."""
        self.desk.log.per_minute = per_minute

    def app(self) -> web.Application:
        """Return all routes; the streams are at the root, as on the venue's stream host."""
        gate, app = Gate(self.desk), web.Application(client_max_size=MAX_BODY_BYTES)
        for calls in (PublicCalls(self.desk), TradingCalls(self.desk), AccountCalls(self.desk)):
            app.router.add_routes(calls.routes(gate))
        app.router.add_get("/", self._stream)
        app.router.add_get("/ws", self._stream)
        app.on_response_prepare.append(self._stamp)
        app.cleanup_ctx.append(self._ticking)
        return app

    async def _stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write the venue's clock into the Date header, the fault clock_skew included."""
        response.headers["Date"] = formatdate(self.utc_ns() // 10**9, usegmt=True)

    async def _ticking(self, app: web.Application) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(self.tick_s)
                self.hub.tick()

        task = asyncio.create_task(tick())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    # -- who is it, and what the venue answers in place of the base class -------------------------------------------
    def account_of(self, request: web.Request) -> str | None:
        """Return whose key a request names."""
        return self.desk.keys.account_of(request.headers.get("X-API-Key"))

    def refuse_for_rate(self, retry_after_s: float) -> web.Response:
        """Return the venue's 429."""
        self.violations["rate_limited"] += 1
        return refuse(too_many(retry_after_s))

    async def apply_fault_now(self, fault: Fault) -> int:
        """Take back an account's key and cut its sockets (expire_token), or what every venue does."""
        if fault.kind != "expire_token":
            return await super().apply_fault_now(fault)
        accounts = [fault.account] if fault.account is not None else list(self.accounts)
        self.desk.keys.revoked |= set(accounts)
        for socket in [socket for socket in self.sockets if socket.account in accounts]:
            socket.cut()
        return len(accounts)

    # -- streams ----------------------------------------------------------------------------------------------------
    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.json_response({"code": "RESOURCE_NOT_FOUND", "message": "Not found"}, status=404)
        socket = SimSocket()
        await socket.open(request)
        self.sockets.add(socket)
        pinging = asyncio.create_task(self._ping(socket))
        try:
            async for text in socket.messages():
                self.advance()
                self.hub.on_frame(socket, text)
        finally:
            pinging.cancel()
            self.hub.forget(socket)
            self.sockets.discard(socket)
            await socket.close()
        return socket.web

    async def _ping(self, socket: SimSocket) -> None:
        with contextlib.suppress(ConnectionError):
            while not socket.is_gone:
                await asyncio.sleep(self.ping_interval_s)
                if socket.half_open:
                    continue
                if time.monotonic() - socket.heard_s > self.pong_within_s:
                    socket.cut()
                    return
                await socket.web.ping()


SERVER = BackpackServer
