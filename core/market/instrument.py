"""What is traded, and the only door between Decimal and ticks or lots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import ceil, floor

from core.market.order import Side

FLOOR = ROUND_FLOOR
CEIL = ROUND_CEILING


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol of one venue with its increments; fees in basis points, negative is a rebate."""

    symbol: str
    venue_symbol: str
    kind: str  # spot | perp | future
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    contract_size: Decimal = Decimal(1)
    min_lots: int = 1
    min_notional: Decimal = Decimal(0)
    maker_fee_bps: Decimal = Decimal(0)
    taker_fee_bps: Decimal = Decimal(0)
    expiry_utc_ns: int | None = None  # of a dated future, where the venue tells
    # Derived, so that a decision about many orders is integer work: a notional is price_ticks x size_lots units.
    unit_quote: Decimal = field(init=False, repr=False, compare=False)  # quote value of one tick x one lot
    unit_cost: Decimal = field(init=False, repr=False, compare=False)  # the same with the worst fee of a buy
    lot_base: Decimal = field(init=False, repr=False, compare=False)  # base of one lot
    min_units: int = field(init=False, repr=False, compare=False)  # least price_ticks x size_lots of an order

    def __post_init__(self) -> None:
        """Refuse increments that cannot be counted in; raises ValueError."""
        if min(self.tick_size, self.lot_size, self.contract_size) <= 0:
            raise ValueError(f"{self.symbol}: tick, lot and contract size must be positive")
        unit = self.tick_size * self.lot_size * self.contract_size
        worst_fee = max(Decimal(0), self.maker_fee_bps, self.taker_fee_bps) / 10_000
        object.__setattr__(self, "unit_quote", unit)
        object.__setattr__(self, "unit_cost", unit * (1 + worst_fee))
        object.__setattr__(self, "lot_base", self.lot_size * self.contract_size)
        object.__setattr__(self, "min_units", int((self.min_notional / unit).to_integral_value(CEIL)))

    def to_ticks(self, price: Decimal, rounding: str = FLOOR) -> int:
        """Return `price` in ticks, rounded by FLOOR (bids) or CEIL (asks)."""
        return int((price / self.tick_size).to_integral_value(rounding))

    def to_price(self, price_ticks: int) -> Decimal:
        """Return the exact price of `price_ticks`."""
        return self.tick_size * price_ticks

    def to_lots(self, size: Decimal) -> int:
        """Return `size` in lots, rounded towards zero; a rounding to zero means "no order"."""
        return int(size / self.lot_size)

    def to_size(self, size_lots: int) -> Decimal:
        """Return the exact size of `size_lots` in base units."""
        return self.lot_size * size_lots

    def notional_quote(self, price_ticks: int, size_lots: int) -> Decimal:
        """Return price x size x contract size in quote units."""
        return self.to_price(price_ticks) * self.to_size(size_lots) * self.contract_size

    def snap(self, price_ticks: float, side: Side) -> int:
        """Return a float estimate as whole ticks: down for bids, up for asks, exact multiples stay."""
        guard = 1e-9 + 1e-12 * abs(price_ticks)  # far above float noise, far below a tick even at 1e10 ticks
        if side is Side.BUY:
            return int((price_ticks + guard) // 1)
        return int(-((-price_ticks + guard) // 1))

    def snap_rungs(self, reference_ticks: float, rungs: Iterable[tuple[float, float]], side: Side) -> list[int]:
        """Return `snap` of the prices at (ticks, share) away from a reference: ticks + share x reference."""
        # One loop instead of a call for each: a ladder is worked out for every decision.
        guard = 1e-9 + 1e-12 * abs(reference_ticks)
        if side is Side.BUY:
            start = reference_ticks + guard
            return [floor(start - (ticks + share * reference_ticks)) for ticks, share in rungs]
        start = reference_ticks - guard
        return [ceil(start + (ticks + share * reference_ticks)) for ticks, share in rungs]

    def unplaceable_reason(self, price_ticks: int, size_lots: int) -> str | None:
        """Return why the venue would refuse such an order, None when it would not."""
        if price_ticks <= 0:
            return "price"
        if size_lots < self.min_lots or size_lots < 1:
            return "min_size"
        if price_ticks * size_lots < self.min_units:
            return "min_notional"
        return None

    def slice_lots(self, total_lots: int, price_ticks: int, most_lots: int | None) -> int:
        """Return the lots of the next of the orders that trade `total_lots`, each of `most_lots` at the most.

        No rest is left that is too small for an order, if that can be; 0 when the total is too small for one.
        """
        if self.unplaceable_reason(price_ticks, total_lots):
            return 0
        lots = total_lots if most_lots is None else min(total_lots, most_lots)
        rest = total_lots - lots
        if rest and self.unplaceable_reason(price_ticks, rest):
            kept = max(1, self.min_lots, -(-self.min_units // price_ticks))
            if not self.unplaceable_reason(price_ticks, total_lots - kept):
                return total_lots - kept
        return lots
