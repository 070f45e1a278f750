"""Parts that the tests of the simulated exchange share: a feed that is told what to say, and a witness."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api.feed import Picture, Print
from api.market_facts import Market
from api.simulator.exchange import BookDelta, MarketPrint, SimExchange, SimFill, SimMarket, SimOrder
from core.market.book import Level, LocalBook
from core.market.fill_rules import MatchingRules
from core.market.order import OrderState, Side

START = 1_800_000_000 * 10**9
SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
BIDS = (Level(9999, 1000), Level(9998, 2000))
ASKS = (Level(10001, 1000), Level(10002, 2000), Level(10003, 4000))
BUY, SELL = Side.BUY, Side.SELL


def market(symbol: str = SPOT, **changes: Any) -> Market:
    """Return a spot or perpetual market with tick 0.01, lot 0.001 and a least value of 5."""
    values: dict[str, Any] = {
        "symbol": "SOL-PERP" if symbol == PERP else "SOL-USDC",
        "venue_symbol": symbol,
        "kind": "perp" if symbol == PERP else "spot",
        "base": "SOL",
        "quote": "USDC",
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal("0.001"),
        "min_notional": Decimal(5),
        "initial_balances": {},
    }
    return Market(**(values | changes))


class ToldFeed:
    """A feed whose next events are put in by the test; each is 1 ms after the one before."""

    def __init__(self, bids: tuple[Level, ...] = BIDS, asks: tuple[Level, ...] = ASKS) -> None:
        self._first = Picture(0, 0, bids, asks)
        self._events: list[Picture | Print] = []
        self.at_ns = 0

    def show(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
        """Put a picture at the end."""
        self.at_ns += 1_000_000
        self._events.append(Picture(self.at_ns, 0, bids, asks))

    def print(self, price_ticks: int, size_lots: int, aggressor: Side) -> None:
        """Put a print at the end."""
        self.at_ns += 1_000_000
        self._events.append(Print(self.at_ns, price_ticks, size_lots, aggressor))

    def seek(self, position_ns: int) -> Picture:
        """Return the first picture."""
        return self._first

    def next(self, until_ns: int) -> Picture | Print | None:
        """Return the next event that is not after `until_ns`."""
        return self._events.pop(0) if self._events and self._events[0].at_ns <= until_ns else None

    @property
    def next_picture_ns(self) -> int:
        """Return a position."""
        return self.at_ns + 1_000_000


class Witness:
    """A listener that keeps everything, and the public books from a snapshot and the deltas."""

    def __init__(self, exchange: SimExchange) -> None:
        self.orders: list[tuple[str, str, OrderState, int]] = []  # account, what, state, filled lots
        self.fills: list[SimFill] = []
        self.prints: list[MarketPrint] = []
        self.deltas: list[BookDelta] = []
        self.positions: list[tuple[str, str]] = []
        self.books = {symbol: copy_of(market.book) for symbol, market in exchange.markets.items()}
        self.sequences = {symbol: market.sequence for symbol, market in exchange.markets.items()}
        exchange.listeners.append(self)

    def on_order(self, order: SimOrder, what: str) -> None:
        """Keep the change."""
        self.orders.append((order.account, what, order.state, order.filled_lots))

    def on_fill(self, fill: SimFill, order: SimOrder) -> None:
        """Keep the fill."""
        assert fill.order is order
        self.fills.append(fill)

    def on_print(self, print_: MarketPrint) -> None:
        """Keep the print."""
        self.prints.append(print_)

    def on_position(self, account: str, symbol: str) -> None:
        """Keep the note."""
        self.positions.append((account, symbol))

    def on_book(self, delta: BookDelta) -> None:
        """Apply the delta as a client would."""
        assert delta.first == self.sequences[delta.symbol] + 1
        assert delta.last - delta.first + 1 == len(delta.changes)
        self.sequences[delta.symbol] = delta.last
        self.deltas.append(delta)
        for side, price_ticks, size_lots in delta.changes:
            self.books[delta.symbol].set_level(side, price_ticks, size_lots)


def levels(book: LocalBook) -> dict[Side, tuple[Level, ...]]:
    """Return all levels of a book."""
    return {side: book.top(side, 10_000) for side in Side}


def copy_of(book: LocalBook) -> LocalBook:
    """Return a copy of a book."""
    copy = LocalBook()
    for side, found in levels(book).items():
        for price_ticks, size_lots in found:
            copy.set_level(side, price_ticks, size_lots)
    return copy


class Trade:
    """An exchange with a spot market (and a perpetual), accounts a, b, c, and a short way to say what they do."""

    def __init__(self, balances: dict[str, Any] | None = None, **rules: Any) -> None:
        self.exchange = SimExchange(START, 1, MatchingRules(**({"touch_prob": 1.0} | rules)), max_open_orders=20)
        self.feeds = {SPOT: ToldFeed(), PERP: ToldFeed()}
        for symbol, feed in self.feeds.items():
            self.exchange.add_market(market(symbol), feed, Decimal(-1), Decimal(5))
        for name in "abc":
            self.exchange.add_account(name, balances or {"SOL": Decimal(1000), "USDC": Decimal(100_000)})
        self.witness = Witness(self.exchange)

    def __call__(
        self, account: str, side: Side, price: int | None, lots: int, symbol: str = SPOT, **more: Any
    ) -> SimOrder:
        """Submit an order."""
        return self.exchange.submit(account, symbol, side=side, price_ticks=price, size_lots=lots, **more)

    def market(self, symbol: str = SPOT) -> SimMarket:
        """Return a market."""
        return self.exchange.markets[symbol]

    def play(self) -> None:
        """Let everything that the feeds were told happen."""
        self.exchange.advance(START + max(feed.at_ns for feed in self.feeds.values()))

    def show(self, bids: tuple[Level, ...], asks: tuple[Level, ...], symbol: str = SPOT) -> None:
        """Let the feed show a picture now."""
        self._feed_now(symbol).show(bids, asks)
        self.play()

    def print(self, price: int, lots: int, aggressor: Side, symbol: str = SPOT) -> None:
        """Let the feed print a trade now."""
        self._feed_now(symbol).print(price, lots, aggressor)
        self.play()

    def _feed_now(self, symbol: str) -> ToldFeed:
        feed = self.feeds[symbol]
        feed.at_ns = max(other.at_ns for other in self.feeds.values())
        return feed

    def shares(self, account: str | None = None) -> list[tuple[str, int, int, str]]:
        """Return the fills so far: account, price, lots, liquidity."""
        fills = self.witness.fills
        return [
            (fill.account, fill.price_ticks, fill.size_lots, fill.liquidity)
            for fill in fills
            if account in (None, fill.account)
        ]
