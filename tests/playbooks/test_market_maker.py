"""market_maker as a script: event, expected command, event, ..."""

from __future__ import annotations

import random
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from core.market.book import OrderBook
from core.market.commands import Quote
from core.market.events import BookUpdate, Event, FillEvent, LinkDown, LinkUp, OrderUpdate, TradePrint
from core.market.order import Order, OrderEvent, Side
from core.market.order_diff import DiffTolerance, diff_orders
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from core.market.risk_room import trim_quotes
from strategies.base import strategy_class
from strategies.market_maker import STRATEGY, MarketMaker, MarketMakerParams
from tests.maker_script import Script
from tests.market_parts import NOW, book, fill, instrument, order, risk_state
from utils.errors import ConfigError


def test_wanted_set_follows_the_book() -> None:
    script = Script(book(14999, 15001), layers=2)
    assert script.rows() == [
        ("buy.0", 14985, 100),  # 150.00 - 0.1 %
        ("buy.1", 14983, 100),  # 1.5 ticks outside, rounded down
        ("sell.0", 15015, 100),
        ("sell.1", 15017, 100),
    ]
    script.view.books["main"] = book(15999, 16001)
    assert script.rows() == [
        ("buy.0", 15984, 100),
        ("buy.1", 15982, 100),
        ("sell.0", 16016, 100),
        ("sell.1", 16018, 100),
    ]


def test_other_parameters_take_effect_with_the_next_decision() -> None:
    script = Script(book(14999, 15001), layers=2)
    script.due()
    wider = {"symbol": "SOL-USDC", "order_size": 0.2, "layers": 1, "spread_pct": 0.4}
    script.strategy.reconfigure(MarketMaker.params_from(wider))
    assert script.rows() == [("buy.0", 14970, 200), ("sell.0", 15030, 200)]


def test_sizes_can_be_a_share_of_the_accounts_value() -> None:
    sized = {"order_size": None, "order_size_pct": 3, "layers": 1, "inventory_skew_enabled": False}
    script = Script(book(14999, 15001), **sized)
    assert script.rows() == []  # what the account is worth is not known
    script.hold("2", "200")  # 500 in all: 15 an order
    assert [row[2] for row in script.rows()] == [100, 100]
    script.hold("4", "400")
    assert [row[2] for row in script.rows()] == [200, 200]


def test_a_share_of_the_value_leans_on_the_inventory_as_the_same_size_in_quote_does() -> None:
    share = Script(book(14999, 15001), order_size=None, order_size_pct=3)
    value = Script(book(14999, 15001), order_size=None, order_size_quote=15)
    for script in (share, value):
        script.hold("1.5", "275")
    assert share.rows() == value.rows()
    assert share.rows()[0][2] != share.rows()[-1][2]


@pytest.mark.parametrize(
    "event",
    [
        BookUpdate("main", book(14999, 15001)),
        TradePrint("main", 15000, 1, Side.BUY, 0, 0),
        OrderUpdate("main", "id", OrderEvent.ACCEPTED),
        FillEvent("main", fill(Side.BUY, 14985, 1)),
        LinkUp("main"),
        LinkDown("main"),
    ],
)
def test_only_a_timer_makes_it_decide(event: Event) -> None:
    assert Script(book(14999, 15001)).hear(event) == []


@pytest.mark.parametrize(
    "picture", [book(15001, 15001), book(15002, 15001), OrderBook((), ()), OrderBook(book(1, 2).bids, ())]
)
def test_book_without_a_price_takes_the_quotes_back(picture: OrderBook) -> None:
    script = Script(book(14999, 15001))
    assert len(script.due()) == 6
    script.view.books["main"] = picture
    assert script.due() == ()
    script.view.books["main"] = book(14999, 15001)
    assert len(script.due()) == 6


def test_no_book_yet_wants_nothing() -> None:
    script = Script(book(14999, 15001))
    del script.view.books["main"]
    assert script.due() == ()


def test_each_side_can_have_a_distance_of_its_own() -> None:
    script = Script(book(9999, 10001), layers=1, bid_spread_pct=0.5, ask_spread_pct=1)
    assert script.rows() == [("buy.0", 9950, 100), ("sell.0", 10100, 100)]


def test_explicit_layers_are_distances_from_the_reference() -> None:
    script = Script(
        book(9999, 10001), layer_mode="list", layer_spreads_pct=[0.1, 0.5], layer_sizes=[0.2, 0.3], order_size=None
    )
    assert script.rows() == [("buy.0", 9990, 200), ("buy.1", 9950, 300), ("sell.0", 10010, 200), ("sell.1", 10050, 300)]


