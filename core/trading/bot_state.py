"""What the parts of one bot's loop share."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.market.churn import with_missing
from core.market.group_limits import LegLoad, room_in_group
from core.market.order import Side
from core.market.price_shock import PriceShock
from core.market.risk_state import RiskState
from core.trading.clock import SECOND_NS
from core.trading.live_stats import LiveStats
from strategies.base import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.market.churn import ChurnMeter
    from core.market.events import Event
    from core.market.group_room import GroupRoom
    from core.trading.clock import Clock
    from core.trading.cycle_timer import CycleTimer
    from core.trading.decision_log import SentIds
    from core.trading.journal import Journal
    from core.trading.leg_state import LegState
    from core.trading.loop_settings import LoopSettings
    from core.trading.reference import Reference
    from core.trading.reject_breaker import RejectBreaker
    from core.trading.session_book import SessionBook

_BREAKER = "breaker_utc_s"
_CHURN = ("churn_cancels", "churn_fills", "churn_utc_s")  # counters: of the window, and when they were counted
_PLACED = ("churn_orders", "churn_orders_utc_ns")  # counters: of a minute, and when they were counted


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
    churn: ChurnMeter
    counters: Counter[str] = field(default_factory=Counter)  # lifetime
    events: deque[Event] = field(default_factory=deque)  # for the strategy, once they are in the ledger
    view: View = field(default_factory=View)
    live: LiveStats = field(default_factory=LiveStats)
    by_name: dict[str, LegState] = field(init=False)
    last_ack_ns: int | None = None
    sent_ids: SentIds | None = None  # since the last decision, while decisions are logged
    sent: bool = False  # something went to a client in this step, so that it may have an answer at once
    reference: Reference | None = None  # a market beside those of the legs

    def __post_init__(self) -> None:
        """Index the legs."""
        self.by_name = {leg.name: leg for leg in self.legs}

    def note_shock(self, leg: LegState, last: PriceShock | None) -> None:
        """Keep on disk when the price of a leg moved too far: a restart does not end the pause that follows.

        A new one is written at once, one that goes on with the other counters.
        """
        self.counters[f"price_move_utc_s.{leg.name}"] = self.clock.utc_ns() // SECOND_NS
        if last is None or self.clock.now_ns() - last.at_ns >= leg.limits.price_move_cooldown_ns:
            self.journal.note_counters(dict(self.counters))

    def recall_shocks(self) -> None:
        """Take up from the counters when the price of each leg last moved too far."""
        for leg in self.legs:
            if utc_s := self.counters.get(f"price_move_utc_s.{leg.name}"):
                age_ns = max(0, self.clock.utc_ns() - utc_s * SECOND_NS)
                leg.shock = PriceShock(0.0, self.clock.now_ns() - age_ns)

    def note_breaker(self) -> None:
        """Keep on disk when the breaker opened: a restart does not end its pause."""
        if self.breaker.opened_ns is None:
            return
        age_ns = self.clock.now_ns() - self.breaker.opened_ns
        opened_utc_s = -((age_ns - self.clock.utc_ns()) // SECOND_NS)  # rounded up: never shorter
        if self.counters[_BREAKER] != opened_utc_s:
            self.counters[_BREAKER] = opened_utc_s
            self.journal.note_counters(dict(self.counters))

    def recall_breaker(self) -> None:
        """Take up from the counters when the breaker last opened."""
        if utc_s := self.counters.get(_BREAKER):
            age_ns = max(0, self.clock.utc_ns() - utc_s * SECOND_NS)
            if age_ns < self.settings.breaker_cooldown_ns:
                self.breaker.open(self.clock.now_ns() - age_ns)

    def note_churn(self) -> None:
        """Put what the limit of cancels counts beside the other counters, while there is such a limit."""
        if self.churn.limits.cancels_per_fill is None:
            return
        cancels, fills = self.churn.counted(self.clock.now_ns())
        now_utc_s = self.clock.utc_ns() // SECOND_NS
        for name, value in zip(_CHURN, (cancels, fills, now_utc_s), strict=True):
            self.counters[name] = value

    def note_amends(self, count: int, utc_ns: int) -> None:
        """Have what the limit of orders counts on disk before amendments go out: they leave no rows of their own."""
        if self.churn.limits.orders_per_min is None:
            return
        for name, value in zip(_PLACED, (self.churn.orders(self.clock.now_ns()) + count, utc_ns), strict=True):
            self.counters[name] = value
        self.journal.note_counters(dict(self.counters))

    def recall_churn(self, sent_utc_ns: Sequence[int]) -> None:
        """Take up from the counters what an earlier life had sent and filled; `sent_utc_ns` are those of the orders."""
        now_ns, utc_ns = self.clock.now_ns(), self.clock.utc_ns()
        orders, counted_utc_ns = (self.counters.get(name, 0) for name in _PLACED)
        sent_utc_ns = with_missing(sent_utc_ns, orders, counted_utc_ns)
        placed_ns = [now_ns - max(0, utc_ns - each_ns) for each_ns in sent_utc_ns]
        cancels, fills, utc_s = (self.counters.get(name, 0) for name in _CHURN)
        self.churn.recall(placed_ns, cancels, fills, now_ns - max(0, utc_ns - utc_s * SECOND_NS))

    def risk_state(self, leg: LegState, now_ns: int, with_foreign: bool = False) -> RiskState:
        """Return what the limits of a leg are held against; `with_foreign` counts the orders of others too."""
        session, book_ns, confirmed_ns = self.session, leg.book_ns, leg.confirmed_ns
        tracker = leg.tracker
        return RiskState(
            now_ns,
            leg.position,
            leg.live_and_foreign() if with_foreign else tracker.live(),
            leg.book,
            None if book_ns is None else now_ns - book_ns,
            None if confirmed_ns is None else now_ns - confirmed_ns,
            session.net,
            session.peak,
            session.start_equity,
            leg.usable(True) if with_foreign else leg.balances.usable,
            leg.instrument,
            leg.shock,
            leg.facts,
            None if leg.facts_ns is None else now_ns - leg.facts_ns,
            tracker.missing() if tracker.suspects else (),
            self.group_room(leg),
            None if self.reference is None or leg is not self.legs[0] else self.reference.price,
        )

    def group_room(self, leg: LegState, by_value: bool = True) -> GroupRoom | None:
        """Return what the group leaves a leg, every order of the others that may still fill counted.

        `by_value`: the limit that needs prices counts, too. None where there is no group.
        """
        limits = self.settings.group
        if limits is None:
            return None
        if not by_value:
            limits = limits.without_value()
        return room_in_group(limits, leg.name, {one.name: _load_of(one) for one in self.legs})


def _load_of(leg: LegState) -> LegLoad:
    """Return a leg as its group sees it: orders of others on the account may fill, too."""
    open_lots = {Side.BUY: 0, Side.SELL: 0}
    for order in leg.live_and_foreign():
        if not order.is_closed:
            open_lots[order.side] += order.remaining_lots
    for fills in leg.tracker.missing():
        open_lots[fills.side] += fills.size_lots
    book, price_ticks = leg.book, None
    if book is not None and (book.bids or book.asks):
        price_ticks = book.best_ask_ticks if book.asks else book.best_bid_ticks
    return LegLoad(leg.instrument, leg.position.size_lots, open_lots[Side.BUY], open_lots[Side.SELL], price_ticks)
