"""Our ledger against a venue's report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.order import Amend, Fill, Order, OrderEvent, OrderState, Side, next_state
from core.market.reconcile import Reconciliation, reconcile
from core.market.reports import VenueReport
from tests.market_parts import LIVE_STATES, NOW, SECOND, fill, order

WINDOW = 2 * SECOND


def owns(client_order_id: str) -> bool:
    return client_order_id.startswith("mk")


def report(**changes: Any) -> VenueReport:
    values: dict[str, Any] = {"leg": "main", "request_id": 1, "complete": True, "as_of_ns": NOW}
    return VenueReport(**(values | changes))


@dataclass
class Books:
    """A ledger small enough to see through: applies reconciliations as the real one does."""

    orders: dict[str, Order] = field(default_factory=dict)
    trades: set[str] = field(default_factory=set)
    closed: dict[str, str] = field(default_factory=dict)  # venue order id -> ours
    amends: dict[str, Amend] = field(default_factory=dict)  # not answered

    @classmethod
    def of(cls, orders: Iterable[Order], trades: Iterable[str] = ()) -> Books:
        return cls({one.client_order_id: one for one in orders}, set(trades))

    def known(self) -> list[Order]:
        return [one for one in self.orders.values() if not one.is_closed]

    def ask(self, answer: VenueReport) -> Reconciliation:
        return reconcile(
            self.known(), self.trades.__contains__, answer, owns, self.may_arrive, self.closed.get, self.amends.get
        )

    def may_arrive(self, client_order_id: str) -> bool:
        return NOW - self.orders[client_order_id].sent_ns < WINDOW

    def apply(self, result: Reconciliation) -> None:
        for one in result.new_fills:
            self.trades.add(one.trade_id)
            if one.client_order_id in self.orders:
                self._book(one)
        for update in result.updates:
            before = self.orders[update.client_order_id]
            price_ticks = before.price_ticks if update.price_ticks is None else update.price_ticks
            size_lots = before.size_lots if update.size_lots is None else update.size_lots
            self.orders[update.client_order_id] = replace(
                before,
                price_ticks=price_ticks,
                size_lots=size_lots,
                state=next_state(before.state, update.event),
                venue_order_id=update.venue_order_id or before.venue_order_id,
            )
        self.orders |= {one.client_order_id: one for one in result.adopted}

    def _book(self, one: Fill) -> None:
        before = self.orders[one.client_order_id]
        filled = before.filled_lots + one.size_lots
        event = OrderEvent.FULL_FILL if filled >= before.size_lots else OrderEvent.PARTIAL_FILL
        self.orders[one.client_order_id] = replace(before, filled_lots=filled, state=next_state(before.state, event))


def ours(number: int, **changes: Any) -> Order:
    values: dict[str, Any] = {"client_order_id": f"mk{number}", "venue_order_id": f"v{number}"}
    return order(Side.BUY, 1500, 10, f"buy.{number}", **(values | changes))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Books, VenueReport]:
    """Draw a ledger and a report that agree in part, with foreign orders, late fills and repeated trade ids."""
    orders = []
    for number in range(draw(st.integers(0, 6))):
        state = draw(st.sampled_from([*LIVE_STATES, OrderState.CANCELED]))
        filled = draw(st.integers(1, 9)) if state is OrderState.PARTIALLY_FILLED else 0
        acked = state not in (OrderState.PENDING_NEW, OrderState.UNKNOWN) or draw(st.booleans())
        orders.append(
            ours(
                number,
                state=state,
                filled_lots=filled,
                venue_order_id=f"v{number}" if acked else None,
                sent_ns=NOW - draw(st.integers(0, 5)) * SECOND,
            )
        )
    keys = st.sampled_from(["mk0", "mk1", "mk2", "mk7", "mk8", "web1", "web2"])
    listed = [
        replace(ours(0), client_order_id=key, venue_order_id=f"v{key[2:]}", slot="", price_ticks=price, size_lots=lots)
        for key in draw(st.lists(keys, unique=True))
        for price, lots in [draw(st.sampled_from([(1500, 10), (1490, 12), (1510, 8)]))]
    ]
    traded = draw(st.lists(st.tuples(st.integers(0, 8), keys, st.integers(1, 4)), max_size=6))
    fills = tuple(fill(Side.BUY, 1500, size, trade_id=f"t{t}", client_order_id=key) for t, key, size in traded)
    booked = draw(st.sets(st.sampled_from([f"t{t}" for t in range(9)])))
    answer = report(complete=draw(st.booleans()), open_orders=tuple(listed), fills=fills)
    return Books.of(orders, booked), answer


@given(situations())
def test_reconciling_the_same_report_twice_changes_nothing_more(situation: tuple[Books, VenueReport]) -> None:
    books, answer = situation
    books.apply(books.ask(answer))
    again = books.ask(answer)
    assert again.new_fills == again.updates == ()
    # A listing older than its own fills still names an order that they completed; nothing else is adopted twice.
    assert all(order.client_order_id in books.orders for order in again.adopted)


@given(situations())
def test_incomplete_report_never_ends_an_order_that_was_not_filled(situation: tuple[Books, VenueReport]) -> None:
    books, answer = situation
    result = books.ask(replace(answer, complete=False))
    assert not result.complete
    assert all(
        update.event in (OrderEvent.ACCEPTED, OrderEvent.PARTIAL_FILL, OrderEvent.FULL_FILL, OrderEvent.AMENDED)
        for update in result.updates
    )
    for update in result.updates:
        if update.event is OrderEvent.FULL_FILL:
            known = books.orders[update.client_order_id]
            got = sum(one.size_lots for one in result.new_fills if one.client_order_id == update.client_order_id)
            assert known.filled_lots + got >= known.size_lots


@given(situations())
def test_incomplete_report_tells_a_part_of_what_a_complete_one_tells(situation: tuple[Books, VenueReport]) -> None:
    books, answer = situation
    part = books.ask(replace(answer, complete=False))
    whole = books.ask(replace(answer, complete=True))
    assert part.new_fills == whole.new_fills
    assert part.adopted == whole.adopted
    assert part.foreign == whole.foreign
    assert set(part.updates) <= set(whole.updates)


@given(situations())
def test_each_unbooked_fill_of_ours_comes_exactly_once(situation: tuple[Books, VenueReport]) -> None:
    books, answer = situation
    result = books.ask(answer)
    trades = [one.trade_id for one in result.new_fills]
    assert len(set(trades)) == len(trades)
    first_owner: dict[str, str] = {}
    for one in answer.fills:
        first_owner.setdefault(one.trade_id, one.client_order_id)
    expected = {trade for trade, key in first_owner.items() if owns(key) and trade not in books.trades}
    assert set(trades) == expected


@given(situations())
def test_recent_order_without_an_answer_is_never_called_absent(
    situation: tuple[Books, VenueReport],
) -> None:
    books, answer = situation
    result = books.ask(answer)
    ended = {update.client_order_id for update in result.updates if update.event is not OrderEvent.FULL_FILL}
    listed = {one.client_order_id for one in answer.open_orders}
    for key in ended - listed:
        assert answer.complete
        known = books.orders[key]
        got = any(one.client_order_id == key for one in result.new_fills)
        assert known.was_answered or got or NOW - known.sent_ns >= WINDOW


@given(situations())
def test_listed_orders_are_known_adopted_or_foreign(situation: tuple[Books, VenueReport]) -> None:
    books, answer = situation
    result = books.ask(answer)
    known = {one.client_order_id for one in books.known()}
    told = {one.client_order_id for one in (*result.adopted, *result.foreign)}
    assert {one.client_order_id for one in answer.open_orders} == told | (
        known & {one.client_order_id for one in answer.open_orders}
    )
    assert told.isdisjoint(known)
    assert all(owns(one.client_order_id) for one in result.adopted)
    assert not any(owns(one.client_order_id) for one in result.foreign)


@pytest.mark.parametrize("state", [OrderState.PENDING_NEW, OrderState.UNKNOWN])
def test_doubtful_order_that_is_listed_was_accepted(state: OrderState) -> None:
    books = Books.of([ours(1, state=state, venue_order_id=None)])
    (update,) = books.ask(report(open_orders=(ours(1),))).updates
    assert (update.event, update.venue_order_id) == (OrderEvent.ACCEPTED, "v1")


def test_doubtful_order_with_fills_is_partly_filled() -> None:
    books = Books.of([ours(1, state=OrderState.UNKNOWN)])
    one = fill(Side.BUY, 1500, 4, client_order_id="mk1")
    result = books.ask(report(open_orders=(ours(1, filled_lots=4),), fills=(one,)))
    assert [update.event for update in result.updates] == [OrderEvent.PARTIAL_FILL]
    assert result.short_of_fills == ()


def test_listed_order_that_we_are_cancelling_is_left_to_its_answer() -> None:
    books = Books.of([ours(1, state=OrderState.PENDING_CANCEL)])
    assert books.ask(report(open_orders=(ours(1),))).updates == ()


NEW_TERMS, OLD_TERMS = (1490, 8), (1500, 12)
RECENT, LONG_AGO = NOW, NOW - 60 * SECOND


def listed_amended(listed: tuple[int, int], state: OrderState, sent_ns: int) -> list[tuple[OrderEvent, int | None]]:
    """Return what is told of an order whose amendment to 1490 and 8 is not answered, where terms are listed."""
    books = Books.of([ours(1, state=state, sent_ns=sent_ns).on_terms(1500, 12)])
    books.amends["mk1"] = Amend("mk1", *NEW_TERMS)
    found = books.ask(report(open_orders=(ours(1).on_terms(*listed),)))
    return [(update.event, update.price_ticks) for update in found.updates]


@pytest.mark.parametrize("state", [OrderState.PENDING_REPLACE, OrderState.UNKNOWN])
def test_amended_order_that_is_listed_on_its_new_terms_is_amended(state: OrderState) -> None:
    assert listed_amended(NEW_TERMS, state, RECENT) == [(OrderEvent.AMENDED, 1490)]


@pytest.mark.parametrize("state", [OrderState.PENDING_REPLACE, OrderState.UNKNOWN])
def test_old_terms_prove_nothing_while_the_amendment_may_still_arrive(state: OrderState) -> None:
    rests = [(OrderEvent.ACCEPTED, None)] if state is OrderState.UNKNOWN else []  # and no more than that
    assert listed_amended(OLD_TERMS, state, RECENT) == rests
    assert listed_amended(OLD_TERMS, state, LONG_AGO) == [(OrderEvent.AMENDED, 1500)]


def test_amended_order_that_we_are_cancelling_is_left_to_its_answer() -> None:
    assert listed_amended(NEW_TERMS, OrderState.PENDING_CANCEL, LONG_AGO) == []


def test_order_of_an_earlier_life_that_was_being_amended_is_on_the_terms_that_are_listed() -> None:
    books = Books.of([ours(1, state=OrderState.PENDING_REPLACE).on_terms(1500, 12)])
    (update,) = books.ask(report(open_orders=(ours(1).on_terms(1490, 8),))).updates
    assert (update.event, update.price_ticks, update.size_lots) == (OrderEvent.AMENDED, 1490, 8)


@pytest.mark.parametrize("state", [OrderState.PENDING_REPLACE, OrderState.UNKNOWN])
def test_other_terms_of_an_earlier_life_prove_nothing_while_its_amendment_may_still_arrive(state: OrderState) -> None:
    young, old = (ours(1, state=state, sent_ns=sent_ns).on_terms(1500, 12) for sent_ns in (RECENT, LONG_AGO))
    answer = report(open_orders=(ours(1).on_terms(1500, 10),))
    assert [update.size_lots for update in Books.of([young]).ask(answer).updates] in ([], [None])
    assert [update.size_lots for update in Books.of([old]).ask(answer).updates] == [10]


@pytest.mark.parametrize(("sent_ns", "event"), [(RECENT, OrderEvent.ACCEPTED), (LONG_AGO, OrderEvent.AMENDED)])
def test_the_same_terms_settle_an_amendment_that_nobody_knows_once_it_cannot_arrive(
    sent_ns: int, event: OrderEvent
) -> None:
    own = ours(1, state=OrderState.UNKNOWN, sent_ns=sent_ns)
    answer = report(open_orders=(ours(1),))
    (update,) = reconcile(
        [own], lambda key: False, answer, owns, lambda key: sent_ns == RECENT, may_be_amended=lambda key: True
    ).updates
    assert update.event is event


@pytest.mark.parametrize("state", [OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.UNKNOWN])
@pytest.mark.parametrize(
    ("sent_ns", "listed", "terms"),
    [
        (LONG_AGO, (1490, 8), (1490, 8)),
        (LONG_AGO, (1510, 12), (1510, 12)),
        (RECENT, (1490, 12), (1500, 12)),  # what was asked for may be in force by now: the worse of both
        (RECENT, (1510, 8), (1510, 10)),
    ],
)
def test_order_that_rests_on_other_terms_than_we_believe_is_on_those(
    state: OrderState, sent_ns: int, listed: tuple[int, int], terms: tuple[int, int]
) -> None:
    own = ours(1, state=state, sent_ns=sent_ns)
    (update,) = Books.of([own]).ask(report(open_orders=(ours(1).on_terms(*listed),))).updates
    assert (update.event, update.price_ticks, update.size_lots) == (OrderEvent.AMENDED, *terms)


def test_other_terms_of_an_order_that_we_are_cancelling_or_that_are_no_worse_for_now_are_no_news() -> None:
    answer = report(open_orders=(ours(1).on_terms(1490, 8),))
    leaving, young = ours(1, state=OrderState.PENDING_CANCEL), ours(1, sent_ns=RECENT)
    assert Books.of([leaving]).ask(answer).updates == Books.of([young]).ask(answer).updates == ()


def test_a_listing_without_a_price_tells_no_terms() -> None:
    assert Books.of([ours(1)]).ask(report(open_orders=(ours(1).on_terms(0, 8),))).updates == ()


def test_order_that_vanished_was_cancelled() -> None:
    (update,) = Books.of([ours(1)]).ask(report()).updates
    assert update.event is OrderEvent.CANCELED
    assert update.reason == "not listed by the venue"


def test_order_that_vanished_with_all_its_fills_was_filled() -> None:
    one = fill(Side.BUY, 1500, 10, client_order_id="mk1")
    result = Books.of([ours(1)]).ask(report(fills=(one,)))
    assert result.new_fills == (one,)
    assert [update.event for update in result.updates] == [OrderEvent.FULL_FILL]


@pytest.mark.parametrize(("age_s", "waits"), [(1, True), (2, False)])
def test_order_that_never_arrived_is_settled_only_after_the_acceptance_window(age_s: int, waits: bool) -> None:
    late = ours(1, state=OrderState.UNKNOWN, venue_order_id=None, sent_ns=NOW - age_s * SECOND)
    result = Books.of([late]).ask(report())
    assert result.waiting == (("mk1",) if waits else ())
    assert [update.event for update in result.updates] == ([] if waits else [OrderEvent.REJECTED])


@pytest.mark.parametrize("answer", [{"venue_order_id": "v1"}, {"acked_ns": NOW}, {"filled_lots": 1}])
def test_order_that_the_venue_has_answered_needs_no_acceptance_window(answer: dict[str, Any]) -> None:
    young = ours(1, **({"venue_order_id": None, "sent_ns": NOW} | answer))
    (update,) = Books.of([young]).ask(report()).updates
    assert update.event is OrderEvent.CANCELED


def test_fill_of_a_closed_order_is_still_booked() -> None:
    late = fill(Side.BUY, 1500, 4, client_order_id="mk99")
    assert Books().ask(report(fills=(late,))).new_fills == (late,)


def test_fill_is_matched_by_the_venues_order_id() -> None:
    nameless = fill(Side.BUY, 1500, 4, client_order_id="", venue_order_id="v1")
    (booked,) = Books.of([ours(1)]).ask(report(open_orders=(ours(1),), fills=(nameless,))).new_fills
    assert booked.client_order_id == "mk1"


def test_fill_under_the_venues_id_of_a_closed_order_is_matched() -> None:
    books = Books(closed={"v9": "mk9"})
    nameless = fill(Side.BUY, 1500, 4, client_order_id="", venue_order_id="v9")
    (booked,) = books.ask(report(fills=(nameless,))).new_fills
    assert booked.client_order_id == "mk9"


def test_fill_is_matched_by_a_venue_id_that_the_same_report_tells_first() -> None:
    books = Books.of([ours(1, state=OrderState.UNKNOWN, venue_order_id=None)])
    nameless = fill(Side.BUY, 1500, 4, client_order_id="", venue_order_id="v1")
    result = books.ask(report(open_orders=(ours(1, filled_lots=4),), fills=(nameless,)))
    assert [one.client_order_id for one in result.new_fills] == ["mk1"]
    assert result.unmatched == ()


def test_fill_under_an_unknown_venue_id_alone_is_told_as_unmatched() -> None:
    nameless = fill(Side.BUY, 1500, 4, client_order_id="", venue_order_id="v77")
    named = fill(Side.BUY, 1500, 4, trade_id="other", client_order_id="web1", venue_order_id="v78")
    result = Books.of([ours(1)]).ask(report(open_orders=(ours(1),), fills=(nameless, named)))
    assert (result.new_fills, result.unmatched) == ((), (nameless,))


def test_listed_order_is_matched_by_the_venues_order_id() -> None:
    result = Books.of([ours(1)]).ask(report(open_orders=(ours(1, client_order_id=""),)))
    assert result.updates == result.foreign == ()


def test_somebody_elses_fill_is_not_ours() -> None:
    foreign = fill(Side.BUY, 1500, 4, client_order_id="web1", venue_order_id="v77")
    assert Books.of([ours(1)]).ask(report(open_orders=(ours(1),), fills=(foreign,))).new_fills == ()


def test_filled_size_without_its_fills_asks_for_a_backfill() -> None:
    result = Books.of([ours(1)]).ask(report(open_orders=(ours(1, filled_lots=4),)))
    assert result.short_of_fills == (("mk1", 4),)
