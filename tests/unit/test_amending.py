"""An amendment that is not answered: what each word of the venue makes of the order."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.events import OrderUpdate
from core.market.order import Amend, Order, OrderEvent, OrderState, Side
from core.trading.order_changes import after_amend_sent
from core.trading.order_tracker import OrderTracker
from tests.market_parts import NOW, SECOND, fill, order

E, S = OrderEvent, OrderState
AMEND = Amend("id", 1490, 8)


def tracker(amend: Amend | None = AMEND, side: Side = Side.BUY) -> OrderTracker:
    """Return what tracks one order of 10 at 1500 of which 2 have filled, and its amendment on its way."""
    found = OrderTracker("main")
    own = order(side, 1500, 10, "x", client_order_id="id", state=S.PARTIALLY_FILLED, filled_lots=2, venue_order_id="v")
    found.add(own, 0)
    if amend is not None:
        found.mark_amend_sent(amend, after_amend_sent(own, amend, NOW), 5)
    return found


def say(found: OrderTracker, event: OrderEvent, **more: object) -> Order:
    update = OrderUpdate("main", "id", event, **more)  # type: ignore[arg-type]
    told = found.apply_update(update, 10, NOW)
    assert told is not None
    return told


def trade(found: OrderTracker, lots: int) -> Order:
    told = found.apply_fill(fill(Side.BUY, 1500, lots, client_order_id="id"), 10)
    assert told is not None
    return told


def terms(own: Order) -> tuple[int, int, int, OrderState]:
    return own.price_ticks, own.size_lots, own.filled_lots, own.state


@pytest.mark.parametrize(
    ("side", "amend", "worst"),
    [
        (Side.BUY, Amend("id", 1490, 8), (1500, 10)),
        (Side.BUY, Amend("id", 1510, 20), (1510, 20)),
        (Side.BUY, Amend("id", 1490, 20), (1500, 20)),
        (Side.SELL, Amend("id", 1490, 8), (1490, 10)),
        (Side.SELL, Amend("id", 1510, 20), (1500, 20)),
    ],
)
def test_an_order_being_amended_is_on_the_worse_price_and_the_larger_size(
    side: Side, amend: Amend, worst: tuple[int, int]
) -> None:
    (own,) = tracker(amend, side).live()
    assert (own.price_ticks, own.size_lots, own.state) == (*worst, S.PENDING_REPLACE)


def test_amended_it_is_on_the_new_terms() -> None:
    assert terms(say(tracker(), E.AMENDED)) == (1490, 8, 2, S.PARTIALLY_FILLED)


def test_amended_otherwise_it_is_on_the_terms_that_the_venue_tells() -> None:
    assert terms(say(tracker(), E.AMENDED, price_ticks=1489, size_lots=9)) == (1489, 9, 2, S.PARTIALLY_FILLED)


def test_refused_it_is_as_it_was_its_age_too_and_is_not_amended_again() -> None:
    found = tracker()
    before = tracker(None).live()[0]
    after = say(found, E.AMEND_REJECTED)
    assert (terms(after), after.sent_ns) == ((1500, 10, 2, S.PARTIALLY_FILLED), before.sent_ns)
    assert not found.is_amendable("id")


def test_a_fill_on_the_way_is_counted_once_and_the_rest_is_right_on_either_answer() -> None:
    amended, refused = tracker(), tracker()
    for found in (amended, refused):
        assert terms(trade(found, 3)) == (1500, 10, 5, S.PENDING_REPLACE)
    assert say(amended, E.AMENDED).remaining_lots == 3
    assert say(refused, E.AMEND_REJECTED).remaining_lots == 5


def test_an_order_that_fills_whole_on_its_old_terms_has_ended_once_the_amendment_is_refused() -> None:
    found = tracker(Amend("id", 1490, 20))
    assert terms(trade(found, 8)) == (1500, 20, 10, S.PENDING_REPLACE)
    assert terms(say(found, E.AMEND_REJECTED)) == (1500, 10, 10, S.FILLED)
    assert found.live() == () and not found.suspects


def test_without_an_answer_it_is_in_doubt_and_stays_on_the_worst_terms() -> None:
    found = tracker()
    assert [one.client_order_id for one in found.overdue(5)] == ["id"]
    assert terms(say(found, E.OUTCOME_UNKNOWN)) == (1500, 10, 2, S.UNKNOWN)
    assert terms(say(found, E.ACCEPTED)) == (1500, 10, 2, S.UNKNOWN)  # it rests; on which terms is not told
    assert terms(trade(found, 1)) == (1500, 10, 3, S.UNKNOWN)
    assert terms(say(found, E.AMENDED)) == (1490, 8, 3, S.PARTIALLY_FILLED)


def test_a_cancel_goes_before_the_answer_of_an_amendment() -> None:
    found = tracker()
    found.mark_cancel_sent("id", 6)
    assert terms(say(found, E.AMENDED)) == (1490, 8, 2, S.PENDING_CANCEL)
    assert say(found, E.CANCELED).is_closed


def test_an_end_is_an_end_and_no_late_answer_changes_it() -> None:
    found = tracker()
    say(found, E.CANCELED, filled_lots=2)
    assert terms(say(found, E.AMENDED)) == (1500, 10, 2, S.CANCELED)
    assert not found.suspects


def test_an_order_that_is_being_amended_rests_is_awaited_and_can_be_cancelled() -> None:
    found = tracker()
    assert found.cancellable() == ["id"]
    assert found.standing()[:2] == (False, 5)
    assert not found.is_amendable("id")
    assert found.asked_terms("id") == AMEND


def test_in_doubt_it_can_be_cancelled_again_once_it_was_said_to_rest_since_the_last_request() -> None:
    found = tracker()
    say(found, E.OUTCOME_UNKNOWN)
    assert found.cancellable() == []
    say(found, E.ACCEPTED)
    assert found.cancellable() == ["id"]
    found.mark_cancel_sent("id", 6)
    say(found, E.CANCEL_REJECTED)
    assert found.cancellable() == []
    trade(found, 1)
    assert (found.cancellable(), found.live()[0].state) == (["id"], S.UNKNOWN)


def test_that_it_still_rests_is_no_news() -> None:
    found = tracker()
    say(found, E.OUTCOME_UNKNOWN)
    first = say(found, E.ACCEPTED)
    assert say(found, E.ACCEPTED) is first


@pytest.mark.parametrize("state", [S.UNKNOWN, S.PENDING_CANCEL])
def test_in_doubt_since_an_earlier_life_it_is_not_amended_before_its_terms_are_known(state: OrderState) -> None:
    found = OrderTracker("main")
    own = order(Side.BUY, 1500, 10, "x", client_order_id="id", state=state, venue_order_id="v")
    found.add(own, 0)
    assert (found.cancellable(), found.asked_terms("id")) == (["id"] if state is S.UNKNOWN else [], None)
    say(found, E.OUTCOME_UNKNOWN)
    assert say(found, E.ACCEPTED).state is say(found, E.AMEND_REJECTED).state is S.UNKNOWN
    assert not found.is_amendable("id")
    assert terms(say(found, E.AMENDED, price_ticks=1490, size_lots=8)) == (1490, 8, 0, S.NEW)
    assert found.asked_terms("id") is None and not found.may_be_amended("id")


# Whatever is said, what is believed is never less than what is true.

WORDS = ("arrive", "answer", "fill", "timeout", "cancel")


@dataclass
class VenueOrder:
    """The order at the venue, and what it has not told yet."""

    price: int = 1500
    size: int = 10
    filled: int = 2
    is_open: bool = True
    answers: list[OrderUpdate] = field(default_factory=list)

    def arrive(self, amend: Amend) -> None:
        if not self.is_open:
            self.answers.append(OrderUpdate("main", "id", E.AMEND_REJECTED))
        elif amend.size_lots <= self.filled:
            self.is_open = False
            self.answers.append(OrderUpdate("main", "id", E.CANCELED, filled_lots=self.filled))
        else:
            self.price, self.size = amend.price_ticks, amend.size_lots
            told = OrderUpdate("main", "id", E.AMENDED, price_ticks=self.price, size_lots=self.size)
            self.answers.append(told)


@given(
    st.sampled_from(list(Side)),
    st.integers(1480, 1520),
    st.integers(3, 30),
    st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 4)), max_size=12),
)
def test_what_is_believed_is_never_less_than_what_is_true(
    side: Side, price: int, size: int, words: list[tuple[str, int]]
) -> None:
    amend, true = Amend("id", price, size), VenueOrder()
    found = tracker(amend, side)
    on_its_way = [amend]
    for word, number in words:
        if word == "arrive" and on_its_way:
            true.arrive(on_its_way.pop())
        elif word == "answer" and true.answers:
            found.apply_update(true.answers.pop(0), 10, NOW)
        elif word == "fill" and true.is_open:
            lots = min(number, true.size - true.filled)
            true.filled += lots
            true.is_open = true.filled < true.size
            found.apply_fill(fill(side, true.price, lots, client_order_id="id"), 10)
        elif word == "timeout":
            found.apply_update(OrderUpdate("main", "id", E.OUTCOME_UNKNOWN), 10, NOW + SECOND)
        elif word == "cancel":
            found.mark_cancel_sent("id", 10)
        if true.is_open:
            (own,) = found.live()
            assert own.remaining_lots >= true.size - true.filled
            assert (own.price_ticks - true.price) * side.sign >= 0
            if on_its_way:  # it may still get the new terms
                assert own.size_lots >= amend.size_lots and (own.price_ticks - amend.price_ticks) * side.sign >= 0
