"""What a filter is: something that says what the market's look means for quoting. docs/add-a-filter.md is the how-to.

A filter takes what it `sees` (finished bars, trades or books), has a `value` to show and says with `reading` what it
makes of it. Before it is `ready` the reading is WAITING, which quotes as neutral.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, NamedTuple, Protocol, TypeVar

Seen = TypeVar("Seen", contravariant=True)


class Signal(str, Enum):
    """What a filter can say."""

    WAITING = "waiting"
    NEUTRAL = "neutral"
    BUY = "buy_signal"
    SELL = "sell_signal"
    TRENDING = "trending"
    RANGING = "ranging"
    VOLATILE = "volatile"


class Reading(NamedTuple):
    """A signal, and for a trend its direction: 1 up, -1 down."""

    signal: Signal
    direction: int = 0


WAITING, NEUTRAL = Reading(Signal.WAITING), Reading(Signal.NEUTRAL)


class Filter(Protocol[Seen]):
    """What every filter is; its settings are the keyword arguments of its class."""

    sees: ClassVar[str]  # bar | trade | book

    def update(self, seen: Seen) -> None:
        """Take the next of what it sees."""

    @property
    def value(self) -> float | None:
        """Return the number to show, None before the first."""

    @property
    def ready(self) -> bool:
        """Tell whether enough was seen."""

    @property
    def reading(self) -> Reading:
        """Return what it makes of it."""


def sign_of(value: float) -> int:
    """Return 1, 0 or -1."""
    return (value > 0) - (value < 0)
