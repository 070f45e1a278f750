"""A sweep's results as a table: rows for CSV, terminal and one HTML file with heat maps. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice, product
from typing import Any

from core.backtest.charts import table
from core.backtest.heat_map import heat_map
from core.backtest.report import page
from core.backtest.together import EXPOSURES
from core.history.csv_text import csv_line

FIGURES = (
    "net_pnl", "spread_pnl", "inventory_pnl", "fees", "volume_quote", "fills", "max_drawdown", "max_position",
    "quote_uptime_pct",
)  # fmt: skip
MAX_MAPS = 24
_MAX_ROWS = 2_000  # of the page
Row = Mapping[str, Any]


def heads(rows: Sequence[Row]) -> list[str]:
    """Return the columns: the keys of the grid, figures, markouts, and what went wrong."""
    keys = list(rows[0]["set"]) if rows else []
    marks = [f"markout_{after}" for after in _markouts(rows)]
    return [*keys, *_figures(rows), *marks, "ended", "error"]


def _figures(rows: Sequence[Row]) -> list[str]:
    """Return the figures that the rows have; those of bots with one leg have no exposure."""
    has_exposure = any(EXPOSURES[0] in (row.get("result") or {}) for row in rows)
    return [*FIGURES, *(EXPOSURES if has_exposure else ())]


def _markouts(rows: Sequence[Row]) -> list[str]:
    return next((list(row["result"]["markouts_bps"]) for row in rows if "result" in row), [])


def cells(row: Row, figures: Sequence[str], marks: Sequence[str]) -> list[str]:
    """Return a row of the table."""
    result = row.get("result") or {}
    found = [*(result.get(key) for key in figures), *(result.get("markouts_bps", {}).get(after) for after in marks)]
    return [*map(shown, row["set"].values()), *map(shown, found), shown(result.get("ended")), shown(row.get("error"))]


def shown(value: Any) -> str:
    """Return a value as people write it; nothing for None."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def best_first(rows: Sequence[Row], by: str) -> list[Row]:
    """Return rows by a figure, the highest first; those without it last, in the order of the grid."""
    found = [(figure(row, by), row) for row in rows]
    known = sorted(((value, row) for value, row in found if value is not None), key=lambda pair: -pair[0])
    return [*(row for _, row in known), *(row for value, row in found if value is None)]


def figure(row: Row, by: str) -> float | None:
    """Return a figure of a row, None when there is none."""
    result = row.get("result")
    value = None if result is None else result["markouts_bps"].get(by.removeprefix("markout_"), result.get(by))
    return None if value is None else float(value)


def sweep_csv(rows: Sequence[Row]) -> str:
    """Return the table as CSV, in the order of the grid."""
    figures, marks = _figures(rows), _markouts(rows)
    return csv_line(heads(rows)) + "".join(csv_line(cells(row, figures, marks)) for row in rows)


def sweep_page(title: str, rows: Sequence[Row], by: str) -> str:
    """Return one HTML file: heat maps of a figure, then the table, best first."""
    figures, marks = _figures(rows), _markouts(rows)
    maps = "\n".join(_maps(rows, by))
    order = best_first(rows, by)
    body = [f"<h1>{escape(title)}</h1>\n<p>{len(rows)} sets</p>", maps, f"<h2>All sets, by {escape(by)}</h2>"]
    body.append(table(heads(rows), [cells(row, figures, marks) for row in order[:_MAX_ROWS]]))
    if len(order) > _MAX_ROWS:
        body.append(f"<p>{len(order) - _MAX_ROWS} more are in the file of results.</p>")
    return page(f"Sweep: {title}", "\n".join(body))


def _maps(rows: Sequence[Row], by: str) -> list[str]:
    """Return a map of the first two keys for each choice of the others."""
    if not rows:
        return []
    keys = list(rows[0]["set"])
    values = {key: list(dict.fromkeys(shown(row["set"][key]) for row in rows)) for key in keys}
    across, down, others = keys[0], keys[1] if len(keys) > 1 else None, keys[2:]
    found = {tuple(shown(value) for value in row["set"].values()): figure(row, by) for row in rows}
    maps = []
    for chosen in islice(product(*(values[key] for key in others)), MAX_MAPS):
        said = ", ".join(f"{key} {value}" for key, value in zip(others, chosen, strict=True))
        lines = values[down] if down else [""]
        fields = [[found.get((x, *((y,) if down else ()), *chosen)) for x in values[across]] for y in lines]
        title = f"{by}{f', {said}' if said else ''}"
        maps.append(heat_map(title, (across, values[across]), (down or "", lines), fields))
    return maps
