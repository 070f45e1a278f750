"""The commands that change what is there: `set`, `rollback`, `edit`."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from cli.completion import any_bots
from cli.config.bots import BotFile, bot_file, chosen, file_to_write, name_in
from cli.config.values import parse_settings, schema_of_text
from cli.config.writing import Consent, Draft, complaints_about, consent_options, hold_to_valid, prepare, write
from cli.prompts import can_ask
from cli.shared import App, everywhere, pass_app
from cli.tags import known_tags
from core.registry.store import ConfigStore
from core.registry.text_edit import with_values
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import DONE, REFUSED
from utils.home import Home

EDITOR = "vi"
_EVERY = "Every active bot with this tag."


@click.command("set")
@click.argument("given", nargs=-1, required=True, metavar="[NAME] KEY=VALUE...", shell_complete=any_bots)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help=_EVERY, shell_complete=known_tags)
@consent_options
@everywhere
@pass_app
def set_values(app: App, given: tuple[str, ...], tags: tuple[str, ...], yes: bool, wider_risk: bool) -> int:
    """Set keys of one bot, or of all with a tag; the difference is shown first. A key is a path, or its last part."""
    names, settings = split_names(given)
    if not settings or not (names or tags) or len(names) > 1:
        raise click.UsageError("name one bot, or --tag, and at least one KEY=VALUE")
    prepare(app.home)
    drafts = [_with_settings(app.home, one, settings) for one in _meant(app.home, names, tags)]
    drafts = [one for one in drafts if one.new != one.old]
    if not drafts:
        click.echo("nothing changes")
        return DONE
    hold_to_valid(app, drafts)
    return DONE if write(app, drafts, "set", Consent(yes, wider_risk)) else REFUSED


def _meant(home: Home, names: Sequence[str], tags: Sequence[str]) -> list[BotFile]:
    """Return the bots that are meant, or the daemon file by its name."""
    return chosen(home, names, tags) if tags else [file_to_write(home, name) for name in names]


def split_names(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names of bots and the settings that follow them."""
    names = [one for one in given if "=" not in one]
    return names, [one for one in given if "=" in one]


def _with_settings(home: Home, one: BotFile, settings: Sequence[str]) -> Draft:
    values = parse_settings(settings, schema_of_text(home, one.path, one.content))
    try:
        return Draft(one.bot, one.path, one.old, with_values(one.content, values))
    except ValueError as exc:
        raise ConfigError(f"{one.path.name}: {exc}; `config edit {one.bot}` corrects it") from exc


@click.command()
@click.argument("name", shell_complete=any_bots)
@click.argument("version", type=click.IntRange(1))
@consent_options
@everywhere
@pass_app
def rollback(app: App, name: str, version: int, yes: bool, wider_risk: bool) -> int:
    """Bring back a version of a bot's file; `history` lists them. That is a new version itself."""
    prepare(app.home)
    with ConfigStore(app.home).reading() as history:
        wanted = history.version(name, version)
    found = bot_file(app.home, name)
    if found.content == wanted.text:
        click.echo(f"{name} is as in version {version}")
        return DONE
    drafts = [Draft(name, found.path, found.content, wanted.text)]
    hold_to_valid(app, drafts)
    done = write(app, drafts, f"rollback to {version}", Consent(yes, wider_risk), f"Go back to version {version}?")
    return DONE if done else REFUSED


@click.command()
@click.argument("name", shell_complete=any_bots)
@consent_options
@everywhere
@pass_app
def edit(app: App, name: str, yes: bool, wider_risk: bool) -> int:
    """Edit a copy of a bot's file in $EDITOR; it is validated, shown and agreed to before it takes its place."""
    prepare(app.home)
    found = file_to_write(app.home, name)
    with tempfile.TemporaryDirectory(prefix="makerd-") as folder:
        copy = Path(folder) / found.path.name
        copy.write_bytes(found.content)
        while True:
            _run_editor(copy)
            new = copy.read_bytes()
            bot = found.bot if found.readable else name_in(new) or found.bot
            draft = Draft(bot, found.path, found.old, new)
            if new == found.content:
                click.echo("nothing was changed")
                return DONE
            complaints = complaints_about(app, [draft])
            if not complaints:
                break
            click.echo("\n".join(complaints), err=True)
            if not _again(yes):
                click.echo("nothing was written", err=True)
                return REFUSED
        return DONE if _written(app, draft, Consent(yes, wider_risk)) else REFUSED


def _again(yes: bool) -> bool:
    if yes or not can_ask():
        return False
    return click.confirm("Edit it again?", default=True)


def _run_editor(copy: Path) -> None:
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or EDITOR) or [EDITOR]
    try:
        done = subprocess.run([*command, str(copy)], check=False)
    except OSError as exc:
        raise MakerdError(f"the editor {command[0]!r} cannot be run ({exc.strerror}); set EDITOR") from exc
    if done.returncode:
        raise MakerdError(f"the editor ended with status {done.returncode}; nothing was written")


def _written(app: App, draft: Draft, consent: Consent) -> bool:
    """Write an edited file; what a person typed is not lost when that is refused."""
    try:
        return write(app, [draft], "edit", consent, "Replace the file?")
    except ConfigError as exc:
        kept = _kept(draft)
        raise ConfigError(f"{exc}\nyour text is kept in {kept}") from exc


def _kept(draft: Draft) -> str:
    fd, name = tempfile.mkstemp(prefix=f"makerd-{draft.file.stem}-", suffix=".json")
    with open(fd, "wb") as kept:
        kept.write(draft.new or b"")
    return name
