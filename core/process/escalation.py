"""Several deaths on one account within a short time are not one bot's affair: a person should know. Pure."""

from __future__ import annotations

from core.process.worker_record import Exited
from utils import exit_statuses

# Ends that a bot, its config or its venue explains; anything else is a death.
_EXPLAINED = frozenset(
    {
        exit_statuses.DONE,
        exit_statuses.USAGE,
        exit_statuses.VENUE_UNREACHABLE,
        exit_statuses.AUTH,
        exit_statuses.RISK_HALT,
        exit_statuses.CONFIG,
    }
)


def is_death(event: Exited) -> bool:
    """Tell whether a worker died of a crash or a signal."""
    return event.signal is not None or event.status not in _EXPLAINED


class Escalation:
    """The recent deaths by account; times are monotonic nanoseconds."""

    def __init__(self, deaths: int = 2, window_ns: int = 60 * 10**9) -> None:
        self.deaths, self.window_ns = deaths, window_ns
        self._died: dict[str, list[tuple[int, str]]] = {}

    def died(self, account: str, bot: str, now_ns: int) -> list[str]:
        """Note a death; return the bots that died when it is time to tell a person, else nothing.

        What was told is forgotten: the next alert needs as many deaths again.
        """
        recent = [(at, name) for at, name in self._died.get(account, []) if now_ns - at < self.window_ns]
        recent.append((now_ns, bot))
        if len(recent) < self.deaths:
            self._died[account] = recent
            return []
        self._died.pop(account, None)
        return sorted({name for _, name in recent})
