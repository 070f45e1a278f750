"""One account of the simulated exchange: balances over all markets, positions, orders, fills."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.simulator.exchange_types import SimFill, SimOrder
from core.market.order import Fill, Order
from core.market.position import Position
from core.market.sim_account import SimAccount

if TYPE_CHECKING:
    from api.simulator.exchange_market import SimMarket

# What is kept for queries about the past; the oldest are forgotten first.
MAX_CLOSED_ORDERS, MAX_FILLS = 20_000, 100_000
_ZERO = Decimal(0)


class SimAccountState:
    """What one account has and did. The arithmetic is core/market/sim_account.py's, one market at a time."""

    def __init__(self, name: str, balances: Mapping[str, Decimal]) -> None:
        self.name = name
        self.balances: dict[str, Decimal] = dict(balances)  # totals by asset
        self.positions: dict[str, Position] = {}  # by symbol; perpetuals and futures only
        self.leverage: Decimal | None = None  # a limit below the market's own
        self.open: dict[str, SimOrder] = {}  # by order id, by arrival
        self.closed: dict[str, SimOrder] = {}  # by order id, oldest first
        self.fills: deque[SimFill] = deque(maxlen=MAX_FILLS)  # oldest first
        self.fill_count = 0

    def open_on(self, symbol: str) -> list[SimOrder]:
        """Return the open orders on a market by arrival."""
        return [order for order in self.open.values() if order.symbol == symbol]

    def by_client_id(self, client_id: str, session: Any | None) -> SimOrder | None:
        """Return the open order of a client id; with `session` only one that it made."""
        for order in self.open.values():
            if order.client_id == client_id and session in (None, order.session):
                return order
        return None

    def position_lots(self, symbol: str) -> int:
        """Return the signed position in lots."""
        position = self.positions.get(symbol)
        return position.size_lots if position else 0

    def reducible_lots(self, order: SimOrder) -> int:
        """Return how much an order's side can take off the position."""
        return max(0, -order.side.sign * self.position_lots(order.symbol))

    # -- money ------------------------------------------------------------------------------------------------------
    def on_market(self, market: SimMarket, balances: Mapping[str, Decimal] | None = None) -> SimAccount:
        """Return the account as one market sees it."""
        position = self.positions.get(market.symbol) or Position(market.symbol)
        leverage: int | Decimal = market.market.max_leverage
        if self.leverage is not None:
            leverage = min(self.leverage, leverage)
        found = self.balances if balances is None else balances
        return SimAccount(market.instrument, found, position, leverage, market.fee_in_base)

    def refusal(self, order: SimOrder, market: SimMarket, markets: Iterable[SimMarket], price_ticks: int) -> str | None:
        """Return why the account cannot carry an order at `price_ticks`, None when it can."""
        balances = dict(self.balances)
        for other in markets:
            if other is not market:
                for asset, amount in self._reserved(other).items():
                    balances[asset] = balances.get(asset, _ZERO) - amount
        resting = [_as_order(found) for found in self.open_on(market.symbol) if found.order_id != order.order_id]
        return self.on_market(market, balances).refusal(_as_order(order, price_ticks), resting, market.mark_ticks())

    def available(self, markets: Iterable[SimMarket]) -> dict[str, tuple[Decimal, Decimal]]:
        """Return asset -> (total, what a new order could use)."""
        bound: dict[str, Decimal] = {}
        for market in markets:
            for asset, amount in self._reserved(market).items():
                bound[asset] = bound.get(asset, _ZERO) + amount
        return {
            asset: (total, max(_ZERO, total - bound.get(asset, _ZERO)))
            for asset, total in sorted(self.balances.items())
        }

    def _reserved(self, market: SimMarket) -> dict[str, Decimal]:
        resting = [_as_order(order) for order in self.open_on(market.symbol)]
        if not resting and not self.position_lots(market.symbol):
            return {}
        return self.on_market(market).reserved(resting, market.mark_ticks())

    def book_fill(self, fill: SimFill, market: SimMarket) -> None:
        """Book a fill's money and position, and remember it."""
        after = self.on_market(market).after_fill(_as_fill(fill))
        self.balances = dict(after.balances)
        if not market.is_spot:
            self.positions[market.symbol] = after.position
        self.fills.append(fill)

    def close(self, order: SimOrder) -> None:
        """Put an order among the closed ones."""
        self.open.pop(order.order_id, None)
        self.closed[order.order_id] = order
        if len(self.closed) > MAX_CLOSED_ORDERS:
            del self.closed[next(iter(self.closed))]


def _as_order(order: SimOrder, price_ticks: int | None = None) -> Order:
    """Return an order as the account's arithmetic wants it."""
    price = order.price_ticks if price_ticks is None else price_ticks
    return Order(
        client_order_id=order.order_id,
        leg=order.symbol,
        side=order.side,
        price_ticks=price or 0,
        size_lots=order.size_lots,
        filled_lots=order.filled_lots,
        reduce_only=order.reduce_only,
    )


def _as_fill(fill: SimFill) -> Fill:
    return Fill(
        trade_id=fill.trade_id,
        client_order_id=fill.order.order_id,
        leg=fill.symbol,
        side=fill.side,
        price_ticks=fill.price_ticks,
        size_lots=fill.size_lots,
        liquidity=fill.liquidity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        venue_ns=fill.at_ns,
    )
