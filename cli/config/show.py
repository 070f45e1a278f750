"""The commands that show what is written, what was, and what may be: `show`, `history`, `diff`, `schema`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli.completion import any_bots
from cli.config.bots import BotFile, bot_file
from cli.config.writing import coloured, difference, hold_to_showable, prepare
from cli.figures import when
from cli.shared import App, as_json, everywhere, pass_app, unknown_name
from cli.tags import shown_each, tag_option
from core.registry.history import Version, file_digest
from core.registry.schema import SCHEMAS, load_schema
from core.registry.schema_page import all_sections, section_page
from core.registry.store import ConfigStore
from utils.errors import ConfigError
from utils.exit_statuses import DONE
from utils.home import Home
from utils.terminal import wants_colour

DIGEST = 12  # characters shown


@click.command()
@click.argument("name", required=False, shell_complete=any_bots)
@tag_option
@as_json
@everywhere
@pass_app
def show(app: App, name: str | None, tags: tuple[str, ...], json_wanted: bool) -> int:
    """Show the file of a bot as it is written; `explain` shows what it means."""
    home = app.home

    def plain(bot: str) -> dict[str, Any]:
        found = _showable(home, bot)
        return {"name": bot, "file": found.shown(home), "where": found.path.parent.name, **_texts(found.content)}

    def written(bot: str) -> None:
        click.echo(_showable(home, bot).content.decode("utf-8-sig").rstrip("\n"))

    shown_each(home, name, tags, json_wanted, plain, written)
    return DONE


def _showable(home: Home, name: str) -> BotFile:
    """Return the file of a bot that may be shown. Raises ConfigError."""
    found = bot_file(home, name)
    hold_to_showable(home, found)
    return found


def _texts(content: bytes) -> dict[str, Any]:
    return {"digest": file_digest(content), "config": json.loads(content.decode("utf-8-sig"))}


@click.command()
@click.argument("name", required=False, shell_complete=any_bots)
@tag_option
@as_json
@everywhere
@pass_app
def history(app: App, name: str | None, tags: tuple[str, ...], json_wanted: bool) -> int:
    """Show who changed a bot's file, when and how; the newest version comes last."""
    home = app.home
    shown_each(
        home,
        name,
        tags,
        json_wanted,
        lambda bot: [_plain(one) for one in versions_of(home, bot)],
        lambda bot: _show_versions(versions_of(home, bot)),
    )
    return DONE


def _show_versions(versions: Sequence[Version]) -> None:
    from cli.render import console, rows_view

    titles = ("version", "when (UTC)", "who", "what", "digest", "note")
    rows = ((v.number, when(v.at_ns), v.who, v.action, v.digest[:DIGEST], v.note) for v in versions)
    console().print(rows_view(titles, rows, whole=titles[:2]))


def versions_of(home: Home, name: str) -> list[Version]:
    """Return all versions of a bot. Raises ConfigError when there are none."""
    prepare(home)
    with ConfigStore(home).reading() as found:
        versions = found.versions(name)
        if not versions:
            raise unknown_name(name, found.bots(), "bot with a history")
    return versions


def _plain(one: Version) -> dict[str, Any]:
    keys = ("bot", "number", "at_ns", "who", "action", "note", "file", "digest")
    return {**{key: getattr(one, key) for key in keys}, "text": one.text.decode("utf-8-sig")}


@click.command()
@click.argument("name", required=False, shell_complete=any_bots)
@click.argument("version", type=click.IntRange(1), required=False)
@tag_option
@as_json
@everywhere
@pass_app
def diff(app: App, name: str | None, version: int | None, tags: tuple[str, ...], json_wanted: bool) -> int:
    """Show what changed in a bot's file since a version; without one, since the version before the last change."""
    shown_each(
        app.home,
        name,
        tags,
        json_wanted,
        lambda bot: _changed(app.home, bot, version),
        lambda bot: _show_changed(_changed(app.home, bot, version)),
    )
    return DONE


def _changed(home: Home, name: str, version: int | None) -> dict[str, Any]:
    versions, found = versions_of(home, name), _showable(home, name)
    old = _since(versions, found.content, version)
    lines = difference(old.text, found.content, f"{old.file} (version {old.number})", found.shown(home))
    return {"bot": name, "from": old.number, "lines": list(lines)}


def _show_changed(changed: Mapping[str, Any]) -> None:
    colour = wants_colour(sys.stdout)
    for line in changed["lines"] or [f"{changed['bot']} is as in version {changed['from']}"]:
        click.echo(coloured(line) if colour else line, color=colour)


def _since(versions: list[Version], content: bytes, number: int | None) -> Version:
    """Return the version that a file is compared with."""
    if number is None:
        others = [one for one in versions if one.digest != file_digest(content)]
        return (others or versions)[-1]
    for one in versions:
        if one.number == number:
            return one
    raise ConfigError(f"there is no version {number} of {versions[0].bot}; it has 1 to {versions[-1].number}")


@click.command()
@click.argument("which", required=False, metavar="[SCHEMA]")
@click.option("--markdown", is_flag=True, help="As tables for people.")
@everywhere
@pass_app
def schema(_app: App, which: str | None, markdown: bool) -> int:
    """Print the JSON Schemas of everything a config can say, or one of them: bot, risk, paper, market_maker, ..."""
    names = sorted(path.relative_to(SCHEMAS).with_suffix("").as_posix() for path in SCHEMAS.rglob("*.json"))
    names = [name for name in names if not name.startswith("shared/")]  # only parts of the others
    wanted = [name for name in names if which in (None, name, name.rpartition("/")[2])]
    if not wanted:
        raise unknown_name(str(which), [name.rpartition("/")[2] for name in names], "schema")
    if markdown:
        pages = [section_page(title, node) for title, name, node in all_sections() if name in wanted]
        click.echo("\n".join(pages).rstrip("\n"))
    else:
        whole = {name: load_schema(name) for name in wanted}
        click.echo(json.dumps(whole if which is None else whole[wanted[0]], indent=1))
    return DONE
