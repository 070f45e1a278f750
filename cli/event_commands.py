"""The command `events`: what happened to daemon and bots, and who asked for it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from cli.completion import bots
from cli.log_lines import Since
from cli.shared import MAX_LINE, App, Keep, as_json, everywhere, pass_app
from utils.exit_statuses import DONE
from utils.input_validation import printable
from utils.terminal import wants_colour

FILE = "events.jsonl"
# Keys that have a place of their own in a line, or say nothing to a person.
_PLACED = frozenset({"ts", "seq", "daemon", "kind", "bot", "from", "to", "reason", "alert", "by", "then"})
_ALERT, _STATE, _PLAIN = "1;31", "36", "0"


@click.command()
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with each new event, until Ctrl-C.")
@click.option(
    "-n", "lines", type=click.IntRange(0, 1_000_000), default=20, show_default=True, help="Events to begin with."
)
@click.option("--bot", metavar="NAME", shell_complete=bots, help="Only events of this bot.")
@click.option("--kind", metavar="KIND", help="Only events (state, exit, command, ...) or alerts of this kind.")
@click.option("--since", type=Since(), help="Only events since then: 10m, 2h, 3d before now, or a time.")
@as_json
@everywhere
@pass_app
def events(
    app: App, following: bool, lines: int, bot: str | None, kind: str | None, since: str | None, json_wanted: bool
) -> int:
    """Show what happened to the daemon and its bots, and who asked for it."""
    path, keep = app.home.log / FILE, _filter(bot, kind, since or "")
    read = app.services.follow if following else app.services.tail
    found = read(path, lines, keep, since or "")
    colour, shown = wants_colour(sys.stdout), 0
    with contextlib.suppress(KeyboardInterrupt):
        for shown, line in enumerate(found, 1):  # noqa: B007  # counted for what follows
            click.echo(line if json_wanted else event_line(json.loads(line), colour), color=colour)
    if not shown and not following:
        click.echo("no such event; the daemon writes them: without options the last ones are shown", err=True)
    return DONE


def _filter(bot: str | None, kind: str | None, since: str) -> Keep:
    def keep(line: str) -> bool:
        try:
            event = json.loads(line)
        except ValueError:  # torn by a kill
            return False
        if not isinstance(event, dict) or bot not in (None, event.get("bot")):
            return False
        return kind in (None, event.get("kind"), event.get("alert")) and str(event.get("ts")) >= since

    return keep


def event_line(event: Mapping[str, Any], colour: bool) -> str:
    """Return one event for people: time, bot, kind, from -> to, reason, who asked, the rest as key=value."""
    when = str(event.get("ts", ""))
    when = f"{when[:10]} {when[11:23]}Z" if len(when) == 27 else when
    kind = f"{event.get('kind')}!" if event.get("alert") else str(event.get("kind"))
    parts = [when, f"{event.get('bot') or 'daemon':<12}", _change(event), str(event.get("reason") or "")]
    parts += [f"asked by {_pairs(event['by'])}" if event.get("by") else "", _pairs(_rest(event))]
    paint = _ALERT if event.get("alert") else _STATE if event.get("kind") == "state" else _PLAIN
    shown = [printable(part, MAX_LINE) for part in parts]
    label = printable(f"{kind:<13}", MAX_LINE)
    shown.insert(2, f"\x1b[{paint}m{label}\x1b[0m" if colour else label)
    return " ".join(part for part in shown if part.strip()).rstrip()


def _change(event: Mapping[str, Any]) -> str:
    if event.get("from") is None and event.get("to") is None:
        return ""
    then = f" (then {event['then']})" if event.get("then") else ""
    return f"{event.get('from') or '-'} -> {event.get('to') or '-'}{then}"


def _rest(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in _PLACED and value not in (None, "", [], {})}


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())
