"""What lets a resting order of a simulated venue fill: where it stands, and what is printed at which price. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from core.market.book import PRINT_BAND_PCT
from core.market.displayed import Displayed
from core.market.order import Side

FILL_MODELS = ("cross", "touch", "queue")
TIMES_IN_FORCE = ("GTC", "IOC")


class Standing(str, Enum):
    """Where an order stands against a book."""

    CROSS = "cross"  # at or beyond the opposite best price
    TOUCH = "touch"  # at or inside its own best price
    AWAY = "away"


def standing(side: Side, price_ticks: int, best_bid_ticks: int | None, best_ask_ticks: int | None) -> Standing:
    """Return where a price stands; None is an empty side (half-tick tolerances are exact in ticks)."""
    own, opposite = (best_bid_ticks, best_ask_ticks) if side is Side.BUY else (best_ask_ticks, best_bid_ticks)
    if opposite is not None and side.sign * (price_ticks - opposite) >= 0:
        return Standing.CROSS
    if own is None or side.sign * (price_ticks - own) >= 0:
        return Standing.TOUCH
    return Standing.AWAY


@dataclass(frozen=True, slots=True)
class MatchingRules:
    """How the simulated venue fills."""

    fill_model: str = "touch"
    touch_prob: float = 0.1
    print_band_pct: float = PRINT_BAND_PCT  # of mid, beyond the best prices
    max_open_orders: int = 200
    queue_model: str = "power3"  # queue_position.QUEUE_MODELS
    queue_exponent: float = 3.0


def standing_in(shown: Displayed, side: Side, price_ticks: int) -> Standing:
    """Return where a price stands in what is displayed."""
    return standing(side, price_ticks, shown.best_ticks(Side.BUY), shown.best_ticks(Side.SELL))


def is_hit(
    side: Side,
    price_ticks: int,
    print_ticks: int,
    aggressor: Side,
    where: Standing,
    rules: MatchingRules,
    draw: Callable[[], float],
) -> bool:
    """Tell whether a print fills a resting order; draws exactly once for one that is touched, never for others."""
    beyond = side.sign * (price_ticks - print_ticks)
    if beyond > 0:
        return aggressor is side.opposite
    if beyond < 0:
        return False
    if where is Standing.TOUCH and rules.fill_model == "touch":
        return draw() < rules.touch_prob
    return where is Standing.CROSS
