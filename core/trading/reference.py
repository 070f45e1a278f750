"""Another venue's market beside those that a bot trades: its newest mid, for quotes and gates to go by.

It is data and nothing else: no order is sent there, and neither a start nor a step ever waits for it. While it is not
heard, or too old, there is no mid; the strategy goes by its own market's then, and the status says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from core.market.events import BookUpdate
from core.market.external_price import ExternalPrice
from core.trading.clock import SECOND_NS, seconds
from core.trading.cycle_timer import MOVE
from core.trading.log_fields import fields

if TYPE_CHECKING:
    from api.base_client import InboxItem
    from core.bot_config import Leg
    from core.market.book import OrderBook
    from core.market.instrument import Instrument
    from core.trading.bot_state import BotState

MAX_AGE_NS = seconds(5)  # the default of the key
_IDLE_NS = seconds(1)
_log = logging.getLogger("makerd.market")


class PriceReader(Protocol):
    """What brings the market: `api/market_reader.py`."""

    problem: str

    @property
    def instrument(self) -> Instrument | None:
        """Return what is traded there, None while it is not open."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is something to hear."""

    def poll(self, now_ns: int) -> int | None:
        """Do what is due and return when to be called next; never raises, never waits."""

    def heard(self) -> Sequence[InboxItem]:
        """Return and forget what the venue said."""

    def close(self) -> None:
        """Disconnect."""


class Reference:
    """The market of one bot's reference; times are the loop's monotonic nanoseconds."""

    def __init__(self, leg: Leg, reader: PriceReader, max_age_ns: int, conversion: Decimal | None) -> None:
        self.leg, self._reader, self._conversion = leg, reader, conversion
        self.price = ExternalPrice(max_age_ns, f"{leg.symbol} on {leg.exchange}")  # replaced, never changed
        self._is_fresh = False  # as of the last look
        self._cycle_mid: Decimal | None = None  # the one that the last decision was made on

    @classmethod
    def of(cls, leg: Leg, reader: PriceReader, reference_config: Mapping[str, Any]) -> Reference:
        """Return the reference of a validated section."""
        max_age_s, conversion = (reference_config.get(key) for key in ("max_age_s", "conversion"))
        max_age_ns = MAX_AGE_NS if max_age_s is None else seconds(float(max_age_s))
        return cls(leg, reader, max_age_ns, None if conversion is None else Decimal(str(conversion)))

    def listen(self, now_ns: int, bot: BotState) -> int:
        """Take in what the market says and put it into the strategy's view; return when to be called next."""
        polled_ns = self._reader.poll(now_ns)
        for item in self._reader.heard():
            if isinstance(item, BookUpdate) and item.book.is_quotable:
                self._take(item.book, now_ns, bot.legs[0].instrument)
        bot.view.external = self.price
        mid = self.price.at(now_ns)
        if (mid is not None) is not self._is_fresh:
            self._turn(mid is not None, now_ns, bot)
        elif mid is not None and self._has_moved(mid, bot.settings.requote_bps):
            bot.timer.hurry(MOVE)
        due_ns = now_ns + _IDLE_NS if polled_ns is None else polled_ns
        return due_ns if mid is None else min(due_ns, self.price.local_ns + self.price.max_age_ns + 1)

    def _take(self, book: OrderBook, now_ns: int, ours: Instrument) -> None:
        theirs = self._reader.instrument
        if theirs is None:
            return
        factor = self._conversion
        if factor is None:
            if (theirs.base, theirs.quote) != (ours.base, ours.quote):
                told = f"it is {theirs.base} in {theirs.quote}, ours {ours.base} in {ours.quote}"
                self.price = replace(self.price, mid=None, why=f"{told}: reference_config.conversion is needed")
                return
            factor = Decimal(1)
        mid = Decimal(book.mid_ticks()) * theirs.tick_size * factor
        heard_ns = book.local_ns if 0 < book.local_ns < now_ns else now_ns
        self.price = replace(self.price, mid=mid, local_ns=heard_ns)

    def _turn(self, is_fresh: bool, now_ns: int, bot: BotState) -> None:
        """Note that there is a price now, or none any more: what rests was decided on the other."""
        self._is_fresh = is_fresh
        bot.timer.hurry(MOVE)
        if is_fresh:
            _log.info("reference_heard", extra=fields(market=self.price.name, mid=str(self.price.mid)))
        else:
            _log.warning("reference_stale", extra=fields(market=self.price.name, reason=self.stale_reason(now_ns)))

    def _has_moved(self, mid: Decimal, requote_bps: float) -> bool:
        before = self._cycle_mid
        if not requote_bps or before is None:
            return False
        return abs(float(mid / before) - 1) * 10_000 >= requote_bps

    def decided(self) -> None:
        """Note that a decision is made on the price of now."""
        self._cycle_mid = self.price.mid

    def stale_reason(self, now_ns: int) -> str:
        """Return why there is no mid to go by, empty while there is one."""
        reason, problem = self.price.stale_reason(now_ns), self._reader.problem
        return f"{reason} ({problem})" if reason and problem else reason

    def told(self, now_ns: int) -> dict[str, Any]:
        """Return what the status says of it; the mid is decimal text in our quote asset."""
        price = self.price
        return {
            "reference_mid": None if price.mid is None else f"{price.mid.normalize():f}",
            "reference_age_s": None if price.mid is None else round((now_ns - price.local_ns) / SECOND_NS, 3),
            "reference_stale": self.stale_reason(now_ns),
        }

    def fileno(self) -> int:
        """Return a descriptor that should end a wait."""
        return self._reader.fileno()

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
