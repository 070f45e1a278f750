"""`run.py sweep`: one backtest for each set of values of a grid, over all cores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from cli.backtest_parts import engine_option, plain_with, progress_bar, span_and_settings
from cli.completion import bots_or_files
from cli.direct import DirectCommand
from cli.direct_config import setting_of
from cli.figures import amount
from cli.render import console
from cli.shared import App, as_json, everywhere, pass_app
from core.registry.config_manager import find_config
from utils.exit_statuses import DONE, REFUSED
from utils.files import write_atomic
from utils.input_validation import printable

ROWS = 20  # of the terminal's table
_SHOWN = ("net_pnl", "fills", "volume_quote", "spread_pnl", "inventory_pnl", "fees", "max_drawdown")


@click.command(cls=DirectCommand, name="sweep")
@click.argument("config", shell_complete=bots_or_files)
@click.option(
    "--grid", "grids", multiple=True, required=True, metavar="KEY=V1,V2,...", help="Repeatable; a JSON list works, too."
)
@click.option("--data", "files", multiple=True, required=True, metavar="[LEG=]FILE", help="As of backtest; repeatable.")
@span_and_settings
@click.option(
    "--by", default="net_pnl", show_default=True, help="The figure that is sorted by and drawn; markout_5s is one, too."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: one for each processor.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where results are kept; default: in var/data/sweeps.",
)
@click.option("--fresh", is_flag=True, help="Forget the results that are there, and run everything.")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="Write the table as CSV.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write heat maps and table as one HTML file."
)
@engine_option("As of backtest.")
@as_json
@everywhere
@pass_app
def sweep(
    app: App,
    config: str,
    grids: tuple[str, ...],
    files: tuple[str, ...],
    begin: str | None,
    end: str | None,
    settings: tuple[str, ...],
    by: str,
    json_wanted: bool,
    engine: str,
    **how: Any,
) -> int:
    """Run the backtest of CONFIG for each set of values of the grids, and show which came out best.

    Interrupted, it goes on where it was when the same command is given again; with more values it runs the new ones.
    """
    path = find_config(config, app.home, os.environ)
    request = {
        "plain": plain_with(path, settings),
        "source": str(path),
        "axes": [axis_of(grid) for grid in grids],
        "span": {"files": files, "from": begin, "to": end, "engine": engine},
        "by": by,
        "results": how["results"],
        "jobs": how["jobs"],
        "fresh": how["fresh"],
    }
    with progress_bar(not json_wanted) as done:
        found = app.services.sweep(app.home, request, done)
    for target, content in ((how["csv"], "csv"), (how["html"], "html")):
        if target is not None:
            write_atomic(target, found[content].encode())
    if json_wanted:
        click.echo(json.dumps({"results": found["results"], "rows": found["rows"]}, indent=1))
    else:
        _show(found, by)
    failed = sum("error" in row for row in found["rows"])
    if failed:
        told = f"{failed} OF {len(found['rows'])} SETS FAILED and have no figures; the same command tries them again"
        click.secho(f"makerd: {told}", fg="red", bold=True, err=True)
    return REFUSED if failed == len(found["rows"]) else DONE


def axis_of(text: str) -> tuple[str, str, list[Any]]:
    """Return section, key and values of `KEY=V1,V2`, or of `KEY=[V1, V2]`. Raises click.UsageError."""
    key, equals, given = text.partition("=")
    try:
        whole = json.loads(given)
    except ValueError:
        whole = None
    parts = [json.dumps(one) for one in whole] if isinstance(whole, list) else given.split(",")
    found = [setting_of(f"{key}={part.strip()}") for part in parts if part.strip()]
    if not equals or not found:
        raise click.UsageError(f"--grid {printable(text)}: expected KEY=VALUE,VALUE,...")
    return found[0][0], found[0][1], [value for _, _, value in found]


def _show(found: Mapping[str, Any], by: str) -> None:
    rows: Sequence[Mapping[str, Any]] = found["best_first"]
    out = console()
    figures = [by, *(one for one in _SHOWN if one != by)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in (*rows[0]["set"], *(figures[: max(2, out.width // 12 - len(rows[0]["set"]))])):
        table.add_column(printable(name), justify="right")
    for row in rows[:ROWS]:
        if "result" in row:
            shown = [printable(str(value)) for value in row["set"].values()]
            table.add_row(
                *shown, *[_figure(row["result"], name) for name in figures][: len(table.columns) - len(shown)]
            )
    out.print(table)
    failed = [row for row in rows if "error" in row]
    for row in failed[:5]:
        values = ", ".join(f"{key}={value}" for key, value in row["set"].items())
        click.echo(f"  {printable(values)}: {printable(str(row['error']), 300)}", err=True)
    click.echo(f"{len(rows)} sets, {len(failed)} failed; results: {found['results']}")


def _figure(result: Mapping[str, Any], name: str) -> str:
    return amount(result["markouts_bps"].get(name.removeprefix("markout_"), result.get(name)))
