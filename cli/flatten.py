"""The kill switch: `flatten` cancels and closes, whatever state bots and daemon are in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from cli.completion import bots
from cli.shared import App, Supervised, as_json, everywhere, pass_app
from cli.tags import meant, tag_option
from core.process.control import DaemonDown, call
from utils.exit_statuses import DONE, REFUSED

ASK_S = 30.0
POLL_S = 0.5
Row = Mapping[str, Any]


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
@tag_option
@click.option("--all", "all_bots", is_flag=True, help="Every bot of the home.")
@click.option("--sell-base", is_flag=True, help="Sell spot inventory, too; without it a spot bot only cancels.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1), default=300.0, show_default=True, help="Seconds to wait for it."
)
@as_json
@everywhere
@pass_app
def flatten(
    app: App,
    names: tuple[str, ...],
    tags: tuple[str, ...],
    all_bots: bool,
    sell_base: bool,
    timeout_s: float,
    json_wanted: bool,
) -> int:
    """Cancel every order and close every position of the named bots, or of all: running, stuck, dead or halted.

    Works with the daemon down, too. The bots stay down afterwards; tripped limits stay tripped.
    """
    if bool(names or tags) == all_bots:
        raise click.UsageError("name the bots, or --tag, or say --all")
    names = meant(app.home, names, tags)
    deadline = time.monotonic() + timeout_s

    def say(text: str) -> None:
        if not json_wanted:
            click.echo(text, err=True)

    try:
        rows = _by_daemon(app, names, sell_base, deadline, say)
    except DaemonDown:
        say("the daemon is down: closing without it")
        rows = _without_daemon(app.services.start_flatten(app.home, names, sell_base), deadline)
    return _report(rows, json_wanted)


def _by_daemon(
    app: App, names: Sequence[str], sell_base: bool, deadline: float, say: Callable[[str], None]
) -> list[Row]:
    """Ask the daemon, then look until no bot is closing any more."""
    told, args = "", {"names": list(names), "sell_base": sell_base}
    while True:
        rows: list[Row] = call(app.home, "flatten", args, ASK_S)["bots"]
        left = [f"{row['name']} ({row['reason'] or row['state']})" for row in rows if row["closing"]]
        if not left or time.monotonic() > deadline:
            return rows
        if (text := f"still closing: {', '.join(left)}") != told:
            told = text
            say(text)
        args = {"names": list(names), "look": True}
        time.sleep(POLL_S)


def _without_daemon(handle: Supervised, deadline: float) -> list[Row]:
    if handle.wait(max(1.0, deadline - time.monotonic())) is None:
        handle.terminate()
        handle.wait()
    final = handle.final() or {"bots": []}
    return [{**row, "closing": False} for row in final["bots"]]


def _report(rows: Sequence[Row], json_wanted: bool) -> int:
    done = bool(rows) and all(row["closed"] for row in rows)
    if json_wanted:
        keys = ("name", "state", "reason", "closed")
        click.echo(json.dumps({"flat": done, "bots": [{key: row[key] for key in keys} for row in rows]}))
        return DONE if done else REFUSED
    for row in rows:
        reason = f": {row['reason']}" if row["reason"] and not row["closed"] else ""
        click.echo(f"{row['name']} {'closed' if row['closed'] else 'NOT CLOSED'}, {row['state']}{reason}")
    if not rows:
        click.echo("there is no bot to close")
    elif not done:
        click.echo("look at the venue: what is not closed may still hold a position", err=True)
    return DONE if done else REFUSED
