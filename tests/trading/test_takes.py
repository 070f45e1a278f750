"""Immediate orders of a strategy: none asks once more for what the one before it may have done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.market.commands import Command, Take
from core.market.events import Event, TradePrint
from core.market.order import Order, OrderEvent, Side
from strategies.base import View
from tests.trading.scripted_venue import PERP, ScriptedVenue
from tests.trading.test_closing import takes_of
from tests.trading.workbench import Bench

BUY, SELL = Take(Side.BUY, 10_001, 10), Take(Side.SELL, 9_999, 10)


def end_takes(venue: ScriptedVenue, lots: int, **told: Any) -> None:
    """From now on `lots` of each immediate order fill, and only reports tell of it; its end says what `told` says."""
    rest = venue.rest

    def ending(order: Order, tell: bool = True) -> None:
        rest(order, tell)
        if order.time_in_force == "IOC":
            venue.open_orders.pop(order.client_order_id)
            if lots:
                venue.fill(order.client_order_id, lots, stream=False)
            venue.tell(order.client_order_id, OrderEvent.CANCELED, **told)

    venue.rest = ending  # type: ignore[method-assign]


def taking(folder: Path, lots: int, **told: Any) -> Bench:
    """Return a bench that wants no quotes, and whose first take has ended."""
    bench = Bench(folder, ScriptedVenue(PERP))
    bench.strategy.wanted = ()
    bench.run(1)
    end_takes(bench.venue, lots, **told)
    bench.venue.script.reports.extend(["incomplete"] * 3)
    say(bench, BUY)
    assert takes_of(bench.venue) == [(Side.BUY, 10)]
    return bench


def say(bench: Bench, take: Take) -> None:
    bench.strategy.says = [take]
    bench.venue.book(9_999, 10_001)
    bench.step()


def position(bench: Bench) -> int:
    return bench.loop._bot.legs[0].position.size_lots


@pytest.mark.parametrize("told", [{}, {"filled_lots": 10}])
def test_a_take_whose_fills_are_not_known_is_followed_by_none_of_its_side(tmp_path: Path, told: dict[str, Any]) -> None:
    bench = taking(tmp_path, 10, **told)
    assert bench.loop._bot.view.unbooked["main"] == {"take"}
    say(bench, BUY)
    assert takes_of(bench.venue) == [(Side.BUY, 10)]
    assert bench.loop.snapshot()["stats"]["skipped.take_not_booked"] == 1
    bench.run(5)
    assert (position(bench), bench.loop._bot.view.unbooked["main"]) == (10, frozenset())
    say(bench, BUY)
    assert takes_of(bench.venue) == [(Side.BUY, 10)] * 2


def test_the_venue_is_asked_at_once_what_such_a_take_came_to(tmp_path: Path) -> None:
    bench = taking(tmp_path, 10)
    bench.venue.script.reports.clear()
    bench.run(0.5)
    assert position(bench) == 10


def test_an_answer_to_an_older_question_does_not_say_what_a_take_came_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.strategy.wanted = ()
    bench.run(1)
    end_takes(bench.venue, 10)
    bench.venue.script.reports.append("none")
    leg = bench.loop._bot.legs[0]
    leg.want_report(bench.clock.now_ns())
    bench.loop.step()  # asked; the answer is under way
    early = bench.venue.report(leg.desk.questions, None)
    say(bench, BUY)
    bench.venue.inbox.put(early)
    bench.loop.step()
    say(bench, BUY)
    assert takes_of(bench.venue) == [(Side.BUY, 10)]


def test_a_take_that_ended_unfilled_by_the_venues_word_may_be_repeated_at_once(tmp_path: Path) -> None:
    bench = taking(tmp_path, 0, filled_lots=0)
    say(bench, BUY)
    assert takes_of(bench.venue) == [(Side.BUY, 10)] * 2


def test_a_position_that_somebody_else_moves_does_not_keep_a_take_waiting_for_ever(tmp_path: Path) -> None:
    bench = taking(tmp_path, 4)
    for lots in (30, 50, 20, 40, 60, 10, 70, 90):  # never the same gap twice, so that none is adjusted
        bench.venue.position_lots = lots
        bench.run(1)
    say(bench, BUY)
    assert takes_of(bench.venue) == [(Side.BUY, 10)] * 2


def test_a_take_of_the_other_side_is_not_held_back(tmp_path: Path) -> None:
    bench = taking(tmp_path, 10)
    say(bench, SELL)
    assert takes_of(bench.venue) == [(Side.BUY, 10), (Side.SELL, 10)]


def test_the_next_event_of_a_step_finds_the_take_that_an_earlier_one_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.strategy.wanted = ()
    bench.run(1)
    hear, seen = bench.strategy.on_event, []

    def noting(event: Event, view: View) -> list[Command]:
        seen.append([order.side for order in view.open_orders["main"]])
        return hear(event, view)

    bench.strategy.on_event = noting  # type: ignore[method-assign]
    bench.strategy.says = [BUY]
    for _ in range(2):
        bench.venue.inbox.put(TradePrint("main", 10_000, 1, Side.BUY, 0, 0))
    bench.loop.step()
    assert seen[:2] == [[], [Side.BUY]]


def test_a_history_that_is_behind_the_orders_says_nothing_of_a_take_before_its_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.venue.capabilities = replace(bench.venue.capabilities, history_lag_s=1.0)
    bench.strategy.wanted = ()
    bench.run(1)
    end_takes(bench.venue, 0)
    say(bench, BUY)
    bench.run(0.5)
    say(bench, BUY)
    (order,) = [order for order in bench.venue.submitted if order.time_in_force == "IOC"]
    bench.venue.fill(order.client_order_id, 10, stream=False)
    bench.run(3)
    assert (position(bench), bench.loop._bot.view.unbooked["main"]) == (10, frozenset())
    say(bench, BUY)
    assert len(takes_of(bench.venue)) == 2
