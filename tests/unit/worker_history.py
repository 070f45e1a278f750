"""The history of a worker for tests of its states."""

from __future__ import annotations

from core.bot_config import DaemonConfig
from core.process.worker_record import (
    Action,
    Forked,
    Ready,
    Start,
    Tick,
    WorkerRecord,
)
from core.process.worker_states import decide

S = 1_000_000_000


class History:
    """Plays events into one record and keeps the actions."""

    def __init__(self, **config: object) -> None:
        self.record = WorkerRecord("bot", DaemonConfig(**config))  # type: ignore[arg-type]
        self.now_ns = 1000 * S
        self.actions: list[Action] = []

    def play(self, *events: object) -> History:
        for event in events:
            self.record, self.actions = decide(self.record, event, self.now_ns)  # type: ignore[arg-type]
        return self

    def after(self, seconds: float) -> History:
        self.now_ns += int(seconds * S)
        return self.play(Tick())

    def running(self) -> History:
        return self.play(Start(), Forked(10), Ready())