def test_linear_and_geometric_layers_step_in_percent() -> None:
    linear = Script(book(9999, 10001), layers=3, layer_mode="linear", layer_step_pct=1)
    assert [row[1] for row in linear.rows()[:3]] == [9990, 9890, 9790]
    geometric = Script(book(9999, 10001), layers=3, layer_mode="geometric", layer_step_pct=1, layer_ratio=2)
    assert [row[1] for row in geometric.rows()[:3]] == [9990, 9890, 9690]


def test_sizes_grow_by_their_ratio_rounded_down() -> None:
    script = Script(book(14999, 15001), layers=4, size_ratio=1.15)
    assert [row[2] for row in script.rows()[:4]] == [100, 115, 132, 152]


def test_size_in_quote_follows_the_price() -> None:
    script = Script(book(14999, 15001), layers=1, order_size=None, order_size_quote=30)
    assert [row[2] for row in script.rows()] == [200, 200]  # 30 at 150
    script.view.books["main"] = book(29999, 30001)
    assert [row[2] for row in script.rows()] == [100, 100]


def test_micro_price_leans_to_the_thinner_side() -> None:
    picture = book(14990, 15010, bid_lots=300, ask_lots=100)
    micro = Script(picture, layers=1, spread_pct=0, price_source="micro")
    assert micro.rows() == [("buy.0", 15004, 100), ("sell.0", 15005, 100)]  # never met by our own


def test_zero_spread_stays_behind_the_touch() -> None:
    script = Script(book(15000, 15001), layers=3, spread_pct=0, layer_step_ticks=1, layer_power=1)
    assert [row[1] for row in script.rows()] == [15000, 14999, 14998, 15001, 15002, 15003]


def test_balanced_inventory_quotes_both_sides_alike() -> None:
    script = Script(book(14999, 15001), layers=1)
    script.hold("10", "1500")
    assert [row[2] for row in script.rows()] == [100, 100]


def test_inventory_moves_size_to_the_side_that_brings_it_back() -> None:
    script = Script(book(14999, 15001), layers=1, order_size=1)  # the band is 50 % -+ 2 x 1 x 150 / 3000 = 10 %
    for base, quote, expected in [
        ("10", "1500", [("buy.0", 1000), ("sell.0", 1000)]),
        ("11", "1350", [("buy.0", 500), ("sell.0", 1500)]),
        ("12", "1200", [("sell.0", 2000)]),
        ("20", "0", [("sell.0", 2000)]),
        ("9", "1650", [("buy.0", 1500), ("sell.0", 500)]),
        ("0", "3000", [("buy.0", 2000)]),
    ]:
        script.hold(base, quote)
        assert [(slot, lots) for slot, _, lots in script.rows()] == expected


def test_size_skew_can_be_switched_off() -> None:
    script = Script(book(14999, 15001), layers=1, inventory_skew_enabled=False)
    script.hold("20", "0")
    assert [row[2] for row in script.rows()] == [100, 100]


@pytest.mark.parametrize("known", [{}, {"SOL": "20"}, {"USDC": "0"}])
def test_unknown_balances_mean_no_skew(known: dict[str, str]) -> None:
    script = Script(book(14999, 15001), layers=1, price_skew=1)
    script.view.balances["main"] = {
        asset: Balance(asset, Decimal(text), Decimal(text)) for asset, text in known.items()
    }
    assert script.rows() == [("buy.0", 14985, 100), ("sell.0", 15015, 100)]
    assert script.strategy.stats()["inventory_share"] is None


def test_empty_account_means_no_skew() -> None:
    script = Script(book(14999, 15001), layers=1)
    script.hold("0", "0")
    assert [row[2] for row in script.rows()] == [100, 100]


def test_perpetual_is_not_skewed_by_balances() -> None:
    script = Script(book(14999, 15001), instrument(kind="perp", tick_size=Decimal("0.01")), layers=1)
    script.hold("20", "0")
    assert [row[2] for row in script.rows()] == [100, 100]


