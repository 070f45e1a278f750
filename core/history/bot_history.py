"""All that a report says of one bot, and of several together: read from ledgers, added up by UTC day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

from core.history import ledger_reader as reader
from core.history.days import plain_text
from core.history.records import Day, LatchRow, Markout, SeriesPoint
from utils.errors import LedgerError

LEDGER_NAME = "ledger.db"
POINTS = 600  # of the series
_MONEY = ("pnl", "realised", "fees", "funding", "volume")
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class BotHistory:
    """One bot over a span. `quote` is "" where nothing says what it is; `problem` is why there is no more."""

    name: str
    symbol: str
    quote: str
    days: tuple[Day, ...]
    total: Day
    markouts: tuple[Markout, ...]
    series: tuple[SeriesPoint, ...]
    latches: tuple[LatchRow, ...]
    problem: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return asdict(self)


def ledgers(state: Path) -> dict[str, Path]:
    """Return the ledger of every bot that has one, by its name, also of those whose config is gone."""
    return {path.parent.name: path for path in sorted(state.glob(f"*/{LEDGER_NAME}"))}


def history_of(name: str, path: Path, from_utc_ns: int, to_utc_ns: int) -> BotHistory:
    """Return a bot's history of a span; a ledger that cannot be read says so in `problem`."""
    try:
        return _read(name, path, from_utc_ns, to_utc_ns)
    except LedgerError as exc:
        return BotHistory(name, "", "", (), total_of(()), (), (), (), str(exc))


def _read(name: str, path: Path, since: int, until: int) -> BotHistory:
    traded = reader.instruments(path)
    main = traded.get(reader.MAIN_LEG) or next(iter(traded.values()), None)
    days = reader.daily(path, since, until)
    return BotHistory(
        name=name,
        symbol=main.symbol if main else "",
        quote=main.quote if main else "",
        days=tuple(days),
        total=total_of(days),
        markouts=tuple(reader.markouts(path, from_utc_ns=since, to_utc_ns=until)),
        series=tuple(_series(path, since, until)),
        latches=tuple(reader.latches(path)),
    )


def _series(path: Path, since: int, until: int) -> list[SeriesPoint]:
    span = reader.series_span(path)
    if span is None:
        return []
    return reader.series(path, max(since, span[0]), min(until, span[1] + 1), POINTS)


def total_of(days: Iterable[Day], name: str = "total") -> Day:
    """Return the sum of days; profit that no day knows stays None."""
    found = list(days)
    sums: dict[str, str | None] = {}
    with localcontext(_EXACT):
        for key in _MONEY:
            known = [Decimal(value) for value in (getattr(day, key) for day in found) if value is not None]
            sums[key] = plain_text(sum(known, Decimal(0))) if known or key in ("fees", "funding", "volume") else None
    money = {key: value or "0" for key, value in sums.items() if key in ("fees", "funding", "volume")}
    return Day(day=name, pnl=sums["pnl"], realised=sums["realised"], fills=sum(day.fills for day in found), **money)


def days_of_all(bots: Sequence[BotHistory]) -> Mapping[str, tuple[Day, ...]]:
    """Return the days of all bots together, by their quote asset: amounts of different assets are not added."""
    by_quote: dict[str, dict[str, list[Day]]] = {}
    for bot in bots:
        for day in bot.days:
            by_quote.setdefault(bot.quote, {}).setdefault(day.day, []).append(day)
    return {
        quote: tuple(total_of(parts, day) for day, parts in sorted(found.items()))
        for quote, found in sorted(by_quote.items())
    }
