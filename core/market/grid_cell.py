"""A cell of a grid: buy at one line, sell at the next, over and over. Pure.

`EMPTY -> OPENING -> HELD -> CLOSING -> OPENING -> ...`. A long cell opens with a buy and closes with a sell, a short
one the other way round; `state_name` tells which: BUYING or SELLING. A cell has one order at a time. What it holds is
a queue of parcels: what was opened first is closed first, and only what is matched counts as profit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from enum import Enum
from typing import Any, NamedTuple

from core.market.instrument import CEIL, Instrument
from core.market.order import Fill, Side

EXACT = Context(prec=60)  # sums and products of prices, sizes and fees never reach it
_FEE_STEP = Decimal("1e-18")
ZERO = Decimal(0)


class CellState(str, Enum):
    """What a cell is about."""

    EMPTY = "EMPTY"  # waits until the price has left it on the side where it opens
    OPENING = "OPENING"
    HELD = "HELD"  # holds, and no closing order is wanted now
    CLOSING = "CLOSING"


class Parcel(NamedTuple):
    """A part of what is held: base units, price in quote, and the fee paid on it in quote."""

    size: Decimal
    price: Decimal
    fee: Decimal = ZERO


class Matched(NamedTuple):
    """What a closing fill matched: base units, profit before fees, and the fees of both sides; in quote.

    `is_round`: the cell is sold out, a round trip is over; `kept` is what stays of it in base mode.
    """

    size: Decimal
    gross: Decimal
    fees: Decimal
    is_round: bool = False
    kept: tuple[Parcel, ...] = ()

    @property
    def profit(self) -> Decimal:
        """Return the profit after fees."""
        return self.gross - self.fees


@dataclass(slots=True)
class Cell:
    """One cell. `round_lots` is what it opens in this round, `opened_lots` what of it has filled."""

    number: int
    opening: Side
    open_ticks: int
    close_ticks: int
    full_lots: int
    state: CellState = CellState.EMPTY
    round_lots: int = 0
    opened_lots: int = 0
    parcels: list[Parcel] = field(default_factory=list)  # oldest first
    repaid: Decimal = ZERO  # quote earned by the sales of this round
    round_cost: Decimal = ZERO  # quote paid for what it holds, and held, in this round
    was_funded: bool = False  # holds what it did not open itself
    is_eager: bool = False  # opens as soon as the price is beyond its opening line, not only beyond the whole cell

    @property
    def slot(self) -> str:
        """Return the name of its place."""
        return f"cell.{self.number}"

    @property
    def state_name(self) -> str:
        """Return the state in words of trading: EMPTY, BUYING, HELD or SELLING."""
        if self.state in (CellState.EMPTY, CellState.HELD):
            return str(self.state.value)
        buys = (self.state is CellState.OPENING) == (self.opening is Side.BUY)
        return "BUYING" if buys else "SELLING"

    @property
    def held(self) -> Decimal:
        """Return what it holds in base units, never negative; a short cell owes it."""
        return sum((parcel.size for parcel in self.parcels), ZERO)

    @property
    def held_cost(self) -> Decimal:
        """Return the value in quote at which it holds, without fees, for a contract size of 1."""
        return sum((parcel.size * parcel.price for parcel in self.parcels), ZERO)

    def held_lots(self, instrument: Instrument) -> int:
        """Return the whole lots that it holds."""
        return instrument.to_lots(self.held)

    def is_beyond(self, price_ticks: float) -> bool:
        """Tell whether a price has left the cell on the side where it opens: above a long one, below a short one."""
        if self.is_eager:
            return (price_ticks - self.open_ticks) * self.opening.sign > 0
        return (price_ticks - self.close_ticks) * self.opening.sign >= 0

    def is_behind(self, price_ticks: float) -> bool:
        """Tell whether a price has left the cell on the other side, where a cell that is in play holds."""
        return (self.open_ticks - price_ticks) * self.opening.sign >= 0

    # What happens

    def arm(self, price_ticks: float) -> None:
        """Begin to open once the price has left an empty cell on the right side."""
        if self.state is CellState.EMPTY and self.is_beyond(price_ticks):
            self._begin_round(self.full_lots)

    def _begin_round(self, lots: int) -> None:
        self.state = CellState.OPENING
        self.round_lots, self.opened_lots = lots, 0
        self.repaid, self.round_cost = ZERO, self.held_cost
        self.was_funded = False

    def fund(self, parcels: Sequence[Parcel]) -> None:
        """Hold what was not opened here, such as an initial inventory."""
        self.parcels.extend(parcels)
        self.round_cost = self.held_cost
        self.state = CellState.HELD
        self.was_funded = True

    def on_open(self, fill: Fill, instrument: Instrument) -> None:
        """Take an increment of the opening order, in whatever state: one may come late."""
        price = instrument.to_price(fill.price_ticks)
        size, fee = instrument.to_size(fill.size_lots), _fee_quote(fill, instrument)
        with localcontext(EXACT):
            if fill.fee_asset == instrument.base and self.opening is Side.BUY and instrument.kind == "spot":
                size -= fill.fee
            self.parcels.append(Parcel(size, price, fee))
            self.round_cost += size * price + fee
        self.opened_lots += fill.size_lots
        is_open = self.state is CellState.OPENING
        if is_open and not self._is_placeable(self.opening_lots, self.open_ticks, instrument):
            is_open = False
        if self.state in (CellState.OPENING, CellState.EMPTY) and not is_open:
            self._opened(instrument)

    def _opened(self, instrument: Instrument) -> None:
        """Hold, unless all that was opened is too small to be closed: then open once more."""
        if self._is_placeable(self.held_lots(instrument), self.close_ticks, instrument):
            self.state = CellState.HELD
        else:
            self._begin_round(self.round_lots or self.full_lots)

    def turn(self, price_ticks: float, instrument: Instrument) -> None:
        """Give up the rest of an opening whose price has gone past the middle of the cell, if it can be closed."""
        if self.state is not CellState.OPENING or not self.parcels:
            return
        half_way = (2 * price_ticks - self.open_ticks - self.close_ticks) * self.opening.sign > 0
        if half_way and self._is_placeable(self.held_lots(instrument), self.close_ticks, instrument):
            self.state = CellState.HELD

    def on_close(self, fill: Fill, instrument: Instrument, keeps_base: bool = False) -> Matched:
        """Take an increment of the closing order; what is more than it holds is left unmatched."""
        price = instrument.to_price(fill.price_ticks)
        size, fee = instrument.to_size(fill.size_lots), _fee_quote(fill, instrument)
        with localcontext(EXACT):
            matched, gross, fees = self._match(size, price)
            self.repaid += matched * price - fee
            gross *= instrument.contract_size * self.opening.sign
        if self.state not in (CellState.HELD, CellState.CLOSING):
            return Matched(matched, gross, fees + fee)
        if self._is_placeable(self.closing_lots(instrument, keeps_base), self.close_ticks, instrument):
            return Matched(matched, gross, fees + fee)
        return Matched(matched, gross, fees + fee, True, self._closed(instrument, keeps_base))

    def _match(self, size: Decimal, price: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Take `size` off the queue; return what was there of it, (close - open) x size, and the fees paid on it."""
        left, gross, fees = size, ZERO, ZERO
        while left and self.parcels:
            first = self.parcels[0]
            taken = min(left, first.size)
            if taken == first.size:
                fee = first.fee
                del self.parcels[0]
            else:
                fee = (first.fee * taken / first.size).quantize(_FEE_STEP)
                self.parcels[0] = Parcel(first.size - taken, first.price, first.fee - fee)
            gross, fees, left = gross + taken * (price - first.price), fees + fee, left - taken
        return size - left, gross, fees

    def _closed(self, instrument: Instrument, keeps_base: bool) -> tuple[Parcel, ...]:
        """Open again, in base mode with what the sales have earned; return what is not to be sold."""
        lots, kept = self.full_lots, tuple[Parcel, ...]()
        if keeps_base and not self.was_funded:
            lots = instrument.to_lots(self.repaid / instrument.to_price(self.open_ticks))
            kept, self.parcels = tuple(self.parcels), []
        self._begin_round(lots if self._is_placeable(lots, self.open_ticks, instrument) else self.full_lots)
        if self.is_eager:  # it may have been closed anywhere; where the price is beyond its line it opens at once
            self.state = CellState.EMPTY
        return kept

    def leave(self, size: Decimal) -> list[Parcel]:
        """Give up to `size` of what it holds away, newest first; return it. What is left may be nothing."""
        gone: list[Parcel] = []
        while size > 0 and self.parcels:
            last = self.parcels.pop()
            taken = min(size, last.size)
            with localcontext(EXACT):
                fee = last.fee if taken == last.size else (last.fee * taken / last.size).quantize(_FEE_STEP)
            gone.insert(0, Parcel(taken, last.price, fee))
            if taken < last.size:
                self.parcels.append(Parcel(last.size - taken, last.price, last.fee - fee))
            size -= taken
        if not self.parcels and self.state in (CellState.HELD, CellState.CLOSING):
            self.state = CellState.EMPTY
        return gone

    # What it wants

    @property
    def opening_lots(self) -> int:
        """Return what is left to open in this round."""
        return max(0, self.round_lots - self.opened_lots)

    def closing_lots(self, instrument: Instrument, keeps_base: bool = False) -> int:
        """Return what is to be closed: all that it holds, in base mode what repays what it has cost."""
        lots = self.held_lots(instrument)
        if not keeps_base or self.was_funded:
            return lots
        with localcontext(EXACT):
            value = instrument.to_price(self.close_ticks) * instrument.lot_size
            owed = (self.round_cost - self.repaid) / value
        return min(lots, max(0, int(owed.to_integral_value(CEIL))))

    def wish(self, instrument: Instrument, keeps_base: bool = False) -> tuple[Side, int, int] | None:
        """Return side, line and lots of the one order that it wants, None when it wants none."""
        if self.state is CellState.EMPTY:
            return None
        if self.state is CellState.OPENING:
            side, line, lots = self.opening, self.open_ticks, self.opening_lots
        else:
            side, line = self.opening.opposite, self.close_ticks
            lots = self.closing_lots(instrument, keeps_base)
        return (side, line, lots) if self._is_placeable(lots, line, instrument) else None

    @staticmethod
    def _is_placeable(lots: int, line: int, instrument: Instrument) -> bool:
        return instrument.unplaceable_reason(line, lots) is None

    # Over lives

    def to_plain(self) -> dict[str, Any]:
        """Return a JSON-able record; its lines and its full size follow from the grid."""
        return {
            "state": self.state.value,
            "round": self.round_lots,
            "opened": self.opened_lots,
            "parcels": [[f"{value:f}" for value in parcel] for parcel in self.parcels],
            "repaid": f"{self.repaid:f}",
            "cost": f"{self.round_cost:f}",
            "funded": self.was_funded,
        }

    def take_up(self, plain: Mapping[str, Any]) -> None:
        """Be as `to_plain` recorded. Raises KeyError, ValueError or ArithmeticError for anything else."""
        self.state = CellState(plain["state"])
        self.round_lots, self.opened_lots = int(plain["round"]), int(plain["opened"])
        self.parcels = [Parcel(*(Decimal(value) for value in values)) for values in plain["parcels"]]
        self.repaid, self.round_cost = Decimal(plain["repaid"]), Decimal(plain["cost"])
        self.was_funded = bool(plain["funded"])


def _fee_quote(fill: Fill, instrument: Instrument) -> Decimal:
    """Return a fee in quote; one in base is worth the fill's price, one in another asset has no price here."""
    if fill.fee_asset in (instrument.quote, ""):
        return fill.fee
    return fill.fee * instrument.to_price(fill.price_ticks) if fill.fee_asset == instrument.base else ZERO
