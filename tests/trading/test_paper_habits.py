"""market_maker's habits in the loop on the embedded venue: through fills, races, kills and sweeps."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from core.market.order import Fill
from core.trading.clock import seconds
from tests.trading.test_paper_loop import STRATEGY, PaperBot

ONE: dict[str, Any] = STRATEGY | {"layers": 1, "inventory_skew_enabled": False}


def bot_with(folder: Path, **config: Any) -> PaperBot:
    """Return a bot on paper with other keys."""
    kind = type("HabitBot", (PaperBot,), {"config": ONE | config})
    bot: PaperBot = kind(folder)
    return bot


def lives(bot: PaperBot, count: int, each_s: float) -> None:
    """Let a bot be killed and swept between its lives."""
    for _ in range(count - 1):
        bot.run(each_s)
        bot.die()
        bot.sweep()
        bot.clock.advance(seconds(1))
        bot.begin()
    bot.run(each_s)


def share_of_base(bot: PaperBot) -> float:
    leg = bot.loop._bot.legs[0]
    balances, mark = leg.balances.totals, leg.mark()
    assert mark is not None
    base = balances["BTC"] * mark
    return float(base / (base + balances["USDT"]))


def test_ping_pong_never_fills_a_side_twice_in_a_row_whatever_happens_to_the_bot(tmp_path: Path) -> None:
    bot = bot_with(tmp_path, ping_pong=True)
    lives(bot, 4, 20)
    fills = bot.ledger.fills("main")
    assert len(fills) > 8
    instrument = bot.loop._bot.legs[0].instrument
    runs = [sum(one.size_lots for one in run) for _, run in groupby(fills, key=_side_of)]
    crumb = max(runs) - instrument.to_lots(Decimal("0.002"))  # beside one order: what was too little to turn it
    assert crumb <= 0 or instrument.unplaceable_reason(fills[0].price_ticks, crumb) is not None
    assert bot.ledger.replay("main") == bot.ledger.position("main")


def _side_of(fill: Fill) -> str:
    return fill.side.value


def test_hanging_orders_double_no_slot_and_are_taken_up_by_the_next_life(tmp_path: Path) -> None:
    bot, most, resumed = bot_with(tmp_path, hanging_orders=True, hanging_cancel_pct=0.5), 0, 0
    for life in range(4):
        for _ in range(20):
            bot.run(1)
            live = bot.loop._bot.legs[0].tracker.live()
            assert max(Counter(order.slot for order in live).values(), default=0) <= 1
            most = max(most, bot.loop._strategy.stats()["hanging"])
        left = bot.loop._strategy.stats()["hanging"]
        if life < 3:
            bot.die()
            bot.sweep()
            bot.begin()
            bot.run(0.5)
            resumed += left > 0 and bot.loop._strategy.stats()["hanging"] > 0
    assert most >= 2 and resumed >= 1
    assert bot.ledger.replay("main") == bot.ledger.position("main")


@pytest.mark.parametrize("mode", ["maker", "ioc"])
def test_rebalancing_brings_the_share_of_base_back(tmp_path: Path, mode: str) -> None:
    start = bot_with(tmp_path, spread_pct=2)
    start.run(1)
    share = share_of_base(start) * 100
    start.die()
    start.sweep()
    keys = {"rebalance_enabled": True, "rebalance_mode": mode, "rebalance_cooldown_s": 5, "spread_pct": 2}
    target = {"base_target_pct": share + 0.3, "rebalance_threshold_pct": 0.2, "rebalance_max_slippage_bps": 20}
    bot = bot_with(tmp_path, **keys, **target)
    bot.run(60)
    assert abs(share_of_base(bot) * 100 - target["base_target_pct"]) < 0.2
    kinds = {fill.liquidity for fill in bot.ledger.fills("main")}
    assert ("taker" in kinds) == (mode == "ioc")
