"""Where an order stands in the queue at its price, guessed from what everybody can see. Pure.

`front` is what rests before us, in lots; a guess is no whole number. A print at our price takes from the front; a level
that shrinks by more than was traded lost cancels, and the model says how many of them stood before us. The definitions
are those of hftbacktest's queue models (after Rigtorp, 2013), but the front is never negative and never rises.

These functions are plain arithmetic on numbers, so that the compiled backtest runs the very same ones.
"""

from __future__ import annotations

import math

QUEUE_MODELS = ("risk_averse", "power", "power2", "power3", "log", "log2")
RISK_AVERSE, POWER, POWER2, POWER3, LOG, LOG2 = range(len(QUEUE_MODELS))
UNSEEN = math.inf  # the front of an order where the book is not displayed


def behind_share(model: int, exponent: float, front: float, back: float) -> float:
    """Return which share of the cancels happened behind us, by what stands before and behind."""
    if model == RISK_AVERSE or front + back <= 0.0:
        return 1.0
    if model == POWER:
        behind = back**exponent
        return float(behind / (behind + front**exponent))
    if model == POWER2:
        return float(back**exponent / (back + front) ** exponent)
    if model == POWER3:
        return float(1.0 - (front / (front + back)) ** exponent)
    if model == LOG:
        return math.log(1.0 + back) / (math.log(1.0 + back) + math.log(1.0 + front))
    return math.log(1.0 + back) / math.log(1.0 + back + front)


def after_level(front: float, traded: float, before: float, after: float, model: int, exponent: float) -> float:
    """Return the front when our level went from `before` to `after` lots; `traded` at it since it last changed."""
    change = before - after - traded
    if change < 0 or model == RISK_AVERSE or front > before:
        return min(front, after)
    back = max(before - front, 0.0)
    share = behind_share(model, exponent, front, back)
    guess = front - (1.0 - share) * change + min(back - share * change, 0.0)
    return max(0.0, min(guess, after, front))


def after_trade(front: float, size_lots: float) -> float:
    """Return the front when `size_lots` traded at our price."""
    return max(0.0, front - size_lots)


def reaching_lots(front: float, size_lots: int) -> int:
    """Return how many of `size_lots` that trade at our price get past those before us, in whole lots.

    Rounded, as the front is a guess: cut off it would be too little, and 13.000000000000002 before us would be 14.
    """
    return int(max(0.0, size_lots - front) + 0.5)
