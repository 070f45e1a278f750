"""Thalex's channels: their names, and what each of them says next. No socket here.

Book rule (exchanges/thalex.md, section 5): the first notification is the whole book, later ones changes with absolute
amounts, 0 removes; no sequence number; the totals are over all levels, whatever the subscription shows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from api.simulator.thalex_shapes import Json, seconds
from core.market.order import Side

if TYPE_CHECKING:
    from api.simulator.exchange_types import BookDelta, MarketPrint
    from api.simulator.thalex_market import Markets, MarketState


DELAYS = {"raw": 0.0, "100ms": 0.1, "200ms": 0.2, "500ms": 0.5, "1000ms": 1.0, "5000ms": 5.0, "60000ms": 60.0}
PRIVATE = frozenset(
    {
        "account.orders",
        "account.persistent_orders",
        "session.orders",
        "account.trade_history",
        "account.order_history",
        "account.portfolio",
        "account.summary",
        "session.mm_protection",
    }
)
_PLAIN = frozenset({"instruments", "system"})
_INDEX_PERIOD_S = 1.0
_OLD_PRINTS = 3  # in the first book notification: trades from before the subscription


class Subscription:
    """A channel of a session; what it says is made elsewhere."""

    private = False

    def __init__(self, name: str) -> None:
        self.name = name


class PrivateChannel(Subscription):
    """A channel about the account or the session; `due_s` is when a periodic one speaks next."""

    private = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.due_s = 0.0
        self.told: dict[str, Decimal] = {}  # account.portfolio: the mark that was told last, by instrument


class MarketChannel(Subscription, ABC):
    """A channel about markets that speaks when something changed, at most once in `delay_s`."""

    def __init__(self, name: str, delay_s: float) -> None:
        super().__init__(name)
        self.delay_s = delay_s
        self.changed = True  # the first one tells all
        self._sent_s: float | None = None

    def is_due(self, now_s: float) -> bool:
        """Tell whether there is something to say and it may be said."""
        return self.changed and (self._sent_s is None or now_s - self._sent_s >= self.delay_s)

    def take(self, now_s: float, venue_ns: int) -> Any:
        """Return what is to be said now, None for nothing, and remember it as said."""
        value = self.value(venue_ns)
        self.changed, self._sent_s = False, now_s
        return value

    @abstractmethod
    def value(self, venue_ns: int) -> Any:
        """Return the notification, None for nothing."""

    def hear_book(self, delta: BookDelta) -> None:
        """Take a step of any market's book."""

    def hear_print(self, print_: MarketPrint) -> None:
        """Take a trade of any market."""


class BookChannel(MarketChannel):
    """`book.<instrument>.<grouping>.<levels>.<delay>`; grouping in ticks (1: none), levels None for all."""

    def __init__(self, name: str, delay_s: float, state: MarketState, grouping: int, levels: int | None) -> None:
        super().__init__(name, delay_s)
        self._state, self._grouping, self._levels = state, grouping, levels
        self._told: dict[Side, dict[int, int]] | None = None
        self._prints: list[MarketPrint] = list(state.prints)[-_OLD_PRINTS:]

    def hear_book(self, delta: BookDelta) -> None:
        """Note that the book is not what was told."""
        self.changed = self.changed or delta.symbol == self._state.symbol

    def hear_print(self, print_: MarketPrint) -> None:
        """Keep a trade for the next notification."""
        if print_.symbol == self._state.symbol:
            self._prints.append(print_)
            self.changed = True

    def value(self, venue_ns: int) -> Json | None:
        """Return the whole book at first, then the rows that changed."""
        told = self._told or {side: {} for side in Side}
        now = {side: self._view(side) for side in Side}
        row: Json = {}
        for name, side in (("bid_changes", Side.BUY), ("ask_changes", Side.SELL)):
            changes = self._changes(side, told[side], now[side])
            if changes or self._told is None:
                row[name] = changes
        if self._prints:
            row["trades"] = [self._state.print_row(print_, with_name=False) for print_ in self._prints]
        self._told, self._prints = now, []
        if not row:
            return None
        totals = {"total_bid_amount": self._state.total(Side.BUY), "total_ask_amount": self._state.total(Side.SELL)}
        return {**row, **totals, "time": seconds(venue_ns)}

    def _view(self, side: Side) -> dict[int, int]:
        """Return what this subscription shows of a side: price ticks -> lots."""
        if self._grouping == 1:
            if self._levels is None:
                return dict(self._state.levels(side))
            return dict(self._state.market.book.top(side, self._levels))
        groups: dict[int, int] = {}
        for price_ticks, lots in self._state.levels(side).items():
            # Bids are grouped downwards, asks upwards: a group never promises a better price than there is.
            steps = price_ticks // self._grouping if side is Side.BUY else -(-price_ticks // self._grouping)
            groups[steps * self._grouping] = groups.get(steps * self._grouping, 0) + lots
        best_first = sorted(groups, reverse=side is Side.BUY)[: self._levels]
        return {price: groups[price] for price in best_first}

    def _changes(self, side: Side, told: dict[int, int], now: dict[int, int]) -> list[list[int | float]]:
        """Return rows best first, removals before them."""
        gone = [self._state.level_row(price, 0) for price in told if price not in now]
        news = sorted((price for price, lots in now.items() if told.get(price) != lots), reverse=side is Side.BUY)
        return gone + [self._state.level_row(price, now[price]) for price in news]


