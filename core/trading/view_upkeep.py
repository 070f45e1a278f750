"""What the strategy looks at, brought up to date from what the loop knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.market.risk_room import position_limit

if TYPE_CHECKING:
    from core.trading.bot_state import BotState
    from core.trading.guard import Guard
    from core.trading.leg_state import LegState
    from core.trading.quote_uptime import QuoteUptime
    from core.trading.watched_file import WatchedFiles
    from strategies.base import View


class ViewUpkeep:
    """The view of one bot's strategy; the uptime is told where its quotes rest."""

    def __init__(self, bot: BotState, guard: Guard, uptime: QuoteUptime, files: WatchedFiles) -> None:
        self._bot, self._guard, self._uptime, self._files = bot, guard, uptime, files

    def refresh(self, now_ns: int) -> None:
        """Bring the strategy's view up to date."""
        view = self._bot.view
        view.now_ns, view.utc_ns = now_ns, self._bot.clock.utc_ns()
        view.can_send = self._bot.journal.healthy and not self._guard.flattening
        if self._files:
            view.files = {key: file.look(now_ns) for key, file in self._files.items()}
        moved = changed = False
        for leg in self._bot.legs:
            if leg.has_moved():
                moved = True
                _show(leg, view)
            if leg.has_changed():
                changed = True
                show_orders(leg, view)
        if changed:
            self._uptime.update(now_ns, any(leg.quotes_both_sides for leg in self._bot.legs))
        if moved or changed:
            self._bot.live.stand(self._bot.legs, now_ns, changed)


def show_orders(leg: LegState, view: View) -> None:
    """Bring the orders of a leg, and what they leave of the balances, up to date in a view."""
    view.open_orders[leg.name] = live = leg.tracker.live()
    view.balances[leg.name] = leg.balances.view(live)
    view.unbooked[leg.name] = leg.unbooked_slots()


def _show(leg: LegState, view: View) -> None:
    """Bring all but orders and balances up to date in a view."""
    view.positions[leg.name] = leg.position
    view.limits[leg.name] = leg.limits
    if leg.book is not None:
        view.books[leg.name] = leg.book
    if leg.confirmed_ns is not None:
        view.confirmed_ns[leg.name] = leg.confirmed_ns
    if leg.instrument.kind == "spot":
        return
    view.position_limits[leg.name] = position_limit(leg.limits, leg.book, leg.instrument)[0]
    if leg.facts is not None:
        view.facts[leg.name] = leg.facts
    if leg.funding_due_ns is not None:
        view.funding_due_ns[leg.name] = leg.funding_due_ns
    if leg.venue_position is not None:
        view.venue_positions[leg.name] = leg.venue_position
