"""Backpack's reports: orders, fills, position and balances, whole or incomplete."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.order import OrderState, Side
from tests.unit.backpack_bench import UTC_NS, Bench
from utils.errors import VenueAuthError

ORDERS, FILLS, POSITION = "GET /api/v1/orders", "GET /wapi/v1/history/fills", "GET /api/v1/position"
COLLATERAL, CAPITAL = "GET /api/v1/capital/collateral", "GET /api/v1/capital"
NOW_MS = UTC_NS // 1_000_000


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


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
