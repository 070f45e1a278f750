"""The sweep of a dead bot's orders: what counts as done, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.base_client import Inbox
from core.market.client_ids import ClientOrderIds
from core.market.order import Order, OrderEvent, OrderState, Side
from core.trading.clock import SimulatedClock, seconds
from core.trading.order_sweep import OrderSweep
from tests.trading.scripted_venue import LOSE, LOSE_ANSWER, ScriptedVenue
from utils.errors import VenueAuthError, VenueUnreachable

SWEEPER = ClientOrderIds("home", "bot", 8)
DEAD = ClientOrderIds("home", "bot", 7)


class Rig:
    """A sweep with a venue, an inbox and a clock."""

    def __init__(self, late_s: float = 0.0, cancel_at_once: bool = True) -> None:
        self.venue = ScriptedVenue(late_arrival_s=late_s, cancel_at_once=cancel_at_once)
        self.inbox, self.clock, self.late_s = Inbox(), SimulatedClock(), late_s
        self.venue.open(self.inbox, "main")

    def order(self, **changes: object) -> Order:
        made = Order(DEAD.next(), "main", Side.BUY, 9_990, 10)
        return replace(made, **changes)  # type: ignore[arg-type]

    def begin(self, *in_flight: Order, deadline_s: float = 20.0) -> None:
        deadline_ns = self.clock.now_ns() + seconds(deadline_s)
        self.sweep = OrderSweep(
            self.venue, self.inbox, SWEEPER, in_flight, self.clock, self.late_s, deadline_ns, since="0"
        )

    def run(self, duration_s: float = 30.0) -> None:
        end_ns = self.clock.now_ns() + seconds(duration_s)
        while self.clock.now_ns() < end_ns and self.sweep.done is None:
            self.clock.wait(min(self.sweep.step(), end_ns), ())

    @property
    def confirmed(self) -> bool:
        assert self.sweep.done is not None
        return self.sweep.done.confirmed


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_one_empty_listing_is_enough_when_nothing_was_in_flight(rig: Rig) -> None:
    rig.begin()
    rig.run()
    assert rig.sweep.done is not None
    assert (rig.sweep.done.confirmed, rig.sweep.done.cancelled, rig.sweep.done.left) == (True, 0, ())
    assert rig.venue.reports_asked == ["0"]
    assert rig.clock.now_ns() < seconds(1.1)


@pytest.mark.parametrize("cancel_at_once", [True, False])
def test_resting_orders_of_every_incarnation_are_cancelled_and_counted(cancel_at_once: bool) -> None:
    rig = Rig(cancel_at_once=cancel_at_once)
    for fence in (1, 7):
        rig.venue.rest(replace(rig.order(), client_order_id=ClientOrderIds("home", "bot", fence, 500).next()), False)
    rig.begin()
    rig.run()
    assert rig.sweep.done is not None
    assert (rig.sweep.done.confirmed, rig.sweep.done.cancelled) == (True, 2)
    assert rig.venue.open_orders == {}


def test_orders_of_others_are_not_touched(rig: Rig) -> None:
    neighbour = ClientOrderIds("home", "other-bot", 7).next()
    for key in ("by-hand", neighbour):
        rig.venue.rest(replace(rig.order(), client_order_id=key), False)
    rig.begin()
    rig.run()
    assert rig.confirmed
    assert set(rig.venue.open_orders) == {"by-hand", neighbour}
    assert rig.venue.cancels == []


def test_an_order_in_flight_is_absent_only_after_the_acceptance_window() -> None:
    rig = Rig(late_s=5.0)
    rig.begin(rig.order())
    rig.run(4.9)
    assert rig.sweep.done is None
    assert len(rig.venue.reports_asked) > 1
    rig.run(1)
    assert rig.confirmed


def test_an_order_in_flight_that_arrives_late_is_found_and_cancelled() -> None:
    rig = Rig(late_s=5.0)
    late = rig.order()
    rig.begin(late)
    rig.run(4)
    rig.venue.rest(late, tell=False)
    rig.run()
    assert rig.confirmed
    assert rig.sweep.done is not None
    assert rig.sweep.done.cancelled == 1
    assert rig.venue.open_orders == {}


def test_an_order_in_flight_that_was_found_and_cancelled_needs_no_window() -> None:
    rig = Rig(late_s=60.0)
    found = rig.order()
    rig.venue.rest(found, tell=False)
    rig.begin(found)
    rig.run(2)
    assert rig.confirmed


def test_an_order_that_the_venue_had_answered_is_not_waited_for() -> None:
    rig = Rig(late_s=60.0)
    rig.begin(rig.order(state=OrderState.UNKNOWN, acked_ns=1), rig.order(filled_lots=3), rig.order(venue_order_id="v"))
    rig.run(2)
    assert rig.confirmed


def test_an_acceptance_heard_after_the_listing_was_asked_for_needs_another_listing() -> None:
    rig = Rig(late_s=60.0)
    late = rig.order()
    rig.venue.script.reports.append("none")
    rig.begin(late)
    rig.run(1)
    empty = rig.venue.report(1, None)
    rig.venue.rest(late)
    rig.inbox.put(empty)  # made before the order arrived
    rig.venue.script.cancel = LOSE
    rig.run(0.5)
    assert rig.sweep.done is None
    rig.venue.script.cancel = "answer"
    rig.run()
    assert rig.confirmed
    assert rig.venue.open_orders == {}


def test_a_fill_of_an_order_in_flight_is_no_proof_that_the_rest_is_gone() -> None:
    rig = Rig(late_s=60.0)
    order = rig.order()
    rig.venue.rest(order, tell=False)
    rig.venue.fill(order.client_order_id, 4)
    hidden = rig.venue.open_orders.pop(order.client_order_id)  # its first listing misses it
    rig.begin(order)
    rig.sweep.step()
    rig.venue.open_orders[order.client_order_id] = hidden
    rig.run()
    assert rig.venue.open_orders == {}


def test_an_incomplete_report_is_never_empty(rig: Rig) -> None:
    rig.venue.script.reports.extend(["incomplete"] * 1000)
    rig.begin(deadline_s=10)
    rig.run()
    assert rig.sweep.done is not None
    assert not rig.sweep.done.confirmed
    assert rig.sweep.done.reason == "one page is missing"


def test_incomplete_reports_are_waited_out(rig: Rig) -> None:
    rig.venue.script.reports.extend(["incomplete"] * 5)
    rig.venue.rest(rig.order(), tell=False)
    rig.begin()
    rig.run()
    assert rig.confirmed
    assert rig.venue.open_orders == {}


def test_the_deadline_names_what_is_left(rig: Rig) -> None:
    stuck = rig.order()
    rig.venue.rest(stuck, tell=False)
    rig.venue.script.cancel = LOSE
    rig.begin(deadline_s=5)
    rig.run()
    assert rig.sweep.done is not None
    assert (rig.sweep.done.confirmed, rig.sweep.done.left) == (False, (stuck.client_order_id,))
    assert len(rig.venue.cancels) >= 4
    assert rig.clock.now_ns() <= seconds(6.1)


def test_an_order_in_flight_that_nobody_can_say_anything_about_is_named(rig: Rig) -> None:
    order = rig.order()
    rig.venue.script.report_error = VenueUnreachable("no route")
    rig.begin(order, deadline_s=5)
    rig.run()
    assert rig.sweep.done is not None
    assert (rig.sweep.done.left, rig.sweep.done.reason) == ((order.client_order_id,), "no route")


def test_a_venue_that_comes_back_is_swept(rig: Rig) -> None:
    rig.venue.rest(rig.order(), tell=False)
    rig.venue.script.report_error = rig.venue.script.cancel_error = VenueUnreachable("no route")
    rig.begin()
    rig.run(3)
    rig.venue.script.report_error = rig.venue.script.cancel_error = None
    rig.run()
    assert rig.confirmed


def test_a_key_that_the_venue_does_not_accept_ends_the_sweep_unconfirmed(rig: Rig) -> None:
    rig.venue.script.report_error = VenueAuthError("key revoked")
    rig.begin()
    rig.run()
    assert rig.sweep.done is not None
    assert (rig.sweep.done.confirmed, rig.sweep.done.reason) == (False, "key revoked")


def test_a_cancel_reject_is_no_proof_that_an_order_will_not_arrive() -> None:
    rig = Rig(late_s=5.0)
    order = rig.order()
    rig.begin(order)
    rig.sweep.step()
    rig.venue.tell(order.client_order_id, OrderEvent.CANCEL_REJECTED)
    rig.run(2)
    assert rig.sweep.done is None


def test_a_silent_cancel_is_seen_in_the_next_listing(rig: Rig) -> None:
    rig.venue.rest(rig.order(), tell=False)
    rig.venue.script.cancel = LOSE_ANSWER
    rig.begin()
    rig.run()
    assert rig.confirmed


def test_repeated_cancels_leave_room_on_a_small_budget_for_the_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(cancel_at_once=False)
    sent: list[str] = []
    monkeypatch.setattr(rig.venue, "cancel", sent.extend)
    rig.venue.script.reports.extend(["none"] * 50)
    rig.begin(rig.order(state=OrderState.NEW, venue_order_id="v1"))
    rig.run()
    assert rig.sweep.done is not None and not rig.sweep.done.confirmed
    assert 4 <= len(sent) <= 6  # after 0, 1, 3, 7, 15 seconds
