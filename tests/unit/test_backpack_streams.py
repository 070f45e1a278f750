"""Backpack's streams: subscription, link, book, prints, and what is done when they fail."""

from __future__ import annotations

from decimal import Decimal

import pytest

from api.backpack_streams import is_market_data
from api.ws_transport import WsOverflow
from core.market.book import Level
from core.market.events import LinkDown, LinkUp, PerpFacts, TradePrint
from core.market.order import OrderEvent, Side
from tests.unit.backpack_bench import PUBLIC, Bench
from utils.errors import VenueAuthError


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_subscription_is_one_signed_frame(bench: Bench) -> None:
    bench.streaming()
    (frame,) = bench.ws.frames
    assert frame["params"] == [
        "depth.SOL_USDC_PERP",
        "trade.SOL_USDC_PERP",
        "markPrice.SOL_USDC_PERP",
        "account.orderUpdate.SOL_USDC_PERP",
        "account.positionUpdate.SOL_USDC_PERP",
    ]
    assert frame["signature"][0] == PUBLIC and frame["signature"][3] == "5000"


def test_link_is_up_with_the_first_data_and_a_whole_book(bench: Bench) -> None:
    bench.opened().client.start_market_data()
    bench.connect()
    bench.depth(11)
    bench.poll()
    assert bench.links == []
    bench.snapshot(11)
    assert bench.links == [LinkUp] and len(bench.books) == 1


def test_link_of_a_quiet_market_is_up_when_nothing_was_said_against_it(bench: Bench) -> None:
    bench.opened().client.start_market_data()
    bench.connect()
    due_ns = bench.poll(0.5)
    bench.snapshot(11)
    assert bench.links == [] and due_ns is not None and due_ns <= bench.now + 500_000_000
    bench.poll(0.5)
    assert bench.links == [LinkUp]


def test_book_is_put_together_and_moves(bench: Bench) -> None:
    bench.streaming()
    bench.depth(11, bid="100.00", size="2.5")
    first, second = (update.book for update in bench.books)
    assert first.bids == (Level(9900, 500),) and first.asks == (Level(10100, 300),)
    assert second.bids[0] == Level(10_000, 250) and second.sequence == 11 and second.local_ns == bench.now


def test_gap_is_a_lost_link_until_a_new_book_is_whole(bench: Bench) -> None:
    bench.streaming()
    bench.poll(1)
    bench.depth(13)
    assert bench.links == [LinkUp, LinkDown]
    bench.depth(14)
    bench.poll(20)
    assert len(bench.books) == 1 and bench.links == [LinkUp, LinkDown]
    bench.snapshot(12)
    assert bench.books[-1].book.sequence == 14
    assert bench.links == [LinkUp, LinkDown, LinkUp] and not bench.ws.reconnects


def test_print_tells_who_took(bench: Bench) -> None:
    bench.streaming()
    data = {"e": "trade", "s": "SOL_USDC_PERP", "p": "99.5", "q": "0.12", "t": 1, "T": 1694688638089000, "m": True}
    bench.hear({"stream": "trade.SOL_USDC_PERP", "data": data})
    (found,) = bench.all_of(TradePrint)
    assert (found.price_ticks, found.size_lots, found.aggressor) == (9950, 12, Side.SELL)
    assert found.venue_ns == 1694688638089 * 1_000_000


def test_mark_price_and_funding_of_the_stream_are_told(bench: Bench) -> None:
    bench.streaming()
    data = {"e": "markPrice", "s": "SOL_USDC_PERP", "p": "141.12", "f": "0.0000125", "n": 1763654400000, "T": 1}
    data["i"] = "141.20"
    bench.hear({"stream": "markPrice.SOL_USDC_PERP", "data": data})
    (told,) = bench.all_of(PerpFacts)
    assert (told.mark_price, told.funding_rate) == (Decimal("141.12"), Decimal("0.0000125"))
    assert told.index_price == Decimal("141.20")
    assert (told.funding_utc_ns, told.local_ns) == (1763654400000 * 1_000_000, bench.now)
    bench.hear({"stream": "markPrice.SOL_USDC_PERP", "data": data | {"s": "BTC_USDC_PERP"}})
    assert len(bench.all_of(PerpFacts)) == 1


