"""The registry's front: find, load, validate and explain configs.

A walk through it: `document.py` reads a file with its positions, `layers.py` lays it over its base and the environment
(`versions.py`, `bases.py`, `environment_keys.py`), `references.py` puts in the variables, `validation.py` asks the
schemas, `checks/` looks across keys, `fleet.py` across files; `loader.py` joins them. `daemon_file.py` does the same
for the one file of the daemon itself, `legacy.py` reads the one file that held all bots once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.fleet_config import FleetConfig
from core.registry.checks import KindOf, kind_by_symbol
from core.registry.complaints import Complaint, InvalidConfig, InvalidFile, Problem
from core.registry.daemon_file import (
    LoadedFleet,
    daemon_file_secrets,
    layered_daemon_file,
    load_daemon_document,
    read_daemon_file,
)
from core.registry.document import Document, Loaded, document_of, read_document, shown_path
from core.registry.environment import Environment
from core.registry.environment_keys import PLACE, unknown_supplied
from core.registry.explanation import Explained, explain_loaded
from core.registry.fleet import fleet_complaints
from core.registry.layers import Bases, layered, upgraded
from core.registry.legacy_file import LegacyFile, read_legacy_file
from core.registry.loader import base_complaints, load_document, secret_names
from core.registry.naming import name_of
from core.registry.reading import config_files
from core.registry.secret_values import resolve_secrets
from core.registry.wording import nearest_of
from utils.errors import ConfigError
from utils.home import Home

__all__ = [
    "Complaint",
    "Explained",
    "InvalidConfig",
    "InvalidFile",
    "LoadResult",
    "config_files",
    "explain",
    "find_config",
    "load_base",
    "load_daemon_file",
    "load_file",
    "load_folder",
    "load_plain",
    "resolve_secrets",
]
MAX_CONFIGS = 1000


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The valid bots in the order of their names, and everything that is not one.

    `secret_names`: every variable that any config, valid or not, reads as a secret. `fleet`: what the daemon file
    says; None when it is not valid, or was not asked for.
    """

    configs: tuple[BotConfig, ...]
    invalid: tuple[InvalidFile, ...]
    secret_names: tuple[str, ...] = ()
    fleet: FleetConfig | None = None


def load_folder(folder: Path, home: Home, environ: Mapping[str, str], kind_of: KindOf = kind_by_symbol) -> LoadResult:
    """Load every config of a folder, and the daemon file; what is wrong with one never hides another.

    Raises ConfigError when the folder itself cannot be read: that is not the same as an empty one.
    """
    shown = shown_path(folder, home)
    try:
        files = config_files(folder)
    except OSError as exc:
        raise ConfigError(f"{shown} is not a folder that can be read ({exc.strerror}); configs belong there") from exc
    environment, bases = _environment(home, environ), Bases(home)
    within = home.root if folder.is_relative_to(home.root) else folder
    legacy = _legacy(folder, home)
    read = [*(read_document(path, home, within) for path in files[:MAX_CONFIGS]), *legacy.bots]
    documents = [_layered_guarded(document, environment, bases) for document in read]
    daemon_file = layered_daemon_file(read_daemon_file(home) or legacy.daemon, environment)
    secrets = frozenset(name for document in documents for name in secret_names(document, environment))
    secrets |= {*daemon_file_secrets(daemon_file)}
    loaded = [_load_guarded(document, environment, secrets, kind_of) for document in documents]
    fleet = load_daemon_document(daemon_file, environment, secrets)
    of_legacy = _invalid_legacy(legacy, home)
    invalid = [*_invalid_environment(environment), *_invalid_fleet(fleet), *of_legacy]
    if len(files) > MAX_CONFIGS:
        found = f"{len(files)} configs (the last ones were not read)"
        complaint = Complaint(shown, None, None, "", found, f"at most {MAX_CONFIGS}")
        invalid.append(InvalidFile(shown, (complaint,)))
    return _result(loaded, invalid, tuple(sorted(secrets)), None if of_legacy else fleet.config)


def _legacy(folder: Path, home: Home) -> LegacyFile:
    """Return what the legacy file holds; nothing where there is none, and for another folder than the active one."""
    found = read_legacy_file(home) if folder.absolute() == home.active else None
    return found or LegacyFile(shown_path(home.legacy_file, home))


def _invalid_legacy(legacy: LegacyFile, home: Home) -> list[InvalidFile]:
    complaints = legacy.complaints
    if legacy.daemon is not None and os.path.lexists(home.daemon_file):
        found = "keys of the daemon file, which is there, too"
        complaints += (legacy.daemon.complain(Problem((), found, "one of the two: run `config migrate`")),)
    return [InvalidFile(legacy.file, complaints)] if complaints else []


def _layered_guarded(document: Document, environment: Environment, bases: Bases) -> Document:
    try:
        return layered(document, environment, bases)
    except Exception as exc:  # as below
        return replace(document, complaints=(_our_mistake(document, exc),))


def _our_mistake(document: Document, exc: Exception) -> Complaint:
    found = f"a config that cannot be validated ({type(exc).__name__})"
    return document.complain(Problem((), found, "none like it: please report this file"))


