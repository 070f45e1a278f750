"""market_maker as a script: the base's share of the account is brought back to its target."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.commands import Quote, Quotes, Take
from core.market.events import Timer
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from strategies.market_maker import MarketMaker
from tests.maker_script import Script
from tests.market_parts import SECOND, book, instrument, order
from utils.errors import ConfigError

AT_100 = book(9_999, 10_001)
TOO_MUCH, TOO_LITTLE = ("6", "400"), ("1", "900")  # 60 % and 10 % of 1000; the target is 30 %


def script(held: tuple[str, str], **config: Any) -> Script:
    """Return a market maker that rebalances, with an inventory skew out of the way."""
    made = Script(AT_100, layers=1, rebalance_enabled=True, inventory_skew_enabled=False, **config)
    made.hold(*held)
    return made


def test_a_patient_order_at_the_touch_takes_the_place_of_the_quotes_on_its_side() -> None:
    assert script(TOO_MUCH).due() == (
        Quote(Side.BUY, 9_990, 100, slot="buy.0"),
        Quote(Side.SELL, 10_001, 3_000, slot="rebalance"),
    )
    assert [(one.slot, one.price_ticks) for one in script(TOO_LITTLE).due()] == [
        ("sell.0", 10_010),
        ("rebalance", 9_999),
    ]


def test_when_the_share_is_back_both_sides_are_quoted_again() -> None:
    bot = script(TOO_MUCH)
    assert bot.slots() == ["buy.0", "rebalance"]
    bot.hold("3.7", "630")
    assert bot.slots() == ["buy.0", "sell.0"]
    assert bot.strategy.stats()["rebalancing"] is None


def test_immediate_orders_go_out_once_a_cool_down_with_no_quote_of_ours_in_the_way() -> None:
    bot = script(TOO_MUCH, rebalance_mode="ioc", rebalance_max_slippage_bps=20, rebalance_cooldown_s=60)
    bot.view.open_orders["main"] = [order(Side.BUY, 9_990, 100, "buy.0")]
    nothing = Quotes((), "main")
    assert bot.hear(Timer(bot.view.now_ns)) == [nothing]
    bot.view.open_orders["main"] = []
    assert bot.hear(Timer(bot.view.now_ns)) == [
        nothing,
        Take(Side.SELL, 9_980, 3_000, "main"),
    ]  # down by 20 bps, rounded
    assert bot.slots() == ["buy.0", "sell.0"]  # a part is normal; it quotes on until the next look
    assert bot.wait(59).slots() == ["buy.0", "sell.0"]
    bot.wait(1).hold("5", "500")
    assert bot.hear(Timer(bot.view.now_ns)) == [nothing, Take(Side.SELL, 9_980, 2_000, "main")]


def test_skew_only_quotes_the_side_that_helps_twice_as_large_and_not_the_other() -> None:
    assert script(TOO_MUCH, rebalance_mode="skew_only").rows() == [("sell.0", 10_010, 200)]
    assert script(TOO_LITTLE, rebalance_mode="skew_only").rows() == [("buy.0", 9_990, 200)]


def test_without_a_known_balance_nothing_is_rebalanced() -> None:
    bot = script(TOO_MUCH)
    del bot.view.balances["main"]["USDC"]
    assert bot.slots() == ["buy.0", "sell.0"]


def test_no_immediate_order_follows_a_restart_at_once() -> None:
    config: dict[str, Any] = {"rebalance_mode": "ioc", "rebalance_cooldown_s": 60}
    bot = script(TOO_MUCH, **config)
    assert isinstance(bot.hear(Timer(bot.view.now_ns))[-1], Take)
    later = bot.wait(10).next_life(layers=1, rebalance_enabled=True, inventory_skew_enabled=False, **config)
    assert later.slots() == ["buy.0", "sell.0"]
    later.wait(50)
    assert isinstance(later.hear(Timer(later.view.now_ns))[-1], Take)
    assert later.view.now_ns == 55 * SECOND


def test_only_spot_has_base_to_hold() -> None:
    params = MarketMaker.params_from({"order_size": 1, "rebalance_enabled": True})
    spot, perp = instrument(), instrument(kind="perp", min_notional=Decimal(0))
    MarketMaker.check(params, {"main": spot}, {"main": RiskLimits()})
    with pytest.raises(ConfigError, match="no spot market"):
        MarketMaker.check(params, {"main": perp}, {"main": RiskLimits()})
