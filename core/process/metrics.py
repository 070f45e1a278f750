"""The answer to the control verb `metrics`: plain numbers of daemon and bots; None is "not known", never 0."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from core.bot_config import Leg
from core.process.event_desk import EventDesk
from core.process.fleet import LOOP, BotEntry
from core.process.turn_clock import TurnClock
from core.process.worker_record import State
from utils.input_validation import our_symbol
from utils.version import __version__

NUMBERS = ("uptime_s", "heartbeat_age_s", "pss_mb", "cpu_pct", "open_orders", "fills", "quote_uptime_pct", "restarts")
MONEY = ("realised_pnl", "unrealised_pnl", "fees", "funding", "position")
QUALITY = (
    "time_at_touch_pct", "spread_captured_bps", "cancel_fill_ratio", "wear_rate", "peak_equity", "drawdown_pct",
    "spread_quoted_bps", "inventory_ratio", "volume_base", "volume_quote", "maker_volume", "taker_volume",
)  # fmt: skip
HORIZONS_S = ("1", "5", "30", "60")
LABELS = ("name", "state", "exchange", "symbol", "strategy", "mode")


def metrics_of(
    bots: Mapping[str, BotEntry], events: EventDesk, turns: TurnClock, started_ns: int, now_ns: int
) -> dict[str, Any]:
    """Return the figures of one daemon."""
    return {
        "daemon": {
            "version": __version__,
            "pid": os.getpid(),
            "time_s": time.time(),
            "uptime_s": (now_ns - started_ns) / 1e9,
            "cpu_s": time.process_time(),
            "open_files": len(os.listdir("/proc/self/fd")),
            "loop_turns": turns.turns,
            "loop_busy_s": turns.busy_ns / 1e9,
            "loop_lag_worst_s": turns.worst_ns(now_ns) / 1e9,
            "events": events.written,
            "events_lost": events.lost,
            "alerts_sent": events.notifiers.started,
            "alerts_suppressed": events.limiter.suppressed,
            "alerts_dropped": events.notifiers.dropped,
            **{name: events.counts[name] for name in ("forks", "sweeps", "restarts", "zygotes_lost")},
        },
        "alerts": {name.partition(":")[2]: n for name, n in events.counts.items() if name.startswith("alert:")},
        "states": [state.value for state in State],
        "bots": [_figures(bot, now_ns) for _, bot in sorted(bots.items())],
    }


def _figures(bot: BotEntry, now_ns: int) -> dict[str, Any]:
    row = bot.row(now_ns)
    health = bot.health if row["pid"] is not None else None
    return {
        **{key: row[key] for key in (*LABELS, *NUMBERS)},
        **{key: _number(row[key]) for key in MONEY},
        **{key: bot.extra.get("loop", {}).get(key) if row["pid"] is not None else None for key in LOOP},
        **_quality(row["stats"]),
        "account": bot.config.account,
        "clock_offset_ms": row["legs"][0]["clock_offset_ms"] if row["legs"] else None,
        "reference": _reference(bot.config.reference, row["stats"]),
        "reference_age_s": _number(row["stats"].get("reference_age_s")),
        "gates": len(row["gates"]),
        "open_files": health.open_files if health else None,
        "log_bytes": health.log_bytes if health else None,
    }


def _reference(beside: Leg | None, stats: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the market whose price a bot looks at, and whether it hears one; None where there is none."""
    if beside is None:
        return None
    is_heard = stats.get("reference_stale") == ""
    return {"exchange": beside.exchange, "symbol": our_symbol(beside.symbol), "is_heard": is_heard}


def _quality(stats: Mapping[str, Any]) -> dict[str, float | None]:
    """Return how well a bot quotes; all of it None while no worker has said anything."""
    markouts, cycles = stats.get("adverse_markout_bps") or {}, stats.get("cycle_ms") or {}
    return {
        **{key: _number(stats.get(key)) for key in QUALITY},
        **{f"adverse_markout_{one}s_bps": _number(markouts.get(one)) for one in HORIZONS_S},
        **{f"cycle_{name}_ms": _number(cycles.get(name)) for name in ("p50", "p99")},
    }


def _number(text: Any) -> float | None:
    """Return decimal text as a number; None when it is something else."""
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
