"""A Thalex that answers at once and without a socket: what the venue says is written down by the test."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import tests.keys_read_once  # noqa: F401
from api.base_client import ClientContext, Inbox, InboxItem
from api.thalex_client import ThalexClient
from api.thalex_link import Transport
from api.ws_transport import WsClosed, WsItem, WsMessage, WsOpened, WsOverflow
from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate, TradePrint
from core.market.order import Fill, Order, OrderEvent, Side
from core.market.reports import VenueReport
from utils.env import Secret
from utils.errors import VenueUnreachable

SECOND = 10**9
NAME = "BTC-PERPETUAL"
BOOK, TAPE, TICKER = f"book.{NAME}.none.all.raw", f"recent_trades.{NAME}.single", f"ticker.{NAME}.1000ms"
INSTRUMENTS: list[dict[str, Any]] = [
    {
        "instrument_name": NAME,
        "product": "FBTCUSD",
        "tick_size": 1,
        "volume_tick_size": 0.001,
        "min_order_amount": 0.01,
        "underlying": "BTCUSD",
        "type": "perpetual",
        "base_currency": "USD",
    },
    {
        "instrument_name": "BTC-25DEC26",
        "product": "FBTCUSD",
        "tick_size": 5,
        "volume_tick_size": 0.001,
        "min_order_amount": 0.001,
        "underlying": "BTCUSD",
        "type": "future",
        "base_currency": "USD",
        "expiration_timestamp": 1798185600,
    },
    {"instrument_name": "BTC-25DEC26-70000-C", "type": "option"},
]
SUMMARY = {"cash": [{"currency": "USDT", "balance": 9000}], "margin": 10000.5, "remaining_margin": 9800.25}
SILENCE = object()  # an answer that never comes


@dataclass
class Refused:
    """An answer with an error code."""

    code: int
    message: str = "no"


@cache
def pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class FakeThalex:
    """The transport's place: `send` is answered by `answers`, the rest is said by the test."""

    wake: Callable[[], None] = lambda: None
    now_ns: Callable[[], int] = lambda: 0
    is_open: bool = False
    reachable: bool = True
    number: int = 0
    frames: list[dict[str, Any]] = field(default_factory=list)
    reconnects: list[str] = field(default_factory=list)
    waiting: deque[WsItem] = field(default_factory=deque)
    answers: dict[str, Any] = field(default_factory=dict)
    http_date: str | None = None
    closed: bool = False

    def start(self) -> None:
        if self.reachable:
            self.up()

    def up(self) -> None:
        self.number += 1
        self.is_open = True
        self._queue(WsOpened(self.number, self.http_date))

    def down(self, reason: str = "cut") -> None:
        self.is_open = False
        self._queue(WsClosed(reason, None))

    def overflow(self) -> None:
        self._queue(WsOverflow(7))

    def reconnect(self, reason: str) -> None:
        self.reconnects.append(reason)

    def close(self) -> None:
        self.closed = True
        self.is_open = False

    def drain(self) -> list[WsItem]:
        items = list(self.waiting)
        self.waiting.clear()
        return items

    def send(self, text: str) -> None:
        if not self.is_open:
            raise VenueUnreachable("not connected")
        frame = json.loads(text)
        self.frames.append(frame)
        answer = self.answers.get(frame["method"], self._usual(frame))
        if callable(answer):
            answer = answer(frame["params"])
        self.answer(frame["id"], answer)

    def answer(self, number: int, answer: Any) -> None:
        if isinstance(answer, Refused):
            self.raw({"id": number, "error": {"code": answer.code, "message": answer.message}})
        elif answer is not SILENCE:
            self.raw({"id": number, "result": answer})

    def _usual(self, frame: Mapping[str, Any]) -> Any:
        method, params = frame["method"], frame["params"]
        if method.endswith("subscribe"):
            return params["channels"]
        usual = {
            "public/instruments": INSTRUMENTS,
            "public/instrument": INSTRUMENTS[0],
            "public/login": {"account_number": "A1"},
            "private/set_cancel_on_disconnect": {"message_rate": 50},
            "private/insert": lambda p: order_of(p, frame["id"]),
            "private/open_orders": [],
            "private/trade_history": {"trades": [], "bookmark": None},
            "private/portfolio": [],
            "private/account_summary": SUMMARY,
        }
        return usual.get(method, SILENCE)

    def raw(self, frame: Any) -> None:
        self.text(json.dumps(frame))

    def text(self, text: str) -> None:
        self._queue(WsMessage(text, self.now_ns()))

    def say(self, channel: str, body: Any) -> None:
        self.raw({"channel_name": channel, "notification": body})

    def say_book(self, bids: Any = ((100, 1),), asks: Any = ((102, 1),), **more: Any) -> None:
        rows = {"bid_changes": [[*row, row[1]] for row in bids], "ask_changes": [[*row, row[1]] for row in asks]}
        self.say(BOOK, {**rows, "time": 1795189677.5, **more})

    def _queue(self, item: WsItem) -> None:
        self.waiting.append(item)
        self.wake()

    def asked(self, *ignored: str) -> list[str]:
        return [frame["method"] for frame in self.frames if frame["method"] not in ignored]

    def params(self, method: str) -> list[dict[str, Any]]:
        return [frame["params"] for frame in self.frames if frame["method"] == method]

    def last_id(self, method: str) -> int:
        return [int(frame["id"]) for frame in self.frames if frame["method"] == method][-1]