def _load_guarded(document: Document, environment: Environment, secrets: frozenset[str], kind_of: KindOf) -> Loaded:
    try:
        return load_document(document, environment, secrets, kind_of)
    except Exception as exc:  # a mistake of ours in one file must not take the others along
        return Loaded(document, None, (_our_mistake(document, exc),))


def _result(
    loaded: Sequence[Loaded], invalid: list[InvalidFile], secrets: tuple[str, ...], fleet: FleetConfig | None
) -> LoadResult:
    between = fleet_complaints(loaded)
    configs = []
    for place, one in enumerate(loaded):
        complaints = one.complaints + between.get(place, ())
        if complaints:
            invalid.append(InvalidFile(one.document.file, complaints, one.name))
        elif one.config:
            configs.append(one.config)
    return LoadResult(tuple(sorted(configs, key=lambda config: config.name)), tuple(invalid), secrets, fleet)


def _invalid_environment(environment: Environment) -> list[InvalidFile]:
    env_file = [InvalidFile(environment.shown, environment.complaints)] if environment.complaints else []
    unknown = unknown_supplied(environment)
    return [*env_file, *([InvalidFile(PLACE, unknown)] if unknown else [])]


def _invalid_fleet(fleet: LoadedFleet) -> list[InvalidFile]:
    return [InvalidFile(fleet.file, fleet.complaints)] if fleet.complaints else []


def load_daemon_file(home: Home, environ: Mapping[str, str]) -> LoadResult:
    """Load the daemon file alone; its defaults where there is none."""
    environment = _environment(home, environ)
    document = layered_daemon_file(read_daemon_file(home), environment)
    fleet = load_daemon_document(document, environment)
    invalid = (*_invalid_environment(environment), *_invalid_fleet(fleet))
    return LoadResult((), invalid, daemon_file_secrets(document), fleet.config)


def _environment(home: Home, environ: Mapping[str, str]) -> Environment:
    return Environment(environ, home.env_file, shown_path(home.env_file, home))


def load_file(path: Path, home: Home, environ: Mapping[str, str], kind_of: KindOf = kind_by_symbol) -> BotConfig:
    """Load one config. Raises InvalidConfig with every complaint."""
    environment = _environment(home, environ)
    document = layered(read_document(path, home), environment, Bases(home))
    return _valid(load_document(document, environment, kind_of=kind_of), environment)


def load_base(path: Path, home: Home, environ: Mapping[str, str]) -> None:
    """Look at a base by itself. Raises InvalidConfig with every complaint."""
    complaints = base_complaints(upgraded(read_document(path, home, home.root)), _environment(home, environ))
    if complaints:
        raise InvalidConfig(complaints)


def load_plain(
    plain: Mapping[str, Any],
    source: str,
    home: Home,
    environ: Mapping[str, str],
    kind_of: KindOf = kind_by_symbol,
) -> BotConfig:
    """Load a config that was put together in memory; `source` names it. Raises InvalidConfig."""
    environment = _environment(home, environ)
    document = layered(document_of(plain, source), environment, Bases(home))
    return _valid(load_document(document, environment, kind_of=kind_of), environment)


def _valid(loaded: Loaded, environment: Environment) -> BotConfig:
    if loaded.config is None:
        raise InvalidConfig((*loaded.complaints, *_env_complaints(loaded.document, environment)))
    return loaded.config


def _env_complaints(document: Document, environment: Environment) -> tuple[Complaint, ...]:
    return environment.complaints if document.tree is not None else ()


def explain(path: Path, home: Home, environ: Mapping[str, str], name: str = "") -> list[Explained]:
    """Return every key of a config with its value and origin, secrets as ***. Raises InvalidConfig.

    In the legacy file `name` says which of its bots; ConfigError when it has none of that name.
    """
    environment, bases = _environment(home, environ), Bases(home)
    documents = [read_document(path, home)] if path.absolute() != home.legacy_file else _legacy(home.active, home).bots
    for document in (layered(one, environment, bases) for one in documents):
        if len(documents) == 1 or name_of(document.tree, environment) == name:
            loaded = load_document(document, environment)
            return explain_loaded(loaded, _valid(loaded, environment), environment)
    raise ConfigError(f"{shown_path(path, home)} holds several bots; say the name of one")


def find_config(name: str, home: Home, environ: Mapping[str, str]) -> Path:
    """Return the file that a person means: a path, also from the home, else the active config of that bot.

    Raises ConfigError.
    """
    given = Path(name)
    if name.endswith(".json") and not os.path.exists(name) and os.path.exists(home.root / name):
        given = home.root / name
    if given.suffix == ".json" or given.is_file():
        return given
    environment, bases = _environment(home, environ), Bases(home)
    try:
        documents = [read_document(path, home) for path in config_files(home.active)]
    except OSError:
        documents = []
    known = []
    for document in (*documents, *_legacy(home.active, home).bots):
        if (found := name_of(layered(document, environment, bases).tree, environment)) == name:
            return Path(document.source_path)
        known += [found] if found else []
    by_file = home.active / f"{name}.json"  # a broken file has no name to be found by
    if by_file.is_file():
        return by_file
    near = nearest_of(name, known)
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known[:20]) or 'none'}"
    raise ConfigError(f"there is no bot and no file {name!r} in {shown_path(home.active, home)}; {hint}")
