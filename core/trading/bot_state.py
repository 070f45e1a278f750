"""What the parts of one bot's loop share."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.market.risk_state import RiskState
from strategies.base import View

if TYPE_CHECKING:
    from core.market.events import Event
    from core.trading.clock import Clock
    from core.trading.cycle_timer import CycleTimer
    from core.trading.decision_log import SentIds
    from core.trading.journal import Journal
    from core.trading.leg_state import LegState
    from core.trading.loop_settings import LoopSettings
    from core.trading.reject_breaker import RejectBreaker
    from core.trading.session_book import SessionBook


@dataclass(slots=True)
class BotState:
    """One bot: its legs and what belongs to all of them."""

    legs: tuple[LegState, ...]
    settings: LoopSettings
    clock: Clock
    journal: Journal
    session: SessionBook
    timer: CycleTimer
    breaker: RejectBreaker
    counters: Counter[str] = field(default_factory=Counter)  # lifetime
    events: deque[Event] = field(default_factory=deque)  # for the strategy, once they are in the ledger
    view: View = field(default_factory=View)
    by_name: dict[str, LegState] = field(init=False)
    last_ack_ns: int | None = None
    sent_ids: SentIds | None = None  # since the last decision, while decisions are logged
    sent: bool = False  # something went to a client in this step, so that it may have an answer at once

    def __post_init__(self) -> None:
        """Index the legs."""
        self.by_name = {leg.name: leg for leg in self.legs}

    def risk_state(self, leg: LegState, now_ns: int, with_foreign: bool = False) -> RiskState:
        """Return what the limits of a leg are held against; `with_foreign` counts the orders of others too."""
        session, book_ns, confirmed_ns = self.session, leg.book_ns, leg.confirmed_ns
        return RiskState(
            now_ns=now_ns,
            position=leg.position,
            live_orders=leg.live_and_foreign() if with_foreign else leg.tracker.live(),
            book=leg.book,
            book_age_ns=None if book_ns is None else now_ns - book_ns,
            position_age_ns=None if confirmed_ns is None else now_ns - confirmed_ns,
            session_net_quote=session.net,
            session_peak_quote=session.peak,
            start_equity_quote=session.start_equity,
            available=leg.usable(with_foreign),
            instrument=leg.instrument,
            missing=leg.tracker.missing(),
        )
