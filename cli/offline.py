"""The configs on disk, read without validating them: what `status` shows while no daemon lives, and `config list`.

Quick on purpose: nothing is validated, and schemas are read only for a config that is more than its file. Whether it is
valid is what `config validate` tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.bot_config import HEDGE, MAKER
from core.registry.live_consent import addresses_in, is_real_money
from core.registry.reading import read_regular
from utils.env import SUPPLIES, interpolate
from utils.errors import ConfigError
from utils.group_legs import MAIN, legs_of_group
from utils.home import Home
from utils.input_validation import our_symbol
from utils.version import __version__

if TYPE_CHECKING:
    from core.registry.environment import Environment

_HEDGE_MODES = ("same_venue", "cross_venue")  # of strategy_config: a maker leg, and with the second a hedge leg
MAX_BYTES = 256 * 1024
_NO_MONITOR = {"state": "off", "url": None, "reason": ""}
Figures = Callable[[Home, str], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class ConfigOnDisk:
    """What one file says of itself; `problem` is why it says too little."""

    file: str
    name: str = ""
    exchange: str = ""
    strategy: str = ""
    symbol: str = ""
    account: str = ""
    mode: str = ""
    network: str | None = None
    real_money: bool = False
    addresses: tuple[str | None, ...] = (None, None)
    problem: str = ""
    kind: str = "bot"
    tags: tuple[str, ...] = ()
    leg: str = MAIN
    hedge: tuple[str | None, ...] = ()  # exchange, account, symbol and addresses of the hedge leg, where there is one
    others: tuple[tuple[str, str], ...] = ()  # leg and symbol of the further instruments of a group


def configs_in(folder: Path, home: Home) -> list[ConfigOnDisk]:
    """Return what is in a folder of configs, in the order of the file names; none where there is no folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    supplied = _environment_supplies(home)
    found = [_read(path, home, supplied) for path in paths]
    return [*found, *legacy_bots(home)] if folder == home.active else found


def bot_names(home: Home) -> list[str]:
    """Return the names of the bots whose configs are active."""
    return [config.name for config in configs_in(home.active, home) if config.name]


def _read(path: Path, home: Home, supplied: bool) -> ConfigOnDisk:
    file = str(path.relative_to(home.root)) if path.is_relative_to(home.root) else str(path)
    try:
        if not path.is_file():  # a pipe would wait for ever
            return ConfigOnDisk(file, problem=f"{file}: not a regular file")
        with open(path, "rb") as content:
            tree = json.loads(content.read(MAX_BYTES))
        tree = _layered(path, home) if supplied or _says_more(tree) else tree
        return _described(file, _resolved(tree, home), _kind_of(tree), _tags_of(tree))
    except OSError as exc:
        return ConfigOnDisk(file, problem=f"{file}: {exc.strerror}")
    except (ValueError, RecursionError, ConfigError) as exc:
        return ConfigOnDisk(file, problem=f"{file}: {exc}")


def _kind_of(tree: Any) -> str:
    return "job" if isinstance(tree, dict) and tree.get("kind") == "job" else "bot"


def _tags_of(tree: Any) -> tuple[str, ...]:
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def _environment_supplies(home: Home) -> bool:
    """Tell whether any variable may supply a key by its name."""
    if any(name.startswith(SUPPLIES) for name in os.environ):
        return True
    try:
        return SUPPLIES.encode() in read_regular(home.env_file, MAX_BYTES)
    except OSError:
        return False


def _says_more(tree: Any) -> bool:
    """Tell whether a file has a base, or is of an older version."""
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    return isinstance(metadata, dict) and ("extends" in metadata or metadata.get("schema_version", 1) != 1)


def _layered(path: Path, home: Home) -> Any:
    """Return a config with its base, and with what only the environment says."""
    from core.registry.document import read_document
    from core.registry.layers import Bases, layered

    return layered(read_document(path, home), _environment(home), Bases(home)).tree


def _environment(home: Home) -> Environment:
    from core.registry.environment import Environment

    return Environment(os.environ, home.env_file)


