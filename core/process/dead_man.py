"""When an account's dead-man switch may be refreshed, and what becomes of the guard that does it.

Pure: no clock, process or venue. A switch of account scope cancels every order of the account at once, so one bot's
refresh would keep a dead neighbour's orders alive, and one missed refresh ends everybody's. One guard per account
refreshes it, and only while each bot of the account is fresh, or proven to rest no order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from core.bot_config import BotConfig, DaemonConfig, Leg
from core.process.worker_record import State, WorkerRecord

KIND = "dead_man_guard"  # of a child, and the module that it runs
TELL_NS = 1_000_000_000  # how often a guard is told its verdict
VERDICT_NS = 3_000_000_000  # how long a verdict holds: a guard that hears nothing more stops refreshing
FRESH_NS = 3_000_000_000  # the longest silence of a bot that counts as fresh: its heartbeat is a second apart
MIN_TIMEOUT_S = 3.0  # below this a single late answer of the venue would end everybody's orders
DUMP_S = 0.8  # how long a stuck worker may take over its stacks before it is killed
REFRESHES = 3  # within one timeout
DISARM_NS = 10_000_000_000
RETRY_FIRST_NS = 250_000_000
RETRY_MAX_NS = 10_000_000_000
FORK_NS = 30_000_000_000  # how long a guard may take to exist: a busy zygote is replaced sooner

_s = 1_000_000_000


def account_of(config: BotConfig, leg: Leg) -> str:
    """Return the account of a leg as one text, the same for all bots on it: venue, label, network, addresses."""
    settings, network = config.exchange_config_of(leg), config.network_of(leg)
    parts = (leg.exchange, leg.account, config.mode, network, settings.get("base_url"), settings.get("ws_url"))
    return " ".join(str(part) for part in parts if part)


# ---------------------------------------------------------------- the verdict


@dataclass(frozen=True, slots=True)
class Member:
    """What counts of one bot of an account. `silent_ns`: age of its heartbeat, None without a worker to believe."""

    name: str
    state: State
    may_rest: bool  # no end and no sweep has proven that it rests no order
    silent_ns: int | None

    @classmethod
    def of(cls, record: WorkerRecord, now_ns: int) -> Member:
        """Return what a bot's record says of it."""
        living = record.state in (State.STARTING, State.RUNNING, State.STOPPING) and record.pid is not None
        believed = living and not record.killed and record.dumped_ns is None
        silent_ns = max(0, now_ns - record.heartbeat_ns) if believed else None
        return cls(record.name, record.state, record.dirty, silent_ns)

    @property
    def is_fresh(self) -> bool:
        """Tell whether its worker looks after its orders."""
        return self.silent_ns is not None and self.silent_ns <= FRESH_NS

    @property
    def is_over(self) -> bool:
        """Tell whether nothing of it rests and nothing will, unless somebody asks."""
        return self.state in (State.STOPPED, State.FATAL, State.HALTED) and not self.may_rest


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the switch may be refreshed now; `reason` says why not."""

    refresh: bool
    reason: str = ""


def verdict(members: Sequence[Member]) -> Verdict:
    """Return whether an account's switch may be refreshed: each of its bots is fresh, or swept."""
    reasons = [_against(member) for member in members if member.may_rest and not member.is_fresh]
    return Verdict(not reasons, ", ".join(reasons))


def _against(member: Member) -> str:
    if member.silent_ns is None:
        return f"{member.name} is {member.state.value} and not swept"
    return f"{member.name} is silent for {member.silent_ns / _s:.0f} s"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the venue waits for a refresh, and how often it gets one. `is_slow`: longer than we would take."""

    timeout_s: float
    refresh_s: float
    is_slow: bool


def timing(min_s: float, bots: Sequence[DaemonConfig]) -> Timing:
    """Return an account's timing; the venue ends a dead bot's orders before we would have restarted it, if it can.

    Counted from the bot's last beat: the silence that is still fresh, a verdict under way, and the venue's time-out,
    against detection and the first backoff of the quickest bot.
    """
    restart_s = min((bot.heartbeat_timeout_s + DUMP_S + bot.backoff_initial_s for bot in bots), default=MIN_TIMEOUT_S)
    before_s = (FRESH_NS + TELL_NS) / _s
    timeout_s = max(min_s, MIN_TIMEOUT_S, restart_s - before_s)
    return Timing(timeout_s, timeout_s / REFRESHES, before_s + timeout_s > restart_s)


# ---------------------------------------------------------------- the guard's life


class Phase(str, Enum):
    """Where the guard process of an account is."""

    ABSENT = "absent"
    ASKED = "asked"
    LIVE = "live"
    LEAVING = "leaving"


class Do(str, Enum):
    """What the shell shall do."""

    START = "start"  # fork a guard
    TELL = "tell"  # the verdict
    DISARM = "disarm"  # disarm the switch and leave
    LEAVE = "leave"  # leave the switch as it is: another guard follows
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """All that is known of one account's guard. Times are monotonic."""

    account: str
    min_s: float = 0.0  # the venue's shortest time-out
    phase: Phase = Phase.ABSENT
    due_ns: int = 0  # ABSENT: not forked before; else: killed when it has said nothing until then
    failures: int = 0  # in a row
    armed_until_ns: int = 0  # the venue cancels nothing before
    outdated: bool = False  # of code that was replaced
    error: str = ""  # its newest trouble

    @property
    def is_there(self) -> bool:
        """Tell whether there is a process, or about to be one."""
        return self.phase is not Phase.ABSENT

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `from_plain` is its inverse."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> GuardRecord:
        """Rebuild from `to_plain` data. Raises KeyError, TypeError or ValueError when it is something else."""
        return cls(**{**plain, "phase": Phase(plain["phase"])})


