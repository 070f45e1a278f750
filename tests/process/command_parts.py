"""Paper bots for tests of what a supervisor says to a worker: one that rests quietly, one that fills."""

from __future__ import annotations

import copy
import sqlite3
from typing import Any

from core.bot_config import BotConfig
from core.process.run_record import RunRecord
from core.process.sweep import sweep
from core.registry.config_manager import load_plain
from tests.process.live_parts import TEMPLATE, LiveWorker
from utils.home import Home

PATIENT = {"max_book_age_s": 60, "max_position_age_s": 300}  # a busy machine is no reason to take quotes off
QUIET: dict[str, dict[str, Any]] = {
    "exchange_config": {"feed": "synthetic", "synthetic_volatility_bps": 0.1},
    "strategy_config": {
        "symbol": "SOL-USDC", "spread_pct": 4.0, "order_size": 1, "layer_step_ticks": 100, "interval_s": 0.5,
        "price_tolerance_pct": 1.0, "inventory_skew_enabled": False, "price_skew": 0.0, "requote_bps": 0,
        "ack_timeout_s": 60,
    },
    "risk_config": {"max_position": 50, **PATIENT},
}  # fmt: skip
BUSY: dict[str, dict[str, Any]] = {
    "exchange_config": {"feed": "synthetic", "synthetic_trades_per_s": 100, "touch_prob": 1.0, "latency_ms": 2},
    "strategy_config": {
        "symbol": "SOL-PERP", "spread_pct": 0.002, "layers": 1, "order_size": 1, "interval_s": 0.2,
        "inventory_skew_enabled": False, "price_skew": 0.0,
    },
    "risk_config": {"max_position": 3, **PATIENT},
}  # fmt: skip


def paper_bot(home: Home, kind: dict[str, dict[str, Any]], name: str = "bot", **sections: dict[str, Any]) -> BotConfig:
    """Return the config of a paper bot; sections are merged over its kind."""
    plain = copy.deepcopy(TEMPLATE)
    plain["metadata"]["name"] = name
    for source in (kind, sections):
        for section, values in source.items():
            plain.setdefault(section, {}).update(values)
    return load_plain(plain, name, home, {})


def venue_orders(home: Home) -> dict[str, str]:
    """Return what rests on the paper venue: client order id -> the venue's; nobody may have it open."""
    (path,) = (home.state / "paper").glob("*.db")
    db = sqlite3.connect(path)
    try:
        return dict(db.execute("SELECT client_order_id, venue_order_id FROM orders"))
    finally:
        db.close()


def record(home: Home, name: str = "bot") -> RunRecord:
    """Return a bot's run record."""
    found = RunRecord.read(home.bot_state(name))
    assert found is not None
    return found


def ledger_orders(home: Home, name: str = "bot") -> dict[str, str]:
    """Return what a bot's ledger calls open: client order id -> the venue's; its worker may live."""
    db = sqlite3.connect(home.bot_state(name) / "ledger.db", timeout=10)
    try:
        return dict(db.execute("SELECT client_order_id, venue_order_id FROM orders WHERE closed = 0"))
    finally:
        db.close()


def swept(home: Home, config: BotConfig) -> None:
    """Sweep as a sweeper does; nothing may be left."""
    result = sweep(home, config, {})
    assert (result.confirmed, result.left) == (True, ()), result
    assert venue_orders(home) == {}
    assert record(home, config.name).clean
    assert record(home, config.name).handover is None


def resting(worker: LiveWorker, count: int = 6) -> LiveWorker:
    """Wait until so many orders rest, and nothing is in flight."""
    worker.until(lambda: (beat := worker.beat()).get("phase") == "QUOTING" and beat["open_orders"] == count)
    return worker
