"""One socket session of Thalex: who is logged in, what it is subscribed to, what dies with it, how fast it may go."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.wire_json import dumps

if TYPE_CHECKING:
    from api.simulator.sockets import SimSocket
    from api.simulator.thalex_channels import Subscription


RATES = 10, 50  # requests a second to the matching engine: of a persistent session, with cancel on disconnect
_numbers = itertools.count(1)


@dataclass(slots=True)
class Protection:
    """A market-maker protection group: what mass quotes may still trade, and how large one may be."""

    remaining: Decimal
    quote_amount: Decimal


class Session:
    """The state of one connection."""

    def __init__(self, socket: SimSocket, rates: tuple[int, int] = RATES) -> None:
        self.number = next(_numbers)
        self.socket = socket
        self.account: str | None = None  # whose login it is; None before and after one
        self.key_id = ""
        self.timeout_s: float | None = None  # set: cancel on disconnect, later orders die with this session
        self.ended = False
        self.client_order_ids: dict[int, str] = {}  # of its open orders -> the exchange's order id
        self.channels: dict[str, Subscription] = {}
        self.fresh: list[Subscription] = []  # whose first notification is still to come
        self.protections: dict[str, Protection] = {}
        self._rates = rates
        self._tokens = float(self.message_rate)
        self._filled_s: float | None = None

    @property
    def persistent(self) -> bool:
        """Tell whether orders made now outlive the session."""
        return self.timeout_s is None

    @property
    def message_rate(self) -> int:
        """Return how many requests a second it may send."""
        return self._rates[0 if self.persistent else 1]

    def may_send(self, now_s: float) -> bool:
        """Take one request out of the rate, False when there is none left; a second's worth may come at once."""
        passed = 0.0 if self._filled_s is None else now_s - self._filled_s
        self._filled_s = now_s
        self._tokens = min(float(self.message_rate), self._tokens + passed * self.message_rate)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def hold_back(self, seconds: float) -> None:
        """Refuse requests for some seconds."""
        self._tokens -= seconds * self.message_rate

    def arm(self, timeout_s: float) -> None:
        """Make the session non-persistent; the higher rate begins with a full second's worth."""
        was_persistent, self.timeout_s = self.persistent, timeout_s
        if was_persistent:
            self._tokens = float(self.message_rate)

    def log_out(self) -> None:
        """Forget the login and the private channels; orders and cancel on disconnect stay as they are."""
        self.account = self.socket.account = None
        self.channels = {name: channel for name, channel in self.channels.items() if not channel.private}

    def send(self, message: Any) -> None:
        """Queue a JSON message."""
        self.socket.send(dumps(message))
