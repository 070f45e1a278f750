"""The flags of a direct run -> one config of four sections, and what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from core.bot_config import REFERENCE_SECTION, BotConfig
from core.registry.key_names import variable_of
from core.registry.legs import hedge_venue
from core.registry.schema import BotSchema
from utils.home import Home
from utils.input_validation import printable, symbol_key

HEDGE_SECTION = "hedge_exchange_config"
OTHER_MARKETS = (HEDGE_SECTION, REFERENCE_SECTION)  # sections that most bots have not
SECTIONS = ("metadata", "daemon_config", "exchange_config", "strategy_config", "risk_config", *OTHER_MARKETS)
ORDER_VALUE = 100  # quote units an order, where the user says nothing of its size
TOLERANCE_OF_SPREAD = 0.25  # a quote may be off by this share of the spread before it is replaced
_FLAGS = {"spread": "spread_pct", "max_orders": "layers", "duration": "duration_s", "interval": "interval_s"}
_WHERE = ("feed", "mode", "network", "ws_url")  # keys of exchange_config that say where the orders go
_SIZES = ("order_size", "order_size_quote", "order_size_pct", "layer_sizes")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says."""

    symbol: str
    exchange: str = "paper"
    strategy: str = "market_maker"
    spread: float | None = None
    max_orders: int | None = None
    duration: float | None = None
    interval: float | None = None
    settings: tuple[str, ...] = ()
    keys: Mapping[tuple[str, str], Any] = field(default_factory=dict)  # section and key of the flags made of the schema
    feed: str | None = None
    name: str | None = None
    live: bool = False


def direct_config(wish: Wish, home: Home) -> dict[str, Any]:
    """Return the config, not yet validated. Raises click.UsageError for a setting that is none."""
    name = wish.name or _default_name(wish)
    plain: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    plain["metadata"] = {"name": name, "exchange": wish.exchange, "strategy": wish.strategy, "schema_version": 1}
    # A direct run is over when its bot is: what it was started for ends with exit status 0.
    plain["daemon_config"] = {"restart": "on-failure"}
    plain["strategy_config"] = {"symbol": wish.symbol, **_flagged(wish)}
    if wish.feed is not None:
        plain["exchange_config"]["feed"] = wish.feed
    for setting in wish.settings:
        section, key, value = setting_of(setting)
        plain[section][key] = value
    for (section, key), value in wish.keys.items():
        _put_once(plain[section], key, value, wish)
    hedge = hedge_venue(plain["metadata"], plain["strategy_config"])
    if wish.live:
        plain["exchange_config"]["mode"] = "live"
        if hedge is not None and hedge != wish.exchange:
            plain[HEDGE_SECTION]["mode"] = "live"
    _fill(plain, BotSchema(wish.exchange, wish.strategy, hedge), home)
    _fill_keys(plain[HEDGE_SECTION], HEDGE_SECTION, hedge, BotSchema(wish.exchange, wish.strategy, hedge))
    for section in OTHER_MARKETS:
        if not plain[section]:
            del plain[section]
    return plain


def _put_once(section: dict[str, Any], key: str, value: Any, wish: Wish) -> None:
    """Set a key by its own flag. Raises click.UsageError when a shorthand or --set says something else of it."""
    said = key in _flagged(wish) or any(one.partition("=")[0].rpartition(".")[2] == key for one in wish.settings)
    if said and section.get(key, value) != value:
        raise click.UsageError(f"{key} is given twice: {section[key]!r} and {value!r}")
    section[key] = value


def _default_name(wish: Wish) -> str:
    text = f"direct-{wish.exchange}-{wish.symbol}".lower()
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in text)[:64]


def _flagged(wish: Wish) -> dict[str, Any]:
    return {key: value for flag, key in _FLAGS.items() if (value := getattr(wish, flag)) is not None}


def setting_of(text: str) -> tuple[str, str, Any]:
    """Return section, key and value of `KEY=VALUE` or `section.KEY=VALUE`; a value is JSON, or else text."""
    path, equals, given = text.partition("=")
    section, dot, key = path.rpartition(".")
    section = section if dot else "strategy_config"
    section = section if section in SECTIONS else f"{section}_config"
    if not equals or not key or section not in SECTIONS:
        raise click.UsageError(
            f"--set {printable(text)}: expected KEY=VALUE, or section.KEY=VALUE with {', '.join(SECTIONS)}"
        )
    try:
        return section, key, json.loads(given)
    except ValueError:
        return section, key, given


def _fill(plain: dict[str, dict[str, Any]], schema: BotSchema, home: Home) -> None:
    """Add what a run of a few flags needs, where strategy and venue have such keys and the user says nothing."""
    strategy, exchange = plain["strategy_config"], plain["exchange_config"]
    if schema.node(("strategy_config", "order_size_quote")) and not any(key in strategy for key in _SIZES):
        strategy["order_size_quote"] = ORDER_VALUE
    spread = strategy.get("spread_pct")
    if schema.node(("strategy_config", "price_tolerance_pct")) and isinstance(spread, int | float) and spread > 0:
        strategy.setdefault("price_tolerance_pct", spread * TOLERANCE_OF_SPREAD)
    _fill_keys(exchange, "exchange_config", plain["metadata"]["exchange"], schema)
    if schema.node(("exchange_config", "feed")) and "feed" not in exchange:
        is_group = bool(strategy.get("instruments"))  # a recording is of one market
        recorded = None if is_group else recorded_feed(str(strategy["symbol"]), home)
        exchange["feed"] = recorded or "synthetic"


def _fill_keys(section: dict[str, Any], name: str, venue: str | None, schema: BotSchema) -> None:
    """Refer to the keys of a live venue by the names of the templates and of .env.example."""
    if section.get("mode") == "live" and venue is not None:
        for key in (schema.section(name) or {}).get("x-live-required", ()):
            section.setdefault(key, f"${{{variable_of(venue, key)}}}")


def recorded_feed(symbol: str, home: Home) -> str | None:
    """Return `replay:FILE` of a recording of `symbol`, the user's own first; None when there is none."""
    found = [
        (described.get("kind") != "spot", f"replay:{path.stem}.csv.gz")
        for folder in home.data_dirs
        for path in sorted(Path(folder).glob("*.json"))
        if _lists(described := _described(path), symbol) and path.with_name(f"{path.stem}.csv.gz").is_file()
    ]
    return min(found, key=lambda one: one[0])[1] if found else None


def _described(path: Path) -> Mapping[str, Any]:
    try:
        described = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return described if isinstance(described, dict) else {}


def _lists(described: Mapping[str, Any], symbol: str) -> bool:
    names = (described.get("symbol"), described.get("venue_symbol"))
    return symbol_key(symbol) in [symbol_key(name) for name in names if isinstance(name, str)]


def meanings(plain: Mapping[str, Mapping[str, Any]], config: BotConfig, path: Path) -> Iterator[str]:
    """Yield what will be run, line by line: each number with its meaning from the schema."""
    schema = BotSchema(config.exchange, config.strategy, config.hedge_exchange)
    what = [f"{config.name}: {config.strategy} on {config.exchange}", config.symbol]
    what += [f"{key} {value}" for key in _WHERE if (value := config.exchange_config.get(key)) is not None]
    yield ", ".join(what)
    shown = [*(key for key in _FLAGS.values() if key in config.strategy_config)]
    shown += [key for key in plain["strategy_config"] if key not in (*shown, "symbol")]
    for key in shown:
        node = schema.node(("strategy_config", key)) or {}
        yield f"  {key:<20} {config.strategy_config[key]!s:<8} {node.get('description', '')}"
    yield f"  config: {path}"
