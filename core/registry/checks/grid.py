"""Checks of grids: bounds, stops, sizes, and what a grid earns, costs and comes to.

They know what the config says: prices before ticks, sizes before lots, fees as `maker_fee_bps` tells them. A start
checks the same again with the market's facts (`core/market/grid_sizing.py`, `grid_worst_case.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from core.registry.checks.draft import Draft
from core.registry.checks.grid_shape import (
    SECTION,
    GridShape,
    cell_size,
    is_grid,
    least_profit,
    openings,
    shape_of,
    size_key_of,
)
from core.registry.complaints import NOTHING, Problem
from core.registry.wording import shown

MAINTENANCE = 0.005  # as in core/market/grid_worst_case.py, which this room does not know
_CLOSE = 1 + 1e-9  # decimals of the file are binary here


def check_grid_range(draft: Draft) -> Iterator[Problem]:
    """A grid has two bounds, the lower below the upper, or makes its range itself."""
    if not is_grid(draft) or not draft.sound(SECTION, "auto_range", "lower", "upper"):
        return
    for key in ("lower", "upper"):
        value = draft.strategy[key]
        if draft.strategy.get("auto_range") and value is not None:
            yield Problem((SECTION, key), shown(value), "null with auto_range: range_pct makes the range then")
        elif not draft.strategy.get("auto_range") and value is None:
            yield Problem((SECTION, key), NOTHING, "a price above 0 (quote), or auto_range true")
    yield from _check_below(draft, "lower", "upper")


def check_grid_stops(draft: Draft) -> Iterator[Problem]:
    """Stops lie outside the range and in their order; a floor of trailing is not above it."""
    if not is_grid(draft):
        return
    before = [*_check_below(draft, "stop_lower", "lower"), *_check_below(draft, "upper", "stop_upper", at="stop_upper")]
    yield from before
    if not before:
        yield from _check_below(draft, "stop_lower", "stop_upper")
    yield from _check_below(draft, "trail_floor", "lower", or_at=True)


def check_grid_centre(draft: Draft) -> Iterator[Problem]:
    """Only a neutral grid has a centre, inside its range, and only another one begins with a position."""
    kind = draft.strategy.get("grid_type")
    if not is_grid(draft) or kind is None or not draft.sound(SECTION, "grid_type"):
        return
    centre, begins = draft.number(SECTION, "neutral_center"), draft.strategy.get("initial_position")
    if centre is not None and kind != "neutral":
        yield Problem((SECTION, "neutral_center"), shown(centre), 'null, unless grid_type is "neutral"')
    elif centre is not None:
        yield from _check_below(draft, "lower", "neutral_center", at="neutral_center")
        yield from _check_below(draft, "neutral_center", "upper")
    if kind == "neutral" and begins not in (None, "none") and draft.sound(SECTION, "initial_position"):
        yield Problem((SECTION, "initial_position"), shown(begins), '"none" in a neutral grid')


def check_grid_size(draft: Draft) -> Iterator[Problem]:
    """A grid is told its size once; one on margin may leave it to the free margin."""
    keys = [key for key in ("quantity", "quantity_quote", "total_investment") if key in draft.strategy]
    if not is_grid(draft) or not draft.sound(SECTION, *keys):
        return
    given = [key for key in keys if draft.strategy[key] is not None]
    if len(given) > 1:
        yield Problem((SECTION, given[1]), " and ".join(given), f"one of {', '.join(keys)}")
    elif not given and "total_investment" in keys:
        yield Problem((SECTION, "quantity"), NOTHING, f"a number above 0 in one of {', '.join(keys)}")


def check_grid_earns(draft: Draft) -> Iterator[Problem]:
    """A round trip between two lines must earn more than its two fees, unless that is asked for."""
    shape, fee_bps = shape_of(draft), draft.number("exchange_config", "maker_fee_bps")
    if shape is None or fee_bps is None or not draft.strategy.get("min_profit_check"):
        return
    if least_profit(shape.lines, fee_bps / 10_000) > 0:
        return
    most = _most_lines_that_earn(draft, shape, fee_bps)
    lines = f"at most {most}, or a wider range" if most else "a wider range"
    why = f"a round trip would not earn twice maker_fee_bps ({fee_bps:g}); min_profit_check false allows that"
    yield Problem((SECTION, "grid_num"), shown(draft.strategy["grid_num"]), f"{lines}: {why}")


def _most_lines_that_earn(draft: Draft, shape: GridShape, fee_bps: float) -> int | None:
    earning, losing = 1, shape.cells + 1  # fewer lines always earn more
    while losing - earning > 1:
        count = (earning + losing) // 2
        fewer = shape_of(draft, count)
        if fewer is not None and least_profit(fewer.lines, fee_bps / 10_000) > 0:
            earning = count
        else:
            losing = count
    return earning if earning > 1 else None


def check_grid_is_affordable(draft: Draft) -> Iterator[Problem]:
    """Where the money is known, on paper, it pays for all cells of a spot grid at its cheapest: at the lowest line."""
    symbol, balances, key = draft.strategy.get("symbol"), draft.exchange.get("initial_balances"), size_key_of(draft)
    if "initial_inventory" not in draft.strategy or not isinstance(symbol, str) or symbol.count("-") != 1:
        return
    if not isinstance(balances, dict) or not balances or key is None or draft.exchange.get("mode") == "live":
        return
    shape = shape_of(draft)
    if shape is None or not draft.sound("exchange_config", "initial_balances", "mode"):
        return
    base, quote = (_amount(balances.get(asset)) for asset in symbol.split("-"))
    if base is None or quote is None or (shape.is_relative and (base or key == "quantity")):
        return  # what a unit of base is worth only the start knows
    given = draft.number(SECTION, key) or 0.0
    needed = {"quantity": given * shape.cells * shape.lower, "quantity_quote": given * shape.cells}.get(key, given)
    worth = quote + base * (shape.lower if key == "quantity" else shape.upper)
    if needed > worth * _CLOSE:
        unit = symbol.split("-")[1]
        expected = f"cells of at most {worth:g} {unit} together, as in initial_balances; they need {needed:g}"
        yield Problem((SECTION, key), shown(draft.strategy[key]), expected)


def _amount(value: object) -> float | None:
    try:
        return float(value or 0)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def check_grid_fits_position(draft: Draft) -> Iterator[Problem]:
    """All cells of one side of a grid on margin, filled, stay within the position limits."""
    for sizes, end in _sides(draft):
        held = sum(sizes)
        for limit, total in (("max_position", held), ("max_position_usd", None if end is None else held * end)):
            most = draft.number("risk_config", limit)
            if most is not None and total is not None and total > most * _CLOSE:
                expected = f"at least {total:g}: what {len(sizes)} filled cells of one side come to"
                yield Problem(("risk_config", limit), shown(draft.risk[limit]), expected)


def check_grid_is_not_liquidated(draft: Draft) -> Iterator[Problem]:
    """A grid on margin reaches its end before its liquidation price."""
    leverage = draft.number(SECTION, "leverage")
    shape = shape_of(draft)
    if leverage is None or leverage <= 0 or shape is None:
        return
    for sign, opens in zip((1, -1), _openings(draft, shape), strict=True):
        sizes = [cell_size(draft, price, shape.cells) for price in opens]
        held = sum(size or 0.0 for size in sizes)
        if held <= 0 or None in sizes:
            continue
        average = sum(price * (size or 0.0) for price, size in zip(opens, sizes, strict=True)) / held
        liquidation = average * (1 - sign / leverage) / (1 - sign * MAINTENANCE)
        end = min(opens) if sign > 0 else max(opens)
        if liquidation > 0 and (liquidation - end) * sign >= 0:
            word = "long" if sign > 0 else "short"
            expected = f"less, or a narrower range: with all {word} cells filled it is liquidated within its range"
            yield Problem((SECTION, "leverage"), shown(draft.strategy["leverage"]), expected)
            return


def _sides(draft: Draft) -> Iterator[tuple[list[float], float | None]]:
    """Yield sizes (base) and the losing end (None: relative) of each side of a grid on margin."""
    shape = shape_of(draft)
    if shape is None or "grid_type" not in draft.strategy:
        return
    for side, opens in enumerate(_openings(draft, shape)):
        sizes = [cell_size(draft, price, shape.cells) for price in opens]
        known = [size for size in sizes if size is not None]
        by_value = draft.number(SECTION, "quantity") is None
        if opens and len(known) == len(opens) and not (shape.is_relative and by_value):
            end = max(opens) if side else min(opens)
            yield known, None if shape.is_relative else end


def _openings(draft: Draft, shape: GridShape) -> tuple[list[float], list[float]]:
    kind = draft.strategy.get("grid_type")
    if kind is None or not draft.sound(SECTION, "grid_type", "neutral_center"):
        return [], []
    centre = draft.number(SECTION, "neutral_center") or (shape.lower + shape.upper) / 2
    return openings(shape, kind, centre)


def _check_below(draft: Draft, low: str, high: str, at: str = "", or_at: bool = False) -> Iterator[Problem]:
    """One price lies below another, or at it; `at` is the key that is complained of, if it is not the lower one."""
    small, large = draft.number(SECTION, low), draft.number(SECTION, high)
    if small is None or large is None or small < large or (or_at and small == large):
        return
    key, other = (at, low) if at == high else (low, high)
    word = "above" if key == high else "at most" if or_at else "below"
    yield Problem(
        (SECTION, key), shown(draft.strategy[key]), f"{word} {other}, which is {shown(draft.strategy[other])}"
    )
