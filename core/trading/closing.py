"""Getting flat: quotes off first, then immediate orders against the touch until the venue confirms.

One mechanism for a tripped limit, a close that an operator asks for, and a worker that is there to close only.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING

from core.market.commands import Take
from core.market.order import Order, OrderState, Side
from core.trading.clock import SECOND_NS
from core.trading.log_fields import fields

if TYPE_CHECKING:
    from core.market.commands import Flatten
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState
    from core.trading.outgoing import Outgoing


_log = logging.getLogger("makerd.risk")
_WIDER = 1.5


class SpotRule(str, Enum):
    """What is done about a position on a spot venue, an inventory and no debt; each is more than the one before."""

    LEAVE = "leave"  # orders are cancelled, nothing is traded
    SELL = "sell"  # what the bot has bought is sold; what it has sold is not bought back
    CLOSE = "close"  # back to where the bot began, whichever way


class Closing:
    """Closes the positions of all legs, or of one; what is too small for an order of the venue counts as flat.

    `flatten`: only its leg, with its slippage, which widens when an order leaves something. `sign`: only long positions
    (1) or short ones (-1). `leg`: only that one.
    """

    def __init__(
        self,
        bot: BotState,
        outgoing: Outgoing,
        spot: SpotRule,
        flatten: Flatten | None = None,
        leg: str | None = None,
        sign: int = 0,
    ) -> None:
        self._spot = spot
        self._sign = sign
        self._bot = bot
        leg = leg if flatten is None else flatten.leg
        self._legs = bot.legs if leg is None else (bot.by_name[leg],)
        self._outgoing = outgoing
        self._slippage_bps = bot.settings.close_slippage_bps if flatten is None else flatten.slippage_bps
        self._max_slippage_bps = self._slippage_bps if flatten is None else flatten.max_slippage_bps
        self._next_try_ns: dict[str, int] = {}
        self._flat_since_ns: dict[str, int] = {}
        self._sent: dict[str, str] = {}  # leg -> its last closing order, not accounted for by a report yet
        self._ended_ns: dict[str, int] = {}
        self._refused: dict[str, str] = {}  # why the last closing order of a leg did not go out, or was not taken
        self._in_the_way: dict[str, str] = {}
        self._told_widest = False

    def step(self, now_ns: int) -> bool:
        """Do what is due; return whether every venue has confirmed that nothing is left."""
        closed = [self._close(leg, now_ns) for leg in self._legs]  # every leg gets its turn
        return all(closed)

    def widen(self, spot: SpotRule) -> bool:
        """Close more than was asked for at first, never less; return whether that is news."""
        wider = list(SpotRule).index(spot) > list(SpotRule).index(self._spot)
        if wider:
            self._spot = spot
        return wider

    @property
    def in_the_way(self) -> str:
        """Return what is left to do, and what stands in the way, by leg; empty before the first step."""
        return "; ".join(f"{leg}: {told}" for leg, told in self._in_the_way.items() if told)

    @property
    def residue(self) -> str:
        """Return what stays because it is too small for an order, empty when nothing does."""
        left = [
            f"{leg.name}: {size_text(leg)}" for leg in self._legs if leg.position.size_lots and not self._stays(leg)
        ]
        return ", ".join(left)

    def _close(self, leg: LegState, now_ns: int) -> bool:
        self._in_the_way[leg.name] = told = self._step_leg(leg, now_ns)
        if told:
            self._flat_since_ns.pop(leg.name, None)
            return False
        if not self._is_confirmed(leg, now_ns):
            self._in_the_way[leg.name] = "the venue has not confirmed it yet"
            return False
        return True

    def _step_leg(self, leg: LegState, now_ns: int) -> str:
        """Do what is due on a leg; return what is left to do there, empty when it looks flat."""
        self._outgoing.withdraw(leg, now_ns, doubtful_too=False)
        # What rests, is in flight or is not booked yet changes the position.
        if live := leg.tracker.live():
            return f"{len(live)} orders are not known to be gone"
        if leg.tracker.missing():
            return "fills that the venue told of are not booked"
        if leg.unsure_takes:  # of a close before this one, too, or of the strategy
            if leg.report_wanted_ns is None:
                leg.want_report(now_ns)
            return "the fills of the last immediate order are not known"
        if not self._is_accounted_for(leg, now_ns):
            return "the fills of the last closing order are not known"
        held = self._lots_to_close(leg)
        if abs(held) < max(1, leg.instrument.min_lots):
            return ""
        price_ticks, why = self._price(leg, held, now_ns)
        if why:
            return f"{size_text(leg)} to close; {why}"
        lots = leg.instrument.slice_lots(abs(held), price_ticks, leg.limits.max_order_lots)
        return self._send(leg, held, price_ticks, lots, now_ns) if lots else ""

    def _send(self, leg: LegState, held: int, price_ticks: int, lots: int, now_ns: int) -> str:
        told = f"{size_text(leg)} to close"
        if now_ns >= self._next_try_ns.get(leg.name, 0):
            self._next_try_ns[leg.name] = now_ns + self._bot.settings.close_retry_ns
            side = Side.SELL if held > 0 else Side.BUY
            sent = self._outgoing.close(leg, Take(side, price_ticks, lots, leg.name, reduce_only=True), now_ns)
            if isinstance(sent, Order):
                self._sent[leg.name] = sent.client_order_id
            else:
                self._refused[leg.name] = sent
        why = self._refused.get(leg.name)
        return f"{told}; {why}" if why else told

    def _is_accounted_for(self, leg: LegState, now_ns: int) -> bool:
        """Tell whether the fills of the last closing order are known; its end may be heard before them."""
        key = self._sent.get(leg.name)
        if key is None:
            return True
        if leg.name not in self._ended_ns:
            self._ended_ns[leg.name] = now_ns
            leg.want_report(now_ns)
        if leg.confirmed_ns is None or leg.confirmed_ns < self._ended_ns[leg.name]:
            return False
        order = leg.tracker.get(key)
        refused = order is not None and order.state is OrderState.REJECTED
        self._refused[leg.name] = f"the venue refused an order: {order.reason}" if order and refused else ""
        del self._sent[leg.name], self._ended_ns[leg.name]
        if order is None or order.remaining_lots:
            self._widen_slippage(leg)
        return True

    def _widen_slippage(self, leg: LegState) -> None:
        """Let the next order trade farther; that the widest was not enough either is worth an alert."""
        if self._slippage_bps < self._max_slippage_bps:
            self._slippage_bps = min(self._slippage_bps * _WIDER, self._max_slippage_bps)
        elif not self._told_widest:
            self._told_widest = True
            _log.error("close_left_something", extra=fields(leg=leg.name, slippage_bps=self._slippage_bps))

    def _is_confirmed(self, leg: LegState, now_ns: int) -> bool:
        since_ns = self._flat_since_ns.get(leg.name)
        if since_ns is None:
            self._flat_since_ns[leg.name] = now_ns
            leg.want_report(now_ns)
            return False
        return leg.confirmed_ns is not None and leg.confirmed_ns >= since_ns

    def _price(self, leg: LegState, held: int, now_ns: int) -> tuple[int, str]:
        """Return how far a closing order may trade, or why there is no price for it now."""
        book, age_ns = leg.book, leg.book_age_ns(now_ns)
        if book is None or age_ns is None:
            return 0, "there is no book"
        if age_ns > leg.limits.max_book_age_ns:
            return 0, f"the book is {age_ns / SECOND_NS:.1f} s old"
        if not book.is_quotable:
            return 0, "the book is one-sided or crossed"
        sign = 1 if held > 0 else -1
        touch = book.best_bid_ticks if held > 0 else book.best_ask_ticks
        collar = book.mid_ticks() * (1 - sign * self._bot.settings.close_collar_bps / 10_000)
        if (touch - collar) * sign < 0:
            off_bps = abs(touch / book.mid_ticks() - 1) * 10_000
            return 0, f"the best price is {off_bps:.0f} bps off the mid"
        limit = touch * (1 - sign * self._slippage_bps / 10_000)
        nearer = max(limit, collar) if held > 0 else min(limit, collar)
        return leg.instrument.snap(nearer, Side.SELL if held > 0 else Side.BUY), ""

    def _lots_to_close(self, leg: LegState) -> int:
        """Return the signed lots that are to be closed: base fees may have left less to sell than was bought."""
        held, instrument = leg.position.size_lots, leg.instrument
        if self._stays(leg) or held * self._sign < 0:
            return 0
        if instrument.kind != "spot" or held < 0 or instrument.base not in leg.balances.usable:
            return held
        return min(held, instrument.to_lots(leg.balances.usable[instrument.base] / instrument.contract_size))

    def _stays(self, leg: LegState) -> bool:
        """Tell whether a position is an inventory that nobody wants traded."""
        if leg.instrument.kind != "spot" or self._spot is SpotRule.CLOSE:
            return False
        return self._spot is SpotRule.LEAVE or leg.position.size_lots < 0


def size_text(leg: LegState) -> str:
    """Return what a leg holds, with its unit."""
    return f"{leg.instrument.to_size(leg.position.size_lots):f} {leg.instrument.base}"
