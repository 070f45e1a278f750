"""Everything the venue knows of one leg, put together from four questions: a VenueReport."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from api import thalex_wire as wire
from api.base_client import Balance, VenuePosition, VenueReport
from api.rate_budget import Lane
from api.thalex_account import Summary, Trade, read_executions, read_positions, read_summary
from api.thalex_calls import SECOND, Calls, Reply
from api.thalex_errors import reason_of
from api.thalex_fills import fill_of
from api.thalex_order_view import OrderView, read_orders
from api.thalex_wire import Request, WireFault
from core.market.instrument import Instrument
from core.market.order import Fill, Order

OVERLAP_S = 60  # a trade may show in the history later than one that happened after it
FIRST_LOOK_S = 86_400  # without a mark there is no order of ours that could be older; the first answer has one
_ANSWER_NS = 8 * SECOND  # before the loop gives up by itself
_MAX_PAGES = 200
_KEPT_MARKS = 32
_QUESTIONS = 4


@dataclass(slots=True)
class _Job:
    request_id: int
    since: str | None
    asked_utc_ns: int
    low_s: Decimal  # the venue's time from which on the history is read
    missing: int = _QUESTIONS
    orders: list[OrderView] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    pages: int = 0
    held: list[VenuePosition] = field(default_factory=list)
    summary: Summary | None = None
    over: bool = False


class Marks:
    """How far the history was read: a venue time, and which trades at or before it were given with it.

    A new reading begins a little before the mark; what was given with the mark is then left out. The text behind the
    time makes each mark its own, so that a mark of an earlier life never leaves anything out.
    """

    def __init__(self, utc_ns: Callable[[], int]) -> None:
        self._utc_ns = utc_ns
        self._given: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._count = 0

    def time_of(self, mark: str | None) -> Decimal | None:
        """Return the venue time in a mark, None when it is not one of this venue's."""
        try:
            seconds = Decimal((mark or "").partition("~")[0])
        except InvalidOperation:
            return None
        return seconds if seconds.is_finite() and 0 < seconds < 10**11 else None

    def new(self, since: str | None, low_s: Decimal, trades: Iterable[Trade]) -> tuple[list[Trade], str | None]:
        """Return the trades that `since` does not cover, oldest first, and the mark that covers them too.

        The history was read from `low_s` on. Without a mark of ours and without a trade that is the mark: the next
        reading begins there again, however late it comes.
        """
        found = sorted({trade.trade_id: trade for trade in trades}.values(), key=lambda each: each.venue_ns)
        given = self._given.get(since or "", frozenset())
        fresh = [trade for trade in found if trade.trade_id not in given]
        reached = self.time_of(since)
        if not fresh and reached is not None:
            return fresh, since
        newest_ns = max([int((low_s if reached is None else reached) * SECOND), *(trade.venue_ns for trade in found)])
        self._count += 1
        mark = f"{Decimal(newest_ns).scaleb(-9)}~{self._utc_ns():x}.{self._count}"
        covered_ns = newest_ns - OVERLAP_S * SECOND
        self._given[mark] = frozenset(trade.trade_id for trade in found if trade.venue_ns >= covered_ns)
        while len(self._given) > _KEPT_MARKS:
            self._given.popitem(last=False)
        return fresh, mark


