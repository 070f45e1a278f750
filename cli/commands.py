"""The commands of `core/daemon_manager.py`. Slow things are imported where they are used: `status` is asked often."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.completion import bots
from cli.completion import logs as logs_known
from cli.completion_scripts import completion
from cli.config_commands import config
from cli.doctor_commands import doctor
from cli.event_commands import events
from cli.flatten import flatten
from cli.health_check import faults_of
from cli.live import agree_to_live, live_option
from cli.log_lines import LEVELS, Since, chosen
from cli.metrics_commands import metrics
from cli.offline import bot_names, status_while_down
from cli.service_commands import service
from cli.shared import MAX_LINE, App, Door, as_json, complaints_of, everywhere, pass_app, unknown_name
from cli.tags import meant, tag_option
from cli.upgrade import upgrade
from cli.working import working
from core.process.control import ControlRefused, DaemonDown, call
from utils.errors import ConfigError, MakerdError
from utils.exit_statuses import CONFIG, DONE, REFUSED
from utils.input_validation import printable
from utils.log_components import COMPONENTS
from utils.terminal import is_terminal, wants_colour
from utils.version import __version__

PING_S = 5.0
WORK_S = 60.0  # verbs that wait for bots to come to rest
STOP_S = 900.0  # the daemon bounds a stop itself, by the bots' stop_timeout_s
GONE_S = 30.0
SIGNAL_S = 120.0
WATCH_S = 1.0
LINES = 20  # that `logs` begins with
MAX_LINES = 1_000_000
SETTLED_BADLY = ("FATAL", "HALTED")


@click.group(cls=Door, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="makerd", message="%(prog)s %(version)s")
@everywhere
def cli() -> None:
    """Run a folder of configs as a supervised fleet of market-making bots."""


cli.add_command(config)
cli.add_command(events)
cli.add_command(flatten)
cli.add_command(upgrade)
cli.add_command(metrics)
cli.add_command(service)
cli.add_command(doctor)
cli.add_command(completion)


@cli.command()
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


@cli.command()
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


@cli.command()
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
        return _say_bots(answer, json_wanted)
    report = _stopped(app)
    if report is not None and not json_wanted:
        _say_stopped(report)
    _say_started(_daemon_started(app, ()), json_wanted)
    return DONE


@cli.group(no_args_is_help=True)
@everywhere
def bot() -> None:
    """Start, stop, pause, close or reset single bots of the running daemon."""


def _add_bot_command(action: str, text: str) -> None:
    @bot.command(action, help=text)
    @click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=bots)
    @tag_option
    @live_option
    @as_json
    @everywhere
    @pass_app
    def command(app: App, names: tuple[str, ...], tags: tuple[str, ...], live: bool, json_wanted: bool) -> int:
        if not names and not tags:
            raise click.UsageError("name a bot, or --tag")
        names = meant(app.home, names, tags)
        if action in ("start", "reset"):
            agree_to_live(app.home, names, live)
        with working(f"{action}: waiting for the bot"):
            answer = call(app.home, "bot", {"action": action, "names": list(names)}, WORK_S)
        return _say_bots(answer, json_wanted)


_add_bot_command("start", "Start bots that are stopped.")
_add_bot_command("stop", "Stop bots and cancel their orders; the others go on.")
_add_bot_command("pause", "Take the quotes off the venue; the worker lives on and watches.")
_add_bot_command("resume", "Quote again after a pause.")
_add_bot_command("close", "Cancel everything, close the position, then stop. Spot inventory stays; see `flatten`.")
_add_bot_command("reset", "Clear a tripped risk limit or a FATAL state, then start the bots again.")


def _say_bots(answer: Mapping[str, Any], json_wanted: bool) -> int:
    """Print where each bot has come to; return 1 when one has come to nothing good."""
    if json_wanted:
        click.echo(json.dumps(answer))
    for row in () if json_wanted else answer["bots"]:
        reason = f": {row['reason']}" if row.get("reason") and row["state"] != "RUNNING" else ""
        also = "".join(f" ({word})" for word in ("paused", "closing") if row.get(word))
        click.echo(f"{row['name']} {row['state']}{also}{reason}")
    return REFUSED if any(row["state"] in SETTLED_BADLY for row in answer["bots"]) else DONE


@cli.command()
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


@cli.command()
@click.argument("name", required=False, shell_complete=bots)
@tag_option
@click.option("--watch", is_flag=True, help="Show it again each second, until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit with 1 unless every wanted bot is healthy.")
@as_json
@everywhere
@pass_app
def status(app: App, name: str | None, tags: tuple[str, ...], watch: bool, check: bool, json_wanted: bool) -> int:
    """Show the daemon and its bots."""
    names = meant(app.home, () if name is None else (name,), tags)
    one = name if len(names) == 1 else None  # a bot alone is shown with all that is known of it
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(app, names, one, json_wanted)
        return DONE
    found = _status(app, names)
    if json_wanted:
        click.echo(json.dumps(found))
    elif not check:
        _show(found, one)
    return _checked(found, names) if check else DONE


def _status(app: App, names: Sequence[str]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = call(app.home, "status")
    except DaemonDown:
        found = status_while_down(app.home, app.services.figures, app.services.daemon_pid(app.home))
    if not names:
        return found
    known = [str(row["name"]) for row in found["bots"]]
    for name in names:
        if name not in known:
            raise unknown_name(name, known, "bot")
    return {**found, "bots": [row for row in found["bots"] if row["name"] in names]}


def _show(found: Mapping[str, Any], name: str | None) -> None:
    from cli.render import bot_view, console, status_view

    target = console()
    target.print(bot_view(found) if name else status_view(found, target.width))


def _watch(app: App, names: Sequence[str], one: str | None, json_wanted: bool) -> None:
    if json_wanted or not is_terminal(sys.stdout):
        while True:
            found = _status(app, names)
            if json_wanted:
                click.echo(json.dumps(found))
            else:
                _show(found, one)
            time.sleep(WATCH_S)
    from cli.render import watch

    watch(lambda: _status(app, names), one=one is not None, every_s=WATCH_S)


def _checked(found: Mapping[str, Any], names: Sequence[str]) -> int:
    """Say on stderr what is not healthy, a line each; return 1 when anything is not."""
    faults = faults_of(found, names)
    if faults:
        click.echo("\n".join(printable(fault, MAX_LINE) for fault in faults), err=True)
    return REFUSED if faults else DONE


@cli.command()
@click.argument("name", shell_complete=logs_known)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with each new line, until Ctrl-C.")
@click.option("-n", "lines", type=click.IntRange(0, MAX_LINES), help="Lines to begin with; 20, or with --since all.")
@click.option("--component", type=click.Choice(COMPONENTS), help="Only lines of this component.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines of this level or above.")
@click.option("--since", type=Since(), metavar="T", help="Only lines since then: 10m, 2h, 2026-01-31T08:00 (UTC).")
@click.option("--rotate", is_flag=True, help="Begin new files for log and captured output; show nothing.")
@as_json
@everywhere
@pass_app
def logs(
    app: App,
    name: str,
    following: bool,
    lines: int | None,
    component: str | None,
    level: str | None,
    since: str | None,
    rotate: bool,
    json_wanted: bool,
) -> int:
    """Show the log of a bot, or of the daemon for NAME daemon."""
    path = _log_of(app, name)
    if rotate:
        return _say_rotated(app.services.rotate(app.home.log, name), json_wanted)
    count = lines if lines is not None else MAX_LINES if since else LINES
    read = app.services.follow if following else app.services.tail
    colour, shown = wants_colour(sys.stdout), 0
    with contextlib.suppress(KeyboardInterrupt):
        for shown, line in enumerate(read(path, count, chosen(component, level, since), since or ""), 1):  # noqa: B007
            click.echo(line if json_wanted else app.services.render_line(line, colour), color=colour)
    if not shown and not following and count:
        click.echo(f"no such line in {path}; without options the last {LINES} are shown", err=True)
    return DONE


def _say_rotated(names: Sequence[str], json_wanted: bool) -> int:
    click.echo(json.dumps({"rotated": list(names)}) if json_wanted else f"rotated: {', '.join(names) or 'nothing'}")
    return DONE


def _log_of(app: App, name: str) -> Path:
    """Return the file of a log that exists or may come to exist. Raises ConfigError for a name nobody knows."""
    folder = app.home.log
    existing = sorted({path.name.partition(".log")[0] for path in folder.glob("*.log*")}) if folder.is_dir() else []
    known = [*existing, *bot_names(app.home), "daemon"]
    if name not in known:
        raise unknown_name(name, list(dict.fromkeys(known)), "log")
    return folder / f"{name}.log"
