"""The command of `run.py`: the menu, or one bot run directly, which is a supervisor of its own with one config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.completion import exchanges, strategies
from cli.direct_config import Wish, direct_config, meanings
from cli.direct_flags import KEYS, KeyedCommand
from cli.direct_run import AT_REST, DirectRun
from cli.live import agree_to_live, agree_to_one, live_option
from cli.shared import App, DoorCommand, complaints_of, everywhere, pass_app
from core.process.control import ControlRefused, DaemonDown, call
from core.registry.live_consent import subject_of, trades_real_money
from utils import exit_statuses
from utils.errors import ConfigError, MakerdError, RiskHalt, VenueAuthError, VenueUnreachable
from utils.files import open_locked, write_json_atomic
from utils.home import Home
from utils.version import __version__


class DirectCommand(DoorCommand):
    """Ends like a worker does: 64 for a wrong usage, 78 for a wrong config."""

    usage_status = exit_statuses.USAGE
    statuses = {  # noqa: RUF012  # a table, read from the top
        ConfigError: exit_statuses.CONFIG,
        VenueAuthError: exit_statuses.AUTH,
        VenueUnreachable: exit_statuses.VENUE_UNREACHABLE,
        RiskHalt: exit_statuses.RISK_HALT,
        MakerdError: exit_statuses.REFUSED,
        OSError: exit_statuses.REFUSED,
        ModuleNotFoundError: exit_statuses.REFUSED,
        Exception: exit_statuses.CRASH,
    }


class KeyedDirectCommand(DirectCommand, KeyedCommand):
    """The command of a direct run: its flags are also the keys of what it runs."""


@click.command(cls=KeyedDirectCommand, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="makerd", message="%(prog)s %(version)s")
@click.option("--cli", "menu", is_flag=True, help="Open the interactive menu.")
@click.option("--web", "monitor", is_flag=True, help="Serve the monitor in the foreground (docs/system/monitor.md).")
@click.option("--host", help="With --web: the address that it listens on; default web.host of config/daemon.json.")
@click.option("--port", type=click.IntRange(0, 65535), help="With --web: its port; default web.port.")
@click.option("--exchange", default="paper", show_default=True, shell_complete=exchanges, help="Venue.")
@click.option("--symbol", help="What to trade, such as BTC-USDT; needed for a direct run.")
@click.option("--strategy", default="market_maker", show_default=True, shell_complete=strategies, help="Strategy.")
@click.option("--spread", type=float, help="spread_pct: percent of the mid, full width between bid and ask.")
@click.option("--max-orders", type=int, help="layers: orders per side.")
@click.option("--duration", type=float, help="duration_s: seconds until it ends by itself; 0 is never.")
@click.option("--interval", type=float, help="interval_s: seconds between two regular decisions.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any strategy key, or section.key; repeatable."
)
@click.option("--feed", help="Prices of the paper venue: synthetic, or replay:FILE.")
@click.option("--name", help="The bot's name; default direct-<exchange>-<symbol>.")
@live_option
@everywhere
@pass_app
def direct(
    app: App,
    /,
    menu: bool,
    monitor: bool,
    host: str | None,
    port: int | None,
    symbol: str | None,
    settings: tuple[str, ...],
    live: bool,
    **options: Any,
) -> int:
    """Open the menu (--cli), the monitor (--web), or run one bot in the foreground until it ends or Ctrl-C stops it.

    Every key of the config is a flag: those below are of the chosen --exchange and --strategy.
    `run.py smoke NAME` tries a bot's venue, key and config with the smallest orders, far from the touch.
    """
    if menu:
        return app.run_menu()
    if monitor:
        from cli.web import run_web

        return run_web(app, host, port, lambda: agree_to_live(app.home, (), False))
    if not symbol:
        raise click.UsageError("--symbol is needed for a direct run, such as --symbol BTC-USDT (or use --cli, --web)")
    keys = click.get_current_context().meta.get(KEYS, {})
    plain = direct_config(Wish(symbol=symbol, settings=settings, keys=keys, live=live, **options), app.home)
    return run_plain(app, plain, live)


def run_plain(app: App, plain: dict[str, Any], live: bool) -> int:
    """Run one config in the foreground; return its exit status. Raises ConfigError and what a start raises."""
    from core.registry.config_manager import load_plain

    name = str(plain["metadata"]["name"])
    config = load_plain(plain, "the command line", app.home, os.environ)
    _refuse_owned(app, name)
    if trades_real_money(config):
        agree_to_one(app.home, name, subject_of(config), live)
    folder = _folder(app.home, config.name)
    lock = open_locked(folder / "direct.lock")
    if lock is None:
        raise MakerdError(f"a direct run of {name} is going on; stop that one, or choose another --name")
    try:
        path = folder / "active" / f"{name}.json"
        write_json_atomic(path, plain)
        click.echo("\n".join(meanings(plain, config, path)))
        return _supervised(app, folder, name)
    finally:
        os.close(lock)


def _refuse_owned(app: App, name: str) -> None:
    """Raise ConfigError when the running daemon of this home has the bot; its symbol is the claims' affair."""
    try:
        found = call(app.home, "status")
    except (DaemonDown, ControlRefused):
        return
    if any(row["name"] == name and row["state"] not in AT_REST for row in found["bots"]):
        raise ConfigError(
            f"bot {name!r} is run by the daemon (pid {found['daemon']['pid']}); "
            f"stop it there with `bot stop {name}`, or choose another --name"
        )


def _folder(home: Home, name: str) -> Path:
    folder = home.run / f"direct-{name}"
    (folder / "active").mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _supervised(app: App, folder: Path, name: str) -> int:
    try:
        handle = app.services.start_direct(app.home, folder / "active", folder)
    except MakerdError as exc:
        complaints = complaints_of(getattr(exc, "invalid", ()))
        if not complaints:
            raise
        raise ConfigError("\n".join(complaints)) from exc
    return DirectRun(app.services, app.home, folder, name, handle).run()


class _AllOf(KeyedCommand, click.Group):
    """The second door as one group: a direct run with its flags, and the commands beside it."""

    usage_status = exit_statuses.USAGE


def second_door(direct: click.Command, others: Mapping[str, click.Command]) -> click.Group:
    """Return what a shell is told of `run.py`, and who asks for a command that there is none of; nothing runs it."""
    return _AllOf("run.py", commands=dict(others), params=list(direct.params), invoke_without_command=True)