def test_lost_socket_is_a_lost_link_and_its_return_a_new_subscription(bench: Bench) -> None:
    bench.streaming()
    bench.lose()
    assert bench.links == [LinkUp, LinkDown]
    bench.depth(11)
    assert len(bench.books) == 1
    bench.connect()
    bench.depth(50)
    bench.poll()
    assert bench.links == [LinkUp, LinkDown]  # the loop still has the book from before
    bench.snapshot(50)
    assert bench.links == [LinkUp, LinkDown, LinkUp] and len(bench.ws.frames) == 2


@pytest.mark.parametrize("garbage", ["{", "[]", '{"stream":"depth.SOL_USDC_PERP","data":{}}', "nonsense"])
def test_garbage_begins_a_new_connection_once(bench: Bench, garbage: str) -> None:
    bench.streaming()
    bench.hear(garbage)
    bench.hear(garbage)
    assert len(bench.ws.reconnects) == 1 and bench.links == [LinkUp, LinkDown]


def test_data_behind_garbage_does_not_bring_the_link_back(bench: Bench) -> None:
    bench.streaming()
    bench.hear("{")
    bench.depth(11)
    bench.poll(2)
    assert bench.links == [LinkUp, LinkDown] and len(bench.books) == 1


def test_news_of_an_order_behind_garbage_is_still_taken(bench: Bench) -> None:
    bench.streaming()
    key = bench.submit()
    bench.hear("{")
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    assert bench.events(key) == [OrderEvent.ACCEPTED]


def test_unknown_stream_and_unknown_fields_are_ignored(bench: Bench) -> None:
    bench.streaming()
    bench.hear({"stream": "moon.phase", "data": {"full": True}})
    bench.hear({"hello": 1})
    assert not bench.ws.reconnects


def test_refused_signature_of_the_subscription_ends_the_bot(bench: Bench) -> None:
    bench.opened().client.start_market_data()
    bench.connect()
    with pytest.raises(VenueAuthError, match="check api_key"):
        bench.hear({"error": {"code": 4002, "message": "Invalid signature"}})


def test_subscription_refused_for_its_time_measures_the_clock_and_begins_anew(bench: Bench) -> None:
    bench.opened().client.start_market_data()
    bench.connect()
    bench.hear({"error": {"code": 4003, "message": "Invalid timestamp"}})
    assert len(bench.sent("GET /api/v1/time")) == 1 and len(bench.ws.reconnects) == 1 and bench.links == []


def test_dropped_market_data_withdraws_the_book(bench: Bench) -> None:
    bench.streaming()
    bench.poll(1)
    bench.ws.items.append(WsOverflow(100))
    bench.poll()
    assert len(bench.sent("GET /api/v1/depth")) == 1 and bench.links == [LinkUp, LinkDown]
    bench.snapshot(11)
    assert bench.links == [LinkUp, LinkDown, LinkUp]


def test_silent_depth_stream_whose_book_moves_is_a_new_connection(bench: Bench) -> None:
    bench.streaming()
    bench.poll(3)
    (check,) = bench.sent("GET /api/v1/depth")
    assert check.query["limit"] == "5"
    bench.say("GET /api/v1/depth", 200, {"bids": [], "asks": [], "lastUpdateId": "12", "timestamp": 1})
    bench.poll(2)
    assert bench.ws.reconnects == ["the depth stream is silent while the book moves"]
    assert bench.links == [LinkUp, LinkDown]


def test_account_stream_that_does_not_speak_of_a_resting_order_is_a_new_connection(bench: Bench) -> None:
    bench.streaming()
    bench.resting()
    bench.poll(4.9)
    assert not bench.ws.reconnects
    bench.poll(0.2)
    assert bench.ws.reconnects == ["the account stream does not speak of an order that rests"]


def test_account_stream_that_speaks_is_left_alone(bench: Bench) -> None:
    bench.streaming()
    key = bench.resting()
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    bench.poll(20)
    assert not bench.ws.reconnects


@pytest.mark.parametrize(
    ("text", "droppable"),
    [
        ('{"stream":"depth.SOL_USDC","data":{}}', True),
        ('{"data":{"e":"trade"},"stream":"trade.SOL_USDC"}', True),
        ('{"stream":"markPrice.SOL_USDC_PERP","data":{}}', True),
        ('{"data":{"e":"orderFill"},"stream":"account.orderUpdate.SOL_USDC"}', False),
        ('{"error":{"message":"depth"}}', False),
    ],
)
def test_only_market_data_may_be_dropped(text: str, droppable: bool) -> None:
    assert is_market_data(text) is droppable
