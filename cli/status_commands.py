"""The command `status`: the daemon and its bots, once or each second, and whether they are healthy."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli.completion import bots
from cli.health_check import faults_of
from cli.offline import status_while_down
from cli.shared import MAX_LINE, App, as_json, everywhere, pass_app, unknown_name
from cli.tags import meant, tag_option
from core.process.control import DaemonDown, call
from utils.exit_statuses import DONE, REFUSED
from utils.input_validation import printable
from utils.terminal import is_terminal

WATCH_S = 1.0


@click.command()
@click.argument("name", required=False, shell_complete=bots)
@tag_option
@click.option("--watch", is_flag=True, help="Show it again each second, until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit with 1 unless every wanted bot is healthy.")
@as_json
@everywhere
@pass_app
def status(app: App, name: str | None, tags: tuple[str, ...], watch: bool, check: bool, json_wanted: bool) -> int:
    """Show the daemon and its bots."""
    names = meant(app.home, () if name is None else (name,), tags)
    one = name if len(names) == 1 else None  # a bot alone is shown with all that is known of it
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(app, names, one, json_wanted)
        return DONE
    found = _status(app, names)
    if json_wanted:
        click.echo(json.dumps(found))
    elif not check:
        _show(found, one)
    return _checked(found, names) if check else DONE


def _status(app: App, names: Sequence[str]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = call(app.home, "status")
    except DaemonDown:
        found = status_while_down(app.home, app.services.figures, app.services.daemon_pid(app.home))
    if not names:
        return found
    known = [str(row["name"]) for row in found["bots"]]
    for name in names:
        if name not in known:
            raise unknown_name(name, known, "bot")
    return {**found, "bots": [row for row in found["bots"] if row["name"] in names]}


def _show(found: Mapping[str, Any], name: str | None) -> None:
    from cli.render import bot_view, console, status_view

    target = console()
    target.print(bot_view(found) if name else status_view(found, target.width))


def _watch(app: App, names: Sequence[str], one: str | None, json_wanted: bool) -> None:
    if json_wanted or not is_terminal(sys.stdout):
        while True:
            found = _status(app, names)
            if json_wanted:
                click.echo(json.dumps(found))
            else:
                _show(found, one)
            time.sleep(WATCH_S)
    from cli.render import watch

    watch(lambda: _status(app, names), one=one is not None, every_s=WATCH_S)


def _checked(found: Mapping[str, Any], names: Sequence[str]) -> int:
    """Say on stderr what is not healthy, a line each; return 1 when anything is not."""
    faults = faults_of(found, names)
    if faults:
        click.echo("\n".join(printable(fault, MAX_LINE) for fault in faults), err=True)
    return REFUSED if faults else DONE
