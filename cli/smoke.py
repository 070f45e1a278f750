"""`run.py smoke NAME`: the smallest orders, far from the touch, moved and cancelled, on the venue of an active bot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cli.completion import bots
from cli.direct import DirectCommand, run_plain
from cli.live import live_option
from cli.offline import configs_in, whole_config
from cli.shared import App, everywhere, pass_app, unknown_name
from core.registry.live_consent import is_real_money, is_simulated
from core.registry.schema import BotSchema
from utils.errors import ConfigError
from utils.exit_statuses import DONE, REFUSED
from utils.home import Home

MAX_POSITION_QUOTE = 1000  # should one of them fill all the same
ROUND_S = 5
TOLERANCE_PCT = 0.05


@click.command(cls=DirectCommand, name="smoke")
@click.argument("name", shell_complete=bots)
@click.option("--duration", type=click.FloatRange(10, 3600), default=120.0, show_default=True, help="Seconds.")
@live_option
@everywhere
@pass_app
def smoke(app: App, name: str, duration: float, live: bool) -> int:
    """Try venue, key and config of an active bot: read everything, place, move, cancel, verify that nothing is left.

    On the venue's test net where it has one, unless --live.
    """
    plain = smoke_config(app.home, name, duration, live)
    trial = str(plain["metadata"]["name"])
    before = _counters(app, trial)
    status = run_plain(app, plain, live)
    after = _counters(app, trial)
    made = {key: after.get(key, 0) - before.get(key, 0) for key in _TOLD}
    for line in _told(made):
        click.echo(line)
    return REFUSED if status == DONE and not (made["orders_created"] and made["orders_cancelled"]) else status


_TOLD = {
    "orders_created": "orders placed",
    "orders_cancelled": "orders cancelled",
    "orders_rejected": "orders refused by the venue",
    "fills_buy": "buys filled",
    "fills_sell": "sells filled",
}


def _told(made: Mapping[str, int]) -> list[str]:
    lines = [f"  {text:<28}{made[key]}" for key, text in _TOLD.items()]
    if not (made["orders_created"] and made["orders_cancelled"]):
        lines.append("  not proven: no order was both placed and cancelled; the log of the bot says why")
    return lines


def _counters(app: App, name: str) -> Mapping[str, int]:
    counters: Mapping[str, int] = (app.services.figures(app.home, name) or {}).get("counters", {})
    return counters


def smoke_config(home: Home, name: str, duration_s: float, live: bool) -> dict[str, Any]:
    """Return the config of a trial of an active bot. Raises ConfigError for real money without `live`."""
    configs = {config.name: config for config in configs_in(home.active, home) if config.name}
    if name not in configs:
        raise unknown_name(name, list(configs), "active bot")
    found = configs[name]
    section = whole_config(found, home).get("exchange_config", {})
    exchange = {**section, "account": found.account, **_venue_keys(found.exchange, section, live)}
    return {
        "metadata": {"name": _trial_name(name, exchange), "exchange": found.exchange, "strategy": "smoke"},
        "daemon_config": {"restart": "never"},
        "exchange_config": exchange,
        "strategy_config": {
            "symbol": found.symbol,
            "duration_s": duration_s,
            "interval_s": ROUND_S,
            "price_tolerance_pct": TOLERANCE_PCT,
        },
        "risk_config": {"max_position_usd": MAX_POSITION_QUOTE},
    }


def _trial_name(name: str, exchange: Mapping[str, Any]) -> str:
    """Return the bot's name in a trial; simulator, test net and venue have a ledger each."""
    where = "-sim" if is_simulated(exchange) else "-test" if exchange.get("network") == "test" else ""
    return f"smoke{where}-{name}"[:64]


def _venue_keys(exchange: str, section: Mapping[str, Any], live: bool) -> dict[str, Any]:
    """Return mode and network of a trial."""
    schema = BotSchema(exchange, "smoke")
    modes, networks = ((schema.node(("exchange_config", key)) or {}).get("enum", ()) for key in ("mode", "network"))
    keys: dict[str, Any] = {"mode": "live"} if "live" in modes else {}
    if "test" in networks and not live:
        keys["network"] = "test"
    if is_real_money({**section, **keys}) and not live:
        has_test_net = "test" in networks
        why = "an address of another host may be the real venue" if has_test_net else f"{exchange} has no test net"
        raise ConfigError(
            f"{why}: --live places real orders (the smallest, far from the touch); "
            "a simulator's base_url and ws_url need no --live"
        )
    return keys
