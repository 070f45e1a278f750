"""Which change of a config lets a bot lose more: said by the mark `x-risk` of the schemas.

`up`: a larger value is wider, `down`: a smaller one; of words the later in `enum` is the larger. Null is no limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.bot_config import BotConfig, widened_limits
from core.registry.schema import BotSchema
from core.registry.schema_files import Node
from core.registry.wording import shown

SECTIONS = ("exchange_config", "strategy_config", "risk_config", "hedge_exchange_config")


@dataclass(frozen=True, slots=True)
class WiderRisk:
    """A limit that a change widens, with its values in words."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old} -> {self.new} widens a risk limit"


def risk_widths(config: BotConfig, schema: BotSchema) -> dict[str, float | None]:
    """Return how wide each limit of a config is: the larger the wider, None where it does not limit anything."""
    found: dict[str, float | None] = {}
    for section in SECTIONS:
        values: Mapping[str, Any] = getattr(config, section)
        for key, node in ((schema.section(section) or {}).get("properties") or {}).items():
            if "x-risk" in node and key in values:
                found[f"{section}.{key}"] = _width(values[key], node)
            found |= _widths_of_rows(f"{section}.{key}", values.get(key), node)
    return found


def _widths_of_rows(path: str, rows: Any, node: Node) -> dict[str, float | None]:
    """Return the limits in a list of objects, each by its place: `strategy_config.instruments.0.max_position`."""
    marked = {key: one for key, one in node.get("items", {}).get("properties", {}).items() if "x-risk" in one}
    if not marked or not rows:
        return {}
    places = [(at, row, key) for at, row in enumerate(rows) for key in marked]
    return {f"{path}.{at}.{key}": _width(row.get(key), marked[key]) for at, row, key in places}


def _width(value: Any, node: Node) -> float | None:
    if value is None:
        return None
    size = float(node["enum"].index(value)) if "enum" in node else float(value)
    return size if node["x-risk"] == "up" else -size


def wider_risks(old: BotConfig, new: BotConfig) -> list[WiderRisk]:
    """Return every limit that a new config of a bot is held to less tightly."""
    return [WiderRisk(path, _shown(old, path), _shown(new, path)) for path in widened_limits(old, new)]


def _shown(config: BotConfig, path: str) -> str:
    section, *keys = path.split(".")
    value: Any = getattr(config, section)
    for key in keys:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return shown(value)
