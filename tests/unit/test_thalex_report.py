"""The report of a Thalex leg: complete or not, never half of it called whole."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from core.market.order import OrderEvent, OrderState, Side
from core.market.reports import Balance, VenuePosition, VenueReport
from tests.thalex_parts import NAME, SILENCE, Bench, Refused, bid, listed, trade

OPEN, HISTORY, MONEY = "private/open_orders", "private/trade_history", "private/account_summary"
PORTFOLIO = "private/portfolio"
AT = 1795189600


@pytest.fixture
def bench() -> Iterator[Bench]:
    opened = Bench().open()
    opened.venue.frames.clear()
    yield opened
    opened.close()


def report(bench: Bench, since: str | None = None) -> VenueReport:
    bench.client.request_report(len(bench.reports) + 1, since)
    bench.poll()
    bench.poll(1)  # many questions wait for the budget
    return bench.reports[-1]


def has_traded(bench: Bench, *trades: dict[str, Any]) -> None:
    """Let the venue list these executions, as far as they are asked for."""

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        return {"trades": [each for each in trades if each["time"] >= params["time_low"]], "bookmark": None}

    bench.venue.answers[HISTORY] = answer


def ids(found: VenueReport) -> list[str]:
    return [fill.trade_id for fill in found.fills]


def test_report_is_put_together_from_four_answers(bench: Bench) -> None:
    bench.venue.answers[OPEN] = [listed("mk-a-1", "00F1", filled_amount=0.04, status="partially_filled")]
    bench.venue.answers[PORTFOLIO] = [
        {"instrument_name": NAME, "position": -0.04, "average_price": 101.5, "unrealised_pnl": 0.2}
    ]
    has_traded(bench, trade("t1", "mk-a-1", at=AT))
    found = report(bench)
    assert found.complete and found.request_id == 1 and found.leg == "main" and found.as_of_ns == bench.utc - 10**9
    (order,) = found.open_orders
    assert (order.client_order_id, order.venue_order_id, order.side) == ("mk-a-1", "00F1", Side.BUY)
    assert (order.price_ticks, order.size_lots, order.filled_lots) == (99, 100, 40)
    assert order.state is OrderState.PARTIALLY_FILLED and order.sent_ns == 1795189677500000000
    assert ids(found) == ["t1"] and found.fills[0].fee == Decimal("0.0519912")
    assert found.positions == (VenuePosition("main", -40, Decimal("101.5"), Decimal("0.2")),)
    assert found.balances == (
        Balance("USD", Decimal("10000.5"), Decimal("9800.25")),
        Balance("USDT", Decimal(9000), Decimal(9000)),
    )


def test_instrument_that_the_portfolio_leaves_out_is_held_at_zero_and_said_so(bench: Bench) -> None:
    bench.venue.answers[PORTFOLIO] = [{"instrument_name": "ETH-PERPETUAL", "position": 3}]
    assert report(bench).positions == (VenuePosition("main", 0),)


def test_foreign_orders_of_the_symbol_are_in_the_report_and_others_are_not(bench: Bench) -> None:
    bench.venue.answers[OPEN] = [
        listed("", "00F1"),
        listed("somebody", "00F2"),
        listed("mk-a-1", "00F3", instrument_name="ETH-PERPETUAL"),
        {"order_id": "00F4", "legs": [{"instrument_name": NAME}]},
    ]
    assert [(order.client_order_id, order.venue_order_id) for order in report(bench).open_orders] == [
        ("", "00F1"),
        ("somebody", "00F2"),
    ]


@pytest.mark.parametrize("method", [OPEN, HISTORY, PORTFOLIO, MONEY])
@pytest.mark.parametrize("answer", [Refused(20), SILENCE, {"nonsense": 1}, None])
def test_report_with_a_gap_is_incomplete_and_says_why(bench: Bench, method: str, answer: Any) -> None:
    bench.venue.answers[method] = answer if answer is not None else (lambda _params: 7)
    bench.client.request_report(1, None)
    bench.poll()
    bench.poll(9)
    (found,) = bench.reports
    assert not found.complete and method in found.reason
    assert found.positions == () and found.balances == () and found.mark is None


def test_connection_lost_on_the_way_leaves_the_report_incomplete(bench: Bench) -> None:
    bench.venue.answers[MONEY] = SILENCE
    bench.client.request_report(1, None)
    bench.venue.down("cut")
    bench.poll()
    (found,) = bench.reports
    assert not found.complete and "cut" in found.reason


@pytest.mark.parametrize("answer", [Refused(20), SILENCE])
def test_report_that_fails_in_several_places_is_given_once(bench: Bench, answer: Any) -> None:
    bench.venue.answers |= dict.fromkeys((OPEN, HISTORY, PORTFOLIO, MONEY), answer)
    bench.client.request_report(1, None)
    bench.poll()
    bench.poll(9)
    assert [found.complete for found in bench.reports] == [False]


def test_history_is_read_page_by_page_to_its_end(bench: Bench) -> None:
    def page(params: dict[str, Any]) -> dict[str, Any]:
        number = int(params.get("bookmark", "0"))
        more = str(number + 1) if number < 3 else None
        return {"trades": [trade(f"t{number}", "mk-a-1", at=AT + number)], "bookmark": more}

    bench.venue.answers[HISTORY] = page
    assert ids(report(bench)) == ["t0", "t1", "t2", "t3"]
    asked = bench.venue.params(HISTORY)
    assert [params.get("bookmark") for params in asked] == [None, "1", "2", "3"]
    assert all(params["limit"] == 1000 and params["instrument_names"] == [NAME] for params in asked)


def test_history_that_breaks_off_leaves_the_report_incomplete(bench: Bench) -> None:
    bench.venue.answers[HISTORY] = lambda params: (
        Refused(20) if "bookmark" in params else {"trades": [trade("t0", "mk-a-1", at=AT)], "bookmark": "1"}
    )
    found = report(bench)
    assert not found.complete and found.fills == () and found.mark is None


def test_fills_are_told_in_the_order_of_time(bench: Bench) -> None:
    has_traded(bench, trade("t2", "mk-a-1", at=AT + 2), trade("t1", "mk-a-1", at=AT + 1))
    assert ids(report(bench)) == ["t1", "t2"]


def test_mark_covers_what_was_read_and_brings_only_what_is_new(bench: Bench) -> None:
    has_traded(bench, trade("t1", "mk-a-1", at=AT))
    first = report(bench)
    has_traded(bench, trade("t1", "mk-a-1", at=AT), trade("t2", "mk-a-1", at=AT + 5))
    second = report(bench, first.mark)
    assert ids(second) == ["t2"]
    assert report(bench, second.mark).fills == () and report(bench, second.mark).mark == second.mark
    assert ids(report(bench, first.mark)) == ["t2"]  # asked again: the first answer may not have been booked


def test_trade_that_shows_late_is_found_behind_the_mark(bench: Bench) -> None:
    has_traded(bench, trade("t2", "mk-a-1", at=AT))
    first = report(bench)
    has_traded(bench, trade("t1", "mk-a-1", at=AT - 50), trade("t2", "mk-a-1", at=AT))
    assert ids(report(bench, first.mark)) == ["t1"]
    low = Decimal(str(bench.venue.params(HISTORY)[-1]["time_low"]))
    assert low == AT - 60


def test_mark_of_an_earlier_life_brings_the_overlap_again(bench: Bench) -> None:
    has_traded(
        bench, trade("t0", "mk-a-1", at=AT - 61), trade("t1", "mk-a-1", at=AT - 59), trade("t2", "mk-a-1", at=AT)
    )
    assert ids(report(bench, f"{AT}~18f.1")) == ["t1", "t2"]


@pytest.mark.parametrize("since", ["somewhere-else-17", "NaN", "-5", "", "Infinity~1"])
def test_mark_of_another_venue_brings_all_of_the_last_day(bench: Bench, since: str) -> None:
    has_traded(bench, trade("t1", "mk-a-1", at=AT))
    assert ids(report(bench, since)) == ["t1"]
    assert bench.venue.params(HISTORY)[0]["time_low"] == bench.utc // 10**9 - 1 - 86_400


@pytest.mark.parametrize("since", [None, "somewhere-else-17"])
def test_first_report_without_a_trade_has_a_mark_where_its_reading_began(bench: Bench, since: str | None) -> None:
    began = bench.utc // 10**9 - 86_400
    mark = report(bench, since).mark
    assert mark is not None and Decimal(mark.partition("~")[0]) == began
    assert report(bench, mark).mark == mark


def test_fill_while_nobody_asked_for_days_is_found_by_a_bot_that_had_none(bench: Bench) -> None:
    mark = report(bench).mark
    filled_s = bench.utc // 10**9 + 3_600
    has_traded(bench, trade("t1", "mk-a-1", at=filled_s))
    bench.utc += 3 * 86_400 * 10**9
    assert ids(report(bench, mark)) == ["t1"]


def test_mark_is_never_beyond_what_was_read(bench: Bench) -> None:
    has_traded(bench, trade("t1", "mk-a-1", at=AT + 0.5))
    mark = report(bench).mark
    assert mark is not None and Decimal(mark.partition("~")[0]) == AT + Decimal("0.5")


def test_report_teaches_the_venues_ids_of_our_orders(bench: Bench) -> None:
    bench.venue.answers[OPEN] = [listed("mk-a-1", "00F1")]
    report(bench)
    bench.client.cancel(["mk-a-1"])
    assert bench.venue.params("private/cancel") == [{"order_id": "00F1"}]


def test_order_that_a_report_did_not_list_can_still_be_looked_up(bench: Bench) -> None:
    bench.venue.answers["private/insert"] = SILENCE
    bench.submit(bid("mk-a-1"))
    bench.venue.down()
    bench.venue.up()
    bench.poll()
    report(bench)
    bench.venue.answers[OPEN] = [listed("mk-a-1", "00F1")]
    bench.client.cancel(["mk-a-1"])
    bench.poll()
    assert bench.venue.params("private/cancel") == [{"order_id": "00F1"}]
    assert bench.events("mk-a-1") == [OrderEvent.OUTCOME_UNKNOWN]


def test_reading_leaves_room_for_orders(bench: Bench) -> None:
    for request in range(10):
        bench.client.request_report(request, None)
    bench.client.submit([bid("mk-a-1")])
    bench.poll(0.03)
    asked = bench.venue.asked()
    assert "private/insert" in asked and len(asked) < 20
