"""A Backpack client with a venue that says what a test wants, when it wants it: no socket, no real clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest

from api import backpack_client
from api.backpack_client import BackpackClient
from api.base_client import ClientContext, Inbox, InboxItem, VenueReport
from api.http_transport import BuiltRequest, HttpAnswer, HttpCall
from api.ws_transport import WsClosed, WsItem, WsMessage, WsOpened
from core.market.client_ids import NumberIds
from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate
from core.market.order import Order, OrderEvent, Side
from utils.env import Secret
from utils.errors import VenueError, VenueUnreachable

POST, BATCH, DELETE = "POST /api/v1/order", "POST /api/v1/orders", "DELETE /api/v1/order"
LOOK = "GET /api/v1/order"
SEED, PUBLIC = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
UTC_NS = 1_763_650_000_000_000_000
SECOND = 1_000_000_000
SLOT = 3
LEG = "main"


def market(symbol: str, kind: str = "SPOT", **changes: Any) -> dict[str, Any]:
    base, quote = symbol.split("_")[:2]
    quantity = {"minQuantity": "0.05", "maxQuantity": None, "stepSize": "0.01"}
    filters = {"price": {"tickSize": "0.01"}, "quantity": quantity}
    facts = {"symbol": symbol, "baseSymbol": base, "quoteSymbol": quote, "marketType": kind, "filters": filters}
    return facts | {"orderBookState": "Open"} | changes


ACCOUNT = {
    "spotMakerFee": "8",
    "spotTakerFee": "10",
    "futuresMakerFee": "-2",
    "futuresTakerFee": "5",
    "leverageLimit": "3",
    "autoLend": False,
    "liquidating": False,
}


@dataclass
class Canned:
    """What the venue answers while the client waits, by path; a callable may look at the request."""

    answers: dict[str, tuple[int, Any] | VenueError] = field(
        default_factory=lambda: {
            "/api/v1/status": (200, {"status": "Ok", "message": None}),
            "/api/v1/time": (200, UTC_NS // 1_000_000),
            "/api/v1/markets": (
                200,
                [market("SOL_USDC"), market("SOL_USDC_PERP", "PERP"), market("ETH_USDC"), market("X_Y", "PREDICTION")],
            ),
            "/api/v1/account": (200, ACCOUNT),
        }
    )


@dataclass
class Sent:
    """A call that the client made, with the request as it would leave."""

    call: HttpCall
    built: BuiltRequest

    @property
    def what(self) -> str:
        return f"{self.built.method} {self.path}"

    @property
    def path(self) -> str:
        return self.built.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.built.target.partition("?")[2]))

    @property
    def body(self) -> Any:
        return json.loads(self.built.body or b"null")


class FakeHttp:
    """Calls wait until the test answers them; those that the client waits for are answered from the canned ones."""

    def __init__(self, canned: Canned, now_ns: Callable[[], int]) -> None:
        self.canned, self._now_ns = canned, now_ns
        self.open: list[Sent] = []
        self.waited: list[Sent] = []
        self._answers: list[HttpAnswer] = []
        self.is_closed = False

    def start(self, call: HttpCall) -> None:
        self.open.append(Sent(call, call.build()))

    def pump(self, now_ns: int) -> int | None:
        return None

    def take_answers(self) -> list[HttpAnswer]:
        answers, self._answers = self._answers, []
        return answers

    def call(self, call: HttpCall) -> HttpAnswer:
        sent = Sent(call, call.build())
        self.waited.append(sent)
        said = self.canned.answers[sent.path]
        if isinstance(said, VenueError):
            raise said
        return self._answer(call, *said)

    def close(self) -> None:
        self.is_closed = True

    def _answer(self, call: HttpCall, status: int, payload: Any) -> HttpAnswer:
        body = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
        return HttpAnswer(call, status, {}, body, None, self._now_ns(), self._now_ns())

    def say(self, sent: Sent, status: int, payload: Any = None) -> None:
        """Answer a call."""
        self.open.remove(sent)
        self._answers.append(self._answer(sent.call, status, payload))

    def fail(self, sent: Sent, error: VenueError) -> None:
        """Let a call fail on the way."""
        self.open.remove(sent)
        self._answers.append(HttpAnswer(sent.call, None, {}, b"", error, self._now_ns(), self._now_ns()))


class FakeWs:
    """A socket that the test speaks through."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.items: list[WsItem] = []
        self.reconnects: list[str] = []
        self.connected = False
        self.is_closed = False

    def start(self) -> None:
        pass

    def send(self, text: str) -> None:
        if not self.connected:
            raise VenueUnreachable("not connected")
        self.frames.append(json.loads(text))

    def drain(self) -> list[WsItem]:
        items, self.items = self.items, []
        return items

    def reconnect(self, reason: str) -> None:
        self.connected = False
        self.reconnects.append(reason)

    def close(self) -> None:
        self.is_closed = True


