"""One worker after the other moves to a new zygote; one that dies soon after brings everything back. Pure.

waiting --restart--> moving --RUNNING--> moved --a minute--> trusted
                        \\--dies--> rolled back        \\--dies--> rolled back
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.process.worker_record import State, WorkerRecord

PROBATION_NS = 60_000_000_000  # a worker of the new code that dies within it condemns the new code
MOVE_NS = 120_000_000_000  # one worker gets to be READY
_SETTLED = (State.STOPPED, State.FATAL, State.HALTED)


@dataclass(slots=True)
class Roll:
    """A roll under way; times are monotonic nanoseconds."""

    waiting: list[str]
    moving: str | None = None
    moving_since_ns: int = 0
    moved: dict[str, int] = field(default_factory=dict)  # bot -> when it was READY
    failure: str = ""

    @property
    def is_rolled(self) -> bool:
        """Tell whether every worker has moved."""
        return not self.waiting and self.moving is None

    def is_trusted(self, now_ns: int) -> bool:
        """Tell whether the first worker has lived long enough that the old code can go."""
        return self.is_rolled and (not self.moved or now_ns - min(self.moved.values()) >= PROBATION_NS)

    def step(self, record_of: Callable[[str], WorkerRecord | None], now_ns: int) -> str | None:
        """Look after the bot that moves; return the next one to restart, None when it is nobody's turn."""
        if self.moving is not None and not self._has_moved(record_of(self.moving), now_ns):
            return None
        while self.waiting and self.moving is None and not self.failure:
            name = self.waiting.pop(0)
            record = record_of(name)
            if record is not None and record.state is State.RUNNING and not record.closing:
                self.moving, self.moving_since_ns = name, now_ns
                return name  # the others start with the new code whenever they start
        return None

    def _has_moved(self, record: WorkerRecord | None, now_ns: int) -> bool:
        name = self.moving
        assert name is not None
        if record is not None and record.state is State.RUNNING and (record.ready_ns or 0) > self.moving_since_ns:
            self.moved[name] = now_ns
        elif record is not None and record.state not in _SETTLED:
            if now_ns - self.moving_since_ns > MOVE_NS:
                self.failure = f"{name} was not ready within {MOVE_NS / 1e9:.0f} s"
            return False
        self.moving = None
        return True

    def died(self, name: str, reason: str, now_ns: int) -> None:
        """Note the death of a worker: one of the new code that is young condemns it."""
        young = name in self.moved and now_ns - self.moved[name] < PROBATION_NS
        if not self.failure and (young or name == self.moving):
            self.failure = f"{name} died under the new code: {reason}"

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data; `from_plain` is its inverse."""
        keys = ("waiting", "moving", "moving_since_ns", "moved", "failure")
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Roll:
        """Rebuild from `to_plain` data."""
        return cls(**plain)
