"""The simulator's accounts: the default ones, those of a file, and those asked for at run time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.market_facts import as_amount
from api.simulator.server import SimCredentials, VenueServer
from utils.errors import ConfigError

_MAX_FILE_BYTES = 1 << 20


def default_accounts(server: type[VenueServer], seed: int) -> list[SimCredentials]:
    """Return the accounts `a` and `b` with throw-away keys."""
    balances = server.starting_balances()
    return [SimCredentials(name, server.new_credentials(name, seed, {}), balances) for name in ("a", "b")]


def read_accounts(path: Path, server: type[VenueServer], seed: int) -> list[SimCredentials]:
    """Read an accounts file: a JSON list of {"account", "balances"?, and the venue's keys where they are given}.

    Raises ConfigError in one line.
    """
    try:
        with path.open("rb") as file:
            rows = json.loads(file.read(_MAX_FILE_BYTES))
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path}: not JSON ({exc})") from exc
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path}: expected a list of accounts with at least one row")
    accounts: dict[str, SimCredentials] = {}
    for number, row in enumerate(rows, 1):
        try:
            account = account_from(row, server, seed)
        except ConfigError as exc:
            raise ConfigError(f"{path}: row {number}: {exc}") from exc
        if account.account in accounts:
            raise ConfigError(f"{path}: row {number}: there is an account {account.account!r} already")
        accounts[account.account] = account
    return list(accounts.values())


def account_from(row: Any, server: type[VenueServer], seed: int) -> SimCredentials:
    """Return the account that a row asks for. Raises ConfigError in one line."""
    if not isinstance(row, dict):
        raise ConfigError(f"{row!r} is not an object")
    name = row.get("account")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"account is {name!r}, expected a name")
    balances = server.starting_balances() if row.get("balances") is None else _amounts(row["balances"])
    given = {key: value for key, value in row.items() if key not in ("account", "balances")}
    return SimCredentials(name, server.new_credentials(name, seed, given), balances)


def _amounts(plain: Any) -> dict[str, Decimal]:
    if not isinstance(plain, Mapping):
        raise ConfigError(f"balances is {plain!r}, expected an object of asset and amount")
    try:
        return {str(asset): as_amount(amount) for asset, amount in plain.items()}
    except ValueError as exc:
        raise ConfigError(f"balances: {exc}") from exc
