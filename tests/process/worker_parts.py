"""Workers for tests of their commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.process.live_parts import LiveWorker

Start = Callable[..., LiveWorker]


def handed_over(worker: LiveWorker, deadline_s: float = 60.0) -> dict[str, Any]:
    worker.tell("handover", reason="upgrade", deadline_s=deadline_s)
    said = worker.last_words()
    worker.close()
    return said
