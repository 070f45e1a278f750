"""A backtest: the loop, the strategy and the paper venue of a live bot, over recorded events, in simulated time."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.base_client import ClientContext
from api.event_file import EventSpan
from core.backtest.data import data_of
from core.backtest.figures import Course, course_of, summary_of
from core.backtest.memory_ledger import MemoryLedger
from core.backtest.recorder import Recorder
from core.backtest.report import report_of
from core.bot_config import BotConfig
from core.market.client_ids import ClientOrderIds
from core.market.instrument import Instrument
from core.market.order import Fill
from core.registry.config_manager import load_plain
from core.trading.clock import SimulatedClock, seconds
from core.trading.loop_settings import LoopSettings
from core.trading.trading_loop import LegRuntime, TradingLoop
from core.trading.watched_file import watched_files
from strategies.base import Strategy, strategy_class
from utils.errors import ConfigError
from utils.files import write_atomic
from utils.home import Home

_HOME_ID = "backtest"  # so that the ids of orders are the same in every run
_SAMPLE_NS = seconds(0.1)  # between two samples of the mid
_QUOTES_NS = seconds(1)  # between two samples of our quotes
_STEPS_PER_REPORT = 256  # of progress

Progress = Callable[[int], None]  # how much of the span is done, in ns


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What came out; `elapsed_s` is real time, the rest the same in every run."""

    instrument: Instrument
    record: Recorder
    course: Course
    summary: dict[str, Any]
    events: int
    span_s: float
    steps: int
    elapsed_s: float
    ended: str  # why, when it ended before the data did

    def to_plain(self) -> dict[str, Any]:
        """Return the table for JSON."""
        speed = round(self.events / self.elapsed_s) if self.elapsed_s else 0
        run = {"events": self.events, "span_s": self.span_s, "ended": self.ended or None}
        timing = {"elapsed_s": round(self.elapsed_s, 4), "events_per_s": speed, "steps": self.steps}
        digest = hashlib.sha256(fills_text(self.record.fills, self.instrument).encode()).hexdigest()
        return {**run, **self.summary, "fills_sha256": digest, **timing}


class Backtest:
    """One bot over one span of events; `run` once."""

    def __init__(
        self,
        config: BotConfig,
        data: EventSpan,
        strategy: Strategy | None = None,
        engine: str = "auto",
        folder: Path = Path(),
    ) -> None:
        """Prepare; `strategy`: in place of the config's; files that it is shown are in `folder`. Raises ConfigError."""
        if len(config.legs) != 1:
            raise ConfigError("a backtest takes a bot with one leg")
        self._config, self._data, self._folder = config, data, folder
        kind = strategy_class(config.strategy)
        self._strategy = strategy or kind(kind.params_from(config.strategy_config))
        self._clock = SimulatedClock(seconds(1), data.first_ns)
        self._record = Recorder()
        client_class = importlib.import_module("api.replay_venue").CLIENT
        self._client: Any = client_class(
            {**config.exchange_config, "speed": 1.0},  # the clock is as fast as the events
            self._context(),
            data,
            self._record.note_fill,
            self._record.funding.append,
            venue_of(engine),
            self._strategy.hears_prints,
        )
        self._steps = 0

    def _context(self) -> ClientContext:
        leg, clock = self._config.legs[0], self._clock
        return ClientContext(
            leg.exchange, leg.symbol, leg.account, self._config.name, "", (), clock.now_ns, clock.utc_ns
        )

    def run(self, progress: Progress | None = None) -> BacktestResult:
        """Play all events and return the result. Raises what a worker's loop raises."""
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="makerd-backtest-") as folder:
            ledger = MemoryLedger(Path(folder))
            loop = self._loop(ledger)
            try:
                loop.start(new_run=True)
                self._record.mid_ticks = self._client.mid_ticks
                self._play(loop, progress)
                return self._result(loop, time.perf_counter() - began)
            finally:
                loop.close()
                ledger.close()

    def _loop(self, ledger: MemoryLedger) -> TradingLoop:
        config = self._config
        ids = ClientOrderIds(_HOME_ID, config.name, 1)
        legs = [LegRuntime(config.legs[0], self._client, ids)]
        settings = LoopSettings.from_config(config.strategy_config, config.risk_config)
        files = watched_files(self._strategy.file_keys, config.strategy_config, self._folder)
        return TradingLoop(legs, self._strategy, settings, ledger, self._clock, config.daemon.stop_timeout_s, files)

    def _play(self, loop: TradingLoop, progress: Progress | None) -> None:
        """Step until the data or the bot ends: each step is at the moment something happens, none in between."""
        clock, client, record = self._clock, self._client, self._record
        begin_ns = clock.now_ns()
        end_ns = begin_ns + self._data.last_ns - self._data.first_ns
        sample_due_ns = quotes_due_ns = begin_ns
        while loop.finished is None:
            due_ns = loop.step()
            now_ns = clock.now_ns()
            self._steps += 1
            if now_ns >= end_ns:
                break
            if due_ns <= now_ns:
                continue
            if now_ns >= sample_due_ns:
                record.sample(clock.utc_ns())
                sample_due_ns = now_ns + _SAMPLE_NS
            if now_ns >= quotes_due_ns:
                record.sample_quotes(clock.utc_ns(), *client.resting())
                quotes_due_ns = now_ns + _QUOTES_NS
            if progress and not self._steps % _STEPS_PER_REPORT:
                progress(now_ns - begin_ns)
            clock.wait(client.run_ahead(min(due_ns, end_ns)), ())
        record.sample(clock.utc_ns())
        if progress:
            progress(clock.now_ns() - begin_ns)

    def _result(self, loop: TradingLoop, elapsed_s: float) -> BacktestResult:
        instrument: Instrument = self._client.instrument
        data = self._data
        course = course_of(self._record, instrument)
        return BacktestResult(
            instrument=instrument,
            record=self._record,
            course=course,
            summary=summary_of(self._record, instrument, course, loop.snapshot()),
            events=data.events,
            span_s=(data.last_ns - data.first_ns) / 10**9,
            steps=self._steps,
            elapsed_s=elapsed_s,
            ended="" if loop.finished is None else loop.finished.reason,
        )


