"""The account of a simulated venue: balances and position, what an order may use, what a fill changes. Pure.

Spot: orders reserve quote (buys, with the worst fee) or base (sells). Perpetuals and futures: one wallet in the quote
asset, average-cost position, initial margin on the worst case of each side. Fees are charged in quote; with
`fee_in_base` those of spot buys in base, out of what was bought.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.market.exposure import liquidation_price
from core.market.instrument import Instrument
from core.market.order import Fill, Order, Side
from core.market.position import Position
from core.market.reports import Balance, VenuePosition

_ZERO = Decimal(0)
_BPS = Decimal(10_000)
MAINTENANCE_RATE = Decimal("0.005")  # of a position's value; an account with less behind it is liquidated


@dataclass(frozen=True, slots=True)
class SimAccount:
    """One account's balances (asset -> total) and, off spot, its position."""

    instrument: Instrument
    balances: Mapping[str, Decimal]
    position: Position = field(default_factory=lambda: Position("venue"))
    max_leverage: int | Decimal = 10
    fee_in_base: bool = False

    @property
    def is_spot(self) -> bool:
        """Tell whether the assets themselves are traded."""
        return self.instrument.kind == "spot"

    def fee(self, price_ticks: int, size_lots: int, liquidity: str) -> Decimal:
        """Return the fee of an execution in quote; negative is a rebate."""
        instrument = self.instrument
        rate = instrument.maker_fee_bps if liquidity == "maker" else instrument.taker_fee_bps
        return instrument.notional_quote(price_ticks, size_lots) * rate / _BPS

    def charge(self, side: Side, price_ticks: int, size_lots: int, liquidity: str) -> tuple[Decimal, str]:
        """Return the fee of an execution and the asset that it is taken from."""
        instrument = self.instrument
        if not (self.fee_in_base and self.is_spot and side is Side.BUY):
            return self.fee(price_ticks, size_lots, liquidity), instrument.quote
        rate = instrument.maker_fee_bps if liquidity == "maker" else instrument.taker_fee_bps
        return instrument.to_size(size_lots) * rate / _BPS, instrument.base

    def after_fill(self, fill: Fill) -> SimAccount:
        """Return the account with `fill` booked."""
        instrument, balances = self.instrument, dict(self.balances)
        balances[fill.fee_asset] = balances.get(fill.fee_asset, _ZERO) - fill.fee
        quote = balances.get(instrument.quote, _ZERO)
        if not self.is_spot:
            position = self.position.after_fill(fill, instrument)
            balances[instrument.quote] = quote + position.realised_pnl - self.position.realised_pnl
            return SimAccount(instrument, balances, position, self.max_leverage, self.fee_in_base)
        spent = fill.side.sign * instrument.notional_quote(fill.price_ticks, fill.size_lots)
        balances[instrument.quote] = quote - spent
        bought = fill.side.sign * instrument.to_size(fill.size_lots)
        balances[instrument.base] = balances.get(instrument.base, _ZERO) + bought
        return SimAccount(instrument, balances, self.position, self.max_leverage, self.fee_in_base)

    def after_funding(self, amount: Decimal) -> SimAccount:
        """Return the account after a funding payment in quote; negative when it pays."""
        quote = self.instrument.quote
        balances = {**self.balances, quote: self.balances.get(quote, _ZERO) + amount}
        return replace(self, balances=balances, position=self.position.after_funding(amount))

    def reducible_lots(self, side: Side) -> int:
        """Return how much an order of `side` can take off the position."""
        return max(0, -side.sign * self.position.size_lots)

    def refusal(self, order: Order, open_orders: Iterable[Order], mid_ticks: float) -> str | None:
        """Return why the account cannot carry `order` beside `open_orders`, None when it can."""
        if order.reduce_only:
            if self.is_spot:
                return "reduce_only_is_for_positions"
            return None if self.reducible_lots(order.side) else "reduce_only_would_not_reduce"
        if self.is_spot:
            return self._spot_refusal(order, open_orders)
        lots = self._worst_lots(order.side, open_orders) + order.remaining_lots
        margin = self._margin(lots, order.price_ticks)
        return None if margin <= self._equity(mid_ticks) else "insufficient_margin"

    def _spot_refusal(self, order: Order, open_orders: Iterable[Order]) -> str | None:
        buying = order.side is Side.BUY
        asset = self.instrument.quote if buying else self.instrument.base
        needed = self._reserved((order,), order.side)
        available = self.balances.get(asset, _ZERO) - self._reserved(open_orders, order.side)
        return None if needed <= available else f"insufficient_balance {asset} {available} of {needed}"

    def _reserved(self, orders: Iterable[Order], side: Side) -> Decimal:
        """Return what the open size of a side reserves on spot: quote for buys, base for sells."""
        if side is Side.SELL:
            return self.instrument.to_size(sum(order.remaining_lots for order in orders if order.side is side))
        value = sum(order.price_ticks * order.remaining_lots for order in orders if order.side is side)
        rates = (self.instrument.maker_fee_bps, self.instrument.taker_fee_bps, _ZERO)
        worst_bps = _ZERO if self.fee_in_base else max(rates)
        return self.instrument.notional_quote(1, 1) * value * (1 + worst_bps / _BPS)

    def _worst_lots(self, side: Side, open_orders: Iterable[Order]) -> int:
        """Return the exposure on a side once all its open orders are filled; those that only reduce add none."""
        resting = sum(order.remaining_lots for order in open_orders if order.side is side and not order.reduce_only)
        return side.sign * self.position.size_lots + resting

    def _margin(self, lots: int, price_ticks: float) -> Decimal:
        if lots <= 0:
            return _ZERO
        return self.instrument.unit_quote * lots * Decimal(str(price_ticks)) / self.max_leverage

    def _equity(self, mid_ticks: float) -> Decimal:
        mark = self.instrument.tick_size * Decimal(str(mid_ticks))
        return self.balances.get(self.instrument.quote, _ZERO) + self.position.unrealised_pnl(mark, self.instrument)

    def reserved(self, open_orders: Iterable[Order], mid_ticks: float) -> dict[str, Decimal]:
        """Return by asset what open orders, the position and its loss bind."""
        orders = tuple(open_orders)
        if self.is_spot:
            return {
                self.instrument.quote: self._reserved(orders, Side.BUY),
                self.instrument.base: self._reserved(orders, Side.SELL),
            }
        worst = max(self._worst_lots(side, orders) for side in Side)
        unrealised = self._equity(mid_ticks) - self.balances.get(self.instrument.quote, _ZERO)
        return {self.instrument.quote: self._margin(worst, mid_ticks) - min(unrealised, _ZERO)}

    def report_balances(self, open_orders: Iterable[Order], mid_ticks: float) -> tuple[Balance, ...]:
        """Return all balances; available is what a new order could use, never negative."""
        reserved = self.reserved(open_orders, mid_ticks)
        return tuple(
            Balance(asset, total, max(_ZERO, total - reserved.get(asset, _ZERO)))
            for asset, total in sorted(self.balances.items())
        )

    def report_positions(self, leg: str, mid_ticks: float) -> tuple[VenuePosition, ...]:
        """Return the venue's record of the position; none on spot, an explicit 0 when flat."""
        if self.is_spot:
            return ()
        instrument, position = self.instrument, self.position
        entry = position.average_price(instrument)
        if entry is None:
            return (VenuePosition(leg, 0),)
        mark = instrument.tick_size * Decimal(str(mid_ticks))
        unrealised = position.unrealised_pnl(mark, instrument) if mid_ticks else None
        return (VenuePosition(leg, position.size_lots, entry, unrealised, self.liquidation_price()),)

    def liquidation_price(self) -> Decimal | None:
        """Return the mark price at which the position is liquidated; None on spot, when flat, and where it never is."""
        instrument, position = self.instrument, self.position
        entry = None if self.is_spot else position.average_price(instrument)
        if entry is None:
            return None
        size = instrument.to_size(position.size_lots) * instrument.contract_size
        return liquidation_price(size, entry, self.balances.get(instrument.quote, _ZERO), MAINTENANCE_RATE)
