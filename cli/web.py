"""`run.py --web`: the monitor in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cli.prompts import can_ask
from core.process.control import ControlRefused, DaemonDown, call
from utils.exit_statuses import DONE

if TYPE_CHECKING:
    from cli.shared import App


def run_web(app: App, host: str | None, port: int | None, agree: Callable[[], None]) -> int:
    """Become the monitor on this terminal; offer to start the daemon when none runs. Raises MakerdError.

    `agree` asks whether bots may trade real money, and raises when they may not.
    """
    try:
        web = call(app.home, "status")["daemon"].get("web") or {}
    except ControlRefused as exc:
        click.echo(f"the daemon does not answer now: {exc}", err=True)
        web = {}
    except DaemonDown:
        web = {}
        _offer_daemon(app, agree)
    if web.get("url") and host is None and port is None:
        click.echo(f"the daemon's own monitor is at {web['url']}; another one: --port 0")
        return DONE
    return app.services.run_monitor(app.home, host, port)


def _offer_daemon(app: App, agree: Callable[[], None]) -> None:
    """Start the daemon when a person agrees; the monitor works without one, and says so loudly."""
    if not can_ask():
        click.echo("no daemon runs; start it with `core/daemon_manager.py start --daemon`", err=True)
        return
    if click.confirm("No daemon runs for this home. Start it now, with every active config?", default=False):
        agree()
        ready = app.services.start_daemon(app.home, ())
        click.echo(f"makerd is running: pid {ready['pid']}")