class Bench:
    """An open client, everything it said, and the venue's two ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, symbol: str = "SOL-PERP", **config: Any) -> None:
        self.now, self.said = 1000 * SECOND, list[InboxItem]()
        self.stepped_ns = 0  # by which somebody has set the host's clock
        self.canned, self.ws = Canned(), FakeWs()
        self.http = FakeHttp(self.canned, lambda: self.now)
        monkeypatch.setattr(backpack_client, "HttpTransport", lambda *args, **kwargs: self.http)
        monkeypatch.setattr(backpack_client, "WsTransport", lambda *args, **kwargs: self.ws)
        self.ids = NumberIds(SLOT, 100, 4000, lambda until: None)
        self.inbox = Inbox()
        self.client = self.make(symbol, config)

    def make(self, symbol: str, config: Mapping[str, Any], public_only: bool = False) -> BackpackClient:
        keys = {} if public_only else {"api_key": Secret(PUBLIC), "api_secret": Secret(SEED)}
        context = ClientContext(
            exchange="backpack",
            symbol=symbol,
            account="a",
            bot_name="tester",
            state_dir="",
            data_dirs=(),
            now_ns=lambda: self.now,
            utc_ns=lambda: UTC_NS + self.now - 1000 * SECOND + self.stepped_ns,
            ids=None if public_only else self.ids,
            public_only=public_only,
        )
        return BackpackClient(keys | dict(config), context)

    def opened(self) -> Bench:
        self.client.open(self.inbox, LEG)
        return self

    def poll(self, after_s: float = 0) -> int | None:
        """Let time pass, let the client work, and keep what it says."""
        self.now += int(after_s * SECOND)
        try:
            return self.client.poll(self.now)
        finally:
            self.said += self.inbox.drain()

    # REST

    def sent(self, what: str) -> list[Sent]:
        return [each for each in self.http.open if each.what == what]

    def say(self, what: str, status: int = 200, payload: Any = None) -> Sent:
        """Answer the oldest open call of that kind."""
        found = self.sent(what)[0]
        self.http.say(found, status, payload)
        self.poll()
        return found

    def fail(self, what: str, error: VenueError) -> None:
        self.http.fail(self.sent(what)[0], error)
        self.poll()

    # The socket

    def connect(self) -> Bench:
        """Open the socket; the subscription is made, the link not yet called up."""
        self.ws.connected = True
        self.ws.items.append(WsOpened(1, None))
        self.poll()
        return self

    def streaming(self) -> Bench:
        """Open, subscribe, have a book of number 10, the link up."""
        self.opened()
        self.client.start_market_data()
        self.connect()
        self.depth(10)
        self.poll()
        self.snapshot(10)
        return self

    def snapshot(self, number: int) -> None:
        """Answer the oldest open question for the book."""
        levels = {"bids": [["99.00", "5"]], "asks": [["101.00", "3"]], "lastUpdateId": str(number), "timestamp": 1}
        self.say("GET /api/v1/depth", 200, levels)

    def hear(self, frame: Any) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self.ws.items.append(WsMessage(text, self.now))
        self.poll()

    def lose(self) -> None:
        self.ws.connected = False
        self.ws.items.append(WsClosed("gone", None))
        self.poll()

    def depth(self, number: int, first: int | None = None, bid: str = "99.00", size: str = "7") -> None:
        venue_symbol = self.client.instrument.venue_symbol
        data = {"e": "depth", "s": venue_symbol, "U": first or number, "u": number, "T": 1, "E": 1}
        self.hear({"stream": f"depth.{venue_symbol}", "data": data | {"b": [[bid, size]], "a": []}})

    def news(self, event: str, state: str, order_id: str = "77", **changes: Any) -> None:
        """Say something of an order in the stream; without `c` it does not name our id."""
        data = {
            "e": event,
            "E": 1763650000123456,
            "T": 1763650000122900,
            "s": "SOL_USDC_PERP",
            "S": "Bid",
            "o": "LIMIT",
            "f": "GTC",
            "q": "1",
            "p": "98.00",
            "X": state,
            "i": order_id,
            "z": "0",
            "O": "USER",
        }
        self.hear({"stream": "account.orderUpdate.SOL_USDC_PERP", "data": data | changes})

    # What the client said

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.said if isinstance(item, kind)]

    def events(self, key: str) -> list[OrderEvent]:
        return [update.event for update in self.all_of(OrderUpdate) if update.client_order_id == key]

    def last(self, key: str) -> OrderUpdate:
        updates: list[OrderUpdate] = self.all_of(OrderUpdate)
        return [update for update in updates if update.client_order_id == key][-1]

    @property
    def books(self) -> list[BookUpdate]:
        return self.all_of(BookUpdate)

    @property
    def fills(self) -> list[FillEvent]:
        return self.all_of(FillEvent)

    @property
    def links(self) -> list[type[Any]]:
        return [type(item) for item in self.said if isinstance(item, LinkUp | LinkDown)]

    @property
    def report(self) -> VenueReport:
        found: VenueReport = self.all_of(VenueReport)[-1]
        return found

    # Orders

    def order(self, **changes: Any) -> Order:
        return Order(self.ids.next(), LEG, Side.BUY, 9800, 100, **changes)

    def submit(self, **changes: Any) -> str:
        order = self.order(**changes)
        self.client.submit([order])
        return order.client_order_id

    def resting(self, order_id: str = "77") -> str:
        """Submit an order that the venue takes."""
        key = self.submit()
        self.say("POST /api/v1/order", 200, self.taken(key, order_id))
        return key

    def taken(self, key: str, order_id: str = "77", status: str = "New", filled: str = "0") -> dict[str, Any]:
        return {
            "id": order_id,
            "clientId": self.ids.to_wire(key),
            "symbol": "SOL_USDC_PERP",
            "side": "Bid",
            "orderType": "Limit",
            "price": "98",
            "quantity": "1",
            "executedQuantity": filled,
            "executedQuoteQuantity": "0",
            "status": status,
            "timeInForce": "GTC",
            "postOnly": True,
            "createdAt": 1763650000100,
        }
