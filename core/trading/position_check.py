"""Our position against the venue's own record of it, on venues that keep one (margin venues; a spot venue has none)."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING

from core.market.events import FillEvent
from core.market.order import Fill, Side
from core.market.reports import VenuePosition
from core.trading.log_fields import fields

if TYPE_CHECKING:
    from core.market.reports import VenueReport
    from core.trading.bot_state import BotState
    from core.trading.leg_state import LegState

_log = logging.getLogger("makerd.risk")
ADJUSTMENT = "adjustment"
_DIFFERENCE = Decimal("0.05")
_NOISE = Decimal("0.0005")  # of the entry value: the mark is not the mid


def check_position(bot: BotState, leg: LegState, report: VenueReport, asked_ns: int, now_ns: int) -> bool:
    """Tell whether a complete report agrees with our position.

    A difference that lasts is booked as an adjustment, an entry of its own beside the fills; one that does not last
    was a fill on its way. Until then the position gets older, so that a limit on its age can speak. It may be a
    liquidation, or a person: the breaker opens.
    """
    if leg.instrument.kind == "spot":
        return True
    venue = next((held for held in report.positions if held.leg == leg.name), VenuePosition(leg.name, 0))
    leg.venue_position = venue
    _compare_unrealised(leg, venue)
    reported = frozenset(fill.trade_id for fill in report.fills)
    gap = venue.size_lots - (leg.position.size_lots - leg.balances.unreported_lots(asked_ns, reported))
    if not gap:
        leg.position_gap = None
        return True
    if leg.position_gap is None or leg.position_gap[0] != gap:
        leg.position_gap = (gap, now_ns)
        return False
    if asked_ns - leg.position_gap[1] < bot.settings.adjust_after_ns:
        return False
    return _adjust(bot, leg, venue, gap, now_ns)


def _compare_unrealised(leg: LegState, venue: VenuePosition) -> None:
    """Tell when the venue reckons another open profit than we do; ours, from entry and mark, is what counts."""
    mark = leg.mark()
    if venue.unrealised is None or mark is None or venue.size_lots != leg.position.size_lots:
        return
    ours = leg.position.unrealised_pnl(mark, leg.instrument)
    most = max(_DIFFERENCE * max(abs(venue.unrealised), abs(ours)), _NOISE * leg.position.entry_value)
    differs = abs(venue.unrealised - ours) > most
    if differs and not leg.unrealised_differs:
        told = fields(leg=leg.name, venue=str(venue.unrealised), ours=str(ours))
        _log.warning("unrealised_differs", extra=told)
    leg.unrealised_differs = differs


def _adjust(bot: BotState, leg: LegState, venue: VenuePosition, gap: int, now_ns: int) -> bool:
    price = _price(leg, venue, gap)
    if price is None:
        return False
    utc_ns = bot.clock.utc_ns()
    entry = Fill(
        trade_id=f"{ADJUSTMENT}-{utc_ns}",
        client_order_id="",
        leg=leg.name,
        side=Side.BUY if gap > 0 else Side.SELL,
        price_ticks=leg.instrument.to_ticks(price),
        size_lots=abs(gap),
        liquidity=ADJUSTMENT,
        fee=Decimal(0),
        fee_asset=leg.instrument.quote,
        venue_ns=utc_ns,
    )
    leg.position = leg.position.after_fill(entry, leg.instrument)
    leg.position_gap = None
    bot.journal.note_fill(entry, leg.position, None)
    bot.events.append(FillEvent(leg.name, entry))
    bot.counters["position_adjustments"] += 1
    if leg.reconciled:  # what was there before this life is no surprise
        bot.breaker.open(now_ns)
        bot.note_breaker()
    _log.error("position_adjusted", extra=fields(leg=leg.name, lots=gap, price=str(price)))
    return True


def _price(leg: LegState, venue: VenuePosition, gap: int) -> Decimal | None:
    """Return a price that invents no profit: our own average for what goes, the venue's entry for what comes."""
    own = leg.position.average_price(leg.instrument)
    if own is not None and gap * leg.position.size_lots < 0:
        return own
    if venue.entry_price is not None:
        return venue.entry_price
    return None if leg.mid_ticks is None else leg.mark()
