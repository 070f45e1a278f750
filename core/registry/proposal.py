"""Judging config files that are not written yet, among those that are: nothing is written that would not be valid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.bot_config import BotConfig
from core.registry.complaints import Complaint
from core.registry.daemon_file import (
    daemon_file_secrets,
    layered_daemon_file,
    load_daemon_document,
    read_daemon_file,
)
from core.registry.document import Document, Loaded, read_document, shown_path
from core.registry.environment import Environment
from core.registry.fleet import fleet_complaints
from core.registry.layers import Bases, layered, upgraded
from core.registry.legacy_file import read_legacy_file
from core.registry.loader import base_complaints, load_document, secret_names
from core.registry.one_file import document_at
from core.registry.reading import config_files
from utils.home import Home

Proposed = Mapping[Path, bytes | None]  # file -> its content to be; None: it will be gone


@dataclass(frozen=True, slots=True)
class Judged:
    """What a file would be: a valid config, or None and what is wrong with it."""

    config: BotConfig | None
    complaints: tuple[Complaint, ...] = ()


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A config among its neighbours; `base` is the file that it extends."""

    judged: Judged
    base: str | None


def judge(home: Home, environ: Mapping[str, str], proposed: Proposed) -> dict[Path, Judged]:
    """Return the verdict on each proposed file that is not to go; active ones are judged with their neighbours.

    The daemon file and bases may be among them: they have no config, only complaints. Against a base count those of
    each active config that extends it and is valid as long as the base is as it was.
    """
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    weighed = _weighed(home, environment, proposed)
    verdicts = {path: weighed[path].judged for path in proposed if path in weighed}
    bases = [path for path in proposed if path.parent == home.bases]
    before = _weighed(home, environment, {}) if bases else {}
    for path in bases:
        harmed = _harmed(path, before, weighed)
        if (content := proposed[path]) is not None:
            by_itself = base_complaints(upgraded(document_at(path, content, home)), environment)
            verdicts[path] = Judged(None, tuple(dict.fromkeys((*by_itself, *harmed))))
    daemon_text = proposed.get(home.daemon_file)
    if daemon_text is not None:
        daemon_file = layered_daemon_file(document_at(home.daemon_file, daemon_text, home), environment)
        fleet = load_daemon_document(daemon_file, environment, _secrets_beside(home, environment, proposed))
        verdicts[home.daemon_file] = Judged(None, fleet.complaints)
    return verdicts


def changed_by_bases(
    home: Home, environ: Mapping[str, str], proposed: Proposed
) -> list[tuple[BotConfig | None, BotConfig]]:
    """Return each active config that a proposed base changes: as it is, None where that is not valid, and would be."""
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    bases = {str(path.absolute()) for path in proposed if path.parent == home.bases}
    if not bases:
        return []
    before, after = _weighed(home, environment, {}), _weighed(home, environment, proposed)
    extending = [path for path, one in after.items() if path in before and one.base in bases]
    pairs = [(before[path].judged.config, after[path].judged.config) for path in extending]
    return [(old, new) for old, new in pairs if new and (old is None or old.digest != new.digest)]


def _harmed(base: Path, before: Mapping[Path, _Weighed], after: Mapping[Path, _Weighed]) -> Iterable[Complaint]:
    """Return what becomes wrong with the configs that extend a base, when it becomes another."""
    for path, one in before.items():
        if one.base == str(base.absolute()) and one.judged.config is not None and path in after:
            yield from after[path].judged.complaints


def _weighed(home: Home, environment: Environment, proposed: Proposed) -> dict[Path, _Weighed]:
    """Return the verdict on every active config, and on each other one that is proposed."""
    documents = _documents(home, environment, proposed)
    daemon_text = proposed.get(home.daemon_file)
    daemon_file = read_daemon_file(home) if daemon_text is None else document_at(home.daemon_file, daemon_text, home)
    secrets = _secret_names(documents, environment) | {*daemon_file_secrets(daemon_file)}
    loaded = {path: load_document(one, environment, secrets) for path, one in documents.items()}
    active = [path for path in loaded if path.parent == home.active]
    between = fleet_complaints([loaded[path] for path in active])
    among = {active[place]: complaints for place, complaints in between.items()}
    return {
        path: _Weighed(_judged(one, among.get(path, ()), environment), _base_of(one)) for path, one in loaded.items()
    }


def _secrets_beside(home: Home, environment: Environment, proposed: Proposed) -> frozenset[str]:
    return _secret_names(_documents(home, environment, proposed), environment)


def _secret_names(documents: Mapping[Path, Document], environment: Environment) -> frozenset[str]:
    return frozenset(name for one in documents.values() for name in secret_names(one, environment))


def _documents(home: Home, environment: Environment, proposed: Proposed) -> dict[Path, Document]:
    """Return all active configs and the other proposed ones, each with its layers."""
    given = {path: None if text is None else document_at(path, text, home) for path, text in proposed.items()}
    bases = Bases(home, {path.stem: document for path, document in given.items() if path.parent == home.bases})
    configs = {path: document for path, document in given.items() if document is not None}
    documents = _neighbours(home, proposed) | {
        path: document for path, document in configs.items() if path.parent != home.bases and path != home.daemon_file
    }
    return {path: layered(document, environment, bases) for path, document in documents.items()}


def _base_of(loaded: Loaded) -> str | None:
    return None if loaded.document.base is None else loaded.document.base.source_path


def _neighbours(home: Home, proposed: Proposed) -> dict[Path, Document]:
    try:
        files = config_files(home.active)
    except OSError:
        return {}
    found = {path: read_document(path, home) for path in files if path not in proposed}
    legacy = read_legacy_file(home) if home.legacy_file not in proposed else None
    for place, one in enumerate(legacy.bots if legacy else ()):  # as if each had a file of its own
        found[home.active / f"{home.legacy_file.name}#{place}"] = one
    return found


def _judged(loaded: Loaded, among: tuple[Complaint, ...], environment: Environment) -> Judged:
    complaints = loaded.complaints + among
    if loaded.config is None and environment.complaints:
        complaints += environment.complaints
    return Judged(None if complaints else loaded.config, complaints)
