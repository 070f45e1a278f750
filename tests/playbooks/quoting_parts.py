"""The Avellaneda-Stoikov templates as they are shipped, on a market: what they want, with which inventory."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from api.recording import RecordingBook, RecordingReader
from core.market.book import OrderBook
from core.market.commands import Quote, Quotes
from core.market.events import BookUpdate, Timer, TradePrint
from core.market.order import Side
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from strategies.base import View, strategy_class
from tests.market_parts import NOW, SECOND, book, fill, instrument

# Protected positions close: what is looked at here is what the model makes of one.
UNPROTECTED = {
    "avellaneda_stoikov": {"position_threshold": Decimal(10**9), "stop_loss_pct": None, "time_limit_s": None},
    "avellaneda_stoikov_group": {"rebalance_cooldown_s": 1e9, "stop_loss_pct": None},
}


class Trade(NamedTuple):
    """A print; in bars the lowest or highest price of a minute."""

    aggressor: Side
    price_ticks: int
    size_lots: int


Seen = tuple[int, OrderBook | Trade]  # when, what


class Quoter:
    """A bot on a perpetual with the market's increments; each instrument of a group is that market.

    `is_full`: it holds all it may, entered at the present price; else what its own quotes were filled with.
    """

    def __init__(
        self, template: Path, tick_size: Decimal, lot_size: Decimal, is_full: bool = True, **keys: Any
    ) -> None:
        config = json.loads(template.read_text())
        fee = Decimal(str(config["exchange_config"].get("maker_fee_bps", 0)))
        self.traded = instrument(kind="perp", tick_size=tick_size, lot_size=lot_size, maker_fee_bps=fee)
        name, section = config["metadata"]["strategy"], config["strategy_config"] | keys
        kind = strategy_class(name)
        params: Any = kind.params_from(section)
        rows = {one.leg: one.max_position for one in getattr(params, "rows", ())}
        risk = config["risk_config"]
        limits = {
            leg: RiskLimits.from_config({**risk, "max_position": most}, self.traded)
            for leg, most in (rows or {"main": risk.get("max_position")}).items()
        }
        kind.check(params, dict.fromkeys(limits, self.traded), limits)
        self.strategy = kind(dataclasses.replace(params, **UNPROTECTED[name]))
        self.view, self.is_full = View(instruments=dict.fromkeys(limits, self.traded)), is_full
        self.limits = {leg: limit.max_position_lots or 0 for leg, limit in limits.items()}
        self.view.position_limits.update(self.limits)
        self.interval_ns = int(section["interval_s"] * SECOND)
        self.due_ns = self.fills = 0
        self.quotes: dict[str, list[Quote]] = {}
        self.shifts: list[float] = []  # half-spreads, whenever a model spoke

    def play(self, market: Sequence[Seen] | Iterator[Seen]) -> Quoter:
        """See a market and decide at the interval."""
        for at_ns, what in market:
            self.see(at_ns, what)
            if at_ns >= self.due_ns and "main" in self.view.books:
                self.due_ns = at_ns + self.interval_ns
                self.decide()
        return self

    def see(self, at_ns: int, what: OrderBook | Trade) -> None:
        """Hear of the market."""
        self.view.now_ns = self.view.utc_ns = at_ns
        for leg in self.limits:
            if isinstance(what, OrderBook):
                self.view.books[leg] = what
                self.strategy.on_event(BookUpdate(leg, what), self.view)
            else:
                if not self.is_full:
                    self._trade(leg, what)
                event = TradePrint(leg, what.price_ticks, what.size_lots, what.aggressor, at_ns, at_ns)
                self.strategy.on_event(event, self.view)

    def _trade(self, leg: str, trade: Trade) -> None:
        """Fill the quotes that a print reaches, as far as the limit allows; they come back with the next decision."""
        quotes, resting = self.quotes.get(leg, []), []
        for quote in quotes:
            held = self.view.positions.get(leg) or Position(leg)
            is_reached = (quote.price_ticks - trade.price_ticks) * quote.side.sign >= 0
            lots = min(quote.size_lots, self.limits[leg] - quote.side.sign * held.size_lots)
            if quote.side is trade.aggressor or not is_reached or lots <= 0:
                resting.append(quote)
                continue
            self.fills += 1
            self.view.positions[leg] = held.after_fill(fill(quote.side, quote.price_ticks, lots, leg=leg), self.traded)
        self.quotes[leg] = resting

    def decide(self) -> None:
        """Decide with the inventory that is to be looked at."""
        if self.is_full:
            entry = fill(Side.BUY, self.view.books["main"].best_bid_ticks, self.limits["main"])
            self.view.positions["main"] = Position("main").after_fill(entry, self.traded)
        commands = self.strategy.on_event(Timer(self.view.now_ns), self.view)
        assert commands
        self.quotes = {one.leg: list(one.quotes) for one in commands if isinstance(one, Quotes)}
        for stats in self.legs():
            if stats["source"] == "as":
                self.shifts.append(-2 * stats["skew_bps"] / stats["spread_bps"])

    def legs(self) -> list[dict[str, Any]]:
        """Return what each instrument counts."""
        stats = self.strategy.stats()
        return list(stats["legs"].values()) if "legs" in stats else [stats]


def recorded(path: Path, tick_size: Decimal, lot_size: Decimal) -> list[Seen]:
    """Return the top of a recorded book ten times a second, and every trade."""
    reader = RecordingReader(path, tick_size, lot_size)
    rebuilt, due_ns = RecordingBook(reader), 0
    found: list[Seen] = []
    for message in reader:
        for _ in rebuilt.apply(message):
            pass
        if not rebuilt.is_synced:
            continue
        if message.kind == "trade":
            found.append((message.local_ns, Trade(*message.levels[0])))
        elif message.local_ns >= due_ns:
            due_ns = message.local_ns + SECOND // 10
            tops = (tuple(rebuilt.book.top(side, 1)) for side in (Side.BUY, Side.SELL))
            found.append((message.local_ns, OrderBook(*tops)))
    return found


def minute_of(number: int, bid: int, ask: int, low: int | None, high: int | None) -> Iterator[Seen]:
    """Yield what a bar tells, in ticks: the ends of its prices, then the book at its end."""
    at_ns = NOW + 60 * number * SECOND
    for side, price_ticks in ((Side.SELL, low), (Side.BUY, high)):
        if price_ticks is not None:
            yield at_ns, Trade(side, price_ticks, 1000)
    if bid < ask:
        yield at_ns, book(bid, ask)
