"""What one decision costs: the parts of the trading loop apart, and the whole loop as fast as it goes.

The market is the shipped recording of 60 s. The parts (parse, apply, decide, diff) are called as the loop calls them;
the loop runs on a simulated clock with the real paper venue, the real ledger and the real log in a temporary folder.
"""

from __future__ import annotations

import copy
import gc
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.base_client import ClientContext
from api.feed import Picture
from api.paper_client import PaperClient
from api.recording import Message, RecordingBook, RecordingReader
from api.replay_feed import ReplayFeed, find_recording, market_of, open_replay
from benchmarks.parts import (
    CHECKOUT,
    NS_PER_S,
    Figure,
    Result,
    distribution,
    run_bench,
    say,
    temp_folder,
    tidy,
    timer_cost_ns,
)
from core.bot_config import BotConfig
from core.logger import setup_worker_logging
from core.market.book import OrderBook
from core.market.client_ids import ClientOrderIds
from core.market.commands import Command, Quote, Quotes
from core.market.events import BookUpdate, Event, Timer
from core.market.instrument import Instrument
from core.market.order import Order, OrderState
from core.market.order_diff import DiffTolerance, diff_orders
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk import RiskLimits, RiskState, allow_places, trim_quotes
from core.registry.config_manager import load_plain
from core.trading.clock import SimulatedClock
from core.trading.ledger import Ledger
from core.trading.loop_settings import LoopSettings
from core.trading.trading_loop import LegRuntime, TradingLoop
from strategies.base import View
from strategies.market_maker import MarketMaker
from utils.home import Home

TEMPLATE = CHECKOUT / "config" / "templates" / "paper_market_maker.json"
SLICE = "slice60s_binance_spot_btcusdt_20240808.csv.gz"
SLICE_NS = 60 * NS_PER_S
INTERVAL_NS, DEPTH = 100_000_000, 10
LEG = "main"
AWAY = 0.01  # how far off the old quotes are when everything must change

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
        _messages(result, home, 1 if quick else 3)
        _decisions(result, home, 1 if quick else 5)
        for name, keys in CASES:
            _loop(result, home, name, keys, 2 if quick else 10)
        logging.shutdown()
    return result


# The parts: messages


def _messages(result: Result, home: Home, passes: int) -> None:
    """Time reading and applying each depth message of the recording."""
    say("parse and apply")
    path = find_recording(SLICE, home.data_dirs)
    market = market_of(path)
    parse_ns: list[int] = []
    apply_ns: list[int] = []
    picture_ns: list[int] = []
    rows = 0
    for _ in range(passes):
        reader = RecordingReader(path, market.tick_size, market.lot_size)
        rebuilt = RecordingBook(reader)
        for message, took_ns in _timed_messages(reader):
            if message.kind != "depth":
                list(rebuilt.apply(message))
                continue
            parse_ns.append(took_ns)
            rows += len(message.levels)
            began_ns = time.perf_counter_ns()
            for _depth in rebuilt.apply(message):
                pass
            applied_ns = time.perf_counter_ns()
            rebuilt.book.picture(DEPTH)
            picture_ns.append(time.perf_counter_ns() - applied_ns)
            apply_ns.append(applied_ns - began_ns)
    note = f"{rows / max(1, len(parse_ns)):.1f} levels on average"
    result.figures += [
        distribution("parse a depth message: rows of the recording", parse_ns, note),
        distribution("apply a depth message: ids checked, levels set", apply_ns),
        distribution(f"take a picture of {DEPTH} levels a side", picture_ns),
    ]


def _timed_messages(reader: RecordingReader) -> list[tuple[Message, int]]:
    timed: list[tuple[Message, int]] = []
    messages = iter(reader)
    while True:
        began_ns = time.perf_counter_ns()
        message = next(messages, None)
        took_ns = time.perf_counter_ns() - began_ns
        if message is None:
            return timed
        timed.append((message, took_ns))


# The parts: decisions


@dataclass(slots=True)
class _Desk:
    """What a decision looks at, one book after the other."""

    instrument: Instrument
    strategy: MarketMaker
    limits: RiskLimits
    tolerance: DiffTolerance
    usable: dict[str, Decimal]
    view: View
    position: Position = field(default_factory=lambda: Position(LEG))
    live: tuple[Order, ...] = ()

    @classmethod
    def of(cls, config: BotConfig, home: Home) -> _Desk:
        market = market_of(find_recording(SLICE, home.data_dirs))
        instrument = market.instrument(Decimal(-1), Decimal(5))
        balances = {asset: Balance(asset, total, total) for asset, total in market.initial_balances.items()}
        view = View(instruments={LEG: instrument}, balances={LEG: balances}, positions={LEG: Position(LEG)})
        view.open_orders[LEG] = ()
        settings = LoopSettings.from_config(config.strategy_config, config.risk_config)
        return cls(
            instrument=instrument,
            strategy=MarketMaker(MarketMaker.params_from(config.strategy_config)),
            limits=RiskLimits.from_config(config.risk_config, instrument),
            tolerance=settings.tolerance,
            usable=dict(market.initial_balances),
            view=view,
        )

    def look(self, book: OrderBook) -> None:
        """Show the strategy the next book."""
        self.view.books[LEG] = book

    def risk_state(self, now_ns: int) -> RiskState:
        """Return what the limits are held against."""
        return RiskState(
            now_ns=now_ns,
            position=self.position,
            live_orders=self.live,
            book=self.view.books[LEG],
            book_age_ns=0,
            position_age_ns=0,
            session_net_quote=Decimal(0),
            session_peak_quote=Decimal(0),
            start_equity_quote=None,
            available=self.usable,
            instrument=self.instrument,
        )

    def decide(self, now_ns: int) -> tuple[Quote, ...]:
        """Ask the strategy, then the limits, as the loop does."""
        (command,) = self.strategy.on_event(Timer(now_ns), self.view)
        assert isinstance(command, Quotes)
        return trim_quotes(command.quotes, self.limits, self.risk_state(now_ns)).allowed


