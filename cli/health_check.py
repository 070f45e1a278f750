"""What `status --check` finds wrong. Pure: a status -> one line for each fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.shared import complaints_of, waits_for_its_run

FRESH_S = 10.0  # an older heartbeat is not healthy
# Gates that are no trouble: an operator's pause, and a market that the config says to stay out of.
CALM_GATES = frozenset({"paused", "spread"})


def faults_of(status: Mapping[str, Any], names: Sequence[str] = ()) -> list[str]:
    """Return why not every wanted bot (or those of some names) is healthy; empty when all is well."""
    invalid = [entry for entry in status["invalid"] if not names or _concerns(entry, names)]
    faults = complaints_of(invalid)
    if status["daemon"]["state"] != "running":
        return [*faults, f"the daemon is {status['daemon']['state']}"]
    return faults + [fault for row in status["bots"] if (fault := bot_fault(row))]


def _concerns(entry: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(name in names for name in (entry.get("name"), Path(str(entry["file"])).stem))


def bot_fault(row: Mapping[str, Any]) -> str | None:
    """Return why a bot is not healthy, None when it is, or when nobody wants it up."""
    name, state = row["name"], row["state"]
    if state == "SWEEPING":  # whether wanted or not: orders may rest that nobody owns
        return f"{name}: its orders are not confirmed to be gone{_because(row)}"
    if not row["wanted"] or waits_for_its_run(row):
        return None
    if state != "RUNNING":
        return f"{name}: {state}{_because(row)}"
    age_s = row["heartbeat_age_s"]
    if age_s is None or age_s > FRESH_S:
        return f"{name}: no heartbeat for {'long' if age_s is None else f'{age_s:.0f} s'}"
    gates = [gate for gate in row["gates"] if gate not in CALM_GATES]
    return f"{name}: {row['phase']}, gates {', '.join(gates)}" if gates else None


def _because(row: Mapping[str, Any]) -> str:
    reason = row.get("reason") or (row["last_exit"] or {}).get("reason")
    return f" ({reason})" if reason else ""
