"""Homes and configs for the registry's tests."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from core.registry.config_manager import InvalidConfig, load_plain
from utils.home import Home

SOUND: dict[str, Any] = {
    "metadata": {"name": "sol-mm", "exchange": "paper", "strategy": "market_maker"},
    "daemon_config": {},
    "exchange_config": {"feed": "synthetic"},
    "strategy_config": {"symbol": "SOL-USDC", "order_size": 1},
}


def config_with(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return a sound config with some keys of its sections replaced; a key set to ... is left out."""
    config = copy.deepcopy(SOUND)
    for name, keys in sections.items():
        section = config.setdefault(name, {})
        section.update(keys)
        config[name] = {key: value for key, value in section.items() if value is not ...}
    return config


def make_home(root: Path) -> Home:
    """Return an empty home with its folder of active configs."""
    home = Home(root)
    home.active.mkdir(parents=True)
    home.make_folders()
    return home


def put(home: Home, file: str, config: Any) -> Path:
    """Write an active config, a text as it is, anything else as JSON."""
    path = home.active / file
    path.write_text(config if isinstance(config, str) else json.dumps(config, indent=1))
    return path


def put_base(home: Home, file: str, base: Any) -> Path:
    """Write a base, a text as it is, anything else as JSON."""
    home.bases.mkdir(exist_ok=True)
    path = home.bases / file
    path.write_text(base if isinstance(base, str) else json.dumps(base, indent=1))
    return path


def put_env(home: Home, text: str, mode: int = 0o600) -> None:
    """Write the home's `.env`."""
    home.env_file.write_text(text)
    home.env_file.chmod(mode)


def complaints_of(home: Home, config: dict[str, Any], **environ: str) -> list[str]:
    """Return what is said against a config, none when it is valid."""
    try:
        load_plain(config, "given", home, environ)
    except InvalidConfig as exc:
        return [str(complaint) for complaint in exc.complaints]
    return []
