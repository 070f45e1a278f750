"""A spot grid whose price leaves its range: it stays, stops, sells, trails or is made anew."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.commands import Halt, Quotes, Take
from core.market.order import Side
from tests.market_parts import order
from tests.playbooks.grid_script import AUTO, Script


def test_orders_stay_when_the_price_leaves_the_range() -> None:
    script = Script()
    script.rows()
    script.at(12_000, 60)
    assert [row[1] for row in script.rows()] == ["buy", "buy", "sell", "sell"]
    assert script.rows()[-2:] == [("cell.2", "sell", 12_000), ("cell.3", "sell", 12_001)]  # beside the touch


def test_outside_for_long_enough_it_stops() -> None:
    script = Script(on_range_exit="stop")
    script.rows()
    script.at(11_100)
    assert len(script.rows()) == 4
    script.at(11_100, 9)
    assert len(script.rows()) == 4
    script.at(11_100, 1)
    assert script.due() == [Quotes(()), Halt("the price left the range of the grid")]


@pytest.mark.parametrize(
    ("config", "price", "reason"),
    [
        ({"on_range_exit": "stop_and_sell", "range_exit_confirm_s": 0}, 8_900, "the price left the range of the grid"),
        ({"stop_lower": 85}, 8_500, "stop_lower is reached"),
        ({"stop_upper": 115}, 11_500, "stop_upper is reached"),
    ],
)
def test_it_sells_what_it_holds_and_ends(config: dict[str, Any], price: int, reason: str) -> None:
    script = Script(**config)
    live = [order(quote.side, quote.price_ticks, quote.size_lots, quote.slot) for quote in script.quotes()]
    script.view.open_orders["main"] = live
    script.at(price, 1)
    script.due()
    assert script.due() == [Quotes(())]  # what rests could still fill
    script.view.open_orders["main"] = []
    bid = int((price - 1) * (1 - Decimal("0.003"))) + 1
    assert script.reborn().due() == [Quotes(()), Take(Side.SELL, bid, 2000)]
    script.fill(Side.SELL, price - 1, 1500, "take")
    assert script.due() == [Quotes(()), Take(Side.SELL, bid, 500)]
    script.fill(Side.SELL, price - 1, 500, "take")
    assert script.due() == [Quotes(()), Halt(f"{reason}; what the grid held is sold")]
    assert Decimal(script.strategy.stats()["exit_profit"]) == 2 * (Decimal(price - 1) / 100 - 100)


def test_it_trails_up_cell_by_cell_up_to_its_limit() -> None:
    script = Script(on_range_exit="trail_up", range_exit_confirm_s=0, trail_limit=2)
    script.rows()
    for slot, price in (("cell.2", 10_500), ("cell.3", 11_000)):
        script.fill(Side.SELL, price, slot=slot)
    script.at(11_499, 1)
    assert [row[2] for row in script.rows()] == [9_000, 9_500, 10_000, 10_500]
    script.at(11_500, 1)
    assert script.rows()[-1] == ("cell.4", "buy", 11_000)
    script.at(12_600, 1)
    assert [row[2] for row in script.rows()] == [10_000, 10_500, 11_000, 11_500]
    script.at(13_100, 1)
    assert [row[2] for row in script.rows()] == [10_000, 10_500, 11_000, 11_500]
    assert script.reborn().rows() == script.rows()


def test_it_trails_down_with_what_the_highest_cell_holds() -> None:
    script = Script(on_range_exit="trail_down", range_exit_confirm_s=0, trail_floor=85)
    script.rows()
    for slot, price in (("cell.1", 9_500), ("cell.0", 9_000)):
        script.fill(Side.BUY, price, slot=slot)
    script.at(8_500, 1)
    assert script.rows() == [
        ("cell.-1", "sell", 9_000),
        ("cell.0", "sell", 9_500),
        ("cell.1", "sell", 10_000),
        ("cell.2", "sell", 10_500),
    ]
    script.at(8_000, 1)
    assert len(script.rows()) == 4  # the floor
    assert script.strategy.stats()["held_base"] == "4.000"


def test_it_makes_a_new_range_around_the_price_three_times_a_day() -> None:
    script = Script(**AUTO, on_range_exit="recenter", range_exit_confirm_s=0)
    script.rows()
    prices = [11_200, 12_500, 14_000]
    for number, price in enumerate(prices, 1):
        script.at(price, 1)
        rows = script.rows()
        assert rows[0][2] == pytest.approx(price * 0.9, abs=1)
        assert {row[0] for row in rows} <= {f"cell.{number * 1000 + k}" for k in range(4)}
    assert script.strategy.stats()["held_base"] == "2.000"
    script.at(16_000, 1)
    assert script.rows()[0][2] == 12_600
    script.fill(Side.BUY, 10_080, slot="cell.1000")  # of an order of a range before
    assert script.strategy.stats()["held_base"] == "3.000"
    script.at(16_000, 86_400)
    assert script.rows()[0][2] == 14_400
    assert script.reborn(**AUTO).rows() == script.rows()
