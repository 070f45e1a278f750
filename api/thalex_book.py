"""A full Thalex book in ticks and lots. There are no sequence numbers: totals, crossing and the ticker guard it."""

from __future__ import annotations

from decimal import Decimal

from api.thalex_messages import BookChange, Row, Ticker
from core.market.book import LocalBook, OrderBook
from core.market.instrument import Instrument
from core.market.order import Side

_CROSSED_NS = 1_000_000_000  # a book may be crossed for a moment while both sides change
_TICKER_NS = 2_500_000_000  # the ticker comes once a second
# A guard that speaks so often, each time soon after a whole book, is itself wrong: the venue means something else.
_STRIKES, _SOON_CHANGES = 3, 10


class ThalexBook:
    """The book of one subscription; a method that returns a text says why it must be read anew."""

    def __init__(self, instrument: Instrument) -> None:
        self._tick, self._lot = instrument.tick_size, instrument.lot_size
        self._book = LocalBook()
        self._lots = {Side.BUY: 0, Side.SELL: 0}
        self.ready = False  # a whole book was heard since the last `start_over`
        self.sequence = 0
        self._venue_ns = 0
        self._crossed_ns: int | None = None
        self._differs_ns: int | None = None
        self._trusted = {"totals": True, "ticker": True}
        self._strikes = dict.fromkeys(self._trusted, 0)
        self._calm_changes = 0  # since a guard last spoke

    def start_over(self) -> None:
        """Forget everything: the next notification is the whole book."""
        self._book.clear()
        self._lots = {Side.BUY: 0, Side.SELL: 0}
        self.ready = False
        self._crossed_ns = self._differs_ns = None

    def apply(self, change: BookChange, now_ns: int) -> str:
        """Take a notification in. Returns why the book cannot be trusted, an empty text when it can."""
        is_whole = not self.ready
        for side, rows in ((Side.BUY, change.bids), (Side.SELL, change.asks)):
            for row in rows:
                if fault := self._set(side, row):
                    return fault
        self.ready = True
        self.sequence += 1
        self._calm_changes += 1
        self._venue_ns = change.venue_ns
        self._differs_ns = None
        self._note_crossing(now_ns)
        return self._check_totals(change, is_whole) or self.overdue(now_ns)

    def _set(self, side: Side, row: Row) -> str:
        ticks, lots = row[0] / self._tick, row[1] / self._lot
        price_ticks, size_lots = int(ticks), int(lots)
        if price_ticks != ticks:
            return f"price {row[0]} is not a multiple of the tick size {self._tick}"
        if size_lots != lots:  # implied liquidity may come in odd sizes: the level exists
            size_lots += 1
            self._trusted["totals"] = False
        self._lots[side] += size_lots - self._book.size_at(side, price_ticks)
        self._book.set_level(side, price_ticks, size_lots)
        return ""

    def _check_totals(self, change: BookChange, is_whole: bool) -> str:
        totals = ((Side.BUY, change.total_bid), (Side.SELL, change.total_ask))
        wrong = [side for side, total in totals if total is not None and self._lots[side] != total / self._lot]
        if not wrong or not self._believes("totals"):
            return ""
        what = "a whole book's" if is_whole else "the"
        return f"{what} {wrong[0].value} sizes do not add up to the venue's total"

    def _believes(self, guard: str) -> bool:
        """Count a word of a guard; False when it has spoken too often too soon to be believed."""
        if self._calm_changes > _SOON_CHANGES:
            self._strikes = dict.fromkeys(self._strikes, 0)
        self._calm_changes = 0
        self._strikes[guard] += 1
        self._trusted[guard] = self._trusted[guard] and self._strikes[guard] < _STRIKES
        return self._trusted[guard]

    def _note_crossing(self, now_ns: int) -> None:
        bid, ask = self._book.best(Side.BUY), self._book.best(Side.SELL)
        if bid is None or ask is None or bid.price_ticks < ask.price_ticks:
            self._crossed_ns = None
        elif self._crossed_ns is None:
            self._crossed_ns = now_ns

    def compare(self, ticker: Ticker, now_ns: int) -> bool:
        """Hold the best prices against the ticker; True when they agree: the book is as fresh as the ticker."""
        best = (self._best_price(Side.BUY), self._best_price(Side.SELL))
        told = (ticker.bid and ticker.bid[0], ticker.ask and ticker.ask[0])
        if best == told:
            self._differs_ns = None
            self.sequence += 1
            return True
        if self._differs_ns is None and self._trusted["ticker"]:
            self._differs_ns = now_ns
        return False

    def _best_price(self, side: Side) -> Decimal | None:
        level = self._book.best(side)
        return None if level is None else level.price_ticks * self._tick

    def overdue(self, now_ns: int) -> str:
        """Return what has been wrong for too long, an empty text when nothing has."""
        if self._crossed_ns is not None and now_ns - self._crossed_ns > _CROSSED_NS:
            return "crossed for more than a second"
        if self._differs_ns is not None and now_ns - self._differs_ns > _TICKER_NS:
            self._differs_ns = None
            return "silent while the ticker moves" if self._believes("ticker") else ""
        return ""

    def due_ns(self) -> int | None:
        """Return when `overdue` may have something to say, None when nothing is wrong."""
        due = [
            since + limit + 1
            for since, limit in ((self._crossed_ns, _CROSSED_NS), (self._differs_ns, _TICKER_NS))
            if since is not None
        ]
        return min(due, default=None)

    def picture(self, depth: int, local_ns: int) -> OrderBook:
        """Return the best `depth` levels of each side."""
        return self._book.picture(depth, self.sequence, self._venue_ns, local_ns)