def _decisions(result: Result, home: Home, passes: int) -> None:
    """Time decision, diff and the limits' last word on each book of the slice."""
    say("decide and diff")
    config = _config(home, "parts", {})
    desk = _Desk.of(config, home)
    times: dict[str, list[int]] = {name: [] for name in ("decide", "same", "cancel", "place", "allow")}
    for _ in range(passes):
        for number, book in enumerate(_books(home)):
            _decide_once(desk, book, number * INTERVAL_NS, times)
    orders = f"{len(desk.live)} orders"
    result.figures += [
        distribution("decide: strategy, then limits", times["decide"], orders),
        distribution("diff, nothing to change", times["same"], orders),
        distribution("diff, everything to change: cancel all", times["cancel"], orders),
        distribution("diff, everything to change: place all", times["place"], orders),
        distribution("limits' last word before sending", times["allow"], orders),
    ]


def _decide_once(desk: _Desk, book: OrderBook, now_ns: int, times: dict[str, list[int]]) -> None:
    desk.look(book)
    desk.live = ()
    wanted = _timed(times["decide"], partial(desk.decide, now_ns))
    resting = tuple(_resting(quote, number, 0) for number, quote in enumerate(wanted))
    astray = tuple(_resting(quote, number, int(quote.price_ticks * AWAY)) for number, quote in enumerate(wanted))
    for name, live in (("same", resting), ("cancel", astray), ("place", ())):
        desk.live = live
        _timed(times[name], partial(diff_orders, wanted, live, desk.tolerance, now_ns))
    state = desk.risk_state(now_ns)
    _timed(times["allow"], partial(allow_places, wanted, desk.limits, state))
    desk.live = resting


def _timed(into: list[int], job: Callable[[], Any]) -> Any:
    began_ns = time.perf_counter_ns()
    found = job()
    into.append(time.perf_counter_ns() - began_ns)
    return found


def _resting(quote: Quote, number: int, off_ticks: int) -> Order:
    return Order(
        client_order_id=f"bench{number}",
        leg=LEG,
        side=quote.side,
        price_ticks=quote.price_ticks + off_ticks,
        size_lots=quote.size_lots,
        slot=quote.slot_name,
        state=OrderState.NEW,
        post_only=quote.post_only,
        reduce_only=quote.reduce_only,
    )


def _books(home: Home) -> Sequence[OrderBook]:
    """Return the books of the slice as the venue would show them."""
    path = find_recording(SLICE, home.data_dirs)
    feed: ReplayFeed = open_replay(path, market_of(path), INTERVAL_NS, DEPTH, home.data / "cache")
    books = [_book(feed.seek(0))]
    while (event := feed.next(SLICE_NS - 1)) is not None:
        if isinstance(event, Picture):
            books.append(_book(event))
    return books


def _book(picture: Picture) -> OrderBook:
    return OrderBook(picture.bids, picture.asks, picture.number, picture.at_ns, picture.at_ns)


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
    config, clock = _config(home, bot_name, keys), SimulatedClock()
    strategy = _CountedStrategy(MarketMaker.params_from(config.strategy_config))
    client = _client(config, home, clock)
    folder = home.bot_state(bot_name)
    folder.mkdir(mode=0o700)
    ledger = Ledger.open(folder / "ledger.db")
    ids = ClientOrderIds(home.identity(), bot_name, 1)
    settings = LoopSettings.from_config(config.strategy_config, config.risk_config)
    loop = TradingLoop([LegRuntime(config.legs[0], client)], strategy, settings, ledger, ids, clock, 20.0)
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


def _config(home: Home, name: str, keys: dict[str, Any]) -> BotConfig:
    plain = copy.deepcopy(json.loads(TEMPLATE.read_text()))
    plain["metadata"]["name"] = name
    plain["strategy_config"].update(keys)
    plain["risk_config"]["max_loss"] = 1_000_000  # hours of trading in seconds must not trip a gate
    return load_plain(plain, f"{name}.json", home, {})


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
