"""The lines and cells of a grid as far as the config alone tells: before ticks and lots, which only the venue knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from core.registry.checks.draft import Draft

SECTION = "strategy_config"
MAX_LINES = 500  # of a grid, as in its schema
_SIZES = ("quantity", "quantity_quote", "total_investment")


@dataclass(frozen=True, slots=True)
class GridShape:
    """The lines of a grid, ascending; `is_relative` where they are shares of a price that only the start knows."""

    lines: tuple[float, ...]
    is_relative: bool

    @property
    def lower(self) -> float:
        """Return the lowest line."""
        return self.lines[0]

    @property
    def upper(self) -> float:
        """Return the highest line."""
        return self.lines[-1]

    @property
    def cells(self) -> int:
        """Return the number of cells."""
        return len(self.lines) - 1


def is_grid(draft: Draft) -> bool:
    """Tell whether a strategy lays a grid, by its keys."""
    return all(key in draft.strategy for key in ("lower", "upper", "grid_num"))


def shape_of(draft: Draft, count: int | None = None) -> GridShape | None:
    """Return the shape of a grid, of another number of lines with `count`; None when it cannot be told."""
    keys = ("auto_range", "lower", "upper", "range_pct", "grid_num", "grid_mode")
    if not is_grid(draft) or not draft.sound(SECTION, *keys):
        return None
    lines = draft.number(SECTION, "grid_num") if count is None else float(count)
    bounds = _bounds(draft)
    if lines is None or not 2 <= lines <= MAX_LINES or bounds is None or not 0 < bounds[0] < bounds[1] < inf:
        return None  # of an unknown strategy nothing is checked before
    return GridShape(
        _lines(*bounds, int(lines), draft.strategy.get("grid_mode")), bool(draft.strategy.get("auto_range"))
    )


def _bounds(draft: Draft) -> tuple[float, float] | None:
    lower, upper = draft.number(SECTION, "lower"), draft.number(SECTION, "upper")
    share = draft.number(SECTION, "range_pct")
    if draft.strategy.get("auto_range"):
        return None if share is None or lower or upper else (1 - share / 100, 1 + share / 100)
    return None if lower is None or upper is None else (lower, upper)


def _lines(lower: float, upper: float, count: int, mode: object) -> tuple[float, ...]:
    steps = count - 1
    if mode == "geometric":
        return tuple(lower * (upper / lower) ** (k / steps) for k in range(count))
    return tuple(lower + (upper - lower) * k / steps for k in range(count))


def least_profit(lines: Sequence[float], fee_rate: float) -> float:
    """Return the smallest net profit of a round trip between two lines, as a share of its buying price."""
    return min((high - low - fee_rate * (high + low)) / low for low, high in pairwise(lines))


def openings(shape: GridShape, grid_type: object, centre: float) -> tuple[list[float], list[float]]:
    """Return the prices at which long and short cells on margin open; the one around the centre is left out."""
    cells = list(pairwise(shape.lines))
    if grid_type == "long":
        return [low for low, _ in cells], []
    if grid_type == "short":
        return [], [high for _, high in cells]
    return [low for low, high in cells if high <= centre], [high for low, high in cells if low >= centre]


def cell_size(draft: Draft, opening: float, cells: int) -> float | None:
    """Return what a cell that opens at a price holds, in base; None when only the start can tell."""
    size, value, total = (draft.number(SECTION, key) for key in _SIZES)
    if size is not None:
        return size
    value = total / cells if value is None and total is not None else value
    return None if value is None else value / opening


def size_key_of(draft: Draft) -> str | None:
    """Return the key that says the sizes of a grid, None when none or several do."""
    given = [key for key in _SIZES if draft.number(SECTION, key) is not None]
    return given[0] if len(given) == 1 else None
