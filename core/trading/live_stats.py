"""How well a bot quotes, counted while it lives: of this worker's life, never saved, and cheap enough for every step.

The loop asks for one comparison a step, `look` when a fill wants a mid, and `stand` when a book or order changed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from core.market.fill_quality import HORIZONS_S, NEVER_NS, FillQuality, mean_of, percentile, wear_rate
from core.market.order import OrderState, Side
from core.market.risk_gates import drawdown
from core.trading.order_tracker import IMMEDIATE
from core.trading.quote_uptime import QuoteUptime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.market.order import Fill
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

_CYCLES = 512  # decisions that the percentiles are of: the newest
# An enum's members by a name of this module: to look them up in their class costs more than the comparison.
_NEW, _PARTIAL, _LEAVING = OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL
_BUY = Side.BUY
NO_BID, NO_ASK = -1, 1 << 62


class LiveStats:
    """The figures of one bot. Times are the loop's monotonic nanoseconds."""

    def __init__(self) -> None:
        self._legs: dict[str, FillQuality] = {}
        self._tops: list[tuple[LegState, int, int]] = []  # each leg with its best own bid and ask
        self._is_at_touch = False
        self.at_touch = QuoteUptime()
        self._cycles_ns: deque[int] = deque(maxlen=_CYCLES)
        self.due_ns = NEVER_NS  # when `look` is wanted
        self.did: tuple[str, int, str, int] | None = None  # what was sent last: what, how many, of which leg, when

    def fill(self, leg: LegState, fill: Fill, now_ns: int) -> None:
        """Count an own fill that is booked."""
        instrument = leg.instrument
        price = float(instrument.to_price(fill.price_ticks))
        size = float(instrument.to_size(fill.size_lots) * instrument.contract_size)
        # What a report brings after a gap was filled at a time whose mid we did not see.
        mid = _mid(leg, now_ns) if leg.link_is_good else None
        quality = self._legs.setdefault(leg.name, FillQuality())
        quality.fill(now_ns, fill.side.sign, price, size, mid, _fee_quote(leg, fill, price))
        self.due_ns = min(self.due_ns, quality.due_ns)

    def cycle(self, took_ns: int) -> None:
        """Count a decision by how long its step took until its orders were sent."""
        self._cycles_ns.append(took_ns)

    def look(self, legs: Sequence[LegState], now_ns: int) -> None:
        """Give fills the mid that they wait for."""
        for leg in legs:
            if (quality := self._legs.get(leg.name)) is not None:
                quality.see(now_ns, _mid(leg, now_ns))
        self.due_ns = min(quality.due_ns for quality in self._legs.values())

    def stand(self, legs: Sequence[LegState], now_ns: int, orders_changed: bool) -> None:
        """Note whether an own quote rests at the best price of its side, or before it; each new book asks for it."""
        if orders_changed:
            self._tops = [(leg, *own_tops(leg)) for leg in legs]
        is_at_touch = False
        for leg, bid, ask in self._tops:
            book = leg.book
            if book and book.bids and book.asks and (bid >= book.bids[0][0] or ask <= book.asks[0][0]):
                is_at_touch = True
        if is_at_touch is not self._is_at_touch:
            self._is_at_touch = is_at_touch
            self.at_touch.update(now_ns, is_at_touch)

    def told(self, bot: BotState) -> dict[str, Any]:
        """Return the figures for the status; None is not known. Money is decimal text."""
        legs = list(self._legs.values())
        cycles = sorted(self._cycles_ns)
        return {
            "time_at_touch_pct": round(self.at_touch.pct(bot.clock.now_ns()), 2),
            "spread_captured_bps": _rounded(mean_of(one.captured for one in legs), 4),
            "adverse_markout_bps": {
                str(horizon_s): _adverse(mean_of(one.markouts[place] for one in legs))
                for place, horizon_s in enumerate(HORIZONS_S)
            },
            "cancel_fill_ratio": _cancels_per_fill(bot),
            "wear_rate": _rounded(wear_rate(legs), 8),
            "cycle_ms": {name: _ms(percentile(cycles, share)) for name, share in (("p50", 0.5), ("p99", 0.99))},
            **_equity(bot),
        }


def _mid(leg: LegState, now_ns: int) -> float | None:
    """Return the mid in quote, None when it is old."""
    age_ns = leg.book_age_ns(now_ns)
    if leg.mid_ticks is None or age_ns is None or age_ns > leg.limits.max_book_age_ns:
        return None
    return leg.mid_ticks * float(leg.instrument.tick_size)


def _fee_quote(leg: LegState, fill: Fill, price: float) -> float:
    """Return a fee in quote; one in a third asset has no value here."""
    if fill.fee_asset in (leg.instrument.quote, ""):
        return float(fill.fee)
    return float(fill.fee) * price if fill.fee_asset == leg.instrument.base else 0.0


def own_tops(leg: LegState) -> tuple[int, int]:
    """Return the best own bid and ask that rest, NO_BID and NO_ASK for none; each change of an order asks for it."""
    bid, ask = NO_BID, NO_ASK
    for order in leg.tracker.live():
        state, price = order.state, order.price_ticks
        if not (state is _NEW or state is _PARTIAL or state is _LEAVING) or order.time_in_force == IMMEDIATE:
            continue
        if order.side is _BUY:
            bid = price if price > bid else bid
        else:
            ask = price if price < ask else ask
    return bid, ask


def _cancels_per_fill(bot: BotState) -> float:
    """Return the cancels for each fill over the bot's life; at least one fill is reckoned with, as in the limit."""
    counters = bot.counters
    return round(counters["orders_cancelled"] / max(1, counters["fills_buy"] + counters["fills_sell"]), 4)


def _equity(bot: BotState) -> dict[str, Any]:
    """Return the equity, the session's highest, and how far below that the equity is."""
    start, net, best = bot.session.start_equity, bot.session.net, bot.session.peak
    if start is None or net is None or best is None:
        return {"equity": None, "peak_equity": None, "drawdown_pct": None}
    fallen = drawdown(start + net, start + best)
    return {
        "equity": f"{start + net:f}",
        "peak_equity": f"{start + best:f}",
        "drawdown_pct": None if fallen is None else round(float(fallen) * 100, 4),
    }


def _adverse(markout_bps: float | None) -> float | None:
    """Return how far the mid went against the fills, above 0 when it did."""
    return None if markout_bps is None else round(-markout_bps, 4) or 0.0


def _rounded(number: float | None, places: int) -> float | None:
    return None if number is None else round(number, places)


def _ms(took_ns: int | None) -> float | None:
    return None if took_ns is None else round(took_ns / 1_000_000, 3)
