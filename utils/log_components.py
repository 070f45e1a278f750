"""What a log line can be about: a closed list, so that `logs --component` misses nothing."""

from __future__ import annotations

PREFIX = "makerd."  # of a logger's name: `makerd.orders` writes lines of the component `orders`
PROCESS = "process"  # also what other people's libraries write
COMPONENTS = ("market", "orders", "risk", "hedge", "strategy", "web", PROCESS)


def component_of(logger: str) -> str:
    """Return the component of the lines of a logger."""
    name = logger.removeprefix(PREFIX)
    return name if name != logger and name in COMPONENTS else PROCESS
