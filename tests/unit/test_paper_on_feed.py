"""Paper fills on what a live venue's public half says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import api.paper_on_feed
from api.base_client import Capabilities, ClientContext, ExchangeClient, Inbox, InboxItem, VenueReport
from api.paper_on_feed import PaperOnFeed
from core.market.account_needs import MarginTerms
from core.market.book import Level, OrderBook
from core.market.events import BookUpdate, FillEvent, LinkDown, LinkUp, OrderUpdate, PerpFacts, TradePrint
from core.market.instrument import Instrument
from core.market.order import Order, OrderEvent, Side
from utils.errors import NotListed, VenueError, VenueRefused, VenueUnreachable

SOL = Instrument(
    "SOL-USDC",
    "SOL_USDC",
    "spot",
    "SOL",
    "USDC",
    Decimal("0.01"),
    Decimal("0.01"),
    min_lots=5,
    maker_fee_bps=Decimal(8),
)
STEP_NS = 50_000_000


class Reader(ExchangeClient):
    """The public half of a venue; a test says what it hears."""

    made: list[Reader] = []  # noqa: RUF012  # the newest is the one under test
    listed: Instrument = SOL
    trouble: VenueError | None = None  # what is raised at the opening
    capabilities = Capabilities()

    def __init__(self, config: Mapping[str, Any], context: ClientContext) -> None:
        super().__init__(config, context)
        self.began = self.closed = False
        Reader.made.append(self)

    def open(self, inbox: Inbox, leg: str) -> None:
        if Reader.trouble is not None:
            raise Reader.trouble
        self.inbox, self.instrument = inbox, Reader.listed

    def start_market_data(self) -> None:
        self.began = True

    def poll(self, now_ns: int) -> int | None:
        return now_ns + 10 * STEP_NS

    def close(self) -> None:
        self.closed = True

    def submit(self, orders: Sequence[Order]) -> None:
        raise AssertionError("an order must never leave the host")

    cancel = cancel_all = request_report = submit  # type: ignore[assignment]

    def book(self, bid: int, ask: int, lots: int = 100) -> None:
        """Say a book of one level a side."""
        picture = OrderBook((Level(bid, lots),), (Level(ask, lots),), 1, 0, 0)
        self.inbox.put(BookUpdate("main", picture), wake=True)

    def trade(self, price: int, lots: int, aggressor: Side) -> None:
        """Say a trade print."""
        self.inbox.put(TradePrint("main", price, lots, aggressor, 0, 0))


class Bench:
    """A paper account on a scripted venue, with a clock."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.now = 10**9
        context = ClientContext(
            "backpack", "SOL-USDC", "acc", "bot", str(folder), (), lambda: self.now, lambda: 10**18 + self.now
        )
        settings = {"initial_balances": {"USDC": "1000", "SOL": "5"}, "touch_prob": 1.0, "latency_ms": 20} | changes
        self.client = PaperOnFeed(settings, context)
        self.reader = Reader.made[-1]
        self.inbox = Inbox()
        self.said: list[InboxItem] = []

    def begin(self) -> Bench:
        self.client.open(self.inbox, "main")
        self.client.start_market_data()
        self.reader.inbox.put(LinkUp("main"))
        self.reader.book(9999, 10001)
        self.go()
        return self

    def go(self, steps: int = 2) -> None:
        for _ in range(steps):
            self.now += STEP_NS
            self.client.poll(self.now)
            self.said += self.inbox.drain()

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.said if isinstance(item, kind)]

    def bid(self, key: str = "a", price: int = 9999, lots: int = 10) -> None:
        self.client.submit([Order(key, "main", Side.BUY, price, lots)])
        self.go()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(api.paper_on_feed, "client_class", lambda _exchange: Reader)
    monkeypatch.setattr(Reader, "trouble", None)
    made = Bench(tmp_path)
    yield made
    made.client.close()
    made.inbox.close()


def test_the_venue_is_read_without_a_key(bench: Bench) -> None:
    assert bench.reader.context.public_only
    assert bench.client.per_home and not bench.client.embedded


@pytest.mark.parametrize("told", [(False, False), (True, False), (True, True)])
def test_an_order_is_amended_on_paper_where_the_venue_amends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: tuple[bool, bool]
) -> None:
    monkeypatch.setattr(api.paper_on_feed, "client_class", lambda _exchange: Reader)
    monkeypatch.setattr(Reader, "capabilities", Capabilities(amend=told[0], amend_keeps_post_only=told[1]))
    found = Bench(tmp_path).client.capabilities
    assert (found.amend, found.amend_keeps_post_only) == told


