"""A hedged pair over the ends of its lives: restarts, stops, closes, a gate that trips."""

from __future__ import annotations

from pathlib import Path

from core.market.order import OrderEvent, Side
from core.trading.trading_loop import SpotRule
from tests.trading.hedge_bench import HANG, NOTHING, HedgeBench
from tests.trading.hedge_parts import REJECT, quoting


def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    bench = quoting(tmp_path, failure_pause_s=60)
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    bench.run(5)
    bench.restart()
    bench.run(5)
    assert ("hedge_failed" in bench.gates, bench.maker.resting) == (True, {})


def test_a_restart_with_an_open_exposure_hedges_before_it_quotes(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.take = HANG
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.2)
    bench.hedge.take = "fill"
    del bench.journal[:]
    bench.restart()
    bench.run(15)
    taken = bench.journal.index(("hedge", "take sell"))
    quoted = [at for at, (leg, what) in enumerate(bench.journal) if leg == "maker" and what.startswith("quote")]
    assert quoted
    assert taken < min(quoted)
    assert bench.exposure() == 0


def test_a_stop_takes_the_quotes_off_then_hedges_then_ends(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_timeout_s=30)
    bench.hedge.takes.append(HANG)
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.2)
    (first,) = bench.hedge.sent
    del bench.journal[:]
    bench.loop.begin_stop("test")
    bench.run(0.5)
    assert bench.loop.snapshot()["phase"] == "STOPPING"
    bench.hedge.fill(first.client_order_id, 3)
    bench.hedge.open_orders.clear()
    bench.hedge.tell(first.client_order_id, OrderEvent.CANCELED)
    ended = bench.stopped()
    assert ended.clean
    assert bench.exposure() == 0
    whats = [(leg, what) for leg, what in bench.journal if what != "cancel" or leg == "maker"]
    assert whats[:2] == [("maker", "cancel")] * 2
    assert ("hedge", "take sell") in whats[2:]


def test_a_stop_does_not_wait_for_ever_for_a_hedge(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.take = HANG
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.2)
    began_ns = bench.clock.now_ns()
    ended = bench.stopped()
    assert (bench.clock.now_ns() - began_ns) / 1e9 < 9
    assert ended.reason == "test (not in balance: the time to settle was over)"


def test_a_close_leaves_nothing_on_either_leg(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.5)
    bench.loop.begin_close("test", SpotRule.CLOSE)
    bench.run(10, lambda: bench.loop.finished is not None)
    assert bench.loop.finished is not None
    assert (bench.maker.held(), bench.hedge.held()) == (0, 0)


def test_what_was_held_at_the_first_start_is_the_level_that_flat_means(tmp_path: Path) -> None:
    bench = HedgeBench(tmp_path, reference_position="startup")
    bench.hedge.position_lots = 40
    bench.run(30, lambda: bool(bench.maker.resting))
    assert bench.hedge.sent == []
    assert bench.stats["reference_position"] == "0.4"
    bench.hedge.position_lots = None


def test_what_a_close_has_closed_is_not_bought_back_by_the_next_life(tmp_path: Path) -> None:
    bench = HedgeBench(tmp_path, reference_position="startup")
    bench.hedge.position_lots = 40
    bench.run(30, lambda: bool(bench.maker.resting))
    bench.loop.begin_close("test", SpotRule.CLOSE)
    bench.run(0.3)
    bench.hedge.position_lots = 0
    bench.run(20, lambda: bench.loop.finished is not None)
    assert [(order.side, order.size_lots) for order in bench.hedge.sent] == [(Side.SELL, 40)]
    bench.restart()
    bench.run(10)
    assert bench.maker.resting
    assert len(bench.hedge.sent) == 1
    assert bench.stats["reference_position"] == "0"


def test_a_fill_of_a_flat_pair_while_no_worker_lived_is_hedged_by_the_next_life(tmp_path: Path) -> None:
    bench = quoting(tmp_path, reference_position="startup")
    bench.maker.hit(Side.BUY, 50, stream=False)
    bench.restart()
    bench.run(15)
    assert bench.stats["reference_position"] == "0"
    assert bench.exposure() == 0
    assert [order.size_lots for order in bench.hedge.sent] == [5]


def test_a_tripped_gate_lets_what_is_open_be_hedged_before_the_end(tmp_path: Path) -> None:
    bench = quoting(tmp_path, risk={"max_loss": 0.05})
    bench.hedge.takes.extend([NOTHING, NOTHING])
    bench.maker.hit(Side.BUY, 90)
    bench.run(0.1)
    bench.silent.add("maker")
    bench.maker.book(9_800, 9_802, lots=1_000_000)  # what was bought lost 2 %
    bench.run(10, lambda: bench.loop.finished is not None)
    assert bench.loop.finished is not None
    assert bench.loop.finished.status == 77
    assert bench.exposure() == 0


def test_a_close_takes_the_place_of_a_stop_that_waits_for_a_hedge(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.takes.append(HANG)
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.2)
    bench.loop.begin_stop("test")
    bench.loop.begin_handover("later", 1, lambda _orders: None)  # too late for one
    bench.loop.begin_close("close", SpotRule.CLOSE)
    bench.run(0.5)
    assert bench.loop.snapshot()["phase"] == "CLOSING"
    hanging = bench.hedge.sent[0]
    bench.hedge.open_orders.clear()
    bench.hedge.tell(hanging.client_order_id, OrderEvent.CANCELED)
    bench.run(15, lambda: bench.loop.finished is not None)
    assert bench.loop.finished is not None
    assert (bench.loop.finished.closed, bench.maker.held(), bench.hedge.held()) == (True, 0, 0)


def test_a_run_that_is_over_in_the_middle_of_a_hedge_settles_and_ends(tmp_path: Path) -> None:
    bench = quoting(tmp_path, duration_s=3)
    bench.run(1.5)
    bench.hedge.takes.append(HANG)
    bench.maker.hit(Side.BUY, 50)
    bench.run(20, lambda: bench.loop.finished is not None)
    assert bench.loop.finished is not None
    assert bench.loop.finished.reason == "the duration is over (not in balance: the time to settle was over)"