def fills_text(fills: Iterable[Fill], instrument: Instrument) -> str:
    """Return fills as CSV: the same bytes for the same fills."""
    lines = ["venue_ns,trade_id,client_order_id,side,price,size,liquidity,fee,fee_asset"]
    for fill in fills:
        price, size = instrument.to_price(fill.price_ticks), instrument.to_size(fill.size_lots)
        lines.append(
            f"{fill.venue_ns},{fill.trade_id},{fill.client_order_id},{fill.side.value},{price},{size},"
            f"{fill.liquidity},{fill.fee},{fill.fee_asset}"
        )
    return "\n".join(lines) + "\n"


def venue_of(engine: str) -> Any:
    """Return the class of the venue that plays the events, None for paper's own. Raises ConfigError without numba."""
    compiled = engine != "python" and importlib.util.find_spec("numba") is not None
    if engine == "compiled" and not compiled:
        raise ConfigError("the compiled engine needs numba: pip install -r requirements-backtest.txt")
    return importlib.import_module("api.compiled_venue").VENUE if compiled else None


def run_backtest(
    home: Home,
    plain: Mapping[str, Any],
    source: str,
    span: Mapping[str, Any],
    progress: Callable[[float], None] | None,
) -> dict[str, Any]:
    """Return the statistics of a config over `span`; `progress` hears how much is done, 0 to 1. Raises MakerdError.

    `span`: files, from, to, engine; report and fills name files to write.
    """
    config = load_plain(plain, source, home, os.environ)
    data = data_of(home, span)
    whole_ns = max(1, data.last_ns - data.first_ns)
    backtest = Backtest(config, data, engine=str(span.get("engine") or "auto"), folder=home.bot_state(config.name))
    with _no_log():
        result = backtest.run(None if progress is None else lambda done_ns: progress(done_ns / whole_ns))
    facts = {"bot": config.name, "symbol": data.market.symbol, **_fill_model(config), **result.to_plain()}
    if span.get("report"):
        write_atomic(Path(span["report"]), report_of(result, facts).encode())
    if span.get("fills"):
        write_atomic(Path(span["fills"]), fills_text(result.record.fills, result.instrument).encode())
    return facts


@contextmanager
def _no_log() -> Iterator[None]:
    """Have nothing logged: what a bot would say belongs to the time that is played."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _fill_model(config: BotConfig) -> dict[str, Any]:
    keys = ("fill_model", "queue_model", "latency_ms", "seed")
    return {key: config.exchange_config[key] for key in keys if key in config.exchange_config}
