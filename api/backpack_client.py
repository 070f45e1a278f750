"""Backpack Exchange: orders and reads over REST, the market and the account over one websocket.

The venue has no dead-man switch: what rests stays when we fall silent, the supervisor's sweep cancels it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from api.backpack_answers import candles_of, orders_of
from api.backpack_calls import Calls, Reply
from api.backpack_listing import Listing
from api.backpack_markets import AccountFacts, ListedMarket, account_of, find_market, instrument_of, markets_of
from api.backpack_news import OrderNewsDesk
from api.backpack_orders import CREATE_TIMEOUT_S, OrderDesk
from api.backpack_records import OrderRecords
from api.backpack_report import ReportGatherer
from api.backpack_sign import SigningKey, key_problems
from api.backpack_streams import Streams, is_market_data
from api.backpack_wire import BASE_URL, CLOCK_TARGET, WS_URL, BackpackWire, candles_request, public
from api.base_client import (
    Candle,
    Capabilities,
    ClientContext,
    ExchangeClient,
    Inbox,
    KeyReport,
    RateScope,
)
from api.http_transport import HttpTransport, Lane
from api.rate_budget import RateBudget
from api.venue_clock import VenueClock, steady_utc
from api.ws_transport import WsTransport
from core.market.account_needs import MarginTerms
from core.market.client_ids import NumberIds
from core.market.order import Order
from utils.env import Secret
from utils.errors import ConfigError, OutcomeUnknown, VenueAuthError, VenueRefused, VenueUnreachable

_T = TypeVar("_T")
_log = logging.getLogger("makerd.market")
_POOL_PER_MIN = 2_000  # requests, as the venue's support says
_RATE_PER_S = _POOL_PER_MIN / 60 / 2  # the other half is a margin, and for the person beside the bot
_BURST_S = 18  # the pool is counted by the minute: so many seconds' worth may go at once
_DEFAULT_WINDOW_MS = 5_000
HISTORY_LAG_S = 1.0  # how far fills may be behind the open orders; not documented
_MARGIN_S = 2.0  # for what is left of the clock's error, and for the matching engine


class BackpackClient(ExchangeClient):
    """One Backpack account on one market."""

    client_id_format = "uint32"

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        super().__init__(config, context)
        self._window_ms = int(config.get("recv_window_ms") or _DEFAULT_WINDOW_MS)
        # An order may wait here, then be under way as long as its signature is good; then the engine takes it.
        late_s = CREATE_TIMEOUT_S + self._window_ms / 1000 + _MARGIN_S
        self.capabilities = Capabilities(late_arrival_s=late_s, history_lag_s=HISTORY_LAG_S)
        self._scope = _scope(config, context)
        self._budget = RateBudget(self._scope, context.now_ns())
        # By a clock that nobody sets: a host's clock that jumps must not make a signature live longer than it may.
        self._utc_ns = steady_utc(context.utc_ns, context.now_ns)
        self._clock = VenueClock(self._utc_ns)
        self._open = False
        self._account: AccountFacts | None = None
        self._wire: BackpackWire | None = None
        self._orders: OrderDesk | None = None
        self._reports: ReportGatherer | None = None
        self._news: OrderNewsDesk | None = None
        self._streams: Streams | None = None

    @classmethod
    def addresses(cls, exchange_config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the REST address and that of the streams."""
        return exchange_config.get("base_url") or BASE_URL, exchange_config.get("ws_url") or WS_URL

    @classmethod
    def key_problems(cls, parts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the form of a key pair."""
        return key_problems(parts.get("api_key", ""), parts.get("api_secret", ""))

    @classmethod
    def key_id(cls, exchange_config: Mapping[str, Any]) -> str | None:
        """Return the public key."""
        return _revealed(exchange_config.get("api_key")) or None

    # Opening

    def open(self, inbox: Inbox, leg: str) -> None:
        """Check the key, measure the clock, find the market. Raises NotListed, VenueUnreachable, VenueAuthError."""
        self._inbox, self._leg = inbox, leg
        self._connect(inbox.wake)
        try:
            self._learn()
        except BaseException:
            self._http.close()
            raise
        self._open = True

    def _connect(self, wake: Callable[[], None]) -> None:
        config, context = self.config, self.context
        if not context.public_only:
            self._wire = BackpackWire(_signing_key(config), self._clock.utc_ms, self._window_ms)
        self._http = HttpTransport(
            config.get("base_url") or BASE_URL,
            wake,
            [self._budget],
            proxy=config.get("proxy"),
            now_ns=context.now_ns,
        )
        self._calls = Calls(self._http, self._clock, self._utc_ns, context.now_ns)

    def orders_anywhere(self, owns: Callable[[str], bool]) -> tuple[str, ...]:
        """Return our open orders on all markets, without having been opened. Raises VenueError."""
        self._connect(lambda: None)
        try:
            self._greet()
            wire, ids = self._wire, self.context.ids
            if wire is None or not isinstance(ids, NumberIds):
                raise VenueRefused("the orders of an account need a key and numbered ids")
            found = _read(orders_of, self._calls.wait(wire.open_orders_anywhere), "the open orders")
        finally:
            self._http.close()
        names = [ids.from_wire(order.client_id) for order in found if order.client_id is not None]
        return tuple(name for name in names if owns(name))

    def _greet(self) -> None:
        self._check_status(self._calls.wait(lambda: public("/api/v1/status")))
        self._calls.note_time(self._calls.wait(lambda: public(CLOCK_TARGET)))

    def _learn(self) -> None:
        self._greet()
        market = find_market(self._markets(), self.context.symbol)
        if self._wire is not None:
            self._account = _read(account_of, self._calls.wait(self._wire.account), "the account")
        self.instrument = instrument_of(market, self._account)
        self._listing = Listing(self.instrument, self._calls, self.context.now_ns())
        is_margin = self.instrument.kind != "spot"
        self.capabilities = replace(self.capabilities, reduce_only=is_margin, funding=self.instrument.kind == "perp")
        if market.trading != "open":
            _log.warning("market_not_open", extra={"fields": {"symbol": market.symbol, "state": market.trading}})
        if self._wire is not None:
            self._set_up_orders(self._wire)
            self._apply_leverage()

    def _check_status(self, reply: Reply) -> None:
        status = reply.payload.get("status", "Ok") if isinstance(reply.payload, dict) else "Ok"
        if status != "Ok":
            words = reply.payload.get("message") or "no words of the venue"
            raise VenueUnreachable(f"{str(status)[:50]}: {str(words)[:200]}; wait for the venue")

    def _markets(self) -> list[ListedMarket]:
        return _read(markets_of, self._calls.wait(lambda: public("/api/v1/markets")), "the list of markets")

    def _set_up_orders(self, wire: BackpackWire) -> None:
        context, instrument = self.context, self.instrument
        ids = context.ids
        if ids is not None and not isinstance(ids, NumberIds):
            raise ConfigError("Backpack knows orders by a number of 32 bits; give its legs numbered ids")
        redeem = bool(self.config.get("auto_lend_redeem"))
        records = OrderRecords(self._leg, ids, self._inbox.put)
        self._orders = OrderDesk(instrument, records, self._calls, wire, context.now_ns, redeem)
        self._orders.on_off_grid = self._listing.hurry
        self._news = OrderNewsDesk(self._leg, instrument, records, self._orders, context.now_ns)
        self._reports = ReportGatherer(
            self._leg, instrument, records, self._calls, wire, self._inbox.put, context.utc_ns, redeem
        )

    def _apply_leverage(self) -> None:
        wanted = self.config.get("leverage")
        if wanted is None or self.instrument.kind == "spot":
            return
        leverage = Decimal(str(wanted))
        if self._account is not None and self._account.leverage == leverage:
            return
        try:
            self.set_leverage(leverage)
        except OutcomeUnknown as exc:  # setting it once more does no harm
            raise VenueUnreachable(f"leverage: {exc}") from exc

    def check_key(self) -> KeyReport:
        """Return what the account's settings tell; the venue does not tell what a key may do."""
        warnings = ["Backpack does not tell which rights a key has: make one that cannot withdraw"]
        account = self._account
        if account is not None and account.auto_lend and not self.config.get("auto_lend_redeem"):
            warnings.append("the account lends its balances out and auto_lend_redeem is off: orders may lack funds")
        if account is not None and account.liquidating:
            return KeyReport("the venue is closing the account's positions; look at the account", tuple(warnings))
        return KeyReport("", tuple(warnings))

    def clock_offset_ms(self) -> float | None:
        """Return how far the venue's clock is ahead of this host's."""
        return self._clock.ahead_of_ms(self.context.utc_ns())

    # Budgets

    def rate_scopes(self) -> tuple[RateScope, ...]:
        """Return the pool of requests of the key."""
        return (self._scope,)

    def lease(self, key: str, per_s: float, burst: float, until_ns: int) -> None:
        """Take a share of the pool."""
        if key == self._scope.key:
            self._budget.lease(per_s, burst, until_ns)

    # Waiting for the venue

    def candles(self, interval_s: int, limit: int) -> list[Candle]:
        """Return the newest candles, oldest first. Raises VenueError."""
        self._check_open()
        since_s = self._clock.utc_ms() // 1000 - interval_s * limit
        try:
            request = candles_request(self.instrument.venue_symbol, interval_s, since_s)
        except ValueError as exc:
            raise VenueRefused(f"candles: {exc}") from exc
        found = _read(candles_of, self._calls.wait(lambda: request), "the candles")
        return found[-limit:] if limit > 0 else []

    def margin_terms(self) -> MarginTerms | None:
        """Return the leverage limit of the account, None without a key and on spot. Raises VenueError."""
        wire = self._wire
        if wire is None or self.instrument.kind == "spot":
            return None
        account = _read(account_of, self._calls.wait(wire.account), "the account")
        return MarginTerms(account.leverage, "cross")

    def set_leverage(self, leverage: Decimal) -> None:
        """Set the leverage limit of the whole account; the venue has none per market. Raises VenueError."""
        wire = self._wire
        if wire is None:
            raise VenueRefused("leverage needs a key")
        self._calls.wait(lambda: wire.set_leverage(leverage), Lane.CREATE)
        _log.info("leverage_set", extra={"fields": {"leverage": str(leverage), "scope": "account"}})

    # Trading

    def start_market_data(self) -> None:
        """Begin to deliver LinkUp, books, prints, order updates and fills."""
        self._check_open()
        if self._streams is not None:
            return
        config, context = self.config, self.context
        ws = WsTransport(
            config.get("ws_url") or WS_URL,
            self._inbox.wake,
            is_market_data=is_market_data,
            proxy=config.get("proxy"),
            now_ns=context.now_ns,
        )
        depth = int(config.get("book_depth") or 10)
        wiring = (self._calls, self._wire, self._news, self._inbox.put, depth)
        self._streams = Streams(self._leg, self.instrument, ws, *wiring)
        self._streams.on_reopened = self._listing.hurry
        ws.start()

    def submit(self, orders: Sequence[Order]) -> None:
        """Send new orders; each is answered by an OrderUpdate."""
        self._desk().submit(orders)

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Send cancels, one request each: the venue has no batch of them."""
        self._desk().cancel(client_order_ids)

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Read what is open and cancel what is owned; never the venue's own cancel-all, which spares nobody."""
        self._desk().cancel_all(owns)

    def request_report(self, request_id: int, since: str | None) -> None:
        """Ask for open orders, fills after the mark, position and balances."""
        self._desk()
        if self._reports is not None:
            self._reports.request(request_id, since)

    def _desk(self) -> OrderDesk:
        self._check_open()
        if self._orders is None:
            raise VenueRefused("trading needs a key")
        return self._orders

    def _check_open(self) -> None:
        if not self._open:
            raise VenueUnreachable("the venue is not open")

    def poll(self, now_ns: int) -> int | None:
        """Take in what has come and do what is due. Raises VenueAuthError, VenueUnreachable when closed."""
        self._check_open()
        self._calls.take()
        due = []
        if self._streams is not None:
            self._streams.take(now_ns)
            due.append(self._streams.step(now_ns))
        if self._orders is not None:
            due.append(self._orders.step(now_ns))
        due += [self._calls.step(now_ns), self._listing.step(now_ns)]
        if self._calls.take():  # sending may have found answers, whose wake-up call is spent: look at once what follows
            return now_ns
        return min(each for each in due if each is not None)

    def close(self) -> None:
        """Disconnect; orders stay as they are."""
        if not self._open:
            return
        self._open = False
        if self._streams is not None:
            self._streams.close()
        self._http.close()


def _read(parse: Callable[[Any], _T], reply: Reply, what: str) -> _T:
    try:
        return parse(reply.payload)
    except ValueError as exc:
        raise VenueUnreachable(f"{what} cannot be read: {exc}") from exc


def _revealed(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value or "")


def _signing_key(config: Mapping[str, Any]) -> SigningKey:
    api_key, api_secret = _revealed(config.get("api_key")), _revealed(config.get("api_secret"))
    if not api_key or not api_secret:
        missing = "api_key" if not api_key else "api_secret"
        raise VenueAuthError(f"{missing} is not set; put it into .env and refer to it in exchange_config")
    return SigningKey.parse(api_key, api_secret)


def _scope(config: Mapping[str, Any], context: ClientContext) -> RateScope:
    """Return the pool of requests; the venue counts them by key, without one by address."""
    api_key = "" if context.public_only else _revealed(config.get("api_key"))
    mark = hashlib.sha256(api_key.encode()).hexdigest()[:16] if api_key else "public"
    per_s = float(config.get("request_rate_per_s") or _RATE_PER_S)
    return RateScope(f"backpack:key:{mark}" if api_key else "backpack:ip", per_s, per_s * _BURST_S)


CLIENT = BackpackClient
