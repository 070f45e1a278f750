"""What a strategy remembers and what the ledger has booked never come apart, however a life ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.market.commands import Command
from core.market.events import Event, FillEvent, Timer
from core.market.instrument import Instrument
from core.market.order import OrderEvent
from core.market.risk_limits import RiskLimits
from core.trading.ledger import Ledger, LedgerBatch, Memory
from core.trading.trading_loop import SpotRule
from strategies.base import Idle, View
from tests.trading.scripted_venue import LOSE, PERP, SPOT, ScriptedVenue
from tests.trading.workbench import BOTH, Bench, Wisher
from utils.errors import ConfigError, LedgerError, StrategyBug


class Adder(Wisher):
    """Remembers the net lots of its fills by slot."""

    def __init__(self) -> None:
        super().__init__()
        self.net: dict[str, int] | None = None
        self.seen: list[str] = []  # what happened in this life, in order
        self.fails_on_fill = False

    def on_event(self, event: Event, view: View) -> list[Command]:
        if isinstance(event, FillEvent):
            if self.fails_on_fill:
                raise ValueError("no")
            self.seen.append(event.fill.trade_id)
            lots = event.fill.side.sign * event.fill.size_lots
            self.net = {**(self.net or {}), event.slot: (self.net or {}).get(event.slot, 0) + lots}
        elif isinstance(event, Timer):
            self.seen.append("timer")
            self.net = {} if self.net is None else self.net
        return super().on_event(event, view)

    def saved(self) -> dict[str, Any] | None:
        return self.net

    def restore(self, saved: Mapping[str, Any], view: View) -> None:
        self.seen.append("restored")
        self.net = dict(saved)


class Other(Adder):
    """Another strategy with a memory."""


def adding(folder: Path, kind: type[Adder] = Adder) -> Bench:
    """Return a bench whose strategy remembers and which rests at both sides."""
    bench = Bench(folder)
    bench.die()
    again(bench, kind)
    return bench


def again(bench: Bench, kind: type[Adder] = Adder) -> Adder:
    """Begin another life with a strategy that knows nothing."""
    bench.strategy = strategy = kind()
    bench.begin()
    bench.run(1.5)
    return strategy


def remembered(bench: Bench) -> Mapping[str, int]:
    """Return what the strategy of the present life knows."""
    assert isinstance(bench.strategy, Adder)
    return bench.strategy.net or {}


def test_what_is_remembered_is_written_before_an_order_that_follows_from_it(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    batches: list[LedgerBatch] = []
    write = bench.ledger.write
    bench.ledger.write = lambda batch: (batches.append(batch), write(batch))[1]  # type: ignore[method-assign]
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.5)
    told = [bool(batch.memory and batch.memory.heard == 1) for batch in batches]
    new_order = next(number for number, batch in enumerate(batches) if batch.orders and not batch.fills)
    assert True in told[: new_order + 1]


@pytest.mark.parametrize("writes", range(4))
def test_a_kill_between_a_fill_and_what_was_made_of_it_loses_neither(tmp_path: Path, writes: int) -> None:
    bench = adding(tmp_path)
    bench.venue.fill(bench.order_id("buy.0"), 4)
    bench.venue.fill(bench.order_id("sell.0"), 3)
    write, left = bench.ledger.write, iter(range(writes))

    def dying(batch: LedgerBatch) -> int:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write(batch)

    bench.ledger.write = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.run(30)
    bench.die()
    again(bench)
    assert remembered(bench) == {"buy.0": 4, "sell.0": -3}


def test_a_killed_strategy_takes_up_what_it_had(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    bench.venue.fill(bench.order_id("buy.0"), 4)
    bench.venue.fill(bench.order_id("sell.0"), 3)
    bench.step()
    bench.die()
    strategy = again(bench)
    assert strategy.seen[0] == "restored"
    assert remembered(bench) == {"buy.0": 4, "sell.0": -3}


def test_fills_that_happened_meanwhile_are_heard_before_the_first_decision(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    buy, sell = bench.order_id("buy.0"), bench.order_id("sell.0")
    bench.die()
    told = [bench.venue.fill(buy, 10, stream=False).trade_id, bench.venue.fill(sell, 2, stream=False).trade_id]
    strategy = again(bench)
    assert strategy.seen[:4] == ["restored", *told, "timer"]
    assert remembered(bench) == {"buy.0": 10, "sell.0": -2}


@pytest.mark.parametrize("ending", ["stop", "close", "handover"])
def test_fills_booked_while_a_life_ends_are_heard_by_the_next(tmp_path: Path, ending: str) -> None:
    bench = adding(tmp_path)
    sell = bench.order_id("sell.0")
    if ending == "stop":
        bench.loop.begin_stop("test")
    elif ending == "close":
        bench.loop.begin_close("test", SpotRule.LEAVE)
    else:
        bench.loop.begin_handover("test", 5.0, lambda orders: None)
    bench.venue.fill(sell, 2)
    bench.end()
    assert remembered(bench) == {}
    assert bench.booked() == 1
    bench.die()
    strategy = again(bench)
    assert strategy.seen[0] == "restored"
    assert remembered(bench) == {"sell.0": -2}
    bench.die()
    again(bench)
    assert remembered(bench) == {"sell.0": -2}


def test_a_handover_that_is_taken_back_loses_no_fill(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    bench.loop.begin_handover("test", 60.0, lambda orders: None)
    bench.venue.script.cancel = "lose"
    bench.loop._outgoing.cancel(bench.loop._bot.legs[0], [bench.order_id("buy.0")], bench.clock.now_ns())
    bench.venue.fill(bench.order_id("sell.0"), 2)
    bench.step()
    assert remembered(bench) == {}
    bench.loop._ending.stay()
    bench.step()
    bench.venue.fill(bench.order_id("sell.0"), 3)
    bench.step()
    assert remembered(bench) == {"sell.0": -5}
    bench.die()
    again(bench)
    assert remembered(bench) == {"sell.0": -5}


def test_a_life_that_only_closes_leaves_the_memory_to_the_next(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    bench.venue.fill(bench.order_id("buy.0"), 4)
    bench.step()
    bench.die()
    bench.strategy = Idle(None)  # type: ignore[assignment]
    bench.begin(SpotRule.CLOSE)
    bench.run(1)
    bench.venue.fill(bench.venue.submitted[-1].client_order_id, 4)
    bench.end()
    bench.die()
    again(bench)
    assert remembered(bench) == {"buy.0": 4, "take": -4}


def test_a_strategy_that_fails_on_a_fill_hears_it_again_in_the_next_life(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    assert isinstance(bench.strategy, Adder)
    bench.strategy.fails_on_fill = True
    bench.venue.fill(bench.order_id("buy.0"), 4)
    with pytest.raises(StrategyBug):
        bench.step()
    assert bench.booked() == 1
    bench.die()
    again(bench)
    assert remembered(bench) == {"buy.0": 4}


def test_another_strategy_does_not_inherit_a_memory(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    bench.venue.fill(bench.order_id("buy.0"), 4)
    bench.step()
    bench.die()
    strategy = again(bench, Other)
    assert "restored" not in strategy.seen
    assert remembered(bench) == {}


def test_a_slot_whose_order_ended_before_its_fills_is_shown_until_they_are_booked(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    key = bench.order_id("buy.0")
    made = bench.venue.fill(key, 10, stream=False)
    bench.venue.tell(key, OrderEvent.FULL_FILL)
    bench.loop._stepping._listen(bench.clock.now_ns())
    bench.loop._parts.upkeep.refresh(bench.clock.now_ns())
    assert bench.loop._bot.view.unbooked == {"main": frozenset({"buy.0"})}
    bench.venue.inbox.put(FillEvent("main", made))
    bench.step()
    assert bench.loop._bot.view.unbooked == {"main": frozenset()}


def test_a_slot_that_may_have_filled_is_not_filled_again_without_a_decision(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    filled = bench.order_id("buy.0")
    bench.strategy.wanted = (BOTH[0], replace(BOTH[1], price_ticks=10_050))
    bench.venue.script.cancel = LOSE
    while not bench.venue.cancels:
        bench.run(0.1)
        bench.step(1)  # what is due now
    before = len(bench.venue.submitted)
    leaving = bench.order_id("sell.0")
    del bench.venue.open_orders[leaving], bench.venue.open_orders[filled]
    bench.venue.tell(leaving, OrderEvent.CANCELED)
    bench.venue.tell(filled, OrderEvent.FULL_FILL)
    bench.venue.script.reports.extend(["none"] * 9)
    bench.step()
    assert [order.slot for order in bench.venue.submitted[before:]] == ["sell.0"]


def test_an_adjustment_of_the_position_is_heard_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.die()
    again(bench)
    bench.venue.position_lots = 6
    bench.run(90)  # the breaker is closed again
    assert remembered(bench) == {"": 6}
    bench.venue.fill(bench.order_id("sell.0"), 2)
    bench.venue.position_lots = 4
    bench.step()
    bench.die()
    again(bench)
    assert remembered(bench) == {"": 6, "sell.0": -2}


class Picky(Wisher):
    """Refuses what it is told to refuse."""

    refuses = False

    @classmethod
    def check(cls, params: Any, instruments: Mapping[str, Instrument], limits: Mapping[str, RiskLimits]) -> None:
        if cls.refuses:
            raise ConfigError(f"not {instruments['main'].symbol} with {limits['main'].max_open_orders}")


def test_a_strategy_may_refuse_what_it_would_trade_at_a_start_and_at_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.die()
    bench.strategy = Picky()
    bench.begin()
    monkeypatch.setattr(Picky, "refuses", True)
    with pytest.raises(ConfigError, match="not SOL-USDC with 7"):
        bench.loop.prepare_change({}, {"max_open_orders": 7}, 5.0)
    bench.die()
    with pytest.raises(ConfigError, match="not SOL-USDC with 50"):
        bench.begin()


def test_a_memory_that_is_no_json_is_named(tmp_path: Path) -> None:
    bench = adding(tmp_path)
    bench.ledger.write(LedgerBatch(memory=Memory("Adder", "{", 0)))
    bench.die()
    bench.strategy = Adder()
    with pytest.raises(LedgerError, match="cannot be read"):
        bench.begin()


WRITER = """
import sys
from decimal import Decimal
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from core.market.order import Fill, Order, Side
from core.trading.ledger import Ledger, LedgerBatch, Memory
from tests.trading.scripted_venue import SPOT

