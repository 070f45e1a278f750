"""How a bot ended the last times: what the event file says, each with the end of its log at that moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from signal import Signals
from typing import Any

from utils.home import Home
from web.log_lines import EVENTS, line_of, log_file, newest
from web.services import Services

KEPT = 5
TAIL = 12  # lines
_TOLD = ("status", "reason", "pid")


def exits_of(services: Services, home: Home, name: str) -> list[dict[str, Any]]:
    """Return the last ends of a bot, newest first."""
    found = newest(services, home.log / EVENTS, KEPT, lambda one: one.get("kind") == "exit" and one.get("bot") == name)
    found.reverse()
    tails = _tails(services, home, name, [str(event.get("ts") or "") for event in found])
    return [
        {**{key: event.get(key) for key in _TOLD}, "at": event.get("ts"), "signal": _name(event), "log_tail": tail}
        for event, tail in zip(found, tails, strict=True)
    ]


def _name(event: Mapping[str, Any]) -> str | None:
    """Return the name of the signal that ended it, null when none did."""
    number = event.get("signal")
    if not isinstance(number, int):
        return None
    return Signals(number).name if number in set(Signals) else f"signal {number}"


def _tails(services: Services, home: Home, name: str, ends: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return the last lines before each of these times, which are the newest first; the log is read once."""
    tails: list[list[dict[str, Any]]] = [[] for _ in ends]

    def take(entry: dict[str, Any]) -> bool:
        at = str(entry.get("ts") or "")
        for end, tail in zip(ends, tails, strict=True):
            if at <= end and len(tail) < TAIL:
                tail.append(line_of(entry, name))
        return at <= ends[-1]

    if ends:
        newest(services, log_file(home, name), TAIL, take)
    return [tail[::-1] for tail in tails]
