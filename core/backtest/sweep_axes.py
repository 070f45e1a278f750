"""An axis of a sweep that no set can use is found before anything runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from core.registry.complaints import InvalidConfig
from core.registry.config_manager import load_plain
from core.registry.naming import schema_of
from core.registry.schema import validator_of
from utils.errors import ConfigError

if TYPE_CHECKING:
    from core.backtest.sweep import Axis, Sweep
    from utils.home import Home


def hold_axes(home: Home, sweep: Sweep) -> None:
    """Refuse a key that the config does not know, or of which no value is allowed. Raises ConfigError.

    Values that do not go together with others are an affair of their sets.
    """
    chosen = next(sweep.sets())
    schema = schema_of(sweep.with_set(chosen), os.environ)
    judge = validator_of(schema.root)
    for axis in sweep.axes:
        node = schema.node((axis.section, axis.key))
        if node is not None and any(
            _holds_variable(one) or judge.evolve(schema=node).is_valid(one) for one in axis.values
        ):
            continue
        if told := _complaint(home, sweep, axis, chosen):
            raise ConfigError(f"no set can use --grid {axis.name}: {told}")


def _holds_variable(value: Any) -> bool:
    return isinstance(value, str) and "${" in value


def _complaint(home: Home, sweep: Sweep, axis: Axis, chosen: dict[str, Any]) -> str:
    """Return what the config's check says of an axis, empty when that is nothing: what it lacks is told elsewhere."""
    try:
        load_plain(sweep.with_set(chosen), sweep.source, home, os.environ)
    except InvalidConfig as exc:
        path = f"{axis.section}.{axis.key}"
        at = [one for one in exc.complaints if one.path == path or one.path.startswith((f"{path}.", f"{path}["))]
        near = f"; nearest known key: {at[0].nearest}" if at and at[0].nearest else ""
        return f"found {at[0].value}, expected {at[0].expected}{near}" if at else ""
    return ""