ledger = Ledger.open(Path(sys.argv[1]))
ledger.use_instrument("main", SPOT)
position = ledger.position("main")
number = position.fills
while True:
    number += 1
    fill = Fill(f"t{number}", "id", "main", Side.BUY, 9_990, 5, "maker", Decimal(0), "USDC", number)
    position = position.after_fill(fill, SPOT)
    ledger.write(LedgerBatch(fills=[(fill, position)]))
    ledger.write(LedgerBatch(memory=Memory("Adder", str(number * 5), number)))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_killed_writer_leaves_fills_and_memory_together(tmp_path: Path) -> None:
    path, root = tmp_path / "ledger.db", str(Path(__file__).resolve().parents[2])
    for after in (30, 90):
        command = [sys.executable, "-c", WRITER, str(path), root]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            while int(writer.stdout.readline()) < after:
                pass
            os.kill(writer.pid, signal.SIGKILL)
        ledger = Ledger.open(path)
        ledger.use_instrument("main", SPOT)
        memory, position = ledger.memory(), ledger.position("main")
        assert memory is not None
        assert (int(memory.saved), memory.heard) == (5 * memory.heard, memory.heard)
        unheard = ledger.fills_after(memory.heard)
        assert memory.heard + len(unheard) == position.fills
        assert int(memory.saved) + sum(fill.size_lots for fill, _ in unheard) == position.size_lots
        ledger.close()
