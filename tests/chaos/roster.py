"""The bots of a chaos run: who trades what, where, and within which limits."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from utils.home import CHECKOUT

STRATEGY = "chaos_maker"  # tests/chaos/misbehaving.py, placed into the run's own copy of the checkout
SECRET_KEYS = {"backpack": ("api_key", "api_secret"), "thalex": ("key_id", "private_key")}
_SHARED_ACCOUNTS = 2  # bots on one account: one for each market of the simulator

# (our symbol, the venue's, spot, order size, limit)
_MARKETS: dict[str, tuple[tuple[str, str, bool, str, str], ...]] = {
    "backpack": (
        ("SOL-USDC", "SOL_USDC", True, "0.1", "0.45"),
        ("SOL-PERP", "SOL_USDC_PERP", False, "0.1", "0.45"),
    ),
    "thalex": (
        ("BTC-PERP", "BTC-PERPETUAL", False, "0.01", "0.045"),
        ("BTC-27DEC30", "BTC-27DEC30", False, "0.01", "0.045"),
    ),
    "paper": (
        ("SOL-USDC", "SOL-USDC", True, "0.1", "0.45"),
        ("BTC-USDT", "BTC-USDT", True, "0.001", "0.0045"),
        ("SOL-PERP", "SOL-PERP", False, "0.1", "0.45"),
    ),
}


@dataclass(frozen=True, slots=True)
class BotSpec:
    """One bot. `account` is also the simulator's name of it."""

    name: str
    venue: str
    account: str
    symbol: str
    venue_symbol: str
    is_spot: bool
    order_size: Decimal
    max_position: Decimal

    @property
    def is_paper(self) -> bool:
        """Tell whether the bot has its venue inside."""
        return self.venue == "paper"


def roster(backpack: int, thalex: int, paper: int) -> list[BotSpec]:
    """Return so many bots of each venue; on the live ones two share an account and its key."""
    wanted = {"backpack": backpack, "thalex": thalex, "paper": paper}
    return [_spec(venue, number) for venue, count in wanted.items() for number in range(count)]


def _spec(venue: str, number: int) -> BotSpec:
    markets = _MARKETS[venue]
    symbol, venue_symbol, is_spot, size, limit = markets[number % len(markets)]
    name = f"{venue}-{number + 1}"
    account = name if venue == "paper" else f"{venue}-account-{number // _SHARED_ACCOUNTS + 1}"
    return BotSpec(name, venue, account, symbol, venue_symbol, is_spot, Decimal(size), Decimal(limit))


def secret_name(bot: BotSpec, key: str) -> str:
    """Return the variable that holds one half of a bot's key."""
    return f"{bot.account}_{key}".replace("-", "_").upper()


def config_of(bot: BotSpec, addresses: dict[str, str], order_file: Path) -> dict[str, Any]:
    """Return a bot's config; `order_file` is where its strategy looks for what to do wrong."""
    plain: dict[str, Any] = copy.deepcopy(
        json.loads((CHECKOUT / "config" / "templates" / f"{bot.venue}_market_maker.json").read_text())
    )
    plain["metadata"].update(name=bot.name, strategy=STRATEGY, description="")
    plain["daemon_config"].update(
        heartbeat_timeout_s=2,
        stop_timeout_s=20,
        backoff_initial_s=0.1,
        backoff_max_s=2,
        min_uptime_s=1,
        max_restarts=1000,
        memory_limit_mb=128,
    )
    plain["exchange_config"] = _exchange(bot, addresses)
    plain["strategy_config"] = _strategy(bot, order_file)
    plain["risk_config"] = {
        "max_position": float(bot.max_position),
        "max_open_orders": 8,
        "breaker_cooldown_s": 1,
        "max_book_age_s": 20,  # the markets stand still while books are compared
    }
    return plain


def _exchange(bot: BotSpec, addresses: dict[str, str]) -> dict[str, Any]:
    if bot.is_paper:
        return {
            "feed": "synthetic",
            "seed": int(bot.name.rpartition("-")[2]),
            "touch_prob": 0.5,
            "synthetic_volatility_bps": 2,
            "synthetic_trades_per_s": 3,
        }
    section: dict[str, Any] = {"mode": "live", "account": bot.account, **addresses}
    section |= {key: f"${{{secret_name(bot, key)}}}" for key in SECRET_KEYS[bot.venue]}
    if bot.venue == "thalex":
        section["cancel_on_disconnect_s"] = 6
    return section


def _strategy(bot: BotSpec, order_file: Path) -> dict[str, Any]:
    return {
        "symbol": bot.symbol,
        "interval_s": 2,
        "requote_bps": 5,
        "min_cycle_s": 0.2,
        "ack_timeout_s": 5,
        "price_tolerance_pct": 0.01,
        "size_tolerance_pct": 10,
        "amend_orders": True,  # Thalex and paper can
        "spread_pct": 0.06,
        "layers": 2,
        "layer_mode": "linear",
        "layer_step_pct": 0.03,
        "order_size": float(bot.order_size),
        "inventory_skew_enabled": False,
        "order_file": str(order_file),
    }
