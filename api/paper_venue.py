"""The paper venue behind its client: feed, matching engine and file, moved forward in the order of time.

What happens is written to the file before it is told; what cannot be written did not happen, but for cancels: those
hold from the moment they arrive and are written down as soon as that is possible again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from api.base_client import InboxItem
from api.feed import BookChange, Feed, Picture, Print
from api.market_facts import Market
from api.paper_answers import PaperAnswers
from api.paper_line import PaperLine
from api.paper_memory import PaperMemory
from api.paper_settings import PaperSettings
from api.paper_store import Change, StoredVenue, StoreFailed, VenueStore, orders_and_closed
from api.paper_time import VenueTime
from core.market.book import OrderBook
from core.market.displayed import Displayed
from core.market.events import PerpFacts, TradePrint
from core.market.funding import FundingPayment, funding_amount
from core.market.margin_watch import MarginWatch
from core.market.matched import NOTHING, Arrival, EngineState, Matched
from core.market.matching import NO_SUCH_ORDER, MatchingEngine
from core.market.order import Amend, Fill, Order, OrderEvent, Side
from core.market.reports import VenueReport
from core.market.sim_account import SimAccount
from utils.errors import VenueRefused

_log = logging.getLogger("makerd.orders")


class PaperVenue:
    """One account on one symbol; times are the venue's (ns since its birth) unless they say otherwise."""

    def __init__(
        self,
        store: VenueStore,
        settings: PaperSettings,
        market: Market,
        feed: Feed,
        leg: str,
        tell: Callable[[InboxItem], None],
        utc_ns: int,
        now_ns: int,
    ) -> None:
        """Open the venue as of now (`now_ns` is the loop's clock). Raises VenueUnreachable."""
        self._memory, self._feed, self._leg, self._tell = PaperMemory(store), feed, leg, tell
        self._answers = PaperAnswers(leg, tell)
        self.instrument = market.instrument(settings.maker_fee_bps, settings.taker_fee_bps)
        balances = settings.starting_balances(market)
        stored = store.load(self.instrument, utc_ns, balances, market.to_text())
        self.time = VenueTime.at_opening(stored.birth_utc_ns, stored.high_water_ns, utc_ns, now_ns, settings.speed)
        # Part of every id: a new file for the same account must not repeat the ids of the old one.
        self._id_prefix = f"{stored.birth_utc_ns // 1_000_000:x}-"
        self._max_leverage = market.max_leverage
        self._engine = self._engine_of(stored, settings, market)
        self.prints_wanted = False
        self._depth = settings.book_depth
        opened_utc_ns = self.time.utc(self.time.elapsed(now_ns))
        self._line = PaperLine(leg, settings.funding_rate_bps / 10_000, opened_utc_ns)
        self._margin = MarginWatch()
        self.go_to(self.time.elapsed(now_ns))

    def _engine_of(self, stored: StoredVenue, settings: PaperSettings, market: Market) -> MatchingEngine:
        account = SimAccount(self.instrument, stored.balances, stored.position, market.max_leverage)
        # Each opening draws its own numbers; the same sequence of openings draws the same ones again.
        random = Random(f"{settings.seed}/{stored.opens}")
        orders = [replace(order, leg=self._leg) for order in stored.orders]
        return MatchingEngine(
            account, settings.rules, random.random, self._id_prefix, orders, stored.last_order, stored.last_trade,
            self._display(),
        )  # fmt: skip

    def _display(self) -> Displayed:
        """Return what keeps the book."""
        return Displayed()

    # -- the market -------------------------------------------------------------------------------------------------
    def go_to(self, elapsed_ns: int) -> None:
        """Take the feed to a time without matching what lies between, only the book found there."""
        before = self._engine.state()
        self._picture = self._feed.seek(self.time.position(elapsed_ns))
        self._number, self._changed_ns = self._picture.number, self._picture.at_ns
        self.played_ns = elapsed_ns
        bids, asks, is_whole = self._picture.bids, self._picture.asks, self._picture.is_whole
        result = self._engine.on_book(bids, asks, self.time.utc(elapsed_ns), is_whole)
        if result.fills:
            self._settle([result], before)

    @property
    def next_picture_ns(self) -> int:
        """Return when the next book picture is due."""
        return self.time.elapsed_at(self._feed.next_picture_ns)

    def play(self, until_ns: int, budget: int, stop_at_fill: bool = False) -> int:
        """Match up to `budget` events of the feed up to `until_ns` as one step; return what is left of the budget.

        `stop_at_fill`: go no farther than the first event that fills an order of ours; `played_ns` says how far.
        """
        before, until = self._engine.state(), self.time.position(until_ns)
        matched: list[Matched] = []
        while budget:
            event = self._feed.next(until)
            if event is None:
                self.played_ns = max(self.played_ns, until_ns)
                if self.time.utc(self.played_ns) >= self._line.funding_utc_ns:
                    matched, before = self._pay_funding(matched, before)
                break
            budget -= 1
            at_ns = self.time.elapsed_at(event.at_ns)
            if self.time.utc(at_ns) >= self._line.funding_utc_ns:
                matched, before = self._pay_funding(matched, before)
            self.played_ns = max(self.played_ns, at_ns)
            result = self._match(event, at_ns)
            if result.fills:
                matched.append(result)
                if stop_at_fill:
                    budget = max(budget, 1)
                    break
        if matched:
            self._settle(matched, before)
        return budget

    def _pay_funding(self, matched: list[Matched], before: EngineState) -> tuple[list[Matched], EngineState]:
        """Settle what was matched before a payment, then pay; return what `play` goes on with."""
        if matched:
            self._settle(matched, before)
        due_ns, rate = self._line.pass_payment(), self._line.funding_rate
        before, account, mark = self._engine.state(), self._engine.account, self._mark()
        lots = account.position.size_lots
        if not account.is_spot and lots and rate and mark:
            size = self.instrument.to_size(lots) * self.instrument.contract_size
            amount = funding_amount(size, mark, rate)
            key = f"{self._id_prefix}f{due_ns // 10**9}"
            payment = FundingPayment(key, self._leg, amount, rate, mark, lots, due_ns)
            self._engine.account = account.after_funding(amount)
            if self._memory.commit(replace(self._change(), funding=[payment])) is None:
                self._tell(payment)
            else:
                self._engine.restore(before)
        return [], self._engine.state()

    def check_margin(self) -> None:
        """Close the position at the book when the mark has reached its liquidation price, as venues do.

        Called as often as the loop looks at the market. What the book does not take is closed at the next look.
        """
        mark, account = self._line.mark_price, self._engine.account
        if not account.position.size_lots or self._margin.liquidation_ticks(account) is None:
            return
        mark_ticks = self._engine.mid_ticks() if mark is None else float(mark / self.instrument.tick_size)
        if self._margin.is_due(account, mark_ticks):
            self._liquidate(account.position.size_lots)

    def _liquidate(self, lots: int) -> None:
        """Cancel what rests and trade the position away; no order of the bot's, so that its fills name none."""
        engine, side = self._engine, Side.SELL if lots > 0 else Side.BUY
        if engine.orders:
            self.cancel(tuple(engine.orders))
        levels = engine.shown.levels(side.opposite)
        if levels and abs(lots) >= self.instrument.min_lots:
            told = {"size": str(self.instrument.to_size(lots)), "mid_ticks": engine.mid_ticks()}
            _log.error("paper_liquidated", extra={"fields": told})
            key = f"{self._id_prefix}liquidation{engine.last_order + 1}"
            order = Order(key, self._leg, side, levels[-1][0], abs(lots), "", reduce_only=True, post_only=False,
                          time_in_force="IOC", sent_ns=self.time.utc(self.played_ns))  # fmt: skip
            self.submit((order,), self.played_ns)

    def _mark(self) -> Decimal:
        """Return the mark price, 0 when there is none."""
        if self._line.mark_price is not None:
            return self._line.mark_price
        return self.instrument.tick_size * Decimal(str(self._engine.mid_ticks()))

    @property
    def leverage(self) -> Decimal:
        """Return the leverage of the account."""
        return Decimal(self._engine.account.max_leverage)

    def set_leverage(self, leverage: Decimal) -> None:
        """Set the leverage of the account, until it is closed. Raises VenueRefused above the market's highest."""
        if leverage > self._max_leverage:
            raise VenueRefused(f"the paper venue allows a leverage of {self._max_leverage} at the most")
        self._engine.account = replace(self._engine.account, max_leverage=leverage)

    def hear_facts(
        self, mark_price: Decimal | None, funding_rate: Decimal | None, index_price: Decimal | None = None
    ) -> None:
        """Go by a live venue's mark price and rate from now on; None is the mid, and the rate of before."""
        self._line.hear(mark_price, funding_rate, index_price)

    def facts(self, local_ns: int) -> PerpFacts | None:
        """Return mark price and funding as of now, None on spot; `local_ns` is the loop's clock."""
        if self._engine.account.is_spot:
            return None
        return self._line.facts(self._mark(), local_ns)

    def _match(self, event: Picture | Print | BookChange, at_ns: int) -> Matched:
        utc_ns = self.time.utc(at_ns)
        if isinstance(event, Print):
            _, price_ticks, size_lots, aggressor = event
            if self.prints_wanted:
                local_ns = self.time.now_at(at_ns)
                self._tell(TradePrint(self._leg, price_ticks, size_lots, aggressor, utc_ns, local_ns))
            return self._engine.on_print(price_ticks, size_lots, aggressor, utc_ns)
        self._number, self._changed_ns = event.number, event.at_ns
        if isinstance(event, Picture):
            self._picture = event
            return self._engine.on_book(event.bids, event.asks, utc_ns, event.is_whole)
        if event.side is not None:
            return self._engine.on_level(event.side, event.price_ticks, event.size_lots, utc_ns)
        self._engine.on_clear()
        return NOTHING

    def book(self, local_ns: int) -> OrderBook:
        """Return the book as it is now; `local_ns` is the loop's clock."""
        venue_ns, picture = self.time.utc(self.time.elapsed_at(self._changed_ns)), self._picture
        if not picture.is_whole:
            return OrderBook(picture.bids, picture.asks, picture.number, venue_ns, local_ns)
        bids, asks = self._engine.shown.tops(self._depth)
        return OrderBook(bids, asks, self._number, venue_ns, local_ns)

    @property
    def picture_number(self) -> int:
        """Return the number of the newest picture, or of the newest change."""
        return self._number

    @property
    def shows_changes(self) -> bool:
        """Tell whether the feed has every change of the book: pictures are taken of it when they are due."""
        return self._picture.is_whole

    def mid_ticks(self) -> float:
        """Return the mid as the matching sees it now."""
        return self._engine.mid_ticks()

    def best_own(self, side: Side) -> int | None:
        """Return the best price of our resting orders of a side, None when there is none."""
        sign = side.sign
        prices = [sign * order.price_ticks for order in self._engine.orders.values() if order.side is side]
        return sign * max(prices) if prices else None

    # -- messages that arrive ---------------------------------------------------------------------------------------
    def submit(self, orders: Sequence[Order], at_ns: int) -> None:
        """Take orders; when they cannot be written down all of them are rejected."""
        before, utc_ns = self._engine.state(), self.time.utc(at_ns)
        ours = [order if order.leg == self._leg else replace(order, leg=self._leg) for order in orders]
        arrivals = [self._engine.submit(order, utc_ns) for order in ours]
        if any(arrival.accepted for arrival in arrivals):
            problem = self._memory.commit(self._change_of(arrivals))
            if problem is not None:
                self._engine.restore(before)
                for order in orders:
                    self._answers.update(order.client_order_id, OrderEvent.REJECTED, None, problem)
                return
        for arrival in arrivals:
            self._answers.arrival(arrival)

    def amend(self, amends: Sequence[Amend], at_ns: int) -> None:
        """Give orders other terms; when that cannot be written down all of them stay as they are."""
        before, utc_ns = self._engine.state(), self.time.utc(at_ns)
        results = [self._engine.amend(amend, utc_ns) for amend in amends]
        arrivals = [result for result in results if isinstance(result, Arrival)]
        problem = self._memory.commit(self._change_of(arrivals)) if arrivals else None
        if problem is not None:
            self._engine.restore(before)
        for amend, result in zip(amends, results, strict=True):
            if isinstance(result, str):
                self._answers.not_amended(amend.client_order_id, result, result == NO_SUCH_ORDER)
            elif problem is not None:
                self._answers.not_amended(amend.client_order_id, problem, False)
            else:
                self._answers.amended(result)

    def cancel(self, order_ids: Sequence[str]) -> None:
        """Cancel orders, whether that can be written down or not."""
        cancelled = {order_id: self._engine.cancel(order_id) for order_id in order_ids}
        closed = [order_id for order_id, order in cancelled.items() if order is not None]
        if closed and self._memory.commit(self._change(closed)) is not None:
            self._memory.owe(closed)
        for order_id, order in cancelled.items():
            if order is None:
                self._answers.update(order_id, OrderEvent.CANCEL_REJECTED, None, NO_SUCH_ORDER)
            else:
                self._answers.end(order, OrderEvent.CANCELED)

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Cancel the open orders whose client order id `owns` says yes to."""
        self.cancel([order_id for order_id in self._engine.orders if owns(order_id)])

    def report(self, request_id: int, since: str | None) -> VenueReport:
        """Return everything there is to know, with the fills behind the mark `since`."""
        engine, account, as_of_ns = self._engine, self._engine.account, self.time.utc(self.played_ns)
        try:
            fills = self._memory.store.fills_after(self._fill_number(since), self.instrument, self._leg)
            funding = () if account.is_spot else self._memory.store.newest_funding(self.instrument, self._leg)
        except StoreFailed as exc:
            return VenueReport(self._leg, request_id, False, as_of_ns=as_of_ns, reason=str(exc))
        return VenueReport(
            leg=self._leg,
            request_id=request_id,
            complete=True,
            open_orders=tuple(engine.orders.values()),
            fills=fills,
            positions=account.report_positions(self._leg, engine.mid_ticks()),
            balances=account.report_balances(engine.orders.values(), engine.mid_ticks()),
            mark=f"{self._id_prefix}t{engine.last_trade}",
            as_of_ns=as_of_ns,
            funding=funding,
        )

    def _fill_number(self, since: str | None) -> int:
        """Return the number of the fill that a mark stands for; a mark of another file means all of ours."""
        head, _, number = (since or "").rpartition("t")
        return int(number) if head == self._id_prefix and number.isdecimal() else 0

    # -- the file ---------------------------------------------------------------------------------------------------
    def _settle(self, matched: Sequence[Matched], before: EngineState) -> None:
        """Write down what was matched, then tell it; when it cannot be written, it did not happen."""
        fills = [fill for result in matched for fill in result.fills]
        ended = [order for result in matched for order in result.ended]
        touched = [*(fill.client_order_id for fill in fills), *(order.client_order_id for order in ended)]
        if self._memory.commit(self._change(touched, fills)) is not None:
            self._engine.restore(before)
            return
        self._answers.fills(fills)
        self._answers.ended(ended)

    def _change_of(self, arrivals: Sequence[Arrival]) -> Change:
        fills = [fill for arrival in arrivals for fill in arrival.fills]
        touched = [arrival.order.client_order_id for arrival in arrivals if arrival.accepted]
        touched += [order.client_order_id for arrival in arrivals for order in arrival.ended]
        touched += [fill.client_order_id for fill in fills]
        return self._change(touched, fills)

    def _change(self, touched: Sequence[str] = (), fills: Sequence[Fill] = ()) -> Change:
        engine = self._engine
        saved, closed = orders_and_closed(touched, engine.orders)
        return Change(engine.account, engine.last_order, engine.last_trade, self.played_ns, saved, closed, list(fills))

    def retry_unsaved(self) -> None:
        """Write down cancels that are still owed, about once a second."""
        if self._memory.is_retry_due(self.played_ns):
            self._memory.commit(self._change())

    def close(self) -> None:
        """Write down what is owed and how late it is, and close the file."""
        try:
            self._memory.commit(self._change())
        finally:
            self._memory.store.close()
