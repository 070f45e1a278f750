"""What the ledger of a bot says, in the API's words. Money and sizes stay decimal text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.history.fill_profits import profits_of
from core.history.ledger_reader import (
    MAIN_LEG,
    fills,
    instruments,
    latches,
    markouts,
    open_orders,
    series,
    series_span,
)
from core.history.records import FillRow, OrderRow, SeriesPoint
from utils.moments import moment_text
from web.rows import finite

LEDGER = "ledger.db"
RECENT_NS = 600 * 10**9


def orders_in(path: Path) -> list[dict[str, Any]]:
    """Return the open orders. Raises LedgerError."""
    return [_order(one) for one in open_orders(path)]


def _order(one: OrderRow) -> dict[str, Any]:
    return {
        "client_id": one.client_order_id,
        "venue_id": one.venue_order_id,
        "leg": one.leg,
        "side": one.side,
        "price": one.price,
        "size": one.size,
        "filled": one.filled,
        "status": one.state,
        "placed_at": moment_text(one.sent_utc_ns),
    }


def fills_in(path: Path, before: int | None, limit: int) -> dict[str, Any]:
    """Return a page of fills, newest first, and what the next page begins before. Raises LedgerError."""
    found = fills(path, before, limit)
    earned = profits_of(path, found)
    told = [_fill(one, earned.get(one.number)) for one in found]
    return {"fills": told, "next": found[-1].number if len(found) == limit else None}


def _fill(one: FillRow, pnl: str | None) -> dict[str, Any]:
    return {
        "at": moment_text(one.utc_ns),
        "leg": one.leg,
        "side": one.side,
        "price": one.price,
        "size": one.size,
        "fee": one.fee,
        "fee_asset": one.fee_asset,
        "pnl": pnl,  # before the fee; null of a fill that closed nothing
        "maker": one.liquidity == "maker",
        "order": one.client_order_id,
    }


def series_in(path: Path, from_ms: int, to_ms: int, points: int) -> dict[str, Any]:
    """Return columns of a span, UTC milliseconds; `equity` is what the bot has earned. Raises LedgerError."""
    found = series(path, from_ms * 10**6, to_ms * 10**6, points)
    return {
        "at": [point.utc_ns // 10**6 for point in found],
        "equity": _numbers(found, "net"),
        "position": _numbers(found, "position"),
        "realised": _numbers(found, "realised"),
        "mid": _numbers(found, "mid"),
    }


def _numbers(found: Sequence[SeriesPoint], key: str) -> list[float | None]:
    return [finite(getattr(point, key)) for point in found]


def markouts_in(path: Path, since_ns: int) -> dict[str, Any]:
    """Return the markouts of the fills since a time, and the captured spread. Raises LedgerError."""
    captured, *later = markouts(path, from_utc_ns=since_ns)
    told = [{"horizon_s": one.horizon_s, "mean_bps": one.mean_bps, "n": one.fills} for one in later]
    return {"markouts": told, "spread_captured_bps": captured.mean_bps}


def latches_in(path: Path) -> list[dict[str, Any]]:
    """Return the tripped limits. Raises LedgerError."""
    return [{"name": one.name, "reason": one.reason, "at": moment_text(one.at_utc_ns)} for one in latches(path)]


def quote_of(path: Path) -> str:
    """Return the asset that a bot's profit is counted in, "" while nothing says so. Raises LedgerError."""
    traded = instruments(path)
    main = traded.get(MAIN_LEG) or next(iter(traded.values()), None)
    return main.quote if main else ""


def net_before(path: Path, utc_ns: int) -> Decimal | None:
    """Return what a bot had earned by a time; at its very first row, when there is none before. Raises LedgerError."""
    span = series_span(path)
    if span is None:
        return None
    found = series(path, span[0], utc_ns, 1) or series(path, span[0], span[0] + 1, 1)
    return _net(found)


def net_in(path: Path, from_ns: int, to_ns: int) -> Decimal | None:
    """Return what a bot had earned by the last row of a span, None when it has none there. Raises LedgerError."""
    recent = max(from_ns, to_ns - RECENT_NS)  # nearly always there, and quickly read
    return _net(series(path, recent, to_ns, 1) or series(path, from_ns, to_ns, 1))


def _net(found: Sequence[SeriesPoint]) -> Decimal | None:
    return None if not found or found[-1].net is None else Decimal(found[-1].net)
