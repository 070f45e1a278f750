"""From a config to a bot that can run: clients, strategy, ledger and trading loop."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.base_client import ClientContext, ExchangeClient
from api.client_registry import client_class, venue_of
from core.bot_config import BotConfig, Leg
from core.market.client_ids import ClientOrderIds
from core.process.claims import Claim
from core.trading.clock import Clock, SimulatedClock
from core.trading.ledger import Ledger
from core.trading.loop_settings import LoopSettings
from core.trading.trading_loop import LegRuntime, TradingLoop
from strategies.base import strategy_class
from utils.errors import ConfigError, LedgerError
from utils.files import read_json, write_json_atomic
from utils.home import Home

LEDGER_NAME = "ledger.db"
LEGS_NAME = "legs.json"
WARM_STEPS = 120


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot, ready to start."""

    loop: TradingLoop
    ledger: Ledger

    def close(self) -> None:
        """Close clients and ledger; orders stay as they are."""
        self.loop.close()
        self.ledger.close()


def claims_of(config: BotConfig, home_id: str) -> list[Claim]:
    """Return what a worker or sweeper of this bot must own: the bot and each of its legs."""
    shared = bool(config.exchange_config.get("allow_shared_symbol", False))
    claims = [Claim(f"bot\0{home_id}\0{config.name}", f"bot {config.name!r}")]
    for leg in config.legs:
        venue = _venue_scope(leg, home_id)
        text = f"{leg.symbol} on {leg.exchange} account {leg.account!r}"
        claims.append(Claim(f"symbol\0{venue}\0{leg.account}\0{leg.symbol}", text, shared))
    return claims


def _venue_scope(leg: Leg, home_id: str) -> str:
    """Return the venue as far as it is the same one for everybody; an embedded venue exists once per home."""
    return f"{leg.exchange}@{home_id}" if client_class(leg.exchange).per_home else venue_of(leg.exchange)


def build_client(config: BotConfig, leg: Leg, state: Path, data_dirs: tuple[str, ...], clock: Clock) -> ExchangeClient:
    """Return the client of one leg, not yet open. Raises ConfigError for an unknown exchange."""
    context = ClientContext(
        exchange=leg.exchange,
        symbol=leg.symbol,
        account=leg.account,
        bot_name=config.name,
        state_dir=str(state),
        data_dirs=data_dirs,
        now_ns=clock.now_ns,
        utc_ns=clock.utc_ns,
    )
    return client_class(leg.exchange)(config.exchange_config, context)


def build_bot(config: BotConfig, state: Path, data_dirs: tuple[str, ...], ids: ClientOrderIds, clock: Clock) -> Bot:
    """Return the bot of a config whose secrets are resolved. Raises ConfigError, LedgerError."""
    kind = strategy_class(config.strategy)
    strategy = kind(kind.params_from(config.strategy_config))
    settings = LoopSettings.from_config(config.strategy_config, config.risk_config)
    folder = state / config.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold_to_legs(config, folder)
    ledger = Ledger.open(folder / LEDGER_NAME)
    clients = tuple(build_client(config, leg, state, data_dirs, clock) for leg in config.legs)
    legs = [LegRuntime(leg, client) for leg, client in zip(config.legs, clients, strict=True)]
    loop = TradingLoop(legs, strategy, settings, ledger, ids, clock, config.daemon.stop_timeout_s)
    return Bot(loop, ledger)


def hold_to_legs(config: BotConfig, folder: Path) -> None:
    """Make sure that a bot's ledger is of the legs that it trades now; a first start writes down which they are.

    A position in one instrument means nothing in another. Raises ConfigError, LedgerError.
    """
    path = folder / LEGS_NAME
    mine = {leg.leg: [leg.exchange, leg.account, leg.symbol, config.mode, config.network] for leg in config.legs}
    try:
        found = read_json(path)
        if found is None:
            write_json_atomic(path, mine)
    except (OSError, ValueError) as exc:
        raise LedgerError(f"{path} cannot be used: {exc}") from exc
    if found is not None and found != mine:
        was = "; ".join(" ".join(str(part) for part in leg if part) for leg in found.values())
        raise ConfigError(
            f"the ledger of bot {config.name!r} is of {was}; give the changed bot another name, or move {folder} away"
        )


def warm_up(plain: Mapping[str, Any]) -> None:
    """Run one bot of this kind for a moment of simulated time in a temporary folder, so that all its code is loaded.

    No connection is made and nothing is kept: only bots of embedded venues are run, of others the modules are imported.
    """
    config = BotConfig.from_plain(plain["config"])
    if not client_class(config.exchange).per_home:
        strategy_class(config.strategy)
        return
    data_dirs = tuple(plain["data_dirs"])
    with tempfile.TemporaryDirectory(prefix="makerd-warm-") as folder:
        home = Home(Path(folder))
        home.make_folders()
        clock = SimulatedClock()
        ids = ClientOrderIds(home.identity(), config.name, 1)
        bot = build_bot(dataclasses.replace(config, secret_names=()), home.state, data_dirs, ids, clock)
        try:
            bot.loop.start()
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
