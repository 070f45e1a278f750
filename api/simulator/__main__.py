"""`python -m api.simulator VENUE`: a venue's own protocol on loopback, for tests and rehearsals.

The first line of stdout is JSON: where it listens, and a throw-away set of credentials. Log lines go to stderr.
Ends on SIGTERM or SIGINT; with --with-parent also when its stdin is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from utils.errors import ConfigError
from utils.exit_statuses import COMMAND_USAGE, REFUSED

if TYPE_CHECKING:
    from api.simulator.running import Running
    from api.simulator.server import VenueServer

_FOLDER = Path(__file__).resolve().parent
_LIBRARIES = {"aiohttp": "aiohttp", "cryptography": "cryptography"}  # module -> package


def venues() -> list[str]:
    """Return the venues that can be simulated: the modules here that have a SERVER."""
    marked = re.compile(r"^SERVER\b", re.MULTILINE)
    return sorted(path.stem for path in _FOLDER.glob("*.py") if marked.search(path.read_text(encoding="utf-8")))


def server_class(venue: str) -> type[VenueServer]:
    """Return a venue's server. Raises ConfigError when there is none, or when a library is missing."""
    if venue not in venues():
        raise ConfigError(f"venue {venue!r} cannot be simulated; there are: {', '.join(venues()) or 'none'}")
    try:
        module = importlib.import_module(f"api.simulator.{venue}")
    except ModuleNotFoundError as exc:
        package = _LIBRARIES.get(str(exc.name).partition(".")[0])
        if package is None:
            raise
        raise ConfigError(f"the simulator needs {package}, which is not installed: pip install {package}") from exc
    found: type[VenueServer] = module.SERVER
    return found


@click.command(help=__doc__)
@click.argument("venue")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the venue; 0: a free one.")
@click.option("--control-port", type=click.IntRange(0, 65535), default=0, help="Port of /_sim/; 0: a free one.")
@click.option("--feed", default="synthetic", show_default=True, help="synthetic or replay:FILE.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the market, of the draws and of the keys.")
@click.option("--accounts", type=click.Path(path_type=Path), help="JSON list of accounts; default: a and b.")
@click.option("--symbol", "symbols", multiple=True, help="List only this market; may be repeated.")
@click.option("--with-parent", is_flag=True, help="End when stdin is closed.")
@click.option("--fill-model", type=click.Choice(["touch", "cross"]), default="touch", show_default=True)
@click.option("--touch-prob", type=click.FloatRange(0, 1), default=0.1, show_default=True)
@click.option("--max-open-orders", type=click.IntRange(1), default=200, show_default=True, help="Of an account.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Rate limit, where the venue has such a one.")
@click.option("--volatility-bps", type=click.FloatRange(0), default=1.0, show_default=True, help="Per sqrt(second).")
@click.option("--trades-per-s", type=click.FloatRange(0), default=2.0, show_default=True)
@click.option("--interval-ms", type=click.FloatRange(0.05), default=100, show_default=True, help="Between pictures.")
@click.option("--tick-ms", type=click.FloatRange(1), default=20, show_default=True, help="Between steps of the market.")
@click.option("--depth", type=click.IntRange(1, 32), default=20, show_default=True, help="Levels that are displayed.")
def simulate(venue: str, **options: Any) -> None:
    """Run the simulator of one venue."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        running = _build(server_class(venue), options)
    except ConfigError as exc:
        _leave(str(exc), COMMAND_USAGE)
    try:
        asyncio.run(_run(running, options))
    except OSError as exc:
        _leave(f"cannot listen ({exc.strerror or exc})", REFUSED)


def _leave(message: str, status: int) -> Any:
    click.echo(f"makerd simulator: {message}", err=True)
    raise SystemExit(status)


def _build(server_type: type[VenueServer], options: dict[str, Any]) -> Running:
    """Return everything, not yet listening. Raises ConfigError."""
    from api.simulator.accounts import default_accounts, read_accounts  # after aiohttp is known to be there
    from api.simulator.control import Control
    from api.simulator.faults import Faults
    from api.simulator.market_setup import FeedOptions, build_exchange, choose_listings
    from api.simulator.running import Running
    from core.market.fill_rules import MatchingRules

    seed, path = options["seed"], options["accounts"]
    names = ("feed", "seed", "interval_ms", "depth", "volatility_bps", "trades_per_s")
    feeds = FeedOptions(**{name: options[name] for name in names})
    rules = MatchingRules(options["fill_model"], options["touch_prob"], max_open_orders=options["max_open_orders"])
    listings = choose_listings(server_type.listings(), options["symbols"])
    accounts = read_accounts(path, server_type, seed) if path else default_accounts(server_type, seed)
    exchange = build_exchange(listings, feeds, rules, time.time_ns())
    for account in accounts:
        exchange.add_account(account.account, account.balances)
    server = server_type(exchange, Faults(time.time_ns), accounts, time.time_ns)
    server.tick_s = options["tick_ms"] / 1000
    if options["requests_per_minute"]:
        server.limit_requests(options["requests_per_minute"])
    return Running(server, Control(server, seed).app())


async def _run(running: Running, options: dict[str, Any]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options["with_parent"]:
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    try:
        hello = await running.start(options["port"], options["control_port"])
        print(json.dumps(hello), flush=True)
        await running.wait(stop)
    finally:
        await running.close()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    simulate()