Step = tuple[GuardRecord, list[Do]]


def look(record: GuardRecord, is_needed: bool, now_ns: int) -> Step:
    """Return what is to be done about an account's guard now."""
    if record.phase is Phase.ABSENT:
        if not is_needed or now_ns < record.due_ns:
            return record, []
        return replace(record, phase=Phase.ASKED, due_ns=now_ns + FORK_NS), [Do.START]
    if now_ns >= record.due_ns:
        return record, [Do.KILL]
    if record.phase is not Phase.LIVE:
        return record, []
    if is_needed and not record.outdated:
        return record, [Do.TELL]
    leaving = replace(record, phase=Phase.LEAVING, due_ns=now_ns + DISARM_NS)
    if is_needed:
        return leaving, [Do.LEAVE]
    return replace(leaving, armed_until_ns=0), [Do.DISARM]  # from here on nobody can count on it


def born(record: GuardRecord, limit_ns: int, now_ns: int) -> GuardRecord:
    """Note that the guard exists; it has `limit_ns` for its first word."""
    return replace(record, phase=Phase.LIVE, due_ns=now_ns + limit_ns, outdated=False)


def said(record: GuardRecord, armed_until_ns: int, error: str, limit_ns: int, now_ns: int) -> GuardRecord:
    """Take the guard's word on when the venue fires at the earliest, and on its trouble."""
    if record.phase is Phase.LEAVING:  # said before it heard that it should
        return record
    failures = record.failures if error else 0
    return replace(record, armed_until_ns=armed_until_ns, error=error, due_ns=now_ns + limit_ns, failures=failures)


def ended(record: GuardRecord, reason: str, now_ns: int) -> GuardRecord:
    """Note that the guard is gone; unless it left as asked, the next one comes after a pause that grows."""
    if record.phase is Phase.LEAVING:
        return replace(record, phase=Phase.ABSENT, due_ns=now_ns, failures=0, outdated=False, error="")
    pause_ns = min(RETRY_MAX_NS, RETRY_FIRST_NS * 2 ** min(record.failures, 10))
    failed = replace(record, phase=Phase.ABSENT, due_ns=now_ns + pause_ns, failures=record.failures + 1)
    return replace(failed, error=reason, outdated=False)


def silence_limit_ns(timing: Timing) -> int:
    """Return how long a guard may say nothing: one call of the venue, which is bounded, and a verdict."""
    return int(2 * timing.refresh_s * _s) + TELL_NS + VERDICT_NS


# ---------------------------------------------------------------- the guard's side


@dataclass(slots=True)
class RefreshPlan:
    """When a guard refreshes: while its verdict says so and has not expired."""

    refresh: bool = False
    until_ns: int = 0
    timeout_s: float = 0.0
    refresh_s: float = 0.0
    next_ns: int = 0

    def take(self, message: Mapping[str, Any]) -> None:
        """Take a verdict over. Raises KeyError, TypeError or ValueError for anything else."""
        timeout_s, refresh_s, until_ns = float(message["timeout_s"]), float(message["refresh_s"]), message["until_ns"]
        if not timeout_s >= refresh_s > 0:
            raise ValueError("no timing")
        self.refresh, self.until_ns = message["refresh"] is True, int(until_ns)
        self.timeout_s, self.refresh_s = timeout_s, refresh_s

    def is_due(self, now_ns: int) -> bool:
        """Tell whether the switch is to be refreshed now."""
        return self.refresh and self.next_ns <= now_ns < self.until_ns

    def due_ns(self, now_ns: int) -> int:
        """Return when to look again at the latest."""
        holds = self.refresh and now_ns < self.until_ns
        return min(max(self.next_ns, now_ns), now_ns + TELL_NS) if holds else now_ns + TELL_NS

    def tried(self, at_ns: int, succeeded: bool) -> None:
        """Note a refresh that was sent at `at_ns`; one that failed is repeated sooner."""
        pause_s = self.refresh_s if succeeded else self.refresh_s / REFRESHES
        self.next_ns = at_ns + int(pause_s * _s)
