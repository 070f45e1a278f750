"""How every command writes: judged first, shown, agreed to, then replaced; nothing of it when one thing is wrong."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cli.config.bots import BotFile
from cli.prompts import can_ask, in_menu, typed_word
from cli.shared import MAX_LINE, App, Decorated
from cli.working import working
from core.bot_config import BotConfig
from core.registry.change_classes import changed_keys
from core.registry.history import file_digest
from core.registry.one_file import config_of, is_valid_base
from core.registry.proposal import changed_by_bases, judge
from core.registry.risk_width import wider_risks
from core.registry.seen import is_valid_daemon_file, take_in_edits
from core.registry.store import Change, ConfigStore
from core.registry.wording import path_text
from utils.errors import ConfigError
from utils.home import Home
from utils.input_validation import printable
from utils.terminal import wants_colour


@dataclass(frozen=True, slots=True)
class Draft:
    """One file as it is and as it is to be; None is no file. `before` is what a new file takes the place of."""

    bot: str
    file: Path
    old: bytes | None
    new: bytes | None
    before: bytes | None = None

    @property
    def earlier(self) -> bytes | None:
        """Return what the bot was until now."""
        return self.old if self.old is not None else self.before


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has agreed to beforehand."""

    yes: bool = False
    wider_risk: bool = False


def consent_options(command: Decorated) -> Decorated:
    """Add `--yes` and `--allow-wider-risk`."""
    yes = click.option("--yes", is_flag=True, help="Do not ask.")
    wider = click.option(
        "--allow-wider-risk", "wider_risk", is_flag=True, help="Agree that a limit becomes wider or goes."
    )
    decorated: Decorated = yes(wider(command))
    return decorated


def prepare(home: Home) -> None:
    """Take what was edited by hand into the history, before anything is written over it."""
    take_in_edits(home, os.environ)


def complaints_about(app: App, drafts: Sequence[Draft]) -> list[str]:
    """Return all that is wrong with what is to be written, none when it may be."""
    with working("validating"):
        lines, valid = _judged(app.home, drafts)
        refused = app.services.venue_complaints(app.home, valid) if valid and not lines else {}
    lines += [f"{name}: exchange_config: {line}" for name, found in refused.items() for line in found]
    return [printable(line, MAX_LINE) for line in lines]


def _judged(home: Home, drafts: Sequence[Draft]) -> tuple[list[str], list[BotConfig]]:
    """Return what the registry has against drafts, and the bots among them that are valid."""
    lines, valid = [], []
    for path, judged in judge(home, os.environ, {one.file: one.new for one in drafts}).items():
        lines += [str(complaint) for complaint in judged.complaints]
        names = [one.bot for one in drafts if one.file == path]
        if judged.config and judged.config.name not in names:
            lines.append(f"{path.name}: metadata.name: found {judged.config.name!r}, expected {names[0]!r}: {_NAME}")
        valid += [judged.config] if judged.config and not judged.config.is_job else []
    return lines, valid


_NAME = "a bot is its name, with its ledger and history; make another one with `config create`"


def hold_to_valid(app: App, drafts: Sequence[Draft]) -> None:
    """Raise ConfigError with every complaint about what is to be written."""
    lines = complaints_about(app, drafts)
    if lines:
        raise ConfigError("nothing was written\n" + "\n".join(lines))


def hold_to_showable(home: Home, found: BotFile) -> None:
    """Raise ConfigError with the complaints about a file that is not valid: it may hold a secret."""
    complaints = judge(home, os.environ, {found.path: found.content})[found.path].complaints
    if complaints:
        lines = [printable(str(one), MAX_LINE) for one in complaints]
        raise ConfigError(f"{found.shown(home)} is not valid, and not shown: it may hold a secret\n" + "\n".join(lines))


def write(app: App, drafts: Sequence[Draft], action: str, consent: Consent, question: str = "Write this?") -> bool:
    """Show valid drafts, have them agreed to, and write them; False when a person says no. Raises ConfigError."""
    show_differences(drafts, app.home)
    wider = _consequences(app.home, drafts)
    for bot, lines in wider.items():
        for line in lines:
            click.echo(printable(f"  {bot}: {line}", MAX_LINE))
    if wider and not consent.wider_risk and not _agreed_to_wider_risk():
        raise ConfigError("nothing was written: a risk limit becomes wider; --allow-wider-risk agrees to it")
    if not agreed(question, consent.yes):
        click.echo("nothing was written")
        return False
    changes = [Change(one.bot, one.file, one.new, file_digest(one.old), _note(one, wider, app.home)) for one in drafts]
    check = (lambda: _hold_to_judged(app.home, drafts)) if _concern_the_daemon(drafts, app.home) else (lambda: None)
    for version in ConfigStore(app.home).apply(changes, action, check):
        click.echo(f"{version.bot}: version {version.number} ({version.file})")
    _say_what_applies_it(app, drafts)
    return True


def _agreed_to_wider_risk() -> bool:
    """Ask in the menu, where there is no flag to give; a command needs the flag."""
    return in_menu() and typed_word("A risk limit becomes wider or goes.", "WIDER")


def _note(draft: Draft, wider: Mapping[str, Sequence[str]], home: Home) -> str:
    """Return what the history says of a change: the limits that it made wider."""
    if draft.file.parent == home.bases:
        lines = [f"{bot}: {line}" for bot, found in wider.items() for line in found]
    else:
        lines = list(wider.get(draft.bot, ()))
    return "; ".join(lines)[:500]


def _concern_the_daemon(drafts: Sequence[Draft], home: Home) -> bool:
    return any(_is_read(one.file, home) and one.new is not None for one in drafts)


