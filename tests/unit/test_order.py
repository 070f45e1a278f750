"""Orders and the table that says which state follows which."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.order import CLOSED, TRANSITIONS, OrderEvent, OrderState, Side, next_state
from tests.market_parts import order

S, E = OrderState, OrderEvent


def test_table_covers_exactly_the_states_that_are_not_closed() -> None:
    assert set(TRANSITIONS) == set(OrderState) - CLOSED


@pytest.mark.parametrize("state", sorted(CLOSED))
@pytest.mark.parametrize("event", list(OrderEvent))
def test_closed_order_stays_closed_whatever_comes(state: OrderState, event: OrderEvent) -> None:
    assert next_state(state, event) is state


@pytest.mark.parametrize("state", list(TRANSITIONS))
@pytest.mark.parametrize(
    ("event", "end"),
    [(E.REJECTED, S.REJECTED), (E.FULL_FILL, S.FILLED), (E.CANCELED, S.CANCELED), (E.EXPIRED, S.EXPIRED)],
)
def test_every_live_order_can_end_in_every_way(state: OrderState, event: OrderEvent, end: OrderState) -> None:
    assert next_state(state, event) is end


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        (S.PENDING_NEW, E.ACCEPTED, S.NEW),
        (S.PENDING_NEW, E.OUTCOME_UNKNOWN, S.UNKNOWN),
        (S.NEW, E.PARTIAL_FILL, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, E.ACCEPTED, S.PARTIALLY_FILLED),
        (S.NEW, E.CANCEL_SENT, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.PARTIAL_FILL, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.ACCEPTED, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.CANCEL_REJECTED, S.UNKNOWN),
        (S.NEW, E.AMEND_SENT, S.PENDING_REPLACE),
        (S.PENDING_REPLACE, E.ACCEPTED, S.PENDING_REPLACE),
        (S.PENDING_REPLACE, E.PARTIAL_FILL, S.PENDING_REPLACE),
        (S.PENDING_REPLACE, E.AMENDED, S.NEW),
        (S.PENDING_REPLACE, E.AMEND_REJECTED, S.NEW),
        (S.PENDING_REPLACE, E.OUTCOME_UNKNOWN, S.UNKNOWN),
        (S.PENDING_REPLACE, E.CANCEL_SENT, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.AMENDED, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.AMEND_REJECTED, S.PENDING_CANCEL),
        (S.UNKNOWN, E.AMENDED, S.NEW),
        (S.UNKNOWN, E.AMEND_REJECTED, S.UNKNOWN),
        (S.UNKNOWN, E.ACCEPTED, S.NEW),
        (S.UNKNOWN, E.CANCEL_REJECTED, S.UNKNOWN),
    ],
)
def test_state_follows_from_state_and_event(state: OrderState, event: OrderEvent, after: OrderState) -> None:
    assert next_state(state, event) is after


@pytest.mark.parametrize("state", [S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED])
def test_refused_cancel_that_was_never_sent_is_an_error(state: OrderState) -> None:
    with pytest.raises(KeyError):
        next_state(state, E.CANCEL_REJECTED)


NEVER_THEN = (E.CANCEL_REJECTED, E.AMEND_SENT)


@given(st.lists(st.sampled_from([event for event in OrderEvent if event not in NEVER_THEN])))
def test_cancel_on_its_way_is_never_forgotten(events: list[OrderEvent]) -> None:
    state = S.PENDING_CANCEL
    for event in events:
        state = next_state(state, event)
        if event is E.OUTCOME_UNKNOWN:
            return
        assert state is S.PENDING_CANCEL or state in CLOSED


def test_remaining_is_what_is_not_filled() -> None:
    assert order(Side.BUY, 1500, 10, filled_lots=3).remaining_lots == 7


@pytest.mark.parametrize("state", list(OrderState))
def test_order_is_closed_exactly_in_the_closed_states(state: OrderState) -> None:
    assert order(Side.BUY, 1500, 10, state=state).is_closed is (state in CLOSED)


def test_order_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        order(Side.BUY, 1500, 10).size_lots = 11  # type: ignore[misc]


def test_sides_are_opposite_and_signed() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize("state", [S.PENDING_NEW, S.PENDING_CANCEL, S.PENDING_REPLACE, S.UNKNOWN])
def test_only_an_order_that_is_known_to_rest_is_amended(state: OrderState) -> None:
    with pytest.raises(KeyError):
        next_state(state, E.AMEND_SENT)


@pytest.mark.parametrize(("lots", "state"), [(5, S.NEW), (4, S.FILLED), (3, S.FILLED)])
def test_an_order_given_no_more_than_has_filled_is_filled(lots: int, state: OrderState) -> None:
    own = order(Side.BUY, 1500, 10, filled_lots=4).on_terms(1490, lots)
    assert (own.price_ticks, own.size_lots, own.state) == (1490, lots, state)
