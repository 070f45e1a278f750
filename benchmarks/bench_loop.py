"""What one decision costs: the parts of the trading loop apart, and the whole loop as fast as it goes.

The market is the shipped recording of 60 s. The parts (parse, apply, decide, diff) are called as the loop calls them;
the loop runs on a simulated clock with the real paper venue, the real ledger and the real log in a temporary folder.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.base_client import ClientContext
from api.paper_client import PaperClient
from benchmarks.decision_parts import SLICE_NS, bot_config, time_decisions, time_messages
from benchmarks.parts import NS_PER_S, Figure, Result, distribution, run_bench, say, temp_folder, tidy, timer_cost_ns
from core.bot_config import BotConfig
from core.logger import setup_worker_logging
from core.market.client_ids import ClientOrderIds
from core.market.commands import Command
from core.market.events import BookUpdate, Event, Timer
from core.market.order import Order
from core.trading.clock import SimulatedClock
from core.trading.ledger import Ledger
from core.trading.loop_settings import LoopSettings
from core.trading.trading_loop import LegRuntime, TradingLoop
from strategies.base import View
from strategies.market_maker import MarketMaker
from utils.home import Home

# What the loop is asked to do: a name, and the keys of strategy_config that differ from the shipped template's.
EVERY_BOOK = {"interval_s": 0.1, "min_cycle_s": 0.01}
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("as shipped", {}),
    ("each book, nothing to change", {**EVERY_BOOK, "price_tolerance_pct": 100, "size_tolerance_pct": 100}),
    ("each book, everything to change", {**EVERY_BOOK, "price_tolerance_pct": -1, "size_tolerance_pct": -1}),
)


def measure(quick: bool) -> Result:
    """Measure the parts and the loop."""
    result = Result(details={"clock_reading_ns": timer_cost_ns()})
    with temp_folder() as folder:
        home = Home(folder / "home")
        home.make_folders()
        setup_worker_logging(home.log / "bench.log", "bench")
        gc.collect()
        gc.freeze()  # as in a worker: what was loaded before is not looked at again
        time_messages(result, home, 1 if quick else 3)
        time_decisions(result, home, 1 if quick else 5)
        for name, keys in CASES:
            _loop(result, home, name, keys, 2 if quick else 10)
        logging.shutdown()
    return result


# The whole loop


class _CountedStrategy(MarketMaker):
    """The shipped strategy; counts what it hears."""

    decisions = books = 0

    def on_event(self, event: Event, view: View) -> list[Command]:
        """Count the event and answer it."""
        if isinstance(event, Timer):
            self.decisions += 1
        elif isinstance(event, BookUpdate):
            self.books += 1
        return super().on_event(event, view)


class _CountedClient(PaperClient):
    """The paper venue's client; counts what is sent."""

    placed = cancelled = venue_ns = 0

    def poll(self, now_ns: int) -> int | None:
        """Time what the venue itself does: its market, its matching, its file."""
        began_ns = time.perf_counter_ns()
        due_ns = super().poll(now_ns)
        self.venue_ns += time.perf_counter_ns() - began_ns
        return due_ns

    def submit(self, orders: Sequence[Order]) -> None:
        """Count the orders and send them."""
        self.placed += len(orders)
        super().submit(orders)

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Count the cancels and send them."""
        self.cancelled += len(client_order_ids)
        super().cancel(client_order_ids)


@dataclass(slots=True)
class _Steps:
    """Durations of the loop's steps by what was in them."""

    book: list[int] = field(default_factory=list)  # a book, no decision
    idle: list[int] = field(default_factory=list)  # a decision that changed nothing
    busy: list[int] = field(default_factory=list)  # a decision that sent something
    other: list[int] = field(default_factory=list)  # answers, fills, reports
    with_book: list[int] = field(default_factory=list)  # every step in which a book arrived


