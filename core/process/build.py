"""From a config to a bot that can run: clients, strategy, ledger and trading loop."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.base_client import ExchangeClient
from api.client_registry import client_class
from core.bot_config import BotConfig, Leg
from core.jobs.base import job_function
from core.market.client_ids import ClientOrderIds, OrderIds
from core.process.ledger_legs import hold_to_legs
from core.process.legs import LEDGER_NAME, build_client, build_reference
from core.registry.secret_values import references_to_secrets
from core.trading.clock import Clock, SimulatedClock
from core.trading.ledger import Ledger
from core.trading.loop_settings import LoopSettings
from core.trading.published_stats import published_stats
from core.trading.stopping import LoopExit
from core.trading.trading_loop import LegRuntime, TradingLoop
from core.trading.watched_file import watched_files
from strategies.base import Strategy, strategy_class
from utils.errors import ConfigError
from utils.home import Home

WARM_STEPS = 40  # quotes, moves and cancels of every shipped strategy are among them
WARM_SYMBOL, WARM_PERP = "SOL-USDC", "BTC-PERP"


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot, ready to start; its clients in the order of its legs.

    A worker steps the loop itself. `run`, `stop` and `get_stats` are for whoever drives a bot in a process of his own:
    after that one nobody sweeps.
    """

    loop: TradingLoop
    ledger: Ledger
    clients: tuple[ExchangeClient, ...]
    clock: Clock

    def run(self, duration_seconds: float | None = None, interval_seconds: float | None = None) -> LoopExit:
        """Start, and go on until it has finished; return how. Raises what a start and a step raise.

        `duration_seconds` and `interval_seconds` are in place of the config's `duration_s` and `interval_s`.
        """
        loop = self.loop
        loop.use_times(duration_seconds, interval_seconds)
        loop.start(new_run=True)
        while loop.finished is None:
            self.clock.wait(loop.step(), loop.filenos())
        return loop.finished

    def stop(self) -> None:
        """Have everything cancelled; `run` returns once the venues have confirmed it."""
        self.loop.begin_stop("asked to stop", close=self.loop.closes_at_stop)

    def get_stats(self) -> dict[str, Any]:
        """Return its position, profit and gates, what it has counted, and how well it quotes."""
        return published_stats(self.loop.snapshot(), self.loop.uptime_s)

    def close(self) -> None:
        """Close clients and ledger; orders stay as they are."""
        self.loop.close()
        self.ledger.close()


def build_bot(
    config: BotConfig,
    state: Path,
    data_dirs: tuple[str, ...],
    ids: Mapping[str, OrderIds],
    clock: Clock,
    strategy: Strategy | None = None,
) -> Bot:
    """Return the bot of a config whose secrets are resolved, with the ids of each leg. Raises ConfigError, LedgerError.

    Nothing is opened yet. `strategy`: in place of the one that the config names, which is not even looked at then.
    """
    if strategy is None:
        kind = strategy_class(config.strategy)
        strategy = kind(kind.params_from(config.strategy_config))
    referenced = "" if config.reference is None else config.legs[0].leg
    settings = LoopSettings.from_config(config.strategy_config, config.risk_config, referenced)
    folder = state / config.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold_to_legs(config, folder)
    ledger = Ledger.open(folder / LEDGER_NAME)
    clients = tuple(build_client(config, leg, state, data_dirs, clock, ids[leg.leg]) for leg in config.legs)
    legs = [LegRuntime(leg, client, ids[leg.leg]) for leg, client in zip(config.legs, clients, strict=True)]
    watched = watched_files(strategy.file_keys, config.strategy_config, folder)
    beside = build_reference(config, state, data_dirs, clock)
    loop = TradingLoop(legs, strategy, settings, ledger, clock, config.daemon.stop_timeout_s, watched, beside)
    return Bot(loop, ledger, clients, clock)


def warm_up(plain: Mapping[str, Any]) -> None:
    """Run one bot of this kind for a moment of simulated time in a temporary folder, so that all its code is loaded.

    No connection is made and nothing is kept: a bot of a venue that needs the network has its modules imported, and its
    strategy is run on the embedded venue.
    """
    config = BotConfig.from_plain(plain["config"])
    references_to_secrets(config)  # reads schemas, which every worker would do for itself
    if config.is_job:
        job_function(config.strategy)  # its imports are all that can be warmed: what it does is its own
        return
    data_dirs = tuple(plain["data_dirs"])
    is_embedded = all(client_class(leg.exchange, config.mode).embedded for leg in config.legs)
    beside = [] if config.reference is None else [config.reference]
    read = [client_class(leg.exchange) for leg in (*beside, *(() if is_embedded else config.legs))]
    if not all(kind.embedded for kind in read):
        from api.dialing import tls_context  # not for the kinds that speak to nobody

        tls_context(None)  # 20 ms and 2 MiB that every worker would take for itself
    if beside:
        config = _without_reference(config)
    if not is_embedded:
        config, data_dirs = _on_embedded_venue(config), ()
    with tempfile.TemporaryDirectory(prefix="makerd-warm-") as folder:
        home = Home(Path(folder))
        home.make_folders()
        _run_for_a_moment(dataclasses.replace(config, secret_names=()), home, data_dirs)


def _without_reference(config: BotConfig) -> BotConfig:
    """Return the bot by itself: a market of the network is opened by a thread, which whoever forks must not have."""
    limits = {key: value for key, value in config.risk_config.items() if key != "reference_deviation_bps"}
    return dataclasses.replace(config, reference_config={}, risk_config=limits)


def _on_embedded_venue(config: BotConfig) -> BotConfig:
    """Return the same strategy on made-up prices; its sizes and limits may not fit them, its code is the same."""
    is_group = bool(config.strategy_config.get("instruments"))  # whose legs are told by their symbols
    symbol = WARM_PERP if is_group else WARM_SYMBOL
    legs = tuple(Leg(leg.leg, f"paper:{leg.leg}", leg.account, symbol) for leg in config.legs)
    strategy = config.strategy_config if is_group else {**config.strategy_config, "symbol": symbol}
    return dataclasses.replace(
        config,
        exchange=legs[0].exchange,
        legs=legs,
        exchange_config={},
        hedge_exchange_config={},
        strategy_config=strategy,
        risk_config={},
    )


def _run_for_a_moment(config: BotConfig, home: Home, data_dirs: tuple[str, ...]) -> None:
    clock = SimulatedClock()
    ids = ClientOrderIds(home.identity(), config.name, 1)
    bot = build_bot(config, home.state, data_dirs, {leg.leg: ids for leg in config.legs}, clock)
    try:
        try:
            bot.loop.start()
        except ConfigError:
            return  # made-up prices, or its own market, do not fit it: the worker's to say; the code is loaded
        for _ in range(WARM_STEPS):
            clock.wait(bot.loop.step(), ())
            if bot.loop.finished:
                break
            bot.loop.snapshot()
        bot.loop.begin_stop("warm")
        while bot.loop.finished is None:
            clock.wait(bot.loop.step(), ())
    finally:
        bot.close()
