"""A real Backpack client on a real simulator: time passes by itself, and a test waits for what must happen."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from api.backpack_client import BackpackClient
from api.base_client import ClientContext, Inbox, InboxItem, VenueReport
from core.market.book import OrderBook
from core.market.client_ids import NumberIds
from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate
from core.market.order import Fill, Order, OrderEvent, Side
from tests.sim_process import SimProcess
from utils.env import Secret

LEG, SLOT = "main", 3
PATIENCE_S = 20.0
DAY_NS = 24 * 3600 * 10**9


def client_on(sim: SimProcess, row: dict[str, Any], symbol: str, ids: NumberIds, **config: Any) -> BackpackClient:
    """Return a client on an account of the simulator, not opened."""
    keys = {name: Secret(text) for name, text in row["credentials"].items()}
    urls = {"base_url": sim.hello["base_url"], "ws_url": sim.hello["ws_url"], "request_rate_per_s": 1000}
    context = ClientContext("backpack", symbol, row["account"], "tester", "", (), ids=ids)
    return BackpackClient(keys | urls | config, context)


class LiveSession:
    """An open client on a fresh account, and everything it said."""

    def __init__(self, sim: SimProcess, symbol: str = "SOL-PERP", market_data: bool = True, **config: Any) -> None:
        self.sim = sim
        self.row = sim.account()
        self.account: str = self.row["account"]
        self.ids = NumberIds(SLOT, 0, 0, lambda until: None)
        self.inbox, self.said = Inbox(), list[InboxItem]()
        self.client = client_on(sim, self.row, symbol, self.ids, **config)
        self.client.open(self.inbox, LEG)
        (scope,) = self.client.rate_scopes()
        self.client.lease(scope.key, scope.per_s, 200, time.monotonic_ns() + DAY_NS)
        self._reports = self._due_ns = 0
        if market_data:
            self.client.start_market_data()
            self.wait(lambda: self.books and LinkUp in self.links)

    def __enter__(self) -> LiveSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()
        self.inbox.close()

    def step(self, up_to_s: float = 0.05) -> None:
        """Sleep until the client is woken or due, then let it work once."""
        wait_s = (self._due_ns - time.monotonic_ns()) / 1e9
        select.select([self.inbox.fileno()], [], [], max(0.0, min(up_to_s, wait_s)))
        due_ns = self.client.poll(time.monotonic_ns())
        self._due_ns = time.monotonic_ns() if due_ns is None else due_ns
        self.said += self.inbox.drain()

    def wait(self, condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
        """Work until something holds; fails with the last that was said."""
        deadline = time.monotonic() + seconds
        while True:
            self.step()
            found = condition()
            if found:
                return found
            last = [item for item in self.said if not isinstance(item, BookUpdate)][-8:]
            assert time.monotonic() < deadline, f"not within {seconds} s; last said: {last}"

    def work(self, seconds: float) -> None:
        """Work for a while: for what must not happen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.step()

    # What was said

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.said if isinstance(item, kind)]

    @property
    def books(self) -> list[BookUpdate]:
        return self.all_of(BookUpdate)

    @property
    def book(self) -> OrderBook:
        return self.books[-1].book

    @property
    def fills(self) -> list[Fill]:
        return [item.fill for item in self.all_of(FillEvent)]

    @property
    def links(self) -> list[type[Any]]:
        return [type(item) for item in self.said if isinstance(item, LinkUp | LinkDown)]

    def events(self, key: str) -> list[OrderEvent]:
        return [update.event for update in self.all_of(OrderUpdate) if update.client_order_id == key]

    def last(self, key: str) -> OrderUpdate:
        found: list[OrderUpdate] = [u for u in self.all_of(OrderUpdate) if u.client_order_id == key]
        return found[-1]

    # What is done

    def far_bid(self, **changes: Any) -> Order:
        price = self.book.best_bid_ticks - 500
        return replace(Order(self.ids.next(), LEG, Side.BUY, price, 100), **changes)

    def submit(self, order: Order) -> str:
        """Submit an order and wait for the first word of it."""
        key = order.client_order_id
        self.client.submit([order])
        self.wait(lambda: self.events(key))
        return key

    def resting(self, **changes: Any) -> str:
        key = self.submit(self.far_bid(**changes))
        assert self.events(key) == [OrderEvent.ACCEPTED]
        return key

    def report(self, since: str | None = None) -> VenueReport:
        """Ask for a report and wait for it."""
        self._reports += 1
        number = self._reports
        self.client.request_report(number, since)
        found = self.wait(lambda: [r for r in self.all_of(VenueReport) if r.request_id == number])
        report: VenueReport = found[0]
        return report

    def open_ids(self) -> set[str]:
        report = self.report()
        assert report.complete, report.reason
        return {order.client_order_id for order in report.open_orders}

    def at_venue(self) -> dict[str, Any]:
        """Return what the simulator knows of the account."""
        found: dict[str, Any] = self.sim.state(self.account)["accounts"][self.account]
        return found
