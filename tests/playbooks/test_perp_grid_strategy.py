"""perp_grid_strategy as a script: event, expected command, event, ..."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.market.account_needs import AccountNeeds
from core.market.book import OrderBook
from core.market.commands import Halt, Quotes, Take
from core.market.events import TradePrint
from core.market.order import OrderEvent, Side
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from strategies.base import strategy_class
from strategies.perp_grid_strategy import STRATEGY, PerpGridStrategy
from tests.market_parts import fill, order
from tests.playbooks.perp_grid_script import AUTO, GRID, PERP, Script
from utils.errors import ConfigError


def test_a_neutral_grid_buys_below_the_centre_and_sells_above_it() -> None:
    assert Script().rows() == [
        ("cell.0", "buy", 9_000),
        ("cell.1", "buy", 9_500),
        ("cell.2", "sell", 10_500),
        ("cell.3", "sell", 11_000),
    ]


def test_what_was_opened_is_closed_one_line_nearer_by_an_order_that_only_reduces() -> None:
    script = Script()
    script.rows()
    script.fill(Side.SELL, 10_500, "cell.2")
    assert script.rows()[2:] == [("cell.2", "buy!", 10_000), ("cell.3", "sell", 11_000)]
    script.fill(Side.BUY, 10_000, "cell.2", fee=Decimal("0.5"))
    assert len(script.rows()) == 4
    stats = script.strategy.stats()
    assert (stats["round_trips"], Decimal(stats["grid_profit"])) == (1, Decimal("4.5"))


def test_the_centre_decides_not_the_present_price() -> None:
    script = Script(neutral_center=105)
    assert script.rows() == [
        ("cell.0", "buy", 9_000),
        ("cell.1", "buy", 9_500),
        ("cell.3", "sell", 11_000),
    ]  # the long cell at 100.00 waits: its line is at the price
    script.at(10_100)
    assert ("cell.2", "buy", 10_000) in script.rows()
    script.at(9_200)
    assert [row for row in script.rows() if row[1] == "sell"] == [("cell.3", "sell", 11_000)]


def test_the_centre_of_the_start_stays_the_centre_over_restarts() -> None:
    script = Script()
    script.rows()
    script.at(10_400)
    before = script.rows()
    assert script.reborn().rows() == before
    assert script.reborn(**AUTO).rows() != before  # another range is another grid


def test_a_long_grid_opens_below_and_waits_above() -> None:
    script = Script(grid_type="long")
    assert script.rows() == [("cell.0", "buy", 9_000), ("cell.1", "buy", 9_500)]
    script.at(10_100)
    assert script.rows()[-1] == ("cell.2", "buy", 10_000)


def test_a_short_grid_is_its_mirror() -> None:
    script = Script(grid_type="short")
    assert script.rows() == [("cell.2", "sell", 10_500), ("cell.3", "sell", 11_000)]


@pytest.mark.parametrize(
    ("grid_type", "side", "limit", "closing"),
    [("long", Side.BUY, 10_030, "sell!"), ("short", Side.SELL, 9_970, "buy!")],
)
def test_an_initial_position_is_opened_at_once(grid_type: str, side: Side, limit: int, closing: str) -> None:
    script = Script(grid_type=grid_type, initial_position="market")
    assert script.due() == [Quotes(()), Take(side, limit, 2000)]
    script.fill(side, 10_000, "take", 500)
    assert script.reborn().due() == [Quotes(()), Take(side, limit, 1500)]
    script.fill(side, 10_000, "take", 1500)
    assert [row[1] for row in script.rows() if row[1].endswith("!")] == [closing] * 2


def test_an_initial_position_can_be_opened_by_a_resting_order() -> None:
    script = Script(grid_type="short", initial_position="maker")
    (quote,) = script.quotes()
    assert (quote.side, quote.price_ticks, quote.size_lots, quote.slot) == (Side.SELL, 10_001, 2000, "initial")


def test_a_position_from_before_counts_as_the_initial_one() -> None:
    script = Script(grid_type="long", initial_position="market")
    script.view.positions["main"] = Position("main").after_fill(fill(Side.BUY, 9_900, 1500), PERP)
    assert script.due() == [Quotes(()), Take(Side.BUY, 10_030, 500)]


def test_without_a_size_the_free_margin_decides_and_stays_decided() -> None:
    script = Script(quantity=None, leverage=2)
    assert script.rows() == []
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(1000), Decimal(1000))}
    assert {quote.size_lots for quote in script.quotes()} == {3200}  # 1000 x 0.8 x 2 / (90 + 95 + 100 + 105 + 110)
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(100), Decimal(100))}
    assert {quote.size_lots for quote in script.reborn().quotes()} == {3200}


def test_a_closing_order_that_the_venue_cancels_is_placed_again_and_covers_the_position() -> None:
    script = Script()
    script.rows()
    script.fill(Side.BUY, 9_500, "cell.1")
    script.at(9_600)
    before = script.rows()
    script.lose("cell.1")
    assert script.rows() == before
    closing = sum(quote.size_lots for quote in script.quotes() if quote.reduce_only)
    assert closing == script.view.positions["main"].size_lots
    assert script.strategy.stats()["pending_close"] == [1]


def test_closing_orders_lost_too_often_are_followed_by_an_immediate_one() -> None:
    script = Script(close_market_after=3)
    script.rows()
    script.fill(Side.BUY, 9_500, "cell.1")
    script.at(9_600)
    script.rows()
    for event in (OrderEvent.CANCELED, OrderEvent.REJECTED, OrderEvent.EXPIRED):
        script.lose("cell.1", event)
    script = script.reborn()
    commands = script.due()
    assert commands[1:] == [Take(Side.SELL, 9_580, 1000, reduce_only=True)]
    assert "cell.1" not in {quote.slot for quote in commands[0].quotes}  # type: ignore[union-attr]
    script.view.open_orders["main"] = [order(Side.SELL, 9_580, 1000, "take", time_in_force="IOC")]
    assert len(script.due()) == 1
    script.view.open_orders["main"] = []
    script.fill(Side.SELL, 9_599, "take", 400)
    assert [q.size_lots for q in script.quotes() if q.reduce_only] == [600]
    assert script.strategy.stats()["pending_close"] == []


def test_an_order_that_we_cancel_ourselves_is_not_lost() -> None:
    script = Script()
    script.rows()
    script.fill(Side.BUY, 9_500, "cell.1")
    script.lose("cell.1", asked_for=True)
    script.lose("cell.0")  # it opens
    assert script.strategy.stats()["pending_close"] == []


def test_closing_orders_are_never_more_than_the_position() -> None:
    script = Script()
    script.rows()
    script.fill(Side.BUY, 9_500, "cell.1")
    script.fill(Side.BUY, 9_000, "cell.0")
    script.at(9_100)
    script.view.positions["main"] = Position("main").after_fill(fill(Side.BUY, 9_250, 1200), PERP)
    assert [(q.slot, q.size_lots) for q in script.quotes() if q.reduce_only] == [("cell.0", 1000), ("cell.1", 200)]


def test_a_position_that_no_cell_holds_is_closed_after_two_looks() -> None:
    script = Script(position_sync_s=60)
    script.rows()
    script.fill(Side.BUY, 9_500, "", 500, liquidity="adjustment")
    script.at(9_600, 60)
    script.rows()
    assert script.strategy.stats()["uncovered"] == "0.500"
    script.at(9_600, 59)
    assert not any(row[1].endswith("!") for row in script.rows())
    script.at(9_600, 1)
    assert ("cell.1", "sell!", 10_000) in script.rows()


def test_it_waits_until_the_trigger_is_touched() -> None:
    script = Script(trigger_price=95)
    assert script.rows() == []
    script.hear(TradePrint("main", 9_500, 1, Side.SELL, 0, 0))
    assert script.reborn().rows() != []


def test_no_price_changes_nothing() -> None:
    script = Script()
    script.rows()
    script.view.books["main"] = OrderBook((), ())
    assert script.due() == []


def test_a_cell_whose_fills_are_not_booked_yet_wants_nothing() -> None:
    script = Script()
    script.view.unbooked["main"] = frozenset({"cell.1"})
    assert [row[0] for row in script.rows()] == ["cell.0", "cell.2", "cell.3"]


def test_only_the_nearest_orders_rest() -> None:
    assert [row[2] for row in Script(max_active_orders=2).rows()] == [9_500, 10_500]
    assert [row[2] for row in Script(batch_size=1).rows()] == [9_500]


def test_a_grid_goes_on_in_the_next_life() -> None:
    script = Script(neutral_center=102)
    script.rows()
    script.fill(Side.BUY, 9_500, "cell.1", 400)
    script.lose("cell.1")
    script.at(9_800, 1)
    before = script.rows()
    again = script.reborn()
    assert again.rows() == before
    assert again.strategy.stats() == script.strategy.stats()


def test_a_grid_that_is_over_is_forgotten() -> None:
    script = Script(on_range_exit="stop", range_exit_confirm_s=0)
    script.rows()
    script.at(12_000, 1)
    script.due()
    script.at(10_000)
    assert len(script.reborn().rows()) == 4


def test_a_margin_that_does_not_carry_the_grid_ends_the_bot() -> None:
    script = Script(quantity=None, leverage=50)
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(1000), Decimal(1000))}
    (_, halt) = script.due()
    assert isinstance(halt, Halt)
    assert "liquidated near" in halt.reason


def test_stats_tell_the_worst_case() -> None:
    script = Script(stop_lower=80, leverage=2)
    script.rows()
    stats = script.strategy.stats()
    assert (stats["long_cells"], stats["short_cells"]) == (2, 2)
    assert (stats["worst_case_loss"], stats["worst_case_loss_at_stop"]) == ("5", "25")
    assert stats["worst_case_margin"] == "107.5"
    assert stats["liq_price"] == {"buy": "46.48241206", "sell": "160.4477612"}


def test_it_says_how_the_account_must_be_set() -> None:
    assert Script(leverage=3, margin_mode=None).strategy.account_needs() == AccountNeeds(Decimal(3), None)


def test_nothing_new_is_saved_while_nothing_happens() -> None:
    script = Script()
    assert script.strategy.saved() is None
    script.rows()
    saved = script.strategy.saved()
    script.at(10_010, 1)
    script.rows()
    assert script.strategy.saved() is saved


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"lower": None}, "lower and upper are needed"),
        ({"auto_range": True}, "not given with auto_range"),
        ({"lower": 110}, "lower must be below upper"),
        ({"neutral_center": 90}, "neutral_center must be between"),
        ({"neutral_center": 95, "grid_type": "long"}, "neutral_center needs grid_type"),
        ({"initial_position": "market"}, "no initial_position"),
        ({"quantity_quote": 10}, "at most one of quantity"),
        ({"stop_lower": 90}, "stop_lower must be below lower"),
        ({"stop_upper": 110}, "stop_upper must be above upper"),
        ({"stop_loss": 0}, "stop_loss must not be 0"),
        ({"trailing_start_pct": 1}, "need each other"),
        ({"on_range_exit": "trail_up"}, "does not trail"),
        (
            {"on_range_exit": "trail_down", "grid_type": "long", "trail_floor": 95},
            "trail_floor must not be above lower",
        ),
        ({"stop_lower": 80, "stop_upper": 79, **AUTO}, "stop_lower must be below stop_upper"),
    ],
)
def test_contradicting_keys_are_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PerpGridStrategy.params_from(GRID | config)


@pytest.mark.parametrize(
    ("config", "changes", "limits", "told"),
    [
        ({"upper": 90.02}, {}, RiskLimits(), "largest usable grid_num is 3"),
        ({"grid_type": "long"}, {}, RiskLimits(max_position_lots=3999), "max_position is 3.999"),
        ({"grid_type": "short", "leverage": 50}, {}, RiskLimits(), "liquidated near"),
        ({}, {"kind": "spot"}, RiskLimits(), "there is grid_strategy"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_order(
    config: dict[str, Any], changes: dict[str, Any], limits: RiskLimits, told: str
) -> None:
    traded = replace(PERP, **changes)
    with pytest.raises(ConfigError, match=told):
        PerpGridStrategy.check(PerpGridStrategy.params_from(GRID | config), {"main": traded}, {"main": limits})


def test_it_is_found_by_its_file_stem() -> None:
    assert strategy_class("perp_grid_strategy") is STRATEGY is PerpGridStrategy
