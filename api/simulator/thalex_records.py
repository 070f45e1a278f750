"""What Thalex keeps about orders and fills beside what the exchange keeps; rows of them for replies and channels."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from api.simulator.thalex_shapes import Json, OrderNote, TradeNote, order_history_row, order_row, trade_row

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange
    from api.simulator.exchange_types import SimFill, SimOrder
    from api.simulator.thalex_market import Markets


# What is kept of the past; the oldest is forgotten first.
MAX_ORDERS, MAX_TRADES = 50_000, 100_000


class Records:
    """Notes by order id, trades by account."""

    def __init__(self, exchange: SimExchange, markets: Markets) -> None:
        self._exchange, self._markets = exchange, markets
        self.arriving: OrderNote | None = None  # of the order that is being submitted: its id is not known yet
        self._orders: dict[str, tuple[SimOrder, OrderNote]] = {}
        self._trades: dict[str, deque[TradeNote]] = {}
        self._positions: dict[tuple[str, str], int] = {}  # after the fills that were told, in lots

    def note(self, order: SimOrder) -> OrderNote:
        """Return the note of an order; the first time it is the arriving one."""
        found = self._orders.get(order.order_id)
        if found is not None:
            return found[1]
        note, self.arriving = self.arriving or OrderNote(), None
        self._orders[order.order_id] = (order, note)
        if len(self._orders) > MAX_ORDERS:
            self._forget()
        return note

    def _forget(self) -> None:
        """Drop the oldest closed orders, a tenth at a time."""
        closed = [order_id for order_id, (order, _) in self._orders.items() if not order.is_open]
        for order_id in closed[: MAX_ORDERS // 10]:
            del self._orders[order_id]

    def add_fill(self, fill: SimFill, order: SimOrder) -> TradeNote:
        """Remember a fill and return it with the position after it."""
        state = self._markets[fill.symbol]
        key = fill.account, fill.symbol
        lots = self._positions.get(key, 0) + fill.side.sign * fill.size_lots
        self._positions[key] = lots
        self.note(order).fills.append(fill)
        position = state.instrument.to_size(abs(lots)).copy_sign(Decimal(lots))
        trade = TradeNote(fill, position, self._markets.index_of(state))
        self._trades.setdefault(fill.account, deque(maxlen=MAX_TRADES)).append(trade)
        return trade

    # -- rows -------------------------------------------------------------------------------------------------------
    def order_row(self, order: SimOrder, change_reason: str, fills: Sequence[SimFill] = ()) -> Json:
        """Return an order object; the reason `existing` tells all its fills."""
        note = self.note(order)
        chosen = note.fills if change_reason == "existing" else fills
        return order_row(order, self._markets[order.symbol].instrument, note, chosen, change_reason)

    def trade_row(self, trade: TradeNote) -> Json:
        """Return a fill as the trade history has it."""
        fill = trade.fill
        return trade_row(trade, self._markets[fill.symbol].instrument, self.note(fill.order))

    def history_row(self, order: SimOrder) -> Json:
        """Return a finished order as the order history has it."""
        note = self.note(order)
        return order_history_row(order, self._markets[order.symbol].instrument, note, note.fills)

    def open_orders(self, account: str) -> list[SimOrder]:
        """Return an account's open orders by arrival."""
        return self._exchange.open_orders(account)

    # -- the past ---------------------------------------------------------------------------------------------------
    def trades(self, account: str) -> Sequence[TradeNote]:
        """Return an account's trades, oldest first."""
        return self._trades.get(account, ())

    def finished(self, account: str) -> list[SimOrder]:
        """Return an account's finished orders that the history lists, oldest first."""
        return [order for order in self._exchange.closed_orders(account) if is_listed(order)]


def is_listed(order: SimOrder) -> bool:
    """Tell whether a finished order is in the history: those that die with a session only when they were filled."""
    return order.persistent or order.filled_lots > 0