def test_the_instrument_is_the_venues_with_the_configs_fees(bench: Bench) -> None:
    bench.begin()
    found = bench.client.instrument
    assert (found.symbol, found.venue_symbol, found.min_lots, found.tick_size) == (
        "SOL-USDC",
        "SOL_USDC",
        5,
        SOL.tick_size,
    )
    assert found.maker_fee_bps == -1


def test_books_and_the_link_are_the_venues(bench: Bench) -> None:
    bench.begin()
    assert len(bench.of(LinkUp)) == 1
    assert bench.of(BookUpdate)[-1].book.best_bid_ticks == 9999
    bench.reader.book(10003, 10005)
    bench.go()
    assert bench.of(BookUpdate)[-1].book.best_bid_ticks == 10003


def test_a_trade_print_of_the_venue_fills_a_resting_order(bench: Bench) -> None:
    bench.begin().bid()
    bench.reader.trade(9998, 4, Side.SELL)
    bench.go()
    assert [(item.fill.price_ticks, item.fill.size_lots) for item in bench.of(FillEvent)] == [(9999, 4)]
    assert [item.price_ticks for item in bench.of(TradePrint)] == [9998]


def test_a_book_that_crosses_a_resting_order_fills_it(bench: Bench) -> None:
    bench.begin().bid()
    bench.reader.book(9990, 9995, lots=7)
    bench.go()
    assert sum(item.fill.size_lots for item in bench.of(FillEvent)) == 7


def test_while_the_line_is_down_no_order_is_taken(bench: Bench) -> None:
    bench.begin()
    bench.reader.inbox.put(LinkDown("main", "gone"))
    bench.go()
    bench.bid()
    assert [(item.event, item.reason) for item in bench.of(OrderUpdate)] == [(OrderEvent.REJECTED, "no_market")]
    assert len(bench.of(LinkDown)) == 1


def test_what_wakes_the_reader_wakes_the_loop(bench: Bench) -> None:
    bench.begin()
    bench.inbox.hush()
    bench.reader.book(1, 2)
    import select

    assert select.select([bench.inbox.fileno()], [], [], 0)[0]


@pytest.mark.parametrize("trouble", [VenueUnreachable("no route"), NotListed("it has expired")])
def test_an_order_rests_through_a_restart_and_can_be_swept_without_the_market(
    bench: Bench, tmp_path: Path, trouble: VenueError
) -> None:
    bench.begin().bid()
    bench.client.close()
    Reader.trouble = trouble
    again = Bench(tmp_path)
    again.client.open(again.inbox, "main")
    again.client.cancel(["a"])
    again.go()
    again.client.request_report(1, None)
    again.go()
    (report,) = again.of(VenueReport)
    assert report.complete and report.open_orders == ()
    with pytest.raises(type(trouble)):
        again.client.start_market_data()
    again.client.close()
    again.inbox.close()


def test_a_new_account_cannot_be_opened_without_the_venue(bench: Bench) -> None:
    Reader.trouble = VenueUnreachable("no route")
    with pytest.raises(VenueUnreachable):
        bench.client.open(bench.inbox, "main")


@pytest.fixture
def perp(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(Reader, "listed", replace(SOL, kind="perp"))
    made = Bench(tmp_path / "perp", initial_balances={"USDC": "1000"})
    yield made.begin()
    made.client.close()
    made.inbox.close()


def test_mark_price_and_rate_of_the_venue_are_those_of_the_paper_account(perp: Bench) -> None:
    bench = perp
    assert bench.of(PerpFacts)[-1].mark_price == Decimal(100)  # the mid, until the venue tells its own
    bench.reader.inbox.put(PerpFacts("main", Decimal("100.5"), Decimal("-0.0002"), index_price=Decimal(101)))
    bench.reader.book(9998, 10000)
    bench.go()
    told = bench.of(PerpFacts)[-1]
    assert (told.mark_price, told.funding_rate) == (Decimal("100.5"), Decimal("-0.0002"))
    assert told.index_price == Decimal(101)
    bench.reader.inbox.put(LinkDown("main", "cable"))
    bench.go()
    bench.reader.inbox.put(LinkUp("main"))
    bench.reader.book(9997, 9999)
    bench.go()
    assert bench.of(PerpFacts)[-1].mark_price == Decimal("99.98")  # one of before the break is none


def test_on_spot_there_are_no_facts_of_a_perpetual(bench: Bench) -> None:
    bench.begin()
    assert bench.of(PerpFacts) == []
    assert bench.client.margin_terms() is None


def test_leverage_above_the_markets_highest_is_refused(perp: Bench) -> None:
    perp.client.set_leverage(Decimal(2))
    assert perp.client.margin_terms() == MarginTerms(Decimal(2), "cross")
    with pytest.raises(VenueRefused, match="10 at the most"):
        perp.client.set_leverage(Decimal(11))
