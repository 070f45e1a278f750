"""What is not hedged: the exposure of two legs together, the order that would end it, and the residue below an order.

Exposure is worked out from positions, never from a single fill: a fill that is told late, twice or not at all cannot
leave anything behind that the next look does not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.market.instrument import Instrument
from core.market.order import Side
from core.market.position import Position

_ZERO = Decimal(0)
_HALF = Decimal("0.5")


def base_held(position: Position | None, instrument: Instrument) -> Decimal:
    """Return what a position is in base, signed."""
    if position is None:
        return _ZERO
    return instrument.to_size(position.size_lots) * instrument.contract_size


def exposure(maker_base: Decimal, hedge_base: Decimal, ratio: Decimal, reference_base: Decimal) -> Decimal:
    """Return E = maker x ratio + hedge - reference, in the hedge leg's base; positive is too much of it."""
    return maker_base * ratio + hedge_base - reference_base


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be traded on a leg to end an exposure, and what cannot be. `lots` 0: nothing that makes an order."""

    side: Side
    lots: int
    residue_base: Decimal  # of the exposure, once the order has filled; signed like it

    @property
    def is_nothing(self) -> bool:
        """Tell whether there is no order in it."""
        return self.lots == 0


def need_of(exposure_base: Decimal, price_ticks: int, instrument: Instrument, round_up: bool = False) -> Need:
    """Return the order that ends an exposure, rounded down to the leg's lot; a price of 0 leaves notional aside.

    `round_up`: one lot more where more than half of one would stay.
    """
    side = Side.SELL if exposure_base > 0 else Side.BUY
    lot = instrument.lot_size * instrument.contract_size
    size = abs(exposure_base)
    lots = int(size / lot)
    if round_up and size - lots * lot > lot * _HALF:
        lots += 1
    if lots < max(1, instrument.min_lots) or (price_ticks > 0 and lots * price_ticks < instrument.min_units):
        lots = 0
    return Need(side, lots, exposure_base + side.sign * lots * lot)


def least_base(price_ticks: int, instrument: Instrument) -> Decimal:
    """Return the smallest exposure that makes an order at a price: an exposure below it stays as residue."""
    lots = max(1, instrument.min_lots)
    if price_ticks > 0:
        lots = max(lots, -(-instrument.min_units // price_ticks))
    return lots * instrument.lot_size * instrument.contract_size


@dataclass(slots=True)
class Since:
    """How long something has been on one side: it begins anew when it ends or turns."""

    sign: int = 0
    since_ns: int = 0

    def look(self, amount: Decimal | int, now_ns: int) -> int:
        """Note the amount of now; return for how long its sign has been the same, in nanoseconds."""
        sign = (amount > 0) - (amount < 0)
        if sign != self.sign:
            self.sign, self.since_ns = sign, now_ns
        return self.age_ns(now_ns)

    def age_ns(self, now_ns: int) -> int:
        """Return for how long it has been on the side of the last look, 0 when there was nothing."""
        return now_ns - self.since_ns if self.sign else 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be open for how long. Values in the maker's quote asset, times in nanoseconds."""

    unhedged_quote: Decimal
    unhedged_ns: int
    residue_quote: Decimal
    residue_ns: int

    def why_unhedged(self, value_quote: Decimal, age_ns: int) -> str:
        """Return why no quote may rest while so much is not hedged, and for so long; empty when it may."""
        if value_quote > self.unhedged_quote:
            return f"{value_quote:.2f} not hedged, the most is {self.unhedged_quote:.2f}"
        if age_ns > self.unhedged_ns:
            return f"not hedged for {age_ns / 1e9:.1f} s"
        return ""

    def side_that_adds(self, residue_base: Decimal, value_quote: Decimal, age_ns: int) -> Side | None:
        """Return the maker's side that would add to a residue which is too large or too old, None while it is not."""
        if not residue_base or (value_quote <= self.residue_quote and age_ns <= self.residue_ns):
            return None
        return Side.BUY if residue_base > 0 else Side.SELL
