"""The parts of a decision apart, called as the loop calls them: parse, apply, decide, diff, the last word."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from api.compiled_recordings import find_recording, market_of
from api.feed import Picture
from api.recording import Message, RecordingBook, RecordingReader
from api.replay_feed import ReplayFeed, open_replay
from benchmarks.parts import CHECKOUT, NS_PER_S, Result, distribution, say
from core.bot_config import BotConfig
from core.market.book import OrderBook
from core.market.commands import Quote, Quotes
from core.market.events import Timer
from core.market.instrument import Instrument
from core.market.order import Order, OrderState
from core.market.order_diff import DiffTolerance, diff_orders
from core.market.position import Position
from core.market.reports import Balance
from core.market.risk_limits import RiskLimits
from core.market.risk_room import allow_places, trim_quotes
from core.market.risk_state import RiskState
from core.registry.config_manager import load_plain
from core.trading.loop_settings import LoopSettings
from strategies.base import View
from strategies.market_maker import MarketMaker
from utils.home import Home

TEMPLATE = CHECKOUT / "config" / "templates" / "paper_market_maker.json"
SLICE = "slice60s_binance_spot_btcusdt_20240808.csv.gz"
SLICE_NS = 60 * NS_PER_S
INTERVAL_NS, DEPTH = 100_000_000, 10
LEG = "main"
AWAY = 0.01  # how far off the old quotes are when everything must change


def bot_config(home: Home, name: str, keys: dict[str, Any]) -> BotConfig:
    """Return the shipped replay template under another name, with other keys of strategy_config."""
    plain = copy.deepcopy(json.loads(TEMPLATE.read_text()))
    plain["metadata"]["name"] = name
    plain["strategy_config"].update(keys)
    plain["risk_config"]["max_loss"] = 1_000_000  # hours of trading in seconds must not trip a gate
    return load_plain(plain, f"{name}.json", home, {})


# The parts: messages


def time_messages(result: Result, home: Home, passes: int) -> None:
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


def time_decisions(result: Result, home: Home, passes: int) -> None:
    """Time decision, diff and the limits' last word on each book of the slice."""
    say("decide and diff")
    config = bot_config(home, "parts", {})
    desk = _Desk.of(config, home)
    times: dict[str, list[int]] = {name: [] for name in ("decide", "same", "cancel", "place", "allow")}
    for _ in range(passes):
        for number, book in enumerate(slice_books(home)):
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


def slice_books(home: Home) -> Sequence[OrderBook]:
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
