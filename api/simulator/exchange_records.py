"""What can be asked of the simulated exchange without changing anything."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.simulator.exchange_account import SimAccountState
    from api.simulator.exchange_market import SimMarket
    from api.simulator.exchange_types import SimFill, SimOrder


class ExchangeRecords:
    """The markets and accounts of an exchange, and the questions about them. Unknown accounts raise KeyError."""

    def __init__(self) -> None:
        self.markets: dict[str, SimMarket] = {}  # by venue symbol
        self.accounts: dict[str, SimAccountState] = {}

    def open_orders(self, account: str, symbol: str | None = None) -> list[SimOrder]:
        """Return an account's open orders by arrival."""
        return [order for order in self.accounts[account].open.values() if symbol in (None, order.symbol)]

    def order(self, account: str, order_id: str) -> SimOrder | None:
        """Return an order of an account, open or closed (a bounded number of closed ones is kept)."""
        state = self.accounts[account]
        return state.open.get(order_id) or state.closed.get(order_id)

    def by_client_id(self, account: str, client_id: str, session: Any | None = None) -> SimOrder | None:
        """Return the open order of a client id; with `session` only one that it made."""
        return self.accounts[account].by_client_id(client_id, session)

    def fills(self, account: str, symbol: str | None = None) -> list[SimFill]:
        """Return an account's fills, oldest first."""
        return [fill for fill in self.accounts[account].fills if symbol in (None, fill.symbol)]

    def closed_orders(self, account: str, symbol: str | None = None) -> list[SimOrder]:
        """Return an account's filled, cancelled and expired orders, oldest first."""
        return [order for order in self.accounts[account].closed.values() if symbol in (None, order.symbol)]

    def balances(self, account: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Return asset -> (total, available)."""
        return self.accounts[account].available(self.markets.values())

    def position(self, account: str, symbol: str) -> tuple[int, Decimal | None]:
        """Return signed lots and entry price, None when flat; on spot always (0, None)."""
        position = self.accounts[account].positions.get(symbol)
        if position is None:
            return 0, None
        return position.size_lots, position.average_price(self.markets[symbol].instrument)

    def positions(self, account: str) -> dict[str, tuple[int, Decimal]]:
        """Return the positions that are not flat: symbol -> (signed lots, entry price)."""
        found = {}
        for symbol in self.accounts[account].positions:
            lots, entry = self.position(account, symbol)
            if entry is not None:
                found[symbol] = (lots, entry)
        return found

    def unrealised_pnl(self, account: str, symbol: str) -> Decimal:
        """Return what closing the position at the mark price would bring, before fees."""
        position = self.accounts[account].positions.get(symbol)
        if position is None:
            return Decimal(0)
        return position.unrealised_pnl(self.mark(symbol), self.markets[symbol].instrument)

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price: the mid of what the feed displays, else the last trade; 0 when there is nothing."""
        market = self.markets[symbol]
        return Decimal(str(market.mark_ticks())) * market.instrument.tick_size
