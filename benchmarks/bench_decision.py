"""What one decision costs: gates, view, strategy, limits, diff, by the loop's own parts; and a backtest made of them.

Seven layers a side of the shipped market maker over the books of the shipped recording, at a venue that answers at
once. The least of many readings is the figure: the rest is what else the machine did. The backtest is that of
`bench_backtest.py`, told in CPU time too.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.base_client import Capabilities, ClientContext, ExchangeClient, Inbox
from api.compiled_recordings import find_recording, market_of
from benchmarks.bench_backtest import EVENTS, QUICK_EVENTS, make_span, time_product
from benchmarks.decision_parts import INTERVAL_NS, LEG, SLICE, bot_config, slice_books
from benchmarks.parts import NS_PER_US, Figure, Result, percentile, run_bench, say, temp_folder, tidy
from core.backtest.memory_ledger import MemoryLedger
from core.market.book import OrderBook
from core.market.client_ids import ClientOrderIds
from core.market.events import BookUpdate, LinkUp, OrderUpdate, Timer
from core.market.instrument import Instrument
from core.market.order import Order, OrderEvent
from core.market.order_diff import diff_orders
from core.market.reports import Balance, VenueReport
from core.market.risk_room import trim_quotes
from core.trading.clock import SimulatedClock
from core.trading.leg_state import LegState
from core.trading.loop_parts import LoopParts
from core.trading.loop_settings import LoopSettings
from core.trading.trading_loop import LegRuntime, TradingLoop
from strategies.market_maker import MarketMaker
from utils.home import Home

LAYERS = 7
NEVER_NS = 1 << 60  # no decision but the first and those that are timed
TARGETS_US = {"nothing to change": 15, "everything to change": 40}


class _StillVenue(ExchangeClient):
    """A venue without a market: it takes every order and every cancel at once, and nothing fills."""

    capabilities = Capabilities(batch_cancel=True)

    def __init__(self, instrument: Instrument, balances: dict[str, Decimal]) -> None:
        context = ClientContext("paper", instrument.symbol, "bench", "bench", "", ())
        super().__init__({}, context)
        self.instrument = instrument
        self._balances = tuple(Balance(asset, total, total) for asset, total in balances.items())
        self._open: dict[str, Order] = {}

    def open(self, inbox: Inbox, leg: str) -> None:
        """Keep the inbox."""
        self._inbox, self._leg = inbox, leg

    def start_market_data(self) -> None:
        """Tell that the line is up."""
        self._inbox.put(LinkUp(self._leg))

    def submit(self, orders: Sequence[Order]) -> None:
        """Accept all."""
        for order in orders:
            key = order.client_order_id
            self._open[key] = order
            self._inbox.put(OrderUpdate(self._leg, key, OrderEvent.ACCEPTED, f"v{key}"))

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Cancel all."""
        for key in client_order_ids:
            self._open.pop(key, None)
            self._inbox.put(OrderUpdate(self._leg, key, OrderEvent.CANCELED))

    def cancel_all(self, owns: Callable[[str], bool]) -> None:
        """Cancel all of ours."""
        self.cancel([key for key in self._open if owns(key)])

    def request_report(self, request_id: int, since: str | None) -> None:
        """Tell what rests."""
        orders = tuple(self._open.values())
        self._inbox.put(VenueReport(self._leg, request_id, True, orders, balances=self._balances))

    def poll(self, now_ns: int) -> int | None:
        """Have nothing to do."""
        return None

    def close(self) -> None:
        """Have nothing to close."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """A loop that quotes, and its parts."""

    loop: TradingLoop
    clock: SimulatedClock
    parts: LoopParts
    leg: LegState

    def settle(self) -> None:
        """Let the loop take in all answers, and fill the slots that got free."""
        for _ in range(4):
            self.loop.step()

    def show(self, book: OrderBook) -> int:
        """Let some time go by, and the next book arrive; return the time."""
        self.clock.advance(INTERVAL_NS)
        now_ns = self.clock.now_ns()
        self.leg.take_book(replace(book, local_ns=now_ns), now_ns)
        return now_ns

    def decide(self, now_ns: int) -> None:
        """Do what the loop does when a decision is due."""
        self.look_and_ask(now_ns)
        self.parts.outgoing.follow_wish(self.leg, now_ns)

    def look_and_ask(self, now_ns: int) -> None:
        """Look at the gates, bring the view up to date, ask the strategy."""
        self.parts.guard.look(now_ns)
        self.parts.upkeep.refresh(now_ns)
        self.parts.decider.hear(Timer(now_ns), now_ns)

    def find_all(self, now_ns: int) -> None:
        """Decide, and find what is to be cancelled and placed, without sending it."""
        self.look_and_ask(now_ns)
        leg, bot = self.leg, self.parts.bot
        verdict = trim_quotes(leg.wanted or (), leg.limits, bot.risk_state(leg, now_ns))
        diff = diff_orders(verdict.allowed, leg.tracker.live(), bot.settings.tolerance, bot.clock.utc_ns())
        assert len(diff.cancel) == 2 * LAYERS


def _desk(home: Home, tolerance_pct: float, book: OrderBook) -> _Desk:
    keys = {"layers": LAYERS, "price_tolerance_pct": tolerance_pct, "size_tolerance_pct": tolerance_pct}
    config, clock = bot_config(home, "decision", keys), SimulatedClock()
    market = market_of(find_recording(SLICE, home.data_dirs))
    venue = _StillVenue(market.instrument(Decimal(-1), Decimal(5)), dict(market.initial_balances))
    strategy = MarketMaker(MarketMaker.params_from(config.strategy_config))
    settings = LoopSettings.from_config(config.strategy_config, {**config.risk_config, "max_open_orders": 50})
    settings = replace(settings, interval_ns=NEVER_NS, min_cycle_ns=NEVER_NS)
    legs = [LegRuntime(config.legs[0], venue, ClientOrderIds("bench", "decision", 1))]
    loop = TradingLoop(legs, strategy, settings, MemoryLedger(), clock, 20.0)
    loop.start(new_run=True)
    parts = loop._parts
    parts.bot.legs[0].inbox.put(BookUpdate(LEG, book))
    desk = _Desk(loop, clock, parts, parts.bot.legs[0])
    desk.settle()
    return desk


def measure(quick: bool) -> Result:
    """Measure decisions, then a backtest; `quick`: once over the books, and a tenth of the events."""
    logging.disable(logging.CRITICAL)
    result = Result()
    with temp_folder() as folder:
        home = Home(folder / "home")
        home.make_folders()
        books, passes = slice_books(home), 1 if quick else 5
        gc.collect()
        gc.freeze()
        say("decisions")
        still, moving = _desk(home, 100, books[0]), _desk(home, -1, books[0])
        result.figures += [
            _figure("nothing to change", _times(still, books, passes, _Desk.decide, 20)),
            _figure("everything to change", _times(moving, books, passes, _Desk.find_all, 20)),
            _figure("everything to change, cancels sent", _times(moving, books, passes, _Desk.decide, 1)),
        ]
        for desk in (still, moving):
            desk.loop.close()
        if importlib.util.find_spec("numba") is not None:
            count = QUICK_EVENTS if quick else EVENTS
            say(f"backtest of {count} events")
            time_product(make_span(folder / "feed.events", count, result), 1 if quick else 3, result)
    return result


def _times(
    desk: _Desk, books: Sequence[OrderBook], passes: int, job: Callable[[_Desk, int], None], every: int
) -> Iterator[int]:
    """Return how long each decision took, in ns, the first ones left out; the loop turns before `every` so many."""
    clock = time.perf_counter_ns
    desk.decide(desk.show(books[0]))
    for number in range(passes * len(books)):
        if not number % every:
            desk.settle()
        now_ns = desk.show(books[number % len(books)])
        began_ns = clock()
        job(desk, now_ns)
        took_ns = clock() - began_ns
        assert not desk.parts.guard.gates
        if number > 10:
            yield took_ns


def _figure(name: str, times: Iterator[int]) -> Figure:
    ordered = sorted(times)
    least, half = (tidy(percentile(ordered, share) / NS_PER_US) for share in (0.0, 0.5))
    target = TARGETS_US.get(name)
    note = f"half of them within {half} us" + (f", target {target} us" if target else "")
    return Figure(f"a decision, {LAYERS} layers a side, {name}", least, "us", len(ordered), note=note)


if __name__ == "__main__":
    raise SystemExit(run_bench("decision", measure))
