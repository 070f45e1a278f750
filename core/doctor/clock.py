"""Whether the clock can be trusted: signatures of live venues, logs and ledgers depend on it."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.doctor.finding import Finding, judged

OLDEST_S = 1_767_225_600.0  # 2026-01-01: this code is not older
LOOK_S = 0.3
STEP_S = 0.005  # wall and monotonic time may differ by that much over a look
FUTURE_S = 5.0
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # more than any kernel's struct timex
_MAX_ERROR_AT = 24  # byte offset of maxerror, microseconds


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What was seen: `step_s` is how much wall time moved against monotonic time while we looked."""

    wall_s: float
    step_s: float
    newest_file_s: float | None  # the newest change of a file of ours
    synchronised: bool | None  # None: the kernel does not tell
    error_s: float | None = None


def clock_findings(home: Path) -> Iterator[Finding]:
    """Yield what there is to say about the clock."""
    yield from judge_clock(_facts(home))


def judge_clock(facts: ClockFacts) -> Iterator[Finding]:
    """Judge the clock."""
    shown = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(facts.wall_s))
    newest = facts.newest_file_s
    fails, warns = "", ""
    if facts.wall_s < OLDEST_S:
        fails = "set it: it is years behind"
    elif newest is not None and newest - facts.wall_s > FUTURE_S:
        warns = f"it was set back: a file of ours is {newest - facts.wall_s:.0f} s newer; look at your time service"
    elif abs(facts.step_s) > STEP_S:
        warns = f"it jumped by {facts.step_s:+.3f} s while we looked; have it slewed, not stepped"
    yield judged("clock", f"it says {shown}", fails, warns)
    yield _judge_service(facts)


def _judge_service(facts: ClockFacts) -> Finding:
    if facts.synchronised is None:
        return judged("time service", "the kernel does not tell whether the clock is synchronised")
    error = "" if facts.error_s is None else f", error at most {facts.error_s:.3f} s"
    text = f"the clock is {'' if facts.synchronised else 'not '}synchronised{error if facts.synchronised else ''}"
    todo = "run chrony, ntpd or systemd-timesyncd here, or on the host of this virtual machine"
    return judged("time service", text, warns="" if facts.synchronised else todo)


def _facts(home: Path) -> ClockFacts:
    before = time.time() - time.monotonic()
    time.sleep(LOOK_S)
    step_s = time.time() - time.monotonic() - before
    synchronised, error_s = _adjtimex()
    return ClockFacts(time.time(), step_s, _newest(home), synchronised, error_s)


def _newest(home: Path) -> float | None:
    times = []
    for folder in (home / "var" / "log", home / "var" / "state"):
        try:
            times += [entry.stat().st_mtime for entry in os.scandir(folder)]
        except OSError:
            continue
    return max(times, default=None)


def _adjtimex() -> tuple[bool | None, float | None]:
    """Ask the kernel, changing nothing (modes = 0)."""
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except AttributeError:
        return None, None
    if state < 0:
        return None, None
    error_us = int.from_bytes(buffer.raw[_MAX_ERROR_AT : _MAX_ERROR_AT + 8], "little", signed=True)
    return state != _UNSYNCHRONISED, error_us / 1e6
