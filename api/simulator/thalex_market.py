"""What Thalex shows of one market: the totals of its book, its ticker, its last trades, its index."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.simulator.thalex_candles import MarkCandles
from api.simulator.thalex_instruments import index_row, underlying_of
from api.simulator.thalex_shapes import Json, number, seconds
from core.market.book import Level
from core.market.order import Side

if TYPE_CHECKING:
    from api.simulator.exchange import SimExchange, SimMarket
    from api.simulator.exchange_types import BookDelta, MarketPrint


WHOLE_BOOK = 1_000_000  # levels; deeper than any book
KEPT_PRINTS = 100
COLLAR_SHARE = Decimal("0.03")  # of the mark, to either side
_FUNDING_RATE = Decimal("0.0001")


class MarketState:
    """One market as the public sees it; changed by what the exchange tells."""

    def __init__(self, exchange: SimExchange, market: SimMarket) -> None:
        self.exchange, self.market, self.instrument = exchange, market, market.instrument
        self.symbol = market.symbol
        self.listed_ns = exchange.now_ns
        self.underlying = underlying_of(market.market)
        self.prints: deque[MarketPrint] = deque(maxlen=KEPT_PRINTS)
        self.candles = MarkCandles(exchange.now_ns, exchange.mark(self.symbol), self.symbol)
        self._sizes: dict[Side, dict[int, int]] = {side: dict(market.book.top(side, WHOLE_BOOK)) for side in Side}
        self.totals: dict[Side, int] = {side: sum(sizes.values()) for side, sizes in self._sizes.items()}
        self._volume_lots, self._value = 0, Decimal(0)
        self._range: tuple[int, int, int] | None = None  # first, lowest, highest print

    # -- hearing ----------------------------------------------------------------------------------------------------
    def hear_book(self, delta: BookDelta) -> None:
        """Take a step of the book."""
        for side, price_ticks, lots in delta.changes:
            sizes = self._sizes[side]
            self.totals[side] += lots - sizes.pop(price_ticks, 0)
            if lots:
                sizes[price_ticks] = lots
        self.candles.note(delta.at_ns, self.mark)

    def hear_print(self, print_: MarketPrint) -> None:
        """Take a trade."""
        self.prints.append(print_)
        self._volume_lots += print_.size_lots
        self._value += self.instrument.notional_quote(print_.price_ticks, print_.size_lots)
        first, low, high = self._range or (print_.price_ticks,) * 3
        self._range = first, min(low, print_.price_ticks), max(high, print_.price_ticks)

    # -- telling ----------------------------------------------------------------------------------------------------
    @property
    def mark(self) -> Decimal:
        """Return the mark price."""
        return self.exchange.mark(self.symbol)

    def levels(self, side: Side) -> dict[int, int]:
        """Return all levels of a side, price ticks -> lots; not to be changed."""
        return self._sizes[side]

    def level_row(self, price_ticks: int, lots: int) -> list[int | float]:
        """Return a book row: price, amount, outright amount (the same: there are no combinations here)."""
        amount = number(self.instrument.to_size(lots))
        return [number(self.instrument.to_price(price_ticks)), amount, amount]

    def total(self, side: Side) -> int | float:
        """Return the size of a whole side."""
        return number(self.instrument.to_size(self.totals[side]))

    def print_row(self, print_: MarketPrint, with_name: bool) -> list[Any]:
        """Return a trade as the book channel has it, or with the instrument's name as recent_trades has it."""
        price = number(self.instrument.to_price(print_.price_ticks))
        row = [price, number(self.instrument.to_size(print_.size_lots)), print_.aggressor.value, seconds(print_.at_ns)]
        return [*row, print_.symbol, False] if with_name else [*row, False]

    def top_row(self, mark: float) -> list[int | float]:
        """Return a top of book (bid, size, ask, size) that fits a mark of the past: nobody kept the true one."""
        size = number(self.instrument.to_size(self.instrument.min_lots))
        bid = self.instrument.to_ticks(Decimal(repr(mark)))
        return [number(self.instrument.to_price(bid)), size, number(self.instrument.to_price(bid + 1)), size]

    def collar(self) -> tuple[Decimal, Decimal]:
        """Return the lowest price of an ask and the highest of a bid."""
        mark = self.mark
        return mark * (1 - COLLAR_SHARE), mark * (1 + COLLAR_SHARE)

    def last_price(self) -> int | float | None:
        """Return the price of the last trade."""
        return number(self.instrument.to_price(self.prints[-1].price_ticks)) if self.prints else None

    def book_row(self, depth: int, at_ns: int) -> Json:
        """Return the answer of public/book."""
        rows = {side: [self.level_row(*level) for level in self.market.book.top(side, depth)] for side in Side}
        return {"bids": rows[Side.BUY], "asks": rows[Side.SELL], "last": self.last_price(), "time": seconds(at_ns)}

    def light_row(self) -> Json:
        """Return the light ticker; an empty side is left out."""
        row: Json = {"m": number(self.mark)}
        for name, side in (("b", Side.BUY), ("a", Side.SELL)):
            best = self.market.best(side)
            if best is not None:
                row[name] = self.level_row(*best)
        if self.prints:
            row["l"] = self.last_price()
        return row

    def ticker_row(self, index: Decimal, at_ns: int) -> Json:
        """Return the ticker; an empty side is null."""
        low, high = self.collar()
        row: Json = {
            "mark_price": number(self.mark),
            "mark_timestamp": seconds(at_ns),
            **self._best_row("bid", self.market.best(Side.BUY)),
            **self._best_row("ask", self.market.best(Side.SELL)),
            "last_price": self.last_price(),
            "delta": 1,
            "index": number(index),
            **self._day_row(),
            "collar_low": number(low),
            "collar_high": number(high),
            "open_interest": 0,
        }
        if self.market.market.kind == "perp":
            row |= {"funding_rate": number(_FUNDING_RATE), "funding_mark": 0}
        return row

    def _best_row(self, name: str, best: Level | None) -> Json:
        price, amount = (None, None) if best is None else self.level_row(*best)[:2]
        return {f"best_{name}_price": price, f"best_{name}_amount": amount}

    def _day_row(self) -> Json:
        """Return the day's figures: of all trades since the simulator began."""
        row: Json = {
            "volume_24h": number(self.instrument.to_size(self._volume_lots)),
            "value_24h": number(self._value),
            "change_24h": None,
        }
        if self._range is None:
            return row
        first, low, high = (self.instrument.to_price(ticks) for ticks in self._range)
        last = self.instrument.to_price(self.prints[-1].price_ticks)
        return row | {"low_price_24h": number(low), "high_price_24h": number(high), "change_24h": number(last - first)}


class Markets(dict[str, MarketState]):
    """All markets by instrument name."""

    def index(self, underlying: str) -> Decimal | None:
        """Return an index price: the mark of the perpetual on it; None when nothing hangs on that index."""
        states = [state for state in self.values() if state.underlying == underlying]
        states.sort(key=lambda state: state.market.market.kind != "perp")
        return states[0].mark if states else None

    def index_of(self, state: MarketState) -> Decimal:
        """Return the index price of a market."""
        price = self.index(state.underlying)
        return state.mark if price is None else price

    def index_row(self, underlying: str, at_ns: int) -> Json | None:
        """Return the answer of public/index, None for an unknown index."""
        price = self.index(underlying)
        return None if price is None else index_row(underlying, price, at_ns)
