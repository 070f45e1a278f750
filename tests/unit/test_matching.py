from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import Level
from core.market.fill_rules import MatchingRules, Standing, standing
from core.market.instrument import Instrument
from core.market.matched import Arrival
from core.market.matching import MatchingEngine
from core.market.order import Fill, Order, OrderState, Side
from core.market.sim_account import SimAccount
from tests.golden_parts import golden

VECTORS = golden("fills")["touch"]
SPOT = Instrument(
    "SOL-USDC", "SOLUSDC", "spot", "SOL", "USDC", Decimal("0.01"), Decimal("0.001"),
    min_notional=Decimal(5), maker_fee_bps=Decimal(-1), taker_fee_bps=Decimal(5),
)  # fmt: skip
BIDS = (Level(9999, 1000), Level(9998, 2000))
ASKS = (Level(10001, 1000), Level(10002, 2000), Level(10003, 4000))
NOW = 1_800_000_000_000_000_000


class Draws:
    """A generator that says what it was told to and counts."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return self.numbers.pop(0) if self.numbers else 0.999


def engine(
    draw: Callable[[], float] | None = None, book: bool = True, instrument: Instrument = SPOT, **rules: Any
) -> MatchingEngine:
    account = SimAccount(instrument, {"SOL": Decimal(1000), "USDC": Decimal(100_000)})
    built = MatchingEngine(account, MatchingRules(**rules), draw or Draws(), "v-")
    if book:
        built.on_book(BIDS, ASKS, NOW)
    return built


def rest(venue: MatchingEngine, side: Side, price: int, lots: int, name: str = "a", **changes: Any) -> Arrival:
    arrival = venue.submit(Order(name, "main", side, price, lots, **changes), NOW)
    assert arrival.accepted, arrival.reason
    return arrival


def take(venue: MatchingEngine, side: Side, price: int, lots: int, name: str = "t", tif: str = "GTC") -> Arrival:
    return venue.submit(Order(name, "main", side, price, lots, post_only=False, time_in_force=tif), NOW)


def sizes(fills: tuple[Fill, ...]) -> list[tuple[str, int, int]]:
    return [(fill.client_order_id, fill.price_ticks, fill.size_lots) for fill in fills]


@pytest.mark.parametrize("case", VECTORS)
def test_published_touch_cases(case: dict[str, Any]) -> None:
    def ticks(price: float) -> int:
        return round(price / float(case["tick"]))

    where = standing(Side(case["side"]), ticks(case["price"]), ticks(case["best_bid"]), ticks(case["best_ask"]))
    outcome = {Standing.CROSS: "cross", Standing.AWAY: "away"}.get(where)
    assert (outcome or ("touch_fill" if case["u"] < 0.1 else "touch_miss")) == case["outcome"]


@pytest.mark.parametrize("case", [case for case in VECTORS if case["outcome"] != "cross"])
def test_published_touch_cases_through_the_engine(case: dict[str, Any]) -> None:
    side, price = Side(case["side"]), round(case["price"] / case["tick"])
    draws = Draws(case["u"])
    venue = engine(draws)
    rest(venue, side, price, 100)
    fills = venue.on_print(price, 500, side.opposite, NOW).fills
    assert bool(fills) == (case["outcome"] == "touch_fill")
    assert draws.count == (0 if case["outcome"] == "away" else 1)


def test_ten_thousand_touches_fill_a_tenth() -> None:
    venue = engine(Random(20_240_808).random)
    filled = 0
    for number in range(10_000):
        rest(venue, Side.BUY, 9999, 100, f"n{number}")
        filled += len(venue.on_print(9999, 100, Side.SELL, NOW).fills)
        venue.cancel(f"n{number}")
    assert 910 <= filled <= 1090


def test_each_touching_order_draws_once_per_print_and_no_other_order_draws() -> None:
    draws = Draws()
    venue = engine(draws)
    for name, price in (("a", 9999), ("b", 9999), ("deep", 9998), ("inside", 10000)):
        rest(venue, Side.BUY, price, 100, name)
    rest(venue, Side.SELL, 10001, 100, "ask")
    venue.on_print(9999, 1, Side.BUY, NOW)
    assert draws.count == 2
    venue.on_print(10000, 1, Side.BUY, NOW)
    assert draws.count == 3
    venue.on_print(9990, 1, Side.BUY, NOW)  # beyond all bids, but nobody sold
    assert draws.count == 3


def test_looking_at_the_book_draws_nothing() -> None:
    draws = Draws()
    venue = engine(draws)
    rest(venue, Side.BUY, 9999, 100)
    for _ in range(10):
        venue.on_book(BIDS, ASKS, NOW)
    assert draws.count == 0


def test_model_cross_never_draws_and_ignores_prints_at_the_price() -> None:
    draws = Draws(0.0)
    venue = engine(draws, fill_model="cross")
    rest(venue, Side.BUY, 9999, 100)
    assert venue.on_print(9999, 500, Side.SELL, NOW).fills == ()
    assert draws.count == 0


def test_sell_print_below_a_buy_fills_it_at_its_own_price_as_maker() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9999, 100)
    (fill,) = venue.on_print(9998, 500, Side.SELL, NOW).fills
    assert (fill.price_ticks, fill.size_lots, fill.liquidity) == (9999, 100, "maker")
    assert fill.fee == Decimal("99.99") * Decimal("0.1") * Decimal("-0.0001")
    assert (fill.fee_asset, fill.venue_order_id, fill.venue_ns) == ("USDC", "v-o1", NOW)


def test_buy_print_above_a_sell_fills_it_and_a_sell_print_does_not() -> None:
    venue = engine()
    rest(venue, Side.SELL, 10001, 100)
    assert venue.on_print(10002, 500, Side.SELL, NOW).fills == ()
    assert sizes(venue.on_print(10002, 500, Side.BUY, NOW).fills) == [("a", 10001, 100)]


def test_print_is_shared_by_price_then_by_arrival_and_never_used_twice() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9998, 100, "low")
    rest(venue, Side.BUY, 9999, 100, "first")
    rest(venue, Side.BUY, 9999, 100, "second")
    assert sizes(venue.on_print(9997, 150, Side.SELL, NOW).fills) == [("first", 9999, 100), ("second", 9999, 50)]
    assert venue.orders["second"].filled_lots == 50


@pytest.mark.parametrize(("price", "counts"), [(9900, True), (9898, False)])
def test_print_outside_the_band_fills_nothing(price: int, counts: bool) -> None:
    venue = engine()  # 1 % of a mid of 10000 is 100 ticks: the band begins at 9899
    rest(venue, Side.BUY, 9999, 100)
    assert bool(venue.on_print(price, 500, Side.SELL, NOW).fills) == counts


def test_print_without_a_book_before_it_fills_nothing() -> None:
    venue = engine(book=False)
    venue.on_book(BIDS, ASKS, NOW)
    rest(venue, Side.BUY, 9999, 100)
    venue.on_book((), (), NOW)
    assert venue.on_print(9998, 500, Side.SELL, NOW).fills == ()


def test_book_that_crosses_a_resting_order_fills_it_at_its_own_price() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9999, 100)
    (fill,) = venue.on_book((Level(9990, 10),), (Level(9995, 1000),), NOW).fills
    assert (fill.price_ticks, fill.size_lots, fill.liquidity) == (9999, 100, "maker")


def test_book_that_crosses_gives_no_more_than_it_displays_and_not_twice() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9999, 100, "a")
    rest(venue, Side.BUY, 9998, 100, "b")
    crossing = ((Level(9990, 10),), (Level(9995, 120),))
    assert sizes(venue.on_book(*crossing, NOW).fills) == [("a", 9999, 100), ("b", 9998, 20)]
    assert venue.on_book(*crossing, NOW).fills == ()
    # 30 more are displayed: those are new
    assert sizes(venue.on_book(crossing[0], (Level(9995, 150),), NOW).fills) == [("b", 9998, 30)]


def test_taken_volume_is_offered_again_only_after_its_level_was_gone() -> None:
    venue = engine()
    assert len(take(venue, Side.BUY, 10001, 1000, "t1").fills) == 1
    venue.on_book(BIDS, ASKS, NOW)
    assert take(venue, Side.BUY, 10001, 1000, "t2", "IOC").fills == ()
    venue.on_book(BIDS, ASKS[1:], NOW)
    venue.on_book(BIDS, ASKS, NOW)
    assert len(take(venue, Side.BUY, 10001, 1000, "t3").fills) == 1


def test_taker_walks_the_book_by_price_and_pays_the_taker_fee() -> None:
    arrival = take(engine(), Side.BUY, 10002, 2500)
    assert sizes(arrival.fills) == [("t", 10001, 1000), ("t", 10002, 1500)]
    assert arrival.order.state is OrderState.FILLED
    assert {fill.liquidity for fill in arrival.fills} == {"taker"}
    assert arrival.fills[0].fee == Decimal("100.01") * Decimal("0.0005")


def test_rest_of_a_gtc_taker_rests_and_fills_as_maker() -> None:
    venue = engine()
    arrival = take(venue, Side.BUY, 10001, 1200)
    assert (arrival.order.state, arrival.order.filled_lots) == (OrderState.PARTIALLY_FILLED, 1000)
    (fill,) = venue.on_book((Level(9999, 5),), (Level(10000, 5000),), NOW).fills
    assert (fill.price_ticks, fill.size_lots, fill.liquidity) == (10001, 200, "maker")


def test_rest_of_an_ioc_expires() -> None:
    venue = engine()
    arrival = take(venue, Side.SELL, 9999, 1200, tif="IOC")
    assert (arrival.order.state, arrival.order.filled_lots) == (OrderState.EXPIRED, 1000)
    assert venue.orders == {}


def test_ioc_that_meets_nothing_expires_without_fills() -> None:
    arrival = take(engine(), Side.BUY, 9990, 100, tif="IOC")
    assert (arrival.order.state, arrival.fills) == (OrderState.EXPIRED, ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_ticks": 10001}, "post_only_would_cross"),
        ({"price_ticks": 0}, "price"),
        ({"size_lots": 0}, "min_size"),
        ({"size_lots": 1}, "min_notional"),
        ({"size_lots": 10**7}, "insufficient_balance USDC"),
        ({"side": Side.SELL, "price_ticks": 10005, "size_lots": 10**7}, "insufficient_balance SOL"),
        ({"time_in_force": "FOK"}, "time_in_force"),
        ({"time_in_force": "IOC"}, "post_only_cannot_be_ioc"),
        ({"reduce_only": True}, "reduce_only_is_for_positions"),
    ],
)
def test_refused_order_names_the_reason_and_leaves_nothing(changes: dict[str, Any], reason: str) -> None:
    venue = engine()
    values: dict[str, Any] = {"side": Side.BUY, "price_ticks": 9999, "size_lots": 100} | changes
    arrival = venue.submit(Order(client_order_id="a", leg="main", **values), NOW)
    assert arrival.order.state is OrderState.REJECTED and arrival.reason.startswith(reason)
    assert venue.orders == {} and venue.last_order == 0


def test_more_open_orders_than_allowed_are_refused() -> None:
    venue = engine(max_open_orders=1)
    rest(venue, Side.BUY, 9999, 100)
    assert venue.submit(Order("b", "main", Side.BUY, 9998, 100), NOW).reason == "too_many_open_orders"


def test_order_is_refused_while_there_is_no_market() -> None:
    assert engine(book=False).submit(Order("a", "main", Side.BUY, 9998, 100), NOW).reason == "no_market"


def test_cancel_takes_an_order_out_once() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9999, 100)
    cancelled = venue.cancel("a")
    assert cancelled is not None and cancelled.state is OrderState.CANCELED
    assert venue.cancel("a") is None
    assert venue.on_print(9990, 500, Side.SELL, NOW).fills == ()


def test_restored_engine_is_as_it_was() -> None:
    venue = engine()
    rest(venue, Side.BUY, 9999, 100)
    before = venue.state()
    take(venue, Side.BUY, 10001, 500)
    venue.on_print(9990, 50, Side.SELL, NOW)
    venue.restore(before)
    assert venue.state() == before
    assert len(take(venue, Side.BUY, 10001, 1000).fills) == 1  # what was taken is there again


PERP = Instrument(
    "SOL-PERP", "SOL-PERP", "perp", "SOL", "USDC", Decimal("0.01"), Decimal("0.001"), min_notional=Decimal(5)
)


def perp_engine(position_lots: int = 0, collateral: int = 100_000) -> MatchingEngine:
    venue = MatchingEngine(SimAccount(PERP, {"USDC": Decimal(collateral)}), MatchingRules(), Draws())
    venue.on_book(BIDS, ASKS, NOW)
    if position_lots:
        side = Side.BUY if position_lots > 0 else Side.SELL
        price = ASKS[-1].price_ticks if position_lots > 0 else BIDS[-1].price_ticks
        assert take(venue, side, price, abs(position_lots), "seed").order.state is OrderState.FILLED
    return venue


def test_reduce_only_order_without_a_position_is_refused() -> None:
    venue = perp_engine()
    assert venue.submit(Order("a", "main", Side.SELL, 10005, 100, reduce_only=True), NOW).reason.startswith("reduce")


def test_reduce_only_order_in_the_direction_of_the_position_is_refused() -> None:
    venue = perp_engine(500)
    assert not venue.submit(Order("a", "main", Side.BUY, 9990, 100, reduce_only=True), NOW).accepted


def test_reduce_only_orders_close_the_position_and_never_turn_it() -> None:
    venue = perp_engine(500)
    rest(venue, Side.SELL, 10005, 400, "a", reduce_only=True)
    rest(venue, Side.SELL, 10006, 400, "b", reduce_only=True)
    matched = venue.on_print(10010, 10_000, Side.BUY, NOW)
    assert sizes(matched.fills) == [("a", 10005, 400), ("b", 10006, 100)]
    assert venue.account.position.size_lots == 0
    assert [(order.client_order_id, order.state) for order in matched.ended] == [("b", OrderState.CANCELED)]
    assert venue.orders == {}


def test_reduce_only_taker_takes_no_more_than_the_position() -> None:
    venue = perp_engine(-300)
    arrival = venue.submit(Order("a", "main", Side.BUY, 10003, 900, post_only=False, reduce_only=True), NOW)
    assert sum(fill.size_lots for fill in arrival.fills) == 300
    assert arrival.order.state is OrderState.EXPIRED and venue.orders == {}


def test_taker_that_closes_the_position_ends_idle_reduce_only_orders() -> None:
    venue = perp_engine(300)
    rest(venue, Side.SELL, 10009, 300, "a", reduce_only=True)
    assert [order.client_order_id for order in take(venue, Side.SELL, 9999, 300).ended] == ["a"]


def test_small_rest_of_a_position_can_be_closed_below_the_minimum_value() -> None:
    venue = perp_engine(1_000)
    rest(venue, Side.SELL, 10005, 999, "a", reduce_only=True)
    venue.on_print(10010, 999, Side.BUY, NOW)
    rest(venue, Side.SELL, 10005, 1, "b", reduce_only=True)


def test_order_beyond_the_margin_is_refused_and_one_that_reduces_is_not() -> None:
    venue = perp_engine(2_000, collateral=25)  # 200 quote at 10 x need 20 of 25
    order = Order("a", "main", Side.BUY, 9998, 1_000)
    assert venue.submit(order, NOW).reason == "insufficient_margin"
    rest(venue, Side.SELL, 10005, 4_000, "b")


actions = st.lists(
    st.one_of(
        st.tuples(st.just("rest"), st.sampled_from(list(Side)), st.integers(9980, 10020), st.integers(1, 3000)),
        st.tuples(st.just("take"), st.sampled_from(list(Side)), st.integers(9980, 10020), st.integers(1, 3000)),
        st.tuples(st.just("print"), st.sampled_from(list(Side)), st.integers(9950, 10050), st.integers(1, 3000)),
        st.tuples(st.just("book"), st.sampled_from(list(Side)), st.integers(9990, 10010), st.integers(1, 3000)),
        st.tuples(st.just("cancel"), st.sampled_from(list(Side)), st.integers(0, 40), st.just(1)),
    ),
    max_size=40,
)


def play(
    steps: list[tuple[str, Side, int, int]], instrument: Instrument, seed: int
) -> tuple[MatchingEngine, list[Fill]]:
    balances = {"USDC": Decimal(1000)} | ({"SOL": Decimal(10)} if instrument.kind == "spot" else {})
    venue = MatchingEngine(SimAccount(instrument, balances), MatchingRules(touch_prob=0.5), Random(seed).random)
    venue.on_book(BIDS, ASKS, NOW)
    fills: list[Fill] = []
    for number, (what, side, price, lots) in enumerate(steps):
        if what == "print":
            found = venue.on_print(price, lots, side, NOW).fills
            assert sum(fill.size_lots for fill in found) <= lots
        elif what == "book":
            found = venue.on_book((Level(price - 1, lots),), (Level(price + 1, lots),), NOW).fills
        elif what == "cancel":
            venue.cancel(f"n{price}")
            found = ()
        else:
            order = Order(f"n{number}", "main", side, price, lots, post_only=what == "rest")
            found = venue.submit(order, NOW).fills
        fills += found
    return venue, fills


@given(steps=actions, seed=st.integers(0, 3))
def test_spot_balances_are_conserved_and_never_negative(steps: list[tuple[str, Side, int, int]], seed: int) -> None:
    venue, fills = play(steps, SPOT, seed)
    base = sum((fill.side.sign * SPOT.to_size(fill.size_lots) for fill in fills), Decimal(10))
    quote = Decimal(1000)
    for fill in fills:
        quote -= fill.side.sign * SPOT.notional_quote(fill.price_ticks, fill.size_lots) + fill.fee
    assert venue.account.balances == {"SOL": base, "USDC": quote}
    assert base >= 0 and quote >= 0


@given(steps=actions, seed=st.integers(0, 3))
def test_fills_never_exceed_an_order_and_never_get_a_worse_price(
    steps: list[tuple[str, Side, int, int]], seed: int
) -> None:
    _, fills = play(steps, SPOT, seed)
    filled: dict[str, int] = {}
    for fill in fills:
        _, side, price, lots = steps[int(fill.client_order_id[1:])]
        filled[fill.client_order_id] = filled.get(fill.client_order_id, 0) + fill.size_lots
        assert filled[fill.client_order_id] <= lots
        assert side.sign * (price - fill.price_ticks) >= 0
    assert [fill.trade_id for fill in fills] == [f"t{number}" for number in range(1, len(fills) + 1)]


@given(steps=actions, seed=st.integers(0, 3))
def test_same_events_and_seed_give_the_same_fills(steps: list[tuple[str, Side, int, int]], seed: int) -> None:
    assert play(steps, PERP, seed)[1] == play(steps, PERP, seed)[1]


@given(steps=actions)
def test_perp_wallet_holds_realised_profit_less_fees(steps: list[tuple[str, Side, int, int]]) -> None:
    venue, fills = play(steps, PERP, 1)
    position = venue.account.position
    assert position.size_lots == sum(fill.side.sign * fill.size_lots for fill in fills)
    assert venue.account.balances["USDC"] == 1000 + position.realised_pnl - position.fees_paid
