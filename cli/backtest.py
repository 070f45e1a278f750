"""`run.py backtest` and `run.py convert`: a bot over recorded events in simulated time, and the files of events."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from cli.backtest_parts import engine_option, plain_with, progress_bar, span_and_settings
from cli.backtest_table import table_of
from cli.completion import bots_or_files
from cli.direct import DirectCommand
from cli.shared import App, as_json, everywhere, pass_app
from core.registry.config_manager import find_config


@click.command(cls=DirectCommand, name="backtest")
@click.argument("config", shell_complete=bots_or_files)
@click.option(
    "--data",
    "files",
    multiple=True,
    required=True,
    metavar="[LEG=]FILE",
    help="Recording or event file; repeatable. LEG: the leg that it is of, where a bot has several, or reference.",
)
@span_and_settings
@click.option("--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write a report: one HTML file.")
@click.option("--fills", type=click.Path(dir_okay=False), metavar="FILE", help="Write the fills as CSV.")
@engine_option("What plays the events: the same fills, at another speed.")
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
