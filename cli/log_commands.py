"""The command `logs`: the log of a bot or of the daemon, as it is or as it grows."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from cli.completion import logs as logs_known
from cli.log_lines import LEVELS, Since, chosen
from cli.offline import bot_names
from cli.shared import App, as_json, everywhere, pass_app, unknown_name
from utils.exit_statuses import DONE
from utils.log_components import COMPONENTS
from utils.terminal import wants_colour

LINES = 20  # that `logs` begins with
MAX_LINES = 1_000_000


@click.command()
@click.argument("name", shell_complete=logs_known)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with each new line, until Ctrl-C.")
@click.option("-n", "lines", type=click.IntRange(0, MAX_LINES), help="Lines to begin with; 20, or with --since all.")
@click.option("--component", type=click.Choice(COMPONENTS), help="Only lines of this component.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines of this level or above.")
@click.option("--since", type=Since(), metavar="T", help="Only lines since then: 10m, 2h, 2026-01-31T08:00 (UTC).")
@click.option("--rotate", is_flag=True, help="Begin new files for log and captured output; show nothing.")
@as_json
@everywhere
@pass_app
def logs(
    app: App,
    name: str,
    following: bool,
    lines: int | None,
    component: str | None,
    level: str | None,
    since: str | None,
    rotate: bool,
    json_wanted: bool,
) -> int:
    """Show the log of a bot, or of the daemon for NAME daemon."""
    path = _log_of(app, name)
    if rotate:
        return _say_rotated(app.services.rotate(app.home.log, name), json_wanted)
    count = lines if lines is not None else MAX_LINES if since else LINES
    read = app.services.follow if following else app.services.tail
    colour, shown = wants_colour(sys.stdout), 0
    with contextlib.suppress(KeyboardInterrupt):
        for shown, line in enumerate(read(path, count, chosen(component, level, since), since or ""), 1):  # noqa: B007
            click.echo(line if json_wanted else app.services.render_line(line, colour), color=colour)
    if not shown and not following and count:
        click.echo(f"no such line in {path}; without options the last {LINES} are shown", err=True)
    return DONE


def _say_rotated(names: Sequence[str], json_wanted: bool) -> int:
    click.echo(json.dumps({"rotated": list(names)}) if json_wanted else f"rotated: {', '.join(names) or 'nothing'}")
    return DONE


def _log_of(app: App, name: str) -> Path:
    """Return the file of a log that exists or may come to exist. Raises ConfigError for a name nobody knows."""
    folder = app.home.log
    existing = sorted({path.name.partition(".log")[0] for path in folder.glob("*.log*")}) if folder.is_dir() else []
    known = [*existing, *bot_names(app.home), "daemon"]
    if name not in known:
        raise unknown_name(name, list(dict.fromkeys(known)), "log")
    return folder / f"{name}.log"
