"""What a grid on margin comes to when the price goes all the way to one of its ends. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.market.grid_cell import Cell
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.risk_limits import RiskLimits
from utils.errors import ConfigError

MAINTENANCE = Decimal("0.005")  # share of the value that a venue wants as margin; the true one differs by venue


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What one side of a grid comes to when all its cells are filled; money in quote, None is "does not happen"."""

    side: Side
    size_lots: int
    average_price: Decimal
    end_price: Decimal  # of the grid, on the losing side
    loss: Decimal  # at the end of the grid
    loss_at_stop: Decimal | None
    margin: Decimal
    liquidation_price: Decimal | None


def worst_case(
    cells: Iterable[Cell], side: Side, stop_ticks: int | None, leverage: Decimal, instrument: Instrument
) -> WorstCase | None:
    """Return the worst case of the cells that open with `side`, None when there are none."""
    own = [cell for cell in cells if cell.opening is side]
    lots = sum(cell.full_lots for cell in own)
    if not lots:
        return None
    units = sum(cell.open_ticks * cell.full_lots for cell in own)  # ticks x lots
    ends = [cell.open_ticks for cell in own]
    end = min(ends) if side is Side.BUY else max(ends)
    value = instrument.unit_quote * units
    average, margin = instrument.tick_size * units / lots, value / leverage

    def loss_at(ticks: int) -> Decimal:
        return instrument.unit_quote * (units - ticks * lots) * side.sign

    quantity = instrument.to_size(lots) * instrument.contract_size
    liquidation = (average - side.sign * margin / quantity) / (1 - side.sign * MAINTENANCE)
    return WorstCase(
        side=side,
        size_lots=lots,
        average_price=average,
        end_price=instrument.to_price(end),
        loss=loss_at(end),
        loss_at_stop=None if stop_ticks is None else loss_at(stop_ticks),
        margin=margin,
        liquidation_price=liquidation if liquidation > 0 else None,
    )


def check_worst_case(worst: WorstCase | None, limits: RiskLimits, instrument: Instrument) -> None:
    """Refuse a grid that could hold more than the limits allow, or is liquidated on its way. Raises ConfigError."""
    if worst is None:
        return
    size, word = instrument.to_size(worst.size_lots), "long" if worst.side is Side.BUY else "short"
    told = f"with all {word} cells filled the grid holds {size:f} {instrument.base}"
    if limits.max_position_lots is not None and worst.size_lots > limits.max_position_lots:
        most = instrument.to_size(limits.max_position_lots)
        raise ConfigError(f"{told}, risk_config.max_position is {most:f}")
    value = size * instrument.contract_size * worst.end_price
    if limits.max_position_quote is not None and value > limits.max_position_quote:
        raise ConfigError(f"{told}, worth {value:f}; risk_config.max_position_usd is {limits.max_position_quote:f}")
    price = worst.liquidation_price
    if price is not None and (price - worst.end_price) * worst.side.sign >= 0:
        raise ConfigError(
            f"{told}, which is liquidated near {price:.8g} before the price has reached {worst.end_price:f}:"
            " less leverage or a narrower range is needed"
        )
