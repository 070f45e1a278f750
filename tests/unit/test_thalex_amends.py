"""Amendments on Thalex: what is sent, what each answer means, and that each is told once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.market.order import Amend, OrderEvent
from tests.thalex_parts import SILENCE, Bench, Refused, bid, order_of, trade

E = OrderEvent
INSERT, AMEND, CANCEL = "private/insert", "private/amend", "private/cancel"
KEY = "mk-a-1"
WANTED = Amend(KEY, 98, 250)


@pytest.fixture
def bench() -> Iterator[Bench]:
    opened = Bench().open(market_data=True)
    opened.submit(bid(KEY))
    opened.said.clear()
    opened.venue.frames.clear()
    yield opened
    opened.close()


def shown(bench: Bench, **changes: Any) -> dict[str, Any]:
    """Return the order as the venue has it, amended as asked unless the test says otherwise."""
    params = {"instrument_name": "BTC-PERPETUAL", "direction": "buy", "price": 98, "amount": 0.25, "label": KEY}
    own = bench.client._opened().orders.live(KEY)
    order_id = own.order_id if own is not None else "00AB0001"
    return order_of({**params, "client_order_id": 1}, 1, order_id=order_id, change_reason="amend", **changes)


def amend(bench: Bench, answer: Any = None, wanted: Amend = WANTED) -> None:
    bench.venue.answers[AMEND] = shown(bench) if answer is None else answer
    bench.client.amend([wanted])
    bench.poll()


def told(bench: Bench) -> list[tuple[OrderEvent, int | None, int | None]]:
    return [(update.event, update.price_ticks, update.size_lots) for update in bench.updates(KEY)]


AMENDED = (E.AMENDED, 98, 250)
REJECTED = (E.AMEND_REJECTED, None, None)
UNKNOWN = (E.OUTCOME_UNKNOWN, None, None)


def test_an_amendment_names_the_venues_id_the_price_and_the_new_total(bench: Bench) -> None:
    own = bench.client._opened().orders.live(KEY)
    assert own is not None
    amend(bench)
    assert bench.venue.params(AMEND) == [{"order_id": own.order_id, "price": 98, "amount": 0.25}]
    assert told(bench) == [AMENDED]


def test_an_order_without_the_venues_id_yet_is_named_by_our_number() -> None:
    bench = Bench().open(market_data=True)
    bench.venue.answers[INSERT] = SILENCE
    bench.submit(bid(KEY))
    amend(bench, SILENCE)
    (params,) = bench.venue.params(AMEND)
    assert "order_id" not in params and params["client_order_id"] == bench.venue.last_id(INSERT)
    bench.close()


def test_the_stream_may_be_faster_than_the_answer_and_it_is_told_once(bench: Bench) -> None:
    amend(bench, SILENCE)
    bench.venue.say("account.orders", [shown(bench)])
    bench.poll()
    assert told(bench) == [AMENDED]
    bench.venue.answer(bench.venue.last_id(AMEND), shown(bench))
    bench.poll()
    assert told(bench) == [AMENDED]


def test_news_of_the_old_terms_are_no_answer(bench: Bench) -> None:
    amend(bench, SILENCE)
    bench.venue.say("account.orders", [shown(bench, price=99, amount=0.1, filled_amount=0.04)])
    bench.poll()
    assert told(bench) == []


def test_a_refusal_after_a_picture_of_before_that_had_the_terms_asked_for_is_looked_up(bench: Bench) -> None:
    amend(bench)
    amend(bench, SILENCE, Amend(KEY, 99, 100))  # back to where it was before
    bench.venue.say("account.orders", [shown(bench, price=99, amount=0.1, filled_amount=0.04)])  # the stream lags
    bench.poll()
    bench.venue.answer(bench.venue.last_id(AMEND), Refused(24))
    bench.poll()
    assert told(bench) == [AMENDED, (E.AMENDED, 99, 100), UNKNOWN]


def test_terms_that_the_venue_chose_itself_are_told_as_they_are(bench: Bench) -> None:
    amend(bench, shown(bench, price=97))
    assert told(bench) == [(E.AMENDED, 97, 250)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (4, [REJECTED]),  # throttled
        (24, [REJECTED]),  # no margin
        (43, [REJECTED]),  # beyond the collar
        (1, [REJECTED, UNKNOWN]),  # no such order: nothing was amended, and what became of it is looked up
        (20, [UNKNOWN]),
        (9999, [UNKNOWN]),
    ],
)
def test_a_refusal_is_definite_or_in_doubt_by_its_code(bench: Bench, code: int, expected: list[Any]) -> None:
    amend(bench, Refused(code))
    assert told(bench) == expected
    assert str(code) in bench.reason(KEY)


def test_without_an_answer_it_is_in_doubt_and_a_late_one_settles_it(bench: Bench) -> None:
    amend(bench, SILENCE)
    bench.poll(10.5)
    assert told(bench) == [UNKNOWN]
    bench.venue.answer(bench.venue.last_id(AMEND), shown(bench))
    bench.poll()
    assert told(bench) == [UNKNOWN, AMENDED]


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_late_answer_of_an_amendment_says_nothing_of_the_next_one(bench: Bench, is_refused: bool) -> None:
    amend(bench, SILENCE)
    first = bench.venue.last_id(AMEND)
    bench.poll(10.5)
    amend(bench, SILENCE, Amend(KEY, 95, 300))
    bench.venue.answer(first, Refused(24) if is_refused else shown(bench))
    bench.poll()
    assert told(bench) == [UNKNOWN]
    bench.venue.answer(bench.venue.last_id(AMEND), shown(bench, price=95, amount=0.3))
    bench.poll()
    assert told(bench) == [UNKNOWN, (E.AMENDED, 95, 300)]


def test_an_answer_that_cannot_be_read_is_in_doubt(bench: Bench) -> None:
    amend(bench, {"order_id": 7})
    assert told(bench) == [UNKNOWN]


def test_a_lost_connection_leaves_it_in_doubt(bench: Bench) -> None:
    amend(bench, SILENCE)
    bench.venue.down()
    bench.poll()
    assert told(bench)[0] == UNKNOWN


def test_nothing_is_sent_while_there_is_no_session_and_that_is_certain(bench: Bench) -> None:
    bench.venue.down()
    bench.poll()
    bench.said.clear()
    amend(bench)
    assert told(bench) == [REJECTED] and bench.venue.params(AMEND) == []
    assert "not sent" in bench.reason(KEY)


def test_an_order_that_ended_is_not_amended_and_one_nobody_knows_is_looked_up(bench: Bench) -> None:
    bench.venue.say("account.orders", [shown(bench, status="cancelled", delete_reason="client_cancel")])
    bench.poll()
    bench.said.clear()
    amend(bench, wanted=WANTED)
    assert told(bench) == [REJECTED]
    bench.client.amend([Amend("mk-a-9", 98, 250)])
    bench.poll()
    assert bench.events("mk-a-9") == [E.AMEND_REJECTED, E.OUTCOME_UNKNOWN]
    assert bench.venue.params(AMEND) == []


def test_a_size_that_no_venue_could_take_is_not_sent(bench: Bench) -> None:
    amend(bench, wanted=Amend(KEY, 98, 1))
    assert told(bench) == [REJECTED] and bench.venue.params(AMEND) == []


def test_an_amendment_that_ends_the_order_is_told_as_its_end_after_its_fills(bench: Bench) -> None:
    fills = [{"trade_id": "t1", "price": 99, "amount": 0.1, "time": 1795189678.379, "maker_taker": "maker"}]
    ended = shown(bench, status="filled", filled_amount=0.1, amount=0.1, fills=fills)
    amend(bench, ended)
    assert told(bench) == []
    bench.venue.say("account.trade_history", [trade("t1", KEY, 0.1)])
    bench.poll()
    (update,) = bench.updates(KEY)
    assert (update.event, update.filled_lots, len(bench.fills)) == (E.FULL_FILL, 100, 1)


def test_a_post_only_order_that_the_venue_ends_for_crossing_is_told_in_the_common_word(bench: Bench) -> None:
    amend(bench, shown(bench, status="cancelled", delete_reason="immediate_cancel"))
    assert [event for event, *_ in told(bench)] == [E.REJECTED]


def test_amendments_wait_behind_cancels_and_not_for_ever(bench: Bench) -> None:
    calls = bench.client._opened().calls
    assert calls.budget is not None
    calls.budget.block(bench.now + 5 * 10**9)
    bench.client.amend([WANTED])
    bench.client.cancel([KEY])
    bench.poll()
    assert bench.venue.frames == []
    bench.poll(2.5)
    assert told(bench) == [REJECTED]
    bench.poll(3)
    assert bench.venue.asked() == [CANCEL]
