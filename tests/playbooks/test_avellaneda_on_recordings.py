"""What avellaneda_stoikov does as it is shipped, on every recording and bar file: inventory matters, clamps do not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.market_facts import load_market
from api.recording import RecordingBook, RecordingReader
from core.market.book import OrderBook
from core.market.events import BookUpdate, Timer, TradePrint
from core.market.order import Side
from core.market.position import Position
from core.market.risk_limits import RiskLimits
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.base import View
from tests.golden_parts import golden_bars
from tests.market_parts import NOW, SECOND, book, fill, instrument

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = sorted((ROOT / "data" / "recordings").glob("*.csv.gz"))
TEMPLATES = sorted((ROOT / "config" / "templates").glob("*_avellaneda_stoikov.json"))
Seen = tuple[int, OrderBook | tuple[Side, int, int]]


class Run:
    """A bot that holds all it may, on a perpetual with the market's increments."""

    def __init__(self, template: Path, tick_size: Decimal, lot_size: Decimal, **keys: Any) -> None:
        config = json.loads(template.read_text())
        fee = Decimal(str(config["exchange_config"].get("maker_fee_bps", 0)))
        traded = instrument(kind="perp", tick_size=tick_size, lot_size=lot_size, maker_fee_bps=fee)
        limits = RiskLimits.from_config(config["risk_config"], traded)
        params = AvellanedaStoikov.params_from(config["strategy_config"] | keys)
        AvellanedaStoikov.check(params, {"main": traded}, {"main": limits})
        # Protected positions close: what is looked at here is what the model makes of a full one.
        params = dataclasses.replace(params, position_threshold=Decimal(10**9), stop_loss_pct=None, time_limit_s=None)
        self.strategy, self.view = AvellanedaStoikov(params), View(instruments={"main": traded})
        self.interval_ns = int(config["strategy_config"]["interval_s"] * SECOND)
        self.view.position_limits["main"] = self.limit = limits.max_position_lots
        self.shifts: list[float] = []  # half-spreads, whenever the model spoke

    def see(self, at_ns: int, what: OrderBook | tuple[Side, int, int]) -> None:
        """Hear of the market."""
        self.view.now_ns = self.view.utc_ns = at_ns
        if isinstance(what, OrderBook):
            self.view.books["main"] = what
            self.strategy.on_event(BookUpdate("main", what), self.view)
        else:
            side, price_ticks, size_lots = what
            self.strategy.on_event(TradePrint("main", price_ticks, size_lots, side, at_ns, at_ns), self.view)

    def decide(self) -> None:
        """Decide with a full inventory, entered at the present price so that nothing closes it."""
        book, traded = self.view.books["main"], self.view.instruments["main"]
        assert self.limit is not None
        entry = fill(Side.BUY, book.best_bid_ticks, self.limit)
        self.view.positions["main"] = Position("main").after_fill(entry, traded)
        assert self.strategy.on_event(Timer(self.view.now_ns), self.view)
        stats = self.strategy.stats()
        if stats["source"] == "as":
            self.shifts.append(-2 * stats["skew_bps"] / stats["spread_bps"])

    def check(self) -> None:
        """Hold what it did against what is promised of a shipped template."""
        stats = self.strategy.stats()
        assert len(self.shifts) >= 8
        assert stats["q"] == 1
        assert min(self.shifts) >= 0.25
        assert max(self.shifts) <= 2
        assert stats["clamped"] + stats["held_at_touch"] < 0.1 * stats["decisions"]


def market(path: Path) -> Iterator[Seen]:
    """Yield the top of the book ten times a second and every trade."""
    facts = load_market(path.with_name(path.name.replace(".csv.gz", ".json")))
    reader = RecordingReader(path, facts.tick_size, facts.lot_size)
    rebuilt, due_ns = RecordingBook(reader), 0
    for message in reader:
        for _ in rebuilt.apply(message):
            pass
        if not rebuilt.is_synced:
            continue
        if message.kind == "trade":
            yield message.local_ns, message.levels[0]
        elif message.local_ns >= due_ns:
            due_ns = message.local_ns + SECOND // 10
            yield message.local_ns, OrderBook(*(tuple(rebuilt.book.top(side, 1)) for side in (Side.BUY, Side.SELL)))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name.partition(".")[0])
def test_inventory_moves_the_quotes_and_clamps_hardly_matter_on_a_recording(recording: Path, template: Path) -> None:
    facts = load_market(recording.with_name(recording.name.replace(".csv.gz", ".json")))
    run, due_ns = Run(template, facts.tick_size, facts.lot_size), 0
    for at_ns, what in market(recording):
        run.see(at_ns, what)
        if at_ns >= due_ns and "main" in run.view.books:
            due_ns = at_ns + run.interval_ns
            run.decide()
    run.check()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_inventory_moves_the_quotes_and_clamps_hardly_matter_on_bars(template: Path) -> None:
    """Minutes in place of seconds: the same bot with a slower look at the mid."""
    run = Run(template, Decimal("0.0001"), Decimal("0.001"), sigma_step_s=60)
    for number, bar in enumerate(golden_bars()):
        at = NOW + 60 * number * SECOND
        middle = round(bar.close * 10_000)
        run.see(at, book(middle - 1, middle + 1))
        run.decide()
    run.check()


def test_there_are_templates_and_recordings_to_look_at() -> None:
    assert TEMPLATES
    assert RECORDINGS
