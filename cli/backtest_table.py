"""The statistics of a backtest as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.input_validation import printable

_ROWS = {
    "fills": "fills",
    "buys": "of them buys",
    "maker_fills": "of them as maker",
    "volume_quote": "volume",
    "net_pnl": "net profit",
    "spread_pnl": "  from the spread",
    "inventory_pnl": "  from inventory",
    "fees": "  fees (a cost)",
    "max_drawdown": "largest drawdown",
    "position": "position at the end",
    "max_position": "largest position",
    "quote_uptime_pct": "quotes on both sides, %",
    "decisions": "decisions",
}
_OF_ALL = {
    "max_exposure_quote": "largest exposure, value",
    "mean_exposure_quote": "mean exposure, value",
    "quote_uptime_pct": "quotes on both sides, %",
    "decisions": "decisions",
}
_OF_LEG = (
    "fills", "maker_fills", "volume_quote", "net_pnl", "spread_pnl", "inventory_pnl", "fees", "position",
    "max_position",
)  # fmt: skip


def table_of(result: Mapping[str, Any]) -> list[str]:
    """Return the table of a run."""
    lines = [f"{result['bot']}: {result['symbol']}, {result['events']} events, {result['span_s']:.0f} s of market time"]
    if result["ended"]:
        lines.append(f"  ended before the data: {result['ended']}")
    if "legs" in result:
        lines += _several(result)
    else:
        lines += [_line(text, result[key]) for key, text in _ROWS.items()]
        lines.append(_markouts(result))
    orders = ", ".join(f"{count} {what}" for what, count in result["orders"].items())
    lines.append(_line("orders", orders))
    lines.append(f"  {result['elapsed_s']:.2f} s, {result['events_per_s']:,} events/s")
    return lines


def _several(result: Mapping[str, Any]) -> list[str]:
    """Return the lines of a bot with several legs: a column for each leg and one for all, then what is of all."""
    legs = result["legs"]
    columns = [*legs, {**result, "position": "", "max_position": ""}]
    lines = [_columns("", [*(leg["leg"] for leg in legs), "all"])]
    lines += [_columns(_ROWS[key], [str(column[key]) for column in columns]) for key in _OF_LEG]
    lines += [
        _line(f"exposure, {base}", f"{held['max']} at the most, {held['mean']} on average, {held['end']} at the end")
        for base, held in result["exposure"].items()
    ]
    lines += [_line(text, result[key]) for key, text in _OF_ALL.items()]
    lines += [_markouts(leg, f" of {leg['leg']}") for leg in legs]
    return [*lines, *_own(result["strategy"])]


def _own(told: Mapping[str, Any], of: str = "") -> list[str]:
    """Return what a strategy tells, a line for each figure or group of figures."""
    lines: list[str] = []
    for key, value in told.items():
        name = f"{of}{key}".replace("_", " ")
        nested = isinstance(value, Mapping) and any(isinstance(one, Mapping) for one in value.values())
        lines += _own(value, f"{name} ") if nested else [_line(printable(name), _told(value))]
    return lines


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(one)}" for key, one in value.items())
    return "-" if value is None else printable(str(value))


def _columns(text: str, cells: list[str]) -> str:
    return f"  {text:<26}{''.join(f'{printable(cell):>18}' for cell in cells)}".rstrip()


def _line(text: str, value: Any) -> str:
    return f"  {text:<26}{value}"


def _markouts(of: Mapping[str, Any], name: str = "") -> str:
    marks = ", ".join(f"{after} {_or_none(bps)}" for after, bps in of["markouts_bps"].items())
    return _line(f"markouts{name}, bps", marks)


def _or_none(bps: float | None) -> str:
    return "-" if bps is None else f"{bps:.2f}"
