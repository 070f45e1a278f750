"""A backtest of a bot with several legs: one loop, a venue for each leg, one simulated clock for all of them."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.event_file import EventSpan
from core.backtest.figures import course_of
from core.backtest.fills_csv import fills_text, legs_fills_text
from core.backtest.lockstep import Lockstep, window_ns
from core.backtest.memory_ledger import MemoryLedger
from core.backtest.recorder import Recorder
from core.backtest.setup import client_of, fill_model, loop_of, reference_of, strategy_of
from core.backtest.together import PlayedLeg, Together, leg_table, legs_summary, together_of
from core.bot_config import BotConfig
from core.trading.clock import SimulatedClock, seconds
from strategies.base import Strategy
from utils.errors import ConfigError

if TYPE_CHECKING:
    from core.trading.trading_loop import TradingLoop

_SAMPLE_NS = seconds(0.1)  # between two samples of the mids
_QUOTES_NS = seconds(1)  # between two samples of our quotes
_STEPS_PER_REPORT = 256  # of progress

Progress = Callable[[int], None]  # how much of the span is done, in ns


@dataclass(frozen=True, slots=True)
class LegsResult:
    """What came out; `elapsed_s` is real time, the rest the same in every run."""

    legs: tuple[PlayedLeg, ...]
    together: Together
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
        return {**run, **self.summary, "fills_sha256": _digest(self.fills_text()), **timing}

    def fills_text(self) -> str:
        """Return the fills of all legs as CSV: the same bytes for the same fills."""
        return legs_fills_text([(leg.leg.leg, leg.record.fills, leg.instrument) for leg in self.legs])


class LegsBacktest:
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
        """Prepare; `data` are in the order of the legs. As for a backtest of one leg otherwise. Raises ConfigError."""
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
        latencies = [client.latency_ns for client in self._clients]
        self._venues = Lockstep(self._clients, window_ns(latencies))
        self._beside = reference_of(config, beside, self._clock, self._strategy, engine)
        self._steps = 0

    def run(self, progress: Progress | None = None) -> LegsResult:
        """Play all events and return the result. Raises what a worker's loop raises."""
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="makerd-backtest-") as folder:
            ledger = MemoryLedger(Path(folder))
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
        """Step until the data or the bot ends: at the moments at which something happens on a leg, none in between."""
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

    def _result(self, loop: TradingLoop, elapsed_s: float) -> LegsResult:
        legs = tuple(self._leg(at) for at in range(len(self._clients)))
        together, data = together_of(legs), self._data
        return LegsResult(
            legs=legs,
            together=together,
            summary=legs_summary(legs, together, loop.snapshot()),
            events=sum(span.events for span in data),
            span_s=(data[0].last_ns - data[0].first_ns) / 10**9,
            steps=self._steps,
            elapsed_s=elapsed_s,
            ended="" if loop.finished is None else loop.finished.reason,
        )

    def _leg(self, at: int) -> PlayedLeg:
        leg, record, instrument = self._config.legs[at], self._records[at], self._clients[at].instrument
        course = course_of(record, instrument)
        told = {
            "leg": leg.leg,
            "exchange": leg.exchange,
            "symbol": leg.symbol,
            **fill_model(self._config.exchange_config_of(leg)),
            "events": self._data[at].events,
            **leg_table(record, instrument, course),
            "fills_sha256": _digest(fills_text(record.fills, instrument)),
        }
        return PlayedLeg(leg, instrument, record, course, told)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
