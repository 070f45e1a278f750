"""What a bot's ledger says of its past, read beside the live worker; missing files and older formats have less to say.

Every function raises LedgerError when the file is there and cannot be read; a file that is not there is empty.
`from_utc_ns` is included, `to_utc_ns` is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.history import days, marks
from core.history.ledger_file import LedgerFile, reading
from core.history.records import Day, FillRow, FundingRow, InstrumentRow, LatchRow, Markout, OrderRow, SeriesPoint
from core.history.whole_bot import added
from utils.errors import LedgerError
from utils.files import read_json

LATCHES_NAME = "latches.json"
MAIN_LEG = "main"
MARKOUT_HORIZONS_S = (10.0, 60.0, 300.0)
_ORDERS = (
    "SELECT client_order_id, leg, slot, side, price, size, filled, state, closed, post_only, reduce_only, "
    "time_in_force, venue_order_id, sent_ns, acked_ns, reason FROM orders"
)
_FILLS = (
    "SELECT number, leg, trade_id, client_order_id, venue_order_id, side, price, size, liquidity, fee, fee_asset, "
    "venue_ns FROM fills"
)
_FUNDING = "SELECT number, leg, payment_id, amount, rate, mark_price, size, venue_ns FROM funding"
_SERIES = "SELECT utc_ns, position, mid, realised, fees, funding, net, equity"
STEPS_S = (10, 300, 3_600)  # of the series, finest first; `core/trading/ledger_series.py` writes them
_IN_SERIES = f"FROM series WHERE leg = ? AND step_s IN {STEPS_S}"
_PAGE = 5_000


def open_orders(path: Path) -> list[OrderRow]:
    """Return every order that is not closed, by leg, side and price."""
    with reading(path) as ledger:
        found = [] if ledger is None else ledger.rows("orders", f"{_ORDERS} WHERE closed = 0")
    return sorted(map(_order, found), key=lambda order: (order.leg, order.side, float(order.price)))


def orders_between(path: Path, from_utc_ns: int, to_utc_ns: int) -> list[OrderRow]:
    """Return the orders sent in a span, oldest first; closed ones are kept for an hour only."""
    with reading(path) as ledger:
        statement = f"{_ORDERS} WHERE sent_ns >= ? AND sent_ns < ? ORDER BY sent_ns, client_order_id"
        found = [] if ledger is None else ledger.rows("orders", statement, (from_utc_ns, to_utc_ns))
    return [_order(row) for row in found]


def orders_of(path: Path, client_order_ids: Sequence[str]) -> list[OrderRow]:
    """Return the orders of some hundred ids, as far as the ledger still has them."""
    with reading(path) as ledger:
        statement = f"{_ORDERS} WHERE client_order_id IN ({','.join('?' * len(client_order_ids))})"
        found = [] if ledger is None else ledger.rows("orders", statement, client_order_ids)
    return [_order(row) for row in found]


def fills(path: Path, before: int | None = None, limit: int = 50) -> list[FillRow]:
    """Return the newest fills first, at most `limit`; `before`: the number of the last one that was shown."""
    with reading(path) as ledger:
        statement = f"{_FILLS} WHERE number < ? ORDER BY number DESC LIMIT ?"
        values = (_largest(before), max(0, limit))
        return [] if ledger is None else [FillRow(*row) for row in ledger.rows("fills", statement, values)]


def fills_after(path: Path, number: int, limit: int) -> list[FillRow]:
    """Return at most `limit` fills booked after the `number`th, oldest first."""
    with reading(path) as ledger:
        statement = f"{_FILLS} WHERE number > ? ORDER BY number LIMIT ?"
        return [] if ledger is None else [FillRow(*row) for row in ledger.rows("fills", statement, (number, limit))]


def funding_after(path: Path, number: int, limit: int) -> list[FundingRow]:
    """Return at most `limit` funding payments booked after the `number`th, oldest first."""
    with reading(path) as ledger:
        statement = f"{_FUNDING} WHERE number > ? ORDER BY number LIMIT ?"
        return (
            [] if ledger is None else [FundingRow(*row) for row in ledger.rows("funding", statement, (number, limit))]
        )


def identity(path: Path) -> str | None:
    """Return the random id that a ledger was born with; None when there is none, or a format older than such ids."""
    with reading(path) as ledger:
        found = [] if ledger is None else ledger.rows("identity", "SELECT ledger FROM identity")
    return found[0][0] if found else None


def fills_between(path: Path, from_utc_ns: int, to_utc_ns: int) -> Iterator[FillRow]:
    """Yield the fills of a span by the venue's time, oldest first; the file is open for one page at a time."""
    return (FillRow(*row) for row in _fill_rows(path, from_utc_ns, to_utc_ns))


def _fill_rows(path: Path, from_utc_ns: int, to_utc_ns: int) -> Iterator[tuple[Any, ...]]:
    at, number = from_utc_ns, -1
    statement = (
        f"{_FILLS} WHERE venue_ns >= ? AND venue_ns < ? AND (venue_ns > ? OR number > ?) "
        "ORDER BY venue_ns, number LIMIT ?"
    )
    while True:
        with reading(path) as ledger:
            values = (at, to_utc_ns, at, number, _PAGE)
            page = [] if ledger is None else ledger.rows("fills", statement, values)
        yield from page
        if len(page) < _PAGE:
            return
        at, number = page[-1][-1], page[-1][0]