def order_of(params: Mapping[str, Any], number: int, **changes: Any) -> dict[str, Any]:
    """Return the venue's order for the parameters of an insert."""
    return {
        "order_id": f"00AB{number:04X}",
        "order_type": "limit",
        "time_in_force": params.get("time_in_force", "good_till_cancelled"),
        "instrument_name": params["instrument_name"],
        "direction": params["direction"],
        "price": params["price"],
        "amount": params["amount"],
        "filled_amount": 0,
        "remaining_amount": params["amount"],
        "status": "open",
        "fills": [],
        "change_reason": "insert",
        "create_time": 1795189677.5,
        "persistent": False,
        "label": params["label"],
        "client_order_id": params["client_order_id"],
        **changes,
    }


def listed(label: str, order_id: str, **changes: Any) -> dict[str, Any]:
    """Return an order as a listing shows it."""
    params = {"instrument_name": NAME, "direction": "buy", "price": 99, "amount": 0.1, "label": label}
    return order_of({**params, "client_order_id": 1}, 1, order_id=order_id, **changes)


def trade(
    trade_id: str, label: str, amount: float = 0.04, at: float = 1795189678.379, **changes: Any
) -> dict[str, Any]:
    """Return an execution of the account."""
    return {
        "trade_id": trade_id,
        "order_id": "00AB0001",
        "label": label,
        "instrument_name": NAME,
        "direction": "buy",
        "price": 101,
        "amount": amount,
        "maker_taker": "maker",
        "fee": 0.0519912,
        "time": at,
        "trade_type": "normal",
        **changes,
    }


def fill_row(trade_id: str, amount: float = 0.04) -> dict[str, Any]:
    """Return an execution as told within an order."""
    return {"trade_id": trade_id, "price": 101, "amount": amount, "time": 1795189678.379, "maker_taker": "maker"}


class ThalexOnFake(ThalexClient):
    """The client on the fake instead of a socket."""

    venue: FakeThalex

    def _make_transport(self, wake: Callable[[], None]) -> Transport:
        self.venue.wake = wake
        return self.venue


@dataclass
class Bench:
    """A client, its venue, a clock that goes on when told, and everything that was said."""

    venue: FakeThalex = field(default_factory=FakeThalex)
    config: dict[str, Any] = field(default_factory=dict)
    symbol: str = "BTC-PERP"
    public_only: bool = False
    now: int = 5 * SECOND
    utc: int = 1795189677 * SECOND
    said: list[InboxItem] = field(default_factory=list)
    inbox: Inbox = field(default_factory=Inbox)
    ids: Any = None

    def __post_init__(self) -> None:
        self.venue.now_ns = lambda: self.now
        context = ClientContext(
            exchange="thalex",
            symbol=self.symbol,
            account="test",
            bot_name="tester",
            state_dir="",
            data_dirs=(),
            now_ns=lambda: self.now,
            utc_ns=lambda: self.utc,
            public_only=self.public_only,
            ids=self.ids,
        )
        config = {"mode": "live", "key_id": "K1", "private_key": Secret(pem()), **self.config}
        self.client = ThalexOnFake(config, context)
        self.client.venue = self.venue

    def open(self, market_data: bool = False) -> Bench:
        self.client.open(self.inbox, "main")
        if market_data:
            self.client.start_market_data()
            self.poll()
            self.venue.say_book()
            self.poll()
        return self

    def poll(self, seconds: float = 0.0) -> int | None:
        """Let time pass, then poll until nothing more comes."""
        self.now += int(seconds * SECOND)
        self.utc += int(seconds * SECOND)
        due = self.client.poll(self.now)
        while self.venue.waiting:
            due = self.client.poll(self.now)
        self.said += self.inbox.drain()
        return due

    def submit(self, *orders: Order) -> None:
        self.client.submit(orders)
        self.poll()

    def close(self) -> None:
        self.client.close()
        self.inbox.close()

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.said if isinstance(item, kind)]

    @property
    def links(self) -> list[str]:
        return [
            "up" if isinstance(item, LinkUp) else "down" for item in self.said if isinstance(item, LinkUp | LinkDown)
        ]

    @property
    def fills(self) -> list[Fill]:
        return [item.fill for item in self.all_of(FillEvent)]

    @property
    def reports(self) -> list[VenueReport]:
        return self.all_of(VenueReport)

    @property
    def books(self) -> list[BookUpdate]:
        return self.all_of(BookUpdate)

    @property
    def prints(self) -> list[TradePrint]:
        return self.all_of(TradePrint)

    def updates(self, key: str) -> list[OrderUpdate]:
        return [update for update in self.all_of(OrderUpdate) if update.client_order_id == key]

    def events(self, key: str) -> list[OrderEvent]:
        return [update.event for update in self.updates(key)]

    def reason(self, key: str) -> str:
        return str(self.updates(key)[-1].reason)


@contextmanager
def quoting_bench() -> Iterator[Bench]:
    """Give a client with market data; what it said until then is forgotten."""
    opened = Bench().open(market_data=True)
    opened.said.clear()
    yield opened
    opened.close()


def bid(key: str, lots: int = 100, price: int = 99, **changes: Any) -> Order:
    """Return a buy of ours."""
    return Order(key, "main", Side.BUY, price, lots, **changes)
