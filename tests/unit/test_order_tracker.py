"""The order tracker: whatever venue and fills say in whatever order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.market.events import OrderUpdate
from core.market.order import CLOSED, Fill, MissingFills, Order, OrderEvent, OrderState, Side
from core.trading.order_tracker import OrderTracker


def made(key: str = "a", **changes: object) -> Order:
    return replace(Order(key, "main", Side.BUY, 100, 10), **changes)  # type: ignore[arg-type]


def fill(lots: int, key: str = "a") -> Fill:
    return Fill(f"t{lots}", key, "main", Side.BUY, 100, lots, "maker", Decimal(0), "USDC", 0, "v")


def tell(tracker: OrderTracker, event: OrderEvent, now: int = 5, key: str = "a") -> Order | None:
    return tracker.apply_update(OrderUpdate("main", key, event), now, 77)


def test_an_event_that_the_state_cannot_have_makes_the_order_unknown() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(state=OrderState.NEW), 0)
    after = tell(tracker, OrderEvent.CANCEL_REJECTED)
    assert after is not None
    assert after.state is OrderState.UNKNOWN


def test_an_unknown_order_found_with_fills_is_partially_filled() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(state=OrderState.NEW, filled_lots=3), 0)
    tell(tracker, OrderEvent.OUTCOME_UNKNOWN)
    after = tell(tracker, OrderEvent.ACCEPTED)
    assert after is not None
    assert (after.state, after.acked_ns) == (OrderState.PARTIALLY_FILLED, 77)


def test_an_order_in_doubt_of_an_earlier_life_rests_once_its_terms_are_told() -> None:
    tracker = OrderTracker("main")
    order = made(state=OrderState.UNKNOWN, filled_lots=3)
    tracker.add(order, 0)
    accepted, amended = (tell(tracker, event) for event in (OrderEvent.ACCEPTED, OrderEvent.AMENDED))
    assert accepted is not None and amended is not None
    assert (accepted.state, amended.state) == (OrderState.UNKNOWN, OrderState.PARTIALLY_FILLED)
    assert (amended.price_ticks, amended.size_lots) == (order.price_ticks, order.size_lots)


def test_a_fill_after_the_end_is_added_and_the_order_stays_closed() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    tell(tracker, OrderEvent.CANCELED)
    after = tracker.apply_fill(fill(4), 6)
    assert after is not None
    assert (after.state, after.filled_lots) == (OrderState.CANCELED, 4)
    assert tracker.live() == ()


def test_more_filled_than_ordered_is_suspicious() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    tracker.apply_fill(fill(11), 5)
    assert tracker.suspects
    assert tracker.count_report(2, 9) == []
    assert tracker.count_report(2, 9) == ["a"]
    assert not tracker.suspects


def test_a_fill_or_an_update_never_lowers_what_was_filled() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(filled_lots=6), 0)
    for event in (OrderEvent.ACCEPTED, OrderEvent.PARTIAL_FILL, OrderEvent.CANCELED):
        after = tracker.apply_update(OrderUpdate("main", "a", event, filled_lots=2), 5, 77)
        assert after is not None
        assert after.filled_lots == 6
    assert tracker.missing() == ()


def test_what_the_venue_said_has_filled_is_missing_from_the_end_until_its_fills_are_there() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    tracker.apply_update(OrderUpdate("main", "a", OrderEvent.PARTIAL_FILL, filled_lots=7), 5, 77)
    assert tracker.missing() == ()  # the live order counts as a whole
    tell(tracker, OrderEvent.CANCELED)  # this time nothing is said of what has filled
    assert tracker.missing() == (MissingFills(Side.BUY, 100, 7),)
    tracker.apply_fill(fill(3), 6)
    assert tracker.missing() == (MissingFills(Side.BUY, 100, 4),)
    tracker.apply_fill(fill(4), 7)
    assert (tracker.missing(), tracker.suspects) == ((), {})


def test_only_reports_asked_for_after_the_end_count_against_missing_fills() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    tell(tracker, OrderEvent.FULL_FILL, now=5)
    assert tracker.count_report(1, 4) == []
    assert tracker.count_report(1, 5) == ["a"]
    assert tracker.missing() == ()


def test_orders_with_missing_fills_are_never_forgotten() -> None:
    tracker = OrderTracker("main")
    for number in range(3_000):
        tracker.add(made(f"a{number}", venue_order_id=f"v{number}"), 0)
        tell(tracker, OrderEvent.CANCELED if number else OrderEvent.FULL_FILL, key=f"a{number}")
    assert len(tracker.missing()) == 1
    assert (tracker.get("a1"), tracker.by_venue_id("v1")) == (None, None)
    assert tracker.get("a2999") == tracker.by_venue_id("v2999")


def test_only_the_venues_own_word_of_a_resting_order_undoes_what_a_report_implied() -> None:
    for event, rests in [(OrderEvent.ACCEPTED, True), (OrderEvent.CANCEL_REJECTED, False), (OrderEvent.EXPIRED, False)]:
        tracker = OrderTracker("main")
        tracker.add(made(), 0)
        tracker.apply_update(OrderUpdate("main", "a", OrderEvent.REJECTED), 5, 77, inferred=True)
        tell(tracker, event)
        assert tracker.is_live("a") is rests


def test_an_end_that_the_venue_confirmed_afterwards_is_not_undone() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    tracker.apply_update(OrderUpdate("main", "a", OrderEvent.CANCELED), 5, 77, inferred=True)
    tell(tracker, OrderEvent.CANCELED)
    tell(tracker, OrderEvent.ACCEPTED)
    assert tracker.live() == ()


def test_an_order_that_its_fills_completed_is_not_brought_back_by_a_late_acceptance() -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    tracker.apply_fill(fill(10), 5)
    tracker.apply_update(OrderUpdate("main", "a", OrderEvent.FULL_FILL), 5, 77, inferred=True)
    tell(tracker, OrderEvent.ACCEPTED)
    assert tracker.live() == ()


def test_a_report_judges_only_what_was_settled_when_it_was_asked_for() -> None:
    tracker = OrderTracker("main")
    tracker.add(made("old"), 10)
    tracker.add(made("new"), 20)
    tracker.add(made("heard"), 10)
    tell(tracker, OrderEvent.ACCEPTED, 21, "heard")
    assert [order.client_order_id for order in tracker.settled_before(20)] == ["old"]


def test_only_submits_and_cancels_without_an_answer_are_overdue() -> None:
    tracker = OrderTracker("main")
    tracker.add(made("a"), 10)
    tracker.add(made("b"), 30)
    tracker.add(made("c", state=OrderState.NEW), 0)
    assert [order.client_order_id for order in tracker.overdue(20)] == ["a"]
    tracker.mark_cancel_sent("c", 15)
    assert [order.client_order_id for order in tracker.overdue(20)] == ["a", "c"]
    assert tracker.standing()[1] == 10


EVENTS = [event for event in OrderEvent if event is not OrderEvent.CANCEL_SENT]


@given(st.lists(st.one_of(st.sampled_from(EVENTS), st.integers(1, 5)), max_size=20))
def test_no_sequence_of_words_and_fills_breaks_the_tracker_or_reopens_an_order(steps: list[object]) -> None:
    tracker = OrderTracker("main")
    tracker.add(made(), 0)
    closed, filled = False, 0
    for now, step in enumerate(steps):
        if isinstance(step, int):
            filled += step
            after = tracker.apply_fill(fill(step), now)
        else:
            assert isinstance(step, OrderEvent)
            after = tell(tracker, step, now)
        assert after is not None
        assert after.filled_lots == filled
        assert not closed or after.state in CLOSED
        closed = after.state in CLOSED
        assert bool(tracker.live()) == (not closed)
