"""Our orders on Thalex: what is sent, what is told of each, and that each fact is told once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.market.order import Order, OrderEvent, Side
from tests.thalex_parts import NAME, SILENCE, Bench, Refused, bid, listed, order_of, quoting_bench
from tests.unit.thalex_order_parts import CANCEL, INSERT, OPEN, E, answer_insert, say_order


@pytest.fixture
def bench() -> Iterator[Bench]:
    with quoting_bench() as opened:
        opened.venue.frames.clear()
        yield opened


# Submit


def test_post_only_order_goes_out_with_label_number_and_both_flags(bench: Bench) -> None:
    bench.submit(bid("mk-a-1", 123))
    (frame,) = bench.venue.frames
    assert frame["params"] == {
        "direction": "buy",
        "instrument_name": NAME,
        "amount": 0.123,
        "client_order_id": frame["id"],
        "price": 99,
        "label": "mk-a-1",
        "order_type": "limit",
        "time_in_force": "good_till_cancelled",
        "post_only": True,
        "reject_post_only": True,
    }


def test_immediate_reducing_sell_goes_out_as_such(bench: Bench) -> None:
    bench.submit(Order("mk-a-1", "main", Side.SELL, 101, 50, post_only=False, reduce_only=True, time_in_force="IOC"))
    (params,) = bench.venue.params(INSERT)
    assert (params["direction"], params["time_in_force"], params["reduce_only"]) == (
        "sell",
        "immediate_or_cancel",
        True,
    )
    assert "post_only" not in params and "reject_post_only" not in params


def test_accepted_order_is_told_once_with_the_venues_id(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    say_order(bench, "mk-a-1")
    bench.poll()
    (update,) = bench.updates("mk-a-1")
    assert (update.event, update.venue_order_id) == (E.ACCEPTED, f"00AB{bench.venue.frames[0]['id']:04X}")


def test_stream_may_be_faster_than_the_answer(bench: Bench) -> None:
    bench.venue.answers[INSERT] = SILENCE
    bench.submit(bid("mk-a-1"))
    say_order(bench, "mk-a-1")
    say_order(bench, "mk-a-1", status="cancelled", delete_reason="client_cancel")
    params = bench.venue.params(INSERT)[0]
    bench.venue.answer(params["client_order_id"], order_of(params, params["client_order_id"]))
    bench.poll()
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCELED] and bench.reason("mk-a-1") == "user"


def test_post_only_order_that_would_cross_is_rejected_in_the_common_word(bench: Bench) -> None:
    answer_insert(bench, status="cancelled", delete_reason="immediate_cancel", remaining_amount=0)
    bench.submit(bid("mk-a-1"))
    assert bench.events("mk-a-1") == [E.REJECTED] and bench.reason("mk-a-1") == "post_only_would_cross"


def test_plain_order_that_is_ended_at_once_was_not_a_post_only_one(bench: Bench) -> None:
    answer_insert(bench, status="cancelled", delete_reason="immediate_cancel")
    bench.submit(bid("mk-a-1", post_only=False))
    assert bench.events("mk-a-1") == [E.CANCELED] and bench.reason("mk-a-1") == "immediate_cancel"


@pytest.mark.parametrize(
    ("code", "event", "reason"),
    [
        (24, E.REJECTED, "insufficient_funds 24"),
        (15, E.REJECTED, "price 15"),
        (14, E.REJECTED, "min_size 14"),
        (4, E.REJECTED, "rate_limited 4"),
        (57, E.REJECTED, "reduce_only 57"),
        (2, E.REJECTED, "duplicate_client_id 2"),
        (10, E.OUTCOME_UNKNOWN, "10: no"),
        (20, E.OUTCOME_UNKNOWN, "20: no"),
        (37, E.OUTCOME_UNKNOWN, "37: no"),
        (999, E.OUTCOME_UNKNOWN, "999: no"),
    ],
)
def test_refused_order_is_rejected_or_in_doubt_by_its_code(
    bench: Bench, code: int, event: OrderEvent, reason: str
) -> None:
    bench.venue.answers[INSERT] = Refused(code)
    bench.submit(bid("mk-a-1"))
    assert bench.events("mk-a-1") == [event] and bench.reason("mk-a-1").startswith(reason)


@pytest.mark.parametrize(
    ("lots", "price", "reason"), [(0, 99, "min_size"), (-5, 99, "min_size"), (9, 99, "min_size"), (100, 0, "price")]
)
def test_order_that_no_venue_could_take_is_not_sent(bench: Bench, lots: int, price: int, reason: str) -> None:
    bench.submit(bid("mk-a-1", lots, price))
    assert bench.events("mk-a-1") == [E.REJECTED] and bench.reason("mk-a-1").startswith(reason)
    assert bench.venue.frames == []


def test_id_that_is_open_is_rejected_and_the_first_order_stays(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.submit(bid("mk-a-1"))
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.REJECTED] and len(bench.venue.frames) == 1
    bench.client.cancel(["mk-a-1"])
    assert bench.venue.params(CANCEL) == [{"order_id": bench.updates("mk-a-1")[0].venue_order_id}]


def test_unknown_status_leaves_the_outcome_unknown_until_a_known_one_comes(bench: Bench) -> None:
    answer_insert(bench, status="hibernating")
    bench.submit(bid("mk-a-1"))
    assert bench.events("mk-a-1") == [E.OUTCOME_UNKNOWN]
    say_order(bench, "mk-a-1")
    bench.poll()
    assert bench.events("mk-a-1") == [E.OUTCOME_UNKNOWN, E.ACCEPTED]


def test_answer_that_cannot_be_read_leaves_the_outcome_unknown(bench: Bench) -> None:
    bench.venue.answers[INSERT] = {"order_id": 17}
    bench.submit(bid("mk-a-1"))
    assert bench.events("mk-a-1") == [E.OUTCOME_UNKNOWN]


# Doubt


def test_lost_answer_leaves_the_outcome_unknown_and_a_late_one_settles_it(bench: Bench) -> None:
    bench.venue.answers[INSERT] = SILENCE
    bench.submit(bid("mk-a-1"))
    due = bench.poll(9.9)
    assert bench.events("mk-a-1") == [] and due is not None and due <= bench.now + 10**8
    bench.poll(0.2)
    assert bench.events("mk-a-1") == [E.OUTCOME_UNKNOWN]
    params = bench.venue.params(INSERT)[0]
    bench.venue.answer(params["client_order_id"], order_of(params, 7))
    bench.poll()
    assert bench.events("mk-a-1") == [E.OUTCOME_UNKNOWN, E.ACCEPTED]


@pytest.mark.parametrize("answer", ["none", "error"])
def test_order_that_the_stream_has_accepted_is_not_doubted_for_its_answer(bench: Bench, answer: str) -> None:
    bench.venue.answers[INSERT] = SILENCE
    bench.submit(bid("mk-a-1"))
    say_order(bench, "mk-a-1")
    if answer == "error":
        bench.venue.answer(bench.venue.last_id(INSERT), Refused(20))
    bench.poll(11)
    assert bench.events("mk-a-1") == [E.ACCEPTED]


def test_disconnect_leaves_what_is_under_way_unknown(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.answers[INSERT] = SILENCE
    bench.client.submit([bid("mk-a-2")])
    bench.client.cancel(["mk-a-1"])
    bench.venue.down("cut")
    bench.poll()
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.OUTCOME_UNKNOWN]
    assert bench.events("mk-a-2") == [E.OUTCOME_UNKNOWN] and bench.reason("mk-a-2") == "cut"


def test_nothing_is_sent_while_there_is_no_session_and_that_is_certain(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.down("cut")
    bench.poll()
    bench.client.submit([bid("mk-a-2")])
    bench.client.cancel(["mk-a-1"])
    bench.client.request_report(7, None)
    bench.poll()
    assert bench.events("mk-a-2") == [E.REJECTED] and "not sent" in bench.reason("mk-a-2")
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCEL_REJECTED]
    (report,) = bench.reports
    assert not report.complete and "cut" in report.reason and report.request_id == 7


def test_order_of_a_session_that_ended_is_told_as_cancelled_when_the_venue_says_so(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.down()
    bench.venue.up()
    bench.poll()
    say_order(bench, "mk-a-1", status="cancelled", delete_reason="session_end")
    bench.poll()
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCELED] and bench.reason("mk-a-1") == "disconnect"


def test_socket_that_takes_nothing_is_a_certain_no(bench: Bench) -> None:
    bench.venue.is_open = False
    bench.submit(bid("mk-a-1"))
    assert bench.events("mk-a-1") == [E.REJECTED] and "not sent" in bench.reason("mk-a-1")


# Pacing


def test_orders_beyond_the_rate_wait_and_then_go(bench: Bench) -> None:
    bench.poll(1)
    bench.client.submit([bid(f"mk-a-{number}") for number in range(20)])
    at_once = len(bench.venue.params(INSERT))
    assert 5 <= at_once <= 10
    due = bench.poll()
    assert due is not None and due > bench.now
    bench.poll(0.2)
    assert at_once < len(bench.venue.params(INSERT)) < 20
    bench.poll(1)
    assert len(bench.venue.params(INSERT)) == 20


def test_orders_never_exceed_the_venues_rate_within_a_second(bench: Bench) -> None:
    bench.poll(10)
    sent = 0
    for step in range(100):
        bench.client.submit([bid(f"mk-{step}-{number}") for number in range(3)])
        bench.poll(0.01)
    sent = len(bench.venue.params(INSERT))
    assert 35 <= sent <= 50


def test_order_that_waited_too_long_is_not_sent_any_more() -> None:
    bench = Bench(config={"request_rate_per_s": 1}).open()
    bench.client.submit([bid("mk-a-1"), bid("mk-a-2"), bid("mk-a-3"), bid("mk-a-4"), bid("mk-a-5")])
    bench.poll(1)
    bench.poll(2)
    sent = {params["label"] for params in bench.venue.params(INSERT)}
    assert "mk-a-1" in sent and "mk-a-5" not in sent
    assert bench.events("mk-a-5") == [E.REJECTED] and "not sent" in bench.reason("mk-a-5")


def test_cancel_goes_before_orders_that_wait(bench: Bench) -> None:
    bench.submit(bid("mk-a-0"))
    bench.client.submit([bid(f"mk-b-{number}") for number in range(20)])
    bench.client.cancel(["mk-a-0"])
    assert bench.venue.asked()[-1] == CANCEL


def test_cancel_of_an_order_that_still_waits_takes_it_back(bench: Bench) -> None:
    bench.client.submit([bid(f"mk-a-{number}") for number in range(20)])
    bench.client.cancel(["mk-a-19"])
    bench.poll(5)
    assert bench.events("mk-a-19") == [E.CANCELED]
    assert "mk-a-19" not in {params["label"] for params in bench.venue.params(INSERT)}


def test_throttled_cancel_is_sent_again_and_orders_wait(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.answers[CANCEL] = Refused(4)
    bench.client.cancel(["mk-a-1"])
    bench.poll()
    bench.venue.answers[CANCEL] = lambda params: listed("mk-a-1", params["order_id"], status="cancelled")
    bench.poll(0.6)
    assert bench.events("mk-a-1")[-1] is E.CANCELED and bench.venue.asked().count(CANCEL) == 2


# Cancel


def test_cancel_names_the_venues_id_and_is_told_once(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    order_id = bench.updates("mk-a-1")[0].venue_order_id
    ended = {"status": "cancelled", "delete_reason": "client_cancel"}
    bench.venue.answers[CANCEL] = lambda params: listed("mk-a-1", params["order_id"], **ended)
    bench.client.cancel(["mk-a-1"])
    say_order(bench, "mk-a-1", **ended)
    bench.poll()
    assert bench.venue.params(CANCEL) == [{"order_id": order_id}]
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCELED]


def test_cancel_right_behind_its_order_names_our_number(bench: Bench) -> None:
    bench.venue.answers[CANCEL] = lambda params: listed("mk-a-1", "00AB", status="cancelled")
    bench.client.submit([bid("mk-a-1")])
    bench.client.cancel(["mk-a-1"])
    bench.poll()
    assert bench.venue.params(CANCEL) == [{"client_order_id": bench.venue.params(INSERT)[0]["client_order_id"]}]
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCELED]


@pytest.mark.parametrize(
    ("code", "event"),
    [(1, E.CANCEL_REJECTED), (6, E.CANCEL_REJECTED), (20, E.OUTCOME_UNKNOWN), (998, E.OUTCOME_UNKNOWN)],
)
def test_refused_cancel_is_told_by_its_code(bench: Bench, code: int, event: OrderEvent) -> None:
    bench.submit(bid("mk-a-1"))
    bench.venue.answers[CANCEL] = Refused(code)
    bench.client.cancel(["mk-a-1"])
    bench.poll()
    assert bench.events("mk-a-1") == [E.ACCEPTED, event]


def test_cancel_without_an_answer_is_in_doubt(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    bench.client.cancel(["mk-a-1"])
    bench.poll(10.1)
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.OUTCOME_UNKNOWN]


def test_second_cancel_of_an_order_that_is_closed_is_rejected(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"))
    say_order(bench, "mk-a-1", status="cancelled", delete_reason="client_cancel")
    bench.poll()
    bench.client.cancel(["mk-a-1"])
    bench.poll()
    assert bench.events("mk-a-1") == [E.ACCEPTED, E.CANCELED, E.CANCEL_REJECTED]


def test_order_of_an_earlier_life_is_looked_up_and_cancelled(bench: Bench) -> None:
    bench.venue.answers[OPEN] = [listed("mk-a-7", "00FF"), listed("mk-b-7", "00FE")]
    bench.venue.answers[CANCEL] = lambda params: listed("mk-a-7", params["order_id"], status="cancelled")
    bench.client.cancel(["mk-a-7", "mk-a-8"])
    bench.poll()
    assert bench.venue.params(CANCEL) == [{"order_id": "00FF"}] and bench.venue.asked().count(OPEN) == 1
    assert bench.events("mk-a-7") == [E.CANCELED] and bench.events("mk-a-8") == [E.CANCEL_REJECTED]


def test_order_that_cannot_be_looked_up_is_not_called_gone(bench: Bench) -> None:
    bench.venue.answers[OPEN] = Refused(20)
    bench.client.cancel(["mk-a-7"])
    bench.poll()
    assert bench.events("mk-a-7") == [E.CANCEL_REJECTED] and "looked up" in bench.reason("mk-a-7")


def test_order_of_the_connection_before_is_looked_up_and_not_named_by_our_number(bench: Bench) -> None:
    bench.venue.answers[INSERT] = SILENCE
    bench.submit(bid("mk-a-1"))
    bench.venue.down()
    bench.venue.up()
    bench.poll()
    bench.venue.answers[OPEN] = [listed("mk-a-1", "00FF")]
    bench.client.cancel(["mk-a-1"])
    bench.poll()
    assert bench.venue.params(CANCEL) == [{"order_id": "00FF"}]


def test_cancel_all_takes_ours_known_or_listed_and_no_other(bench: Bench) -> None:
    bench.submit(bid("mk-a-1"), bid("mk-b-1"))
    known = bench.updates("mk-a-1")[0].venue_order_id
    bench.venue.answers[OPEN] = [
        listed("mk-a-1", str(known)),
        listed("mk-a-2", "00F2"),
        listed("mk-b-2", "00F3"),
        listed("", "00F4"),
        listed("mk-a-3", "00F5", instrument_name="ETH-PERPETUAL"),
    ]
    bench.venue.answers[CANCEL] = lambda params: SILENCE
    bench.client.cancel_all(lambda key: key.startswith("mk-a-"))
    bench.poll()
    assert [params["order_id"] for params in bench.venue.params(CANCEL)] == [known, "00F2"]
    assert "private/cancel_all" not in bench.venue.asked()
