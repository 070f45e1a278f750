"""avellaneda_stoikov as a script: what fills do to the next quotes, and what else is asked of a quote."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Self

import pytest

from core.market.order import Side
from core.market.quote_habits import HabitParams
from core.market.reports import Balance
from strategies.avellaneda_stoikov import AvellanedaStoikov
from tests.avellaneda_script import BOTH, MID, ROUND_10_000, relative
from tests.avellaneda_script import Script as Avellaneda
from tests.market_parts import book, fill, order
from utils.errors import ConfigError

STILL = {"gamma": 1, "kappa": 1000, "sigma_method": "fixed", "sigma": 1e-6, "horizon_s": 1} | BOTH  # 10 bps a side


class Script(Avellaneda):
    """A bot whose quotes rest, and fill when the test says so."""

    def __init__(self, **config: Any) -> None:
        super().__init__(ROUND_10_000, **(STILL | config))
        self.given = config

    def rest(self) -> Self:
        """Let what is wanted now rest."""
        self.view.open_orders["main"] = tuple(
            order(quote.side, quote.price_ticks, quote.size_lots, quote.slot_name) for quote in self.quotes()
        )
        return self

    def fills(self, slot: str) -> Self:
        """Let the whole order of a slot fill."""
        live = self.view.open_orders["main"]
        (found,) = [one for one in live if one.slot == slot]
        self.view.open_orders["main"] = tuple(one for one in live if one is not found)
        made = fill(found.side, found.price_ticks, found.size_lots, client_order_id=found.client_order_id)
        return self.burst(made, slot=slot)

    def next_life(self) -> Script:
        """Return the same bot after a restart."""
        later = Script(**self.given)
        later.view = self.view
        later.strategy.restore(json.loads(json.dumps(self.strategy.saved())), later.view)
        return later


def test_after_a_fill_ping_pong_quotes_the_other_side_only_until_that_fills() -> None:
    script = Script(layers=2, ping_pong=True).rest()
    assert script.slots() == {"buy.0", "buy.1", "sell.0", "sell.1"}
    assert script.fills("buy.0").slots() == {"sell.0", "sell.1"}
    assert script.stats()["quoted_side"] == "sell"
    assert script.rest().fills("sell.0").slots() == {"buy.0", "buy.1"}


def test_the_side_that_filled_waits() -> None:
    script = Script(filled_order_delay_s=5).rest()
    assert script.fills("sell.0").slots() == {"buy.0"}
    assert script.wait(4.9).slots() == {"buy.0"}
    assert script.wait(0.1).slots() == {"buy.0", "sell.0"}


def test_the_partner_of_a_filled_order_stays_where_it_is() -> None:
    script = Script(hanging_orders=True).rest()
    (stays,) = script.prices(Side.SELL)
    script.fills("buy.0").move(MID - 500)
    rows = {slot: price for slot, price, _ in script.rows()}
    assert rows["sell.0"] == stays
    assert rows["sell.0.1"] == stays - 500 > MID - 500 > rows["buy.0"]
    assert script.stats()["hanging"] == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"ping_pong": True}, {"sell.0"}),
        ({"hanging_orders": True}, {"buy.0", "sell.0.1", "sell.0"}),
        ({"filled_order_delay_s": 60}, {"sell.0"}),
        ({}, {"buy.0", "sell.0"}),
    ],
)
def test_what_fills_have_left_outlives_a_restart(config: dict[str, Any], expected: set[str]) -> None:
    script = Script(**config).rest().fills("buy.0")
    assert script.slots() == expected
    assert script.next_life().slots() == expected


def test_the_record_of_a_life_without_habits_is_taken_up() -> None:
    script = Script(ping_pong=True).rest().fills("buy.0")
    saved = {key: value for key, value in (script.strategy.saved() or {}).items() if key != "habits"}
    later = Script(ping_pong=True)
    later.strategy.restore(saved, later.view)
    assert later.slots() == {"buy.0", "sell.0"}


def test_a_habit_that_is_switched_off_forgets() -> None:
    script = Script(ping_pong=True).rest().fills("buy.0")
    on = script.strategy.params
    plain = {"symbol": "SOL-PERP", "order_size": 0.1, "layers": 1, "position_threshold": 9} | STILL
    script.strategy.reconfigure(AvellanedaStoikov.params_from(plain))
    assert script.slots() == {"buy.0", "sell.0"}
    script.strategy.reconfigure(on)
    assert script.slots() == {"buy.0", "sell.0"}


def test_nothing_is_quoted_before_the_time_and_the_books_of_the_warm_up() -> None:
    script = Script(warmup_s=10, min_samples=4).move(MID).wait(9.9)
    assert (script.quotes(), script.stats()["source"]) == ((), "warmup")
    assert script.wait(0.1).quotes() == ()
    assert script.move(MID + 1).move(MID + 2).quotes() == ()
    assert len(script.move(MID + 3).quotes()) == 2
    assert script.stats()["source"] == "as"


def test_quotes_nearer_to_the_mid_than_the_minimum_are_left_out_and_so_are_orders_that_came_near() -> None:
    assert Script(minimum_spread_pct=0.05).slots() == {"buy.0", "sell.0"}
    assert Script(minimum_spread_pct=0.11).slots() == set()
    script = Script(minimum_spread_pct=0.05).rest()
    assert script.move(MID + 700).slots() == {"buy.0"}  # the ask is 3 bps away, so it goes first


def test_a_quote_is_one_tick_before_what_is_in_front_of_it_at_the_best() -> None:
    script, plain = Script(order_optimization=True), Script()
    script.view.books["main"] = plain.view.books["main"] = book(MID - 5000, MID + 5000)
    assert plain.prices(Side.BUY)[0] > MID - 1100
    assert script.prices() == [MID - 4999, MID + 4999]


def test_an_order_may_be_a_plain_share_of_what_the_account_is_worth() -> None:
    script = Script(order_size=None, order_size_pct=5)
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(100_000), Decimal(100_000))}
    assert {one.size_lots for one in script.quotes()} == {500}  # 5,000 of 100,000, at 10,000.00
    script.hold(100).move(MID + 100_000)  # 0.1 at 10,000.00, so that a price of 11,000 earns 100
    assert script.quotes()[0].size_lots == 455  # 5,005 of 100,100, at 11,000.00
    script.view.balances["main"] = {"USDC": Balance("USDC", Decimal(90_000), Decimal(90_000))}
    assert script.quotes()[0].size_lots == 409  # 4,505 of 90,100
    script.view.balances.clear()
    assert script.quotes() == ()


def test_both_answers_to_a_fill_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        relative(hanging_orders=True, ping_pong=True)


def test_every_habit_of_layered_quotes_has_its_default_here_too() -> None:
    params = AvellanedaStoikov.params_from({"order_size": 0.1})
    assert all(getattr(params, name) == getattr(HabitParams(), name) for name in HabitParams.__dataclass_fields__)
