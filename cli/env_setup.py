"""The command behind `setup_env.py`: choose venues, paste their keys, write `.env`; on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from cli.prompts import choose_several, type_hidden
from cli.shared import MAX_LINE, App, DoorCommand, everywhere, pass_app
from core.registry.env_file import names_in, with_names
from core.registry.key_names import key_parts, variable_of
from core.registry.reading import read_regular
from core.registry.schema import known_exchanges, load_schema
from core.registry.schema_page import meaning
from utils.errors import ConfigError
from utils.exit_statuses import DONE, REFUSED
from utils.files import write_atomic
from utils.home import Home
from utils.input_validation import printable

MAX_BYTES = 256 * 1024
MODE = 0o600


@click.command(cls=DoorCommand, name="setup_env.py")
@everywhere
@pass_app
def setup_env(app: App) -> int:
    """Write the keys of the venues into .env, step by step; nothing that you type is shown.

    A key can be pasted, or be given as @FILE. An empty answer leaves a venue out.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("questions are asked on a terminal only; elsewhere copy .env.example to .env")
    text = env_text(app.home)
    before = names_in(text)
    venues = _venues([name for name in known_exchanges() if key_parts(name)])
    values: dict[str, str] = {}
    for venue in venues:
        values |= _ask_key(app, venue)
    if not values:
        click.echo("nothing was written")
        return DONE
    if not _agreed(before, values):
        click.echo("nothing was written")
        return REFUSED
    write_env(app.home, text, values)
    click.echo(f"written: {app.home.env_file}, readable by you alone")
    asked = [venue for venue in venues if any(variable_of(venue, part) in values for part in key_parts(venue))]
    taken = [_try(app, venue) for venue in asked]  # each is offered, whatever came of the others
    return DONE if all(taken) else REFUSED


def env_text(home: Home) -> str:
    """Return what is in `.env`, nothing when there is none. Raises ConfigError."""
    path = home.env_file
    if path.is_symlink():
        raise ConfigError(f"{path} is a symbolic link; put the file itself there")
    try:
        content = read_regular(path, MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES // 1024} KiB")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not text in UTF-8") from exc


def write_env(home: Home, text: str, values: Mapping[str, str]) -> None:
    """Set names in `.env`, unless it was changed since `text` was read. Raises ConfigError, OSError."""
    if env_text(home) != text:
        raise ConfigError(f"{home.env_file} was changed meanwhile; nothing was written: begin again")
    home.root.mkdir(parents=True, exist_ok=True)
    like = home.env_file if home.env_file.exists() else home.root
    write_atomic(home.env_file, with_names(text, values).encode(), MODE, like=like)


def _venues(known: Sequence[str]) -> list[str]:
    click.echo("The paper exchange needs no key.")
    return choose_several("Keys of which venues?", [(name, name) for name in known])


def _ask_key(app: App, venue: str) -> dict[str, str]:
    """Return the variables of one venue's key, checked as far as its form goes; none when it is left out."""
    properties = load_schema(f"exchanges/{venue}")["properties"]
    while True:
        given = {}
        for part in key_parts(venue):
            click.echo(meaning(properties[part]).removesuffix(" Secret: only as `${NAME}`."))
            given[part] = _typed(variable_of(venue, part))
            if not given[part]:
                click.echo(f"{venue} is left out")
                return {}
        problems = app.services.key_problems(venue, given)
        if not problems:
            return {variable_of(venue, part): value for part, value in given.items()}
        for part, problem in problems.items():
            click.echo(printable(f"{variable_of(venue, part)} {problem}", MAX_LINE), err=True)
        click.echo("once more, or an empty answer:")


def _typed(name: str) -> str:
    """Return what was pasted, or what is in the file that was named as @FILE."""
    given = type_hidden(f"{name}:")
    if not given.startswith("@"):
        return given
    try:
        return read_regular(Path(given[1:]).expanduser(), MAX_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as exc:
        click.echo(f"the file cannot be read ({getattr(exc, 'strerror', 'not text')})", err=True)
        return _typed(name)


def _agreed(before: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Say which names come and which change, never a value; ask before anything is written over."""
    changed = [name for name in values if name in before and before[name] != values[name]]
    for name in values:
        word = "changes" if name in changed else "stays" if name in before else "new"
        click.echo(f"  {name}: {word}")
    question = f"Replace {len(changed)} of them?" if changed else "Write them?"
    return click.confirm(question, default=not changed)


def _try(app: App, venue: str) -> bool:
    """Offer to try a key; False when it was tried and not taken."""
    if not click.confirm(f"Try the key of {venue} at the venue now? It only reads.", default=False):
        click.echo(f"`python run.py smoke NAME` tries it later, with the smallest orders (docs/venues/{venue}.md)")
        return True
    problem, notes = app.services.try_key(app.home, venue)
    for line in notes:
        click.echo(printable(f"  {line}", MAX_LINE))
    click.echo(printable(f"{venue}: {problem or 'the key was taken'}", MAX_LINE), err=bool(problem))
    return not problem
