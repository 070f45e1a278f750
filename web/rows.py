"""From the daemon's `status` to what the monitor shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

Row = dict[str, Any]
BAD, WARN, FINE = "bad", "warn", ""
SILENT_S = 5.0  # a heartbeat comes once a second

# What a viewer has to see at once; every other key may come a little later.
LOUD = (
    "state",
    "phase",
    "gates",
    "reason",
    "restarts",
    "pid",
    "wanted",
    "paused",
    "closed",
    "open_orders",
    "position",
    "fills",
    "realised_pnl",
    "why",
    "attention",
    "config_digest",
)
# These grow by themselves: a row is not sent again for their sake alone.
AGES = ("uptime_s", "heartbeat_age_s", "equity_spark")

_STATES: dict[str, tuple[str, str]] = {  # state -> (attention, what to say when the daemon gives no reason)
    "FATAL": (BAD, "given up after repeated failures; look at its last exit, then `reset`"),
    "HALTED": (BAD, "halted by a risk limit; look why, then `reset`"),
    "SWEEPING": (WARN, "it died: its orders are being cancelled"),
    "BACKOFF": (WARN, "waits to be started again"),
    "STARTING": (FINE, "is starting"),
    "STOPPING": (FINE, "is stopping"),
    "STOPPED": (FINE, "is stopped"),
}
_PHASES = {
    "INIT": "opens its venue and ledger",
    "SYNC": "reads back orders, fills and position",
    "WARMUP": "waits for the first book",
    "CLOSING": "closes its position",
    "STOPPING": "cancels its orders",
}
_GATES: dict[str, tuple[str, str]] = {  # gate -> (attention, words)
    "paused": (FINE, "paused by an operator"),
    "stale": (WARN, "market data is stale"),
    "spread": (WARN, "the book is one-sided, crossed or too wide"),
    "link": (WARN, "the link to the venue is down"),
    "params": (WARN, "its parameters are missing or too old"),
    "ledger": (BAD, "its ledger cannot be written"),
    "dead_man": (WARN, "the account's dead-man switch is not armed"),
    "breaker": (BAD, "too many rejects in a row"),
    "withheld": (WARN, "limits or balances allow no order"),
    "flatten": (WARN, "its position is being closed"),
    "max_loss": (BAD, "the loss limit has tripped"),
    "max_profit": (WARN, "the profit goal is reached"),
    "max_drawdown": (BAD, "the drawdown limit has tripped"),
    "max_unrealised_loss": (BAD, "the limit of an open loss has tripped"),
    "profit_lock": (WARN, "a profit that melted was locked in"),
    "unhedged": (BAD, "more is not hedged than allowed"),
    "hedge_failed": (BAD, "hedges failed several times in a row"),
    "hedge_first": (WARN, "what an earlier life left is being hedged"),
    "price_move": (WARN, "the price moved too far too fast"),
    "reference_deviation": (WARN, "the price is too far from its reference"),
    "reference_unknown": (WARN, "the price of its reference is not known"),
    "churn": (WARN, "too many orders, or too many cancels for the fills"),
    "halt": (BAD, "the strategy gave up"),
    "latches": (BAD, "its latches cannot be read"),
}


BAD_LINKS = frozenset({"link", "stale"})


def why_not_quoting(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a bot does not quote, "" when it does, and how much that asks for attention."""
    state = str(row["state"])
    if state != "RUNNING":
        return _why_down(row, state)
    age_s = row.get("heartbeat_age_s")
    if age_s is not None and age_s > SILENT_S:
        return f"no heartbeat for {age_s:.0f} s", BAD
    if row.get("kind") == "job":
        return "", FINE
    shut = [_gate(gate) for gate in row.get("gates") or ()]
    if shut:
        return "; ".join(words for _, words in shut), _worst(attention for attention, _ in shut)
    if (row.get("stats") or {}).get("reference_stale"):
        return "the price of its reference is stale; its own mid is used", WARN
    if row.get("phase") == "QUOTING" and not row.get("open_orders"):
        return "it quotes, but no order rests at the moment", FINE
    return _PHASES.get(str(row.get("phase")), ""), FINE


def _why_down(row: Mapping[str, Any], state: str) -> tuple[str, str]:
    attention, words = _STATES.get(state, (WARN, state.lower()))
    if state == "STOPPED" and row.get("wanted"):
        attention = WARN
    if row.get("kind") == "job" and state == "BACKOFF":
        attention = FINE
    return str(row.get("reason") or words), attention


