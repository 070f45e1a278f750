"""`run.py backtest` and `run.py convert`: a bot over recorded events in simulated time, and the files of events."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.backtest_parts import plain_with, progress_bar
from cli.completion import bots_or_files
from cli.direct import DirectCommand
from cli.shared import App, as_json, everywhere, pass_app
from core.registry.config_manager import find_config


@click.command(cls=DirectCommand, name="backtest")
@click.argument("config", shell_complete=bots_or_files)
@click.option(
    "--data", "files", multiple=True, required=True, metavar="FILE", help="Recording or event file; repeatable."
)
@click.option("--from", "begin", metavar="TIME", help="UTC, such as 2024-08-08T23:55:00; default: the first event.")
@click.option("--to", "end", metavar="TIME", help="UTC, exclusive; default: behind the last event.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A strategy key, or section.key; repeatable."
)
@click.option("--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write a report: one HTML file.")
@click.option("--fills", type=click.Path(dir_okay=False), metavar="FILE", help="Write the fills as CSV.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "compiled", "python"]),
    default="auto",
    show_default=True,
    help="What plays the events: the same fills, at another speed.",
)
@as_json
@everywhere
@pass_app
def backtest(app: App, config: str, settings: tuple[str, ...], json_wanted: bool, **span: Any) -> None:
    """Run the bot of CONFIG (a file, or an active bot's name) over recorded events, in simulated time.

    The loop, the strategy and the paper venue are those of a bot that trades; nothing is sent, nothing is kept.
    """
    path = find_config(config, app.home, os.environ)
    request = {**span, "from": span["begin"], "to": span["end"]}
    with progress_bar(not json_wanted) as done:
        result = app.services.backtest(app.home, plain_with(path, settings), str(path), request, done)
    if json_wanted:
        click.echo(json.dumps(result, indent=1))
    else:
        click.echo("\n".join(table_of(result)))


@click.command(cls=DirectCommand, name="convert")
@click.argument("recording", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@everywhere
@pass_app
def convert(app: App, recording: Path, out: Path) -> None:
    """Make an event file (.events) of a RECORDING (.csv.gz, its facts beside it), for backtests and `replay:`."""
    if out.suffix != ".events":
        raise click.UsageError(f"{out}: the name of an event file ends in .events")
    began = time.monotonic()
    rows = app.services.convert(recording, out)
    click.echo(f"{out}: {rows} rows, {out.stat().st_size / 2**20:.1f} MiB, in {time.monotonic() - began:.1f} s")


_ROWS = {
    "fills": "fills",
    "buys": "of them buys",
    "maker_fills": "of them as maker",
    "volume_quote": "volume",
    "net_pnl": "net profit",
    "spread_pnl": "  from the spread",
    "inventory_pnl": "  from inventory",
    "fees": "  fees (a cost)",
    "max_drawdown": "largest drawdown",
    "position": "position at the end",
    "max_position": "largest position",
    "quote_uptime_pct": "quotes on both sides, %",
    "decisions": "decisions",
}


def table_of(result: Mapping[str, Any]) -> list[str]:
    """Return the statistics as lines for people."""
    lines = [f"{result['bot']}: {result['symbol']}, {result['events']} events, {result['span_s']:.0f} s of market time"]
    if result["ended"]:
        lines.append(f"  ended before the data: {result['ended']}")
    lines += [f"  {text:<26}{result[key]}" for key, text in _ROWS.items()]
    marks = ", ".join(f"{after} {_or_none(bps)}" for after, bps in result["markouts_bps"].items())
    orders = ", ".join(f"{count} {what}" for what, count in result["orders"].items())
    lines += [f"  {'markouts, bps':<26}{marks}", f"  {'orders':<26}{orders}"]
    lines.append(f"  {result['elapsed_s']:.2f} s, {result['events_per_s']:,} events/s")
    return lines


def _or_none(bps: float | None) -> str:
    return "-" if bps is None else f"{bps:.2f}"
