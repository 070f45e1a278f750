"""The command `config migrate`: the one file of several bots becomes one file for each, and the daemon file.

The order makes it safe to be killed: `.env` and the copy in the archive first, which change nothing that runs, then all
files and the end of the legacy one as a single change of the store, which is finished or forgotten as a whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.config.bots import bot_files, new_file
from cli.config.writing import agreed, prepare
from cli.env_setup import env_text, write_env
from cli.shared import MAX_LINE, App, everywhere, pass_app
from core.registry.env_file import names_in
from core.registry.history import DAEMON_FILE, file_digest
from core.registry.json_text import read_json_text
from core.registry.legacy import MISTAKES
from core.registry.migration import Migration, migrate, report
from core.registry.one_file import document_at
from core.registry.proposal import judge
from core.registry.store import Change, ConfigStore, content_of
from core.registry.text_edit import with_values
from core.registry.wording import path_text
from utils.errors import ConfigError
from utils.exit_statuses import DONE, REFUSED
from utils.files import write_atomic
from utils.home import Home
from utils.input_validation import printable

_MAX_COPIES = 1000


@click.command("migrate")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--drop", is_flag=True, help="Agree that keys which mean nothing today are left behind.")
@everywhere
@pass_app
def migrate_legacy(app: App, yes: bool, drop: bool) -> int:
    """Turn config/daemon_config.json into one file for each bot and config/daemon.json; the report comes first."""
    home = app.home
    prepare(home)  # what a crash left behind is put right by that, too
    content = content_of(home.legacy_file)
    if content is None:
        raise ConfigError(f"there is no {_legacy_name(home)}: nothing is left to migrate")
    done = migrate(_tree(home, content))
    for line in report(done):
        click.echo(line)
    _hold_to_lossless(done, drop)
    changes = [*_bot_changes(home, done), *_daemon_change(home, done.daemon or {})]
    missing = _missing_secrets(home, done)
    _hold_to_valid(app, changes, done)
    if not agreed(f"Write {len(changes)} files and put {_legacy_name(home)} away?", yes):
        click.echo("nothing was written")
        return REFUSED
    _write(app, done, changes, missing, content)
    return DONE


def _legacy_name(home: Home) -> str:
    return home.legacy_file.relative_to(home.root).as_posix()


def _tree(home: Home, content: bytes) -> Any:
    document = document_at(home.legacy_file, content, home)
    if document.text.problems:
        lines = [printable(str(one), MAX_LINE) for one in document.complain_all(document.text.problems)]
        raise ConfigError("nothing was written\n" + "\n".join(lines))
    return document.tree


def _hold_to_lossless(done: Migration, drop: bool) -> None:
    """Raise ConfigError for keys that would be lost, unless a person agreed to that."""
    lost = [row.old for row in done.rows if row.new is None and row.why.startswith(MISTAKES)]
    if lost and not drop:
        raise ConfigError(
            f"nothing was written: {', '.join(printable(one) for one in lost[:20])} would be lost; "
            "correct the file, or agree with --drop"
        )
    if not done.bots and not done.daemon:
        raise ConfigError("nothing was written: the file holds no bot and no key of the daemon file")


def _bot_changes(home: Home, done: Migration) -> list[Change]:
    """Return the new files of the bots. Raises ConfigError when one is there already."""
    there = {one.bot: one.shown(home) for one in bot_files(home)}
    changes = []
    for one in done.bots:
        name = str(one.tree["metadata"].get("name"))
        if name in there:
            raise ConfigError(f"nothing was written: {name} is there already: {there[name]}")
        changes.append(Change(name, new_file(home.active, Path(one.file).stem), _text(one.tree), None))
    return changes


def _text(tree: Mapping[str, Any]) -> bytes:
    return (json.dumps(tree, indent=2, ensure_ascii=False) + "\n").encode()


def _daemon_change(home: Home, keys: Mapping[str, Any]) -> list[Change]:
    """Return what the daemon file gets, beside what it says already. Raises ConfigError where the two differ."""
    if not keys:
        return []
    name, old = DAEMON_FILE, content_of(home.daemon_file)
    if old is None:
        return [Change(name, home.daemon_file, _text(keys), None)]
    tree = read_json_text(old).value
    if not isinstance(tree, dict):
        raise ConfigError(f"{name} is not a JSON object; correct it first")
    added: dict[tuple[str, ...], Any] = {}
    for path, value in _leaves(keys):
        section = tree.get(path[0], {})
        there = section if len(path) == 1 else section.get(path[1], value) if isinstance(section, dict) else section
        if there not in (value, {}):
            raise ConfigError(f"nothing was written: {path_text(path)} is another one in {name}; take one of them out")
        if not (isinstance(section, dict) and path[-1] in section):
            added[path] = value
    return [Change(name, home.daemon_file, with_values(old, added), file_digest(old))] if added else []


def _leaves(keys: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    leaves: list[tuple[tuple[str, ...], Any]] = []
    for section, values in keys.items():
        given = values if isinstance(values, dict) else None
        leaves += [((section,), values)] if given is None else [((section, key), value) for key, value in given.items()]
    return leaves


def _missing_secrets(home: Home, done: Migration) -> dict[str, str]:
    """Return the lines that `.env` lacks. Raises ConfigError for a name that has another value already."""
    there = names_in(env_text(home))
    values = {name: secret.reveal() for name, secret in done.secrets.items()}
    for name, value in values.items():
        for where, known in ((".env", there.get(name)), ("the environment", os.environ.get(name))):
            if known and known != value:
                raise ConfigError(f"nothing was written: {name} has another value in {where}; rename that one first")
    return {name: value for name, value in values.items() if not there.get(name)}


def _hold_to_valid(app: App, changes: list[Change], done: Migration) -> None:
    """Raise ConfigError with every complaint about what is to be written, as if all of it were there already."""
    environ = {**os.environ, **{name: secret.reveal() for name, secret in done.secrets.items()}}
    judged = judge(app.home, environ, {**{one.file: one.new for one in changes}, app.home.legacy_file: None})
    lines = [str(complaint) for one in judged.values() for complaint in one.complaints]
    valid = [one.config for one in judged.values() if one.config and not one.config.is_job]
    refused = app.services.venue_complaints(app.home, valid) if valid and not lines else {}
    lines += [f"{name}: exchange_config: {line}" for name, found in refused.items() for line in found]
    if lines:
        raise ConfigError("nothing was written\n" + "\n".join(printable(line, MAX_LINE) for line in lines))


def _write(app: App, done: Migration, changes: list[Change], missing: dict[str, str], content: bytes) -> None:
    home = app.home
    if missing:
        write_env(home, env_text(home), missing)
        click.echo(f"{len(missing)} {'secret' if len(missing) == 1 else 'secrets'} written to .env")
    copy = _put_away(home, content)
    end = Change(_legacy_name(home), home.legacy_file, None, file_digest(content))
    versions = ConfigStore(home).apply([*changes, end], "migrate", lambda: _hold_to_valid(app, changes, done))
    for version in versions:
        click.echo(f"{version.bot}: version {version.number} ({version.file})")
    click.echo(f"what it was: {copy.relative_to(home.root).as_posix()}, readable by you alone; it may hold secrets")
    if app.services.daemon_pid(home) is not None:
        click.echo("the daemon is running: `reload` applies it")


def _put_away(home: Home, content: bytes) -> Path:
    """Copy the legacy file to the archive, under a name that no command takes for a config; return where it is."""
    home.archived.mkdir(parents=True, exist_ok=True)
    for count in range(1, _MAX_COPIES):
        number = "" if count == 1 else f".{count}"
        path = home.archived / f"{home.legacy_file.name}.migrated{number}"
        there = content_of(path)
        if there is None:
            write_atomic(path, content, like=home.root)
        if there in (None, content):
            return path
    raise ConfigError(f"{home.archived} is full of migrated files; remove some")
