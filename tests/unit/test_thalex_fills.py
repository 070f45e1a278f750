"""Fills of Thalex: told once, with their fee, before the end of their order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from core.market.client_ids import ClientOrderIds
from core.market.events import FillEvent, OrderUpdate
from tests.thalex_parts import Bench, bid, fill_row, listed, quoting_bench, trade
from tests.unit.thalex_order_parts import E, answer_insert, say_order


@pytest.fixture
def bench() -> Iterator[Bench]:
    with quoting_bench() as opened:
        opened.venue.frames.clear()
        yield opened


def test_fill_is_told_once_with_its_fee_as_a_cost(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    for _ in range(3):
        bench.venue.say("account.trade_history", [trade("t1", "mk-a-1")])
    bench.poll()
    (fill,) = bench.fills
    assert (fill.client_order_id, fill.size_lots, fill.price_ticks, fill.liquidity) == ("mk-a-1", 40, 101, "maker")
    assert (fill.fee, fill.fee_asset, fill.venue_ns) == (Decimal("0.0519912"), "USD", 1795189678379000000)


def test_fee_that_is_not_told_is_the_configs_and_not_nothing(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.say("account.trade_history", [{**trade("t1", "mk-a-1"), "fee": None, "maker_taker": "taker"}])
    bench.poll()
    assert bench.fills[0].fee == Decimal("101") * Decimal("0.04") * 5 / 10_000


def test_fills_are_told_before_the_end_of_their_order(bench: Bench) -> None:
    filled = {"status": "filled", "filled_amount": 0.1, "fills": [fill_row("t1", 0.04), fill_row("t2", 0.06)]}
    answer_insert(bench, **filled)
    bench.submit(bid("mk-a-1", post_only=False))
    assert bench.events("mk-a-1") == []
    say_order(bench, "mk-a-1", **filled)
    bench.venue.say("account.trade_history", [trade("t1", "mk-a-1", 0.04), trade("t2", "mk-a-1", 0.06)])
    bench.poll()
    told = [type(item) for item in bench.said if isinstance(item, FillEvent | OrderUpdate)]
    assert told == [FillEvent, FillEvent, OrderUpdate]
    (update,) = bench.updates("mk-a-1")
    assert (update.event, update.filled_lots) == (E.FULL_FILL, 100)


def test_immediate_order_that_is_filled_in_part_expires_with_what_it_got(bench: Bench) -> None:
    answer_insert(
        bench,
        status="cancelled_partially_filled",
        delete_reason="immediate_cancel",
        filled_amount=0.04,
        remaining_amount=0,
        fills=[fill_row("t1")],
    )
    bench.venue.say("account.trade_history", [trade("t1", "mk-a-1")])
    bench.client.submit([bid("mk-a-1", post_only=False, time_in_force="IOC")])
    bench.poll()
    (update,) = bench.updates("mk-a-1")
    assert (update.event, update.reason, update.filled_lots) == (E.EXPIRED, "ioc", 40) and len(bench.fills) == 1


def test_end_of_an_order_does_not_wait_for_ever_for_its_fills(bench: Bench) -> None:
    answer_insert(bench, status="filled", filled_amount=0.1, fills=[fill_row("t1", 0.1)])
    bench.submit(bid("mk-a-1", post_only=False))
    due = bench.poll()
    assert due is not None and due <= bench.now + 10**9
    bench.poll(1.1)
    (update,) = bench.updates("mk-a-1")
    assert (update.event, update.filled_lots) == (E.FULL_FILL, 100) and bench.fills == []


def test_partial_fill_that_does_not_come_has_the_loop_ask(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    say_order(
        bench, "mk-a-1", status="partially_filled", filled_amount=0.04, fills=[fill_row("t1")], change_reason="fill"
    )
    bench.poll()
    bench.poll(1.1)
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.OUTCOME_UNKNOWN]


def test_fills_of_an_order_that_is_merely_listed_are_not_awaited(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    say_order(bench, "mk-a-1", status="partially_filled", fills=[fill_row("t0")], change_reason="existing")
    bench.poll()
    bench.poll(2)
    assert bench.events("mk-a-1") == [E.ACCEPTED]


def test_late_fill_of_a_closed_order_is_told(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    say_order(bench, "mk-a-1", status="cancelled", delete_reason="client_cancel")
    bench.venue.say("account.trade_history", [trade("t1", "mk-a-1")])
    bench.poll()
    assert [fill.trade_id for fill in bench.fills] == ["t1"]


def test_order_and_fill_without_a_label_are_known_by_the_venues_id(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"), bid("mk-a-2", price=98))
    order_id = bench.updates("mk-a-1")[0].venue_order_id or ""
    bench.venue.say("account.trade_history", [trade("t1", "", order_id=order_id)])
    ended = {"status": "cancelled_partially_filled", "filled_amount": 0.04, "delete_reason": "client_cancel"}
    bench.venue.say("account.orders", [listed("", order_id, **ended)])
    bench.poll()
    assert [(fill.trade_id, fill.client_order_id) for fill in bench.fills] == [("t1", "mk-a-1")]
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCELED] and bench.events("mk-a-2") == [E.ACCEPTED]


def test_orders_and_fills_of_others_are_left_alone() -> None:
    ids = ClientOrderIds("home", "tester", 1)
    bench = Bench(ids=ids).open()
    own, other = ids.next(), ClientOrderIds("home", "else", 1).next()
    bench.venue.say("account.trade_history", [trade("t1", other), trade("t2", ""), trade("t3", own)])
    bench.venue.say("account.trade_history", [trade("t4", own, instrument_name="ETH-PERPETUAL")])
    bench.venue.say("account.orders", [listed(other, "00F1", status="cancelled", delete_reason="client_cancel")])
    bench.poll()
    assert [fill.trade_id for fill in bench.fills] == ["t3"] and bench.updates(other) == []


def test_bookings_of_the_venue_are_not_told_as_fills(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.say("account.trade_history", [trade("t1", "mk-a-1", trade_type="daily_mark")])
    bench.poll()
    assert bench.fills == []


def test_order_that_is_listed_no_more_is_forgotten_in_time(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    desk = bench.client._opened().orders
    for seconds, kept in ((1, ["mk-a-1"]), (60, [])):
        bench.poll(seconds)
        bench.client.request_report(seconds, None)
        bench.poll()
        bench.poll(1)
        assert desk.live_keys() == kept


def test_memory_of_orders_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.thalex_orders._MAX_CLOSED", 50)
    answer_insert(bench, status="cancelled", delete_reason="immediate_cancel")
    for number in range(200):
        bench.client.submit([bid(f"mk-a-{number}")])
        bench.poll(0.1)
    desk = bench.client._opened().orders
    assert desk.live_keys() == [] and len(desk._closed) == 50 and bench.client._opened().calls.waiting == 0