class ReportMaker:
    """Asks the questions of a report; `give` takes the report, `learn` the orders listed."""

    def __init__(
        self,
        leg: str,
        instrument: Instrument,
        calls: Calls,
        give: Callable[[VenueReport], None],
        learn: Callable[[list[OrderView]], None],
        now_ns: Callable[[], int],
        utc_ns: Callable[[], int],
        venue_seconds: Callable[[], int],
    ) -> None:
        self._leg, self._instrument, self._calls = leg, instrument, calls
        self._give, self._learn = give, learn
        self._now_ns, self._utc_ns, self._venue_seconds = now_ns, utc_ns, venue_seconds
        self.marks = Marks(utc_ns)

    def refuse(self, request_id: int, reason: str) -> None:
        """Answer that nothing can be said now."""
        self._give(VenueReport(self._leg, request_id, False, reason=reason))

    def ask(self, request_id: int, since: str | None) -> None:
        """Begin a report. The orders are read first: what fills meanwhile is in the history that is read after."""
        reached = self.marks.time_of(since)
        low_s = reached - OVERLAP_S if reached is not None else Decimal(self._venue_seconds() - FIRST_LOOK_S)
        job = _Job(request_id, since, self._utc_ns(), low_s)
        self._question(job, Request("private/open_orders"), self._take_orders)
        self._ask_history(job, None)
        self._question(job, Request("private/portfolio"), self._take_positions)
        self._question(job, Request("private/account_summary"), self._take_summary)

    def _question(self, job: _Job, request: Request, take: Callable[[_Job, Any], None]) -> None:
        def done(reply: Reply) -> None:
            if job.over:
                return
            if reply.lost or reply.code is not None:
                why = reply.lost or reason_of(reply.code or 0, reply.message)
                self._fail(job, f"{request.method}: {why}")
                return
            try:
                take(job, reply.result)
            except WireFault as exc:
                self._fail(job, f"{request.method}: {exc}")

        self._calls.ask(request, Lane.READ, done, self._now_ns(), queue_ns=_ANSWER_NS, answer_ns=_ANSWER_NS)

    def _fail(self, job: _Job, reason: str) -> None:
        job.over = True
        self.refuse(job.request_id, reason)

    def _answered(self, job: _Job) -> None:
        job.missing -= 1
        if not job.missing:
            job.over = True
            self._give(self._report(job))

    def _take_orders(self, job: _Job, result: Any) -> None:
        job.orders = read_orders(result, self._instrument.venue_symbol)
        self._learn(job.orders)
        self._answered(job)

    def _ask_history(self, job: _Job, bookmark: str | None) -> None:
        request = wire.history(job.low_s, self._instrument.venue_symbol, bookmark)
        self._question(job, request, self._take_page)

    def _take_page(self, job: _Job, result: Any) -> None:
        if not isinstance(result, dict):
            raise WireFault("the history is not an object")
        job.trades += read_executions(result.get("trades"), self._instrument.venue_symbol)
        job.pages += 1
        bookmark = result.get("bookmark")
        if not bookmark:
            self._answered(job)
        elif job.pages >= _MAX_PAGES:
            self._fail(job, f"the history since {job.since} is too long")
        else:
            self._ask_history(job, str(bookmark))

    def _take_positions(self, job: _Job, result: Any) -> None:
        to_lots = self._instrument.to_lots
        lines = read_positions(result, self._instrument.venue_symbol)
        # The venue leaves out what is not held: in a whole answer that is a zero, and said so.
        job.held = [
            VenuePosition(self._leg, to_lots(line.size), line.entry_price, line.unrealised_pnl) for line in lines
        ]
        job.held = job.held or [VenuePosition(self._leg, 0)]
        self._answered(job)

    def _take_summary(self, job: _Job, result: Any) -> None:
        job.summary = read_summary(result)
        self._answered(job)

    def _report(self, job: _Job) -> VenueReport:
        fresh, mark = self.marks.new(job.since, job.low_s, job.trades)
        return VenueReport(
            self._leg,
            job.request_id,
            True,
            open_orders=tuple(listed_order(view, self._leg, self._instrument) for view in job.orders),
            fills=self._fills(fresh),
            positions=tuple(job.held),
            balances=tuple(self._balances(job.summary)),
            mark=mark,
            as_of_ns=job.asked_utc_ns,
        )

    def _fills(self, trades: list[Trade]) -> tuple[Fill, ...]:
        return tuple(fill_of(trade, self._leg, self._instrument) for trade in trades)

    def _balances(self, summary: Summary | None) -> Iterable[Balance]:
        if summary is None:
            return
        quote = self._instrument.quote
        yield Balance(quote, summary.equity, max(Decimal(0), summary.available))
        for currency, amount in summary.cash:
            if currency != quote:
                yield Balance(currency, amount, amount)


def listed_order(view: OrderView, leg: str, instrument: Instrument) -> Order:
    """Return an open order in the loop's words; a foreign one without a label has no client order id."""
    return Order(
        client_order_id=view.label,
        leg=leg,
        side=view.side,
        price_ticks=instrument.to_ticks(view.price or Decimal(0)),
        size_lots=instrument.to_lots(view.amount),
        venue_order_id=view.order_id,
        filled_lots=instrument.to_lots(view.filled),
        state=view.state,
        post_only=view.time_in_force != wire.TIME_IN_FORCE["IOC"],  # not told; it rests, so it did not take
        reduce_only=view.reduce_only,
        time_in_force="IOC" if view.time_in_force == wire.TIME_IN_FORCE["IOC"] else "GTC",
        sent_ns=view.create_ns,
    )
