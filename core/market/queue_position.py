"""Where a resting order stands in its level's queue, estimated from trades and from the level's size alone.

An order joins behind what is displayed. Trades at its price take from the front; what leaves the level otherwise left
before or behind us, in a proportion that the model tells. Definitions follow hftbacktest (after Rigtorp's note of
2013), with partial fills and a front that is never negative. Lots throughout; the front is an estimate, so a float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log1p

Share = Callable[[float, float, float], float]  # front, back, n -> the share of what left that was behind us


def _power(front: float, back: float, n: float) -> float:
    behind, before = back / (front + back), front / (front + back)  # of their sum: tiny powers vanish
    return float(behind**n / (behind**n + before**n))


def _power2(front: float, back: float, n: float) -> float:
    return float((back / (back + front)) ** n)


def _power3(front: float, back: float, n: float) -> float:
    return float(1 - (front / (front + back)) ** n)


def _log(front: float, back: float, n: float) -> float:
    return log1p(back) / (log1p(back) + log1p(front))


def _log2(front: float, back: float, n: float) -> float:
    return log1p(back) / log1p(back + front)


QUEUE_MODELS: dict[str, Share] = {
    "risk_averse": lambda front, back, n: 1.0,
    "power": _power,
    "power2": _power2,
    "power3": _power3,
    "log": _log,
    "log2": _log2,
}


@dataclass(frozen=True, slots=True)
class QueueModel:
    """A model by name; `n` is the exponent of the powers."""

    name: str = "power3"
    n: float = 3.0

    def __post_init__(self) -> None:
        """Refuse an unknown model; raises ValueError."""
        if self.name not in QUEUE_MODELS:
            raise ValueError(f"queue model was {self.name!r}; it is one of {', '.join(QUEUE_MODELS)}")
        if not self.n > 0:
            raise ValueError(f"the exponent was {self.n}")

    def behind(self, front: float, back: float) -> float:
        """Return the share of what left the level that stood behind us, 0 to 1; 1 in an empty level."""
        return QUEUE_MODELS[self.name](front, back, self.n) if front > 0 or back > 0 else 1.0


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """What stands before an order, and what was traded at its price since the level was last seen."""

    front: float
    traded: float = 0.0

    def after_trade(self, size: float, remaining: float) -> tuple[QueuePosition, float]:
        """Return the position after a trade at our price, and how much of `remaining` it filled."""
        filled = min(max(0.0, size - self.front), remaining)
        return QueuePosition(max(0.0, self.front - size), self.traded + size), filled

    def after_level(self, before: float, now: float, model: QueueModel) -> QueuePosition:
        """Return the position after the displayed size of the level went from `before` to `now`."""
        left = before - now - self.traded
        if left < 0:
            return QueuePosition(min(self.front, now))
        back = max(before - self.front, 0.0)
        share = model.behind(self.front, back)
        # What cannot have left behind us left before us, too: the level's new size is the most that can stand there.
        return QueuePosition(max(0.0, min(self.front - (1 - share) * left, now)))
