"""grid_strategy as a script: event, expected command, event, ..."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from core.market.book import OrderBook
from core.market.commands import Halt, Quotes, Take
from core.market.events import BookUpdate, TradePrint
from core.market.order import Order, Side
from core.market.risk_limits import RiskLimits
from strategies.base import strategy_class
from strategies.grid_strategy import STRATEGY, GridStrategy
from tests.market_parts import book, instrument, order
from tests.playbooks.grid_script import AUTO, GRID, Script
from utils.errors import ConfigError


def test_it_buys_at_the_lines_below_and_sells_one_line_higher_what_it_has() -> None:
    assert Script().rows() == [
        ("cell.0", "buy", 9_000),
        ("cell.1", "buy", 9_500),
        ("cell.2", "sell", 10_500),
        ("cell.3", "sell", 11_000),
    ]


def test_a_purchase_is_sold_one_line_higher_and_bought_again() -> None:
    script = Script(base="0")
    assert script.rows() == [("cell.0", "buy", 9_000), ("cell.1", "buy", 9_500)]
    script.fill(Side.BUY, 9_500, slot="cell.1")
    assert script.rows() == [("cell.0", "buy", 9_000), ("cell.1", "sell", 10_000)]
    script.fill(Side.SELL, 10_000, slot="cell.1", fee=Decimal("0.5"))
    assert script.rows() == [("cell.0", "buy", 9_000), ("cell.1", "buy", 9_500)]
    stats = script.strategy.stats()
    assert (stats["round_trips"], Decimal(stats["grid_profit"])) == (1, Decimal("4.5"))


def test_cells_without_base_wait_until_the_price_has_been_above_them() -> None:
    script = Script(base="1")
    assert [row[0] for row in script.rows()] == ["cell.0", "cell.1", "cell.2"]
    assert script.strategy.stats()["unfunded_cells"] == 1
    script.fill(Side.SELL, 10_500, slot="cell.2")
    script.at(11_100)
    assert script.rows()[-1] == ("cell.3", "buy", 10_500)


def test_without_a_balance_it_waits() -> None:
    script = Script()
    script.view.balances.clear()
    assert script.rows() == []
    script.hold("100")
    assert len(script.rows()) == 4


def test_no_price_changes_nothing() -> None:
    script = Script()
    script.rows()
    script.view.books["main"] = OrderBook((), ())
    assert script.due() == []
    del script.view.books["main"]
    assert script.due() == []


def test_initial_inventory_none_leaves_the_balance_alone() -> None:
    assert [row[1] for row in Script(initial_inventory="none").rows()] == ["buy", "buy"]


def test_what_is_lacking_is_bought_at_once_and_not_dearer_than_allowed() -> None:
    script = Script(base="0.5", initial_inventory="buy_market")
    assert script.due() == [Quotes(()), Take(Side.BUY, 10_030, 1500)]
    script.view.open_orders["main"] = [order(Side.BUY, 10_030, 1500, "take", time_in_force="IOC")]
    assert script.due() == [Quotes(())]
    script.fill(Side.BUY, 10_001, 500, "take")
    script.view.open_orders["main"] = []
    script.at(10_040)
    assert script.due() == [Quotes(())]  # too dear
    script.at(10_000)
    assert script.due() == [Quotes(()), Take(Side.BUY, 10_030, 1000)]
    script.fill(Side.BUY, 10_001, 1000, "take")
    assert [row[1] for row in script.rows()] == ["buy", "buy", "sell", "sell"]
    assert script.strategy.stats()["held_cost"] == "200.01500"


def test_what_is_lacking_can_be_bought_by_a_resting_order() -> None:
    script = Script(base="0", initial_inventory="buy_maker")
    (quote,) = script.quotes()
    assert (quote.side, quote.price_ticks, quote.size_lots, quote.post_only) == (Side.BUY, 9_999, 2000, True)
    script.fill(Side.BUY, 9_999, 1999, "initial")
    assert len(script.rows()) == 4  # what is left is too small for an order
    assert [quote.size_lots for quote in script.quotes() if quote.side is Side.SELL] == [1000, 999]


def test_a_half_bought_inventory_survives_a_restart() -> None:
    script = Script(base="0", initial_inventory="buy_market")
    script.due()
    script.fill(Side.BUY, 10_001, 500, "take")
    assert script.reborn().due() == [Quotes(()), Take(Side.BUY, 10_030, 1500)]


@pytest.mark.parametrize("how", ["book", "print", "timer"])
def test_it_waits_until_the_trigger_is_touched(how: str) -> None:
    script = Script(trigger_price=95)
    assert script.rows() == []
    script.at(9_500)
    if how == "book":
        script.hear(BookUpdate("main", script.view.books["main"]))
    elif how == "print":
        script.hear(TradePrint("main", 9_499, 1, Side.SELL, 0, 0))
    if how != "timer":
        script.at(9_600)
    assert script.rows() != []


def test_a_trigger_that_was_touched_stays_touched_in_the_next_life() -> None:
    script = Script(trigger_price=95)
    assert script.rows() == []
    assert script.reborn().rows() == []
    script.hear(TradePrint("main", 9_499, 1, Side.SELL, 0, 0))
    assert script.reborn(trigger_price=95).rows() != []


def test_an_automatic_range_is_frozen_over_restarts() -> None:
    script = Script(**AUTO)
    assert script.rows()[0] == ("cell.0", "buy", 9_000)
    script.at(10_400)
    assert script.reborn(**AUTO).rows()[0] == ("cell.0", "buy", 9_000)


def test_other_lines_after_a_restart_take_over_what_is_held_at_its_cost() -> None:
    script = Script(base="0")
    script.rows()
    script.fill(Side.BUY, 9_500, slot="cell.1")
    script.hold("1")
    script.at(9_400)
    other = script.reborn(lower=80, upper=120)
    assert ("cell.2", "sell", 11_000) in other.rows()
    assert other.strategy.stats()["held_cost"] == "95.00000"


def test_a_grid_that_is_over_is_forgotten() -> None:
    script = Script(on_range_exit="stop", range_exit_confirm_s=0)
    script.rows()
    script.at(12_000, 1)
    assert [type(command) for command in script.due()] == [Quotes, Halt]
    script.at(10_000)
    assert len(script.reborn().rows()) == 4


def test_only_the_nearest_orders_rest() -> None:
    assert [row[2] for row in Script(max_active_orders=2).rows()] == [9_500, 10_500]
    assert [row[2] for row in Script(activation_pct=6).rows()] == [9_500, 10_500]
    script = Script(batch_size=1)
    assert [row[2] for row in script.rows()] == [9_500]
    script.view.open_orders["main"] = [order(Side.BUY, 9_500, 1000, "cell.1")]
    assert [row[2] for row in script.rows()] == [9_500, 10_500]


def test_a_cell_whose_fills_are_not_booked_yet_wants_nothing() -> None:
    script = Script()
    script.view.unbooked["main"] = frozenset({"cell.1"})
    assert [row[0] for row in script.rows()] == ["cell.0", "cell.2", "cell.3"]


def test_sizes_come_from_a_value_or_a_budget() -> None:
    assert [q.size_lots for q in Script(quantity=None, quantity_quote=95).quotes()] == [1000, 1055, 950, 904]
    assert [q.size_lots for q in Script(quantity=None, total_investment=380).quotes()] == [1000, 1055, 950, 904]


def test_base_mode_keeps_what_is_earned() -> None:
    script = Script(base="0", profit_mode="base")
    script.rows()
    script.fill(Side.BUY, 9_500, slot="cell.1")
    sale = next(quote for quote in script.quotes() if quote.slot == "cell.1")
    assert (sale.price_ticks, sale.size_lots) == (10_000, 950)
    script.fill(Side.SELL, 10_000, 950, slot="cell.1")
    assert script.strategy.stats()["kept_base"] == "0.050"
    assert script.reborn().strategy.stats()["kept_base"] == "0.050"


def test_nothing_new_is_saved_while_nothing_happens() -> None:
    script = Script()
    assert script.strategy.saved() is None
    script.rows()
    saved = script.strategy.saved()
    script.at(10_010, 1)
    script.rows()
    assert script.strategy.saved() is saved
    script.fill(Side.BUY, 9_500, slot="cell.1")
    assert script.strategy.saved() is not saved


def test_a_coarser_tick_makes_a_new_grid_with_what_was_held() -> None:
    script = Script(lower=90.01, base="0")
    script.rows()
    script.fill(Side.BUY, 9_501, slot="cell.1")
    script.view.instruments["main"] = instrument()
    script.view.books["main"] = book(900, 902)
    other = script.reborn(lower=90.01)
    assert other.rows()[0][1] == "sell"
    assert other.strategy.stats()["held_base"] == "1.000"


def test_stats_tell_what_a_grid_is_about() -> None:
    script = Script()
    assert script.strategy.stats() == {"phase": "waiting"}
    script.rows()
    script.at(9_500, 7200)
    script.fill(Side.BUY, 9_500, slot="cell.1")
    script.rows()
    stats = script.strategy.stats()
    assert stats["cells"] == {"BUYING": 1, "SELLING": 3}
    assert (stats["range_position_pct"], stats["phase"]) == (25.0, "running")
    assert stats["profit_per_grid_pct"] == [4.761905, 5.555556]
    assert Decimal(stats["break_even"]) == Decimal("98.3333333333")
    assert stats["annualised_grid_return_pct"] == 0


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"lower": None}, "lower and upper are needed"),
        ({"auto_range": True}, "not given with auto_range"),
        ({"lower": 110}, "lower must be below upper"),
        ({"quantity_quote": 10}, "exactly one of quantity"),
        ({"quantity": None}, "exactly one of quantity"),
        ({"stop_lower": 90}, "stop_lower must be below lower"),
        ({"stop_upper": 110}, "stop_upper must be above upper"),
        ({**AUTO, "stop_lower": 110, "stop_upper": 100}, "stop_lower must be below stop_upper"),
        ({"trail_floor": 91}, "trail_floor must not be above lower"),
    ],
)
def test_contradicting_keys_are_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        GridStrategy.params_from(GRID | config)


@pytest.mark.parametrize(
    ("config", "changes", "told"),
    [
        ({"upper": 90.02}, {}, "largest usable grid_num is 3"),
        ({"upper": 90.1}, {"maker_fee_bps": Decimal(10)}, "a round trip earns"),
        ({"quantity": 0.01}, {}, "0.056 are needed there"),
        ({"quantity": None, "total_investment": 10}, {}, "a larger total_investment or fewer lines"),
        ({}, {"kind": "perp"}, "trades spot"),
    ],
)
def test_a_market_that_does_not_fit_is_refused(config: dict[str, Any], changes: dict[str, Any], told: str) -> None:
    traded = instrument(tick_size=Decimal("0.01"), **changes)
    with pytest.raises(ConfigError, match=told):
        GridStrategy.check(GridStrategy.params_from(GRID | config), {"main": traded}, {"main": RiskLimits()})


def test_a_grid_without_profit_may_be_forced() -> None:
    traded = instrument(tick_size=Decimal("0.01"), maker_fee_bps=Decimal(10))
    params = GridStrategy.params_from(GRID | {"upper": 90.1, "min_profit_check": False})
    GridStrategy.check(params, {"main": traded}, {"main": RiskLimits()})


def test_an_automatic_range_that_does_not_fit_ends_the_bot() -> None:
    script = Script(**AUTO | {"range_pct": 0.1}, grid_num=500)
    assert script.due() == [
        Quotes(()),
        Halt("grid_num 500: two lines fall on one tick; the largest usable grid_num is 21"),
    ]


def test_it_is_found_by_its_file_stem() -> None:
    assert strategy_class("grid_strategy") is STRATEGY is GridStrategy


def test_random_lives_keep_orders_apart_and_lose_nothing() -> None:
    dice = random.Random(7)
    for _ in range(60):
        modes = ["hold", "trail_up", "trail_down", "trail_both"]
        config: dict[str, Any] = {"on_range_exit": dice.choice(modes), "range_exit_confirm_s": 0}
        config |= {"grid_mode": dice.choice(["arithmetic", "geometric"]), "grid_num": dice.randint(2, 12)}
        script, mid, net = Script(base=str(dice.randint(0, 9)), **config), 10_000, Decimal(0)
        live: dict[str, Order] = {}
        started = None
        for _ in range(60):
            mid = min(14_000, max(6_000, mid + dice.randint(-400, 400)))
            script.at(mid, 1)
            script.view.open_orders["main"] = list(live.values())
            quotes = script.quotes()
            started = started if started is not None else Decimal(script.strategy.stats()["held_base"])
            assert len({quote.slot for quote in quotes}) == len(quotes)
            assert len({quote.price_ticks for quote in quotes}) == len(quotes)
            assert all((quote.price_ticks - mid) * quote.side.sign <= 0 for quote in quotes)
            live = {q.slot: order(q.side, q.price_ticks, q.size_lots, q.slot) for q in quotes}
            if quotes and dice.random() < 0.7:
                quote = dice.choice(quotes)
                lots = dice.randint(1, quote.size_lots)
                script.fill(quote.side, quote.price_ticks, lots, quote.slot)
                net += quote.side.sign * script.instrument.to_size(lots)
                live.pop(quote.slot)
            if dice.random() < 0.2:
                script = script.reborn()
            assert Decimal(script.strategy.stats()["held_base"]) == started + net
