"""`MAKERD__SECTION__KEY`: a variable that supplies a key by name, wherever no file says it.

It stands for the reference `"${MAKERD__SECTION__KEY}"` in the file. So it takes the type of its key, a secret among
them stays a secret, and `explain` names it. `MAKERD__BOT__NAME__SECTION__KEY` is for one bot, and counts first; in NAME
every `-` is a `_`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from core.registry.complaints import Complaint
from core.registry.environment import Environment
from core.registry.schema import (
    DocumentSchema,
    known_exchanges,
    known_jobs,
    known_strategies,
    schema_for,
)
from core.registry.wording import nearest_of
from utils.env import SUPPLIES as PREFIX
from utils.input_validation import printable

FOR_ONE = "BOT"
PLACE = "the environment"
_NOT_SUPPLIED = ("kind", "metadata")  # who a bot is, only its own file says


def supplied(tree: Any, schema: DocumentSchema, environment: Environment, name: str = "") -> Any:
    """Return a config with a reference at every key that only the environment says; itself where there is none."""
    if not isinstance(tree, dict) or not environment.supplied_names:
        return tree
    for section, key, variable in _wanted(schema, environment, name):
        there = tree.get(section, {})
        if isinstance(there, dict) and key not in there:
            tree = {**tree, section: {**there, key: f"${{{variable}}}"}}
    return tree


def _wanted(schema: DocumentSchema, environment: Environment, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and variable for each key of a schema that the environment has."""
    for prefix in (*_own_prefix(name), PREFIX):
        for variable in environment.supplied_names:
            section, found, key = variable.removeprefix(prefix).lower().partition("__")
            if variable.startswith(prefix) and found and section not in _NOT_SUPPLIED and key in schema.keys(section):
                yield section, key, variable


def _own_prefix(name: str) -> Iterator[str]:
    if name:
        yield f"{PREFIX}{FOR_ONE}__{name.upper().replace('-', '_')}__"


def unknown_supplied(environment: Environment) -> tuple[Complaint, ...]:
    """Return a complaint for every variable that looks as if it supplied a key, and supplies none."""
    return tuple(_unknown(variable) for variable in environment.supplied_names if not _is_known(variable))


def _is_known(variable: str) -> bool:
    parts = variable.removeprefix(PREFIX).lower().split("__")
    if parts[0] == FOR_ONE.lower():  # a name may hold two underscores, too
        return any("__".join(parts[at:]) in _all_keys() for at in range(2, len(parts)))
    return "__".join(parts) in _all_keys()


@functools.cache
def _all_keys() -> frozenset[str]:
    schemas = [
        *(schema_for("bot", exchange, None, exchange) for exchange in known_exchanges()),
        *(schema_for("bot", None, strategy) for strategy in known_strategies()),
        *(schema_for("job", None, job) for job in known_jobs()),
        DocumentSchema("daemon_file"),
    ]
    return frozenset(
        f"{section}__{key}"
        for schema in schemas
        for section in schema.sections
        if section not in _NOT_SUPPLIED
        for key in schema.keys(section)
    )


def _unknown(variable: str) -> Complaint:
    shown = printable(variable)
    if variable.removeprefix(PREFIX).startswith(f"{FOR_ONE}__"):
        return Complaint(PLACE, None, None, shown, "no key of a config", "MAKERD__BOT__NAME__SECTION__KEY")
    near = nearest_of(variable.removeprefix(PREFIX).lower(), sorted(_all_keys()))
    nearest = f"{PREFIX}{near}".upper() if near else None
    return Complaint(PLACE, None, None, shown, "no key of a config", "MAKERD__SECTION__KEY", nearest)
