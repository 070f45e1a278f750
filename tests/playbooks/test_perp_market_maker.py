"""perp_market_maker as a script: event, expected command, event, ..."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.account_needs import AccountNeeds
from core.market.book import OrderBook
from core.market.commands import Command, Flatten, Quote, Quotes, Take
from core.market.events import OrderUpdate, PerpFacts, Watch
from core.market.order import OrderEvent, Side
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from strategies.base import strategy_class
from strategies.perp_market_maker import STRATEGY, PerpMarketMaker, PerpMarketMakerParams
from tests.market_parts import NOW, SECOND, book, order, risk_state
from tests.playbooks.perp_maker_script import LIMIT, PERP, ROUND_150, Script
from utils.errors import ConfigError


def test_a_flat_bot_quotes_like_a_market_maker() -> None:
    assert Script(layers=2).rows() == [
        ("buy.0", 14_985, 100),
        ("buy.1", 14_983, 100),
        ("sell.0", 15_015, 100),
        ("sell.1", 15_017, 100),
    ]


@pytest.mark.parametrize("picture", [book(15_001, 15_001), OrderBook((), ()), OrderBook(ROUND_150.bids, ())])
def test_book_without_a_price_takes_the_quotes_back(picture: OrderBook) -> None:
    assert Script(picture).hold(100).quotes() == ()


# Skew


def test_price_skew_in_half_spreads_moves_both_sides_against_the_position() -> None:
    script = Script(inventory_skew=0.5, position_threshold=9)
    assert script.hold(200).rows() == [("buy.0", 14_981, 100), ("sell.0", 15_012, 100)]  # -0.5 x 15 x 0.5 = -3.75
    assert script.hold(-200).rows() == [("buy.0", 14_988, 100), ("sell.0", 15_019, 100)]
    assert script.hold(0).rows() == [("buy.0", 14_985, 100), ("sell.0", 15_015, 100)]


def test_price_skew_in_units_of_price() -> None:
    script = Script(inventory_skew=0.01, skew_unit="price", position_threshold=9).hold(100)
    assert [row[1] for row in script.rows()] == [14_947, 15_000]  # 15,000 x 0.01 x 0.25 = 37.5 ticks down
    assert script.strategy.stats()["skew_bps"] == pytest.approx(-25.0)
    assert script.strategy.stats()["inventory_ratio"] == 0.25


def test_skew_is_measured_from_the_target() -> None:
    script = Script(inventory_skew=1, target_position=0.2, position_threshold=9)
    assert [row[1] for row in script.hold(200).rows()] == [14_985, 15_015]
    assert [row[1] for row in script.hold(0).rows()] == [14_992, 15_023]  # too little: leans up


def test_an_absolute_target_is_held_on_the_side_of_the_position() -> None:
    script = Script(inventory_skew=1, target_position=0.2, target_mode="absolute", position_threshold=9)
    assert [row[1] for row in script.hold(-200).rows()] == [14_985, 15_015]
    assert script.strategy.stats()["inventory_ratio"] == 0.0


def test_size_skew_shrinks_the_side_that_increases_and_leaves_the_other() -> None:
    script = Script(size_skew=0.5, position_threshold=9)
    assert [row[2] for row in script.hold(200).rows()] == [75, 100]  # 100 x (1 - 0.5 x 0.5)
    assert [row[2] for row in script.hold(-400).rows()] == [100, 50]


def test_a_skewed_quote_stays_behind_the_touch() -> None:
    script = Script(inventory_skew=1, skew_unit="price", position_threshold=9)
    bid, ask = script.hold(400).quotes()
    assert (ask.price_ticks, ask.post_only) == (15_000, True)  # one tick above the best bid, never into it
    assert bid.price_ticks < ask.price_ticks


def test_sides_that_would_meet_are_kept_apart_on_the_side_that_increases() -> None:
    script = Script(book(14_990, 15_010), spread_pct=0, layers=2, layer_step_ticks=1, layer_power=1)
    assert [row[:2] for row in script.hold(100).rows()] == [
        ("buy.0", 14_999),
        ("buy.1", 14_998),
        ("sell.0", 15_000),
        ("sell.1", 15_001),
    ]
    assert [row[1] for row in script.hold(-100).rows()] == [15_000, 14_999, 15_001, 15_002]


def test_the_mark_price_can_be_the_reference_while_it_is_fresh() -> None:
    script = Script(price_source="mark")
    script.view.facts["main"] = PerpFacts("main", Decimal("150.05"), local_ns=NOW)
    assert [row[1] for row in script.rows()] == [14_989, 15_021]
    assert [row[1] for row in script.wait(10.1).rows()] == [14_985, 15_015]


def test_sizes_can_be_a_share_of_the_equity_the_open_profit_included() -> None:
    script = Script(order_size=None, order_size_pct=3).hold(100, 14_000)  # 0.1 at 140: an open profit of 1
    assert script.quotes() == ()
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(499), Decimal(499))}
    assert {one.size_lots for one in script.quotes()} == {100}  # 15 of 500


def test_the_index_can_be_the_reference_and_the_mid_takes_its_place_while_it_is_not_told() -> None:
    script = Script(price_source="index")
    script.view.facts["main"] = PerpFacts("main", Decimal("150.50"), local_ns=NOW, index_price=Decimal("150.05"))
    assert [row[1] for row in script.rows()] == [14_989, 15_021]
    assert not script.strategy.stats()["reference_stale"]
    script.view.facts["main"] = PerpFacts("main", Decimal("150.50"), local_ns=NOW)
    assert [row[1] for row in script.rows()] == [14_985, 15_015]
    assert script.strategy.stats()["reference_stale"]


# While a gate keeps the quotes off


def test_a_watching_bot_protects_its_position_and_quotes_nothing() -> None:
    script = Script(stop_loss=2, position_threshold=0.2).hold(100)
    assert script.hear(Watch(NOW)) == []
    assert script.hold(250).hear(Watch(NOW)) == []  # the band is for the quotes
    assert script.hold(450).hear(Watch(NOW)) == [Quotes(()), Take(Side.SELL, 14_970, 50, "main", reduce_only=True)]
    assert script.hold(100).move(12_000).hear(Watch(NOW)) == [Flatten("stop_loss", 20.0, 200.0)]


# Funding


def funding(script: Script, rate: str, due_s: float) -> Script:
    script.view.facts["main"] = PerpFacts("main", funding_rate=Decimal(rate))
    script.view.funding_due_ns["main"] = NOW + int(due_s * SECOND)
    return script


@pytest.mark.parametrize(
    ("rate", "due_s", "expected"),
    [
        ("0.001", 601, [14_985, 15_015]),
        ("0.001", 600, [14_970, 15_015]),  # longs pay: the bid lies 10 bps farther out
        ("-0.001", 600, [14_985, 15_031]),
        ("0.001", -1, [14_985, 15_015]),
        ("0", 10, [14_985, 15_015]),
    ],
)
def test_before_a_payment_the_side_that_would_pay_is_quoted_farther_out(
    rate: str, due_s: float, expected: list[int]
) -> None:
    script = funding(Script(funding_aware=True, funding_horizon_s=600), rate, due_s)
    assert [row[1] for row in script.rows()] == expected


def test_funding_is_nothing_to_a_bot_that_is_not_aware_of_it() -> None:
    assert [row[1] for row in funding(Script(), "0.01", 10).rows()] == [14_985, 15_015]


def test_above_the_highest_rate_the_paying_side_only_reduces() -> None:
    script = funding(Script(funding_aware=True, max_funding_bps=5, position_threshold=9), "0.001", 10)
    assert [row[0] for row in script.rows()] == ["sell.0"]
    assert script.hold(-30).rows() == [("buy.0", 14_970, 30), ("sell.0", 15_015, 100)]
    assert [row[0] for row in script.hold(30).rows()] == ["sell.0"]


# Figures, keys


def test_stats_tell_what_was_shed_and_what_funding_cost() -> None:
    script = Script(position_threshold=0.2).hold(250)
    script.rest(order(Side.SELL, 15_001, 50, "reduce", client_order_id="r"), order(Side.BUY, 1, 1, "buy.0"))
    script.hear(OrderUpdate("main", "r", OrderEvent.ACCEPTED))
    script.rest().fills(Side.SELL, 50, 15_000, client_order_id="r")
    script.fills(Side.SELL, 10, 15_000, client_order_id="other").fills(Side.SELL, 20, 15_000, liquidity="taker")
    script.view.positions["main"] = script.view.positions["main"].after_funding(Decimal("-0.4"))
    script.due()
    stats = script.strategy.stats()
    assert Decimal(stats["reduce_volume"]) == Decimal("10.5")  # 0.07 at 150
    assert Decimal(stats["funding_paid"]) == Decimal("0.4")
    assert stats["barrier_hits"] == {}
    assert stats["liq_distance_pct"] is None


def test_it_is_found_by_its_file_stem() -> None:
    assert strategy_class("perp_market_maker") is STRATEGY is PerpMarketMaker


def test_the_account_must_have_the_leverage_of_the_config() -> None:
    assert Script(leverage=3, margin_mode="isolated").strategy.account_needs() == AccountNeeds(Decimal(3), "isolated")
    as_it_is = Script(leverage=None, margin_mode=None, one_way_check=False).strategy.account_needs()
    assert as_it_is == AccountNeeds(None, None, False)
    assert Script().strategy.account_needs() == AccountNeeds(Decimal(1), "cross")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"stop_loss": 0}, "stop_loss must not be 0"),
        ({"take_profit": 0.0}, "take_profit must not be 0"),
        ({"trailing_start_pct": 1}, "need each other"),
        ({"trailing_delta_pct": 1}, "need each other"),
        ({"order_size_quote": 5}, "exactly one of order_size, order_size_quote"),
    ],
)
def test_contradicting_keys_are_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PerpMarketMaker.params_from({"order_size": 1} | config)


def test_keys_of_the_loop_are_not_the_strategys() -> None:
    params = PerpMarketMaker.params_from({"symbol": "X", "interval_s": 1, "order_size": 0.1, "target_position": -0.5})
    assert params == PerpMarketMakerParams(order_size=Decimal("0.1"), target_position=Decimal("-0.5"))


# Properties

configs = st.fixed_dictionaries(
    {
        "spread_pct": st.sampled_from([0, 0.01, 0.2, 3]),
        "layers": st.integers(1, 5),
        "order_size": st.integers(1, 300).map(lambda lots: lots / 1000),
        "size_ratio": st.sampled_from([0.5, 1, 1.4]),
        "inventory_skew": st.floats(0, 1),
        "skew_unit": st.sampled_from(["spread", "price"]),
        "size_skew": st.floats(0, 1),
        "target_position": st.integers(-400, 400).map(lambda lots: lots / 1000),
        "target_mode": st.sampled_from(["signed", "absolute"]),
        "position_threshold": st.none() | st.integers(1, 500).map(lambda lots: lots / 1000),
        "reduce_mode": st.sampled_from(["maker", "ioc", "maker_then_ioc"]),
        "funding_aware": st.booleans(),
        "max_funding_bps": st.none() | st.floats(0, 20),
        "stop_loss_pct": st.none() | st.floats(0.01, 10),
    }
)
pictures = st.builds(lambda bid, wide: book(bid, bid + wide), st.integers(500, 10**6), st.integers(1, 50))
held = st.integers(-500, 500)


def wanted(commands: Sequence[Command]) -> tuple[Quote, ...]:
    return next((command.quotes for command in commands if isinstance(command, Quotes)), ())


def scripted(config: dict[str, Any], picture: OrderBook, lots: int, rate: str) -> Script:
    script = Script(picture, **config).hold(lots, int(picture.mid_ticks()))
    return funding(script, rate, 60)


@given(configs, pictures, held, st.sampled_from(["0.0005", "-0.002", "0"]))
def test_a_book_of_ours_never_crosses_itself_nor_the_market(
    config: dict[str, Any], picture: OrderBook, lots: int, rate: str
) -> None:
    quotes = wanted(scripted(config, picture, lots, rate).due())
    bids = [one.price_ticks for one in quotes if one.side is Side.BUY]
    asks = [one.price_ticks for one in quotes if one.side is Side.SELL]
    assert max(bids, default=0) < picture.best_ask_ticks
    assert min(asks, default=10**9) > picture.best_bid_ticks
    assert max(bids, default=0) < min(asks, default=10**9)


@given(configs, pictures, held, st.sampled_from(["0.0005", "-0.002", "0"]))
def test_every_order_is_aligned_and_has_a_slot_of_its_own(
    config: dict[str, Any], picture: OrderBook, lots: int, rate: str
) -> None:
    quotes = wanted(scripted(config, picture, lots, rate).due())
    assert all(type(one.price_ticks) is int and type(one.size_lots) is int and one.size_lots > 0 for one in quotes)
    assert len({one.slot_name for one in quotes}) == len(quotes)
    for side in Side:
        prices = [one.price_ticks * side.sign for one in quotes if one.side is side]
        assert prices == sorted(set(prices), reverse=True)


@given(configs, pictures, st.integers(-LIMIT, LIMIT), st.sampled_from(["0.0005", "-0.002"]))
def test_the_worst_case_of_what_goes_out_never_exceeds_the_limit(
    config: dict[str, Any], picture: OrderBook, lots: int, rate: str
) -> None:
    script = scripted(config, picture, lots, rate)
    state = risk_state(position=script.view.positions["main"], book=picture, instrument=PERP)
    allowed = trim_quotes(wanted(script.due()), RiskLimits(max_position_lots=LIMIT), state).allowed
    for side in Side:
        worst = side.sign * lots + sum(one.size_lots for one in allowed if one.side is side)
        assert worst <= LIMIT


@given(configs, pictures, held)
def test_an_immediate_order_only_reduces_and_never_turns_the_position(
    config: dict[str, Any], picture: OrderBook, lots: int
) -> None:
    script = scripted(config, picture, lots, "0")
    for command in [*script.due(), *script.wait(20).due()]:
        if isinstance(command, Take):
            assert command.reduce_only
            assert command.side.sign * lots < 0
            assert command.size_lots <= abs(lots)