def legacy_bots(home: Home) -> list[ConfigOnDisk]:
    """Return the bots of the one file that holds several; none where there is no such file."""
    found = []
    for file, tree in _legacy_trees(home):
        try:
            found.append(_described(file, _resolved(tree, home), _kind_of(tree), _tags_of(tree)))
        except ConfigError as exc:
            found.append(ConfigOnDisk(file, problem=f"{file}: {exc}"))
    return found


def _legacy_trees(home: Home) -> list[tuple[str, Any]]:
    if not home.legacy_file.exists():
        return []
    from core.registry.layers import Bases, layered
    from core.registry.legacy_file import read_legacy_file

    legacy, environment, bases = read_legacy_file(home), _environment(home), Bases(home)
    return [(one.file, layered(one, environment, bases).tree) for one in (legacy.bots if legacy else ())]


def whole_config(found: ConfigOnDisk, home: Home) -> Any:
    """Return what a config says with its base and the environment, not validated and with its references."""
    path = home.root / found.file
    if path != home.legacy_file:
        return _layered(path, home)
    trees = [tree for _, tree in _legacy_trees(home)]
    return next(tree for tree in trees if _resolved(tree, home)["metadata"].get("name") == found.name)


def _resolved(tree: Any, home: Home) -> dict[str, dict[str, Any]]:
    """Return the sections with the few texts that we show, their variables put in."""
    of_legs = ("hedge_venue", "hedge_symbol", "hedge_account", "base_url", "ws_url")
    known = ("name", "exchange", "strategy", "symbol", "account", "mode", "network", "job", *of_legs)
    sections = {}
    for name in ("metadata", "exchange_config", "strategy_config", "job_config", "hedge_exchange_config"):
        section = tree.get(name) if isinstance(tree, dict) else None
        given = section if isinstance(section, dict) else {}
        sections[name] = {key: value for key, value in given.items() if key in known and isinstance(value, str)}
        sections[name] |= _instruments(given.get("instruments"))
    if any("${" in str(value) for section in sections.values() for value in section.values()):
        sections = interpolate(sections, _environment(home))
    return sections


def _instruments(rows: Any) -> dict[str, Any]:
    """Return the symbols of a group's instruments, as far as they are told; nothing where there is no group.

    A text stays: it may name a variable that holds the whole list.
    """
    if isinstance(rows, str):
        return {"instruments": rows}
    if not isinstance(rows, list):
        return {}
    symbols = [row.get("symbol") for row in rows if isinstance(row, dict)]
    return {"instruments": [{"symbol": symbol} for symbol in symbols if isinstance(symbol, str)]}


def _described(file: str, sections: dict[str, dict[str, Any]], kind: str, tags: tuple[str, ...]) -> ConfigOnDisk:
    metadata, exchange = sections["metadata"], sections["exchange_config"]
    hedge = sections["hedge_exchange_config"]
    name = metadata.get("name", "")
    problem = "" if name else f"{file}: metadata.name is missing; `config validate {file}` tells more"
    if kind == "job":
        return ConfigOnDisk(
            file, name, strategy=sections["job_config"].get("job", ""), problem=problem, kind=kind, tags=tags
        )
    return ConfigOnDisk(
        file=file,
        name=name,
        exchange=metadata.get("exchange", ""),
        strategy=metadata.get("strategy", ""),
        symbol=sections["strategy_config"].get("symbol", ""),
        account=exchange.get("account") or name,
        mode=exchange.get("mode", "paper"),
        network=exchange.get("network", _usual_network(metadata.get("exchange", ""))),
        real_money=is_real_money(exchange) or is_real_money(hedge),
        addresses=addresses_in(exchange),
        problem=problem,
        tags=tags,
        leg=MAKER if sections["strategy_config"].get("mode") in _HEDGE_MODES else MAIN,
        hedge=_hedge_leg(sections, name),
        others=_other_instruments(sections["strategy_config"]),
    )


def _usual_network(exchange: str) -> str | None:
    """Return the network of a venue whose config names none; the paper exchange has no choice of one."""
    return None if exchange.partition(":")[0] in ("", "paper") else "live"


