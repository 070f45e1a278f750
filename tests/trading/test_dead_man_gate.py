"""On an account with one dead-man switch no order rests unless the loop was told that the switch is armed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.base_client import DeadManScope
from core.trading.clock import seconds
from core.trading.trading_loop import SpotRule
from tests.trading.scripted_venue import PERP, ScriptedVenue
from tests.trading.test_closing import fill_takes, takes_of
from tests.trading.workbench import Bench


def guarded(folder: Path, scope: DeadManScope = DeadManScope.ACCOUNT, **more: float) -> Bench:
    venue = ScriptedVenue(PERP)
    venue.capabilities = replace(venue.capabilities, dead_man_scope=scope)
    return Bench(folder, venue, **more)


def trust(bench: Bench, for_s: float) -> None:
    bench.loop.trust_dead_man(bench.clock.now_ns() + seconds(for_s))


def test_nothing_is_placed_before_the_switch_is_said_to_be_armed(tmp_path: Path) -> None:
    bench = guarded(tmp_path)
    bench.run(10)
    assert (bench.venue.submitted, bench.gates, bench.phase) == ([], ["dead_man"], "PAUSED")
    trust(bench, 10)
    bench.step()
    assert len(bench.resting) == 2 and bench.gates == []


@pytest.mark.parametrize("scope", [scope for scope in DeadManScope if scope is not DeadManScope.ACCOUNT])
def test_a_switch_that_is_not_the_whole_accounts_holds_nobody_up(tmp_path: Path, scope: DeadManScope) -> None:
    bench = guarded(tmp_path, scope)
    bench.run(1)
    assert len(bench.resting) == 2


def test_quotes_are_taken_off_when_the_time_is_over_and_not_later(tmp_path: Path) -> None:
    bench = guarded(tmp_path, interval_s=600.0)
    trust(bench, 5.3)
    bench.run(5.2)
    assert len(bench.resting) == 2
    bench.feed = None
    bench.run(0.11)
    assert (bench.resting, bench.gates) == ({}, ["dead_man"])


def test_a_switch_that_is_refreshed_costs_no_order_its_place(tmp_path: Path) -> None:
    bench = guarded(tmp_path)
    for _ in range(10):
        trust(bench, 3)
        bench.run(1)
    assert len(bench.venue.submitted) == 2 and not bench.venue.cancels


def test_a_switch_that_is_taken_back_takes_the_quotes_off_at_once(tmp_path: Path) -> None:
    bench = guarded(tmp_path, interval_s=600.0)
    trust(bench, 100)
    bench.run(2)
    bench.loop.trust_dead_man(0)
    bench.step()
    assert bench.resting == {}


def test_a_close_goes_on_without_the_switch_for_nothing_of_it_rests(tmp_path: Path) -> None:
    bench = guarded(tmp_path)
    trust(bench, 3)
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(5)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_close("asked", SpotRule.LEAVE)
    assert bench.end().closed
    assert len(takes_of(bench.venue)) == 1


def test_a_successor_keeps_the_orders_that_were_left_to_it_while_it_waits_for_the_word(tmp_path: Path) -> None:
    bench = guarded(tmp_path)
    trust(bench, 10)
    bench.run(1)
    kept = dict(bench.resting)
    bench.die()
    bench.begin()
    bench.run(0.5)
    assert bench.gates == ["dead_man"] and set(bench.venue.open_orders) and len(bench.venue.open_orders) == len(kept)
    trust(bench, 10)
    bench.run(2)
    assert not bench.venue.cancels
