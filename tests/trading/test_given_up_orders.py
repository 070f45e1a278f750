"""Orders that a report did not list: closed when that is safe, and back at once when the venue says that they rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.market.order import OrderEvent, OrderState, Side
from core.trading.clock import seconds
from tests.trading.scripted_venue import LOSE, ScriptedVenue
from tests.trading.workbench import BOTH, Bench


def given_up(folder: Path) -> Bench:
    """Return a bench whose first two orders never arrived, were called absent and replaced; no report comes now."""
    bench = Bench(folder, ScriptedVenue(late_arrival_s=3), risk={"max_position": 2.0}, interval_s=0.5)
    bench.venue.script.submit = LOSE
    bench.run(1)
    bench.venue.script.submit = "answer"
    bench.run(7)
    assert len(bench.resting) == 2
    bench.venue.script.reports.extend(["none"] * 1000)
    return bench


def live_ids(bench: Bench) -> set[str]:
    return {order.client_order_id for order in bench.loop._bot.legs[0].tracker.live()}


def test_an_order_accepted_after_it_was_given_up_is_live_at_once_and_cancelled_by_the_next_decision(
    tmp_path: Path,
) -> None:
    bench = given_up(tmp_path)
    late = bench.venue.unsent[0]
    bench.venue.rest(late)
    bench.step(1)
    assert late.client_order_id in live_ids(bench)
    assert late.client_order_id in {order.client_order_id for order in bench.ledger.open_orders()}
    bench.run(1)
    assert len(bench.resting) == len(bench.venue.open_orders) == 2


def test_an_order_that_fills_after_it_was_given_up_is_live_at_once_with_its_rest(tmp_path: Path) -> None:
    bench = given_up(tmp_path)
    late = bench.venue.unsent[0]
    bench.venue.rest(late, tell=False)
    bench.venue.fill(late.client_order_id, 4)
    bench.step(1)
    (order,) = [o for o in bench.loop._bot.legs[0].tracker.live() if o.client_order_id == late.client_order_id]
    assert order.remaining_lots == 6
    bench.run(1)
    assert late.client_order_id not in bench.venue.open_orders


def test_an_order_that_came_back_counts_for_the_limit(tmp_path: Path) -> None:
    bench = given_up(tmp_path)
    late = next(order for order in bench.venue.unsent if order.side is Side.BUY)
    bench.venue.script.cancel = LOSE
    bench.venue.rest(late)
    bench.step(1)
    leg = bench.loop._bot.legs[0]
    state = bench.loop._bot.risk_state(leg, bench.clock.now_ns())
    assert sum(order.remaining_lots for order in state.live_orders if order.side is Side.BUY) == 20


def test_an_order_that_the_venue_itself_ended_does_not_come_back(tmp_path: Path) -> None:
    bench = given_up(tmp_path)
    key = bench.order_id("buy.0")
    bench.venue.open_orders.pop(key)
    bench.venue.tell(key, OrderEvent.CANCELED)
    bench.step(1)
    bench.venue.tell(key, OrderEvent.ACCEPTED)
    bench.step(1)
    assert key not in live_ids(bench)


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_jump_of_the_wall_clock_neither_ends_nor_stretches_the_acceptance_window(tmp_path: Path, jump_s: int) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=3))
    bench.venue.script.submit = LOSE
    bench.run(1)
    bench.venue.script.submit = "answer"
    bench.clock._utc_offset_ns += seconds(jump_s)
    bench.run(1.8)
    assert len(bench.venue.submitted) == 2
    bench.run(6)
    assert len(bench.venue.submitted) == 4


def test_an_order_of_an_earlier_life_has_its_whole_window_from_the_start_of_this_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=4))
    bench.venue.script.submit = LOSE
    bench.run(0.1)
    bench.die()
    bench.clock._utc_offset_ns += seconds(3600)  # the machine was off, or its clock was set: who knows
    bench.begin()
    bench.run(3.5)
    assert len(bench.ledger.open_orders()) == 2
    bench.run(8)
    assert bench.loop.reconciled
    assert len(bench.ledger.open_orders()) == len(bench.venue.submitted) - 2


def test_an_order_that_was_answered_is_judged_without_a_window(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=600))
    bench.run(1)
    key = bench.order_id("buy.0")
    bench.venue.open_orders.pop(key)
    bench.strategy.wanted = BOTH[1:]
    bench.run(11)
    order = bench.ledger.order(key)
    assert order is not None
    assert order.state is OrderState.CANCELED
