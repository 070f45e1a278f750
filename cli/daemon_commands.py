"""The commands for the daemon as a whole: `start`, `stop`, `restart`, `reload`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli.completion import bots
from cli.live import agree_to_live, live_option
from cli.offline import bot_names
from cli.settled import WORK_S, say_bots
from cli.shared import App, as_json, complaints_of, everywhere, pass_app, unknown_name
from cli.tags import meant, tag_option
from cli.working import working
from core.process.control import ControlRefused, DaemonDown, call
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import CONFIG, DONE, REFUSED

PING_S = 5.0
STOP_S = 900.0  # the daemon bounds a stop itself, by the bots' stop_timeout_s
GONE_S = 30.0
SIGNAL_S = 120.0


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
@tag_option
@click.option("--daemon", is_flag=True, help="Return when the daemon is ready; it goes on in the background.")
@live_option
@as_json
@everywhere
@pass_app
def start(app: App, names: tuple[str, ...], tags: tuple[str, ...], daemon: bool, live: bool, json_wanted: bool) -> int:
    """Start the daemon with every active config, or with the named bots only."""
    known = bot_names(app.home)
    try:
        names = meant(app.home, names, tags)
        for name in names:
            if name not in known:
                raise unknown_name(name, known, "active bot")
        agree_to_live(app.home, names, live)
    except ConfigError as exc:
        if "NOTIFY_SOCKET" not in os.environ:
            raise
        click.echo(f"makerd: {exc}", err=True)
        return CONFIG  # a service manager would only try the same again
    if not daemon:
        return app.services.run_foreground(app.home, names)
    _say_started(_daemon_started(app, names), json_wanted)
    return DONE


def _daemon_started(app: App, names: Sequence[str]) -> dict[str, Any]:
    with working("starting the daemon"):
        return app.services.start_daemon(app.home, names)


def _say_started(ready: Mapping[str, Any], json_wanted: bool) -> None:
    if json_wanted:
        click.echo(json.dumps(ready))
        return
    click.echo(f"makerd is running: pid {ready['pid']}, {_count(ready['bots'], 'bot')}; `status` shows them")
    _warn_invalid(ready.get("invalid", ()))


def _warn_invalid(invalid: Sequence[Mapping[str, Any]]) -> None:
    if invalid:
        click.echo(f"{_count(len(invalid), 'file')} not valid, and not started:", err=True)
        click.echo("\n".join(f"  {line}" for line in complaints_of(invalid)), err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@click.command()
@as_json
@everywhere
@pass_app
def stop(app: App, json_wanted: bool) -> int:
    """Stop every bot, cancel its orders, and end the daemon."""
    report = _stopped(app)
    if json_wanted:
        click.echo(json.dumps(report or {"bots": []}))
    elif report is None:
        click.echo("the daemon is not running")
    else:
        _say_stopped(report)
    return REFUSED if report and any(bot["left_orders"] for bot in report["bots"]) else DONE


def _stopped(app: App) -> dict[str, Any] | None:
    """Stop the daemon; return what it says each bot left behind, None when there was none."""
    try:
        call(app.home, "ping", timeout_s=PING_S)
        with working("stopping every bot"):
            report: dict[str, Any] = call(app.home, "stop", timeout_s=STOP_S)
    except (DaemonDown, ControlRefused) as exc:
        pid = app.services.daemon_pid(app.home)
        if pid is None and isinstance(exc, DaemonDown):
            return None
        report = _stop_by_signal(app, pid)
    _wait_until_gone(app)
    return report


def _stop_by_signal(app: App, pid: int | None) -> dict[str, Any]:
    click.echo(f"the daemon (pid {pid}) does not answer; it is asked by a signal", err=True)
    if app.services.daemon_pid(app.home) is not None and not app.services.stop_by_signal(app.home, SIGNAL_S):
        raise MakerdError(
            f"pid {pid} did not end within {SIGNAL_S:.0f} s; `kill -9 {pid}` ends it (its bots cancel and leave), "
            "and the next start cancels whatever is left"
        )
    return {"bots": []}


def _wait_until_gone(app: App) -> None:
    deadline = time.monotonic() + GONE_S
    while (pid := app.services.daemon_pid(app.home)) is not None:
        if time.monotonic() > deadline:
            raise MakerdError(f"the bots are stopped, but the daemon (pid {pid}) has not ended; see `logs daemon`")
        time.sleep(0.02)


def _say_stopped(report: Mapping[str, Any]) -> None:
    left = [bot for bot in report["bots"] if bot["left_orders"]]
    for bot in left:
        orders = ", ".join(str(order) for order in bot["left_orders"])
        click.echo(f"{bot['name']}: orders may be left at the venue: {orders}; start it again to cancel them", err=True)
    ways = [str(bot["how"]) for bot in report["bots"]]
    shown = ", ".join(f"{ways.count(way)} {way}" for way in dict.fromkeys(ways))
    click.echo(f"stopped{': ' + shown if shown else ''}{'' if left else '; no order is left'}")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
@tag_option
@live_option
@as_json
@everywhere
@pass_app
def restart(app: App, names: tuple[str, ...], tags: tuple[str, ...], live: bool, json_wanted: bool) -> int:
    """Restart the named bots; without a name the whole daemon, which then runs in the background."""
    names = meant(app.home, names, tags)
    agree_to_live(app.home, names, live)
    if names:
        with working("restarting"):
            answer = call(app.home, "restart", {"names": list(names)}, WORK_S)
        return say_bots(answer, json_wanted)
    report = _stopped(app)
    if report is not None and not json_wanted:
        _say_stopped(report)
    _say_started(_daemon_started(app, ()), json_wanted)
    return DONE


@click.command()
@live_option
@as_json
@everywhere
@pass_app
def reload(app: App, live: bool, json_wanted: bool) -> int:
    """Read the configs again; only bots whose config has changed are restarted."""
    agree_to_live(app.home, (), live)
    with working("reading the configs again"):
        answer = call(app.home, "reload", timeout_s=WORK_S)
    if json_wanted:
        click.echo(json.dumps(answer))
    else:
        click.echo(f"read again: {_count(answer['bots'], 'valid config')}")
        _warn_invalid(answer["invalid"])
    return REFUSED if answer["invalid"] else DONE
