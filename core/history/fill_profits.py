"""What single fills have earned: the average-cost book of a ledger, played back from where its entry price is known.

A position's entry price is known without any earlier fill wherever the position was flat, or changed its side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from pathlib import Path

from core.history.days import plain_text
from core.history.ledger_file import reading
from core.history.records import FillRow
from utils.errors import LedgerError

MOST = 5_000  # fills that are gone back over, from the newest; older ones are not judged
_BATCH = 500
_EXACT = Context(prec=60)
_COST_STEP = Decimal("1e-18")  # as in core/market/position.py
_FILLS = (
    "SELECT number, side, price, size, (SELECT position FROM positions WHERE positions.leg = fills.leg) FROM fills "
    "WHERE leg = ? AND number < ? ORDER BY number DESC LIMIT ?"
)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Traded:
    """A fill as the position sees it; `signed` is below 0 for a sell, `before` what was held until then."""

    number: int
    signed: Decimal
    price: Decimal
    before: Decimal

    @property
    def is_beginning(self) -> bool:
        """Tell whether the entry price after it is known by itself."""
        return self.before * (self.before + self.signed) <= 0


def profits(oldest_first: Iterable[Traded], contract_size: Decimal = Decimal(1)) -> dict[int, Decimal]:
    """Return what each fill realised before its fee, by number; without those that only opened, or are not known."""
    found: dict[int, Decimal] = {}
    entry: Decimal | None = None  # value of what is held, None while it is not known
    with localcontext(_EXACT):
        for fill in oldest_first:
            held, size = abs(fill.before), abs(fill.signed)
            if fill.before * fill.signed >= 0:
                entry = fill.price * size if not held else None if entry is None else entry + fill.price * size
                continue
            closed = min(held, size)
            if entry is not None:
                released = entry if closed == held else (entry * closed / held).quantize(_COST_STEP)
                gain = fill.price * closed - released
                found[fill.number] = (gain if fill.before > 0 else -gain) * contract_size
                entry -= released
            if closed == held:
                entry = fill.price * (size - closed)
    return found


def profits_of(path: Path, fills: Sequence[FillRow]) -> Mapping[int, str]:
    """Return the profit of fills of a ledger by number, decimal text in quote. Raises LedgerError."""
    if not fills:
        return {}
    found: dict[int, Decimal] = {}
    for leg in {fill.leg for fill in fills}:
        oldest = min(fill.number for fill in fills if fill.leg == leg)
        try:
            found |= profits(reversed(_back_to_a_beginning(path, leg, oldest)), _contract_size(path, leg))
        except (ArithmeticError, ValueError, TypeError, KeyError) as exc:
            raise LedgerError(f"the ledger {path} is damaged: {exc!r}") from exc
    wanted = {fill.number for fill in fills}
    return {number: plain_text(profit) for number, profit in found.items() if number in wanted}


def _contract_size(path: Path, leg: str) -> Decimal:
    with reading(path) as ledger:
        statement = "SELECT contract_size FROM instruments WHERE leg = ?"
        rows = [] if ledger is None else ledger.rows("instruments", statement, (leg,))
    return Decimal(rows[0][0]) if rows else Decimal(1)


def _back_to_a_beginning(path: Path, leg: str, oldest: int) -> list[Traded]:
    """Return the fills of a leg from the newest back to one from which on the entry price of `oldest` is known."""
    found: list[Traded] = []
    for fill in _newest_first(path, leg):
        found.append(fill)
        is_enough = fill.number < oldest or (fill.number == oldest and not fill.before)
        if (is_enough and fill.is_beginning) or len(found) >= MOST:
            break
    return found


def _newest_first(path: Path, leg: str) -> Iterator[Traded]:
    """Yield the fills of a leg; the first batch and the position are read by one statement, so they fit each other."""
    before, held = (1 << 63) - 1, _ZERO
    is_first = True
    while True:
        with reading(path) as ledger:
            rows = [] if ledger is None else ledger.rows("fills", _FILLS, (leg, before, _BATCH))
        if rows and is_first:
            if rows[0][4] is None:  # without a position there is nothing to begin from
                return
            held, is_first = Decimal(json.loads(rows[0][4])["size"]), False
        for number, side, price, size, _ in rows:
            signed = Decimal(size) if side == "buy" else -Decimal(size)
            held -= signed
            before = number
            yield Traded(number, signed, Decimal(price), held)
        if len(rows) < _BATCH:
            return