def _loop(result: Result, home: Home, name: str, keys: dict[str, Any], passes: int) -> None:
    """Run the loop over the slice `passes` times as fast as it goes."""
    say(f"loop, {name}")
    bot_name = f"loop-{len(result.figures)}"
    config, clock = bot_config(home, bot_name, keys), SimulatedClock()
    strategy = _CountedStrategy(MarketMaker.params_from(config.strategy_config))
    client = _client(config, home, clock)
    folder = home.bot_state(bot_name)
    folder.mkdir(mode=0o700)
    ledger = Ledger.open(folder / "ledger.db")
    ids = ClientOrderIds(home.identity(), bot_name, 1)
    settings = LoopSettings.from_config(config.strategy_config, config.risk_config)
    loop = TradingLoop([LegRuntime(config.legs[0], client, ids)], strategy, settings, ledger, clock, 20.0)
    loop.start()
    try:
        began_ns = time.perf_counter_ns()
        steps = _drive(loop, clock, strategy, client, passes * SLICE_NS)
        took_s = (time.perf_counter_ns() - began_ns) / NS_PER_S
        _tell_loop(result, name, loop, strategy, client, steps, took_s, passes)
    finally:
        loop.close()
        ledger.close()


def _drive(
    loop: TradingLoop, clock: SimulatedClock, strategy: _CountedStrategy, client: _CountedClient, for_ns: int
) -> _Steps:
    steps, read_ns, end_ns = _Steps(), time.perf_counter_ns, clock.now_ns() + for_ns
    while clock.now_ns() < end_ns:
        books, decisions, sent = strategy.books, strategy.decisions, client.placed + client.cancelled
        began_ns = read_ns()
        due_ns = loop.step()
        took_ns = read_ns() - began_ns
        if strategy.books != books:
            steps.with_book.append(took_ns)
        if strategy.decisions != decisions:
            (steps.busy if client.placed + client.cancelled != sent else steps.idle).append(took_ns)
        else:
            (steps.book if strategy.books != books else steps.other).append(took_ns)
        clock.wait(due_ns, ())
    return steps


def _tell_loop(
    result: Result,
    name: str,
    loop: TradingLoop,
    strategy: _CountedStrategy,
    client: _CountedClient,
    steps: _Steps,
    took_s: float,
    passes: int,
) -> None:
    add, fills = result.figures.append, loop.snapshot()["fills"]
    note = f"{strategy.decisions} decisions, {client.placed} placed, {client.cancelled} cancelled, {fills} fills"
    add(Figure(f"loop, {name}: decisions per second", tidy(strategy.decisions / took_s), "1/s", note=note))
    faster = tidy(passes * SLICE_NS / NS_PER_S / took_s)
    add(Figure(f"loop, {name}: faster than time", faster, "x", note=f"{strategy.books / took_s:.0f} books per second"))
    venue_pct = tidy(100 * client.venue_ns / NS_PER_S / took_s)
    add(Figure("  of that time, inside the paper venue", venue_pct, "%"))
    add(distribution("  step with a book, whatever else is in it", steps.with_book))
    add(distribution("  step with a book and no decision", steps.book))
    add(distribution("  step with a decision, nothing to change", steps.idle))
    add(distribution("  step with a decision that sends", steps.busy))
    add(distribution("  step with neither: answers, fills, reports", steps.other))
    result.details[f"loop, {name}"] = {"took_s": round(took_s, 3), "passes": passes, "phase": loop.phase}


def _client(config: BotConfig, home: Home, clock: SimulatedClock) -> _CountedClient:
    leg = config.legs[0]
    context = ClientContext(
        exchange=leg.exchange,
        symbol=leg.symbol,
        account=leg.account,
        bot_name=config.name,
        state_dir=str(home.state),
        data_dirs=home.data_dirs,
        now_ns=clock.now_ns,
        utc_ns=clock.utc_ns,
    )
    return _CountedClient(config.exchange_config, context)


if __name__ == "__main__":
    raise SystemExit(run_bench("loop", measure))
