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
    return found


def _width(value: Any, node: Node) -> float | None:
    if value is None:
        return None
    size = float(node["enum"].index(value)) if "enum" in node else float(value)
    return size if node["x-risk"] == "up" else -size


def wider_risks(old: BotConfig, new: BotConfig) -> list[WiderRisk]:
    """Return every limit that a new config of a bot is held to less tightly."""
    return [WiderRisk(path, _shown(old, path), _shown(new, path)) for path in widened_limits(old, new)]


def _shown(config: BotConfig, path: str) -> str:
    section, _, key = path.partition(".")
    return shown(getattr(config, section)[key])
