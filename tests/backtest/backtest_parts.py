"""A bot for backtests of the tests, and the same bot on the paper venue as it is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.event_file import EventSpan
from api.paper_client import PaperClient
from core.backtest.fills_csv import fills_text
from core.backtest.result import BacktestResult
from core.backtest.run import Backtest
from core.bot_config import BotConfig, DaemonConfig, Leg
from core.market.client_ids import ClientOrderIds
from core.market.order import Fill
from core.process.build import Bot, build_bot
from core.trading.clock import SimulatedClock, seconds
from strategies.base import Strategy

EXCHANGE: dict[str, Any] = {"seed": 3, "latency_ms": 20, "book_interval_ms": 50, "maker_fee_bps": -0.5}
STRATEGY: dict[str, Any] = {
    "interval_s": 0.2,
    "min_cycle_s": 0.05,
    "spread_pct": 0.3,
    "layers": 2,
    "layer_mode": "linear",
    "layer_step_pct": 0.1,
    "order_size": 0.004,
    "inventory_skew_enabled": False,
}
RISK: dict[str, Any] = {"max_position": 0.02}


def config_of(
    exchange: Mapping[str, Any], strategy: Mapping[str, Any] | None = None, risk: Mapping[str, Any] | None = None
) -> BotConfig:
    """Return the config of a market maker on the made-up market."""
    return BotConfig(
        name="tester",
        exchange="paper",
        strategy="market_maker",
        legs=(Leg("main", "paper", "acc", "SYN-PERP"),),
        daemon=DaemonConfig(),
        metadata={"name": "tester"},
        exchange_config={**EXCHANGE, **exchange},
        strategy_config={**STRATEGY, **(strategy or {})},
        risk_config={**RISK, **(risk or {})},
        source_path="",
        digest="",
    )


def backtested(
    span: EventSpan,
    exchange: Mapping[str, Any],
    engine: str = "python",
    strategy: Strategy | None = None,
    risk: Mapping[str, Any] | None = None,
    keys: Mapping[str, Any] | None = None,
) -> BacktestResult:
    """Return a backtest of that bot; `keys` are of its strategy."""
    return Backtest(config_of(exchange, keys, risk), [span], strategy=strategy, engine=engine).run()


def paper_fills(
    folder: Path,
    file: Path,
    exchange: Mapping[str, Any],
    risk: Mapping[str, Any] | None = None,
    keys: Mapping[str, Any] | None = None,
) -> str:
    """Return the fills of the same bot on the paper venue, fed with an event file: all that its ledger has."""
    (folder / file.name).write_bytes(file.read_bytes())
    config = config_of({**exchange, "feed": f"replay:{file.name}"}, keys, risk)
    span = _span(folder / file.name)
    clock = SimulatedClock(seconds(1), span[0])
    ids = {"main": ClientOrderIds("backtest", "tester", 1)}
    bot = build_bot(config, folder / "state", (str(folder),), ids, clock)
    try:
        bot.loop.start(new_run=True)
        _play(bot, clock, span[1] - span[0])
        (client,) = bot.clients
        return fills_text(_booked(bot), client.instrument)
    finally:
        bot.close()


def _span(file: Path) -> tuple[int, int]:
    from api.event_file import open_events

    opened = open_events(file)
    return opened.first_ns, opened.last_ns


def _play(bot: Bot, clock: SimulatedClock, length_ns: int) -> None:
    (client,) = bot.clients
    assert isinstance(client, PaperClient)
    end_ns = clock.now_ns() + length_ns
    while True:
        due_ns = bot.loop.step()
        if clock.now_ns() >= end_ns:
            return
        if due_ns > clock.now_ns():
            clock.wait(client.run_ahead(min(due_ns, end_ns)), ())


def _booked(bot: Bot) -> list[Fill]:
    return bot.ledger.fills("main")