def test_price_skew_moves_the_reference_against_the_inventory() -> None:
    script = Script(book(14999, 15001), layers=1, order_size=1, price_skew=0.5, inventory_skew_enabled=False)
    script.hold("11", "1350")  # half way to the edge: shifted by 0.5 x 0.5 x 15 ticks
    assert script.rows() == [("buy.0", 14981, 1000), ("sell.0", 15012, 1000)]
    script.hold("20", "0")  # far beyond the edge: by no more than 0.5 x 15 ticks
    assert script.rows() == [("buy.0", 14977, 1000), ("sell.0", 15008, 1000)]


def test_quotes_nearer_to_the_mid_than_allowed_are_left_out() -> None:
    script = Script(book(9999, 10001), layers=3, layer_step_ticks=10, layer_power=1, minimum_spread_pct=0.2)
    assert [row[:2] for row in script.rows()] == [
        ("buy.1", 9980),
        ("buy.2", 9970),
        ("sell.1", 10020),
        ("sell.2", 10030),
    ]


def test_live_order_that_came_too_near_is_taken_back_before_it_is_replaced() -> None:
    script = Script(book(9999, 10001), layers=1, spread_pct=1, minimum_spread_pct=0.4)
    script.view.open_orders["main"] = [order(Side.BUY, 9965, 100, "buy.0")]
    assert [row[0] for row in script.rows()] == ["sell.0"]
    script.view.open_orders["main"] = []
    assert [row[0] for row in script.rows()] == ["buy.0", "sell.0"]


def test_changed_instrument_is_taken_up() -> None:
    script = Script(book(14999, 15001), layers=1)
    script.due()
    script.view.instruments["main"] = instrument(tick_size=Decimal("0.01"), lot_size=Decimal("0.01"))
    assert [row[2] for row in script.rows()] == [10, 10]


def test_size_below_a_lot_is_no_order() -> None:
    assert Script(book(14999, 15001), order_size=0.0005).due() == ()


def test_stats_tell_what_it_decided_by() -> None:
    script = Script(book(14999, 15001), order_size=1, layers=1)
    script.hold("11", "1350")
    script.due()
    stats = script.strategy.stats()
    assert stats["inventory_share"] == pytest.approx(0.55)
    assert stats["inventory_tilt"] == pytest.approx(0.5)
    assert stats["reference_ticks"] == 15000.0


def test_it_is_found_by_its_file_stem() -> None:
    assert strategy_class("market_maker") is STRATEGY is MarketMaker


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "exactly one of order_size, order_size_quote"),
        ({"order_size": 1, "order_size_quote": 10}, "exactly one of order_size, order_size_quote"),
        ({"order_size": 1, "layer_mode": "list"}, "need each other"),
        ({"order_size": 1, "layer_spreads_pct": [0.1]}, "need each other"),
        ({"order_size": 1, "layer_mode": "list", "layer_spreads_pct": [0.2, 0.1]}, "must not decrease"),
        ({"layer_mode": "list", "layer_spreads_pct": [0.1], "layer_sizes": [1, 2]}, "equally long"),
        ({"order_size": 1, "layer_sizes": [1]}, "needs layer_mode 'list'"),
    ],
)
def test_contradicting_keys_are_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        MarketMaker.params_from(config)


def test_keys_of_the_loop_are_not_the_strategys() -> None:
    params = MarketMaker.params_from({"symbol": "X", "interval_s": 1, "order_size": 0.1, "spread_pct": None})
    assert params == MarketMakerParams(order_size=Decimal("0.1"))


def test_orders_that_still_match_are_left_alone_while_the_book_trembles() -> None:
    script, live, tolerance = Script(book(14999, 15001)), [], DiffTolerance()
    for mid in (15000, 15003, 14998, 15010):
        script.view.books["main"] = book(mid - 1, mid + 1)
        diff = diff_orders(script.due(), live, tolerance, NOW)
        live = live or [order(one.side, one.price_ticks, one.size_lots, one.slot) for one in diff.place]
        assert not diff.cancel
    script.view.books["main"] = book(15049, 15051)
    assert len(diff_orders(script.due(), live, tolerance, NOW).cancel) == 6


GRIDS = [
    ("0.1", "0.001", "5"),
    ("0.01", "0.00001", "5"),
    ("0.00000001", "1", "1"),
    ("0.5", "0.0001", "0"),
    ("1", "1", "10"),
]
MODES: list[dict[str, Any]] = [
    {"layer_mode": "power", "layer_step_ticks": 1.5},
    {"layer_mode": "power", "layer_step_ticks": 40, "layer_power": 0.7},
    {"layer_mode": "linear", "layer_step_pct": 0.07},
    {"layer_mode": "geometric", "layer_step_pct": 0.03, "layer_ratio": 1.4},
    {"layer_mode": "list", "layer_spreads_pct": [0.01, 0.01, 0.3, 1.7]},
]