def series(path: Path, from_utc_ns: int, to_utc_ns: int, points: int, leg: str | None = None) -> list[SeriesPoint]:
    """Return the series of a leg or of the bot, oldest first: the last row of each of `points` equal parts of the span.

    The bot's has position, mid and equity of its main leg, and the sums of all legs.
    """
    if to_utc_ns <= from_utc_ns or points < 1:
        return []
    width_ns = max(1, -(-(to_utc_ns - from_utc_ns) // points))
    values = (from_utc_ns, to_utc_ns, from_utc_ns, width_ns)
    with reading(path) as ledger:
        if ledger is None:
            return []
        if leg is not None:
            return _leg_series(ledger, leg, values)
        others = [_leg_series(ledger, name, values) for name in _instruments(ledger) if name != MAIN_LEG]
        return added(_leg_series(ledger, MAIN_LEG, values), others)


def _leg_series(ledger: LedgerFile, leg: str, values: tuple[int, int, int, int]) -> list[SeriesPoint]:
    statement = f"{_SERIES}, MAX(utc_ns) {_IN_SERIES} AND utc_ns >= ? AND utc_ns < ? GROUP BY (utc_ns - ?) / ?"
    found = ledger.rows("series", statement, (leg, *values))
    return sorted((SeriesPoint(*row[:-1]) for row in found), key=lambda point: point.utc_ns)


def series_span(path: Path) -> tuple[int, int] | None:
    """Return the times of the first and the last row of the series, None when there is none."""
    with reading(path) as ledger:
        found = [] if ledger is None else ledger.rows("series", "SELECT MIN(utc_ns), MAX(utc_ns) FROM series")
    return None if not found or found[0][0] is None else (found[0][0], found[0][1])


def instruments(path: Path) -> dict[str, InstrumentRow]:
    """Return what each leg trades, nothing before a worker of this format has run."""
    with reading(path) as ledger:
        return {} if ledger is None else _instruments(ledger)


def daily(path: Path, from_utc_ns: int | None = None, to_utc_ns: int | None = None) -> list[Day]:
    """Return what was earned and traded by UTC day, oldest first; days on which nothing was recorded are left out."""
    since, until = from_utc_ns or 0, _largest(to_utc_ns)
    with reading(path) as ledger:
        if ledger is None:
            return []
        begins = ledger.rows("series", days.BEGINS)
        ends = ledger.rows("series", days.ENDS, (days.DAY_NS,))
        payments = ledger.rows("funding", days.FUNDING, (since, until))
        sums = days.Sums(_instruments(ledger))
    with _numbers_of(path):
        sums.add_ends(begins, ends, since, until)
        sums.add_funding(payments)
        sums.add_fills((row[-1], row[1], *row[6:8], *row[9:11]) for row in _fill_rows(path, since, until))
    return sums.days()


def markouts(
    path: Path,
    horizons_s: Sequence[float] = MARKOUT_HORIZONS_S,
    from_utc_ns: int | None = None,
    to_utc_ns: int | None = None,
) -> list[Markout]:
    """Return the captured spread (horizon 0) and the markouts by horizon in seconds.

    Of fills since the series has a row for ten seconds: those of the last day in which the bot lived.
    """
    wanted = (0.0, *(one for one in horizons_s if one > 0))
    with reading(path) as ledger:
        begins = [] if ledger is None else ledger.rows("series", marks.BEGIN, (STEPS_S[0],))
        if ledger is None or not begins or begins[0][0] is None:
            return [Markout(horizon_s, None, 0) for horizon_s in wanted]
        since = max(from_utc_ns or 0, begins[0][0] - marks.NEAR_NS)
        found = ledger.rows("series", marks.MIDS, (since - marks.NEAR_NS,))
    with _numbers_of(path):
        return marks.mean_markouts(marks.Mids(found), fills_between(path, since, _largest(to_utc_ns)), wanted)


def latches(path: Path) -> list[LatchRow]:
    """Return the tripped gates of the bot whose ledger is at `path`, oldest first."""
    place = path.with_name(LATCHES_NAME)
    try:
        plain = read_json(place)
        found = {} if plain is None else plain["latches"]
        rows = [_latch(str(name), latch) for name, latch in found.items()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise LedgerError(f"{place} cannot be read: {exc}") from exc
    return sorted(rows, key=lambda row: row.at_utc_ns)


@contextmanager
def _numbers_of(path: Path) -> Iterator[None]:
    """Make of a number that is none a LedgerError."""
    try:
        yield
    except (ArithmeticError, ValueError, TypeError) as exc:
        raise LedgerError(f"the ledger {path} is damaged: {exc!r}") from exc


def _largest(number: int | None) -> int:
    """Return a bound, the largest that SQLite can hold when there is none."""
    return (1 << 63) - 1 if number is None else number


def _order(row: Sequence[Any]) -> OrderRow:
    return OrderRow(*row[:8], *map(bool, row[8:11]), *row[11:])


def _latch(name: str, plain: dict[str, Any]) -> LatchRow:
    at_utc_ns, done = int(plain["at_utc_ns"]), bool(plain.get("done", True))
    return LatchRow(name, str(plain["action"]), str(plain["reason"]), at_utc_ns, done)


def _instruments(ledger: LedgerFile) -> dict[str, InstrumentRow]:
    found = ledger.rows("instruments", "SELECT leg, symbol, kind, base, quote, contract_size FROM instruments")
    return {row[0]: InstrumentRow(*row) for row in found}
