"""All that a loop knows of one leg: a value, its age, and where it comes from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from operator import is_
from typing import TYPE_CHECKING

from api.base_client import Inbox
from core.market.position import NetLine, Position
from core.market.price_shock import MidWindow, PriceShock
from core.trading.balance_sheet import BalanceSheet, reserved
from core.trading.order_tracker import IMMEDIATE, OrderTracker
from core.trading.report_desk import ReportDesk
from core.trading.unsure_takes import UnsureTakes

if TYPE_CHECKING:
    from api.base_client import ExchangeClient
    from core.bot_config import Leg
    from core.market.book import OrderBook
    from core.market.client_ids import OrderIds
    from core.market.commands import Quote
    from core.market.events import PerpFacts, TradePrint
    from core.market.instrument import Instrument
    from core.market.order import Order, Side
    from core.market.order_diff import DiffTolerance
    from core.market.reports import VenuePosition
    from core.market.risk_limits import RiskLimits
    from core.market.risk_room import Verdict
    from core.trading.loop_settings import LoopSettings


_UNSEEN = (object(),) * 6  # is no other value


@dataclass(frozen=True, slots=True)
class LegRuntime:
    """A leg of a bot, the client that trades it, and how its orders are named."""

    leg: Leg
    client: ExchangeClient
    ids: OrderIds


class LegState:
    """One leg while its client is open; times are the loop's monotonic nanoseconds."""

    instrument: Instrument  # these three are set by `opened`
    limits: RiskLimits
    balances: BalanceSheet

    def __init__(self, runtime: LegRuntime, settings: LoopSettings) -> None:
        self.leg = runtime.leg
        self.name = runtime.leg.leg
        self.client = runtime.client
        self.ids = runtime.ids
        self.inbox = Inbox()
        self.is_open = False
        self.tracker = OrderTracker(self.name)
        self.desk = ReportDesk(runtime.client, settings.reports)
        self.position = Position(self.name)
        self.position_gap: tuple[int, int] | None = None  # venue's position minus ours, and since when it is that
        self.nameless: dict[str, frozenset[str]] = {}  # unmatched fills by trade id: orders they may be of
        self.foreign: tuple[Order, ...] = ()  # open orders of others on the account, as of the last report
        self.wanted: tuple[Quote, ...] | None = None  # the strategy's standing wish; None before it said anything
        self.absent_since: dict[str, int] = {}  # orders that no report lists, and when the first such was asked for
        self.unsure_takes = UnsureTakes()
        self.far_prints: deque[TradePrint] = deque(maxlen=256)  # outside the book: the next one judges them
        self.refused: set[str] = set()  # slots whose order would have crossed, since the newest decision
        self.steps_back: set[str] = set()  # those of the decision before: the next order there steps back, once
        self.denied: set[str] = set()  # why quotes of the newest decision may not go out
        self.withheld: tuple[str, ...] = ()  # the same, while that leaves nothing resting at all
        self.reconciled = False
        self.confirmed_ns: int | None = None  # when the last complete report was asked for
        self.report_wanted_ns: int | None = 0  # a report asked for at or after this is needed
        self.link_up = False
        self.was_down = False
        self.relinked_ns = 0  # when the link last came back; a report asked for since then makes it good
        self.announced = False  # the strategy was told that the link is up
        self.shock: PriceShock | None = None
        self._mids = MidWindow()
        self.facts: PerpFacts | None = None
        self.facts_ns: int | None = None
        self.funding_due_ns: int | None = None  # when the next payment is due, as far as it is told
        self.venue_position: VenuePosition | None = None  # as of the last complete report
        self.unrealised_differs = False  # the venue reckons another open profit than we do
        self.book: OrderBook | None = None
        self.book_ns: int | None = None
        self.mid_ticks: float | None = None  # of the last book that had a price
        self.cycle_mid_ticks: float | None = None  # the one that the last decision was made on
        self.has_unknown = False
        self.awaited_since_ns: int | None = None  # oldest request without an answer
        self.quotes_both_sides = False
        self.met_until_utc_ns = 0  # until then what rests is what is wanted, unless `wish_moved`
        self._weighed: tuple[object, ...] = _UNSEEN
        self._weighed_revisions = (-1, -1)
        self.fitting: Verdict | None = None  # what of the wish fits, while `room_moved` says that it still does
        self._fitted: tuple[object, ...] = _UNSEEN
        self._fitted_revision = -1
        self._seen_revisions = (-1, -1)
        self._seen: tuple[object, ...] = _UNSEEN
        self._lined: Position | None = None  # of which `_net_line` is
        self._net_line = NetLine(Decimal(0), Decimal(0))

    def opened(self, settings: LoopSettings) -> None:
        """Take over what the client learned from the venue. Raises ConfigError for limits below one lot."""
        self.is_open = True
        self.instrument = self.client.instrument
        self.limits = settings.limits_of(self.name, self.instrument)
        self.balances = BalanceSheet(self.instrument)

    def take_book(self, book: OrderBook, now_ns: int) -> None:
        """Keep a new book; it is as old as the client says, if it says so by our clock."""
        self.book = book
        self.book_ns = book.local_ns if 0 < book.local_ns < now_ns else now_ns
        if book.is_quotable:
            self.mid_ticks = book.mid_ticks()

    def is_shocked(self, now_ns: int) -> bool:
        """Note how far the mid has moved within the window; tell whether that is too far."""
        most_pct = self.limits.max_price_move_pct
        if most_pct is None or self.mid_ticks is None:
            return False
        move_pct = self._mids.move_pct(self.mid_ticks, now_ns, self.limits.price_move_window_ns)
        if move_pct <= most_pct:
            return False
        self.shock = PriceShock(move_pct, now_ns)
        return True

    def take_facts(self, facts: PerpFacts, now_ns: int, utc_ns: int) -> None:
        """Keep what the venue tells of a perpetual; a payment's time is put on the loop's clock."""
        self.facts, self.facts_ns = facts, now_ns
        due_ns = facts.funding_utc_ns
        self.funding_due_ns = None if due_ns is None else now_ns + due_ns - utc_ns

    def has_moved(self) -> bool:
        """Tell whether book, position, limits or what the venue tells of a perpetual is another than at the last call.

        All of them are replaced, never changed in place.
        """
        book, position, limits, facts, venue_position, confirmed_ns = self._seen
        if (
            self.book is book
            and self.position is position
            and self.confirmed_ns is confirmed_ns
            and self.facts is facts
            and self.limits is limits
            and self.venue_position is venue_position
        ):
            return False
        self._seen = (self.book, self.position, self.limits, self.facts, self.venue_position, self.confirmed_ns)
        return True

    def wish_moved(self, settings: LoopSettings, tolerance: DiffTolerance) -> bool:
        """Tell whether anything that says which orders are to rest is another than at the last call."""
        weighed = (*self._room(), settings, tolerance)
        revisions = (self.tracker.revision, self.balances.revision)
        before, self._weighed = self._weighed, weighed
        before_revisions, self._weighed_revisions = self._weighed_revisions, revisions
        return revisions != before_revisions or not all(map(is_, weighed, before))

    def room_moved(self) -> bool:
        """Tell whether anything that says how much of the wish may rest is another than at the last call.

        What rests does not: it is what the wish replaces. Fills that are missing do, and are not looked at here.
        """
        room, revision = self._room(), self.balances.revision
        before, self._fitted = self._fitted, room
        before_revision, self._fitted_revision = self._fitted_revision, revision
        return revision != before_revision or not all(map(is_, room, before))

    def _room(self) -> tuple[object, ...]:
        mark = None if self.limits.max_position_quote is None else self.book
        return self.wanted, self.position, self.limits, mark

    def has_changed(self) -> bool:
        """Tell whether orders or balances changed since the last call, and work out what follows from the orders."""
        revisions = (self.tracker.revision, self.balances.revision)
        if revisions == self._seen_revisions:
            return False
        self._seen_revisions = revisions
        standing = self.tracker.standing()
        self.has_unknown, self.awaited_since_ns, self.quotes_both_sides = standing
        return True

    def want_report(self, now_ns: int) -> None:
        """Say that the venue must be asked again, now or later than now."""
        self.report_wanted_ns = now_ns

    def unbooked(self) -> tuple[Order, ...]:
        """Return the orders that ended, and whose fills are not booked or not known."""
        return self.tracker.unbooked() + self.unsure_takes.orders() if self.unsure_takes else self.tracker.unbooked()

    def unbooked_slots(self) -> frozenset[str]:
        """Return the slots of those orders."""
        return frozenset(order.slot for order in self.unbooked())

    def awaits_take(self, side: Side) -> bool:
        """Tell whether the fills of the last immediate order of a side are not known yet."""
        return any(order.side is side and order.time_in_force == IMMEDIATE for order in self.unbooked())

    @property
    def needs_report(self) -> bool:
        """Tell whether a report is urgent."""
        known = self.reconciled and not self.has_unknown and not self.tracker.suspects
        return not known or self.report_wanted_ns is not None

    @property
    def knows_reduce_only(self) -> bool:
        """Tell whether the venue can be told of an order that it is to reduce only."""
        return self.instrument.kind != "spot" and self.client.capabilities.reduce_only

    @property
    def link_is_good(self) -> bool:
        """Tell whether the venue is connected, and reconciled since it was."""
        return self.link_up and self.announced

    def is_over(self, utc_ns: int) -> bool:
        """Tell whether the contract has ended and nothing of it is left: its book and its line say no more."""
        expiry_ns = self.instrument.expiry_utc_ns
        return expiry_ns is not None and utc_ns >= expiry_ns and not (self.position.size_lots or self.tracker.live())

    def mark(self) -> Decimal | None:
        """Return the price that the position is valued at: the last mid. A flat position has a value without one."""
        if self.mid_ticks is not None:
            return self.instrument.tick_size * Decimal(self.mid_ticks)
        return None if self.position.size_lots else Decimal(0)

    def net_quote(self) -> Decimal | None:
        """Return the profit of all lives after fees at the last mid, None while that is missing."""
        mark = self.mark()
        if mark is None:
            return None
        if self._lined is not self.position:
            self._lined, self._net_line = self.position, self.position.net_line(self.instrument)
        return self._net_line.at(mark)

    def book_age_ns(self, now_ns: int) -> int | None:
        """Return the age of the book, None when there is none."""
        return None if self.book_ns is None else now_ns - self.book_ns

    def position_age_ns(self, now_ns: int) -> int | None:
        """Return how long ago the venue was last asked and agreed, None when it never did."""
        return None if self.confirmed_ns is None else now_ns - self.confirmed_ns

    def live_and_foreign(self) -> tuple[Order, ...]:
        """Return every order that may change the account's position."""
        return self.tracker.live() + self.foreign if self.foreign else self.tracker.live()

    def usable(self, with_foreign: bool) -> dict[str, Decimal]:
        """Return the balance that our orders may use, on request also what foreign orders reserve."""
        if not (with_foreign and self.foreign):
            return self.balances.usable
        held = reserved(self.foreign, self.instrument)
        return {asset: amount + held.get(asset, Decimal(0)) for asset, amount in self.balances.usable.items()}
