"""The venues that the conformance suite is run over: one entry a venue.

An entry makes a fresh account, opens clients on it and lets time pass. The suite knows nothing else of a venue; live
clients are asked over real sockets, against the simulator of their venue (`live_venues.py`).

Tests name their orders `mk-a-1`; a session turns that into an id of the form that the venue takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from api.base_client import ClientContext, ExchangeClient, Inbox, InboxItem, VenueReport
from api.client_registry import client_class
from core.market.book import OrderBook
from core.market.client_ids import OrderIds
from core.market.events import BookUpdate, FillEvent, LinkUp, OrderUpdate, TradePrint
from core.market.order import Fill, Order, OrderEvent, Side
from tests.made_recording import FACTS, calm_market

LEG = "main"


class Venue(Protocol):
    """What the suite needs to know of a venue under test."""

    symbol: str
    unknown_symbol: str
    part_lots: int  # what an order must at least be so that one trade does not fill it
    too_small_lots: int  # of an order near the market that is below the venue's minimum
    repeats_fills: bool  # a report may bring fills from a while before the mark once more
    fee_in_base: bool  # of a spot buy
    hears_of_its_tick: bool  # a change of the tick size reaches a client that is open

    def ids(self) -> OrderIds | None:
        """Return how orders are named, None when any text will do."""
        ...

    def trade_against(self, session: Session, lots: int) -> None:
        """Let somebody sell into the best bid; nothing to do where that happens all the time."""
        ...

    def hold_still(self, session: Session) -> None:
        """Let the book stay as the session has it, where it moves by itself."""
        ...

    def change_tick(self, session: Session) -> Decimal:
        """Let the venue list another tick size, and return it."""
        ...

    def client(self, symbol: str | None = None) -> ExchangeClient:
        """Return a new client on the account."""
        ...

    def let_time_pass(self, client: ExchangeClient) -> None:
        """Let a moment pass, in which the client does its work; what it says may come from other threads."""
        ...

    def patience(self) -> Iterator[None]:
        """Yield as often as waiting makes sense."""
        ...


@dataclass(slots=True)
class Session:
    """An open client and everything it has said."""

    venue: Venue
    client: ExchangeClient
    inbox: Inbox = field(default_factory=Inbox)
    said: list[InboxItem] = field(default_factory=list)
    _requests: int = 0
    _real_ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, venue: Venue, market_data: bool = True) -> Session:
        """Open a client and wait for its first book."""
        session = cls(venue, venue.client())
        session.client.open(session.inbox, LEG)
        grant_all(session.client)
        if market_data:
            session.client.start_market_data()
            session.wait(lambda: session.books and session.links)
        return session

    def id(self, name: str) -> str:
        """Return the client order id of the order that the test calls `name`."""
        if name not in self._real_ids:
            ids = self.venue.ids()
            self._real_ids[name] = name if ids is None else ids.next()
        return self._real_ids[name]

    def name_of(self, order_id: str) -> str:
        """Return what the test calls an order, its id when it does not."""
        return next((name for name, real in self._real_ids.items() if real == order_id), order_id)

    def named(self, prefix: str) -> Callable[[str], bool]:
        """Return the question whether an id is of an order whose name begins with `prefix`."""
        return lambda order_id: self.name_of(order_id).startswith(prefix)

    def order(self, name: str, side: Side, price_ticks: int, lots: int, **changes: Any) -> Order:
        """Return an order with the id of its name."""
        return Order(self.id(name), LEG, side, price_ticks, lots, **changes)

    def wait(self, condition: Callable[[], Any]) -> None:
        """Let time pass until `condition` holds."""
        for _ in self.venue.patience():
            self.said += self.inbox.drain()
            if condition():
                return
            self.venue.let_time_pass(self.client)
        raise AssertionError(f"nothing came of it; the last that was said: {self.said[-5:]}")

    def all_of(self, kind: type[Any]) -> list[Any]:
        """Return everything of one kind that was said."""
        return [item for item in self.said if isinstance(item, kind)]

    @property
    def books(self) -> list[BookUpdate]:
        """Return all books."""
        return self.all_of(BookUpdate)

    @property
    def prints(self) -> list[TradePrint]:
        """Return all trade prints."""
        return self.all_of(TradePrint)

    @property
    def links(self) -> list[LinkUp]:
        """Return all link-ups."""
        return self.all_of(LinkUp)

    @property
    def fills(self) -> list[Fill]:
        """Return all fills."""
        return [item.fill for item in self.all_of(FillEvent)]

    @property
    def book(self) -> OrderBook:
        """Return the newest book."""
        return self.books[-1].book

    def events_of(self, order_id: str) -> list[OrderEvent]:
        """Return what was said of an order, by its name or its id."""
        real = self._real_ids.get(order_id, order_id)
        return [update.event for update in self.all_of(OrderUpdate) if update.client_order_id == real]

    def reason_of(self, order_id: str) -> str:
        """Return the newest reason given for an order."""
        updates: list[OrderUpdate] = self.all_of(OrderUpdate)
        real = self._real_ids.get(order_id, order_id)
        return [update.reason for update in updates if update.client_order_id == real][-1]

    def submit(self, *orders: Order) -> None:
        """Submit orders and wait until each is answered."""
        self.client.submit(orders)
        self.wait(lambda: all(self.events_of(order.client_order_id) for order in orders))

    def cancel(self, *order_ids: str) -> None:
        """Cancel orders and wait until each is answered once more."""
        before = {order_id: len(self.events_of(order_id)) for order_id in order_ids}
        self.client.cancel([self.id(order_id) for order_id in order_ids])
        self.wait(lambda: all(len(self.events_of(order_id)) > before[order_id] for order_id in order_ids))

    def report(self, since: str | None = None) -> VenueReport:
        """Ask for a report and wait for it."""
        self._requests += 1
        request = self._requests
        self.client.request_report(request, since)
        self.wait(lambda: [report for report in self.all_of(VenueReport) if report.request_id == request])
        report: VenueReport = self.all_of(VenueReport)[-1]
        return report

    def open_ids(self) -> set[str]:
        """Return the names of the orders that the venue lists."""
        report = self.report()
        assert report.complete
        return {self.name_of(order.client_order_id) for order in report.open_orders}

    def far_bid(self, order_id: str, lots: int | None = None, ticks_away: int = 500, **changes: Any) -> Order:
        """Return a buy that will not fill soon."""
        price = self.book.best_bid_ticks - ticks_away
        return self.order(order_id, Side.BUY, price, lots or self.small_lots(price), **changes)

    def small_lots(self, price_ticks: int) -> int:
        """Return a size a little above the venue's minimum."""
        instrument = self.client.instrument
        one = instrument.notional_quote(price_ticks, 1)
        return max(instrument.min_lots, int(instrument.min_notional * 2 / one) + 1)

    def close(self) -> None:
        """Close client and inbox."""
        self.client.close()
        self.inbox.close()


