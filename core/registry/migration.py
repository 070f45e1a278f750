"""The legacy file -> one document per bot and the daemon file, with a report of what each key became. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.registry.complaints import JsonPath
from core.registry.legacy import UNKNOWN, Part, read_legacy
from core.registry.schema import DocumentSchema, load_schema, schema_for
from core.registry.versions import upgrade
from core.registry.wording import nearest_of, path_text
from utils.env import Secret, whole_reference
from utils.errors import ConfigError
from utils.input_validation import printable


@dataclass(frozen=True, slots=True)
class Row:
    """What one key became: `new` says where it is now; None when it was dropped, and `why`."""

    old: str
    new: str | None
    why: str = ""

    def __str__(self) -> str:
        return f"{self.old} -> {self.new}" if self.new else f"{self.old}: dropped, because {self.why}"


@dataclass(frozen=True, slots=True)
class MigratedBot:
    """A bot's document, and the file of config/active that it is for."""

    file: str
    tree: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Migration:
    """What the legacy file becomes. `secrets` are the lines that `.env` needs: values that stood in the file."""

    bots: tuple[MigratedBot, ...]
    daemon: Mapping[str, Any] | None
    secrets: Mapping[str, Secret]
    rows: tuple[Row, ...]


def migrate(document: Any) -> Migration:
    """Return the files of today that say what the legacy document says. Raises ConfigError when it is none."""
    if not isinstance(document, dict):
        raise ConfigError("not the file of several bots: an object with a list of bots was expected")
    legacy = read_legacy(document)
    if legacy.no_lists:
        raise ConfigError(f"{path_text(legacy.no_lists[0])}: a list of bots, or an object of them by name was expected")
    variables = _Variables()
    files = _files([part for part in legacy.bots if part.tree])
    bots = [_migrated(part, file, variables) for part, file in files]
    daemon = _without_literals(legacy.daemon.tree, DocumentSchema("daemon_file"), ("daemon",), variables)
    rows = [row for bot, of_bot in bots for row in of_bot]
    rows += [Row(path_text(old), f"config/daemon.json: {path_text(new)}") for new, old in legacy.daemon.renamed.items()]
    rows += _dropped([*legacy.dropped, *(one for part in legacy.bots for one in part.dropped)])
    return Migration(tuple(bot for bot, _ in bots), daemon or None, variables.found, tuple(rows))


def _files(parts: list[Part]) -> Iterator[tuple[Part, str]]:
    """Yield each bot with a file name of its own; that two bots share a name, the validation tells."""
    taken: set[str] = set()
    for part in parts:
        name = re.sub(r"[^A-Za-z0-9_-]", "-", str(part.tree["metadata"].get("name")))[:64] or "bot"
        stem, count = name, 1
        while stem.lower() in taken:
            count += 1
            stem = f"{name}-{count}"
        taken.add(stem.lower())
        yield part, f"{stem}.json"


def _migrated(part: Part, file: str, variables: _Variables) -> tuple[MigratedBot, list[Row]]:
    done = upgrade(part.tree)
    renamed = dict(part.renamed)
    for new, old in done.renamed.items():
        renamed[new] = renamed.pop(old)
    schema, prefixes = _schema_and_prefixes(done.tree)
    tree = _without_literals(done.tree, schema, prefixes, variables)
    whole = {old[:-1] for old in renamed.values()}  # of a section that holds keys these are told
    kept = [(new, old) for new, old in renamed.items() if old not in whole]
    rows = [Row(path_text(old), f"config/active/{file}: {path_text(new)}") for new, old in kept]
    return MigratedBot(file, tree), rows


def _schema_and_prefixes(tree: Mapping[str, Any]) -> tuple[DocumentSchema, tuple[str, str]]:
    """Return the schema of a document, and what the names of its secrets begin with."""
    metadata, kind = tree["metadata"], str(tree.get("kind"))
    named = (metadata.get("exchange"), tree.get("job_config", {}).get("job") or metadata.get("strategy"))
    exchange, what = (one if isinstance(one, str) else None for one in named)
    prefixes = ((exchange or "job").partition(":")[0], str(metadata.get("name")))
    return schema_for(kind, exchange, what), prefixes


class _Variables:
    """The names that values get which no config file may hold."""

    def __init__(self) -> None:
        self.found: dict[str, Secret] = {}

    def name_of(self, text: str, key: str, prefixes: tuple[str, ...]) -> str:
        """Return a name for a secret: the shortest that is free, or has this value already."""
        secret, count = Secret(text), 1
        names = [re.sub(r"[^A-Za-z0-9]", "_", f"{prefix}_{key}").upper() for prefix in prefixes]
        names = [f"_{name}" if name[0].isdigit() else name for name in names]
        while True:
            for name in names:
                if self.found.setdefault(name, secret) == secret:
                    return name
            count += 1
            names = [f"{names[-1]}_{count}"]


def _without_literals(
    tree: Mapping[str, Any], schema: DocumentSchema, prefixes: tuple[str, ...], variables: _Variables
) -> dict[str, Any]:
    """Return a document with a reference at every secret that stood there itself."""

    def kept(section: str, key: str, value: Any) -> Any:
        is_literal = schema.is_below_secret((section, key)) and isinstance(value, str | int | float)
        if not is_literal or value == "" or whole_reference(str(value)):
            return value
        return f"${{{variables.name_of(str(value), key, prefixes)}}}"

    return {
        section: {key: kept(section, key, value) for key, value in keys.items()} if isinstance(keys, dict) else keys
        for section, keys in tree.items()
    }


def _dropped(dropped: list[tuple[JsonPath, str]]) -> Iterator[Row]:
    for old, why in dropped:
        near = nearest_of(str(old[-1]), _known()) if why == UNKNOWN else None
        yield Row(path_text(old), None, why + (f"; the nearest is {near}" if near else ""))


def _known() -> list[str]:
    daemon_file = load_schema("daemon_file")["properties"]
    return sorted({*load_schema("daemon")["properties"], *load_schema("risk")["properties"], *daemon_file})


def report(migration: Migration) -> list[str]:
    """Return the lines that tell what each key became; no value of a secret is among them."""
    secrets = [f".env: {name}=... (it stood in the file itself)" for name in migration.secrets]
    return [*(printable(str(row), 400) for row in migration.rows), *secrets]
