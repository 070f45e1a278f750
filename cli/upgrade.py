"""`upgrade`: new code for a running daemon, tried before it is taken on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click

from cli.shared import App, as_json, everywhere, pass_app
from core.process.control import ControlRefused, DaemonDown, call
from utils.exit_statuses import DONE, REFUSED

POLL_S = 0.3
ASK_S = 15.0
GOOD, BAD = ("done",), ("refused", "rolled_back", "idle")


@click.command()
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1), default=900.0, show_default=True, help="Seconds to wait for it."
)
@as_json
@everywhere
@pass_app
def upgrade(app: App, timeout_s: float, json_wanted: bool) -> int:
    """Take on the code that is on disk now, without stopping: daemon first, then one bot after the other.

    Orders keep their place in the queue. Code that fails its trial is refused and the fleet runs on as it is. A bot
    that dies within a minute of the new code brings the old code back.
    """
    found, told = call(app.home, "upgrade", {}, ASK_S), ""
    deadline = time.monotonic() + timeout_s
    while found["stage"] not in (*GOOD, *BAD) and time.monotonic() < deadline:
        if not json_wanted and (text := _progress(found)) != told:
            told = text
            click.echo(text, err=True)
        time.sleep(POLL_S)
        found = _look(app, found)
    if json_wanted:
        click.echo(json.dumps(found))
    else:
        click.echo(_verdict(found))
    return DONE if found["stage"] in GOOD else REFUSED


def _look(app: App, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask how far it has come; while the daemon changes its code it does not answer."""
    try:
        found: Mapping[str, Any] = call(app.home, "upgrade", {"look": True}, ASK_S)
    except (DaemonDown, ControlRefused):
        if app.services.daemon_pid(app.home) is None:
            raise
        return before
    return found


def _progress(found: Mapping[str, Any]) -> str:
    if found["stage"] == "rolling":
        return f"moved {len(found['moved'])}, left {len(found['left'])}"
    stage = str(found["stage"])
    return {"trial": "the new code is tried", "warming": "the new code warms up"}.get(stage, stage)


def _verdict(found: Mapping[str, Any]) -> str:
    if found["stage"] in GOOD:
        return f"upgraded: {len(found['moved'])} bots run the new code, and are watched for a minute"
    if found["stage"] == "refused":
        return f"refused, and nothing has changed: {found['reason']}"
    if found["stage"] == "rolled_back":
        return f"rolled back: {found['reason']}"
    return f"not finished: {found['stage']}"
