"""Times that outlive a life: the clock of decisions begins anew with each process, UTC does not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Moment(NamedTuple):
    """One moment on both clocks."""

    now_ns: int  # of decisions
    utc_ns: int


def moment_after(now: Moment, duration_ns: int) -> Moment:
    """Return the moment a duration later, or earlier when it is negative."""
    return Moment(now.now_ns + duration_ns, now.utc_ns + duration_ns)


def at_moment(utc_ns: int, now: Moment) -> Moment:
    """Return a moment that was written down in UTC, on both clocks."""
    return moment_after(now, utc_ns - now.utc_ns)


def utc_of(at_ns: int, now: Moment) -> int:
    """Return a moment on the clock of decisions in UTC."""
    return now.utc_ns + at_ns - now.now_ns


def record_of(saved: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record that was saved while its parts are the very same objects, else a new one of them."""
    if saved and all(saved.get(key) is part for key, part in parts.items()):
        return saved
    return {"version": 1, **parts}
