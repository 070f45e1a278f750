"""What a bot that is full on one side holds, can lose and needs as margin. Pure; money in quote, sizes in lots."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.market.grid_worst_case import MAINTENANCE
from core.market.instrument import Instrument
from core.market.liquidation import liquidation_price
from core.market.order import Side

MOVES_PCT = (1, 5, 10, 20)  # against the position


@dataclass(frozen=True, slots=True)
class Money:
    """What an account has of both assets; of a margin account the base does not count."""

    base: Decimal
    quote: Decimal


@dataclass(frozen=True, slots=True)
class FullInventory:
    """One side at its limit, entered at today's price. None: no such thing, or not bounded by anything known."""

    side: Side  # BUY: as long as can be
    size_lots: int
    value: Decimal
    losses: dict[int, Decimal]  # at a move of so many percent against it
    worst_loss: Decimal | None
    worst_why: str
    margin: Decimal | None
    liquidation: Decimal | None


def fullest_lots(
    side: Side, limit_lots: int | None, money: Money, price: Decimal, instrument: Instrument
) -> int | None:
    """Return how much one side can come to hold: its limit, on spot what the balances pay for; None has no end."""
    if instrument.kind != "spot":
        return limit_lots
    affordable = money.quote / price if side is Side.BUY else money.base
    lots = instrument.to_lots(affordable / instrument.contract_size)
    return lots if limit_lots is None else min(lots, limit_lots)


def full_inventory(
    side: Side,
    size_lots: int,
    money: Money,
    price: Decimal,
    instrument: Instrument,
    leverage: Decimal | None,
    margin_mode: str | None,
    max_loss: Decimal | None,
) -> FullInventory:
    """Return what a side comes to that holds `size_lots` at `price`. `leverage` None is 1."""
    quantity = instrument.to_size(size_lots) * instrument.contract_size
    value = quantity * price
    margin = liquidation = None
    worst: Decimal | None = value if side is Side.BUY else None
    why = "the price falls to nothing" if side is Side.BUY else "sold out: no loss in quote"
    if instrument.kind != "spot" and size_lots:
        margin = value / (leverage or Decimal(1))
        behind = margin if margin_mode == "isolated" else max(money.quote, Decimal(0))
        liquidation = liquidation_price(side, price, quantity, behind, MAINTENANCE)
        if liquidation is not None:
            worst, why = behind, "liquidation"
    if max_loss is not None and (worst is None or max_loss < worst):
        worst, why = max_loss, "max_loss ends it there, but for what closing costs"
    losses = {percent: value * percent / 100 for percent in MOVES_PCT}
    return FullInventory(side, size_lots, value, losses, worst, why, margin, liquidation)
