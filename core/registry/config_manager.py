"""The registry's front: find, load, validate and explain configs.

A walk through it: `document.py` reads a file with its positions, `references.py` puts in the variables,
`validation.py` asks the schemas, `checks.py` looks across keys, `fleet.py` across files; `loader.py` joins them.
`daemon_file.py` does the same for the one file of the daemon itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.bot_config import BotConfig
from core.fleet_config import FleetConfig
from core.registry.checks import KindOf, kind_by_symbol
from core.registry.complaints import Complaint, InvalidConfig, InvalidFile, Problem
from core.registry.daemon_file import LoadedFleet, daemon_file_secrets, load_daemon_document, read_daemon_file
from core.registry.document import Document, Loaded, document_of, read_document, shown_path
from core.registry.environment import Environment
from core.registry.explanation import Explained, explain_loaded
from core.registry.fleet import fleet_complaints
from core.registry.loader import load_document, secret_names
from core.registry.reading import config_files
from core.registry.secret_values import resolve_secrets
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
    environment = _environment(home, environ)
    documents = [read_document(path, home) for path in files[:MAX_CONFIGS]]
    daemon_file = read_daemon_file(home)
    secrets = frozenset(name for document in documents for name in secret_names(document, environment))
    secrets |= {*daemon_file_secrets(daemon_file)}
    loaded = [_load_guarded(document, environment, secrets, kind_of) for document in documents]
    fleet = load_daemon_document(daemon_file, environment, secrets)
    invalid = [InvalidFile(environment.shown, environment.complaints)] if environment.complaints else []
    invalid += _invalid_fleet(fleet)
    if len(files) > MAX_CONFIGS:
        found = f"{len(files)} configs (the last ones were not read)"
        complaint = Complaint(shown, None, None, "", found, f"at most {MAX_CONFIGS}")
        invalid.append(InvalidFile(shown, (complaint,)))
    return _result(loaded, invalid, tuple(sorted(secrets)), fleet.config)


def _load_guarded(document: Document, environment: Environment, secrets: frozenset[str], kind_of: KindOf) -> Loaded:
    try:
        return load_document(document, environment, secrets, kind_of)
    except Exception as exc:  # a mistake of ours in one file must not take the others along
        found = f"a config that cannot be validated ({type(exc).__name__})"
        complaint = document.complain(Problem((), found, "none like it: please report this file"))
        return Loaded(document, None, (complaint,))


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


def _invalid_fleet(fleet: LoadedFleet) -> list[InvalidFile]:
    return [InvalidFile(fleet.file, fleet.complaints)] if fleet.complaints else []


def load_daemon_file(home: Home, environ: Mapping[str, str]) -> LoadResult:
    """Load the daemon file alone; its defaults where there is none."""
    environment = _environment(home, environ)
    document = read_daemon_file(home)
    fleet = load_daemon_document(document, environment)
    invalid = [InvalidFile(environment.shown, environment.complaints)] if environment.complaints else []
    return LoadResult((), (*invalid, *_invalid_fleet(fleet)), daemon_file_secrets(document), fleet.config)


def _environment(home: Home, environ: Mapping[str, str]) -> Environment:
    return Environment(environ, home.env_file, shown_path(home.env_file, home))


def load_file(path: Path, home: Home, environ: Mapping[str, str], kind_of: KindOf = kind_by_symbol) -> BotConfig:
    """Load one config. Raises InvalidConfig with every complaint."""
    environment = _environment(home, environ)
    return _valid(load_document(read_document(path, home), environment, kind_of=kind_of), environment)


def load_plain(
    plain: Mapping[str, Any],
    source: str,
    home: Home,
    environ: Mapping[str, str],
    kind_of: KindOf = kind_by_symbol,
) -> BotConfig:
    """Load a config that was put together in memory; `source` names it. Raises InvalidConfig."""
    environment = _environment(home, environ)
    return _valid(load_document(document_of(plain, source), environment, kind_of=kind_of), environment)


def _valid(loaded: Loaded, environment: Environment) -> BotConfig:
    if loaded.config is None:
        raise InvalidConfig((*loaded.complaints, *_env_complaints(loaded.document, environment)))
    return loaded.config


def _env_complaints(document: Document, environment: Environment) -> tuple[Complaint, ...]:
    return environment.complaints if document.tree is not None else ()


def explain(path: Path, home: Home, environ: Mapping[str, str]) -> list[Explained]:
    """Return every key of a config with its value and origin, secrets as ***. Raises InvalidConfig."""
    environment = _environment(home, environ)
    loaded = load_document(read_document(path, home), environment)
    return explain_loaded(loaded, _valid(loaded, environment), environment)


def find_config(name: str, home: Home, environ: Mapping[str, str]) -> Path:
    """Return the file that a person means: a path, else the active config of that bot. Raises ConfigError."""
    given = Path(name)
    if given.suffix == ".json" or given.is_file():
        return given
    environment = _environment(home, environ)
    try:
        files = config_files(home.active)
    except OSError:
        files = []
    for path in files:
        if load_document(read_document(path, home), environment).name == name:
            return path
    by_file = home.active / f"{name}.json"  # a broken file has no name to be found by
    if by_file.is_file():
        return by_file
    raise ConfigError(f"there is no bot and no file {name!r} in {shown_path(home.active, home)}")
