"""A bot as it is built, on one made-up market and beside another: quotes follow it, no order ever goes there."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.client_ids import ClientOrderIds
from core.process.build import Bot, build_bot
from core.process.preview import preview
from core.trading.clock import SimulatedClock, seconds
from core.trading.trading_loop import SpotRule
from utils.errors import ConfigError

STRATEGY: dict[str, Any] = {
    "symbol": "SOL-USDC",
    "interval_s": 0.5,
    "spread_pct": 0.4,
    "layers": 1,
    "order_size": 0.5,
    "price_tolerance_pct": 0,
    "inventory_skew_enabled": False,
    "price_source": "external",
}
ELSEWHERE = {"exchange": "paper:b", "seed": 9, "synthetic_start_price": 149.9, "synthetic_volatility_bps": 0.0}


def config_of(
    reference: dict[str, Any], risk: dict[str, Any] | None = None, strategy: dict[str, Any] | None = None
) -> BotConfig:
    return BotConfig(
        name="bot",
        exchange="paper:a",
        strategy="market_maker",
        legs=(Leg("main", "paper:a", "acc", "SOL-USDC"),),
        daemon=DaemonConfig(),
        metadata={"name": "bot"},
        exchange_config={"synthetic_volatility_bps": 0.0, "touch_prob": 0.0},
        strategy_config={**STRATEGY, **(strategy or {})},
        risk_config=risk or {},
        source_path="",
        digest="",
        reference_config=reference,
    )


def built(folder: Path, config: BotConfig, clock: SimulatedClock | None = None, fence: int = 1) -> Bot:
    ids = {"main": ClientOrderIds("home", "bot", fence)}
    return build_bot(config, folder, (str(folder),), ids, clock or SimulatedClock())


def run(bot: Bot, duration_s: float) -> None:
    end_ns = bot.clock.now_ns() + seconds(duration_s)
    while bot.clock.now_ns() < end_ns and bot.loop.finished is None:
        bot.clock.wait(min(bot.loop.step(), end_ns), ())


def own_prices(bot: Bot) -> list[Decimal]:
    (client,) = bot.clients
    return sorted(client.instrument.to_price(order.price_ticks) for order in bot.ledger.open_orders())


def test_it_quotes_round_the_other_market(tmp_path: Path) -> None:
    bot = built(tmp_path, config_of(ELSEWHERE))
    bot.loop.start()
    run(bot, 3)
    bid, ask = own_prices(bot)
    snapshot = bot.loop.snapshot()
    mid = Decimal(snapshot["stats"]["reference_mid"])
    assert abs(mid - Decimal("149.9")) < Decimal("0.05")
    assert abs((bid + ask) / 2 - mid) <= Decimal("0.01")
    assert abs(Decimal(snapshot["mid"]) - Decimal(150)) < Decimal("0.05")
    bot.close()


def test_no_order_and_no_fill_is_ever_where_only_prices_are_read(tmp_path: Path) -> None:
    bot = built(tmp_path, config_of(ELSEWHERE))
    bot.loop.start()
    run(bot, 20)
    bot.loop.begin_stop("test")
    run(bot, 10)
    assert bot.loop.finished is not None and bot.loop.finished.clean
    bot.close()
    (path,) = (tmp_path / "paper").glob("*bot.reference*.db")
    with sqlite3.connect(path) as db:
        counts = [db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("orders", "fills")]
    db.close()
    assert counts == [0, 0]


def test_the_other_market_goes_on_while_the_bot_is_restarted(tmp_path: Path) -> None:
    moving = {**ELSEWHERE, "synthetic_volatility_bps": 20.0}
    clock, mids = SimulatedClock(), []
    for fence in (1, 2):
        bot = built(tmp_path, config_of(moving), clock, fence)
        bot.loop.start(swept=True)
        run(bot, 30)
        mids.append(bot.loop.snapshot()["stats"]["reference_mid"])
        bot.loop.begin_stop("test")
        run(bot, 5)
        bot.close()
    assert mids[0] != mids[1]


def test_on_spot_the_mid_can_be_held_against_the_other_market_and_only_against_it(tmp_path: Path) -> None:
    limit = {"reference_deviation_bps": 3}  # it is 6.7 away
    (tmp_path / "with").mkdir()
    bot = built(tmp_path / "with", config_of(ELSEWHERE, limit))
    bot.loop.start()
    run(bot, 3)
    assert bot.loop.snapshot()["gates"] == ["reference_deviation"]
    assert own_prices(bot) == []
    bot.close()
    (tmp_path / "without").mkdir()
    alone = built(tmp_path / "without", config_of({}, limit, {"price_source": "mid"}))
    with pytest.raises(ConfigError, match="name another one in reference_config"):
        alone.loop.start()
    alone.close()


def test_a_market_that_is_not_there_leaves_the_bot_with_its_own_mid(tmp_path: Path) -> None:
    bot = built(tmp_path, config_of({"exchange": "paper:b", "feed": "replay:nothing.csv.gz"}))
    bot.loop.start()
    run(bot, 3)
    bid, ask = own_prices(bot)
    assert abs((bid + ask) / 2 - Decimal(150)) < Decimal("0.05")
    stats = bot.loop.snapshot()["stats"]
    assert "nothing.csv.gz" in stats["reference_stale"]
    assert stats["strategy"]["reference_stale"] is True
    bot.close()


def test_a_live_change_of_the_limits_keeps_the_reference(tmp_path: Path) -> None:
    config = config_of(ELSEWHERE, {"reference_deviation_bps": 20})
    bot = built(tmp_path, config)
    bot.loop.start()
    run(bot, 3)
    assert bot.loop.snapshot()["gates"] == []
    bot.loop.apply_change(bot.loop.prepare_change(config.strategy_config, {"reference_deviation_bps": 3}, 20.0))
    run(bot, 2)
    assert bot.loop.snapshot()["gates"] == ["reference_deviation"]
    bot.close()


def test_a_life_that_only_closes_reads_no_other_market(tmp_path: Path) -> None:
    bot = built(tmp_path, config_of(ELSEWHERE, {"reference_deviation_bps": 20}))
    bot.loop.start(only_close=SpotRule.LEAVE)
    run(bot, 10)
    assert bot.loop.finished is not None and bot.loop.finished.clean
    assert "reference_mid" not in bot.loop.snapshot()["stats"]
    assert not list((tmp_path / "paper").glob("*reference*"))
    bot.close()


def test_a_preview_lays_its_quotes_round_the_other_market_too(tmp_path: Path) -> None:
    prices = [Decimal(order["price"]) for order in preview(config_of(ELSEWHERE), (str(tmp_path),))["orders"]]
    assert abs(sum(prices) / len(prices) - Decimal("149.9")) < Decimal("0.05")
