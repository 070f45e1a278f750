"""`run.py export` and `run.py report`: what bots did and earned, read from their ledgers beside them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.completion import bots
from cli.direct import DirectCommand
from cli.history_view import fills_view, report_view
from cli.render import console
from cli.shared import App, as_json, everywhere, pass_app, unknown_name
from core.history import ledger_reader as reader
from core.history.bot_history import days_of_all, history_of, ledgers
from core.history.csv_text import KINDS, Row, lines
from core.history.fill_profits import profits_of
from core.history.fleet_reader import FILE_NAME as FLEET
from core.history.fleet_reader import orders_between
from utils.files import write_atomic
from utils.moments import utc_ns_of

DAY_NS = 86_400 * 10**9
REPORT_DAYS = 30
_NEVER_NS = (1 << 62) - 1
_ALL_POINTS = 1 << 62

_span_from = click.option("--from", "begin", metavar="TIME", help="UTC, such as 2024-08-08T23:55:00.")
_span_to = click.option("--to", "end", metavar="TIME", help="UTC, exclusive; default: now.")


@click.command(cls=DirectCommand, name="export")
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.argument("name", shell_complete=bots)
@click.option("--csv", is_flag=True, help="CSV, which is also the default.")
@_span_from
@_span_to
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file in place of stdout.")
@everywhere
@pass_app
def export(
    app: App, kind: str, name: str, begin: str | None, end: str | None, output: Path | None, **_format: Any
) -> None:
    """Write the fills, the orders or the equity series of bot NAME as CSV; the bot may run meanwhile.

    A ledger keeps closed orders for an hour, the fleet's history keeps them longer, where it is on. Fills are complete,
    the series is coarser with age.
    """
    path = _ledger(app, name)
    since, until = utc_ns_of(begin) if begin else 0, utc_ns_of(end) if end else _NEVER_NS
    found = lines(kind, _rows(app, kind, path, since, until))
    if output is None:
        for line in found:
            click.echo(line, nl=False)
    else:
        _write_whole(output, found)


@click.command(cls=DirectCommand, name="report")
@click.argument("name", required=False, shell_complete=bots)
@click.option("--all", "everybody", is_flag=True, help="Every bot that has a ledger; the default without NAME.")
@_span_from
@_span_to
@click.option("--fills", "fills", type=click.IntRange(1, 1000), metavar="N", help="Also the last N fills of bot NAME.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one HTML file.")
@as_json
@everywhere
@pass_app
def report(
    app: App,
    name: str | None,
    everybody: bool,
    begin: str | None,
    end: str | None,
    fills: int | None,
    html: Path | None,
    json_wanted: bool,
) -> None:
    """Show what bot NAME, or every bot, earned and traded by UTC day: the last 30 days, or --from and --to."""
    if name is not None and everybody:
        raise click.UsageError("give a NAME or --all, not both")
    if fills and name is None:
        raise click.UsageError("--fills needs the NAME of one bot")
    until = utc_ns_of(end) if end else time.time_ns()
    since = utc_ns_of(begin) if begin else (until // DAY_NS - REPORT_DAYS + 1) * DAY_NS
    chosen = {name: _ledger(app, name)} if name is not None else ledgers(app.home.state)
    bots = [history_of(bot, path, since, until) for bot, path in chosen.items()]
    last = reader.fills(chosen[name], limit=fills) if fills and name is not None else []
    earned = profits_of(chosen[name], last) if last and name is not None else {}
    if html is not None:
        write_atomic(html, app.services.history_page(bots, since, until, last, earned).encode())
    if json_wanted:
        days = {quote: [asdict(day) for day in found] for quote, found in days_of_all(bots).items()}
        answer = {"from_utc_ns": since, "to_utc_ns": until, "bots": [bot.to_plain() for bot in bots], "days": days}
        answer |= {"fills": [{**asdict(one), "pnl": earned.get(one.number)} for one in last]} if fills else {}
        click.echo(json.dumps(answer, indent=1))
        return
    out = console()
    out.print(report_view(bots, out.width, out.encoding))
    if fills:
        out.print(fills_view(last, earned))
    if html is not None:
        click.echo(f"written: {html}")


def _ledger(app: App, name: str) -> Path:
    """Return the ledger of a bot. Raises ConfigError when no bot of that name ever had one."""
    known = ledgers(app.home.state)
    if name not in known:
        raise unknown_name(name, list(known), "bot with a ledger")
    return known[name]


def _rows(app: App, kind: str, path: Path, since: int, until: int) -> Iterable[Row]:
    if kind == "fills":
        return reader.fills_between(path, since, until)
    if kind == "orders":
        return orders_between(app.home.history / FLEET, path.parent.name, path, since, until)
    return reader.series(path, since, until, _ALL_POINTS)


def _write_whole(path: Path, text: Iterator[str]) -> None:
    """Replace a file by lines that may not fit the memory: the old or the new one, never a part. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(draft, "w", encoding="utf-8", newline="") as out:
            out.writelines(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    print(f"written: {path}", file=sys.stderr)
