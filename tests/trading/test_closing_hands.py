"""A close that another one takes over, or that runs beside one: what the order before has filled is known first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from core.market.commands import Flatten, Take
from core.market.order import Side
from core.trading.trading_loop import SpotRule
from tests.trading.hedge_bench import FILL, HEDGE_MARKET, NOTHING, HedgeBench
from tests.trading.scripted_venue import ANSWER, LOSE
from tests.trading.test_closing import fill_takes, takes_of
from tests.trading.test_flatten import say
from tests.trading.test_operator_close import holding
from tests.trading.test_starting import position, start_again
from tests.trading.workbench import Bench


def let_the_order_end_unknown(bench: Bench) -> None:
    """Let the closing order fill and end, with no word on how much, and hold all reports back."""
    fill_takes(bench.venue, told=False, price_ticks=9_999)
    bench.venue.script.reports.extend(["none"] * 100)


def ends_flat_by_one_order(bench: Bench, lots: int) -> None:
    bench.run(3)
    bench.venue.script.reports.clear()
    bench.run(15)
    assert (takes_of(bench.venue), position(bench)) == ([(Side.SELL, lots)], 0)


def test_an_operators_close_waits_for_the_fills_of_an_order_that_the_start_sent(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, startup_position="close_all")
    start_again(bench)
    bench.step()
    let_the_order_end_unknown(bench)
    bench.run(1)
    assert takes_of(bench.venue) == [(Side.SELL, 20)]
    bench.loop.begin_close("asked to close", SpotRule.LEAVE)
    ends_flat_by_one_order(bench, 20)


def test_a_stop_that_closes_waits_for_the_fills_of_an_order_that_the_strategy_had_sent(tmp_path: Path) -> None:
    bench = holding(tmp_path, 10, stop_timeout_s=60)
    let_the_order_end_unknown(bench)
    say(bench, Flatten("stop_loss", 20.0, 60.0))
    bench.run(1)
    assert takes_of(bench.venue) == [(Side.SELL, 10)]
    bench.loop.begin_stop("asked to stop", close=True)
    ends_flat_by_one_order(bench, 10)


def test_a_close_waits_for_the_fills_of_an_immediate_order_of_the_strategy(tmp_path: Path) -> None:
    bench = holding(tmp_path, 10)
    bench.strategy.wanted = ()
    bench.run(1.5)
    let_the_order_end_unknown(bench)
    say(bench, Take(Side.SELL, 9_990, 10, reduce_only=True))
    bench.run(1)
    assert takes_of(bench.venue) == [(Side.SELL, 10)]
    bench.loop.begin_close("asked to close", SpotRule.LEAVE)
    ends_flat_by_one_order(bench, 10)


def test_a_close_of_the_start_beside_one_of_the_strategy_sells_the_position_once(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, startup_position="close_all", startup_orders="cancel_all")
    bench.die()
    bench.venue.script.cancel = LOSE
    bench.begin(fresh=True)
    bench.run(2)
    assert bench.phase == "SYNC"
    say(bench, Flatten("stop_loss", 20.0, 60.0))
    fill_takes(bench.venue, told=False, price_ticks=9_999)
    bench.venue.script.cancel = ANSWER
    while not takes_of(bench.venue):
        bench.run(0.1)
    bench.venue.script.reports.extend(["none"] * 100)
    ends_flat_by_one_order(bench, 20)


def test_a_stop_during_a_close_of_the_start_lets_a_hedge_come_into_balance(tmp_path: Path) -> None:
    bench = HedgeBench(tmp_path, replace(HEDGE_MARKET, symbol="SOL-USDC"))
    bench.run(1)
    bench.maker.hit(Side.BUY, 10)
    bench.run(2)
    assert (bench.maker.held(), bench.hedge.held()) == (Decimal("0.1"), Decimal("-0.1"))
    bench.loop.close()
    bench.ledger.close()
    for venue in bench.venues.values():
        venue.open_orders.clear()
    bench.settings = replace(bench.settings, startup_position="close_all")
    bench.hedge.take = NOTHING
    bench.begin(fresh=True)
    bench.run(1.5)
    assert (bench.loop.phase, bench.exposure()) == ("CLOSING", Decimal("-0.1"))
    bench.hedge.take = FILL
    ended = bench.stopped()
    assert (ended.reason, ended.clean, bench.exposure()) == ("test", True, 0)
