"""The line to Thalex for one leg: the socket, what is asked over it, and who hears what comes back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from api.base_client import ClientContext, InboxItem, RateScope
from api.rate_budget import SOLO_SHARE, RateBudget
from api.thalex_account import read_executions
from api.thalex_calls import SECOND, Calls
from api.thalex_cancels import CancelDesk
from api.thalex_errors import Verdict, meaning_of, reason_of
from api.thalex_listing import Listing
from api.thalex_login import LoginKey
from api.thalex_market_data import MarketData
from api.thalex_messages import number
from api.thalex_order_view import read_orders
from api.thalex_orders import OrderDesk
from api.thalex_report import ReportMaker
from api.thalex_session import Session, Stage
from api.thalex_settings import ThalexSettings, find_market, instrument_of
from api.thalex_wire import Notification, Refusal, WireFault, read_frame
from api.venue_clock import VenueClock
from api.ws_transport import WsClosed, WsItem, WsMessage, WsOpened
from core.market.instrument import Instrument
from utils.errors import VenueAuthError, VenueError, VenueRefused, VenueUnreachable

_RATE_BEFORE_LOGIN, _RATE = 10.0, 50.0  # requests a second without and with cancel on disconnect
_SHARE, _BURST = 0.8, 0.2  # steady and at once: together never more than the venue allows within a second
_THROTTLE_NS = SECOND // 2
_log = logging.getLogger("makerd.market")


class Transport(Protocol):
    """What is used of a websocket."""

    def start(self) -> None:
        """Begin to connect."""
        ...

    def send(self, text: str) -> None:
        """Hand over a text. Raises VenueUnreachable."""
        ...

    def drain(self) -> list[WsItem]:
        """Return what has come."""
        ...

    def reconnect(self, reason: str) -> None:
        """Begin again."""
        ...

    def close(self) -> None:
        """End."""
        ...


class ThalexLink:
    """Everything of one leg that needs the socket. Not for other threads, but for `bell`."""

    def __init__(
        self,
        settings: ThalexSettings,
        context: ClientContext,
        leg: str,
        put: Callable[[InboxItem], None],
        transport: Transport,
        key: LoginKey | None,
    ) -> None:
        self._settings, self._context, self._leg, self._put = settings, context, leg, put
        self._transport = transport
        self.bell = threading.Event()  # rung by the transport's thread while `wait_for` sleeps
        self._clock = VenueClock(context.utc_ns)
        self.calls = Calls(transport.send)
        self._limit_rate(_RATE_BEFORE_LOGIN)
        self.session = Session(self, self.calls, key, settings.venue_account, settings.cancel_on_disconnect_s)
        self.instrument: Instrument | None = None
        self.expiry_ms: int | None = None
        self._listing: Listing | None = None
        self._desks: tuple[OrderDesk, CancelDesk, ReportMaker, MarketData] | None = None
        self._fatal: VenueError | None = None
        self._trouble = "no answer"
        self._is_opening = True
        self.needs_market = True  # else the account alone is asked for: no instrument is looked for

    @property
    def orders(self) -> OrderDesk:
        """Return the desk of our orders."""
        return self._opened()[0]

    @property
    def cancels(self) -> CancelDesk:
        """Return the desk of cancels."""
        return self._opened()[1]

    @property
    def reports(self) -> ReportMaker:
        """Return the maker of reports."""
        return self._opened()[2]

    @property
    def market(self) -> MarketData:
        """Return the public half."""
        return self._opened()[3]

    def _opened(self) -> tuple[OrderDesk, CancelDesk, ReportMaker, MarketData]:
        if self._desks is None:
            raise VenueUnreachable("the thalex client is not open")
        return self._desks

    # Time and turns

    def pump(self, now_ns: int) -> int | None:
        """Take in what has come and send what is due; return when to be called next. Raises what is beyond repair."""
        for item in self._transport.drain():
            self._take(item, now_ns)
        due: list[int | None] = []
        if self._listing is not None and self.session.stage is Stage.READY:
            due.append(self._listing.tick(now_ns))
        due.append(self.calls.pump(now_ns))
        if self._desks is not None:
            due += [self.orders.tick(now_ns), self.market.tick(now_ns)]
        if self._fatal is not None:
            raise self._fatal
        return min((when for when in due if when is not None), default=None)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Pump until a condition holds; False when it did not in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.bell.clear()
            due_ns = self.pump(self.now_ns())
            if condition():
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            if due_ns is not None:
                left_s = min(left_s, max(0.0, (due_ns - self.now_ns()) / SECOND))
            self.bell.wait(min(left_s, 0.25))

    def open(self, timeout_s: float) -> None:
        """Connect, find the instrument, sign in. Raises VenueRefused, VenueUnreachable, VenueAuthError."""
        self._transport.start()
        if not self.wait_for(lambda: self.session.stage is Stage.READY, timeout_s):
            raise VenueUnreachable(f"thalex cannot be reached: {self._trouble}")
        self._is_opening = False

    # What comes

    def _take(self, item: WsItem, now_ns: int) -> None:
        if isinstance(item, WsMessage):
            self._take_text(item, now_ns)
        elif isinstance(item, WsOpened):
            self._note_time(item.http_date)
            self.session.opened()
        elif isinstance(item, WsClosed):
            self._down(item.reason)
            if isinstance(item.error, VenueAuthError):
                self.fail(item.error)
        elif self._desks is not None:
            self.market.fault("market data was dropped, too much of it waited", now_ns)

    def _take_text(self, message: WsMessage, now_ns: int) -> None:
        try:
            frame = read_frame(message.text)
            if isinstance(frame, Notification):
                self._notified(frame, message.received_ns)
                return
        except WireFault as exc:
            self.reconnect(f"a message that cannot be read: {exc}")
            return
        self.calls.take(frame)
        if isinstance(frame, Refusal):
            self._refused(frame, now_ns)

    def _notified(self, frame: Notification, received_ns: int) -> None:
        if frame.channel == "system":
            if isinstance(frame.body, dict) and frame.body.get("event") == "reconnect":
                self.reconnect("the venue asks for a new connection")
        elif self.instrument is None or self._desks is None:
            return
        elif frame.channel == "account.orders":
            for view in read_orders(frame.body, self.instrument.venue_symbol):
                self.orders.on_order(view)
        elif frame.channel == "account.trade_history":
            for trade in read_executions(frame.body, self.instrument.venue_symbol):
                self.orders.on_trade(trade)
        else:
            self.market.take(frame.channel, frame.body, received_ns)

    def _refused(self, frame: Refusal, now_ns: int) -> None:
        meaning = meaning_of(frame.code)
        verdict = meaning.verdict
        if meaning.name == "invalid_order" and self._listing is not None:
            self._listing.hurry()
        if verdict is Verdict.THROTTLED and self.calls.budget is not None:
            self.calls.budget.block(now_ns + _THROTTLE_NS)
        elif self.session.stage is not Stage.READY:
            return  # the session sees to what is refused while it greets the venue
        elif verdict is Verdict.AUTH:
            self.fail(VenueAuthError(f"thalex: {reason_of(frame.code, frame.message)}"))
        elif verdict is Verdict.LOGIN:
            self._pause("the venue wants a new login")
            self.session.signed_out()

    def _note_time(self, http_date: str | None) -> None:
        try:
            seconds = parsedate_to_datetime(http_date or "").timestamp()
        except (TypeError, ValueError):
            return
        now_ns = self._context.utc_ns()
        self._clock.note(seconds * 1000, now_ns, now_ns, 1000)

    # Down and up

    def _pause(self, reason: str) -> None:
        self._trouble = reason
        if self._desks is not None:
            self.orders.down_because = reason
            self.market.link_down(reason)
        self.calls.lose_queued(reason)

    def _down(self, reason: str) -> None:
        self._pause(reason)
        self.session.closed()
        self.calls.lose_all(reason)

    def reconnect(self, reason: str) -> None:
        """Begin again with a new connection."""
        _log.warning("venue_reconnect", extra={"fields": {"venue": "thalex", "leg": self._leg, "reason": reason}})
        self._down(reason)
        self._transport.reconnect(reason)

    def fail(self, error: VenueError) -> None:
        """Keep the first error that no repetition can help: every pump raises it."""
        self._fatal = self._fatal or error
        self._pause(str(error))

    def close(self) -> None:
        """End the connection, and with it our orders."""
        self._desks = None
        self._transport.close()

    # What the session needs

    def now_ns(self) -> int:
        """Return the loop's time."""
        return self._context.now_ns()

    def venue_seconds(self) -> int:
        """Return the venue's time, as well as we know it."""
        return self._clock.utc_ms() // 1000

    def clock_offset_ms(self) -> float | None:
        """Return how far the venue's clock is ahead of ours, None while nothing was measured."""
        return self._clock.ahead_of_ms(self._context.utc_ns())

    def public_channels(self) -> Sequence[str]:
        """Return the market data channels, and the one on which the venue announces its maintenance."""
        return (*self.market.channels, "system")

    def take_instruments(self, result: Any) -> None:
        """Find the instrument and set up its desks; asked for once."""
        if not self.needs_market:
            self.session.knows_instrument = True
            return
        try:
            market = find_market(result, self._context.symbol)
            self._set_up(instrument_of(market, self._settings))
        except (VenueRefused, VenueUnreachable) as exc:
            self.fail(exc)
            return
        self.expiry_ms = market.expiry_ms
        self.session.knows_instrument = True

    def _set_up(self, instrument: Instrument) -> None:
        ids = self._context.ids
        owns = ids.owns if ids is not None else bool  # without names of our own every label may be ours
        orders = OrderDesk(self._leg, instrument, self.calls, self._put, owns, self.now_ns)
        cancels = CancelDesk(orders, self.calls, instrument.venue_symbol, self.now_ns)
        reports = ReportMaker(
            self._leg,
            instrument,
            self.calls,
            self._put,
            orders.learn,
            self.now_ns,
            self._context.utc_ns,
            self.venue_seconds,
        )
        self._listing = Listing(instrument, self.calls, self.fail, self.now_ns())
        market = MarketData(self._leg, instrument, self._settings, self.session, self._put, self._listing.hurry)
        self.instrument, self._desks = instrument, (orders, cancels, reports, market)

    def _limit_rate(self, per_s: float) -> None:
        """Draw on a budget that is ours alone: the venue counts by connection."""
        wanted = self._settings.request_rate_per_s
        steady = min(per_s, wanted) if wanted is not None else per_s * _SHARE
        burst = max(1.0, steady / _SHARE * _BURST)
        # A budget keeps to its solo share of a scope that others draw on too; nobody draws on this connection but us.
        scope = RateScope(f"thalex:connection:{self._leg}", steady / SOLO_SHARE, burst / SOLO_SHARE)
        self.calls.budget = RateBudget(scope, self.now_ns())

    def take_message_rate(self, per_s: Any) -> None:
        """Take in how many requests a second the venue allows this connection."""
        told = 0.0 if per_s is None else float(number(per_s, "message_rate"))
        self._limit_rate(told if told > 0 else _RATE)

    def session_ready(self) -> None:
        """Let orders go; say that the link is up if nothing else is missing."""
        if self._desks is None:
            return
        self.orders.connection, self.orders.down_because = self.session.connections, ""
        if self._listing is not None and not self._is_opening:
            self._listing.hurry()
        self.market.resume(self.now_ns())
        self.market.settle()

    def market_subscribed(self) -> None:
        """Say that the link is up once the whole book is here."""
        self.market.settle()

    def market_asked(self) -> None:
        """Expect first messages: whole book, old prints."""
        self.market.start_over()

    def missing_channels(self, channels: Sequence[str]) -> None:
        """Give up the start without a channel: the venue may be half there; later on begin again, with a backoff."""
        reason = f"thalex did not subscribe {', '.join(channels)}"
        if self._is_opening:
            self.fail(VenueUnreachable(reason))
        else:
            self.reconnect(reason)
