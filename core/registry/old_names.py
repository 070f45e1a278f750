"""How keys were called in older versions of the format."""

from __future__ import annotations

from collections.abc import Mapping

# Version 0 called keys like the flags of run.py, without their unit.
RENAMED_IN_1: Mapping[str, Mapping[str, str]] = {
    "strategy_config": {
        "spread": "spread_pct",
        "bid_spread": "bid_spread_pct",
        "ask_spread": "ask_spread_pct",
        "max_orders": "layers",
        "interval": "interval_s",
        "duration": "duration_s",
    },
    "daemon_config": {
        "restart_window": "restart_window_s",
        "heartbeat_timeout": "heartbeat_timeout_s",
        "stop_timeout": "stop_timeout_s",
        "memory_limit": "memory_limit_mb",
        "restart_interval": "restart_interval_min",
    },
}
