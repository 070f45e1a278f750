"""Cancels at Backpack: promised, told, lost, too late."""

from __future__ import annotations

import pytest

from core.market.order import OrderEvent
from tests.unit.backpack_bench import DELETE, LOOK, POST, Bench
from utils.errors import OutcomeUnknown, VenueUnreachable

E = OrderEvent


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch).streaming()


def test_cancel_names_the_venues_id_and_its_answer_ends_the_order(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    assert bench.sent(DELETE)[0].body == {"symbol": "SOL_USDC_PERP", "orderId": "77"}
    bench.say(DELETE, 200, bench.taken(key, status="Cancelled", filled="0.2"))
    bench.news("orderCancelled", "Cancelled", c=bench.ids.to_wire(key), z="0.2")
    assert bench.events(key) == [E.ACCEPTED, E.CANCELED] and bench.last(key).filled_lots == 20


def test_promised_cancel_is_told_by_the_stream(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.say(DELETE, 202)
    assert bench.events(key) == [E.ACCEPTED]
    bench.news("orderCancelled", "Cancelled", c=bench.ids.to_wire(key))
    bench.poll(2)
    assert bench.events(key) == [E.ACCEPTED, E.CANCELED] and not bench.sent(LOOK)


def test_promised_cancel_that_nobody_tells_of_is_looked_at_until_it_is_gone(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.say(DELETE, 202)
    bench.poll(1)
    bench.say(LOOK, 200, bench.taken(key))
    bench.poll(2)
    bench.say(LOOK, 404, {"code": "RESOURCE_NOT_FOUND", "message": "Not found"})
    assert bench.events(key) == [E.ACCEPTED, E.OUTCOME_UNKNOWN]


def test_promised_cancel_that_never_happens_is_given_up(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.say(DELETE, 202)
    for pause in (1, 2, 4):
        bench.poll(pause)
        bench.say(LOOK, 200, bench.taken(key))
    bench.poll(8)
    assert bench.events(key) == [E.ACCEPTED, E.OUTCOME_UNKNOWN] and not bench.sent(LOOK)


def test_cancel_of_what_is_not_open_is_rejected(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.say(DELETE, 404, {"code": "RESOURCE_NOT_FOUND", "message": "Not found"})
    assert bench.events(key) == [E.ACCEPTED, E.CANCEL_REJECTED]


def test_order_that_filled_before_its_cancel_is_filled(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.news("orderFill", "Filled", c=bench.ids.to_wire(key), z="1", t=2, l="1", L="98", m=True)
    bench.say(DELETE, 404, {"code": "RESOURCE_NOT_FOUND", "message": "Not found"})
    assert bench.events(key) == [E.ACCEPTED, E.FULL_FILL] and len(bench.fills) == 1


def test_cancel_of_what_has_ended_is_rejected_each_time(bench: Bench) -> None:
    key = bench.resting()
    for answer in ((200, bench.taken(key, status="Cancelled")), (404, {"code": "RESOURCE_NOT_FOUND", "message": ""})):
        bench.client.cancel([key])
        bench.say(DELETE, *answer)
    assert bench.events(key) == [E.ACCEPTED, E.CANCELED, E.CANCEL_REJECTED]


def test_fill_behind_a_cancel_is_told(bench: Bench) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.say(DELETE, 200, bench.taken(key, status="Cancelled", filled="0.2"))
    bench.news("orderFill", "PartiallyFilled", c=bench.ids.to_wire(key), z="0.2", t=2, l="0.2", L="98", m=True)
    assert bench.events(key) == [E.ACCEPTED, E.CANCELED] and len(bench.fills) == 1


def test_cancel_waits_for_the_answer_to_its_create(bench: Bench) -> None:
    key = bench.submit()
    bench.client.cancel([key])
    assert not bench.sent(DELETE)
    bench.say(POST, 200, bench.taken(key))
    assert bench.sent(DELETE)[0].body["orderId"] == "77"


def test_cancel_leaves_when_the_stream_shows_the_order(bench: Bench) -> None:
    key = bench.submit()
    bench.client.cancel([key])
    bench.news("orderAccepted", "New", c=bench.ids.to_wire(key))
    assert bench.sent(DELETE)[0].body["orderId"] == "77"
    bench.say(POST, 200, bench.taken(key))
    assert len(bench.sent(DELETE)) == 1


def test_cancel_behind_a_lost_create_names_our_number(bench: Bench) -> None:
    key = bench.submit()
    bench.client.cancel([key])
    bench.fail(POST, OutcomeUnknown("timed out"))
    assert bench.sent(DELETE)[0].body == {"symbol": "SOL_USDC_PERP", "clientId": bench.ids.to_wire(key)}


def test_cancel_behind_a_refused_create_is_not_sent(bench: Bench) -> None:
    key = bench.submit()
    bench.client.cancel([key])
    bench.say(POST, 400, {"code": "INVALID_PRICE", "message": "No"})
    assert bench.events(key) == [E.REJECTED] and not bench.sent(DELETE)


def test_cancel_of_an_order_of_an_earlier_life_names_our_number(bench: Bench) -> None:
    bench.client.cancel(["n3.42"])
    assert bench.sent(DELETE)[0].body["clientId"] == bench.ids.to_wire("n3.42")


@pytest.mark.parametrize(
    ("error", "event"),
    [(OutcomeUnknown("timed out"), E.OUTCOME_UNKNOWN), (VenueUnreachable("no connection"), E.CANCEL_REJECTED)],
)
def test_cancel_that_may_not_have_arrived_is_told(bench: Bench, error: OutcomeUnknown, event: OrderEvent) -> None:
    key = bench.resting()
    bench.client.cancel([key])
    bench.fail(DELETE, error)
    assert bench.events(key)[-1] is event


def test_cancel_all_cancels_what_is_owned_and_nothing_else(bench: Bench) -> None:
    own = bench.ids.next()
    bench.client.cancel_all(lambda key: key == own)
    foreign = bench.taken(own, "81") | {"clientId": 5}
    nameless = bench.taken(own, "82") | {"clientId": None}
    bench.say("GET /api/v1/orders", 200, [bench.taken(own, "80"), foreign, nameless])
    assert [sent.body["orderId"] for sent in bench.sent(DELETE)] == ["80"]


def test_cancel_all_reaches_an_order_that_is_still_on_its_way(bench: Bench) -> None:
    key = bench.submit()
    bench.client.cancel_all(lambda other: other == key)
    bench.say("GET /api/v1/orders", 200, [])
    bench.say(POST, 200, bench.taken(key))
    assert [sent.body["orderId"] for sent in bench.sent(DELETE)] == ["77"]
