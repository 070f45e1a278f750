"""A grid on margin that ends or moves: barriers, pauses, trailing, a new range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.commands import Halt, Quotes, Take
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from tests.market_parts import order
from tests.playbooks.perp_grid_script import AUTO, Script


def test_outside_the_range_nothing_opens_on_the_losing_side() -> None:
    script = Script()
    script.rows()
    script.at(11_100, 1)
    assert [row[1] for row in script.rows()] == ["buy", "buy"]


@pytest.mark.parametrize(
    ("config", "price", "reason"),
    [
        ({"on_range_exit": "stop_and_sell", "range_exit_confirm_s": 0}, 8_900, "the price left the range of the grid"),
        ({"stop_lower": 85}, 8_500, "stop_lower is reached"),
        ({"stop_loss": -9}, 8_600, "barrier stop_loss"),
        ({"stop_loss_pct": 4}, 8_600, "barrier stop_loss"),
    ],
)
def test_it_closes_its_position_and_ends(config: dict[str, Any], price: int, reason: str) -> None:
    script = Script(**config)
    script.rows()
    script.fill(Side.BUY, 9_500, "cell.1")
    script.view.open_orders["main"] = [order(Side.SELL, 10_000, 1000, "cell.1")]
    script.at(price, 1)
    assert script.due() == [Quotes(())]  # what rests could still fill
    script = script.reborn()
    script.view.open_orders["main"] = []
    prices = []
    for _ in range(3):
        (_, take) = script.due()
        assert isinstance(take, Take)
        assert (take.side, take.size_lots, take.reduce_only) == (Side.SELL, 1000, True)
        prices.append(take.price_ticks)
    assert prices == sorted(prices, reverse=True)  # each may trade farther
    assert prices[0] == int((price - 1) * 0.998) + 1
    script.fill(Side.SELL, price - 1, "take")
    assert script.due() == [Quotes(()), Halt(f"{reason}; the position is closed")]


def test_a_stop_without_selling_only_cancels() -> None:
    script = Script(on_range_exit="stop", range_exit_confirm_s=5)
    script.rows()
    script.at(8_900, 1)
    script.rows()
    script.at(8_900, 5)
    assert script.due() == [Quotes(()), Halt("the price left the range of the grid")]


def test_after_a_barrier_a_new_grid_can_begin_at_once_or_after_a_pause() -> None:
    for after, waits in (("restart", False), ("wait", True)):
        script = Script(take_profit=4, after_barrier=after, barrier_cooldown_s=30)
        script.rows()
        script.fill(Side.SELL, 10_500, "cell.2")
        script.fill(Side.BUY, 10_000, "cell.2")
        assert script.due() == [Quotes(())]
        script = script.reborn()
        assert (script.rows() == []) is waits
        script.at(10_000, 31)
        assert len(script.rows()) == 4
        stats = script.strategy.stats()
        assert (stats["round_trips"], Decimal(stats["grid_profit"])) == (1, Decimal(5))


def test_barriers_may_count_the_open_profit() -> None:
    script = Script(stop_loss=4, barrier_base="unrealized")
    script.rows()
    script.fill(Side.SELL, 10_500, "cell.2")
    script.fill(Side.BUY, 10_000, "cell.2")
    script.fill(Side.BUY, 9_500, "cell.1")
    script.at(9_110)
    assert any(row[1] == "sell!" for row in script.rows())
    script.at(9_100)
    assert len(script.due()) == 2


def test_an_age_is_counted_from_the_start_of_the_grid() -> None:
    script = Script(time_limit_s=100)
    script.rows()
    script.at(10_000, 99)
    assert len(script.rows()) == 4
    script.at(10_000, 1)
    assert script.due() == [Quotes(()), Halt("barrier time_limit; the position is closed")]


def test_an_age_goes_on_over_a_restart() -> None:
    script = Script(time_limit_s=100)
    script.rows()
    script.at(10_000, 60)
    script.rows()
    script.at(10_000, 39)
    later = script.reborn()
    assert len(later.rows()) == 4
    later.at(10_000, 1)
    assert later.due() == [Quotes(()), Halt("barrier time_limit; the position is closed")]


def test_a_grid_whose_barriers_count_something_else_after_a_restart_has_barriers() -> None:
    script = Script(stop_loss=4, barrier_base="unrealized")
    script.rows()
    later = script.reborn(barrier_base="equity")
    later.fill(Side.BUY, 9_500, "cell.1")
    later.at(9_060)
    assert later.due()[0] == Quotes(())
    assert isinstance(later.due()[-1], Take)


def test_the_pause_after_a_barrier_goes_on_over_a_restart() -> None:
    script = Script(take_profit=4, after_barrier="wait", barrier_cooldown_s=30)
    script.rows()
    script.fill(Side.SELL, 10_500, "cell.2")
    script.fill(Side.BUY, 10_000, "cell.2")
    assert script.due() == [Quotes(())]
    script.at(10_000, 20)
    later = script.reborn()
    assert later.rows() == []
    later.at(10_000, 10)
    assert len(later.rows()) == 4


TRAILS: dict[str, Any] = {"range_exit_confirm_s": 0}


def test_a_long_grid_trails_up_cell_by_cell_up_to_its_limit() -> None:
    script = Script(grid_type="long", on_range_exit="trail_up", trail_limit=2, **TRAILS)
    script.at(11_499)
    assert [row[2] for row in script.rows()] == [9_000, 9_500, 10_000, 10_500]
    script.at(11_500, 1)
    assert script.rows() == [(f"cell.{number}", "buy", 9_000 + 500 * number) for number in (1, 2, 3, 4)]
    script.at(12_600, 1)
    assert [row[2] for row in script.rows()] == [10_000, 10_500, 11_000, 11_500]
    assert script.reborn().rows() == script.rows()
    script.at(13_100, 1)
    assert [row[2] for row in script.rows()] == [10_000, 10_500, 11_000, 11_500]
    assert script.strategy.stats()["shifted"] == 2


def test_a_long_grid_trails_down_with_what_the_highest_cell_holds() -> None:
    script = Script(grid_type="long", on_range_exit="trail_down", trail_floor=85, **TRAILS)
    script.at(11_100)
    script.rows()
    for number, price in ((3, 10_500), (2, 10_000), (1, 9_500), (0, 9_000)):
        script.fill(Side.BUY, price, f"cell.{number}")
    script.at(8_500, 1)
    rows = [
        ("cell.-1", "sell!", 9_000),
        ("cell.0", "sell!", 9_500),
        ("cell.1", "sell!", 10_000),
        ("cell.2", "sell!", 10_500),
    ]
    assert script.rows() == rows
    assert Decimal(script.strategy.stats()["uncovered"]) == 0
    assert script.reborn().rows() == rows
    script.at(8_000, 1)
    assert script.rows() == rows  # the floor


def test_a_short_grid_trails_as_its_mirror() -> None:
    script = Script(9_900, grid_type="short", on_range_exit="trail_both", **TRAILS)
    script.at(8_900)
    script.rows()
    for number, price in ((0, 9_500), (1, 10_000), (2, 10_500), (3, 11_000)):
        script.fill(Side.SELL, price, f"cell.{number}")
    script.at(11_500, 1)
    assert script.rows() == [
        ("cell.1", "buy!", 9_500),
        ("cell.2", "buy!", 10_000),
        ("cell.3", "buy!", 10_500),
        ("cell.4", "buy!", 11_000),
    ]


def test_a_grid_that_the_limits_do_not_let_trail_stays_where_it_is() -> None:
    script = Script(grid_type="long", on_range_exit="trail_up", **TRAILS)
    script.view.limits["main"] = RiskLimits(max_position_quote=Decimal(370))  # four at the low end of 90
    script.at(11_499)
    script.rows()
    script.at(11_500, 1)
    assert [row[2] for row in script.rows()] == [9_000, 9_500, 10_000, 10_500]  # four at 95 would be too many
    assert "max_position_usd" in script.strategy.stats()["refusal"]


def test_a_neutral_grid_is_made_anew_around_the_price_three_times_a_day() -> None:
    script = Script(**AUTO, on_range_exit="recenter", **TRAILS)
    script.rows()
    for number, price in enumerate((11_200, 12_500, 14_000), 1):
        script.at(price, 1)
        rows = script.rows()
        assert [row[1] for row in rows] == ["buy", "buy", "sell", "sell"]
        assert rows[0][2] == pytest.approx(price * 0.9, abs=1)
        assert {row[0] for row in rows} <= {f"cell.{number * 1000 + k}" for k in range(5)}
    later = script.reborn()
    assert later.rows() == script.rows()
    later.at(16_000, 1)
    assert later.rows()[0][2] == 12_600  # no fourth one that day
    later.at(16_000, 86_400)
    assert later.rows()[0][2] == 14_400


def test_what_a_grid_holds_when_it_is_made_anew_is_closed_by_the_new_one() -> None:
    script = Script(**AUTO, grid_type="long", on_range_exit="recenter", position_sync_s=1, **TRAILS)
    script.at(11_100)
    script.rows()
    for number, price in ((3, 10_500), (2, 10_000), (1, 9_500), (0, 9_000)):
        script.fill(Side.BUY, price, f"cell.{number}")
    before = script.strategy.stats()["grid_profit"]
    script.at(8_700, 1)
    closing = [row for row in script.rows() if row[1] == "sell!"]
    assert len(closing) == 2  # the cells behind the price
    for _ in range(3):
        script.at(8_700, 2)
        closing = [quote for quote in script.quotes() if quote.reduce_only]
    assert sum(quote.size_lots for quote in closing) == 4_000
    assert script.strategy.stats()["grid_profit"] == before
