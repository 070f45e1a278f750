"""What the monitor remembers of each bot while it runs: the last minutes of its mid price and its equity."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from web.rows import equity_of, finite

SPARK_POINTS = 30
SPARK_EVERY_S = 20.0
MIDS_S = 15 * 60
MIDS_EVERY_S = 1.0


class Ring:
    """The last points of one series, at most one in `every_s`."""

    def __init__(self, points: int, every_s: float) -> None:
        self._every_s = every_s
        self.points: deque[tuple[float, float]] = deque(maxlen=points)

    def add(self, at_s: float, value: float) -> bool:
        """Keep a point, unless the last one is too young; True when it was kept."""
        if self.points and at_s - self.points[-1][0] < self._every_s:
            return False
        self.points.append((at_s, value))
        return True


class Rings:
    """The rings of all bots; those of bots that are gone go, too."""

    def __init__(self) -> None:
        self._sparks: dict[str, Ring] = {}
        self._mids: dict[str, Ring] = {}

    def add(self, bots: Iterable[Mapping[str, Any]], at_s: float) -> dict[str, tuple[float, float]]:
        """Take up one status, `at_s` in UTC seconds; return the mids that were kept."""
        named = {str(bot["name"]): bot for bot in bots}
        for rings in (self._sparks, self._mids):
            for gone in rings.keys() - named.keys():
                del rings[gone]
        kept = {}
        for name, bot in named.items():
            equity, mid = equity_of(bot), finite(bot.get("mid"))
            if equity is not None:
                self._sparks.setdefault(name, Ring(SPARK_POINTS, SPARK_EVERY_S)).add(at_s, float(f"{equity:.6g}"))
            points = int(MIDS_S / MIDS_EVERY_S)
            # half a turn of grace: a status that came early is not one too many
            if mid is not None and self._mids.setdefault(name, Ring(points, MIDS_EVERY_S * 0.75)).add(at_s, mid):
                kept[name] = (at_s, mid)
        return kept

    def spark(self, name: str) -> list[float]:
        """Return the equity of a bot, oldest first."""
        ring = self._sparks.get(name)
        return [] if ring is None else [value for _, value in ring.points]

    def mids(self, name: str) -> list[tuple[int, float]]:
        """Return the mids of a bot as (UTC milliseconds, price), oldest first."""
        ring = self._mids.get(name)
        return [] if ring is None else [(int(at_s * 1000), value) for at_s, value in ring.points]
