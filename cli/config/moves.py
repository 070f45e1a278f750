"""The commands that move a bot between the active configs and the archive: `activate`, `archive`, `restore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.completion import archived, bots
from cli.config.bots import BotFile, bot_file, bot_files, chosen, new_file
from cli.config.writing import Consent, Draft, hold_to_valid, prepare, write
from cli.offline import configs_in
from cli.shared import App, everywhere, pass_app, unknown_name
from core.process.control import DaemonDown, call
from core.registry.history import BASES, DAEMON_FILE
from core.registry.store import ConfigStore, content_of
from utils.errors import ConfigError
from utils.exit_statuses import DONE
from utils.home import Home

AGREED = Consent(yes=True)


@click.command()
@click.argument("which", metavar="NAME|FILE", shell_complete=archived)
@everywhere
@pass_app
def activate(app: App, which: str) -> int:
    """Put an archived bot, or a copy of a file from elsewhere, among the active configs."""
    prepare(app.home)
    given = Path(which)
    if given.suffix == ".json" and given.absolute().parent not in (app.home.active, app.home.archived):
        return _take_copy(app, given)
    found = bot_file(app.home, given.stem if given.suffix == ".json" else which, (app.home.active, app.home.archived))
    return _bring_back(app, [found], "activate")


def _take_copy(app: App, given: Path) -> int:
    content = content_of(given)
    if content is None:
        raise ConfigError(f"there is no file {given}")
    found = [one for one in configs_in(given.absolute().parent, app.home) if Path(one.file).name == given.name]
    if not found or not found[0].name:
        raise ConfigError(f"{given} names no bot; `config validate {given}` tells more")
    there = [one for one in bot_files(app.home) if one.bot == found[0].name]
    if there:
        raise ConfigError(f"{found[0].name} is there already: {there[0].shown(app.home)}")
    return _place(app, found[0].name, content, "activate")


def _place(app: App, name: str, content: bytes, action: str) -> int:
    """Write a new active file. Raises ConfigError when it would not be valid, or there is one."""
    draft = Draft(name, new_file(app.home.active, name), None, content)
    hold_to_valid(app, [draft])
    write(app, [draft], action, AGREED)
    return DONE


def _bring_back(app: App, found: Sequence[BotFile], action: str) -> int:
    for one in found:
        if one.path.parent == app.home.active:
            raise ConfigError(f"{one.bot} is active already: {one.shown(app.home)}")
    return _move(app, found, app.home.active, action)


def _move(app: App, found: Sequence[BotFile], folder: Path, action: str) -> int:
    drafts = [draft for one in found for draft in _move_drafts(one, folder)]
    if folder == app.home.active:
        hold_to_valid(app, drafts)
    write(app, drafts, action, AGREED)
    return DONE


def _move_drafts(found: BotFile, folder: Path) -> tuple[Draft, Draft]:
    target = folder / found.path.name
    if target.exists() or target.is_symlink():
        target = new_file(folder, found.bot)
    there = Draft(found.bot, target, None, found.content, before=found.content)
    return there, Draft(found.bot, found.path, found.content, None)


_TAGS = click.option("--tag", "tags", multiple=True, metavar="TAG", help="Every bot there with this tag.")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
@_TAGS
@everywhere
@pass_app
def archive(app: App, names: tuple[str, ...], tags: tuple[str, ...]) -> int:
    """Put active bots away; the daemon stops them at the next `reload`. `restore` brings them back."""
    _hold_to_some(names, tags)
    prepare(app.home)
    named = [bot_file(app.home, name, (app.home.active,)) for name in dict.fromkeys(names)]
    tagged = chosen(app.home, (), tags) if tags else []
    found = [*named, *(one for one in tagged if one not in named)]
    status = _move(app, found, app.home.archived, "archive")
    for one in found:
        if _runs(app.home, one.bot):
            click.echo(f"{one.bot} runs: a `reload` stops it and cancels its orders; what it holds stays")
    return status


def _hold_to_some(names: Sequence[str], tags: Sequence[str]) -> None:
    if not names and not tags:
        raise click.UsageError("name a bot, or --tag")


def _runs(home: Home, name: str) -> bool:
    try:
        return any(row["name"] == name and row["pid"] for row in call(home, "status")["bots"])
    except DaemonDown:
        return False


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=archived)
@_TAGS
@everywhere
@pass_app
def restore(app: App, names: tuple[str, ...], tags: tuple[str, ...]) -> int:
    """Bring bots back that were archived, or one whose file was deleted: then as its newest version was."""
    _hold_to_some(names, tags)
    prepare(app.home)
    known = {one.bot for one in bot_files(app.home)}
    if len(names) == 1 and not tags and (names[0] == DAEMON_FILE or names[0].startswith(BASES)):
        return _shared_from_history(app, names[0])
    if len(names) == 1 and not tags and names[0] not in known:
        return _from_history(app, names[0])
    return _bring_back(app, chosen(app.home, names, tags, app.home.archived), "restore")


def _from_history(app: App, name: str) -> int:
    return _place(app, name, _newest(app, name), "restore")


def _shared_from_history(app: App, name: str) -> int:
    """Bring the daemon file or a base back that was deleted."""
    file = app.home.root / name
    if file.exists() or file.is_symlink():
        raise ConfigError(f"{name} is there; `config rollback {name} VERSION` brings an earlier version back")
    draft = Draft(name, file, None, _newest(app, name))
    hold_to_valid(app, [draft])
    write(app, [draft], "restore", AGREED)
    return DONE


def _newest(app: App, name: str) -> bytes:
    with ConfigStore(app.home).reading() as history:
        newest = history.newest(name)
        known = history.bots()
    if newest is None:
        raise unknown_name(name, known, "bot of the archive or the history")
    return newest.text
