"""Thalex's server: JSON-RPC over one socket per session, the same public methods over HTTP.

Facts: exchanges/thalex.md. What is the simulator's own reading where the venue does not say: a login token is good for
60 s around the venue's clock; margin is that of core/market/sim_account.py; collars are 3 % around the mark; all
requests to the engine count towards the message rate, cancels too. A fault's `match` is part of a method's name
(`private/insert`) or of a channel's (`account.orders`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from api.market_facts import Market
from api.simulator import thalex_errors as codes
from api.simulator.server import Listing, SimCredentials, VenueServer
from api.simulator.sockets import SimSocket
from api.simulator.thalex_account import AccountDesk
from api.simulator.thalex_auth import public_key
from api.simulator.thalex_errors import RpcError
from api.simulator.thalex_keys import KeyRing, new_keys
from api.simulator.thalex_market import Markets, MarketState
from api.simulator.thalex_methods import Methods
from api.simulator.thalex_notify import Notifier
from api.simulator.thalex_orders import OrderDesk
from api.simulator.thalex_params import read_request
from api.simulator.thalex_quotes import QuoteDesk
from api.simulator.thalex_records import Records
from api.simulator.thalex_session import RATES, Session
from api.simulator.thalex_shapes import Json, failure, order_id_text, reply, trade_id_text
from api.simulator.thalex_spoil import with_unknown_enum, with_unknown_field

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange
    from api.simulator.exchange_types import SimFill, SimOrder
    from api.simulator.faults import Fault, Faults


_TICK_S = 0.01
_NOTICE_S = 10.0  # between the warning on the system channel and the end of the connection
_NUMBERS = ("from", "to", "time_low", "time_high")


def _market(symbol: str, venue_symbol: str, kind: str) -> Market:
    return Market(
        symbol, venue_symbol, kind, "BTC", "USD", Decimal(1), Decimal("0.001"), Decimal(0),
        {"USD": Decimal(100_000)}, max_leverage=20, source="simulator",
    )  # fmt: skip


class ThalexServer(VenueServer):
    """The venue's sockets, its HTTP paths and its faults."""

    venue = "thalex"
    base_path = "/api/v2"
    ws_path = "/ws/api/v2"

    def __init__(
        self, exchange: SimExchange, faults: Faults, accounts: Sequence[SimCredentials], now_ns: Callable[[], int]
    ) -> None:
        self.keys, self._rates = KeyRing(), RATES
        super().__init__(exchange, faults, accounts, now_ns)
        markets = Markets({name: MarketState(exchange, market) for name, market in exchange.markets.items()})
        records = Records(exchange, markets)
        orders = OrderDesk(exchange, markets, records, self.violations)
        desk, quotes = AccountDesk(exchange, markets, records), QuoteDesk(exchange, markets, records, orders)
        self.notifier = Notifier(markets, records, desk, quotes, faults, time.monotonic, self.utc_ns, self._run_later)
        self._methods = Methods(
            exchange, markets, self.keys, orders, desk, quotes, self.notifier, time.monotonic, self.utc_ns
        )
        exchange.listeners.append(self.notifier)

    # -- what the venue says of itself ------------------------------------------------------------------------------
    @classmethod
    def listings(cls) -> tuple[Listing, ...]:
        """Return a perpetual and a dated future."""
        maker_bps, taker_bps = Decimal(2), Decimal(5)
        return (
            Listing(_market("BTC-PERP", "BTC-PERPETUAL", "perp"), Decimal(65_000), maker_bps, taker_bps),
            Listing(_market("BTC-27DEC30", "BTC-27DEC30", "future"), Decimal(65_500), maker_bps, taker_bps),
        )

    @classmethod
    def new_credentials(cls, account: str, seed: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return an account's keys; those in `given` are kept. Raises ConfigError."""
        return new_keys(account, seed, given)

    def register(self, account: SimCredentials) -> None:
        """Take an account and its key."""
        super().register(account)
        keys = account.credentials
        self.keys.add(keys["key_id"], public_key(keys["private_key"]), account.account, keys["venue_account"])

    def wire_order_id(self, order: SimOrder) -> str:
        """Return an order's id as the venue tells it."""
        return order_id_text(order.order_id)

    def wire_trade_id(self, fill: SimFill) -> str:
        """Return a trade's id as the venue tells it."""
        return trade_id_text(fill.trade_id)

    def limit_requests(self, per_minute: int) -> None:
        """Grant sessions to come that many requests, with cancel on disconnect or without."""
        self._rates = (max(1, per_minute // 60),) * 2

    def refuse_for_rate(self, retry_after_s: float) -> web.Response:
        """Return the venue's throttle error."""
        headers = {"Retry-After": f"{retry_after_s:g}"}
        return web.json_response({"error": RpcError(codes.THROTTLE).as_json()}, status=429, headers=headers)

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get(self.ws_path, self._socket)
        app.router.add_get(self.base_path + "/public/{method}", self._http)
        app.cleanup_ctx.append(self._ticking)
        return app

    async def _ticking(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick_for_ever())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _tick_for_ever(self) -> None:
        while True:
            for session in list(self.notifier.sessions.values()):
                if session.timeout_s is not None and time.monotonic() - session.socket.heard_s > session.timeout_s:
                    self._end(session)
                    if not session.socket.half_open:
                        session.socket.cut()
            self.notifier.tick()
            await asyncio.sleep(_TICK_S)

    def _run_later(self, seconds: float, do: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, do)

    # -- HTTP -------------------------------------------------------------------------------------------------------
    async def _http(self, request: web.Request) -> web.Response:
        """Answer a public method; a refusal is an error object in a good answer, as on the socket."""
        params = {name: _typed(name, value) for name, value in request.query.items()}
        method = f"public/{request.match_info['method']}"
        if method in ("public/login", "public/subscribe"):
            return web.json_response({"error": RpcError(codes.UNKNOWN_METHOD).as_json()})
        try:
            result = self._methods.call(Session(SimSocket()), method, params)
        except RpcError as exc:
            self._count(exc)
            return web.json_response({"error": exc.as_json()})
        return web.json_response({"result": result})

    # -- sockets ----------------------------------------------------------------------------------------------------
    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = SimSocket()
        session = Session(socket, self._rates)
        socket.web.headers["Date"] = formatdate(self.utc_ns() // 10**9, usegmt=True)  # the fault clock_skew included
        await socket.open(request)
        self.sockets.add(socket)
        self.notifier.sessions[session.number] = session
        try:
            async for text in socket.messages():
                self._take(session, text)
        finally:
            self._end(session)
            self.sockets.discard(socket)
            await socket.close()
        return socket.web

    def _end(self, session: Session) -> None:
        """End a session: its non-persistent orders go with it."""
        if session.ended:
            return
        session.ended = True
        self.notifier.sessions.pop(session.number, None)
        self.advance()
        self.exchange.cancel_session(session)

    def _take(self, session: Session, text: str) -> None:
        """Take a frame: a request, which may be held up by a fault."""
        if session.ended:
            session.socket.cut()
            return
        try:
            request_id, method, params = read_request(text)
        except (ValueError, RecursionError):
            error = RpcError(codes.INVALID_REQUEST)
            self._count(error)
            session.send(failure(None, error.as_json()))
            return
        self.note_request(f"WS {method if method in self._methods.table else '(unknown)'}", session.account)
        answer = partial(self._answer, session, request_id, method, params)
        delay = self.faults.take("delay", session.account, method)
        if delay is None:
            answer()
        else:
            self._run_later(delay["seconds"], answer)

    def _answer(self, session: Session, request_id: Any, method: str, params: Json) -> None:
        if session.ended:
            return  # what was in flight dies with its session
        self.advance()
        account = session.account
        message = self._result(session, request_id, method, params)
        if self.faults.take("drop_answer", account, method) is not None:
            session.socket.cut()
            return
        if self.faults.take("unknown_field", account, method) is not None:
            message = with_unknown_field(message)
        spoilt = with_unknown_enum(message)
        if spoilt != message and self.faults.take("unknown_enum", account, method) is not None:
            message = spoilt
        session.send(message)
        self.notifier.greet(session)

    def _result(self, session: Session, request_id: Any, method: str, params: Json) -> Json:
        """Return the reply to a request, carried out or refused."""
        try:
            error = self._fault(session, method)
            if error is not None:
                return failure(request_id, error)
            return reply(request_id, self._methods.call(session, method, params))
        except RpcError as exc:
            self._count(exc)
            return failure(request_id, exc.as_json())

    def _fault(self, session: Session, method: str) -> Mapping[str, object] | None:
        """Return the error of a fault that fits; the request is not carried out."""
        take = partial(self.faults.take, account=session.account, request=method)
        if take("status") is not None:
            return RpcError(codes.TEMPORARY).as_json()
        if (fault := take("rate_limit")) is not None:
            session.hold_back(fault["retry_after"])
            return RpcError(codes.THROTTLE).as_json()
        if "history" in method and take("incomplete") is not None:
            return RpcError(codes.PARTITION_UNAVAILABLE).as_json()
        if (fault := take("reject_next")) is not None:
            code = fault["code"]
            return {"code": code if isinstance(code, int) else codes.MARGIN, "message": fault["message"]}
        return None

    def _count(self, error: RpcError) -> None:
        if error.violation:
            self.violations[error.violation] += 1

    # -- faults that are done at once -------------------------------------------------------------------------------
    async def apply_fault_now(self, fault: Fault) -> int:
        """Do a fault: expire_token logs sessions out, a disconnect that names `system` is announced 10 s ahead."""
        hit = [each for each in self.notifier.sessions.values() if fault.account in (None, each.account)]
        if fault.kind == "expire_token":
            for session in hit:
                session.log_out()
            return len(hit)
        if fault.kind == "disconnect" and fault.match == "system":
            for session in [each for each in hit if "system" in each.channels]:
                self.notifier.say(session, "system", {"event": "reconnect"})
                self._run_later(_NOTICE_S, session.socket.cut)
            return len(hit)
        return await super().apply_fault_now(fault)


def _typed(name: str, value: str) -> Any:
    """Return a query parameter as the type it has on the socket; what is no number stays text and is refused there."""
    if name not in _NUMBERS:
        return value
    try:
        number = Decimal(value)
    except ArithmeticError:
        return value
    return number if number.is_finite() else value


SERVER = ThalexServer
