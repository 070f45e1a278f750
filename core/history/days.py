"""What a bot earned and traded, by UTC day: arithmetic only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from typing import Any

from core.history.records import Day, InstrumentRow

DAY_NS = 86_400 * 1_000_000_000
BEGINS = "SELECT leg, net, realised, MIN(utc_ns) FROM series WHERE net IS NOT NULL GROUP BY leg"
ENDS = (
    "SELECT leg, utc_ns / ?, net, realised, MAX(utc_ns) FROM series WHERE net IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
)
FUNDING = "SELECT venue_ns, amount FROM funding WHERE venue_ns >= ? AND venue_ns < ?"
_EXACT = Context(prec=60)
_ZERO = Decimal(0)


@dataclass(slots=True)
class _Sum:
    pnl: Decimal | None = None
    realised: Decimal | None = None
    fees: Decimal = _ZERO
    funding: Decimal = _ZERO
    fills: int = 0
    volume: Decimal = _ZERO


def plain_text(number: Decimal) -> str:
    """Return a decimal without an exponent or trailing zeros."""
    written = format(number, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


class Sums:
    """Adds up what is recorded."""

    def __init__(self, traded: Mapping[str, InstrumentRow]) -> None:
        self._traded = traded
        self._by_day: dict[int, _Sum] = defaultdict(_Sum)

    def add_ends(
        self, begins: Iterable[Sequence[Any]], ends: Iterable[Sequence[Any]], since_ns: int, until_ns: int
    ) -> None:
        """Add each day's change of net and realised profit; rows of BEGINS and ENDS.

        What a bot had earned before its series began is in no day.
        """
        last = {leg: (Decimal(net), Decimal(realised)) for leg, net, realised, *_ in begins}
        with localcontext(_EXACT):
            for leg, day, net, realised, *_ in ends:
                now, was = (Decimal(net), Decimal(realised)), last[leg]
                last[leg] = now
                if not since_ns // DAY_NS <= day <= (until_ns - 1) // DAY_NS:
                    continue
                found = self._by_day[day]
                found.pnl = (found.pnl or _ZERO) + now[0] - was[0]
                found.realised = (found.realised or _ZERO) + now[1] - was[1]

    def add_funding(self, payments: Iterable[tuple[int, str]]) -> None:
        """Add payments: UTC nanoseconds and quote, negative when we paid."""
        with localcontext(_EXACT):
            for utc_ns, amount in payments:
                self._by_day[utc_ns // DAY_NS].funding += Decimal(amount)

    def add_fills(self, fills: Iterable[tuple[int, str, str, str, str, str]]) -> None:
        """Add fills: UTC nanoseconds, leg, price, size, fee and its asset.

        A fee in base is worth the fill's price; one in another asset than base and quote counts as 0.
        """
        units = {leg: Decimal(one.contract_size) for leg, one in self._traded.items()}
        with localcontext(_EXACT):
            for utc_ns, leg, price, size, fee, fee_asset in fills:
                found, traded, value = self._by_day[utc_ns // DAY_NS], self._traded.get(leg), Decimal(price)
                found.fills += 1
                found.volume += value * Decimal(size) * units.get(leg, 1)
                if traded is None or fee_asset in ("", traded.quote):
                    found.fees += Decimal(fee)
                elif fee_asset == traded.base:
                    found.fees += Decimal(fee) * value

    def days(self) -> list[Day]:
        """Return the days, oldest first."""
        return [_day(day, found) for day, found in sorted(self._by_day.items())]


def _day(day: int, found: _Sum) -> Day:
    pnl, realised = (None if one is None else plain_text(one) for one in (found.pnl, found.realised))
    name = datetime.fromtimestamp(day * 86_400, tz=UTC).strftime("%Y-%m-%d")
    money = (plain_text(found.fees), plain_text(found.funding))
    return Day(name, pnl, realised, *money, found.fills, plain_text(found.volume))
