"""The matching engine with fill model `queue`, and books that come level by level."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.market.book import Level
from core.market.fill_rules import MatchingRules
from core.market.instrument import Instrument
from core.market.matching import MatchingEngine
from core.market.order import Fill, Order, Side
from core.market.sim_account import SimAccount

SPOT = Instrument("SOL-USDC", "SOLUSDC", "spot", "SOL", "USDC", Decimal("0.01"), Decimal("0.001"))
NOW = 1_800_000_000_000_000_000
BUY, SELL = Side.BUY, Side.SELL


def engine(**rules: Any) -> MatchingEngine:
    """Return an engine whose whole book is 10 lots at 100 and 99, and at 102 and 103."""
    account = SimAccount(SPOT, {"SOL": Decimal(1000), "USDC": Decimal(100_000)})
    built = MatchingEngine(account, MatchingRules(fill_model="queue", **rules), lambda: 0.0, "v-")
    built.on_book((Level(100, 10), Level(99, 10)), (Level(102, 10), Level(103, 10)), NOW, is_whole=True)
    return built


def rest(venue: MatchingEngine, name: str, price: int, lots: int, side: Side = BUY) -> None:
    assert venue.submit(Order(name, "main", side, price, lots), NOW).accepted


def sizes(fills: tuple[Fill, ...]) -> list[tuple[str, int, int]]:
    return [(fill.client_order_id, fill.price_ticks, fill.size_lots) for fill in fills]


def test_those_who_stand_before_an_order_trade_first_and_the_rest_of_the_print_fills_a_part_of_it() -> None:
    venue = engine()
    rest(venue, "a", 100, 5)
    assert venue.on_print(100, 8, SELL, NOW).fills == ()
    assert sizes(venue.on_print(100, 4, SELL, NOW).fills) == [("a", 100, 2)]
    assert sizes(venue.on_print(100, 9, SELL, NOW).fills) == [("a", 100, 3)]
    assert not venue.orders and venue.queue is not None and not venue.queue.places


def test_what_one_order_got_of_a_print_the_next_one_does_not_get() -> None:
    venue = engine()
    rest(venue, "a", 100, 3)
    rest(venue, "b", 100, 5)
    assert sizes(venue.on_print(100, 15, SELL, NOW).fills) == [("a", 100, 3), ("b", 100, 2)]


def test_a_print_beyond_the_price_fills_all_of_an_order_and_one_by_our_own_side_nothing() -> None:
    venue = engine(print_band_pct=50.0)
    rest(venue, "a", 100, 50)
    assert venue.on_print(99, 1, BUY, NOW).fills == ()
    assert sizes(venue.on_print(99, 1, SELL, NOW).fills) == [("a", 100, 50)]


def test_a_print_far_outside_the_book_fills_nothing() -> None:
    venue = engine()
    rest(venue, "a", 100, 5)
    assert venue.on_print(50, 1000, SELL, NOW).fills == ()


def test_cancels_bring_an_order_forward_as_the_model_says() -> None:
    for model, front in (("risk_averse", 6.0), ("power3", None)):
        venue = engine(queue_model=model)
        rest(venue, "a", 100, 5)
        venue.on_level(BUY, 100, 20, NOW)
        venue.on_level(BUY, 100, 6, NOW)
        assert venue.queue is not None
        found, traded = venue.queue.places["a"]
        assert traded == 0.0 and 0 <= found <= 6
        assert front is None or found == front


def test_an_order_alone_at_its_price_is_filled_by_the_first_lot() -> None:
    venue = engine()
    rest(venue, "a", 101, 2)
    assert sizes(venue.on_print(101, 1, SELL, NOW).fills) == [("a", 101, 1)]


def test_a_level_that_reaches_an_order_fills_it_as_far_as_it_goes() -> None:
    venue = engine()
    rest(venue, "a", 101, 5)
    venue.on_level(SELL, 102, 0, NOW)
    assert sizes(venue.on_level(SELL, 101, 3, NOW).fills) == [("a", 101, 3)]
    assert venue.on_level(SELL, 101, 2, NOW).fills == ()  # that much was taken already
    assert sizes(venue.on_level(SELL, 100, 9, NOW).fills) == [("a", 101, 2)]


def test_a_step_that_is_taken_back_takes_the_place_in_the_queue_back() -> None:
    venue = engine()
    rest(venue, "a", 100, 5)
    before = venue.state()
    venue.on_print(100, 12, SELL, NOW)
    venue.restore(before)
    assert venue.queue is not None and venue.queue.places["a"] == (10.0, 0.0)


def test_behind_the_last_level_of_a_picture_everybody_who_shows_up_is_before_us() -> None:
    venue = engine()
    bids, asks = (Level(100, 10), Level(99, 10)), (Level(102, 10),)
    venue.on_book(bids, asks, NOW)
    rest(venue, "deep", 95, 5)
    venue.on_book((Level(97, 4), Level(95, 7)), asks, NOW)
    assert venue.queue is not None and venue.queue.places["deep"] == (7.0, 0.0)


def test_orders_of_an_earlier_life_join_the_end_of_their_queues() -> None:
    account = SimAccount(SPOT, {"SOL": Decimal(1000), "USDC": Decimal(100_000)})
    order = Order("old", "main", BUY, 100, 5, venue_order_id="v-o1")
    venue = MatchingEngine(account, MatchingRules(fill_model="queue"), lambda: 0.0, "v-", [order])
    venue.on_book((Level(100, 10),), (Level(102, 10),), NOW)
    assert sizes(venue.on_print(100, 11, SELL, NOW).fills) == [("old", 100, 1)]
