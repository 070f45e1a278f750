"""The command `doctor`: whether host, home, configs and venues are in order, and what to do where they are not."""

from __future__ import annotations

import json
import sys

import click

from cli.shared import MAX_LINE, App, as_json, everywhere, pass_app
from utils.exit_statuses import DONE, REFUSED
from utils.input_validation import printable
from utils.terminal import wants_colour

_COLOURS = {"ok": "32", "warn": "33", "fail": "1;31"}


@click.command()
@as_json
@everywhere
@pass_app
def doctor(app: App, json_wanted: bool) -> int:
    """Look at host, home, configs and venues; exit with 1 when something has to be mended."""
    failed, found = 0, []
    for finding in app.services.examine(app.home):
        failed += finding["level"] == "fail"
        found.append(finding)
        if not json_wanted:
            click.echo(_line(finding, wants_colour(sys.stdout)), color=True)
    if json_wanted:
        click.echo(json.dumps({"healthy": not failed, "findings": found}))
    return REFUSED if failed else DONE


def _line(finding: dict[str, str], colour: bool) -> str:
    level = f"{finding['level']:<4}"
    level = f"\x1b[{_COLOURS[finding['level']]}m{level}\x1b[0m" if colour else level
    text = printable(f"{finding['check']:<12} {finding['text']}", MAX_LINE)
    todo = f"\n                  -> {printable(finding['todo'], MAX_LINE)}" if finding["todo"] else ""
    return f"{level}  {text}{todo}"
