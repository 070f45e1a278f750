"""One Thalex connection from hello to ready: login, cancel on disconnect, subscriptions; again after each loss.

Orders belong to the connection that placed them: with cancel on disconnect armed the venue ends them when it closes,
or when it hears nothing for the time-out. So nothing is sent before the venue has confirmed that it is armed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol

from api import thalex_wire as wire
from api.thalex_calls import ANSWER_NS, SECOND, Calls, Reply
from api.thalex_errors import Verdict, meaning_of, reason_of
from api.thalex_login import LoginKey
from api.thalex_messages import read_channels
from api.thalex_wire import Request, WireFault
from utils.errors import VenueAuthError, VenueError

PRIVATE_CHANNELS = ("account.orders", "account.trade_history", "account.portfolio")
_ALREADY_SUBSCRIBED, _NOT_SUBSCRIBED = 8, 9
_RELOGIN_NS = 5 * SECOND  # signed out again so soon after signing in again: it does not help
_IAT_MARGIN_S = 1  # the Date header, our measure of the venue's clock, is only exact to half a second


class Stage(Enum):
    """How far a connection is."""

    OFFLINE = "offline"
    GREETING = "greeting"
    READY = "ready"  # orders may be sent


class SessionOwner(Protocol):
    """What the session needs of the client that it serves."""

    def now_ns(self) -> int:
        """Return the loop's time."""
        ...

    def venue_seconds(self) -> int:
        """Return the venue's time, as well as we know it."""
        ...

    def public_channels(self) -> Sequence[str]:
        """Return the market data channels; known with the instrument."""
        ...

    def take_instruments(self, result: Any) -> None:
        """Find the instrument in the venue's list; asked for once."""
        ...

    def take_message_rate(self, per_s: Any) -> None:
        """Take in how many requests the venue allows this connection."""
        ...

    def session_ready(self) -> None:
        """Hear that orders may be sent."""
        ...

    def market_asked(self) -> None:
        """Hear that market data is subscribed to: the next messages are whole books and old prints."""
        ...

    def market_subscribed(self) -> None:
        """Hear that every channel of market data was confirmed."""
        ...

    def missing_channels(self, channels: Sequence[str]) -> None:
        """Hear that the venue did not subscribe what was asked for; it does not call that an error."""
        ...

    def reconnect(self, reason: str) -> None:
        """Begin again with a new connection."""
        ...

    def fail(self, error: VenueError) -> None:
        """Hear of an error that no repetition can help."""
        ...


