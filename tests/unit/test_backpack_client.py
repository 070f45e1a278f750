"""A Backpack client from open to close: the market, the key, the streams, the reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from api.backpack_client import BackpackClient
from api.backpack_streams import is_market_data
from api.base_client import ClientContext
from api.ws_transport import WsOpened, WsOverflow
from core.market.account_needs import MarginTerms
from core.market.book import Level
from core.market.client_ids import ClientOrderIds
from core.market.events import LinkDown, LinkUp, PerpFacts, TradePrint
from core.market.order import OrderEvent, OrderState, Side
from tests.unit.backpack_bench import ACCOUNT, PUBLIC, SECOND, SEED, UTC_NS, Bench, market
from utils.env import Secret
from utils.errors import ConfigError, NotListed, VenueAuthError, VenueRefused, VenueUnreachable

ORDERS, FILLS, POSITION = "GET /api/v1/orders", "GET /wapi/v1/history/fills", "GET /api/v1/position"
COLLATERAL, CAPITAL = "GET /api/v1/capital/collateral", "GET /api/v1/capital"
NOW_MS = UTC_NS // 1_000_000


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


# Opening


@pytest.mark.parametrize("symbol", ["SOL-PERP", "SOL-USDC-PERP", "SOL_USDC_PERP", "sol-perp"])
def test_market_is_found_by_each_of_its_names(monkeypatch: pytest.MonkeyPatch, symbol: str) -> None:
    instrument = Bench(monkeypatch, symbol).opened().client.instrument
    assert (instrument.symbol, instrument.venue_symbol, instrument.kind) == ("SOL-PERP", "SOL_USDC_PERP", "perp")
    assert (instrument.tick_size, instrument.lot_size, instrument.min_lots) == (Decimal("0.01"), Decimal("0.01"), 5)
    assert (instrument.maker_fee_bps, instrument.taker_fee_bps) == (Decimal(-2), Decimal(5))


def test_spot_market_has_the_fees_of_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    instrument = Bench(monkeypatch, "SOL-USDC").opened().client.instrument
    assert (instrument.kind, instrument.maker_fee_bps, instrument.taker_fee_bps) == ("spot", Decimal(8), Decimal(10))


def test_unknown_symbol_is_refused_with_the_nearest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "SOL-USD")
    with pytest.raises(VenueRefused, match=r"lists no SOL-USD; near to it: SOL-USDC"):
        bench.opened()
    assert bench.http.is_closed


def test_market_of_a_kind_that_makerd_does_not_trade_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VenueRefused, match="X_Y is listed, but"):
        Bench(monkeypatch, "X_Y").opened()


def test_market_that_is_closed_can_be_opened_to_cancel(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.canned.answers["/api/v1/markets"] = (200, [market("SOL_USDC_PERP", "PERP", orderBookState="CancelOnly")])
    bench.opened()
    assert "market_not_open" in caplog.messages


@pytest.mark.parametrize(
    ("path", "status", "payload", "error", "says"),
    [
        ("/api/v1/status", 200, {"status": "Maintenance", "message": "Back at noon"}, VenueUnreachable, "Back at noon"),
        ("/api/v1/markets", 503, {"code": "MAINTENANCE", "message": "x"}, VenueUnreachable, "MAINTENANCE"),
        ("/api/v1/markets", 200, {"not": "a list"}, VenueUnreachable, "the list of markets cannot be read"),
        ("/api/v1/markets", 502, b"<html>", VenueUnreachable, "HTTP_502"),
        ("/api/v1/account", 400, {"code": "INVALID_SIGNATURE", "message": "x"}, VenueAuthError, "INVALID_SIGNATURE"),
        ("/api/v1/account", 401, {"code": "UNAUTHORIZED", "message": "x"}, VenueAuthError, "UNAUTHORIZED"),
        ("/api/v1/account", 403, {"code": "FORBIDDEN", "message": "x"}, VenueAuthError, "create a key"),
        ("/api/v1/markets", 200, [], VenueUnreachable, "lists no market at all"),
        ("/api/v1/markets", 403, b"<html>", VenueUnreachable, "HTTP_403"),
        ("/api/v1/markets", 404, b"<html>", VenueUnreachable, "HTTP_404"),
        ("/api/v1/markets", 404, {"message": "no Route matched"}, VenueUnreachable, "no Route matched"),
        ("/api/v1/markets", 400, b"<html>", VenueUnreachable, "HTTP_400"),
        ("/api/v1/account", 403, b"<html>", VenueUnreachable, "HTTP_403"),
        ("/api/v1/account", 400, {"code": "INVALID_RANGE", "message": "x"}, VenueRefused, "INVALID_RANGE"),
        ("/api/v1/account", 429, {"code": "TOO_MANY_REQUESTS", "message": "x"}, VenueUnreachable, "TOO_MANY"),
    ],
)
def test_open_says_what_is_wrong(
    bench: Bench, path: str, status: int, payload: Any, error: type[Exception], says: str
) -> None:
    bench.canned.answers[path] = (status, payload)
    with pytest.raises(error, match=says):
        bench.opened()
    assert bench.http.is_closed


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"api_key": None}, "api_key is not set"),
        ({"api_secret": Secret("")}, "api_secret is not set"),
        ({"api_secret": Secret("A" * 43 + "=")}, "does not belong"),
    ],
)
def test_key_that_cannot_be_right_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], says: str
) -> None:
    bench = Bench(monkeypatch, **config)
    with pytest.raises(VenueAuthError, match=says):
        bench.opened()
    assert not bench.http.waited


def test_key_id_is_the_public_key() -> None:
    assert BackpackClient.key_id({"api_key": Secret(PUBLIC), "api_secret": Secret(SEED)}) == PUBLIC
    assert BackpackClient.key_id({}) is None


def test_clock_that_is_wrong_is_corrected_before_the_first_signature(bench: Bench) -> None:
    bench.canned.answers["/api/v1/time"] = (200, NOW_MS + 3_000)
    bench.opened()
    signed = [sent for sent in bench.http.waited if "X-Timestamp" in sent.built.headers]
    assert [sent.built.headers["X-Timestamp"] for sent in signed] == [str(NOW_MS + 3_000)]


def test_clock_is_measured_again_now_and_then(bench: Bench) -> None:
    bench.opened()
    bench.poll(299)
    assert not bench.sent("GET /api/v1/time")
    bench.poll(1)
    assert len(bench.sent("GET /api/v1/time")) == 1


def test_host_clock_that_jumps_is_told_and_moves_no_signature(bench: Bench) -> None:
    bench.opened()
    assert bench.client.clock_offset_ms() == 0
    bench.stepped_ns = 3 * SECOND
    bench.submit()
    assert bench.sent("POST /api/v1/order")[0].built.headers["X-Timestamp"] == str(NOW_MS)
    assert bench.client.clock_offset_ms() == -3_000
    bench.poll(300)
    bench.say("GET /api/v1/time", 200, NOW_MS + 300_000)
    assert bench.client.clock_offset_ms() == -3_000


def test_clock_that_was_not_measured_has_no_offset(bench: Bench) -> None:
    assert bench.client.clock_offset_ms() is None


@pytest.mark.parametrize(("leverage", "sent"), [(5, ["5"]), (2.5, ["2.5"]), (3, []), (None, [])])
def test_leverage_is_set_when_it_is_another(
    monkeypatch: pytest.MonkeyPatch, leverage: float | None, sent: list[str]
) -> None:
    bench = Bench(monkeypatch, leverage=leverage).opened()
    assert [each.body["leverageLimit"] for each in bench.http.waited if each.built.method == "PATCH"] == sent


@pytest.mark.parametrize(("symbol", "expected"), [("SOL-PERP", MarginTerms(Decimal(3), "cross")), ("SOL-USDC", None)])
def test_the_leverage_of_the_account_is_read_anew_each_time(
    bench: Bench, symbol: str, expected: MarginTerms | None
) -> None:
    bench.client = bench.make(symbol, {})
    bench.opened()
    assert bench.client.margin_terms() == expected
    if expected is not None:
        bench.canned.answers["/api/v1/account"] = (200, ACCOUNT | {"leverageLimit": "7"})
        assert bench.client.margin_terms() == MarginTerms(Decimal(7), "cross")


def test_text_ids_are_refused(bench: Bench) -> None:
    bench.ids = ClientOrderIds("home", "bot", 1)  # type: ignore[assignment]
    bench.client = bench.make("SOL-PERP", {})
    with pytest.raises(ConfigError, match="32 bits"):
        bench.opened()


def test_key_report_says_that_rights_are_not_told(bench: Bench) -> None:
    report = bench.opened().client.check_key()
    assert not report.refused and "cannot withdraw" in report.warnings[0]


@pytest.mark.parametrize(("redeem", "warnings"), [(False, 2), (True, 1)])
def test_lent_balances_without_leave_to_redeem_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, redeem: bool, warnings: int
) -> None:
    bench = Bench(monkeypatch, auto_lend_redeem=redeem)
    bench.canned.answers["/api/v1/account"] = (200, ACCOUNT | {"autoLend": True})
    assert len(bench.opened().client.check_key().warnings) == warnings


def test_account_in_liquidation_is_refused(bench: Bench) -> None:
    bench.canned.answers["/api/v1/account"] = (200, ACCOUNT | {"liquidating": True})
    assert "closing" in bench.opened().client.check_key().refused


def test_market_data_needs_no_key(bench: Bench) -> None:
    bench.client = bench.make("SOL-USDC", {}, public_only=True)
    bench.opened()
    bench.client.start_market_data()
    bench.connect()
    assert bench.ws.frames == [{"method": "SUBSCRIBE", "params": ["depth.SOL_USDC", "trade.SOL_USDC"]}]
    assert not any("X-API-Key" in sent.built.headers for sent in bench.http.waited)
    with pytest.raises(VenueRefused, match="needs a key"):
        bench.client.cancel(["x"])


def test_budget_is_of_the_key_and_tells_nothing_of_it(bench: Bench) -> None:
    (scope,) = bench.client.rate_scopes()
    assert scope.key.startswith("backpack:key:") and PUBLIC not in scope.key
    assert scope.per_s == pytest.approx(1000 / 60)
    assert bench.make("SOL-PERP", {"request_rate_per_s": 5}).rate_scopes()[0].per_s == 5


def test_late_arrival_covers_the_wait_here_and_the_life_of_the_signature(bench: Bench) -> None:
    assert bench.client.capabilities.late_arrival_s == 11
    assert bench.make("SOL-PERP", {"recv_window_ms": 1000}).capabilities.late_arrival_s == 7


def test_closed_client_takes_nothing(bench: Bench) -> None:
    bench.opened().client.close()
    for request in (
        lambda: bench.client.submit([]),
        lambda: bench.client.cancel([]),
        lambda: bench.client.request_report(1, None),
        lambda: bench.client.poll(0),
    ):
        with pytest.raises(VenueUnreachable, match="not open"):
            request()
    bench.client.close()
    assert bench.http.is_closed


def test_candles_come_oldest_first_and_no_more_than_asked_for(bench: Bench) -> None:
    rows = [
        {"start": f"2025-11-20 14:4{minute}:00", "open": "1", "high": "1", "low": "1", "close": "1", "volume": "2"}
        for minute in (5, 3, 4)
    ]
    bench.canned.answers["/api/v1/klines"] = (200, rows)
    candles = bench.opened().client.candles(60, 2)
    assert [candle.start_ns // 60_000_000_000 % 60 for candle in candles] == [44, 45]
    assert int(bench.http.waited[-1].query["startTime"]) == NOW_MS // 1000 - 120


def test_candles_of_an_odd_length_are_refused(bench: Bench) -> None:
    with pytest.raises(VenueRefused, match="7 s is not one of"):
        bench.opened().client.candles(7, 10)


# Streams


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


# Reports


def fill_row(number: int, at_ms: int, **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "SOL_USDC_PERP",
        "tradeId": str(number),
        "orderId": "77",
        "clientId": None,
        "side": "Bid",
        "price": "98",
        "quantity": "0.1",
        "fee": "0.01",
        "feeSymbol": "USDC",
        "isMaker": True,
        "timestamp": at_ms,
    }
    return row | changes


POSITIONS = [{"symbol": "SOL_USDC_PERP", "netQuantity": "-1.5", "entryPrice": "99.5"}]
MARGIN = {
    "netEquityAvailable": "40",
    "collateral": [{"symbol": "USDC", "totalQuantity": "50", "lendQuantity": "20", "availableQuantity": "30"}],
}


def answered(bench: Bench, **parts: Any) -> Bench:
    """Answer the parts of a report; a part may be a (status, payload)."""
    usual: dict[str, Any] = {"orders": [], "fills": [], "position": POSITIONS, "balances": MARGIN}
    calls = {"orders": ORDERS, "fills": FILLS, "position": POSITION, "balances": COLLATERAL}
    for name, said in (usual | parts).items():
        if bench.sent(calls[name]):
            status, payload = said if isinstance(said, tuple) else (200, said)
            bench.say(calls[name], status, payload)
    return bench


def test_report_reads_the_orders_before_the_rest(bench: Bench) -> None:
    bench.opened().client.request_report(1, None)
    assert [sent.what for sent in bench.http.open] == [ORDERS]
    bench.say(ORDERS, 200, [])
    assert sorted(sent.what for sent in bench.http.open) == sorted([FILLS, POSITION, COLLATERAL])


def test_report_holds_what_the_venue_knows(bench: Bench) -> None:
    bench.opened().client.request_report(7, None)
    key = bench.ids.next()
    foreign = bench.taken(key, "81", status="PartiallyFilled", filled="0.2") | {"clientId": None, "side": "Ask"}
    answered(bench, orders=[bench.taken(key, "80"), foreign], fills=[fill_row(1, NOW_MS)])
    report = bench.report
    assert report.complete and report.request_id == 7 and report.as_of_ns == UTC_NS
    own, other = report.open_orders
    assert (own.client_order_id, own.venue_order_id, own.price_ticks, own.size_lots) == (key, "80", 9800, 100)
    assert (other.client_order_id, other.side, other.filled_lots) == ("", Side.SELL, 20)
    assert other.state is OrderState.PARTIALLY_FILLED
    (position,) = report.positions
    assert (position.size_lots, position.entry_price) == (-150, Decimal("99.5"))
    (balance,) = report.balances
    assert (balance.total, balance.available) == (Decimal(50), Decimal(40))


@pytest.mark.parametrize("flat", [[], (404, {"code": "RESOURCE_NOT_FOUND", "message": "x"})])
def test_no_position_is_flat(bench: Bench, flat: Any) -> None:
    bench.opened().client.request_report(1, None)
    answered(bench, position=flat)
    assert bench.report.complete and bench.report.positions == ()


@pytest.mark.parametrize("part", ["orders", "fills", "position", "balances"])
@pytest.mark.parametrize(
    "trouble",
    [
        (503, None),
        (404, b"<html>"),
        (404, {"message": "no Route matched"}),
        (200, b"<html>"),
        (200, {"odd": 1}),
        (200, None),
        (400, {"code": "X"}),
    ],
)
def test_part_that_cannot_be_read_makes_the_report_incomplete(bench: Bench, part: str, trouble: Any) -> None:
    bench.opened().client.request_report(1, "5")
    answered(bench, **{part: trouble})
    assert not bench.report.complete and bench.report.mark is None and bench.report.reason.startswith(part)


def test_incomplete_report_says_what_the_venue_said(bench: Bench) -> None:
    bench.opened().client.request_report(1, None)
    answered(bench, fills=(400, {"code": "INVALID_RANGE", "message": "Too far back"}))
    assert bench.report.reason.startswith("fills: INVALID_RANGE: Too far back")


def test_position_that_cannot_be_asked_for_is_not_flat(bench: Bench) -> None:
    bench.opened().client.request_report(1, None)
    answered(bench, position=(500, None))
    assert not bench.report.complete


def test_spot_report_has_balances_and_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "SOL-USDC").opened()
    bench.client.request_report(1, None)
    bench.say(ORDERS, 200, [])
    bench.say(FILLS, 200, [])
    bench.say(CAPITAL, 200, {"USDC": {"available": "1", "locked": "2", "staked": "0"}})
    assert bench.report.complete and bench.report.positions == ()
    assert [(each.asset, each.total, each.available) for each in bench.report.balances] == [("USDC", 3, 1)]


def test_fills_are_oldest_first_and_the_mark_is_the_newest(bench: Bench) -> None:
    bench.opened().client.request_report(1, str(NOW_MS - 1000))
    rows = [fill_row(4, NOW_MS + 5), fill_row(3, NOW_MS + 5), fill_row(2, NOW_MS), fill_row(1, NOW_MS - 10)]
    answered(bench, fills=rows)
    assert [fill.trade_id for fill in bench.report.fills] == ["1", "2", "3", "4"]
    assert bench.report.mark == str(NOW_MS + 5)


def test_fills_are_read_from_before_the_mark_and_the_mark_never_goes_back(bench: Bench) -> None:
    bench.opened().client.request_report(1, str(NOW_MS))
    bench.say(ORDERS, 200, [])
    assert int(bench.sent(FILLS)[0].query["from"]) == NOW_MS - 120_000
    answered(bench, fills=[fill_row(1, NOW_MS - 60_000)])
    assert bench.report.mark == str(NOW_MS) and len(bench.report.fills) == 1


@pytest.mark.parametrize("since", [None, "somewhere-else-17", "-5"])
def test_bot_without_a_mark_reads_the_last_day(bench: Bench, since: str | None) -> None:
    bench.opened().client.request_report(1, since)
    bench.say(ORDERS, 200, [])
    assert int(bench.sent(FILLS)[0].query["from"]) == NOW_MS - 24 * 3600 * 1000 - 120_000


def test_fills_are_read_page_by_page_until_one_that_must_be_the_last(bench: Bench) -> None:
    bench.opened().client.request_report(1, str(NOW_MS))
    bench.say(ORDERS, 200, [])
    bench.say(POSITION, 200, [])
    bench.say(COLLATERAL, 200, MARGIN)
    bench.say(FILLS, 200, [fill_row(number, NOW_MS) for number in range(2000, 1000, -1)])
    assert bench.sent(FILLS)[0].query["offset"] == "1000"
    bench.say(FILLS, 200, [fill_row(number, NOW_MS) for number in range(1001, 501, -1)])
    assert bench.sent(FILLS)[0].query["offset"] == "1500"
    bench.say(FILLS, 200, [fill_row(number, NOW_MS) for number in range(502, 403, -1)])
    assert len(bench.report.fills) == 1597 and bench.report.complete


def test_second_page_that_fails_makes_the_report_incomplete(bench: Bench) -> None:
    bench.opened().client.request_report(1, str(NOW_MS))
    bench.say(ORDERS, 200, [])
    bench.say(FILLS, 200, [fill_row(number, NOW_MS) for number in range(2000, 1000, -1)])
    bench.say(FILLS, 503)
    assert not bench.report.complete and len(bench.report.fills) == 1000


def test_fill_is_named_by_our_id_or_by_the_venues_alone(bench: Bench) -> None:
    key = bench.streaming().resting("77")
    other = bench.ids.next()
    bench.client.request_report(1, None)
    rows = [
        fill_row(1, NOW_MS),
        fill_row(2, NOW_MS, orderId="90", clientId=bench.ids.to_wire(other)),
        fill_row(3, NOW_MS, orderId="91"),
        fill_row(4, NOW_MS, orderId="92", clientId=5),
    ]
    answered(bench, fills=rows[::-1])
    assert [fill.client_order_id for fill in bench.report.fills] == [key, other, "", "x5"]
    assert [fill.venue_order_id for fill in bench.report.fills] == ["77", "90", "91", "92"]


def test_fill_of_stream_and_history_is_the_same_fact(bench: Bench) -> None:
    key = bench.streaming().resting("77")
    told = {"z": "0.1", "t": 5, "l": "0.1", "L": "98", "m": True, "n": "0.01", "N": "USDC", "T": 1763650000122900}
    bench.news("orderFill", "PartiallyFilled", c=bench.ids.to_wire(key), **told)
    bench.client.request_report(1, None)
    answered(bench, fills=[fill_row(5, 1763650000122)])
    assert bench.report.fills == (bench.fills[0].fill,)


def test_order_that_a_report_lists_is_cancelled_by_the_venues_id(bench: Bench) -> None:
    bench.opened().client.request_report(1, None)
    key = bench.ids.next()
    answered(bench, orders=[bench.taken(key, "80")])
    bench.client.cancel([key])
    assert bench.sent("DELETE /api/v1/order")[0].body["orderId"] == "80"


def test_too_many_questions_at_once_give_up_the_oldest(bench: Bench) -> None:
    bench.opened()
    for number in range(1, 6):
        bench.client.request_report(number, None)
    bench.poll()
    assert (bench.report.request_id, bench.report.complete) == (1, False)


def test_key_refused_in_a_report_ends_the_bot(bench: Bench) -> None:
    bench.opened().client.request_report(1, None)
    with pytest.raises(VenueAuthError, match="INVALID_SIGNATURE"):
        bench.say(ORDERS, 400, {"code": "INVALID_SIGNATURE", "message": "x"})


def test_report_refused_for_its_time_is_read_with_a_measured_one(bench: Bench) -> None:
    bench.opened().client.request_report(1, None)
    bench.say(ORDERS, 400, {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid timestamp"})
    bench.say("GET /api/v1/time", 200, NOW_MS)
    answered(bench)
    assert bench.report.complete


def test_context_needs_no_more_than_the_interface_says() -> None:
    context = ClientContext("backpack", "SOL-PERP", "a", "bot", "", ())
    assert BackpackClient({}, context).rate_scopes()[0].key == "backpack:ip"


# The listing

LISTING = "GET /api/v1/market"


def listing(**filters: str) -> dict[str, Any]:
    found = market("SOL_USDC_PERP", "PERP")
    for part in found["filters"].values():
        part |= {key: value for key, value in filters.items() if key in part}
    return found


def test_listing_that_has_not_changed_is_read_again_now_and_then(bench: Bench) -> None:
    bench.opened().poll(299)
    assert bench.sent(LISTING) == []
    bench.poll(1)
    assert bench.say(LISTING, 200, listing()).query == {"symbol": "SOL_USDC_PERP"}
    bench.poll(300)
    assert len(bench.sent(LISTING)) == 1


@pytest.mark.parametrize("answer", [(503, None), (200, b"<html>"), (200, {"odd": 1}), (404, {"code": "X"})])
def test_listing_that_cannot_be_read_changes_nothing(bench: Bench, answer: tuple[int, Any]) -> None:
    bench.opened().poll(300)
    bench.say(LISTING, *answer)
    bench.poll(1)


@pytest.mark.parametrize(
    ("filters", "says"), [({"tickSize": "0.05"}, "tick size from 0.01 to 0.05"), ({"stepSize": "0.1"}, "lot size from")]
)
def test_increments_that_have_changed_end_the_client(bench: Bench, filters: dict[str, str], says: str) -> None:
    bench.opened().poll(300)
    with pytest.raises(VenueUnreachable, match=says):
        bench.say(LISTING, 200, listing(**filters))


def test_listing_is_read_soon_on_a_new_connection(bench: Bench) -> None:
    bench.streaming()
    bench.poll(10)
    assert bench.sent(LISTING) == []
    bench.lose()
    bench.ws.items.append(WsOpened(2, None))
    bench.poll()
    assert len(bench.sent(LISTING)) == 1


@pytest.mark.parametrize("code", ["INVALID_PRICE", "INVALID_QUANTITY"])
def test_listing_is_read_soon_when_an_orders_price_or_size_is_refused(bench: Bench, code: str) -> None:
    bench.opened().poll(10)
    bench.submit()
    bench.say("POST /api/v1/order", 400, {"code": code, "message": "No"})
    bench.poll()
    assert len(bench.sent(LISTING)) == 1


# A market that is not listed any more


def test_our_orders_on_all_markets_are_told_without_opening_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "GONE-PERP")
    ours = bench.ids.next()
    rows = [{**bench.taken(ours), "symbol": "X_Y"}, {**bench.taken(ours), "clientId": 7}, {**bench.taken(ours)}]
    del rows[2]["clientId"]
    bench.canned.answers["/api/v1/orders"] = (200, rows)
    with pytest.raises(NotListed):
        bench.opened()
    assert bench.client.orders_anywhere(bench.ids.owns) == (ours,)
    assert bench.http.waited[-1].query == {} and bench.http.is_closed


@pytest.mark.parametrize("answer", [(503, None), (200, {"odd": 1}), (200, [{"odd": 1}]), (404, b"<html>")])
def test_orders_on_all_markets_that_cannot_be_read_are_not_none(bench: Bench, answer: tuple[int, Any]) -> None:
    bench.canned.answers["/api/v1/orders"] = answer
    with pytest.raises(VenueUnreachable):
        bench.client.orders_anywhere(bench.ids.owns)