def grant_all(client: ExchangeClient) -> None:
    """Lease a client all that its venue allows, as a supervisor does for a bot that has no neighbours."""
    for scope in client.rate_scopes():
        client.lease(scope.key, scope.per_s * 0.8, scope.burst * 0.8, 2**62)


class FakeClock:
    """A clock that goes on when told; monotonic and UTC apart, so that one can be set without the other."""

    def __init__(self) -> None:
        self.now = 5_000_000_000
        self.utc = 1_800_000_000_000_000_000

    def advance(self, by_ns: int) -> None:
        """Let time pass on both clocks."""
        self.now += by_ns
        self.utc += by_ns


@dataclass(slots=True)
class PaperUnderTest:
    """The paper venue on a made-up tape, moved by a fake clock. Each print fills at most its own size."""

    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    symbol: str = "SOL-USDC"
    unknown_symbol: str = "DOGE-USDC"
    account: str = "test"
    clock: FakeClock = field(default_factory=FakeClock)
    part_lots: int = 600
    too_small_lots: int = 1
    repeats_fills: bool = False
    fee_in_base: bool = False
    hears_of_its_tick: bool = False

    def ids(self) -> OrderIds | None:
        """Return None: any text is an id."""
        return None

    def trade_against(self, session: Session, lots: int) -> None:
        """Do nothing: the tape sells at the best bid once a second."""

    def hold_still(self, session: Session) -> None:
        """Do nothing: time is the test's."""

    def change_tick(self, session: Session) -> Decimal:
        """Write the recording anew; it is read at the opening."""
        calm_market().save(self.folder / "data", "calm", FACTS | {"tick_size": "0.005"})
        return Decimal("0.005")

    def patience(self) -> Iterator[None]:
        """Yield some thousand times; time is the fake clock's."""
        yield from itertools.repeat(None, 3000)

    def client(self, symbol: str | None = None) -> ExchangeClient:
        """Return a new client on the account."""
        data = self.folder / "data"
        if not (data / "calm.csv.gz").exists():
            calm_market().save(data, "calm")
        context = ClientContext(
            exchange="paper",
            symbol=symbol or self.symbol,
            account=self.account,
            bot_name="tester",
            state_dir=str(self.folder / "state"),
            data_dirs=(str(data),),
            now_ns=lambda: self.clock.now,
            utc_ns=lambda: self.clock.utc,
        )
        config = {"feed": "replay:calm", "touch_prob": 1.0, **self.settings}
        return client_class("paper")(config, context)

    def let_time_pass(self, client: ExchangeClient) -> None:
        """Poll and go to the next moment that the client asked for."""
        due_ns = client.poll(self.clock.now)
        assert due_ns is not None
        self.clock.advance(max(0, due_ns - self.clock.now))


VENUES: dict[str, Callable[[Path], Venue]] = {"paper": PaperUnderTest}  # live_venues.py adds the others
