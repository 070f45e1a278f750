"""A backtest: the loop, the strategy and the paper venue of a live bot, over recorded events, in simulated time."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from api.event_file import EventSpan
from core.backtest.figures import Course, course_of, summary_of
from core.backtest.fills_csv import fills_text
from core.backtest.leg_data import spans_of
from core.backtest.legs import LegsBacktest
from core.backtest.legs_report import legs_report_of
from core.backtest.memory_ledger import MemoryLedger
from core.backtest.recorder import Recorder
from core.backtest.report import report_of
from core.backtest.setup import client_of, fill_model, loop_of, reference_of, strategy_of
from core.bot_config import BotConfig
from core.market.instrument import Instrument
from core.registry.config_manager import load_plain
from core.trading.clock import SimulatedClock, seconds
from core.trading.trading_loop import TradingLoop
from strategies.base import Strategy
from utils.errors import ConfigError
from utils.files import write_atomic
from utils.home import Home

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
        beside: EventSpan | None = None,
    ) -> None:
        """Prepare; `strategy`: in place of the config's; files that it is shown are in `folder`. Raises ConfigError.

        `beside`: the events of the reference, of the same span.
        """
        if len(config.legs) != 1:
            raise ConfigError("this is a backtest of one leg")
        self._config, self._data, self._folder = config, data, folder
        self._strategy = strategy or strategy_of(config)
        self._clock = SimulatedClock(seconds(1), data.first_ns)
        self._record = Recorder()
        leg = config.legs[0]
        self._client: Any = client_of(config, leg, data, self._record, self._clock, self._strategy, engine)
        self._beside = reference_of(config, beside, self._clock, self._strategy, engine)
        self._steps = 0

    def run(self, progress: Progress | None = None) -> BacktestResult:
        """Play all events and return the result. Raises what a worker's loop raises."""
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="makerd-backtest-") as folder:
            ledger = MemoryLedger(Path(folder))
            parts = (self._strategy, ledger, self._clock, self._folder, self._beside)
            loop = loop_of(self._config, [self._client], *parts)
            try:
                loop.start(new_run=True)
                self._record.mid_ticks = self._client.mid_ticks
                self._play(loop, progress)
                return self._result(loop, time.perf_counter() - began)
            finally:
                loop.close()
                ledger.close()

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
    data = spans_of(home, config.markets, span)
    whole_ns = max(1, data[0].last_ns - data[0].first_ns)
    heard: Progress | None = None if progress is None else lambda done_ns: progress(done_ns / whole_ns)
    how: dict[str, Any] = {"engine": str(span.get("engine") or "auto"), "folder": home.bot_state(config.name)}
    with _no_log():
        facts, report, fills = _played(config, data, how, heard)
    if span.get("report"):
        write_atomic(Path(span["report"]), report().encode())
    if span.get("fills"):
        write_atomic(Path(span["fills"]), fills().encode())
    return facts


def _played(
    config: BotConfig, data: Sequence[EventSpan], how: Mapping[str, Any], progress: Progress | None
) -> tuple[dict[str, Any], Callable[[], str], Callable[[], str]]:
    """Return the table of a run, and what makes its report and its fills."""
    own, beside = data[: len(config.legs)], next(iter(data[len(config.legs) :]), None)
    named = {"bot": config.name, "symbol": " + ".join(span.market.symbol for span in own)}
    if len(own) > 1:
        several = LegsBacktest(config, own, **how, beside=beside).run(progress)
        facts = {**named, **several.to_plain()}
        return facts, partial(legs_report_of, several, facts), several.fills_text
    result = Backtest(config, own[0], **how, beside=beside).run(progress)
    facts = {**named, **fill_model(config.exchange_config), **result.to_plain()}
    return facts, partial(report_of, result, facts), partial(fills_text, result.record.fills, result.instrument)


@contextmanager
def _no_log() -> Iterator[None]:
    """Have nothing logged: what a bot would say belongs to the time that is played."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
