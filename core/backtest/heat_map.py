"""A table of numbers as coloured fields, inline SVG like the other charts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from core.backtest.charts import WIDTH, short

_LEFT, _TOP, _BOTTOM = 110, 24, 34
_ROW = 30
_MAX_FIELD = 120
_TEXT_FROM = 44  # a field that is narrower has no number in it


def heat_map(
    title: str,
    across: tuple[str, Sequence[str]],
    down: tuple[str, Sequence[str]],
    values: Sequence[Sequence[float | None]],
) -> str:
    """Return a map with its title; `across` and `down` are names and labels, `values` rows of `down`, None a gap.

    Above 0 a field is green, below red, the stronger the further from 0; the best one has a frame.
    """
    wide = min(_MAX_FIELD, (WIDTH - _LEFT) / max(1, len(across[1])))
    height = _TOP + _ROW * len(down[1]) + _BOTTOM
    known = [value for row in values for value in row if value is not None]
    most, best = max((abs(value) for value in known), default=0.0), max(known, default=None)
    parts = [_label(_LEFT - 8, _TOP - 8, f"{down[0]} \\ {across[0]}", "end")]
    for at, label in enumerate(across[1]):
        parts.append(_label(_LEFT + wide * (at + 0.5), height - _BOTTOM + 16, label, "middle"))
    for line, label in enumerate(down[1]):
        y = _TOP + _ROW * line
        parts.append(_label(_LEFT - 8, y + 19, label, "end"))
        for at, value in enumerate(values[line]):
            parts.append(_field(_LEFT + wide * at, y, wide, value, most, value is not None and value == best))
    box = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"'
    body = "\n".join(parts)
    return f"<h2>{escape(title)}</h2>\n<svg {box}>\n{body}\n</svg>"


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _field(x: float, y: int, wide: float, value: float | None, most: float, is_best: bool) -> str:
    box = f'x="{x:.1f}" y="{y}" width="{max(1.0, wide - 2):.1f}" height="{_ROW - 2}"'
    if value is None:
        return f'<rect class="gap" {box}><title>no result</title></rect>'
    strength = abs(value) / most if most else 0.0
    style = f'class="{"plus" if value >= 0 else "minus"}{" best" if is_best else ""}" fill-opacity="{strength:.3f}"'
    field = f"<rect {style} {box}><title>{short(value)}</title></rect>"
    return field + (_label(x + wide / 2 - 1, y + 19, short(value), "middle") if wide >= _TEXT_FROM else "")
