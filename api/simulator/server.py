"""A venue's server: the base class of `api/simulator/<venue>.py`.

A venue module has `SERVER = BackpackServer`. The base class does for it: playing the feeds every 20 ms and before each
HTTP request; the HTTP faults (delay, status, rate_limit, incomplete, drop_answer, half_open) in a middleware; counters;
the skewed clock; the sockets and the faults on them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from api.market_facts import Market
from api.simulator.faults import Fault, Faults
from api.simulator.sockets import SimSocket
from utils.errors import ConfigError

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange, SimFill, SimOrder

_log = logging.getLogger("makerd.process")
MAX_RECENT = 2_000  # requests that are remembered one by one
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A market that a venue lists by default."""

    market: Market  # `venue_symbol` is the name on the wire
    start_price: Decimal
    maker_fee_bps: Decimal = Decimal(0)
    taker_fee_bps: Decimal = Decimal(0)
    fee_in_base: bool = False  # a spot buy pays its fee in the base asset
    min_lots: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it is told without being checked."""

    at_ns: int
    account: str | None
    request: str


@dataclass(frozen=True, slots=True)
class SimCredentials:
    """An account's throw-away keys, as the venue's `exchange_config` names them."""

    account: str
    credentials: Mapping[str, Any]
    balances: Mapping[str, Decimal] = field(default_factory=dict)  # what it began with

    def to_plain(self) -> dict[str, Any]:
        """Return the row of the hello line and of `POST /_sim/account`."""
        balances = {asset: f"{amount:f}" for asset, amount in self.balances.items()}
        return {"account": self.account, "credentials": dict(self.credentials), "balances": balances}


class VenueServer(ABC):
    """One venue's protocol over a `SimExchange`. Subclasses append themselves to `exchange.listeners`."""

    venue: ClassVar[str]
    base_path: ClassVar[str] = ""  # behind http://127.0.0.1:PORT
    ws_path: ClassVar[str] = "/"  # behind ws://127.0.0.1:PORT
    tick_s = 0.02  # between two steps of the market

    def __init__(
        self, exchange: SimExchange, faults: Faults, accounts: Sequence[SimCredentials], now_ns: Callable[[], int]
    ) -> None:
        self.exchange, self.faults, self._machine_ns = exchange, faults, now_ns
        self.accounts: dict[str, SimCredentials] = {}
        self.counters: Counter[str] = Counter()  # requests by "METHOD path"
        self.violations: Counter[str] = (
            Counter()
        )  # bad_signature, bad_timestamp, rate_limited, off_tick, unknown_cancel ...
        self.recent: deque[Asked] = deque(maxlen=MAX_RECENT)
        self.sockets: set[SimSocket] = set()
        for account in accounts:
            self.register(account)

    # -- what a venue says of itself --------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def listings(cls) -> tuple[Listing, ...]:
        """Return the markets listed by default."""

    @classmethod
    @abstractmethod
    def new_credentials(cls, account: str, seed: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return an account's keys, made from account and seed; keys in `given` are kept. Raises ConfigError."""

    @classmethod
    def starting_balances(cls) -> dict[str, Decimal]:
        """Return what an account begins with when nobody says: the sum of what the listed markets suggest."""
        balances: dict[str, Decimal] = {}
        for listing in cls.listings():
            for asset, amount in listing.market.initial_balances.items():
                balances[asset] = max(amount, balances.get(asset, Decimal(0)))
        return balances

    @abstractmethod
    def app(self) -> web.Application:
        """Return the application with the REST and websocket routes (called once)."""

    def register(self, account: SimCredentials) -> None:
        """Take an account whose keys are valid from now on; extend it to index the keys (call super)."""
        self.accounts[account.account] = account

    def credentials(self) -> list[dict[str, Any]]:
        """Return all accounts as the hello line has them."""
        return [account.to_plain() for account in self.accounts.values()]

    def wire_order_id(self, order: SimOrder) -> str:
        """Return an order's id as the venue tells it."""
        return order.order_id

    def wire_trade_id(self, fill: SimFill) -> str:
        """Return a trade's id as the venue tells it."""
        return fill.trade_id

    def limit_requests(self, per_minute: int) -> None:
        """Change the venue's rate limit. Raises ConfigError where the venue has no such limit."""
        raise ConfigError(f"{self.venue} has no limit of requests per minute")

    # -- time -------------------------------------------------------------------------------------------------------
    def utc_ns(self) -> int:
        """Return the venue's clock: the machine's, and the error of the fault clock_skew."""
        skew = self.faults.standing("clock_skew")
        return self._machine_ns() + (int(skew["seconds"] * 10**9) if skew else 0)

    def advance(self) -> None:
        """Play the market up to now (by the machine's clock: a skewed venue clock does not move the market)."""
        self.exchange.advance(self._machine_ns())

    async def tick_for_ever(self) -> None:
        """Play the market every tick."""
        while True:
            self.advance()
            await asyncio.sleep(self.tick_s)

    def note_request(self, request: str, account: str | None) -> None:
        """Count a request and remember when it came."""
        self.counters[request] += 1
        self.recent.append(Asked(self._machine_ns(), account, request))

    # -- HTTP -------------------------------------------------------------------------------------------------------
    def account_of(self, request: web.Request) -> str | None:
        """Return whose request it is, as far as it can be told without checking it (by the key it names)."""
        return None

    def refuse_for_rate(self, retry_after_s: float) -> web.Response:
        """Return the venue's own 429."""
        return web.json_response({"error": "rate limited"}, status=429, headers={"Retry-After": f"{retry_after_s:g}"})

    def is_history(self, request: web.Request) -> bool:
        """Tell whether the fault incomplete is meant for this request."""
        return "history" in request.path

    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, with the faults that fit it; an upgrade to a websocket meets only those that name it."""
        self.advance()
        resource = request.match_info.route.resource
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        method, account = "WS" if upgrade else request.method, self.account_of(request)
        self.note_request(f"{method} {resource.canonical if resource else '(unknown)'}", account)
        name = f"{method} {request.path}"
        refused = await self._disturbed(request, account, name, upgrade)
        if refused is not None:
            return refused
        dropped = not upgrade and self.faults.take("drop_answer", account, name) is not None
        try:
            response = await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            self.violations["simulator_error"] += 1  # a fault of ours: a test that looks at the counters sees it
            _log.exception("simulator_error", extra={"request": name})
            raise
        if dropped:
            cut(request)
        return response

    async def _disturbed(
        self, request: web.Request, account: str | None, name: str, upgrade: bool
    ) -> web.Response | None:
        """Wait, or return the answer of a fault in place of the venue's."""
        take = partial(self.faults.take, account=account, request=name, explicit=upgrade)
        if (fault := take("delay")) is not None:
            await asyncio.sleep(fault["seconds"])
            self.advance()
        if (fault := take("status")) is not None:
            body = fault["body"]
            text = body if isinstance(body, str) else json.dumps(body if body is not None else {"error": "fault"})
            return web.Response(status=fault["status"], text=text)
        if (fault := take("rate_limit")) is not None:
            return self.refuse_for_rate(fault["retry_after"])
        if self.is_history(request) and take("incomplete") is not None:
            return web.json_response({"error": "incomplete"}, status=503)
        return None

    # -- faults that are done at once -------------------------------------------------------------------------------
    async def apply_fault_now(self, fault: Fault) -> int:
        """Do a fault of `faults.AT_ONCE`; return how many sockets or orders it hit.

        Extend it for the venue's own (expire_token). Raises ValueError for a kind that the venue does not have.
        """
        if fault.kind == "partial_fill":
            return self._partial_fill(fault)
        acts: dict[str, Callable[[SimSocket, dict[str, Any]], None]] = {
            "disconnect": lambda socket, _: socket.cut(),
            "garbage": lambda socket, params: socket.send(params["text"]),
            "huge_message": lambda socket, params: socket.send(json.dumps({"padding": "x" * params["bytes"]})),
            "half_open": lambda socket, params: socket.freeze(params["seconds"]),
        }
        act = acts.get(fault.kind)
        if act is None:
            raise ValueError(f"the fault {fault.kind} does not exist at {self.venue}")
        hit = [socket for socket in self.sockets if fault.fits(fault.kind, socket.account, socket.name)]
        for socket in hit:
            act(socket, fault.params)
        return len(hit)

    def _partial_fill(self, fault: Fault) -> int:
        params = fault.params
        for account in [fault.account] if fault.account is not None else list(self.exchange.accounts):
            if account not in self.exchange.accounts:
                raise ValueError(f"there is no account {account!r}")
            for order in self.exchange.open_orders(account, params["symbol"]):
                ids = (None, order.order_id, self.wire_order_id(order))
                if params["order_id"] in ids and params["client_id"] in (None, order.client_id):
                    self.exchange.fill_resting(account, order.order_id, params["lots"])
                    return 1
        return 0


def cut(request: web.Request) -> None:
    """Drop the connection of a request: its answer never arrives."""
    if request.transport is not None:
        request.transport.abort()
