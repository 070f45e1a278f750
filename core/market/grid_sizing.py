"""How much a cell of a grid trades, and whether a grid can earn and be placed at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.market.grid_lines import interval_profits
from core.market.instrument import Instrument
from utils.errors import ConfigError

_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Sizing:
    """One of the three is given: base units a cell, quote a cell, or quote for all cells together."""

    quantity: Decimal | None = None
    quantity_quote: Decimal | None = None
    total_quote: Decimal | None = None

    def lots(self, price_ticks: int, cells: int, instrument: Instrument) -> int:
        """Return the lots of a cell that opens at a price, rounded down."""
        if self.quantity is not None:
            return instrument.to_lots(self.quantity)
        value = self.quantity_quote
        if value is None:
            value = (self.total_quote or Decimal(0)) / cells
        return int(value / (instrument.unit_quote * price_ticks))


def fee_rate(instrument: Instrument) -> Decimal:
    """Return what a maker pays, as a share of the value; negative is a rebate."""
    return instrument.maker_fee_bps / _BPS


def check_profit(lines: Sequence[int], instrument: Instrument) -> None:
    """Refuse a grid with an interval that earns nothing after fees. Raises ConfigError."""
    least, most = interval_profits(tuple(lines), fee_rate(instrument))
    if least <= 0:
        told = f"{least * 100:.4f} .. {most * 100:.4f} %"
        raise ConfigError(
            f"a round trip earns {told} after two fees of {instrument.maker_fee_bps:f} bps: fewer lines or a wider"
            " range are needed (min_profit_check: false allows it)"
        )


def check_sizes(opens: Sequence[tuple[int, int]], sizing: Sizing, instrument: Instrument) -> None:
    """Refuse a grid one of whose orders the venue would not take; `opens` are line and lots. Raises ConfigError."""
    for line, lots in opens:
        reason = instrument.unplaceable_reason(line, lots)
        if reason is not None:
            needed = max(1, instrument.min_lots, -(-instrument.min_units // line))
            raise ConfigError(
                f"the order at {instrument.to_price(line):f} would be {instrument.to_size(lots):f} {instrument.base}"
                f" ({reason}): {instrument.to_size(needed):f} are needed there{_remedy(sizing)}"
            )


def _remedy(sizing: Sizing) -> str:
    return "; a larger total_investment or fewer lines" if sizing.total_quote is not None else ""