def _is_read(file: Path, home: Home) -> bool:
    return file.parent in (home.active, home.bases) or file == home.daemon_file


def _hold_to_judged(home: Home, drafts: Sequence[Draft]) -> None:
    """Raise ConfigError when a neighbour that came meanwhile is in the way."""
    lines, _ = _judged(home, drafts)
    if lines:
        raise ConfigError("nothing was written\n" + "\n".join(printable(line, MAX_LINE) for line in lines))


def agreed(question: str, yes: bool) -> bool:
    """Ask a person; `yes` is the answer given beforehand. Raises ConfigError where nobody can be asked."""
    if yes:
        return True
    if not can_ask():
        raise ConfigError("nothing was written: nobody can be asked here; --yes agrees beforehand")
    return click.confirm(question, default=False)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a bot was, as far as it may be shown: an invalid text may hold a secret."""

    config: BotConfig | None = None
    text: bytes = b""
    called: str = "not valid, and not shown"


def earlier_of(home: Home, draft: Draft) -> Earlier:
    """Return what a draft is compared with: what is there, or what was accepted last when that is not valid."""
    if _is_shared(draft.file, home):
        was = draft.earlier
        return Earlier(None, was, "now") if was is not None and _may_be_shown(home, draft.file, was) else Earlier()
    if draft.earlier is not None and (config := config_of(home, os.environ, draft.file, draft.earlier)):
        return Earlier(config, draft.earlier, "now")
    with ConfigStore(home).reading() as history:
        newest = history.newest(draft.bot)
    config = config_of(home, os.environ, draft.file, newest.text) if newest else None
    return Earlier(config, newest.text, f"version {newest.number}") if newest and config else Earlier()


def _is_shared(file: Path, home: Home) -> bool:
    """Tell whether a file is no bot's alone."""
    return file == home.daemon_file or file.parent == home.bases


def _may_be_shown(home: Home, file: Path, content: bytes) -> bool:
    """Tell whether a file that is no bot's alone is sound: else it may hold a secret."""
    if file == home.daemon_file:
        return is_valid_daemon_file(home, os.environ, content)
    return is_valid_base(home, os.environ, file, content)


def show_differences(drafts: Sequence[Draft], home: Home) -> None:
    """Print what changes in each file."""
    colour = wants_colour(sys.stdout)
    for one in drafts:
        name = one.file.relative_to(home.root).as_posix()
        if one.new is not None and one.earlier is None:
            click.echo(f"new: {name}")
        elif one.new is not None and one.earlier != one.new:
            before = earlier_of(home, one)
            for line in difference(before.text, one.new, f"{name} ({before.called})", name):
                click.echo(coloured(line) if colour else line, color=colour)


def difference(old: bytes, new: bytes, old_name: str, new_name: str) -> Iterator[str]:
    """Yield the lines of a unified diff, nothing when the texts are equal."""
    before, after = (text.decode("utf-8-sig", "replace").splitlines() for text in (old, new))
    for line in difflib.unified_diff(before, after, old_name, new_name, lineterm=""):
        yield printable(line, MAX_LINE)


def coloured(line: str) -> str:
    """Return a line of a diff as a terminal shows it."""
    kind = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return click.style(line, fg=kind) if kind and not line.startswith(("+++", "---")) else line


_NOT_COMPARED = "what it was is not valid any more; its limits were not compared"


def _consequences(home: Home, drafts: Sequence[Draft]) -> dict[str, list[str]]:
    """Say what a reload does about each changed bot; return the limits that become wider, by the bot's name."""
    wider = _consequences_of_bases(home, drafts)
    for one in drafts:
        if one.new is None or one.earlier is None or _is_shared(one.file, home):
            continue
        new, old = config_of(home, os.environ, one.file, one.new), earlier_of(home, one).config
        if old is None:
            click.echo(f"{one.bot}: {_NOT_COMPARED}")
        if new is None or old is None or new.is_job or old.is_job:
            continue
        if one.earlier != one.new:
            for line in consequences(old, new):
                click.echo(printable(line, MAX_LINE))
        if risks := [str(risk) for risk in wider_risks(old, new)]:
            wider[one.bot] = risks
    return wider


def _consequences_of_bases(home: Home, drafts: Sequence[Draft]) -> dict[str, list[str]]:
    """Say what a reload does about the bots that extend a changed base; return the limits that become wider."""
    wider: dict[str, list[str]] = {}
    for old, new in changed_by_bases(home, os.environ, {one.file: one.new for one in drafts}):
        if old is None:
            click.echo(f"{new.name}: {_NOT_COMPARED}")
            continue
        click.echo(f"{new.name}:")
        for line in consequences(old, new):
            click.echo(printable(line, MAX_LINE))
        if not new.is_job and (risks := [str(risk) for risk in wider_risks(old, new)]):
            wider[new.name] = risks
    return wider


def consequences(old: BotConfig, new: BotConfig) -> Iterator[str]:
    """Yield the changed keys with how each is taken over, and what that means for the bot."""
    changed = changed_keys(old, new)
    for one in changed:
        yield f"  {path_text(one.path)}: {'live' if one.live else 'restart'}"
    if old.identity_digest != new.identity_digest:
        yield f"  {new.name} would be restarted without its orders: it trades somewhere else then"
    elif any(not one.live for one in changed):
        yield f"  {new.name} would be restarted; orders that still fit stay"
    elif changed:
        yield f"  {new.name} would take it over while it runs"


def _say_what_applies_it(app: App, drafts: Sequence[Draft]) -> None:
    if any(_is_read(one.file, app.home) for one in drafts) and app.services.daemon_pid(app.home) is not None:
        click.echo("the daemon is running: `reload` applies it")
