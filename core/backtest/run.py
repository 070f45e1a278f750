"""A backtest: the loop, the strategy and the paper venue of a live bot, over recorded events, in simulated time.

A bot with several legs has a venue for each of them, all under the one clock (`core/backtest/lockstep.py`).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.event_file import EventSpan
from core.backtest.figures import course_of, summary_of
from core.backtest.leg_data import spans_of
from core.backtest.legs_report import legs_report_of
from core.backtest.lockstep import Lockstep, window_ns
from core.backtest.memory_ledger import MemoryLedger
from core.backtest.recorder import Recorder
from core.backtest.report import report_of
from core.backtest.result import BacktestResult
from core.backtest.setup import client_of, fill_model, loop_of, reference_of, strategy_of
from core.backtest.together import PlayedLeg, legs_summary
from core.bot_config import BotConfig
from core.registry.config_manager import load_plain
from core.trading.clock import SimulatedClock, seconds
from core.trading.trading_loop import TradingLoop
from strategies.base import Strategy
from utils.errors import ConfigError
from utils.files import write_atomic
from utils.home import Home

_SAMPLE_NS = seconds(0.1)  # between two samples of the mids
_QUOTES_NS = seconds(1)  # between two samples of our quotes
_STEPS_PER_REPORT = 256  # of progress

Progress = Callable[[int], None]  # how much of the span is done, in ns


class Backtest:
    """One bot over the events of its legs, all of one span; `run` once."""

    def __init__(
        self,
        config: BotConfig,
        data: Sequence[EventSpan],
        strategy: Strategy | None = None,
        engine: str = "auto",
        folder: Path = Path(),
        beside: EventSpan | None = None,
    ) -> None:
        """Prepare; `data` are in the order of the legs. Raises ConfigError.

        `strategy`: in place of the config's; files that it is shown are in `folder`. `beside`: the events of
        the reference, of the same span.
        """
        if len({(span.first_ns, span.last_ns) for span in data}) != 1 or len(data) != len(config.legs):
            raise ConfigError("a backtest needs the events of each leg, all of one span")
        self._config, self._data, self._folder = config, data, folder
        self._strategy = strategy or strategy_of(config)
        self._clock = SimulatedClock(seconds(1), data[0].first_ns)
        self._records = [Recorder() for _ in config.legs]
        self._clients: list[Any] = [
            client_of(config, leg, span, record, self._clock, self._strategy, engine)
            for leg, span, record in zip(config.legs, data, self._records, strict=True)
        ]
        self._venues = Lockstep(self._clients, window_ns([client.latency_ns for client in self._clients]))
        self._beside = reference_of(config, beside, self._clock, self._strategy, engine)
        self._steps = 0

    def run(self, progress: Progress | None = None) -> BacktestResult:
        """Play all events and return the result. Raises what a worker's loop raises."""
        began = time.perf_counter()
        ledger = MemoryLedger()
        parts = (self._strategy, ledger, self._clock, self._folder, self._beside)
        loop = loop_of(self._config, self._clients, *parts)
        try:
            loop.start(new_run=True)
            for record, client in zip(self._records, self._clients, strict=True):
                record.mid_ticks = client.mid_ticks
            self._play(loop, progress)
            return self._result(loop, time.perf_counter() - began)
        finally:
            loop.close()
            ledger.close()

    def _play(self, loop: TradingLoop, progress: Progress | None) -> None:
        """Step until the data or the bot ends: each step is at the moment something happens, none in between."""
        clock, venues = self._clock, self._venues
        begin_ns = clock.now_ns()
        end_ns = begin_ns + self._data[0].last_ns - self._data[0].first_ns
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
                self._sample()
                sample_due_ns = now_ns + _SAMPLE_NS
            if now_ns >= quotes_due_ns:
                self._sample_quotes()
                quotes_due_ns = now_ns + _QUOTES_NS
            if progress and not self._steps % _STEPS_PER_REPORT:
                progress(now_ns - begin_ns)
            clock.wait(venues.run_ahead(now_ns, min(due_ns, end_ns)), ())
        self._sample()
        if progress:
            progress(clock.now_ns() - begin_ns)

    def _sample(self) -> None:
        utc_ns = self._clock.utc_ns()
        for record in self._records:
            record.sample(utc_ns)

    def _sample_quotes(self) -> None:
        utc_ns = self._clock.utc_ns()
        for record, client in zip(self._records, self._clients, strict=True):
            record.sample_quotes(utc_ns, *client.resting())

    def _result(self, loop: TradingLoop, elapsed_s: float) -> BacktestResult:
        legs = tuple(self._leg(at) for at in range(len(self._clients)))
        return BacktestResult(
            legs=legs,
            summary=_summary(legs, loop.snapshot()),
            span_s=(self._data[0].last_ns - self._data[0].first_ns) / 10**9,
            steps=self._steps,
            elapsed_s=elapsed_s,
            ended="" if loop.finished is None else loop.finished.reason,
        )

    def _leg(self, at: int) -> PlayedLeg:
        leg, record, instrument = self._config.legs[at], self._records[at], self._clients[at].instrument
        model = fill_model(self._config.exchange_config_of(leg))
        return PlayedLeg(leg, instrument, record, course_of(record, instrument), model, self._data[at].events)


def _summary(legs: Sequence[PlayedLeg], snapshot: dict[str, Any]) -> dict[str, Any]:
    if len(legs) > 1:
        return legs_summary(legs, snapshot)
    return summary_of(legs[0].record, legs[0].instrument, legs[0].course, snapshot)


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
    engine, folder = str(span.get("engine") or "auto"), home.bot_state(config.name)
    own, beside = data[: len(config.legs)], next(iter(data[len(config.legs) :]), None)
    with _no_log():
        result = Backtest(config, own, engine=engine, folder=folder, beside=beside).run(heard)
    is_alone = len(result.legs) == 1
    facts = {
        "bot": config.name,
        "symbol": " + ".join(part.market.symbol for part in own),
        **(result.only.model if is_alone else {}),
        **result.to_plain(),
    }
    if span.get("report"):
        page = report_of if is_alone else legs_report_of
        write_atomic(Path(span["report"]), page(result, facts).encode())
    if span.get("fills"):
        write_atomic(Path(span["fills"]), result.fills_text().encode())
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
