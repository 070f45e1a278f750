"""The lines of a grid: prices at equal distances or in equal ratios, aligned to ticks, each once. Pure.

Line k of a grid is known for every integer k, also below 0 and beyond the last: a grid that trails moves along them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from itertools import pairwise

from core.market.instrument import CEIL, FLOOR, Instrument
from utils.errors import ConfigError

ARITHMETIC, GEOMETRIC = "arithmetic", "geometric"
_PRECISE = Context(prec=50)


@dataclass(frozen=True, slots=True)
class GridLines:
    """`count` lines from `lower_ticks` to `upper_ticks`, both included."""

    mode: str
    lower_ticks: int
    upper_ticks: int
    count: int

    def at(self, k: int) -> int:
        """Return line k in ticks, to the nearest tick; lines 0 and count - 1 are exactly the bounds."""
        steps, low, high = self.count - 1, self.lower_ticks, self.upper_ticks
        if self.mode == ARITHMETIC:
            return (2 * (low * steps + k * (high - low)) + steps) // (2 * steps)
        if k in (0, steps):
            return high if k else low
        with localcontext(_PRECISE):
            price = low * (Decimal(high) / low) ** (Decimal(k) / steps)
            return int(price.to_integral_value(ROUND_HALF_EVEN))

    def all(self) -> tuple[int, ...]:
        """Return every line, ascending."""
        return self.from_line(0)

    def from_line(self, first: int) -> tuple[int, ...]:
        """Return as many lines from line `first` on, ascending."""
        return tuple(self.at(first + k) for k in range(self.count))


def bounds_ticks(lower: Decimal, upper: Decimal, instrument: Instrument) -> tuple[int, int]:
    """Return both bounds in ticks: the lower rounded down, the upper up."""
    return instrument.to_ticks(lower, FLOOR), instrument.to_ticks(upper, CEIL)


def range_around(reference: Decimal, range_pct: Decimal, instrument: Instrument) -> tuple[int, int]:
    """Return the bounds `range_pct` percent below and above a price, in ticks."""
    share = range_pct / 100
    return bounds_ticks(reference * (1 - share), reference * (1 + share), instrument)


def make_lines(mode: str, lower_ticks: int, upper_ticks: int, count: int) -> GridLines:
    """Return the lines of a grid. Raises ConfigError when two of them fall on one tick, or a bound on none."""
    if lower_ticks < 1 or upper_ticks <= lower_ticks:
        raise ConfigError("lower and upper must be at least one tick apart and above zero")
    lines = GridLines(mode, lower_ticks, upper_ticks, count)
    if _ascends(lines):
        return lines
    usable = largest_count(mode, lower_ticks, upper_ticks, count)
    raise ConfigError(f"grid_num {count}: two lines fall on one tick; the largest usable grid_num is {usable}")


def largest_count(mode: str, lower_ticks: int, upper_ticks: int, most: int) -> int:
    """Return the largest number of lines, up to `most`, of which no two fall on one tick; at least 2."""
    candidates = range(min(most, upper_ticks - lower_ticks + 1), 1, -1)
    return next(count for count in candidates if _ascends(GridLines(mode, lower_ticks, upper_ticks, count)))


def _ascends(lines: GridLines) -> bool:
    before = lines.lower_ticks - 1
    for k in range(lines.count):
        if (line := lines.at(k)) <= before:
            return False
        before = line
    return True


def interval_profits(lines: tuple[int, ...], fee_rate: Decimal) -> tuple[Decimal, Decimal]:
    """Return the smallest and the largest net profit of a round trip, as a share of its buying price.

    `fee_rate` is charged on both trades, negative is a rebate.
    """
    with localcontext(_PRECISE):
        shares = [(high - low - fee_rate * (high + low)) / Decimal(low) for low, high in pairwise(lines)]
    return min(shares), max(shares)
