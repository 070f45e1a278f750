"""`KEY=VALUE` as people type it: the key by its path or alone, the value as the schema's type."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.bot_config import REFERENCE_SECTION
from core.registry.bases import extends_of, merged
from core.registry.legs import hedge_venue
from core.registry.one_file import tree_of
from core.registry.reading import config_files
from core.registry.references import value_of
from core.registry.schema import DocumentSchema, schema_for, types_of
from core.registry.store import content_of
from core.registry.wording import nearest_of, path_text
from utils.errors import ConfigError
from utils.home import Home

KeyPath = tuple[str, ...]


def schema_of_text(home: Home, path: Path, content: bytes) -> DocumentSchema:
    """Return the schema for what a text says that it is. Raises ConfigError when it is no JSON object."""
    if path == home.daemon_file:
        return DocumentSchema("daemon_file")
    tree = tree_of(home, os.environ, path, content)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path.name} is not a JSON object; `config edit` corrects it")
    if path.parent == home.bases:
        tree = merged(_first_that_extends(home, path), tree)
    kind = str(tree.get("kind", "bot"))
    metadata, job = _section(tree, "metadata"), _section(tree, "job_config")
    strategy = job.get("job") if kind == "job" else metadata.get("strategy")
    hedge = None if kind == "job" else hedge_venue(metadata, _section(tree, "strategy_config"))
    return schema_for(kind, _text(metadata.get("exchange")), _text(strategy), hedge)


def _first_that_extends(home: Home, base: Path) -> Any:
    """Return what an active config says that extends a base, which need not say itself of what venue it is."""
    for path in config_files(home.active):
        tree = tree_of(home, os.environ, path, content_of(path) or b"") if not path.is_symlink() else None
        if extends_of(tree, os.environ) == base.stem:
            return tree
    return {}


def _section(tree: dict[str, Any], name: str) -> dict[str, Any]:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def parse_settings(given: Sequence[str], schema: DocumentSchema) -> dict[KeyPath, Any]:
    """Return keys with their values. Raises ConfigError for a key that nobody knows, or that several sections have."""
    settings = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise ConfigError(f"{one!r} is not of the form KEY=VALUE")
        path = _path(name.strip(), schema)
        settings[path] = value_of(text, types_of(schema.node(path) or {}))
    return settings


def _path(name: str, schema: DocumentSchema) -> KeyPath:
    parts = tuple(name.split("."))
    if len(parts) > 1:
        if schema.node(parts) is None:
            raise ConfigError(f"there is no key {name}{_hint(parts[-1], schema)}")
        return parts
    owners = [section for section in schema.sections if name in _keys(schema, section)]
    if len(owners) > 1:  # a key that the bot's own market has, too, is the reference's by its path only
        owners = [section for section in owners if section != REFERENCE_SECTION]
    if not owners:
        raise ConfigError(f"there is no key {name}{_hint(name, schema)}")
    if len(owners) > 1:
        raise ConfigError(f"{name} is a key of {' and of '.join(owners)}; say which: {owners[0]}.{name}=...")
    return owners[0], name


def _keys(schema: DocumentSchema, section: str) -> list[str]:
    return list((schema.section(section) or {}).get("properties", ()))


def _hint(name: str, schema: DocumentSchema) -> str:
    known = {key: section for section in reversed(schema.sections) for key in _keys(schema, section)}
    near = nearest_of(name, list(known))
    return (
        f"; nearest known key: {path_text((known[near], near))}" if near else "; `config explain NAME` shows them all"
    )
