"""maker_taker_hedge in the loop: both venues scripted, time simulated."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.market.order import Order, Side
from core.trading.clock import seconds
from core.trading.ledger import LedgerBatch
from tests.trading.hedge_bench import HANG, HEDGE_MARKET, NOTHING, HedgeBench
from tests.trading.hedge_parts import REJECT, quoting
from tests.trading.scripted_venue import LOSE
from utils.errors import LedgerError


def test_a_maker_fill_is_hedged_on_the_other_leg_at_once(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.1)
    (sent,) = bench.hedge.sent
    assert (sent.side, sent.size_lots, sent.time_in_force, sent.reduce_only) == (Side.SELL, 5, "IOC", False)
    assert bench.exposure() == 0


def test_a_fill_during_a_cancel_is_hedged_within_two_seconds(tmp_path: Path) -> None:
    bench = quoting(tmp_path)

    def fill_first(order: Order) -> None:
        bench.maker.fill(order.client_order_id, 40)

    bench.maker.script.before_cancel = fill_first
    bench.loop.pause()  # takes the quotes off; each fills on its way out
    bench.run(2)
    assert bench.maker.resting == {}
    assert bench.maker.held() == 0
    bench.maker.script.before_cancel = lambda order: fill_first(order) if order.side is Side.BUY else None
    bench.loop.resume()
    bench.run(1)
    bench.loop.pause()
    bench.run(2)
    assert bench.maker.held() == Decimal("0.04")
    assert bench.exposure() == 0


def test_exposure_is_hedged_and_not_the_single_fill(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.maker.hit(Side.BUY, 30, stream=False)  # never told; a report will bring it
    bench.maker.hit(Side.BUY, 20)
    bench.tell_again("maker")
    bench.run(0.1)
    assert [order.size_lots for order in bench.hedge.sent] == [2]
    bench.run(12)
    assert sum(order.size_lots for order in bench.hedge.sent) == 5
    assert bench.exposure() == 0


def test_while_one_hedge_is_outstanding_fills_only_grow_the_next(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.takes.append(HANG)
    bench.maker.hit(Side.BUY, 20)
    bench.run(0.3)
    bench.maker.hit(Side.BUY, 30)
    bench.run(0.3)
    (first,) = bench.hedge.sent
    bench.hedge.fill(first.client_order_id, 2)
    bench.run(0.5)
    assert [order.size_lots for order in bench.hedge.sent] == [2, 3]
    assert bench.exposure() == 0


def test_a_partial_hedge_is_followed_by_one_that_reaches_farther(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_slippage_bps=10, hedge_slippage_step=2)
    bench.hedge.takes.extend([3, NOTHING])
    bench.maker.hit(Side.BUY, 100)
    bench.run(1)
    first, second, third = bench.hedge.sent
    assert [order.size_lots for order in (first, second, third)] == [10, 7, 7]
    assert first.price_ticks > second.price_ticks > third.price_ticks
    assert bench.exposure() == 0


def test_lots_that_do_not_match_leave_a_residue_that_the_next_fills_use_up(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    for lots in (4, 3):
        bench.maker.hit(Side.BUY, lots)
        bench.run(0.2)
    assert bench.hedge.sent == []
    bench.maker.hit(Side.BUY, 5)
    bench.run(0.2)
    assert [order.size_lots for order in bench.hedge.sent] == [1]
    assert bench.stats["residue"] == {"buy": "0", "sell": "0.002"}
    bench.restart()
    bench.run(1)
    assert bench.stats["residue"] == {"buy": "0", "sell": "0.002"}


def test_a_side_without_money_on_the_hedge_leg_is_not_quoted(tmp_path: Path) -> None:
    spot = replace(HEDGE_MARKET, kind="spot")
    bench = HedgeBench(tmp_path, hedge=spot)
    bench.hedge.balances = {"SOL": Decimal(0), "USDC": Decimal(10_000)}
    bench.run(1)
    assert set(bench.maker.resting) == {"sell.0"}  # what a bid buys could not be sold there


def test_five_refused_hedges_unwind_on_the_maker_leg_and_pause(tmp_path: Path) -> None:
    bench = quoting(tmp_path, failure_pause_s=30)
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    bench.run(5)
    assert len(bench.hedge.sent) == 5
    (unwound,) = bench.maker.sent
    assert (unwound.side, unwound.size_lots) == (Side.SELL, 50)
    assert bench.exposure() == 0
    assert (bench.maker.resting, "hedge_failed" in bench.gates) == ({}, True)
    assert bench.loop.snapshot()["phase"] == "PAUSED"


def test_quotes_are_off_before_anything_is_unwound(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    del bench.journal[:]
    bench.run(5)
    mine = [what for leg, what in bench.journal if leg == "maker"]
    assert mine == ["cancel", "cancel", "take sell"]


def test_after_the_pause_it_quotes_again(tmp_path: Path) -> None:
    bench = quoting(tmp_path, failure_pause_s=5, max_failures=10)
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    bench.run(3)
    bench.hedge.take = "fill"
    assert bench.maker.resting == {}
    bench.run(70)  # the breaker has its own time
    assert set(bench.maker.resting) == {"buy.0", "sell.0"}


def test_on_hedge_failure_stop_halts_the_bot_for_good(tmp_path: Path) -> None:
    bench = quoting(tmp_path, on_hedge_failure="stop")
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    bench.run(5)
    assert bench.loop.finished is not None
    assert (bench.loop.finished.status, bench.maker.resting) == (77, {})


def test_too_many_failures_in_a_row_halt_the_bot_once_all_is_unwound(tmp_path: Path) -> None:
    bench = quoting(tmp_path, max_failures=1)
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    bench.run(5)
    assert bench.loop.finished is not None
    assert bench.loop.finished.status == 77
    assert bench.exposure() == 0
    assert bench.strategy.saved() == {"reference": "0", "failures": 0, "paused_until_utc_ns": 0}  # a reset begins anew


def test_too_much_that_is_not_hedged_pulls_the_quotes(tmp_path: Path) -> None:
    bench = quoting(tmp_path, max_unhedged_usd=2)
    bench.hedge.take = HANG
    bench.maker.hit(Side.BUY, 50)  # worth 5
    bench.run(0.5)
    assert (bench.maker.resting, "unhedged" in bench.gates) == ({}, True)


def test_what_is_not_hedged_for_too_long_pulls_the_quotes(tmp_path: Path) -> None:
    bench = quoting(tmp_path, max_unhedged_s=1, hedge_timeout_s=60)
    bench.hedge.take = HANG
    bench.maker.hit(Side.BUY, 10)
    bench.run(0.5)
    assert set(bench.maker.resting) == {"buy.0", "sell.0"}
    bench.run(1.5)
    assert (bench.maker.resting, "unhedged" in bench.gates) == ({}, True)


def test_a_hedge_of_unknown_outcome_is_looked_up_before_any_other(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_timeout_s=1)
    bench.hedge.script.submit = LOSE  # it never arrives, and nobody says so
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.9)
    asked = len(bench.hedge.reports_asked)
    assert len(bench.hedge.sent) == 1
    bench.hedge.script.reports.extend(["incomplete"] * 4)
    bench.run(0.5)
    assert (len(bench.hedge.sent), bench.maker.resting) == (1, {})
    assert len(bench.hedge.reports_asked) > asked
    bench.hedge.script.submit = "answer"
    bench.hedge.script.reports.clear()
    bench.run(6)
    assert len(bench.hedge.sent) == 2
    assert bench.exposure() == 0


def test_a_silent_market_does_not_keep_a_late_answer_from_being_noticed(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_timeout_s=1)
    bench.silent = {"maker", "hedge"}
    bench.hedge.take = HANG
    bench.maker.hit(Side.BUY, 10)
    bench.run(0.3)
    assert set(bench.maker.resting) == {"buy.0", "sell.0"}
    bench.run(1.2)
    assert bench.maker.resting == {}


def test_a_lost_answer_of_a_hedge_that_filled_is_not_hedged_twice(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_timeout_s=1)
    bench.hedge.takes.append(HANG)
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.2)
    (sent,) = bench.hedge.sent
    bench.hedge.fill(sent.client_order_id, 5, stream=False)
    bench.run(10)
    assert len(bench.hedge.sent) == 1
    assert bench.exposure() == 0
    assert bench.stats["hedge_state"] == "IDLE"


def test_a_hedge_leg_without_prices_takes_the_quotes_off(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.silent.add("hedge")
    bench.run(6)
    assert bench.maker.resting == {}


def test_a_fill_while_the_hedge_leg_has_no_prices_is_unwound_on_the_maker_leg(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_timeout_s=1, hedge_retries=2)
    bench.silent.add("hedge")
    bench.run(4.5)
    bench.hedge.take = REJECT
    bench.maker.hit(Side.BUY, 50)
    bench.run(8)
    assert bench.exposure() == 0
    assert bench.maker.held() == 0


def test_a_hedge_that_the_venue_confirms_ends_idle_and_one_report_was_asked_for_it(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    asked = len(bench.hedge.reports_asked)
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.5)
    assert bench.stats["hedge_state"] == "IDLE"
    assert len(bench.hedge.reports_asked) == asked + 1


def test_a_position_that_the_venue_does_not_confirm_is_hedged_as_the_venue_has_it(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.position_lots = -3
    bench.maker.hit(Side.BUY, 50)
    bench.run(0.5)
    assert bench.stats["hedge_state"] == "VERIFY"
    bench.run(60, lambda: len(bench.hedge.sent) > 1)
    assert [order.size_lots for order in bench.hedge.sent] == [5, 2]


@pytest.mark.parametrize("side", list(Side))
def test_on_one_venue_a_fill_is_flattened_where_it_was_made(tmp_path: Path, side: Side) -> None:
    bench = quoting(tmp_path, hedge=None)
    bench.maker.hit(side, 50)
    bench.run(2)
    (sent,) = bench.maker.sent
    assert (sent.side, sent.size_lots) == (side.opposite, 50)
    assert bench.maker.held() == 0
    assert set(bench.maker.resting) == {"buy.0", "sell.0"}


def test_on_one_venue_no_quote_of_ours_stands_in_the_way_of_the_taker(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge=None)
    del bench.journal[:]
    bench.maker.hit(Side.BUY, 50)
    bench.run(2)
    whats = [what for _, what in bench.journal]
    assert whats[:3] == ["cancel", "cancel", "take sell"]
    assert bench.stats["hedges"] == 1


@pytest.mark.parametrize("on_failure", ["unwind_maker", "stop", "pause"])
def test_a_ledger_that_cannot_be_written_for_a_while_is_no_failure_of_hedging(tmp_path: Path, on_failure: str) -> None:
    bench = quoting(tmp_path, on_hedge_failure=on_failure)
    write, full_until_ns = bench.ledger.write, bench.clock.now_ns() + seconds(3)

    def write_or_fail(batch: LedgerBatch) -> int:
        if bench.clock.now_ns() < full_until_ns:
            raise LedgerError("no space left")
        return write(batch)

    bench.ledger.write = write_or_fail  # type: ignore[method-assign]
    bench.maker.hit(Side.BUY, 50)
    bench.run(2)
    assert bench.maker.resting == {}
    assert bench.hedge.sent == []
    bench.run(3)
    assert bench.exposure() == 0
    assert [order.size_lots for order in bench.hedge.sent] == [5]
    assert bench.stats["failures"] == 0
    assert set(bench.maker.resting) == {"buy.0", "sell.0"}


def test_an_open_breaker_does_not_hold_a_hedge_back(tmp_path: Path) -> None:
    bench = quoting(tmp_path, risk={"max_consecutive_rejects": 1})
    bench.hedge.takes.extend([REJECT])
    bench.maker.hit(Side.BUY, 50)
    bench.run(1)
    assert "breaker" in bench.gates
    assert bench.hedge.held() == Decimal("-0.05")


def test_attempts_that_each_fill_a_little_are_no_failure(tmp_path: Path) -> None:
    bench = quoting(tmp_path)
    bench.hedge.takes.extend([1] * 8)
    bench.maker.hit(Side.BUY, 90)
    bench.run(2)
    assert len(bench.hedge.sent) == 9
    assert (bench.exposure(), bench.maker.sent) == (0, [])


def test_a_hedge_never_goes_beyond_the_limit_of_its_leg(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_ratio=1.0, risk={"max_position": 0.1}, on_hedge_failure="pause")
    bench.maker.hit(Side.BUY, 100)
    bench.run(0.5)
    assert [order.size_lots for order in bench.hedge.sent] == [10]
    bench.maker.fill(bench.maker.submitted[0].client_order_id, 60)  # the venue filled more than we had asked for
    bench.run(2)
    assert sum(order.size_lots for order in bench.hedge.sent) == 10
    assert bench.maker.resting == {}


def test_a_single_attempt_in_vain_unwinds_only_once_the_quotes_are_gone(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_retries=1)
    bench.hedge.take = REJECT
    bench.maker.script.cancel = LOSE
    bench.maker.hit(Side.BUY, 50)
    bench.run(1)
    assert (len(bench.hedge.sent), bench.maker.sent) == (1, [])
    bench.maker.script.cancel = "answer"
    bench.run(10)
    assert bench.exposure() == 0


def test_on_one_venue_a_taker_that_finds_nothing_tries_on_with_the_widest_reach(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge=None, hedge_retries=2)
    bench.maker.take = NOTHING
    bench.maker.hit(Side.BUY, 50)
    bench.run(12)
    assert len(bench.maker.sent) >= 5
    assert bench.maker.resting == {}
    bench.maker.take = "fill"
    bench.run(5)
    assert bench.maker.held() == 0


def test_fills_that_are_heard_in_one_step_make_one_hedge_however_short_the_pause(tmp_path: Path) -> None:
    bench = quoting(tmp_path, hedge_min_interval_s=0)
    bench.hedge.takes.append(HANG)
    for lots in (20, 30):
        bench.maker.hit(Side.BUY, lots)
    bench.loop.step()
    (first,) = bench.hedge.sent
    assert first.size_lots == 5
    bench.hedge.fill(first.client_order_id, 5)
    bench.run(1)
    assert bench.hedge.sent == [first]
    assert bench.exposure() == 0


def test_a_close_at_the_start_that_takes_its_time_is_no_hedge_that_failed(tmp_path: Path) -> None:
    perp = replace(HEDGE_MARKET, lot_size=Decimal("0.001"))
    bench = quoting(tmp_path, maker=perp, risk={"max_position": 5})
    bench.maker.hit(Side.BUY, 50)
    bench.run(1)
    assert (bench.maker.held(), bench.hedge.held()) == (Decimal("0.05"), Decimal("-0.05"))
    bench.settings = replace(bench.settings, startup_position="close_all")
    bench.maker.take = 10  # lots of 50, an order a second
    bench.restart(fresh=True)
    bench.run(2)
    assert bench.loop.snapshot()["phase"] == "CLOSING"
    assert bench.maker.held() != bench.hedge.held()
    bench.run(8)
    assert (bench.maker.held(), bench.hedge.held(), bench.stats["failures"], bench.gates) == (0, 0, 0, [])
    assert len(bench.maker.resting) == 2
