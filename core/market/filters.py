"""All filters by name, and the vote of those over bars. A new filter is one class and one row of `FILTERS`."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

from core.market.bar_filters import (
    AdxFilter,
    AtrFilter,
    BarFilter,
    BollingerFilter,
    ChopFilter,
    MaFilter,
    RsiFilter,
)
from core.market.bars import Bar
from core.market.filter import NEUTRAL, WAITING, Filter, Reading, Signal, sign_of


class ComboFilter(BarFilter):
    """A vote of the others by weight: neutral ones abstain, a tie is neutral; the value is the winner's share."""

    def __init__(
        self, weights: Mapping[str, float] | None = None, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        weights = dict.fromkeys(_VOTERS, 1.0) if weights is None else weights
        if not weights or set(weights) - set(_VOTERS) or min(weights.values()) <= 0:
            raise ValueError(f"weights are positive and of {', '.join(_VOTERS)}; they were {dict(weights)}")
        given = settings or {}
        self._voters = [(make_filter(name, **given.get(name, {})), weight) for name, weight in weights.items()]

    def update(self, seen: Bar) -> None:
        """Take a finished bar."""
        for voter, _ in self._voters:
            voter.update(seen)

    def _tally(self) -> tuple[float, Reading]:
        """Return the winner's share of all weight, and its reading."""
        votes: dict[Signal, float] = {}
        ways: dict[Signal, float] = {}
        for voter, weight in self._voters:
            signal, direction = voter.reading
            if signal not in (Signal.WAITING, Signal.NEUTRAL):
                votes[signal] = votes.get(signal, 0.0) + weight
                ways[signal] = ways.get(signal, 0.0) + weight * direction
        most = max(votes.values(), default=0.0)
        winners = [signal for signal, weight in votes.items() if weight == most]
        if len(winners) != 1:
            return 0.0, NEUTRAL
        return most / fsum(weight for _, weight in self._voters), Reading(winners[0], sign_of(ways[winners[0]]))

    @property
    def value(self) -> float | None:
        """Return the winner's share of all weight, 0 when there is none."""
        return self._tally()[0] if self.ready else None

    @property
    def ready(self) -> bool:
        """Tell whether any of the others is."""
        return any(voter.ready for voter, _ in self._voters)

    @property
    def reading(self) -> Reading:
        """Return the signal with the most weight."""
        return self._tally()[1] if self.ready else WAITING


FILTERS: dict[str, type[Filter[Any]]] = {
    "bollinger": BollingerFilter,
    "rsi": RsiFilter,
    "adx": AdxFilter,
    "atr": AtrFilter,
    "chop": ChopFilter,
    "ma": MaFilter,
    "combo": ComboFilter,
}
_VOTERS = tuple(name for name, kind in FILTERS.items() if kind.sees == "bar" and name != "combo")


def make_filter(name: str, **settings: Any) -> Filter[Any]:
    """Return the filter of that name. Raises ValueError for a name or setting that is not known or not possible."""
    if name not in FILTERS:
        raise ValueError(f"filter was {name!r}; it is one of {', '.join(FILTERS)}")
    try:
        return FILTERS[name](**settings)
    except TypeError as exc:
        raise ValueError(f"filter {name}: {exc}") from exc
