"""A Backpack client from open to close: the market, the key, the streams, the reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from api.backpack_client import BackpackClient
from api.base_client import ClientContext
from api.ws_transport import WsOpened
from core.market.account_needs import MarginTerms
from core.market.client_ids import ClientOrderIds
from tests.unit.backpack_bench import ACCOUNT, PUBLIC, SECOND, SEED, UTC_NS, Bench, market
from utils.env import Secret
from utils.errors import ConfigError, NotListed, VenueAuthError, VenueRefused, VenueUnreachable

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
