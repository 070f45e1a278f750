"""The command `config list`: what there is, whether it is valid, and whether what runs is what is written."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.config.bots import tags_of
from cli.offline import ConfigOnDisk, configs_in
from cli.shared import App, as_json, complaints_of, everywhere, pass_app
from core.process.control import DaemonDown, call
from core.registry.drift import drift_of
from core.registry.proposal import judge
from core.registry.selection import carries
from core.registry.store import ConfigStore, content_of
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import DONE
from utils.home import Home

_ON_DISK = ("file", "name", "kind", "exchange", "symbol", "strategy", "mode", "problem")


@click.command("list")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only bots with this tag.")
@as_json
@everywhere
@pass_app
def list_configs(app: App, tags: tuple[str, ...], json_wanted: bool) -> int:
    """List active and archived configs and templates; of active ones also what runs, and whether that is the file."""
    entries = list(_entries(app, _status(app.home)))
    if tags:
        entries = [one for one in entries if carries(_tags(app.home, one), tags)]
    if json_wanted:
        click.echo(json.dumps(entries))
        return DONE
    from cli.render import console, rows_view

    titles = ("where", "name", "state", "valid", "drift", "exchange", "symbol", "strategy")
    console().print(rows_view(titles, (_row(one) for one in entries), whole=titles[:-1]))
    for one in entries:
        if one["name"] not in (None, _stem(one)) and one["where"] in ("active", "archived"):
            click.echo(f"  {one['name']} is in {one['file']}")
    broken = [{"complaints": one["complaints"]} for one in entries if one["where"] == "active"]
    for line in complaints_of(broken):
        click.echo(f"  {line}")
    return DONE


def _status(home: Home) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = call(home, "status")
    except DaemonDown:
        return None
    return found


def _entries(app: App, status: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    home = app.home
    yield from _active(app, status)
    for where, folder in (("archived", home.archived), ("template", home.templates)):
        found = configs_in(folder, home)
        complaints = _complaints(home, found)
        for one in found:
            lines = complaints.get(one.file, []) or ([one.problem] if one.problem else [])
            yield _entry(where, one, not lines, lines)


def _active(app: App, status: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    verdict = _verdict(app)
    root = str(app.home.root) + os.sep
    digests = {(bot["source_path"].removeprefix(root), bot["name"]): bot["digest"] for bot in verdict["bots"]}
    invalid = {entry["file"]: entry for entry in verdict["invalid"]}
    rows = {row["name"]: row for row in status["bots"]} if status else {}
    for one in configs_in(app.home.active, app.home):
        complaints = list(invalid.get(one.file, {}).get("complaints", ())) or ([one.problem] if one.problem else [])
        name = one.name or invalid.get(one.file, {}).get("name") or (_owner(app.home, one.file, rows) if rows else "")
        row = rows.pop(name, None)
        state = row["state"] if row else None if status else "STOPPED"
        digest = digests.get((one.file, name))
        drift = drift_of(digest, row, status is not None)
        told = {"name": name or None, "state": state, "drift": drift}
        yield {**_entry("active", one, digest is not None, complaints), **told}
    for name, row in rows.items():
        lost = ConfigOnDisk(
            "", name, row["exchange"], row["strategy"], row["symbol"], mode=row["mode"], kind=row["kind"]
        )
        yield {**_entry("daemon", lost, None, []), "state": row["state"], "drift": "gone"}


def _owner(home: Home, file: str, known: Collection[str]) -> str:
    """Return which known bot's file it was when it could last be read, else the one that is called like it."""
    with ConfigStore(home).reading() as history:
        name = history.newest_files().get(file, Path(file).stem)
    return name if name in known else ""


def _verdict(app: App) -> Mapping[str, Any]:
    try:
        return app.services.validate(app.home, folder=app.home.active)
    except MakerdError:
        if app.home.active.is_dir():
            raise
        return {"bots": [], "invalid": []}


def _complaints(home: Home, found: Sequence[ConfigOnDisk]) -> dict[str, list[str]]:
    """Return what is wrong with configs that are not active, each for itself."""
    files = {home.root / one.file: one.file for one in found}
    contents = {path: content for path in files if (content := _content(path)) is not None}
    judged = judge(home, os.environ, contents)
    return {files[path]: [str(line) for line in one.complaints] for path, one in judged.items()}


def _content(path: Path) -> bytes | None:
    try:
        return content_of(path)
    except ConfigError:
        return None


def _entry(where: str, one: ConfigOnDisk, valid: bool | None, complaints: list[str]) -> dict[str, Any]:
    on_disk = {key: getattr(one, key) or None for key in _ON_DISK}
    return {"where": where, **on_disk, "valid": valid, "complaints": complaints, "state": None, "drift": None}


def _tags(home: Home, entry: Mapping[str, Any]) -> frozenset[str]:
    path = home.root / (entry["file"] or "")
    content = _content(path) if entry["file"] else None
    return frozenset() if content is None else tags_of(home, path, content)


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    valid = {True: "yes", False: "NO", None: "-"}[one["valid"]]
    what = (one["exchange"] or one["kind"] or "?", one["symbol"] or "-", one["strategy"] or "?")
    name = _stem(one) if one["where"] == "template" else one["name"] or "?"
    return (one["where"], name, one["state"] or "-", valid, one["drift"] or "-", *what)


def _stem(one: Mapping[str, Any]) -> str:
    return Path(one["file"] or "").stem
