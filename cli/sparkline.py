"""A course of numbers as one short line of text."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.:-=+*#"
_GAP = " "


def sparkline(values: Sequence[float | None], width: int, steps: str = BLOCKS) -> str:
    """Return at most `width` characters: the last value of each equal part, lowest to highest; a gap for None."""
    if not values or width < 1:
        return ""
    count = min(width, len(values))
    shown = [values[(at + 1) * len(values) // count - 1] for at in range(count)]
    known = [value for value in shown if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return "".join(_GAP if value is None else steps[_step(value, low, high, len(steps))] for value in shown)


def _step(value: float, low: float, high: float, steps: int) -> int:
    return 0 if high <= low else min(steps - 1, int((value - low) / (high - low) * steps))