def random_script(dice: random.Random) -> Script:
    """Return a market maker with random parameters, instrument, book and balances."""
    tick, lot, least = dice.choice(GRIDS)
    traded = instrument(tick_size=Decimal(tick), lot_size=Decimal(lot), min_notional=Decimal(least))
    bid = dice.randint(50, 10**7)
    size = Decimal(lot) * dice.randint(1, 100_000) / 7
    config = dice.choice(MODES) | {
        "spread_pct": dice.choice([0, 0.01, 0.2, 1.3, 20]),
        "layers": dice.randint(1, 10),
        "size_ratio": dice.choice([0.5, 1.0, 1.3]),
        "price_skew": dice.choice([0, 0.4, 1]),
        "inventory_range_mult": dice.choice([0.1, 1, 30]),
        "price_source": dice.choice(["mid", "micro"]),
        "order_size": float(size),
    }
    script = Script(book(bid, bid + dice.randint(1, 30), dice.randint(0, 9), dice.randint(0, 9)), traded, **config)
    value = size * traded.to_price(bid)
    script.hold(str(size * dice.randint(0, 20)), str(value * dice.randint(0, 20)))
    return script


def side_sizes(script: Script, side: Side) -> Decimal:
    """Return what the configuration allows on a side in lots: its layers times the skew factor, not rounded."""
    params = script.strategy.params
    layers = len(params.layer_spreads_pct or ()) or params.layers
    factor = 1 - side.sign * Decimal(script.strategy.stats()["inventory_tilt"])
    each = [params.order_size * Decimal(str(params.size_ratio)) ** i for i in range(layers)]
    return sum(each, Decimal(0)) * factor / script.instrument.lot_size


def check_side(script: Script, side: Side, quotes: list[Quote]) -> None:
    """Assert that a side is aligned, ordered, behind the touch, and not larger than configured."""
    picture = script.view.books["main"]
    prices = [one.price_ticks * side.sign for one in quotes]
    assert prices == sorted(set(prices), reverse=True)
    touch = picture.best_ask_ticks if side is Side.BUY else picture.best_bid_ticks
    assert all(price < touch * side.sign for price in prices)
    assert all(type(one.price_ticks) is int and type(one.size_lots) is int and one.size_lots > 0 for one in quotes)
    assert sum(one.size_lots for one in quotes) <= side_sizes(script, side) * (1 + Decimal("1e-11"))
    assert len({one.slot_name for one in quotes}) == len(quotes)


def test_ten_thousand_configurations_give_aligned_quotes_and_none_is_bumped() -> None:
    dice, placed = random.Random(20240808), 0
    for _ in range(10_000):
        script = random_script(dice)
        quotes = script.due()
        for side in Side:
            check_side(script, side, [one for one in quotes if one.side is side])
        usable = {asset: balance.total for asset, balance in script.view.balances["main"].items()}
        state = risk_state(instrument=script.instrument, available=usable, book=script.view.books["main"])
        verdict = trim_quotes(quotes, RiskLimits(), state)
        wanted = {one.slot_name: one.size_lots for one in quotes}
        for one in verdict.allowed:
            assert script.instrument.unplaceable_reason(one.price_ticks, one.size_lots) is None
            assert one.size_lots <= wanted[one.slot_name]
        placed += len(verdict.allowed)
    assert placed > 10_000  # the laws above were not held by an empty set


def test_every_parameter_has_a_default_so_that_a_section_may_leave_it_out() -> None:
    made = MarketMaker.params_from({"order_size": 1})
    assert {field.name for field in fields(MarketMakerParams)} == {field.name for field in fields(made)}


def test_whole_decision_converges_and_then_stays_quiet() -> None:
    script, live = Script(book(14999, 15001), layers=7), list[Order]()
    script.hold("10", "1500")
    for turn in range(3):
        state = risk_state(
            instrument=script.instrument,
            book=script.view.books["main"],
            available={"SOL": Decimal(10), "USDC": Decimal(1500)},
        )
        diff = diff_orders(trim_quotes(script.due(), RiskLimits(), state).allowed, live, DiffTolerance(), NOW)
        assert len(diff.place) == (14 if turn == 0 else 0)
        assert diff.cancel == ()
        live += [order(one.side, one.price_ticks, one.size_lots, one.slot) for one in diff.place]
