"""What the supervisor knows of a bot, what can happen to it and what can be done: the nouns of `worker_states.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from core.bot_config import DaemonConfig
from core.process.identity import Identity

NEXT_RUN = "next run"  # the reason of a job that waits for the clock


class State(str, Enum):
    """The states of a bot, as shown in the status."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    BACKOFF = "BACKOFF"
    SWEEPING = "SWEEPING"
    FATAL = "FATAL"
    HALTED = "HALTED"


class Action(str, Enum):
    """What the shell shall do."""

    SPAWN = "spawn"  # fork a worker
    SWEEP = "sweep"  # fork a sweeper
    ASK_STOP = "ask_stop"  # the stop command on the pipe, and TERM
    ASK_HANDOVER = "ask_handover"  # leave the orders to a successor; on the pipe only, TERM would cancel them
    ASK_CLOSE = "ask_close"  # cancel, close the position, leave
    PAUSE = "pause"  # on the pipe
    RESUME = "resume"
    DUMP = "dump"  # have the worker write its stacks
    KILL = "kill"  # KILL to the whole group
    KILL_HOLDER = "kill_holder"  # KILL to the process that holds this bot's claim
    ALERT = "alert"  # a person should know


@dataclass(frozen=True, slots=True)
class Start:
    """An operator or the daemon wants the bot up; `reset` clears a risk latch."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """An operator or the daemon wants the bot down. `close`: its config wants the position closed first."""

    close: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """Stop, then start again. `handover`: the successor takes the orders over, when the worker finds that it can."""

    handover: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator, or the escalation of an account, wants no quotes; the worker lives on."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """An operator wants quotes again."""


@dataclass(frozen=True, slots=True)
class Close:
    """An operator wants the position closed, whatever state the bot is in; `sell_base`: spot inventory, too."""

    sell_base: bool = False


@dataclass(frozen=True, slots=True)
class Forked:
    """The worker or sweeper exists; the worker of a job never has orders."""

    pid: int
    has_orders: bool = True


@dataclass(frozen=True, slots=True)
class ForkFailed:
    """The worker or sweeper could not be made."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has reconciled."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The worker ended. `clean`: it proved that no order of its own rests. `held_by`: its claim was refused.

    `handover`: it left its orders, written down, to a successor. `closed`: the position that it had to close is flat.
    `left_position`: it is not, and the time for it was over.
    """

    status: int | None
    signal: int | None = None
    clean: bool = False
    reason: str = ""
    held_by: Identity | None = None
    handover: bool = False
    closed: bool = False
    left_position: bool = False


@dataclass(frozen=True, slots=True)
class SweepEnded:
    """The sweeper ended; unless `confirmed`, orders may still rest. `auth`: the venue does not accept the key."""

    confirmed: bool
    reason: str = ""
    held_by: Identity | None = None
    auth: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """A child says how long it may be silent from now on: a worker that opens its venues, a sweeper at its work."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TidyUp:
    """Orders may be left from an earlier life, and nobody wants the bot up: sweep it."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """The bot cannot run at all (its imports fail); other bots are not concerned."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `frozen`: the process is stopped by a signal or a debugger, and cannot write its stacks."""

    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Overweight:
    """The worker is past its memory limit."""

    reason: str


Happening = (
    Start
    | Stop
    | Restart
    | Pause
    | Resume
    | Close
    | Forked
    | ForkFailed
    | Ready
    | Exited
    | SweepEnded
    | Needs
    | TidyUp
    | Unusable
    | Tick
    | Overweight
)


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """All that the supervisor knows and decides about one bot. Times are monotonic."""

    name: str
    config: DaemonConfig = field(default_factory=DaemonConfig)
    state: State = State.STOPPED
    wanted: bool = False  # somebody wants it up
    restarting: bool = False  # a planned stop that is followed by a start
    overweight: bool = False  # asked to stop for its memory
    reset: bool = False  # the next worker clears the risk latch
    fresh: bool = False  # somebody started it from rest, and no worker has taken that up yet
    paused: bool = False  # no quotes, until somebody resumes
    closing: bool = False  # the position is to be closed: by the worker, or by one that does nothing else
    sell_base: bool = False  # with `closing`: spot inventory is sold, too
    closing_stop: bool = False  # asked to stop, and to close its position within the time of a stop
    closed: bool = False  # the last close that was asked for ended flat
    rests_in: State = State.STOPPED  # where a bot that nobody wants up comes to rest
    dirty: bool = False  # may have left orders on the venue
    handing_over: bool = False  # asked to leave its orders to a successor
    handover_until_ns: int | None = None  # the successor must be READY by then, or the orders are swept
    then: State = State.STOPPED  # where a confirmed sweep leads
    pid: int | None = None  # worker, or sweeper while SWEEPING
    started_ns: int = 0
    ready_ns: int | None = None
    heartbeat_ns: int = 0
    dumped_ns: int | None = None
    killed: bool = False
    due_ns: int | None = None  # a deadline or retry within the present state
    restart_ns: int | None = None  # when a backoff ends; runs on through a sweep
    restarts: int = 0
    attempt: int = 0  # failures since the last healthy period
    sweep_attempt: int = 0
    crashes_ns: tuple[int, ...] = ()
    held_by: Identity | None = None
    held_since_ns: int | None = None
    reason: str = ""

    @property
    def settled(self) -> bool:
        """Tell whether nothing will happen any more unless somebody asks."""
        return self.state in (State.STOPPED, State.FATAL, State.HALTED)

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `from_plain` is its inverse."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> WorkerRecord:
        """Rebuild from `to_plain` data. Raises KeyError, TypeError or ValueError when it is something else."""
        values = dict(plain)
        values["config"] = DaemonConfig(**plain["config"])
        for key in ("state", "rests_in", "then"):
            values[key] = State(plain[key])
        values["held_by"] = Identity.from_plain(plain["held_by"]) if plain["held_by"] else None
        values["crashes_ns"] = tuple(plain["crashes_ns"])
        return cls(**values)
