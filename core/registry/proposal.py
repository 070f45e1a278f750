"""Judging config files that are not written yet, among those that are: nothing is written that would not be valid."""

from __future__ import annotations

from collections.abc import Mapping
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
from core.registry.legacy_file import read_legacy_file
from core.registry.loader import load_document, secret_names
from core.registry.one_file import document_at, whole
from core.registry.reading import config_files
from utils.home import Home

Proposed = Mapping[Path, bytes | None]  # file -> its content to be; None: it will be gone


@dataclass(frozen=True, slots=True)
class Judged:
    """What a file would be: a valid config, or None and what is wrong with it."""

    config: BotConfig | None
    complaints: tuple[Complaint, ...] = ()


def judge(home: Home, environ: Mapping[str, str], proposed: Proposed) -> dict[Path, Judged]:
    """Return the verdict on each proposed file that is not to go; active ones are judged with their neighbours.

    The daemon file may be among them: it has no config, only complaints.
    """
    environment = Environment(environ, home.env_file, shown_path(home.env_file, home))
    documents = _neighbours(home, proposed)
    contents = {path: content for path, content in proposed.items() if content is not None}
    daemon_text = contents.pop(home.daemon_file, None)
    daemon_file = read_daemon_file(home) if daemon_text is None else document_at(home.daemon_file, daemon_text, home)
    documents |= {path: document_at(path, content, home) for path, content in contents.items()}
    documents = {path: whole(document, environment, home) for path, document in documents.items()}
    secrets = frozenset(name for one in documents.values() for name in secret_names(one, environment))
    secrets |= {*daemon_file_secrets(daemon_file)}
    loaded = {path: load_document(one, environment, secrets) for path, one in documents.items()}
    active = [path for path in loaded if path.parent == home.active]
    between = fleet_complaints([loaded[path] for path in active])
    among = {active[place]: complaints for place, complaints in between.items()}
    verdicts = {path: _judged(loaded[path], among.get(path, ()), environment) for path in proposed if path in loaded}
    if daemon_text is not None:
        fleet = load_daemon_document(layered_daemon_file(daemon_file, environment), environment, secrets)
        verdicts[home.daemon_file] = Judged(None, fleet.complaints)
    return verdicts


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
