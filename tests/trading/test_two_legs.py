"""Two legs: one loop, two venues, one set of gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.bot_config import Leg
from core.market.client_ids import ClientOrderIds
from core.market.commands import Command, Quote, Quotes, Take
from core.market.events import Event, FillEvent, Timer
from core.market.order import OrderEvent, Side
from core.trading.clock import SimulatedClock, seconds
from core.trading.ledger import Ledger
from core.trading.trading_loop import LegRuntime, LoopSettings, TradingLoop
from strategies.base import Strategy, View
from tests.trading.scripted_venue import PERP, ScriptedVenue

QUOTES = (Quote(Side.BUY, 9_990, 10, leg="maker"), Quote(Side.SELL, 10_010, 10, leg="maker"))


class Hedger(Strategy):
    """Quotes on one leg and takes on the other what was filled."""

    @classmethod
    def params_from(cls, strategy_config: Mapping[str, Any]) -> None:
        return None

    def on_event(self, event: Event, view: View) -> list[Command]:
        if isinstance(event, Timer):
            return [Quotes(QUOTES, "maker")]
        if isinstance(event, FillEvent) and event.leg == "maker":
            return [Take(event.fill.side.opposite, 9_990, event.fill.size_lots, "hedge")]
        return []


class Pair:
    """A loop with a spot maker leg and a perpetual hedge leg."""

    def __init__(self, folder: Path) -> None:
        self.maker, self.hedge, self.clock = ScriptedVenue(), ScriptedVenue(PERP), SimulatedClock()
        ids = ClientOrderIds("home", "pair", 1)
        runtimes = [
            LegRuntime(Leg("maker", "a", "acc", "SOL-USDC"), self.maker, ids),
            LegRuntime(Leg("hedge", "b", "acc", "SOL-PERP"), self.hedge, ids),
        ]
        self.ledger = Ledger.open(folder / "ledger.db")
        settings = LoopSettings.from_config({"interval_s": 1.0, "ack_timeout_s": 2.0}, {"max_loss": 1000})
        self.loop = TradingLoop(runtimes, Hedger(None), settings, self.ledger, self.clock, 5.0)
        self.loop.start()

    def run(self, duration_s: float, hedge_book: bool = True) -> None:
        for _ in range(round(duration_s / 0.1)):
            self.maker.book(9_999, 10_001)
            if hedge_book:
                self.hedge.book(9_998, 10_002)
            end_ns = self.clock.now_ns() + seconds(0.1)
            while self.clock.now_ns() < end_ns and self.loop.finished is None:
                self.clock.wait(min(self.loop.step(), end_ns), ())


def test_nothing_is_quoted_before_both_legs_are_reconciled(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.hedge.script.reports.extend(["incomplete"] * 4)
    pair.run(0.4)
    assert (pair.loop.snapshot()["phase"], pair.maker.submitted) == ("SYNC", [])
    pair.run(4)
    assert len(pair.maker.open_orders) == 2


def test_a_fill_on_one_leg_is_hedged_on_the_other(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(1)
    key = next(o.client_order_id for o in pair.maker.open_orders.values() if o.side is Side.BUY)
    pair.maker.fill(key, 4)
    pair.run(0.1)
    (sent,) = pair.hedge.submitted
    assert (sent.side, sent.size_lots, sent.time_in_force) == (Side.SELL, 4, "IOC")
    pair.hedge.fill(sent.client_order_id, 4)
    pair.run(1)
    shot = pair.loop.snapshot()
    assert [(leg["leg"], leg["position"]) for leg in shot["legs"]] == [("maker", "0.4"), ("hedge", "-0.4")]
    assert shot["fills"] == 2
    assert Decimal(shot["stats"]["session_net"]) == Decimal("-0.02")


def test_a_frozen_book_on_one_leg_takes_the_quotes_off_the_other(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(1)
    pair.run(6, hedge_book=False)
    assert pair.loop.snapshot()["gates"] == ["stale"]
    assert pair.maker.open_orders == {}


def test_a_stop_sweeps_both_legs_and_one_stuck_leg_makes_it_unclean(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(1)
    pair.hedge.rest(replace(pair.maker.submitted[0], leg="hedge"), tell=False)
    pair.hedge.script.cancel = "lose"
    pair.loop.begin_stop("test")
    pair.run(6)
    ended = pair.loop.finished
    assert ended is not None
    assert (ended.clean, ended.left_orders) == (False, (pair.maker.submitted[0].client_order_id,))
    assert pair.maker.open_orders == {}


def test_an_order_that_expires_is_closed_and_counted(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(1)
    key = next(iter(pair.maker.open_orders))
    pair.maker.open_orders.pop(key)
    pair.maker.tell(key, OrderEvent.EXPIRED)
    pair.run(1)
    assert pair.loop.snapshot()["stats"]["orders_expired"] == 1
    assert len(pair.maker.open_orders) == 2
