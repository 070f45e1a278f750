"""The commands `export` and `import`: bots from one home to another with the bases they extend, without secrets."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from cli.completion import bots
from cli.config.bots import BotFile, bot_file, bot_files, chosen, new_file
from cli.config.writing import Consent, Draft, consent_options, hold_to_showable, hold_to_valid, prepare, write
from cli.shared import App, everywhere, pass_app
from core.registry.bases import extends_of
from core.registry.bundle import BASE, MAX_BUNDLE_BYTES, Packed, packed, unpacked
from core.registry.history import BASES
from core.registry.one_file import tree_of
from core.registry.reading import read_regular
from core.registry.store import content_of
from utils.errors import ConfigError
from utils.exit_statuses import DONE, REFUSED
from utils.files import write_atomic
from utils.home import Home
from utils.version import __version__


@click.command("export")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Every active bot with this tag.")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of to the standard output.")
@everywhere
@pass_app
def export(app: App, names: tuple[str, ...], tags: tuple[str, ...], output: str | None) -> int:
    """Pack bots into one bundle, as they are written: references to secrets, no secret. Without a name, all.

    The bases that they extend go with them.
    """
    files = chosen(app.home, names, tags) if names or tags else bot_files(app.home)
    if not files:
        raise ConfigError("there is no bot to export")
    entries = [*_bases_of(app.home, files), *files]
    for one in entries:
        hold_to_showable(app.home, one)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = packed([_packed(app.home, one) for one in entries], at, __version__)
    if output is None:
        sys.stdout.write(text)
    else:
        write_atomic(Path(output).absolute(), text.encode())
        click.echo(f"{len(files)} {'bot' if len(files) == 1 else 'bots'} in {output}")
    return DONE


def _bases_of(home: Home, files: Sequence[BotFile]) -> list[BotFile]:
    """Return the bases that bots extend. Raises ConfigError for one that is not there."""
    names = {extends_of(tree_of(home, os.environ, one.path, one.content), os.environ) for one in files}
    return [bot_file(home, f"{BASES}{name}.json") for name in sorted(name for name in names if name is not None)]


def _packed(home: Home, one: BotFile) -> Packed:
    if one.path.parent == home.bases:
        return Packed(one.path.stem, BASE, one.content)
    return Packed(one.bot, one.path.parent.name, one.content)


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option("--archived", is_flag=True, help="Put all into the archive.")
@click.option("--replace", is_flag=True, help="Replace bots that are there already.")
@consent_options
@everywhere
@pass_app
def import_bundle(app: App, file: str, archived: bool, replace: bool, yes: bool, wider_risk: bool) -> int:
    """Take bots and bases from a bundle; all are validated before the first is written."""
    prepare(app.home)
    try:
        bots = unpacked(read_regular(Path(file), MAX_BUNDLE_BYTES))
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read ({exc.strerror})") from exc
    drafts = [draft for one in bots for draft in _drafts(app.home, one, archived, replace)]
    if not drafts:
        click.echo("everything in the bundle is there already")
        return DONE
    hold_to_valid(app, drafts)
    return DONE if write(app, drafts, "import", Consent(yes, wider_risk), f"Write {len(drafts)} files?") else REFUSED


def _drafts(home: Home, one: Packed, archived: bool, replace: bool) -> list[Draft]:
    """Return what makes a bot of this home the one of the bundle. Raises ConfigError when it may not be replaced."""
    if one.place == BASE:
        return _base_drafts(home, one, replace)
    there = next((found for found in bot_files(home) if found.bot == one.bot), None)
    if there is None:
        folder = home.archived if archived or one.place == "archived" else home.active
        return [Draft(one.bot, new_file(folder, one.bot), None, one.content)]
    if there.content == one.content:
        return []
    if not replace:
        raise ConfigError(f"{one.bot} is there already ({there.shown(home)}) and differs; --replace replaces it")
    return [Draft(one.bot, there.path, there.content, one.content)]


def _base_drafts(home: Home, one: Packed, replace: bool) -> list[Draft]:
    """Return the same for a base, which is in one place only."""
    name, path = f"{BASES}{one.bot}.json", home.bases / f"{one.bot}.json"
    there = content_of(path)
    if there == one.content:
        return []
    if there is not None and not replace:
        raise ConfigError(f"{name} is there already and differs; --replace replaces it")
    return [Draft(name, path, there, one.content)]