class Session:
    """The state of one connection; `key` is None for market data alone."""

    def __init__(
        self, owner: SessionOwner, calls: Calls, key: LoginKey | None, account: str | None, cod_s: int
    ) -> None:
        self._owner, self._calls, self._key = owner, calls, key
        self._account, self._cod_s = account, cod_s
        self.stage = Stage.OFFLINE
        self.knows_instrument = False
        self.market_wanted = False
        self.market_up = False  # the public channels of this connection were confirmed
        self.connections = 0
        self._greeting = 0  # an answer to an older greeting is not ours any more
        self._renewed_ns: int | None = None  # when we last signed in again on a socket

    # What happens to the connection

    def opened(self) -> None:
        """Greet the venue on a new connection."""
        self.connections += 1
        self.market_up = False
        self._begin(self._login if self.knows_instrument else self._instruments)

    def closed(self) -> None:
        """Forget what was agreed on a connection that is gone."""
        self._greeting += 1
        self.stage = Stage.OFFLINE
        self.market_up = False
        self._renewed_ns = None

    def signed_out(self) -> None:
        """Sign in again on the same socket: the venue says that we are not. Twice in a row is the key's fault."""
        if self.stage is not Stage.READY:
            return
        now_ns, before_ns = self._owner.now_ns(), self._renewed_ns
        if self._key is None or (before_ns is not None and now_ns - before_ns < _RELOGIN_NS):
            self._owner.fail(VenueAuthError(f"thalex: {reason_of(7, 'signed out again right after signing in')}"))
            return
        self._renewed_ns = now_ns
        self._begin(self._login)

    def want_market_data(self) -> None:
        """Subscribe to market data, now or as soon as there is a connection."""
        self.market_wanted = True
        if self.stage is Stage.READY and not self.market_up:
            self._subscribe_market()

    # The greeting, one step after the other

    def _begin(self, first: Callable[[], None]) -> None:
        self._greeting += 1
        self.stage = Stage.GREETING
        first()

    def _instruments(self) -> None:
        self._ask(Request("public/instruments"), self._found)

    def _found(self, result: Any) -> None:
        self._owner.take_instruments(result)
        if self.knows_instrument:
            self._login()

    def _login(self) -> None:
        if self._key is None:
            self._ready()
            return
        token = self._key.token(self._owner.venue_seconds() - _IAT_MARGIN_S)
        self._ask(wire.login(token, self._account), lambda _result: self._arm())

    def _arm(self) -> None:
        self._ask(wire.cancel_on_disconnect(self._cod_s), self._armed)

    def _armed(self, result: Any) -> None:
        self._owner.take_message_rate(result.get("message_rate") if isinstance(result, dict) else None)
        self._subscribe(PRIVATE_CHANNELS, self._ready, private=True)

    def _ready(self) -> None:
        self.stage = Stage.READY
        self._owner.session_ready()
        if self.market_wanted and not self.market_up:
            self._subscribe_market()

    def _subscribe_market(self) -> None:
        self._owner.market_asked()
        self._subscribe(self._owner.public_channels(), self._market_heard)

    def _market_heard(self) -> None:
        self.market_up = True
        self._owner.market_subscribed()

    def renew(self, channels: Sequence[str], done: Callable[[], None], begun: Callable[[], None]) -> None:
        """Subscribe anew. `begun`: what comes from now on is of the new subscription; `done`: it was confirmed."""

        def again(_result: Any) -> None:
            begun()
            self._subscribe(channels, done)

        self._ask(wire.unsubscribe(channels), again, also_fine=_NOT_SUBSCRIBED)

    def _subscribe(self, channels: Sequence[str], then: Callable[[], None], private: bool = False) -> None:
        def check(result: Any) -> None:
            missing = [channel for channel in channels if channel not in read_channels(result)]
            if missing:
                self._owner.missing_channels(missing)
            else:
                then()

        self._ask(wire.subscribe(channels, private), check, also_fine=_ALREADY_SUBSCRIBED, fine_result=list(channels))

    # One step

    def _ask(
        self, request: Request, then: Callable[[Any], None], also_fine: int | None = None, fine_result: Any = None
    ) -> None:
        greeting = self._greeting

        def done(reply: Reply) -> None:
            if greeting != self._greeting:
                return
            if reply.lost:
                self._owner.reconnect(f"{request.method}: {reply.lost}")
            elif reply.code is not None and reply.code != also_fine:
                self._refused(request, reply.code, reply.message)
            else:
                try:
                    then(fine_result if reply.code is not None else reply.result)
                except WireFault as exc:
                    self._owner.reconnect(f"{request.method}: {exc}")

        self._calls.ask_now(request, done, self._owner.now_ns(), ANSWER_NS)

    def _refused(self, request: Request, code: int, message: str) -> None:
        why = f"thalex: {request.method} was refused: {reason_of(code, message)}"
        if request.method == "public/login" and self._renewed_ns is not None:
            # A clock may have been set since we connected: a new connection measures it anew, once.
            self._owner.reconnect(why)
        elif meaning_of(code).verdict in (Verdict.AUTH, Verdict.LOGIN):
            self._owner.fail(VenueAuthError(f"{why} (key {self._key.key_id if self._key else 'none'})"))
        else:
            self._owner.reconnect(why)
