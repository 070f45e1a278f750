"""Orders and cancels of a Backpack client: each is answered once, in whatever order the venue speaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.market.order import OrderEvent
from tests.unit.backpack_bench import BATCH, DELETE, LOOK, POST, Bench
from utils.errors import OutcomeUnknown, VenueAuthError, VenueUnreachable

E = OrderEvent


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch).streaming()


def test_order_leaves_with_the_number_that_stands_for_our_id(bench: Bench) -> None:
    key = bench.submit()
    (sent,) = bench.sent(POST)
    assert sent.body["clientId"] == bench.ids.to_wire(key)
    assert sent.body["symbol"] == "SOL_USDC_PERP" and sent.body["postOnly"] is True


def test_taken_order_is_accepted_with_the_venues_id(bench: Bench) -> None:
    key = bench.resting()
    assert bench.events(key) == [E.ACCEPTED] and bench.last(key).venue_order_id == "77"


def test_answer_and_stream_are_one_acceptance(bench: Bench) -> None:
    key = bench.resting()
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    assert bench.events(key) == [E.ACCEPTED]


def test_stream_may_speak_before_the_answer(bench: Bench) -> None:
    key = bench.submit()
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    bench.say(POST, 200, bench.taken(key))
    assert bench.events(key) == [E.ACCEPTED]


def test_stream_without_our_id_is_understood_once_the_answer_names_the_venues(bench: Bench) -> None:
    key = bench.submit()
    bench.news("orderFill", "PartiallyFilled", z="0.4", t=1, l="0.4", L="98", m=True, n="0.01", N="USDC")
    assert not bench.fills
    bench.say(POST, 200, bench.taken(key, status="PartiallyFilled", filled="0.4"))
    assert [fill.fill.client_order_id for fill in bench.fills] == [key]
    bench.news("orderFill", "Filled", z="1", t=2, l="0.6", L="98", m=True, n="0.01", N="USDC")
    assert [fill.fill.size_lots for fill in bench.fills] == [40, 60]
    assert bench.events(key) == [E.ACCEPTED, E.FULL_FILL] and bench.last(key).filled_lots == 100


def test_fill_carries_all_that_the_stream_tells(bench: Bench) -> None:
    key = bench.resting()
    told = {"z": "1", "t": 2, "l": "1", "L": "97.99", "m": False, "n": "-0.0001", "N": "USDC"}
    bench.news("orderFill", "Filled", c=bench.ids.to_wire(key), **told)
    (event,) = bench.fills
    fill = event.fill
    assert (fill.trade_id, fill.price_ticks, fill.size_lots, fill.liquidity) == ("2", 9799, 100, "taker")
    assert (str(fill.fee), fill.fee_asset, fill.venue_order_id) == ("-0.0001", "USDC", "77")
    assert fill.venue_ns == 1763650000122 * 1_000_000


def test_repeated_fill_is_told_once(bench: Bench) -> None:
    key = bench.resting()
    for _ in range(2):
        bench.news("orderFill", "PartiallyFilled", c=bench.ids.to_wire(key), z="0.4", t=1, l="0.4", L="98", m=True)
    assert len(bench.fills) == 1


def test_order_that_is_filled_in_its_answer_is_accepted_and_filled(bench: Bench) -> None:
    key = bench.submit(post_only=False)
    bench.say(POST, 200, bench.taken(key, status="Filled", filled="1"))
    assert bench.events(key) == [E.ACCEPTED, E.FULL_FILL] and bench.last(key).filled_lots == 100
    bench.news("orderFill", "Filled", z="1", t=2, l="1", L="98", m=False)
    assert len(bench.fills) == 1 and bench.events(key) == [E.ACCEPTED, E.FULL_FILL]


@pytest.mark.parametrize("status", ["Expired", "Cancelled"])
def test_rest_of_an_immediate_order_expires(bench: Bench, status: str) -> None:
    key = bench.submit(post_only=False, time_in_force="IOC")
    bench.say(POST, 200, bench.taken(key, status=status, filled="0.3"))
    assert bench.events(key) == [E.ACCEPTED, E.EXPIRED] and bench.last(key).filled_lots == 30


def test_immediate_order_whose_end_is_not_told_is_looked_at(bench: Bench) -> None:
    key = bench.submit(post_only=False, time_in_force="IOC")
    bench.say(POST, 200, bench.taken(key, status="PartiallyFilled", filled="0.3"))
    assert bench.events(key) == [E.ACCEPTED]
    bench.poll(1)
    bench.say(LOOK, 404, {"code": "RESOURCE_NOT_FOUND", "message": "Not found"})
    assert bench.events(key) == [E.ACCEPTED, E.OUTCOME_UNKNOWN]


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "INSUFFICIENT_MARGIN", "insufficient_funds INSUFFICIENT_MARGIN"),
        (400, "INVALID_PRICE", "price INVALID_PRICE"),
        (400, "INVALID_QUANTITY", "size INVALID_QUANTITY"),
        (400, "ORDER_LIMIT", "limit ORDER_LIMIT"),
        (429, "TOO_MANY_REQUESTS", "rate_limited TOO_MANY_REQUESTS"),
        (503, "MAINTENANCE", "maintenance MAINTENANCE"),
    ],
)
def test_refused_order_says_why(bench: Bench, status: int, code: str, reason: str) -> None:
    key = bench.submit()
    bench.say(POST, status, {"code": code, "message": "No"})
    assert bench.events(key) == [E.REJECTED] and bench.last(key).reason.startswith(reason)


def test_post_only_refusal_has_the_one_reason(bench: Bench) -> None:
    key = bench.submit()
    bench.say(POST, 400, {"code": "INVALID_ORDER", "message": "Order would immediately match and take"})
    assert bench.last(key).reason == "post_only_would_cross"


@pytest.mark.parametrize("spelling", ["PostOnlyTaker", "POST_ONLY_TAKER"])
def test_post_only_order_that_the_engine_expires_is_a_reject(bench: Bench, spelling: str) -> None:
    key = bench.submit()
    bench.news("orderExpired", "Expired", c=bench.ids.to_wire(key), R=spelling)
    bench.say(POST, 200, bench.taken(key))
    assert bench.events(key) == [E.REJECTED] and bench.last(key).reason == "post_only_would_cross"


@pytest.mark.parametrize(
    ("status", "payload"),
    [
        (500, {"code": "SERVER_ERROR", "message": ""}),
        (400, {"code": "TIMEOUT", "message": ""}),
        (503, b"Unknown error, please check your request or try again later."),
        (200, b"<html>"),
        (200, {"id": "1"}),
        (202, None),
    ],
)
def test_what_is_not_a_clear_answer_is_unknown(bench: Bench, status: int, payload: object) -> None:
    key = bench.submit()
    bench.say(POST, status, payload)
    assert bench.events(key) == [E.OUTCOME_UNKNOWN]


def test_lost_answer_is_unknown_and_the_stream_settles_it(bench: Bench) -> None:
    key = bench.submit()
    bench.fail(POST, OutcomeUnknown("timed out"))
    assert bench.events(key) == [E.OUTCOME_UNKNOWN]
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    assert bench.events(key) == [E.OUTCOME_UNKNOWN, E.ACCEPTED]


def test_lost_answer_of_an_order_that_the_stream_has_shown_is_no_doubt(bench: Bench) -> None:
    key = bench.submit()
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    bench.fail(POST, OutcomeUnknown("timed out"))
    assert bench.events(key) == [E.ACCEPTED]


def test_order_that_certainly_did_not_leave_is_rejected(bench: Bench) -> None:
    key = bench.submit()
    bench.fail(POST, VenueUnreachable("no connection"))
    assert bench.events(key) == [E.REJECTED] and "no connection" in bench.last(key).reason


def test_refused_key_ends_the_bot_and_the_order(bench: Bench) -> None:
    key = bench.submit()
    with pytest.raises(VenueAuthError, match=r"FORBIDDEN.*trading right"):
        bench.say(POST, 403, {"code": "FORBIDDEN", "message": "No"})
    assert bench.events(key) == [E.REJECTED]


@pytest.mark.parametrize("code", ["FORBIDDEN", "UNAUTHORIZED", "INVALID_SIGNATURE", "ACCOUNT_LIQUIDATING"])
def test_refused_key_within_a_batch_ends_the_bot(bench: Bench, code: str) -> None:
    first, second = bench.order(), bench.order()
    bench.client.submit([first, second])
    refused = {"operation": "Err", "code": code, "message": "No"}
    with pytest.raises(VenueAuthError, match=code):
        bench.say(BATCH, 200, [bench.taken(first.client_order_id), refused])
    assert bench.events(first.client_order_id) == [E.ACCEPTED]
    assert bench.events(second.client_order_id) == [E.REJECTED]


def test_page_of_something_in_between_leaves_an_order_in_doubt(bench: Bench) -> None:
    key = bench.submit()
    bench.say(POST, 404, b"<html>")
    assert bench.events(key) == [E.OUTCOME_UNKNOWN]


def test_orders_sent_together_are_one_request_and_answered_each_on_its_own(bench: Bench) -> None:
    first, second, third = (bench.order() for _ in range(3))
    bench.client.submit([first, second, third])
    (sent,) = bench.sent(BATCH)
    assert [row["clientId"] for row in sent.body] == [
        bench.ids.to_wire(o.client_order_id) for o in (first, second, third)
    ]
    refused = {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "No"}
    lost = {"operation": "Err", "code": "TIMEOUT", "message": ""}
    bench.say(BATCH, 200, [bench.taken(first.client_order_id) | {"operation": "Ok"}, refused, lost])
    events = [bench.events(order.client_order_id) for order in (first, second, third)]
    assert events == [[E.ACCEPTED], [E.REJECTED], [E.OUTCOME_UNKNOWN]]


def test_batch_that_is_answered_in_another_order_goes_by_the_names(bench: Bench) -> None:
    first, second, third = (bench.order() for _ in range(3))
    bench.client.submit([first, second, third])
    refused = {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "No"}
    taken = [bench.taken(second.client_order_id, "70"), bench.taken(first.client_order_id, "71"), refused]
    bench.say(BATCH, 200, taken)
    assert [bench.last(order.client_order_id).venue_order_id for order in (first, second)] == ["71", "70"]
    assert bench.events(third.client_order_id) == [E.OUTCOME_UNKNOWN]  # whose refusal it is cannot be told


def test_batch_whose_answer_is_too_short_is_unknown(bench: Bench) -> None:
    orders = [bench.order() for _ in range(2)]
    bench.client.submit(orders)
    bench.say(BATCH, 200, [bench.taken(orders[0].client_order_id)])
    assert [bench.events(order.client_order_id) for order in orders] == [[E.OUTCOME_UNKNOWN]] * 2


def test_many_orders_are_several_batches(bench: Bench) -> None:
    bench.client.submit([bench.order() for _ in range(45)])
    assert [len(sent.body) for sent in bench.sent(BATCH)] == [20, 20, 5]


@pytest.mark.parametrize(("changes", "reason"), [({"size_lots": 0}, "min_size"), ({"size_lots": -5}, "min_size")])
def test_order_without_a_size_is_never_sent(bench: Bench, changes: dict[str, int], reason: str) -> None:
    order = replace(bench.order(), **changes)
    bench.client.submit([order])
    bench.poll()
    assert bench.last(order.client_order_id).reason.startswith(reason) and not bench.sent(POST)


def test_id_that_is_open_is_not_sent_again(bench: Bench) -> None:
    order = bench.order()
    bench.client.submit([order])
    bench.client.submit([order])
    bench.poll()
    assert len(bench.sent(POST)) == 1 and "duplicate" in bench.last(order.client_order_id).reason


def test_id_of_somebody_else_is_not_sent(bench: Bench) -> None:
    bench.client.submit([replace(bench.order(), client_order_id="n9.1")])
    bench.client.cancel(["n9.1", "junk"])
    bench.poll()
    assert bench.events("n9.1") == [E.REJECTED, E.CANCEL_REJECTED] and bench.events("junk") == [E.CANCEL_REJECTED]
    assert not bench.sent(POST) and not bench.sent(DELETE)


# The clock


CLOCK = {"code": "INVALID_CLIENT_REQUEST", "message": "Request has expired"}
TIME = "GET /api/v1/time"


def test_cancel_refused_for_its_time_is_repeated_with_a_measured_one(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    first = bench.sent(DELETE)[0].built.headers["X-Timestamp"]
    bench.say(DELETE, 400, CLOCK)
    assert not bench.sent(DELETE)
    bench.say(TIME, 200, int(first) + 30_000)
    again = bench.sent(DELETE)[0].built.headers["X-Timestamp"]
    assert int(again) - int(first) == 30_000 and bench.events(key) == [E.ACCEPTED]


def test_cancel_that_is_refused_for_its_time_twice_is_told(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    for _ in range(2):
        bench.say(DELETE, 400, CLOCK)
        if bench.sent(TIME):
            bench.say(TIME, 200, 1763650000000)
    assert bench.events(key) == [E.ACCEPTED, E.CANCEL_REJECTED] and not bench.sent(DELETE)


def test_order_refused_for_its_time_is_rejected_and_the_clock_measured(bench: Bench) -> None:
    key = bench.submit()
    bench.say(POST, 400, CLOCK)
    assert bench.events(key) == [E.REJECTED] and bench.last(key).reason.startswith("clock")
    assert len(bench.sent(TIME)) == 1 and not bench.sent(POST)


# Odd news


def test_unknown_event_makes_an_order_doubtful(bench: Bench) -> None:
    key = bench.resting()
    bench.news("orderTeleported", "Elsewhere", c=bench.ids.to_wire(key))
    assert bench.events(key) == [E.ACCEPTED, E.OUTCOME_UNKNOWN]


def test_order_that_the_venue_made_smaller_ends_with_a_rest_that_never_fills(bench: Bench) -> None:
    key = bench.resting()
    bench.news("orderModified", "New", c=bench.ids.to_wire(key), q="0.5")
    bench.news("orderFill", "Filled", c=bench.ids.to_wire(key), q="0.5", z="0.5", t=2, l="0.5", L="98", m=True)
    assert bench.events(key) == [E.ACCEPTED, E.EXPIRED] and bench.last(key).filled_lots == 50


def test_resting_order_that_the_engine_ends_has_expired(bench: Bench) -> None:
    key = bench.resting()
    bench.news("orderExpired", "Expired", c=bench.ids.to_wire(key), R="InsufficientFunds")
    assert bench.events(key) == [E.ACCEPTED, E.EXPIRED]
    assert bench.last(key).reason.startswith("insufficient_funds")


def test_news_of_foreign_orders_is_nothing_to_us(bench: Bench) -> None:
    bench.news("orderFill", "Filled", c=5, z="1", t=2, l="1", L="98", m=True)
    bench.news("orderFill", "Filled", z="1", t=3, l="1", L="98", m=True)
    assert not bench.fills


def test_news_of_another_market_is_nothing_to_us(bench: Bench) -> None:
    key = bench.resting()
    bench.news("orderCancelled", "Cancelled", s="SOL_USDC", c=bench.ids.to_wire(key))
    assert bench.events(key) == [E.ACCEPTED]


def test_venue_that_trades_for_the_account_is_an_alarm(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.news("orderFill", "Filled", z="1", t=2, l="1", L="98", m=False, O="LIQUIDATION_AUTOCLOSE")
    assert [record.levelname for record in caplog.records if record.message == "venue_traded_for_account"] == ["ERROR"]


def test_memory_of_orders_is_bounded(bench: Bench) -> None:
    records = bench.client._orders._records  # type: ignore[union-attr]
    open_key = bench.resting("open")
    for number in range(5_050):
        sent = records.known(f"n3.{number % 3900 + 100}" if number < 3900 else f"n3.{number - 3900}")
        sent.is_ended = sent.key != open_key
        records.learn(sent, f"v{number}")
    assert len(records._by_key) <= 5_000 and len(records._by_venue_id) <= 5_001
