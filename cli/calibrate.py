"""`run.py calibrate` and `run.py train-regime`: from recorded events to the files that avellaneda_stoikov goes by."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import click

from cli.backtest_parts import plain_with, progress_bar
from cli.direct import DirectCommand
from cli.shared import App, as_json, everywhere, pass_app
from core.registry.config_manager import find_config

NAMES = ("sigma", "kappa", "A", "gamma")

_data = click.option(
    "--data", "files", multiple=True, required=True, metavar="FILE", help="Recording or event file; repeatable."
)
_begin = click.option("--from", "begin", metavar="TIME", help="UTC, such as 2024-08-08T23:55:00.")
_end = click.option("--to", "end", metavar="TIME", help="UTC, exclusive; default: behind the last event.")


@click.command(cls=DirectCommand, name="calibrate")
@click.argument("config")
@_data
@_begin
@_end
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
    help="The last hours of the data, without --from.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A strategy key, or section.key; repeatable."
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(NAMES),
    help="Write this parameter; repeatable. Default: all that were found.",
)
@click.option("--now", is_flag=True, help="Date the file now, not at the end of the data.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Default: the config's params_file; without one nothing is written.",
)
@as_json
@everywhere
@pass_app
def calibrate(app: App, config: str, settings: tuple[str, ...], json_wanted: bool, **request: Any) -> None:
    """Measure sigma, kappa, A and gamma for the bot of CONFIG in recorded events, and write its parameter file."""
    path = find_config(config, app.home, os.environ)
    asked = request | {"from": request["begin"], "to": request["end"]}
    with progress_bar(not json_wanted) as done:
        result = app.services.calibrate(app.home, plain_with(path, settings), str(path), asked, done)
    click.echo(json.dumps(result, indent=1) if json_wanted else "\n".join(calibration_lines(result)))


def calibration_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what was found as lines for people."""
    span = f"{result['events']} events, {result['window_s']:.0f} s"
    lines = [f"{result['bot']}: {result['symbol']}, {span}, unit {result['unit']}"]
    lines.append(f"  {'':<8}{'found':>12}{'± error':>12}{'written':>12}  from")
    for name, row in result["found"].items():
        shown = "".join(f"{_number(value):>12}" for value in (row["value"], row["error"], result["written"].get(name)))
        lines.append(f"  {name:<8}{shown}  {row['note']}")
    lines.append(
        f"  {result['out']}" if result["out"] else "  nothing is written: neither -o nor params_file names a file"
    )
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


@click.command(cls=DirectCommand, name="train-regime")
@_data
@_begin
@_end
@click.option(
    "--candle",
    "candle_s",
    type=click.FloatRange(min=0.01),
    default=60.0,
    show_default=True,
    help="Seconds of a candle: the bot's candle_s.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the search; the same gives the same model.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False), required=True, metavar="FILE", help="The model, a JSON file."
)
@as_json
@everywhere
@pass_app
def train_regime(app: App, json_wanted: bool, **request: Any) -> None:
    """Train a model of three regimes on recorded events (needs scikit-learn: requirements-train.txt)."""
    asked = request | {"from": request["begin"], "to": request["end"]}
    with progress_bar(not json_wanted) as done:
        result = app.services.train_regime(app.home, asked, done)
    click.echo(json.dumps(result, indent=1) if json_wanted else "\n".join(training_lines(result)))


def training_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what was trained as lines for people."""
    lines = [f"{result['symbol']}: {result['samples']} candles of {result['candle_s']:g} s"]
    if not result["converged"]:
        lines.append("  the search did not come to an end: more data, or another --seed")
    names = [name for name in next(iter(result["regimes"].values())) if name != "weight"]
    lines.append(f"  {'':<12}{'share':>8}" + "".join(f"{name:>16}" for name in names))
    for label, row in result["regimes"].items():
        lines.append(f"  {label:<12}{row['weight']:>8.0%}" + "".join(f"{row[name]:>16.3f}" for name in names))
    return [*lines, f"  {result['out']}"]
