"""The configs on disk, read without validating them: what `status` shows while no daemon lives, and `config list`.

Quick on purpose: the schemas are not loaded. Whether a config is valid is what `config validate` tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.registry.live_consent import addresses_in, is_real_money
from utils.env import interpolate
from utils.errors import ConfigError
from utils.home import Home
from utils.version import __version__

MAX_BYTES = 256 * 1024
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


def configs_in(folder: Path, home: Home) -> list[ConfigOnDisk]:
    """Return what is in a folder of configs, in the order of the file names; none where there is no folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [_read(path, home) for path in paths]


def bot_names(home: Home) -> list[str]:
    """Return the names of the bots whose configs are active."""
    return [config.name for config in configs_in(home.active, home) if config.name]


def _read(path: Path, home: Home) -> ConfigOnDisk:
    file = str(path.relative_to(home.root)) if path.is_relative_to(home.root) else str(path)
    try:
        if not path.is_file():  # a pipe would wait for ever
            return ConfigOnDisk(file, problem=f"{file}: not a regular file")
        with open(path, "rb") as content:
            tree = json.loads(content.read(MAX_BYTES))
        kind = "job" if isinstance(tree, dict) and tree.get("kind") == "job" else "bot"
        return _described(file, _resolved(tree, home), kind)
    except OSError as exc:
        return ConfigOnDisk(file, problem=f"{file}: {exc.strerror}")
    except (ValueError, RecursionError, ConfigError) as exc:
        return ConfigOnDisk(file, problem=f"{file}: {exc}")


def _resolved(tree: Any, home: Home) -> dict[str, dict[str, Any]]:
    """Return the sections with the few texts that we show, their variables put in."""
    known = ("name", "exchange", "strategy", "symbol", "account", "mode", "network", "base_url", "ws_url", "job")
    sections = {}
    for name in ("metadata", "exchange_config", "strategy_config", "job_config"):
        section = tree.get(name) if isinstance(tree, dict) else None
        given = section if isinstance(section, dict) else {}
        sections[name] = {key: value for key, value in given.items() if key in known and isinstance(value, str)}
    if any("${" in value for section in sections.values() for value in section.values()):
        sections = interpolate(sections, _environment(home))
    return sections


def _environment(home: Home) -> Mapping[str, str]:
    from core.registry.environment import Environment

    return Environment(os.environ, home.env_file)


def _described(file: str, sections: dict[str, dict[str, Any]], kind: str) -> ConfigOnDisk:
    metadata, exchange = sections["metadata"], sections["exchange_config"]
    name = metadata.get("name", "")
    problem = "" if name else f"{file}: metadata.name is missing; `config validate {file}` tells more"
    if kind == "job":
        return ConfigOnDisk(file, name, strategy=sections["job_config"].get("job", ""), problem=problem, kind=kind)
    return ConfigOnDisk(
        file=file,
        name=name,
        exchange=metadata.get("exchange", ""),
        strategy=metadata.get("strategy", ""),
        symbol=sections["strategy_config"].get("symbol", ""),
        account=exchange.get("account") or name,
        mode=exchange.get("mode", "paper"),
        network=exchange.get("network"),
        real_money=is_real_money(exchange),
        addresses=addresses_in(exchange),
        problem=problem,
    )


def status_while_down(home: Home, figures: Figures, pid: int | None = None) -> dict[str, Any]:
    """Return the object of `status --json` for a daemon that does not answer; `pid` is a holder of its lock.

    `figures` tells what the ledger of a bot says, None when there is none: counters and PnL are lifetime.
    """
    configs = configs_in(home.active, home)
    daemon = {"state": "stopped" if pid is None else "starting", "pid": pid, "uptime_s": 0.0}
    broken = [config for config in configs if config.problem]
    return {
        "daemon": {**daemon, "version": __version__, "home": str(home.root)},
        "bots": sorted(
            (_row(config, figures(home, config.name) or {}) for config in configs if not config.problem),
            key=lambda row: str(row["name"]),
        ),
        "invalid": [{"file": config.file, "complaints": [config.problem]} for config in broken],
    }


def _row(config: ConfigOnDisk, recorded: Mapping[str, Any]) -> dict[str, Any]:
    leg = {"leg": "main", "exchange": config.exchange, "account": config.account, "symbol": config.symbol}
    leg["position"] = recorded.get("position", "0")
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
        "symbol": config.symbol,
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
        "legs": [] if config.kind == "job" else [{**leg, "open_orders": 0, "dead_man": "none"}],
    }
