"""market_maker as a script: what fills do to the next quotes, and what else is asked of a quote."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.book import Level, OrderBook
from core.market.events import BookUpdate, TradePrint
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from strategies.market_maker import MarketMaker
from tests.maker_script import Script
from tests.market_parts import SECOND, book, instrument, order, risk_state
from utils.errors import ConfigError

ROUND_150 = book(14_999, 15_001)


def test_after_a_fill_ping_pong_quotes_the_other_side_only_until_that_fills() -> None:
    script = Script(ROUND_150, layers=2, ping_pong=True).rest()
    assert script.slots() == ["buy.0", "buy.1", "sell.0", "sell.1"]
    assert script.fills("buy.0").slots() == ["sell.0", "sell.1"]
    assert script.rest().fills("sell.1").slots() == ["buy.0", "buy.1"]
    assert script.rest().fills("buy.1").slots() == ["sell.0", "sell.1"]
    assert script.strategy.stats()["quoted_side"] == "sell"


def test_ping_pong_turns_once_what_has_filled_is_enough_for_an_order() -> None:
    script = Script(ROUND_150, layers=1, ping_pong=True).rest()  # five quote are 34 lots
    assert script.fills("buy.0", 20).slots() == ["buy.0", "sell.0"]
    assert script.fills("buy.0", 20).slots() == ["sell.0"]


def test_a_late_fill_of_the_side_that_is_off_does_not_turn_ping_pong() -> None:
    script = Script(ROUND_150, layers=2, ping_pong=True).rest()
    script.fills("buy.0").fills("buy.1")
    assert script.slots() == ["sell.0", "sell.1"]


def test_the_side_that_filled_waits() -> None:
    script = Script(ROUND_150, layers=1, filled_order_delay_s=5).rest()
    assert script.fills("sell.0").slots() == ["buy.0"]
    assert script.wait(4.9).slots() == ["buy.0"]
    assert script.wait(0.1).slots() == ["buy.0", "sell.0"]


def test_the_partner_of_a_filled_order_stays_and_its_layer_is_quoted_beside_it() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest()
    script.fills("buy.0")
    script.view.books["main"] = book(14_899, 14_901)
    assert script.rows() == [("buy.0", 14_885, 100), ("sell.0.1", 14_915, 100), ("sell.0", 15_015, 100)]
    script.rest().fills("sell.0")
    assert script.slots() == ["buy.0", "sell.0.1"]  # the layer keeps the slot that it has
    assert script.rest().fills("buy.0").slots() == ["buy.0", "sell.0", "sell.0.1"]


def test_a_hanging_order_gets_smaller_as_it_fills_and_a_cancelled_one_comes_back() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest().fills("buy.0").rest()
    script.fills("sell.0", 40)
    assert ("sell.0", 15_015, 60) in script.rows()
    script.view.open_orders["main"] = []  # by a gate
    assert ("sell.0", 15_015, 60) in script.rows()
    script.view.unbooked["main"] = frozenset({"sell.0"})  # what became of it is not known yet
    assert "sell.0" not in script.slots()


def test_part_of_a_fill_leaves_no_order_hanging() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest().fills("buy.0", 50)
    assert script.slots() == ["buy.0", "sell.0"]
    assert script.fills("buy.0").slots() == ["buy.0", "sell.0.1", "sell.0"]


def test_a_hanging_order_that_is_too_far_away_is_given_up() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True, hanging_cancel_pct=1).rest().fills("buy.0")
    script.view.books["main"] = book(14_867, 14_869)
    assert "sell.0" in script.slots()
    script.view.books["main"] = book(14_865, 14_867)  # 149 ticks away, one percent is 148.66
    assert "sell.0" not in script.slots()
    script.view.books["main"] = ROUND_150
    assert "sell.0" not in script.slots()


def test_no_quote_meets_a_hanging_order_and_none_crosses_the_touch() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest().fills("buy.0")
    script.view.books["main"] = book(15_040, 15_100)  # the market went past it, and it was not filled
    assert script.rows() == [("buy.0", 15_054, 100), ("sell.0.1", 15_086, 100), ("sell.0", 15_041, 100)][1:]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"ping_pong": True}, ["sell.0"]),
        ({"hanging_orders": True}, ["buy.0", "sell.0.1", "sell.0"]),
        ({"filled_order_delay_s": 60}, ["sell.0"]),
        ({}, ["buy.0", "sell.0"]),
    ],
)
def test_what_fills_have_left_outlives_a_restart(config: dict[str, Any], expected: list[str]) -> None:
    script = Script(ROUND_150, layers=1, **config).rest().fills("buy.0")
    assert script.slots() == expected
    later = script.wait(1).next_life(layers=1, **config)
    assert later.slots() == expected
    assert later.wait(59).slots() == (["buy.0", "sell.0"] if "filled_order_delay_s" in config else expected)


def test_a_habit_that_is_switched_off_forgets() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest().fills("buy.0")
    assert script.next_life(layers=1).slots() == ["buy.0", "sell.0"]
    off = MarketMaker.params_from({"order_size": 0.1, "layers": 1})
    on = script.strategy.params
    script.strategy.reconfigure(off)
    assert script.slots() == ["buy.0", "sell.0"]
    script.strategy.reconfigure(on)
    assert script.slots() == ["buy.0", "sell.0"]


def test_hanging_orders_are_left_behind_when_the_venue_counts_in_other_ticks() -> None:
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest().fills("buy.0")
    script.instrument = instrument(tick_size=Decimal("0.1"))
    script.view.books["main"] = book(1_499, 1_501)
    assert script.next_life(layers=1, hanging_orders=True).slots() == ["buy.0", "sell.0"]


def test_what_has_not_changed_is_not_written_again() -> None:
    plain = Script(ROUND_150, layers=1).rest()
    assert plain.fills("buy.0").strategy.saved() is None
    script = Script(ROUND_150, layers=1, hanging_orders=True).rest()
    saved = script.strategy.saved()
    script.due()
    assert script.strategy.saved() is saved
    assert script.fills("buy.0").strategy.saved() is not saved


def test_ping_pong_and_hanging_orders_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        MarketMaker.params_from({"order_size": 1, "ping_pong": True, "hanging_orders": True})


def test_the_makers_fee_is_added_to_each_half_of_the_spread() -> None:
    dear = instrument(tick_size=Decimal("0.01"), maker_fee_bps=Decimal(2))
    assert Script(ROUND_150, dear, layers=1, add_fees_to_spread=True).rows() == [
        ("buy.0", 14_982, 100),  # 0.1 % and 0.02 %
        ("sell.0", 15_018, 100),
    ]
    explicit = {"layer_mode": "list", "layer_spreads_pct": [0.1, 0.2], "order_size": 0.1}
    assert [row[1] for row in Script(ROUND_150, dear, add_fees_to_spread=True, **explicit).rows()] == [
        *(14_982, 14_967),
        *(15_018, 15_033),
    ]
    rebate = instrument(tick_size=Decimal("0.01"), maker_fee_bps=Decimal(-1))
    assert Script(ROUND_150, rebate, layers=1, add_fees_to_spread=True).rows() == [
        ("buy.0", 14_985, 100),
        ("sell.0", 15_015, 100),
    ]


def deep(*bids: tuple[int, int]) -> OrderBook:
    """Return a book with these bids and one ask at 15 001."""
    return OrderBook(tuple(Level(*level) for level in bids), (Level(15_001, 1000),))


@pytest.mark.parametrize(
    ("depth", "bids", "first"),
    [
        (0, [(14_999, 5), (14_980, 50), (14_960, 900)], 14_985),  # the touch is nearer than what is wanted
        (0.005, [(14_999, 5), (14_980, 50), (14_960, 900)], 14_981),  # five lots are overlooked
        (0.1, [(14_999, 5), (14_980, 50), (14_960, 900)], 14_961),
        (5, [(14_999, 5), (14_980, 50), (14_960, 900)], 14_985),  # what is behind is not shown
    ],
)
def test_a_quote_is_no_better_than_it_takes_to_be_first_behind_a_depth(
    depth: float, bids: list[tuple[int, int]], first: int
) -> None:
    script = Script(deep(*bids), layers=2, order_optimization=True, optimization_depth=depth)
    rows = script.rows()
    assert rows[:2] == [("buy.0", first, 100), ("buy.1", first - 2, 100)]


def test_our_own_orders_are_not_outbid() -> None:
    script = Script(deep((14_984, 100), (14_970, 30)), layers=1, order_optimization=True, spread_pct=0)
    script.view.open_orders["main"] = [order(Side.BUY, 14_984, 100, "buy.0")]
    assert script.rows()[0] == ("buy.0", 14_971, 100)


def test_nothing_is_quoted_before_the_time_and_the_books_of_the_warm_up() -> None:
    script = Script(ROUND_150, layers=1, warmup_s=10, min_samples=3)
    assert script.slots() == []
    assert script.wait(10).slots() == []  # the same book counts once
    for picture in (book(14_998, 15_001), book(14_998, 15_002)):
        script.view.books["main"] = picture
        script.hear(BookUpdate("main", picture))
    assert script.slots() == ["buy.0", "sell.0"]


def test_the_last_trade_is_the_reference_as_far_as_the_book_agrees() -> None:
    script = Script(book(14_990, 15_010), layers=1, spread_pct=0.2, price_source="last")
    assert script.strategy.hears_prints and not Script(ROUND_150).strategy.hears_prints
    assert script.rows() == [("buy.0", 14_985, 100), ("sell.0", 15_015, 100)]  # nobody has traded yet
    for price, reference in ((15_006, 15_006), (15_700, 15_010), (3, 14_990)):  # far off the market it moves nothing
        script.hear(TradePrint("main", price, 1, Side.BUY, 0, 0))
        bid, ask = (row[1] for row in script.rows())
        assert (bid, ask) == (int(reference * 0.999), -int(-reference * 1.001 // 1))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), st.integers(0, 30), st.sampled_from([0.3, 1.0])),
        st.tuples(st.just("move"), st.integers(-400, 400), st.just(0.0)),
        st.tuples(st.just("wait"), st.integers(1, 30), st.just(0.0)),
    ),
    max_size=15,
)
habits = st.sampled_from([{"hanging_orders": True}, {"ping_pong": True}, {}]).flatmap(
    lambda base: st.fixed_dictionaries(
        {
            "filled_order_delay_s": st.sampled_from([0, 7]),
            "order_optimization": st.booleans(),
            "optimization_depth": st.sampled_from([0, 0.2]),
            "add_fees_to_spread": st.booleans(),
            "hanging_cancel_pct": st.sampled_from([0.5, 5]),
            "spread_pct": st.sampled_from([0, 0.2]),
        }
    ).map(lambda more: base | more)
)


@given(habits, steps, st.integers(1, 4))
def test_whatever_fills_no_quote_crosses_and_no_slot_is_doubled_and_the_limits_hold(
    config: dict[str, Any], moves: list[tuple[str, int, float]], layers: int
) -> None:
    dear = instrument(tick_size=Decimal("0.01"), maker_fee_bps=Decimal(1))
    script = Script(ROUND_150, dear, layers=layers, **config)
    script.hold("10", "1500")
    mid = 15_000
    for what, number, share in moves:
        script.rest()
        live = script.view.open_orders["main"]
        if what == "wait":
            script.wait(number)
        elif what == "move":
            mid += number
            script.view.books["main"] = book(mid - 1 - abs(number) // 4, mid + 1)
        elif live:
            one = live[number % len(live)]
            script.fills(one.slot, max(1, int(one.remaining_lots * share)))
        wanted = script.due()
        picture = script.view.books["main"]
        bids = [one.price_ticks for one in wanted if one.side is Side.BUY]
        asks = [one.price_ticks for one in wanted if one.side is Side.SELL]
        assert all(price < picture.best_ask_ticks for price in bids)
        assert all(price > picture.best_bid_ticks for price in asks)
        assert max(bids, default=0) < min(asks, default=1 << 40)
        assert len({one.slot_name for one in wanted}) == len(wanted)
        for side in Side:  # of the layers: strictly ordered
            prices = [one.price_ticks for one in wanted if one.side is side and one.slot_name in _layer_slots(script)]
            assert prices == sorted(set(prices), reverse=side is Side.BUY)
        limits = RiskLimits(max_position_lots=150)
        allowed = trim_quotes(wanted, limits, risk_state(instrument=dear, book=picture)).allowed
        for side in Side:
            assert sum(one.size_lots for one in allowed if one.side is side) <= 150


def _layer_slots(script: Script) -> set[str]:
    hanging = script.strategy._habits.hanging
    return {hanging.layer_slot(f"{side.value}.{number}") for side in Side for number in range(10)}


def test_the_time_of_a_rest_is_bounded_whatever_the_hosts_clock_was_set_to() -> None:
    script = Script(ROUND_150, layers=1, filled_order_delay_s=5).rest().fills("buy.0")
    script.view.utc_ns -= 3600 * SECOND
    later = script.next_life(layers=1, filled_order_delay_s=5)
    assert later.slots() == ["sell.0"]
    assert later.wait(5).slots() == ["buy.0", "sell.0"]


def test_a_reload_to_the_last_trade_begins_with_the_next_one() -> None:
    script = Script(book(14_990, 15_010), layers=1, spread_pct=0.2, price_source="last")
    script.hear(TradePrint("main", 15_006, 1, Side.BUY, 0, 0))
    for source, hears in (("mid", False), ("last", True)):  # what was traded between them was not heard
        script.strategy.reconfigure(replace(script.strategy.params, price_source=source))
        assert script.strategy.hears_prints is hears
        assert script.rows() == [("buy.0", 14_985, 100), ("sell.0", 15_015, 100)]
