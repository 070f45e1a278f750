"""What tests of the commands below `config` look at."""

from __future__ import annotations

import json
from typing import Any

from click.testing import Result

import api.paper_client  # noqa: F401  # the child that asks the venue is forked, and has it then
from core.registry.history import Version
from core.registry.store import ConfigStore
from utils.home import Home


def versions(home: Home, bot: str = "sol-mm") -> list[Version]:
    with ConfigStore(home).reading() as history:
        return history.versions(bot)


def strategy(home: Home, file: str = "a.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home.active / file).read_bytes())["strategy_config"]
    return found


def ok(done: Result) -> str:
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


def refused(done: Result) -> str:
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith("makerd: ")
    return done.stderr
