"""Who may start now: a bounded number at a time for each venue, none at a venue that is down, heirs at once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.process.venue_guard import VenueGuard


@dataclass(frozen=True, slots=True)
class Wish:
    """A bot that wants to start. `venue` is None where nothing can be unreachable; `urgent` waits for nobody."""

    name: str
    venue: str | None
    urgent: bool = False


class StartQueue:
    """The bots that wait for their turn, and those that start."""

    def __init__(self, parallel: int = 8, first_pause_ns: int = 5 * 10**9, max_pause_ns: int = 60 * 10**9) -> None:
        self.parallel, self._pauses_ns = parallel, (first_pause_ns, max_pause_ns)
        self._waiting: dict[str, Wish] = {}  # in the order of their turn
        self._starting: dict[str, Wish] = {}
        self._guards: dict[str, VenueGuard] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def set_pauses(self, first_pause_ns: int, max_pause_ns: int) -> None:
        """Take over how long a venue that is down is left alone; a pause that runs keeps its length."""
        self._pauses_ns = (first_pause_ns, max_pause_ns)
        for guard in self._guards.values():
            guard.first_pause_ns, guard.max_pause_ns = first_pause_ns, max_pause_ns

    def ask(self, wish: Wish) -> None:
        """Queue a bot."""
        self._waiting[wish.name] = wish

    def take_over(self, wish: Wish) -> None:
        """Note a bot that an earlier self let start."""
        self._starting[wish.name] = wish

    def withdraw(self, name: str) -> bool:
        """Take a bot that still waits out of the queue; tell whether it was there."""
        return self._waiting.pop(name, None) is not None

    def admit(self, now_ns: int, blocked: Callable[[str], bool] = lambda _name: False) -> list[str]:
        """Return the bots that start now; a blocked one keeps its place."""
        admitted = []
        for wish in list(self._waiting.values()):
            if not wish.urgent and (self._is_full(wish.venue) or blocked(wish.name) or not self._open(wish, now_ns)):
                continue
            del self._waiting[wish.name]
            self._starting[wish.name] = wish
            admitted.append(wish.name)
        return admitted

    def due_ns(self, now_ns: int) -> int | None:
        """Return when a guard lets its probe go, None when time changes nothing."""
        times = [
            guard.shut_until_ns
            for wish in self._waiting.values()
            if (guard := self._guards.get(wish.venue or "")) and not guard.is_open and guard.probe is None
        ]
        return max(now_ns, min(times)) if times else None

    def ready(self, name: str) -> None:
        """Note that a bot has reconciled with its venue."""
        wish = self._starting.pop(name, None)
        guard = self._guards.get(wish.venue or "") if wish is not None else None
        if guard is not None:
            guard.reached()

    def ended(self, name: str, venue: str | None, unreachable: bool, now_ns: int, jitter: float) -> None:
        """Note the end of a bot's worker, and whether that was because it could not reach its venue."""
        self._starting.pop(name, None)
        if venue is not None and unreachable:
            self._guards.setdefault(venue, VenueGuard(*self._pauses_ns)).failed(name, now_ns, jitter)
        elif venue in self._guards:
            self._guards[venue].left(name)

    def why(self, name: str, now_ns: int) -> str:
        """Return what a bot waits for, an empty text when it does not wait."""
        wish = self._waiting.get(name)
        if wish is None:
            return ""
        guard = self._guards.get(wish.venue or "")
        if guard is None or guard.is_open:
            return "waits for its turn to start"
        if guard.probe is not None:
            return f"waits until {guard.probe} has reached {wish.venue}"
        return f"{wish.venue} is unreachable; tried again in {max(0, guard.shut_until_ns - now_ns) / 1e9:.0f} s"

    def _is_full(self, venue: str | None) -> bool:
        return sum(wish.venue == venue for wish in self._starting.values()) >= self.parallel

    def _open(self, wish: Wish, now_ns: int) -> bool:
        guard = self._guards.get(wish.venue or "")
        return guard is None or guard.admits(wish.name, now_ns)
