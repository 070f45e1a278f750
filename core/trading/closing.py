"""Getting flat: quotes off first, then immediate orders against the touch until the venue confirms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.market.commands import Take
from core.market.order import Side

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState
    from core.trading.outgoing import Outgoing


class Closing:
    """Closes the positions of all legs; what is too small for an order of the venue counts as flat."""

    def __init__(self, bot: BotState, outgoing: Outgoing) -> None:
        self._bot = bot
        self._outgoing = outgoing
        self._next_try_ns: dict[str, int] = {}
        self._flat_since_ns: dict[str, int] = {}
        self._sent: set[str] = set()  # legs whose last closing order is not accounted for by a report yet
        self._ended_ns: dict[str, int] = {}

    def step(self, now_ns: int) -> bool:
        """Do what is due; return whether every venue has confirmed that nothing is left."""
        closed = [self._close(leg, now_ns) for leg in self._bot.legs]  # every leg gets its turn
        return all(closed)

    def _close(self, leg: LegState, now_ns: int) -> bool:
        self._outgoing.withdraw(leg, now_ns, doubtful_too=False)
        if leg.tracker.live() or leg.tracker.missing():
            self._flat_since_ns.pop(leg.name, None)
            return False  # what rests, is in flight or is not booked yet changes the position
        if not self._is_accounted_for(leg, now_ns):
            return False
        take = self._take(leg, now_ns)
        if take is None:
            return self._is_confirmed(leg, now_ns)
        self._flat_since_ns.pop(leg.name, None)
        if take.size_lots and now_ns >= self._next_try_ns.get(leg.name, 0):
            self._next_try_ns[leg.name] = now_ns + self._bot.settings.close_retry_ns
            if self._outgoing.close(leg, take, now_ns):
                self._sent.add(leg.name)
        return False

    def _is_accounted_for(self, leg: LegState, now_ns: int) -> bool:
        """Tell whether the fills of the last closing order are known; its end may be heard before them."""
        if leg.name not in self._sent:
            return True
        if leg.name not in self._ended_ns:
            self._ended_ns[leg.name] = now_ns
            leg.want_report(now_ns)
        if leg.confirmed_ns is None or leg.confirmed_ns < self._ended_ns[leg.name]:
            return False
        self._sent.discard(leg.name)
        del self._ended_ns[leg.name]
        return True

    def _is_confirmed(self, leg: LegState, now_ns: int) -> bool:
        since_ns = self._flat_since_ns.get(leg.name)
        if since_ns is None:
            self._flat_since_ns[leg.name] = now_ns
            leg.want_report(now_ns)
            return False
        return leg.confirmed_ns is not None and leg.confirmed_ns >= since_ns

    def _take(self, leg: LegState, now_ns: int) -> Take | None:
        """Return the order that closes a leg, of size 0 while there is no price for it; None when it is flat."""
        held = leg.position.size_lots
        if not held:
            return None
        side = Side.SELL if held > 0 else Side.BUY
        book, age_ns = leg.book, leg.book_age_ns(now_ns)
        if book is None or not book.is_quotable or age_ns is None or age_ns > leg.limits.max_book_age_ns:
            return Take(side, 0, 0, leg.name)
        slippage = self._bot.settings.close_slippage_bps / 10_000
        touch = book.best_bid_ticks * (1 - slippage) if held > 0 else book.best_ask_ticks * (1 + slippage)
        price = leg.instrument.snap(touch, side)
        lots = self._closable(leg, held)
        if leg.instrument.unplaceable_reason(price, lots):
            return None
        derivative = leg.instrument.kind != "spot"
        return Take(side, price, lots, leg.name, derivative and leg.client.capabilities.reduce_only)

    def _closable(self, leg: LegState, held: int) -> int:
        """Return the lots that can be closed: base fees may have left less to sell than was bought."""
        instrument = leg.instrument
        if instrument.kind != "spot" or held < 0 or instrument.base not in leg.balances.usable:
            return abs(held)
        return min(held, instrument.to_lots(leg.balances.usable[instrument.base] / instrument.contract_size))
