"""What there is: templates, active and archived configs; read anew only when a file has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.registry.drift import drift_of
from core.registry.one_file import config_of
from core.registry.proposal import Judged, judge
from core.registry.store import ConfigStore
from utils.home import Home
from utils.input_validation import printable
from utils.moments import moment_text
from web.registry.files import BotFile, bot_files

MAX_LINE = 1000
Stamp = tuple[tuple[str, int, int], ...]


class RegistryView:
    """The folders of configs of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Stamp, Any]] = {}

    def told(self, rows: Mapping[str, Mapping[str, Any]], daemon_runs: bool) -> dict[str, Any]:
        """Return the answer of `/api/v1/registry`; `rows` is what the daemon runs."""
        with self._lock:
            active = self._fresh("active", self._home.active, self._judged)
            templates = self._fresh("templates", self._home.templates, self._templates)
            archived = self._fresh("archived", self._home.archived, self._archived)
        told = [_active(one, verdict, rows.get(one.name), daemon_runs) for one, verdict in active]
        return {"templates": templates, "active": told, "archived": archived}

    def _fresh(self, what: str, folder: Path, make: Any) -> Any:
        stamp = _stamp(folder, self._home.env_file)
        known = self._known.get(what)
        if known is None or known[0] != stamp:
            known = self._known[what] = (stamp, make(folder))
        return known[1]

    def _judged(self, folder: Path) -> list[tuple[BotFile, Judged]]:
        files = bot_files(self._home, folder)
        verdicts = judge(self._home, os.environ, {one.path: one.content for one in files})
        return [(one, verdicts[one.path]) for one in files]

    def _templates(self, folder: Path) -> list[dict[str, Any]]:
        return [self._template(one) for one in bot_files(self._home, folder)]

    def _template(self, one: BotFile) -> dict[str, Any]:
        valid = config_of(self._home, os.environ, one.path, one.content) is not None
        text = one.content.decode("utf-8-sig", "replace") if valid else None  # an invalid one may hold a secret
        return {**_about(one), "name": one.path.stem, "valid": valid, "text": text}

    def _archived(self, folder: Path) -> list[dict[str, Any]]:
        files = bot_files(self._home, folder)
        if not files:
            return []
        with ConfigStore(self._home).reading() as history:
            newest = {one.name: history.newest(one.name) for one in files}
        at = {name: None if version is None else moment_text(version.at_ns) for name, version in newest.items()}
        return [{**_about(one), "archived_at": at[one.name]} for one in files]


def _stamp(*paths: Path) -> Stamp:
    found = []
    for path in paths:
        try:
            entries = [path, *path.iterdir()] if path.is_dir() else [path]
            found += [(one.name, (s := one.stat()).st_mtime_ns, s.st_size) for one in entries]
        except OSError:
            continue
    return tuple(sorted(found))


def _about(one: BotFile) -> dict[str, Any]:
    said = {
        "exchange": one.said("metadata", "exchange"),
        "symbol": one.said("strategy_config", "symbol"),
        "strategy": one.said("metadata", "strategy"),
        "job": one.said("job_config", "job"),
        "mode": one.said("exchange_config", "mode"),
        "description": one.said("metadata", "description"),
    }
    told = {key: printable(value, 300) if isinstance(value, str) else None for key, value in said.items()}
    return {"name": printable(one.name, 64), "file": one.path.name, **told}


def _active(one: BotFile, verdict: Judged, row: Mapping[str, Any] | None, daemon_runs: bool) -> dict[str, Any]:
    digest = None if verdict.config is None else verdict.config.digest
    lines = [printable(str(complaint), MAX_LINE) for complaint in verdict.complaints]
    drift = drift_of(digest, row, daemon_runs)
    return {
        **_about(one),
        "valid": verdict.config is not None,
        "complaints": lines,
        "drift": None if drift == "none" else drift,
    }
