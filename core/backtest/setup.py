"""What every backtest is put together from: the venue of a leg over its events, and the loop of a live bot."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.base_client import ClientContext
from api.event_file import EventSpan
from api.market_reader import MarketReader
from core.backtest.recorder import Recorder
from core.bot_config import HEDGE, BotConfig, Leg
from core.market.client_ids import ClientOrderIds
from core.trading.clock import SimulatedClock
from core.trading.loop_settings import LoopSettings
from core.trading.reference import Reference
from core.trading.watched_file import watched_files
from strategies.base import Strategy, strategy_class
from utils.errors import ConfigError

if TYPE_CHECKING:
    from core.backtest.memory_ledger import MemoryLedger
    from core.trading.trading_loop import TradingLoop

_HOME_ID = "backtest"  # so that the ids of orders are the same in every run
_MODEL_KEYS = ("fill_model", "queue_model", "latency_ms", "seed")


def strategy_of(config: BotConfig) -> Strategy:
    """Return the strategy of a config. Raises ConfigError."""
    kind = strategy_class(config.strategy)
    return kind(kind.params_from(config.strategy_config))


def venue_of(engine: str) -> Any:
    """Return the class of the venue that plays the events, None for paper's own. Raises ConfigError without numba."""
    compiled = engine != "python" and importlib.util.find_spec("numba") is not None
    if engine == "compiled" and not compiled:
        raise ConfigError("the compiled engine needs numba: pip install -r requirements-backtest.txt")
    return importlib.import_module("api.compiled_venue").VENUE if compiled else None


def client_of(
    config: BotConfig,
    leg: Leg,
    data: EventSpan,
    record: Recorder,
    clock: SimulatedClock,
    strategy: Strategy,
    engine: str,
) -> Any:
    """Return the client of a leg over its events, not yet open: an account of its own, as a leg has on paper."""
    replay, given = importlib.import_module("api.replay_venue"), {**config.exchange_config_of(leg)}
    if data.market.lists(leg.symbol):
        replay.hold_balances(given, data.market, f"{'hedge_' if leg.leg == HEDGE else ''}exchange_config")
    context = ClientContext(leg.exchange, leg.symbol, leg.account, config.name, "", (), clock.now_ns, clock.utc_ns)
    return replay.CLIENT(
        {**given, "speed": 1.0},  # the clock is as fast as the events
        context,
        data,
        record.note_fill,
        record.funding.append,
        venue_of(engine),
        strategy.hears_prints,
    )


def reference_of(
    config: BotConfig, data: EventSpan | None, clock: SimulatedClock, strategy: Strategy, engine: str
) -> Reference | None:
    """Return the market of a bot's reference over its events, None without one. Raises ConfigError without events."""
    leg = config.reference
    if leg is None:
        return None
    if data is None:
        raise ConfigError(f"there are no data for the {leg.leg} ({leg.symbol}): add --data {leg.leg}=FILE")
    if data.first_ns != clock.utc_ns():
        raise ConfigError("the events of the reference do not begin when those of the bot do")
    make = partial(client_of, config, leg, data, Recorder(), clock, strategy, engine)
    return Reference.of(leg, MarketReader(make, leg.leg, waits=False), config.reference_config)


def loop_of(
    config: BotConfig,
    clients: Sequence[Any],
    strategy: Strategy,
    ledger: MemoryLedger,
    clock: SimulatedClock,
    folder: Path,
    beside: Reference | None = None,
) -> TradingLoop:
    """Return the loop of a bot; the clients are those of its legs. Files that the strategy is shown are in `folder`.

    `beside`: the market of its reference.
    """
    ids = ClientOrderIds(_HOME_ID, config.name, 1)
    parts = importlib.import_module("core.trading.trading_loop")  # by name, as the venue is
    legs = [parts.LegRuntime(leg, client, ids) for leg, client in zip(config.legs, clients, strict=True)]
    referenced = "" if beside is None else config.legs[0].leg
    settings = LoopSettings.from_config(config.strategy_config, config.risk_config, referenced)
    files = watched_files(strategy.file_keys, config.strategy_config, folder)
    stop_s = config.daemon.stop_timeout_s
    loop: TradingLoop = parts.TradingLoop(legs, strategy, settings, ledger, clock, stop_s, files, beside)
    return loop


def fill_model(exchange_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a venue that say how it fills, for the table of a run."""
    return {key: exchange_config[key] for key in _MODEL_KEYS if key in exchange_config}
