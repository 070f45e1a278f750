"""Orders that are amended at the simulated venue: what keeps its place in the queue, what is judged anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.matched import Arrival
from core.market.matching import NO_SUCH_ORDER, MatchingEngine
from core.market.order import POST_ONLY_WOULD_CROSS, Amend, Order, OrderState, Side
from tests.unit.test_matching import ASKS, BIDS, NOW, engine, rest, sizes

# The book is 9999 to 10001.


def amend(venue: MatchingEngine, key: str, price: int, lots: int) -> Arrival | str:
    return venue.amend(Amend(key, price, lots), NOW)


def amended(venue: MatchingEngine, key: str, price: int, lots: int) -> Order:
    found = amend(venue, key, price, lots)
    assert isinstance(found, Arrival)
    return found.order


def first_to_fill(venue: MatchingEngine) -> str:
    """Return whose order a print of one lot beyond every price would begin with."""
    return venue.on_print(9990, 1, Side.SELL, NOW).fills[0].client_order_id


def test_a_smaller_size_at_the_same_price_keeps_the_place() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a")
    rest(venue, Side.BUY, 9998, 100, "b")
    assert amended(venue, "a", 9998, 60).size_lots == 60
    assert list(venue.orders) == ["a", "b"]
    assert first_to_fill(venue) == "a"


@pytest.mark.parametrize(("price", "lots"), [(9998, 101), (9997, 100), (9999, 60)])
def test_anything_else_goes_to_the_end(price: int, lots: int) -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a")
    rest(venue, Side.BUY, 9998, 100, "b")
    own = amended(venue, "a", price, lots)
    assert (own.price_ticks, own.size_lots, own.state) == (price, lots, OrderState.NEW)
    assert list(venue.orders) == ["b", "a"]


def test_in_the_queue_model_too() -> None:
    venue = engine(fill_model="queue")
    rest(venue, Side.BUY, 9999, 100, "a")
    assert venue.queue is not None
    venue.on_print(9999, 30, Side.SELL, NOW)
    before = venue.queue.places["a"]
    amend(venue, "a", 9999, 50)
    assert venue.queue.places["a"] == before
    amend(venue, "a", 9999, 60)
    assert venue.queue.places["a"] != before


def test_the_size_is_the_total_so_what_has_filled_is_not_filled_again() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a")
    venue.on_print(9990, 40, Side.SELL, NOW)
    own = amended(venue, "a", 9997, 70)
    assert (own.filled_lots, own.remaining_lots, own.state) == (40, 30, OrderState.PARTIALLY_FILLED)
    assert sizes(venue.on_print(9990, 500, Side.SELL, NOW).fills) == [("a", 9997, 30)]
    assert venue.orders == {}


@pytest.mark.parametrize("lots", [40, 39])
def test_a_size_of_what_has_filled_ends_the_order(lots: int) -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a")
    venue.on_print(9990, 40, Side.SELL, NOW)
    own = amended(venue, "a", 9998, lots)
    assert (own.state, own.filled_lots) == (OrderState.CANCELED, 40)
    assert venue.orders == {}


def test_a_post_only_order_that_would_cross_stays_as_it_was_in_its_place() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a", post_only=True)
    rest(venue, Side.BUY, 9998, 100, "b")
    before = dict(venue.orders)
    assert amend(venue, "a", 10001, 100) == POST_ONLY_WOULD_CROSS
    assert list(venue.orders.items()) == list(before.items())


def test_a_plain_order_that_crosses_trades_at_once_and_rests_with_what_is_left() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a", post_only=False)
    lots = ASKS[0].size_lots + 7
    found = amend(venue, "a", ASKS[0].price_ticks, lots)
    assert isinstance(found, Arrival)
    assert sizes(found.fills) == [("a", ASKS[0].price_ticks, ASKS[0].size_lots)]
    assert found.fills[0].liquidity == "taker"
    assert venue.orders["a"].remaining_lots == 7


def test_an_order_beyond_the_account_stays_as_it_was() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a")
    before = dict(venue.orders)
    found = amend(venue, "a", 9998, 10**9)
    assert isinstance(found, str) and "insufficient" in found
    assert venue.orders == before


def test_what_an_order_reserves_is_there_for_its_own_amendment() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "a")
    most = 100
    while isinstance(found := amend(venue, "a", 9998, most * 2), Arrival):
        most *= 2
    assert isinstance(amend(venue, "a", 9997, most), Arrival), found  # beside itself it would be twice as much


def test_there_is_nothing_to_amend_where_no_order_rests() -> None:
    assert amend(engine(), "nobody", 9998, 100) == NO_SUCH_ORDER


STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(9990, 10010), st.integers(1, 300), st.integers(0, 60)), max_size=12
)


@given(STEPS)
def test_an_order_never_fills_beyond_the_largest_size_it_was_given(steps: list[tuple[str, int, int, int]]) -> None:
    venue: Any = engine()
    venue.on_book(BIDS, ASKS, NOW)
    largest, filled = {"a": 100, "b": 100}, {"a": 0, "b": 0}
    rest(venue, Side.BUY, 9998, 100, "a", post_only=False)
    rest(venue, Side.BUY, 9997, 100, "b", post_only=True)
    for key, price, lots, traded in steps:
        found = amend(venue, key, price, lots)
        fills = list(found.fills) if isinstance(found, Arrival) else []
        if isinstance(found, Arrival):
            largest[key] = max(largest[key], lots)
            assert found.order.filled_lots <= largest[key]
        if traded:
            fills += venue.on_print(9980, traded, Side.SELL, NOW).fills
        for each in fills:
            filled[each.client_order_id] += each.size_lots
        for each in venue.orders.values():
            assert filled[each.client_order_id] == each.filled_lots < each.size_lots
    assert all(filled[key] <= largest[key] for key in filled)
