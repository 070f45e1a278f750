"""What the supervisor knows of its bots, and how it is shown: the rows of `status --json`."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.bot_config import BotConfig
from core.process.health import Health
from core.process.worker_record import NEXT_RUN, State, WorkerRecord
from utils.input_validation import our_symbol

NO_SNAPSHOT: dict[str, Any] = {
    "phase": None,
    "open_orders": 0,
    "position": "0",
    "mid": None,
    "realised_pnl": "0",
    "unrealised_pnl": "0",
    "fees": "0",
    "funding": "0",
    "fills": 0,
    "quote_uptime_pct": 0.0,
    "gates": [],
    "config_digest": None,  # of the config that runs now
    "stats": {},  # how well it quotes, since its worker began
}
STATS = (  # of the worker's own figures, in the status
    "cycles",
    "orders_created",
    "orders_cancelled",
    "orders_amended",
    "orders_rejected",
    "fills_buy",
    "fills_sell",
    "volume_quote",
    "volume_base",
    "maker_volume",
    "taker_volume",
    "inventory_ratio",
    "spread_quoted_bps",
    "avg_entry",
    "last_action",
    "last_action_age_s",
    "breaker_state",
    "time_at_touch_pct",
    "spread_captured_bps",
    "adverse_markout_bps",
    "cancel_fill_ratio",
    "wear_rate",
    "cycle_ms",
    "peak_equity",
    "drawdown_pct",
    "reference_mid",
    "reference_age_s",
    "reference_stale",
)
_GROUPS = frozenset({"adverse_markout_bps", "cycle_ms"})  # of them several numbers each
LOOP = ("book_age_s", "last_ack_age_s", "loop_lag_ms")  # of the last heartbeat, for metrics only
SHOWN_WHILE_DOWN = ("position", "realised_pnl", "unrealised_pnl", "fees", "funding", "fills", "quote_uptime_pct")
_CARRIED = ("held_down", "in_registry", "snapshot", "extra", "last_exit", "left_orders", "ended_by")
NOTHING: Mapping[str, str] = {}
LIVING = (State.STARTING, State.RUNNING, State.STOPPING)


@dataclass(slots=True)
class BotEntry:
    """One bot: its config, what is decided about it, and what it said last."""

    config: BotConfig
    record: WorkerRecord
    held_down: bool = False  # an operator stopped it: a changed config does not start it
    in_registry: bool = True  # False: its file is gone, only what it left is swept
    snapshot: dict[str, Any] = field(default_factory=lambda: dict(NO_SNAPSHOT))
    extra: dict[str, Any] = field(default_factory=dict)
    last_exit: dict[str, Any] | None = None
    health: Health | None = None
    left_orders: list[str] = field(default_factory=list)
    ended_by: str = "clean"  # how the last stop ended: clean, swept or killed
    _unread: bytes = b""

    def row(self, now_ns: int, waits: str = "", dead_man: Mapping[str, str] = NOTHING) -> dict[str, Any]:
        """Return the bot's row of `status --json`; every key is always there. `waits`: what it waits for to start.

        `dead_man`: by leg, the state of a switch that is the whole account's.

        The orders of a dead bot stay in it until a sweep has confirmed that they are gone.
        """
        self._read()
        record, config = self.record, self.config
        living = record.state in LIVING and record.pid is not None
        shown = SHOWN_WHILE_DOWN if not record.dirty else (*SHOWN_WHILE_DOWN, "open_orders")
        # The worker of an older daemon may not say everything.
        told = {**NO_SNAPSHOT, **self.snapshot}
        said = told if living else {**NO_SNAPSHOT, **{key: told[key] for key in shown}}
        health = self.health if living else None
        return {
            "name": config.name,
            "kind": config.kind,
            "state": record.state.value,
            "wanted": self.wanted,
            "pid": record.pid if living else None,
            "uptime_s": _seconds(now_ns - record.started_ns) if living else 0.0,
            "restarts": record.restarts,
            "last_exit": self.last_exit,
            "reason": waits or self._reason(now_ns),
            "paused": record.paused,
            "closed": record.closed,
            "exchange": config.exchange,
            "symbol": our_symbol(config.symbol),
            "strategy": config.strategy,
            "mode": config.mode,
            "network": config.network,
            "heartbeat_age_s": _seconds(now_ns - record.heartbeat_ns) if living else None,
            "cpu_pct": health.cpu_pct if health else None,
            "pss_mb": health.pss_mb if health else None,
            **{key: said.get(key, default) for key, default in NO_SNAPSHOT.items()},
            "legs": self._legs(living, dead_man),
        }

    def brief(self) -> dict[str, Any]:
        """Return what an operator is told who asked something of the bot."""
        record = self.record
        said = {"name": record.name, "state": record.state.value, "reason": record.reason}
        return {**said, "paused": record.paused, "closing": record.closing, "closed": record.closed}

    @property
    def wanted(self) -> bool:
        """Tell whether it ought to be up: somebody wants it to, or it went down against that."""
        if self.record.wanted or self.held_down:
            return self.record.wanted
        ended = self.last_exit or {}
        ended_badly = bool(ended.get("signal")) or ended.get("status") not in (None, 0)
        return self.record.state in (State.FATAL, State.HALTED) or (self.record.state is State.STOPPED and ended_badly)

    @property
    def waits_for_its_run(self) -> bool:
        """Tell whether this is a job that ended well and is run again by the clock."""
        return self.record.state is State.BACKOFF and self.record.reason == NEXT_RUN

    def _reason(self, now_ns: int) -> str:
        record = self.record
        if not self.waits_for_its_run or record.due_ns is None:
            return record.reason
        return f"{NEXT_RUN} in {_seconds(record.due_ns - now_ns):.0f} s"

    def _legs(self, living: bool, dead_man: Mapping[str, str]) -> list[dict[str, Any]]:
        may_have_orders = living or self.record.dirty
        said = {leg["leg"]: leg for leg in self.extra.get("legs", [])}
        rows = []
        for leg in self.config.legs:
            row = said.get(leg.leg, {})
            rows.append(
                {
                    "leg": leg.leg,
                    "exchange": leg.exchange,
                    "account": leg.account,
                    "symbol": our_symbol(leg.symbol),
                    "position": _shaped(row.get("position"), "0"),
                    "open_orders": _shaped(row.get("open_orders"), 0) if may_have_orders else 0,
                    "dead_man": dead_man.get(leg.leg) or _shaped(row.get("dead_man"), "none"),
                    "clock_offset_ms": _number(row.get("clock_offset_ms")) if living else None,
                }
            )
        return rows

    def hear(self, packet: bytes) -> None:
        """Take over a heartbeat; it is read when somebody asks, which is rare."""
        self._unread = packet

    def _read(self) -> None:
        """Read the newest heartbeat; unknown keys are kept apart, what makes no sense changes nothing."""
        packet, self._unread = self._unread, b""
        if not packet:
            return
        try:
            snapshot = json.loads(packet)["snapshot"]
            self.snapshot = {key: _shaped(snapshot.get(key), default) for key, default in NO_SNAPSHOT.items()}
            stats = self.snapshot["stats"]
            self.snapshot["stats"] = {key: _told(key, stats[key]) for key in STATS if key in stats}
            legs, loop = snapshot.get("legs"), {key: _number(snapshot.get(key)) for key in LOOP}
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return
        given = legs if isinstance(legs, list) else ()
        known = [leg for leg in given if isinstance(leg, dict) and isinstance(leg.get("leg"), str)]
        self.extra = {"legs": known, "loop": loop}

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `from_plain` is its inverse. Health is measured anew."""
        self._read()
        plain = {key: getattr(self, key) for key in _CARRIED}
        return {**plain, "config": self.config.to_plain(), "record": self.record.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> BotEntry:
        """Rebuild from `to_plain` data. Raises KeyError, TypeError or ValueError when it is something else."""
        config, record = BotConfig.from_plain(plain["config"]), WorkerRecord.from_plain(plain["record"])
        entry = cls(config, record, **{key: plain[key] for key in _CARRIED})
        if record.state is State.RUNNING and record.pid is not None:
            entry.health = Health(record.pid)
        return entry


def _shaped(value: Any, default: Any) -> Any:
    """Return what a worker said when it has the shape that a row needs, else the default."""
    if default is None:
        return value if isinstance(value, str) else None
    if isinstance(default, float):
        return default if (number := _number(value)) is None else float(number)
    if isinstance(default, list):
        return [str(item) for item in value] if isinstance(value, list) else default
    return value if type(value) is type(default) else default


def _number(value: Any) -> float | None:
    """Return a number that a worker said, None for anything else."""
    try:
        return value if isinstance(value, int | float) and math.isfinite(value) else None
    except OverflowError:  # a whole number that no float can hold
        return None


def _told(key: str, value: Any) -> Any:
    """Return one of the `STATS`: a number, decimal text, or numbers by name; None for anything else."""
    if key in _GROUPS:
        return {name: _number(one) for name, one in value.items()} if isinstance(value, dict) else {}
    return value if isinstance(value, str) else _number(value)


def last_known(figures: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is shown of a bot that has not spoken yet: what its ledger says."""
    return {key: (figures or {}).get(key, default) for key, default in NO_SNAPSHOT.items()}


def exit_entry(status: int | None, signal: int | None, reason: str, log_tail: list[str]) -> dict[str, Any]:
    """Return the `last_exit` of a row."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"status": status, "signal": signal, "reason": reason, "at": at, "log_tail": log_tail}


def fleet_line(bots: Iterable[BotEntry]) -> str:
    """Return how many bots are in which state, in one line."""
    states = Counter(bot.record.state for bot in bots)
    shown = ", ".join(f"{states[state]} {state.value}" for state in State if states[state])
    return f"{states.total()} bots: {shown}" if shown else "no bots"


def _seconds(duration_ns: int) -> float:
    return round(max(0, duration_ns) / 1e9, 2)