class TickerChannel(MarketChannel):
    """`ticker.<instrument>.<delay>` and the light `lwt.<instrument>.<delay>`."""

    def __init__(self, name: str, delay_s: float, state: MarketState, markets: Markets, light: bool) -> None:
        super().__init__(name, delay_s)
        self._state, self._markets, self._light = state, markets, light

    def hear_book(self, delta: BookDelta) -> None:
        """Note that the best prices may have changed."""
        self.changed = self.changed or delta.symbol == self._state.symbol

    def value(self, venue_ns: int) -> Json:
        """Return the ticker."""
        if self._light:
            return self._state.light_row()
        return self._state.ticker_row(self._markets.index_of(self._state), venue_ns)


class TradesChannel(MarketChannel):
    """`recent_trades.<instrument>.single` and `recent_trades.<underlying>.<category>`; the first tells old trades."""

    def __init__(self, name: str, states: list[MarketState]) -> None:
        super().__init__(name, 0.0)
        self._states = {state.symbol: state for state in states}
        known = [print_ for state in states for print_ in state.prints]
        self._prints = sorted(known, key=lambda print_: print_.at_ns)
        self._is_first = True

    def hear_print(self, print_: MarketPrint) -> None:
        """Keep a trade."""
        if print_.symbol in self._states:
            self._prints.append(print_)
            self.changed = True

    def value(self, venue_ns: int) -> list[Any] | None:
        """Return the new trades."""
        prints, self._prints = self._prints, []
        rows = [self._states[print_.symbol].print_row(print_, with_name=True) for print_ in prints]
        is_first, self._is_first = self._is_first, False
        return rows if rows or is_first else None


class IndexChannel(MarketChannel):
    """`price_index.<underlying>`, once a second."""

    def __init__(self, name: str, markets: Markets, underlying: str) -> None:
        super().__init__(name, _INDEX_PERIOD_S)
        self._markets, self._underlying = markets, underlying

    def is_due(self, now_s: float) -> bool:
        """Tell whether a second is over."""
        self.changed = True
        return super().is_due(now_s)

    def value(self, venue_ns: int) -> Json | None:
        """Return the index price."""
        return self._markets.index_row(self._underlying, venue_ns)


def open_channel(name: Any, markets: Markets, private: bool) -> Subscription | None:
    """Return a new subscription, None for a name that this call cannot subscribe to."""
    if not isinstance(name, str):
        return None
    if private:
        return PrivateChannel(name) if name in PRIVATE else None
    if name in _PLAIN:
        return Subscription(name)
    kind, _, rest = name.partition(".")
    parts = rest.split(".")
    if kind in ("ticker", "lwt") and len(parts) == 2 and parts[0] in markets and parts[1] in DELAYS:
        return TickerChannel(name, DELAYS[parts[1]], markets[parts[0]], markets, kind == "lwt")
    if kind == "price_index" and markets.index(rest) is not None:
        return IndexChannel(name, markets, rest)
    if kind == "recent_trades" and len(parts) == 2:
        return _trades_channel(name, markets, *parts)
    if kind == "book" and parts[0] in markets:
        return _book_channel(name, markets[parts[0]], parts[1:])
    return None


def _trades_channel(name: str, markets: Markets, target: str, category: str) -> Subscription | None:
    if category == "single":
        return TradesChannel(name, [markets[target]]) if target in markets else None
    if category not in ("all", "options", "future_rolls") or markets.index(target) is None:
        return None
    # There are no options and no rolls here: such a subscription stands and stays silent.
    states = [state for state in markets.values() if state.underlying == target and category == "all"]
    return TradesChannel(name, states)


def _book_channel(name: str, state: MarketState, parts: list[str]) -> Subscription | None:
    """Open `<grouping>.<levels>.<delay>`; a grouping may have a decimal point of its own."""
    if len(parts) < 3 or parts[-1] not in DELAYS:
        return None
    grouping_text, levels, delay = ".".join(parts[:-2]), parts[-2], parts[-1]
    if levels != "all" and not (levels.isdigit() and int(levels)):
        return None
    try:
        grouping = 1 if grouping_text == "none" else state.market.exact_ticks(Decimal(grouping_text))
    except InvalidOperation:
        return None
    if not grouping or grouping < 1:
        return None
    return BookChannel(name, DELAYS[delay], state, grouping, None if levels == "all" else int(levels))