def _other_instruments(strategy: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = strategy.get("instruments", ())
    if isinstance(rows, str):
        rows = _instruments(_json_in(rows)).get("instruments", ())
    named = legs_of_group(strategy.get("symbol", ""), () if isinstance(rows, str) else rows)
    return tuple((leg, row["symbol"]) for leg, row in named if leg != MAIN)


def _json_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _hedge_leg(sections: dict[str, dict[str, Any]], name: str) -> tuple[str | None, ...]:
    """Return exchange, account, symbol and addresses of the hedge leg, nothing where there is none."""
    strategy, exchange = sections["strategy_config"], sections["metadata"].get("exchange", "")
    if strategy.get("mode") != _HEDGE_MODES[1]:
        return ()
    venue = strategy.get("hedge_venue") or exchange
    settings = sections["hedge_exchange_config"] or (sections["exchange_config"] if venue == exchange else {})
    account = strategy.get("hedge_account") or settings.get("account") or name
    return (venue, account, strategy.get("hedge_symbol") or strategy.get("symbol", ""), *addresses_in(settings))


def status_while_down(home: Home, figures: Figures, pid: int | None = None) -> dict[str, Any]:
    """Return the object of `status --json` for a daemon that does not answer; `pid` is a holder of its lock.

    `figures` tells what the ledger of a bot says, None when there is none: counters and PnL are lifetime.
    """
    configs = configs_in(home.active, home)
    daemon = {"state": "stopped" if pid is None else "starting", "pid": pid, "uptime_s": 0.0, "loop_age_s": None}
    broken = [config for config in configs if config.problem]
    return {
        "daemon": {**daemon, "version": __version__, "home": str(home.root), "web": dict(_NO_MONITOR)},
        "bots": sorted(
            (_row(config, figures(home, config.name) or {}) for config in configs if not config.problem),
            key=lambda row: str(row["name"]),
        ),
        "invalid": [{"file": config.file, "complaints": [config.problem]} for config in broken],
    }


def _row(config: ConfigOnDisk, recorded: Mapping[str, Any]) -> dict[str, Any]:
    at_rest = {"open_orders": 0, "dead_man": "none", "clock_offset_ms": None}
    leg = {"leg": config.leg, "exchange": config.exchange, "account": config.account}
    leg["symbol"] = our_symbol(config.symbol)
    legs = [{**leg, "position": recorded.get("position", "0"), **at_rest}]
    if config.hedge:
        exchange, account, symbol, *_ = config.hedge
        other = {"leg": HEDGE, "exchange": exchange, "account": account, "symbol": our_symbol(symbol or "")}
        legs.append({**other, "position": recorded.get("legs", {}).get(HEDGE, "0"), **at_rest})
    positions = recorded.get("legs", {})
    for name, symbol in config.others:
        legs.append({**leg, "leg": name, "symbol": our_symbol(symbol), "position": positions.get(name, "0"), **at_rest})
    return {
        "name": config.name,
        "kind": config.kind,
        "state": "STOPPED",
        "wanted": False,
        "pid": None,
        "uptime_s": 0.0,
        "restarts": 0,
        "last_exit": None,
        "reason": "",
        "paused": False,
        "closed": False,
        "exchange": config.exchange,
        "symbol": our_symbol(config.symbol),
        "strategy": config.strategy,
        "mode": config.mode,
        "network": config.network,
        "phase": None,
        "heartbeat_age_s": None,
        "cpu_pct": None,
        "pss_mb": None,
        "open_orders": 0,
        "position": recorded.get("position", "0"),
        "mid": None,
        "realised_pnl": recorded.get("realised_pnl", "0"),
        "unrealised_pnl": "0",
        "fees": recorded.get("fees", "0"),
        "funding": recorded.get("funding", "0"),
        "fills": recorded.get("fills", 0),
        "quote_uptime_pct": 0.0,
        "gates": [],
        "config_digest": None,
        "stats": {},
        "legs": [] if config.kind == "job" else legs,
    }
