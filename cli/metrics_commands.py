"""The command `metrics`: the daemon's figures for Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cli.shared import App, as_json, everywhere, pass_app
from core.process.control import call
from utils.exit_statuses import DONE


@click.command()
@click.option(
    "--textfile", type=click.Path(dir_okay=False, path_type=Path), metavar="PATH", help="Replace this file with them."
)
@as_json
@everywhere
@pass_app
def metrics(app: App, textfile: Path | None, json_wanted: bool) -> int:
    """Show the figures of daemon and bots, in Prometheus' text format."""
    figures = call(app.home, "metrics")
    text = json.dumps(figures) + "\n" if json_wanted else app.services.metrics_text(figures)
    if textfile is None:
        click.echo(text, nl=False)
    else:
        app.services.write_textfile(textfile, text)
    return DONE
