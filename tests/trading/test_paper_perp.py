"""perp_market_maker on the embedded venue, as it is shipped: barriers, bands and limits with real fills."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from core.trading.clock import seconds
from tests.trading.perp_bot import PerpBot


def watched(bot: PerpBot, duration_s: float) -> list[dict[str, Any]]:
    """Let the bot live and return what it told twice a second."""
    told = []
    for _ in range(int(duration_s * 2)):
        bot.run(0.5)
        told.append(bot.loop.snapshot())
    return told


def test_a_time_limit_closes_the_position_again_and_again_and_quotes_come_back(tmp_path: Path) -> None:
    bot = PerpBot(tmp_path, time_limit_s=4, barrier_cooldown_s=1, position_threshold=0.02)
    told = watched(bot, 60)
    hits = told[-1]["stats"]["strategy"]["barrier_hits"].get("time_limit", 0)
    assert hits >= 2
    assert told[-1]["stats"]["flattens"] == hits
    assert {"QUOTING"} <= {one["phase"] for one in told}
    takes = [fill for fill in bot.ledger.fills("main") if fill.liquidity == "taker"]
    assert takes
    assert bot.ledger.replay("main") == bot.ledger.position("main")
    assert Decimal(told[-1]["stats"]["strategy"]["reduce_volume"]) > 0
    bot.loop.close()


def test_a_position_beyond_its_band_is_shed_and_the_limit_is_never_passed(tmp_path: Path) -> None:
    bot = PerpBot(tmp_path, reduce_mode="ioc", position_threshold=0.004, inventory_skew=0)
    positions = [abs(Decimal(one["position"])) for one in watched(bot, 60)]
    assert max(positions) > Decimal("0.004")
    assert max(positions) <= Decimal("0.02")
    takes = [fill for fill in bot.ledger.fills("main") if fill.liquidity == "taker"]
    assert takes
    bot.loop.close()


def test_a_paused_bot_keeps_its_time_limit(tmp_path: Path) -> None:
    bot = PerpBot(tmp_path, time_limit_s=20)
    while not bot.loop.snapshot()["fills"] or bot.loop.snapshot()["position"] == "0.0000":
        bot.run(1)
        assert bot.clock.now_ns() < seconds(40_000)
    bot.loop.pause()
    bot.run(30)
    assert bot.loop.snapshot()["gates"] == ["paused"]
    assert Decimal(bot.loop.snapshot()["position"]) == 0
    bot.loop.close()


def test_the_same_seed_gives_the_same_fills(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        bot = PerpBot(tmp_path / name, time_limit_s=10)
        bot.run(45)
        runs.append([(f.trade_id, f.side, f.price_ticks, f.size_lots) for f in bot.ledger.fills("main")])
        bot.loop.close()
    assert runs[0] == runs[1] != []
