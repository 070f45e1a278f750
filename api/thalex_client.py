"""Thalex: perpetuals and dated futures over one JSON-RPC socket, for one leg of one bot.

The transport's thread moves bytes; everything here runs in the deciding thread: `poll` takes in what has come and
answers into the inbox. Orders belong to the connection: the venue ends them when it closes (cancel on disconnect), so
`close` and every reconnect take them off the book, and after a reconnect the loop reconciles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from api.base_client import (
    Candle,
    Capabilities,
    ClientContext,
    DeadManScope,
    ExchangeClient,
    Inbox,
    InboxItem,
    KeyReport,
)
from api.rate_budget import Lane
from api.thalex_amends import AmendDesk
from api.thalex_calls import Reply
from api.thalex_candles import candles_request, read_mark_candles
from api.thalex_errors import Verdict, meaning_of, reason_of
from api.thalex_link import ThalexLink, Transport
from api.thalex_login import LoginKey, key_problems
from api.thalex_messages import rows
from api.thalex_orders import INSERT_QUEUE_NS
from api.thalex_session import Stage
from api.thalex_settings import ThalexSettings, plain
from api.thalex_wire import Request, WireFault, is_market_data
from api.ws_transport import WsTransport
from core.market.order import Amend, Order
from utils.errors import OutcomeUnknown, VenueAuthError, VenueRefused, VenueUnreachable

OPEN_S, QUESTION_S = 15.0, 10.0
MIN_DEAD_MAN_S = 6.0  # what the venue's own examples use; less was not tried
UNSEEN_S = 10.0  # a bot that hangs for so long must not hold off the venue's own cancel
_ARRIVAL_MARGIN_S = 1.0
HISTORY_LAG_S = 1.0  # the trade history follows the orders within some ms; much more than seen


class ThalexClient(ExchangeClient):
    """One Thalex account on one instrument."""

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        super().__init__(config, context)
        self._settings = ThalexSettings.from_config(config)
        dead_man_s = self._settings.cancel_on_disconnect_s
        self.capabilities = Capabilities(
            reduce_only=True,
            amend=True,
            cancel_all_at_once=True,
            dead_man_scope=DeadManScope.CONNECTION,
            dead_man_min_s=MIN_DEAD_MAN_S,
            # An order waits here for its turn, then on the way. The venue takes frames in order and ends the session
            # when it has heard nothing for the time-out: what is under way for longer finds no session, and what was
            # accepted in one that ends goes with it.
            late_arrival_s=INSERT_QUEUE_NS / 1e9 + dead_man_s + _ARRIVAL_MARGIN_S,
            history_lag_s=HISTORY_LAG_S,
            funding=True,
        )
        self._link: ThalexLink | None = None
        self._expiry_ms: int | None = None

    @classmethod
    def addresses(cls, exchange_config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the address of the network that is chosen."""
        return (ThalexSettings.from_config(exchange_config).ws_url,)

    @classmethod
    def key_problems(cls, parts: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the form of a key's id and its private half."""
        return key_problems(parts.get("key_id", ""), parts.get("private_key", ""))

    @classmethod
    def key_id(cls, exchange_config: Mapping[str, Any]) -> str | None:
        """Return the key's id."""
        return plain(exchange_config.get("key_id")) or None

    @property
    def expiry_ms(self) -> int | None:
        """Return when a dated future expires, None for a perpetual."""
        return self._expiry_ms

    def open(self, inbox: Inbox, leg: str) -> None:
        """Connect, find the instrument, sign in and arm cancel on disconnect; bounded in time.

        Raises NotListed (unknown symbol), VenueUnreachable, VenueAuthError.
        """
        self._link = self._connect(leg, inbox.put, inbox.wake)
        assert self._link.instrument is not None  # a session that is ready has one
        self.instrument, self._expiry_ms = self._link.instrument, self._link.expiry_ms

    def _connect(
        self, leg: str, put: Callable[[InboxItem], None], wake_loop: Callable[[], None], needs_market: bool = True
    ) -> ThalexLink:
        key = None if self.context.public_only else self._key()
        link: list[ThalexLink] = []

        def wake() -> None:
            for each in link:
                each.bell.set()
            wake_loop()

        transport = self._make_transport(wake)
        link.append(ThalexLink(self._settings, self.context, leg, put, transport, key))
        link[0].needs_market = needs_market
        try:
            link[0].open(OPEN_S)
        except BaseException:
            link[0].close()
            raise
        return link[0]

    def orders_anywhere(self, owns: Callable[[str], bool]) -> tuple[str, ...]:
        """Return our open orders on all instruments, without having been opened. Raises VenueError."""
        self._link = self._connect("", lambda item: None, lambda: None, needs_market=False)
        try:
            found = rows(self._question(Request("private/open_orders")), "orders")
        except WireFault as exc:
            raise VenueUnreachable(f"thalex gave orders that cannot be read: {exc}") from exc
        finally:
            self.close()
        labels = [str(order.get("label") or "") for order in found if isinstance(order, Mapping)]
        return tuple(label for label in labels if label and owns(label))

    def _key(self) -> LoginKey:
        if not self._settings.key_id or not self._settings.private_key:
            raise VenueAuthError("thalex: key_id and private_key are not set; put the key's into the environment")
        return LoginKey(self._settings.key_id, self._settings.private_key)

    def _make_transport(self, wake: Callable[[], None]) -> Transport:
        dead_man_s = self._settings.cancel_on_disconnect_s
        return WsTransport(
            self._settings.ws_url,
            wake,
            is_market_data=is_market_data,
            ping_interval_s=dead_man_s / 3,  # any frame keeps the venue from ending our orders
            silence_s=max(dead_man_s, MIN_DEAD_MAN_S),  # after so long it may have ended them
            unseen_s=UNSEEN_S,
            proxy=self._settings.proxy,
            now_ns=self.context.now_ns,
        )

    def _opened(self) -> ThalexLink:
        if self._link is None:
            raise VenueUnreachable("the thalex client is not open")
        return self._link

    def check_key(self) -> KeyReport:
        """Return what the venue tells of our key: nothing."""
        told = "thalex does not tell a key's rights: make sure at the venue that it may trade and may not withdraw"
        return KeyReport(warnings=(told,))

    def clock_offset_ms(self) -> float | None:
        """Return how far the venue's clock is ahead of this host's, to half a second."""
        return None if self._link is None else self._link.clock_offset_ms()

    def candles(self, interval_s: int, limit: int) -> list[Candle]:
        """Return the newest candles of the mark price, oldest first; they have no volume."""
        link = self._opened()
        request = candles_request(self.instrument.venue_symbol, interval_s, limit, link.venue_seconds())
        try:
            return read_mark_candles(self._question(request), limit)
        except WireFault as exc:
            raise VenueUnreachable(f"thalex gave candles that cannot be read: {exc}") from exc

    def _question(self, request: Request) -> Any:
        """Ask and wait for the answer. Raises VenueError."""
        link, answers = self._opened(), list[Reply]()
        link.calls.ask(request, Lane.READ, answers.append, link.now_ns())
        link.wait_for(lambda: bool(answers), QUESTION_S)
        reply = answers[0] if answers else Reply(lost="no answer in time")
        if reply.lost:
            raise VenueUnreachable(f"thalex: {request.method}: {reply.lost}")
        if reply.code is not None:
            self._raise_refusal(request, reply.code, reply.message)
        return reply.result

    @staticmethod
    def _raise_refusal(request: Request, code: int, message: str) -> None:
        text = f"thalex: {request.method}: {reason_of(code, message)}"
        verdict = meaning_of(code).verdict
        if verdict is Verdict.AUTH:
            raise VenueAuthError(text)
        if verdict is Verdict.UNKNOWN:
            raise OutcomeUnknown(text)
        raise VenueRefused(text)

    def set_leverage(self, leverage: Decimal) -> None:
        """Refuse: the venue margins the whole portfolio, there is no leverage to set."""
        raise VenueRefused("thalex margins the whole portfolio: there is no leverage to set")

    def start_market_data(self) -> None:
        """Begin to deliver LinkUp, books and trade prints."""
        self._opened().session.want_market_data()

    def submit(self, orders: Sequence[Order]) -> None:
        """Send new orders; what cannot be sent is rejected at once."""
        link = self._opened()
        link.orders.submit(orders)
        link.calls.pump(link.now_ns())

    def amend(self, amends: Sequence[Amend]) -> None:
        """Send amendments; what cannot be sent is refused at once."""
        link = self._opened()
        AmendDesk(link.orders, link.calls, self.instrument, link.now_ns).amend(amends)
        link.calls.pump(link.now_ns())

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Send cancels; each is answered by CANCELED or CANCEL_REJECTED."""
        link = self._opened()
        link.cancels.cancel(client_order_ids)
        link.calls.pump(link.now_ns())

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Cancel every open order whose label `owns` says yes to: those we know at once, the rest after a listing."""
        link = self._opened()
        link.cancels.cancel_all(owns)
        link.calls.pump(link.now_ns())

    def request_report(self, request_id: int, since: str | None) -> None:
        """Ask for open orders, fills after the mark `since`, position and money."""
        link = self._opened()
        if link.session.stage is not Stage.READY:
            link.reports.refuse(request_id, f"not connected: {link.orders.down_because}")
            return
        link.reports.ask(request_id, since)
        link.calls.pump(link.now_ns())

    def poll(self, now_ns: int) -> int | None:
        """Take in what has come, send what is due; return when to be called next. Raises VenueAuthError."""
        return self._opened().pump(now_ns)

    def close(self) -> None:
        """Disconnect. The venue then ends this connection's orders: that is what cancel on disconnect is."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


CLIENT = ThalexClient