def _gate(gate: Any) -> tuple[str, str]:
    name = _gate_name(gate)
    key = name.partition(":")[0].partition(" ")[0]
    return _GATES.get(key, (WARN, f"gate {name} is shut"))


def _gate_name(gate: Any) -> str:
    return str(gate.get("name") if isinstance(gate, Mapping) else gate)


def gate_told(gate: Any) -> dict[str, str]:
    """Return a shut gate with what it means in words."""
    attention, words = _gate(gate)
    return {"name": _gate_name(gate), "reason": words, "attention": attention}


def _worst(attentions: Iterable[str]) -> str:
    found = set(attentions)
    return BAD if BAD in found else WARN if WARN in found else FINE


def fleet_row(bot: Mapping[str, Any], spark: Sequence[float], today_pnl: str | None, quote: str | None = None) -> Row:
    """Return the row of a bot; how well it quotes, and the log tail of its last exit, are for its own page."""
    why, attention = why_not_quoting(bot)
    told: Row = {
        "today_pnl": today_pnl,
        "quote": quote,
        "equity_spark": list(spark),
        "why": why,
        "attention": attention,
    }
    told["last_exit"] = without_tail(bot.get("last_exit"))
    return {key: value for key, value in bot.items() if key != "stats"} | told


def without_tail(last_exit: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a last exit without the lines of its log."""
    return None if last_exit is None else {key: value for key, value in last_exit.items() if key != "log_tail"}


def number(text: Any) -> Decimal | None:
    """Return decimal text as a number, None when it is not known."""
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def finite(text: Any) -> float | None:
    """Return decimal text as a float; None when it is not known or larger than one can be."""
    known = number(text)
    value = None if known is None else float(known)
    return value if value is not None and math.isfinite(value) else None


def equity_of(row: Mapping[str, Any]) -> float | None:
    """Return what a bot has made so far, in quote units; None when that is not known."""
    parts = [number(row.get(key)) for key in ("realised_pnl", "unrealised_pnl")]
    known = [part for part in parts if part is not None]
    return finite(sum(known)) if known else None


def _total(rows: Sequence[Mapping[str, Any]], key: str) -> str | None:
    """Return a sum; null where the amounts are of several assets, which are not added."""
    if len({row["quote"] for row in rows if row.get("quote")}) > 1:
        return None
    return f"{sum((number(row.get(key)) or Decimal(0) for row in rows), Decimal(0)):f}"


def totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all bots come to, and those of each account, venue and quote asset."""
    bots = [row for row in rows if row.get("kind") != "job"]
    return {
        **_sums(bots),
        "attention": sum(bool(row.get("attention")) for row in rows),
        "by_account": _by(bots, "account", _account),
        "by_venue": _by(bots, "venue", lambda row: str(row.get("exchange"))),
        "by_quote": _by(bots, "quote", lambda row: str(row.get("quote") or "")),
    }


def _sums(bots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    money = {key: _total(bots, key) for key in ("realised_pnl", "unrealised_pnl", "today_pnl", "fees")}
    return {
        "bots": len(bots),
        "quoting": sum(row.get("state") == "RUNNING" and row.get("phase") == "QUOTING" for row in bots),
        **money,
        "open_orders": sum(int(row.get("open_orders") or 0) for row in bots),
    }


def _account(row: Mapping[str, Any]) -> str:
    legs = row.get("legs") or [{}]
    return str(legs[0].get("account") or row.get("name"))


def _by(rows: Iterable[Mapping[str, Any]], label: str, key: Any) -> list[dict[str, Any]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return [{label: name, **_sums(members)} for name, members in sorted(groups.items())]


def changed(before: Mapping[str, Row], after: Mapping[str, Row], quiet_due: bool) -> list[Row]:
    """Return the rows that have to be sent: loud changes always, the others only when `quiet_due`."""
    return [row for name, row in after.items() if _differs(before.get(name), row, quiet_due)]


def difference(before: Row | None, after: Row) -> Row:
    """Return the name of a row and every key that has changed in it; a key that is gone is null."""
    if before is None:
        return after
    gone = dict.fromkeys(before.keys() - after.keys())
    return {"name": after["name"], **{key: value for key, value in after.items() if before.get(key) != value}, **gone}


def _differs(before: Row | None, after: Row, quiet_due: bool) -> bool:
    if before is None or any(before.get(key) != after.get(key) for key in LOUD):
        return True
    if not quiet_due:
        return False
    return any(before.get(key) != value for key, value in after.items() if key not in AGES)
