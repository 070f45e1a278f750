"""Why a bot does not quote, and what a tripped limit does. Scenarios 5, 6, 9 and 10 of the strategies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.market.commands import Halt, Take
from core.market.order import OrderEvent, Side
from core.trading.latches import Latches
from tests.trading.scripted_venue import LOSE, LOSE_ANSWER, PERP, ScriptedVenue
from tests.trading.workbench import BOTH, Bench
from utils.errors import StrategyBug, VenueUnreachable


def test_a_book_that_freezes_on_a_live_link_pulls_the_quotes_once_and_resumes_by_itself(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    bench.run(1)
    bench.feed = None
    bench.run(4.5)
    assert len(bench.resting) == 2
    bench.run(1.5)
    assert (bench.gates, bench.resting, bench.phase) == (["stale"], {}, "PAUSED")
    bench.run(20)
    assert len(bench.venue.cancels) == 2
    assert len(bench.venue.submitted) == 2
    bench.feed = (9_999, 10_001)
    bench.run(0.3)
    assert (bench.gates, bench.phase, len(bench.resting)) == ([], "QUOTING", 2)


def test_a_position_that_cannot_be_asked_for_pauses_and_changes_nothing_in_the_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1)
    asked = len(bench.venue.reports_asked)
    bench.venue.script.reports.extend(["incomplete"] * 10)
    bench.venue.script.report_error = VenueUnreachable("down")
    bench.run(45)
    assert len(bench.venue.reports_asked) >= asked + 10
    assert (bench.gates, bench.resting) == (["stale"], {})
    assert bench.loop.snapshot()["position"] == "1.0"
    assert not [order for order in bench.venue.submitted if order.time_in_force == "IOC"]
    bench.venue.script.report_error = None
    bench.venue.script.reports.clear()
    bench.run(6)
    assert bench.phase == "QUOTING"


def test_an_order_acknowledged_after_the_gate_shut_is_cancelled_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    bench.venue.script.submit = LOSE
    bench.run(0.5)
    bench.loop.pause()
    bench.run(0.5)
    for order in bench.venue.unsent:
        bench.venue.rest(order)
    bench.run(0.5)
    assert bench.resting == {}


def test_an_order_of_unknown_outcome_is_cancelled_when_a_gate_shuts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(late_arrival_s=100), interval_s=60.0)
    bench.venue.script.submit = LOSE_ANSWER
    bench.run(0.5)
    bench.venue.script.reports.extend(["incomplete"] * 100)  # so that no report settles it
    bench.run(3)
    bench.feed = None
    bench.run(6)
    assert bench.venue.open_orders == {}


def test_an_operators_pause_takes_quotes_off_and_resume_brings_them_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.loop.pause()
    bench.run(1)
    assert (bench.gates, bench.phase, bench.resting) == (["paused"], "PAUSED", {})
    bench.loop.resume()
    bench.run(1)
    assert (bench.gates, bench.phase, len(bench.resting)) == ([], "QUOTING", 2)


def test_immediate_orders_are_not_sent_while_a_gate_is_shut(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.loop.pause()
    bench.run(1)
    sent = len(bench.venue.submitted)
    bench.strategy.says = [Take(Side.BUY, 10_001, 1)]
    bench.venue.book(9_999, 10_001)
    bench.run(1)
    assert len(bench.venue.submitted) == sent


def test_with_both_sides_over_the_limit_no_order_of_ours_is_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_order_age_s=0)
    bench.run(1)
    bench.venue.balances.update(SOL=bench.venue.balances["SOL"] * 0, USDC=bench.venue.balances["USDC"] * 0)
    bench.run(12)
    assert bench.resting == {}
    assert (bench.phase, bench.gates) == ("PAUSED", ["withheld"])  # it must not look like one that quotes


def test_with_each_side_blocked_by_another_limit_no_order_of_ours_is_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_order_age_s=0, risk={"price_ceiling": 95})  # nothing is bought above
    bench.run(1)
    assert set(bench.resting) == {"sell.0"}
    bench.venue.balances.update(SOL=bench.venue.balances["SOL"] * 0)
    bench.run(12)
    assert (bench.resting, bench.phase, bench.gates) == ({}, "PAUSED", ["withheld"])


def test_a_bot_that_may_place_again_quotes_again_by_itself(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_order_age_s=0)
    bench.run(1)
    before = dict(bench.venue.balances)
    bench.venue.balances.update({asset: total * 0 for asset, total in before.items()})
    bench.run(12)
    bench.venue.balances.update(before)
    bench.run(15)
    assert (bench.phase, bench.gates, len(bench.resting)) == ("QUOTING", [], 2)


def test_a_side_that_may_not_be_placed_alone_is_no_gate(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_order_age_s=0)
    bench.run(1)
    bench.venue.balances.update(SOL=bench.venue.balances["SOL"] * 0)
    bench.run(12)
    assert (bench.phase, bench.gates, len(bench.resting)) == ("QUOTING", [], 1)


def lose_money(bench: Bench) -> None:
    """Buy 1 SOL at 99.90, then let the market fall to 95."""
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.6)
    bench.feed = (9_499, 9_501)


def test_max_loss_is_latched_then_quotes_go_and_the_loop_ends_with_77(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3})
    lose_money(bench)
    bench.run(5)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.status, ended.clean, bench.venue.open_orders) == (77, True, {})
    assert "max_loss" in ended.reason
    latch = Latches(tmp_path / "latches.json").get("max_loss")
    assert latch is not None
    assert latch.action == "cancel"


def test_the_latch_is_on_disk_before_anything_is_done_about_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3, "max_loss_action": "close"})
    lose_money(bench)
    latched_at_take: list[bool] = []
    rest = bench.venue.rest

    def looking(order, tell=True):  # type: ignore[no-untyped-def]
        if order.time_in_force == "IOC":
            latched_at_take.append((tmp_path / "latches.json").exists())
        rest(order, tell)

    bench.venue.rest = looking  # type: ignore[method-assign]
    bench.run(2)
    assert latched_at_take
    assert all(latched_at_take)


def win_and_lose_it_again(bench: Bench) -> None:
    """Buy 1 SOL at 99.90, let the market rise to 105 and fall to 100."""
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.6)
    bench.feed = (10_499, 10_501)
    bench.run(2)
    bench.feed = (9_999, 10_001)


@pytest.mark.parametrize(
    ("risk", "gate", "happens"),
    [
        ({"max_loss": 3}, "max_loss", lose_money),
        ({"max_drawdown_pct": 0.001, "max_drawdown_action": "cancel"}, "max_drawdown", lose_money),
        ({"max_unrealised_loss": 3, "max_unrealised_loss_action": "cancel"}, "max_unrealised_loss", lose_money),
        ({"max_profit": 3, "max_profit_action": "cancel"}, "max_profit", win_and_lose_it_again),
        (
            {"profit_lock_start": 3, "trailing_profit_lock_pct": 50, "trailing_profit_lock_action": "cancel"},
            "profit_lock",
            win_and_lose_it_again,
        ),
    ],
)
def test_a_latch_found_at_the_start_ends_the_loop_before_any_venue_is_opened(
    tmp_path: Path, risk: dict[str, Any], gate: str, happens: Callable[[Bench], None]
) -> None:
    bench = Bench(tmp_path, risk=risk)
    happens(bench)
    bench.run(5)
    assert bench.loop.finished is not None
    bench.die()
    bench.venue.submitted.clear()
    bench.venue.reports_asked.clear()
    for _ in range(2):
        bench.begin()
        ended = bench.loop.finished
        assert ended is not None
        assert (ended.status, bench.venue.is_open) == (77, False)
        assert bench.gates == [gate]
        bench.run(1)
        bench.die()
    assert (bench.venue.submitted, bench.venue.reports_asked) == ([], [])


def test_a_latch_file_that_cannot_be_read_counts_as_latched(tmp_path: Path) -> None:
    (tmp_path / "latches.json").write_text('{"latches": {"max_l')
    bench = Bench(tmp_path)
    assert bench.loop.finished is not None
    assert bench.loop.finished.status == 77


def test_an_operators_reset_clears_the_latch_and_begins_a_new_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3})
    lose_money(bench)
    bench.run(5)
    bench.ledger.reset(bench.clock.utc_ns())
    bench.die()
    bench.begin()
    bench.run(3)
    assert bench.phase == "QUOTING"
    assert bench.loop.snapshot()["stats"]["session_net"] == "0"
    assert bench.loop.snapshot()["unrealised_pnl"] == "-4.9"


def test_a_loss_adds_up_over_restarts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 7})
    lose_money(bench)
    bench.run(2)
    bench.die()
    bench.begin()
    bench.run(2)
    assert bench.loop.finished is None
    assert bench.loop.snapshot()["stats"]["session_net"] == "-4.91"
    bench.feed = (9_199, 9_201)
    bench.run(2)
    assert bench.loop.finished is not None
    assert bench.loop.finished.status == 77


def test_a_loss_at_a_mark_that_is_old_trips_no_gate(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3})
    bench.run(1)
    buy = bench.order_id("buy.0")
    bench.feed = None
    bench.run(7)
    bench.venue.fill(buy, 10, price_ticks=10_400)  # the market has gone there, and nobody told us
    bench.run(3)
    assert bench.gates == ["stale"]
    assert bench.loop.snapshot()["stats"]["session_net"] == "-4.01"
    assert not (tmp_path / "latches.json").exists()


def test_a_loss_on_our_own_position_trips_however_long_the_venue_was_not_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3})
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1)
    bench.venue.script.report_error = VenueUnreachable("down")
    bench.run(45)
    assert bench.gates == ["stale"]
    bench.feed = (9_499, 9_501)
    bench.run(1)
    assert (tmp_path / "latches.json").exists()
    assert "max_loss" in bench.gates


@pytest.mark.parametrize("action", ["close", "close_and_stop"])
@pytest.mark.parametrize("instrument", [None, PERP])
def test_closing_sells_the_position_until_flat_and_ends_with_77(tmp_path: Path, action: str, instrument) -> None:  # type: ignore[no-untyped-def]
    venue = ScriptedVenue(instrument) if instrument else ScriptedVenue()
    bench = Bench(tmp_path, venue, risk={"max_loss": 3, "max_loss_action": action})
    lose_money(bench)
    rest = venue.rest

    def taking(order, tell=True):  # type: ignore[no-untyped-def]
        rest(order, tell)
        if order.time_in_force == "IOC":  # fills 6 of 10 lots, the rest expires
            venue.fill(order.client_order_id, min(6, order.size_lots), price_ticks=9_499)
            if venue.open_orders.pop(order.client_order_id, None):
                venue.tell(order.client_order_id, OrderEvent.EXPIRED)

    venue.rest = taking  # type: ignore[method-assign]
    bench.run(1)
    assert bench.phase == "CLOSING"
    bench.run(10)
    takes = [order for order in venue.submitted if order.time_in_force == "IOC"]
    assert [(order.side, order.size_lots) for order in takes] == [(Side.SELL, 10), (Side.SELL, 4)]
    assert {order.reduce_only for order in takes} == {instrument is PERP}
    assert 9_400 < takes[0].price_ticks <= 9_499
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.status, ended.clean, venue.open_orders) == (77, True, {})
    assert bench.loop.snapshot()["position"] == "0.0"


def test_closing_waits_for_a_price(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3, "max_loss_action": "close"})
    lose_money(bench)
    bench.venue.script.submit = LOSE
    bench.run(1)
    bench.feed = None
    takes = len(bench.venue.submitted)
    bench.run(20)
    assert len(bench.venue.submitted) <= takes + 4
    assert bench.phase == "CLOSING"


def test_halt_of_the_strategy_latches_and_ends_with_77(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.strategy.says = [Halt("the model is broken")]
    bench.run(3)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.status, bench.venue.open_orders) == (77, {})
    assert Latches(tmp_path / "latches.json").get("halt") is not None


def test_a_strategy_that_raises_is_a_strategy_bug_with_its_cause_after_the_orders_are_cancelled(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.strategy.error = ZeroDivisionError("spread")
    with pytest.raises(StrategyBug, match="ZeroDivisionError on Timer: spread") as caught:
        bench.run(3)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert bench.venue.open_orders == {}


def test_two_quotes_for_one_slot_are_a_strategy_bug(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.strategy.wanted = (BOTH[0], replace(BOTH[0], price_ticks=9_000))
    with pytest.raises(StrategyBug):
        bench.run(3)
    assert bench.venue.open_orders == {}


def test_a_leg_that_the_bot_does_not_have_is_a_strategy_bug(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.strategy.says = [Take(Side.BUY, 10_001, 1, leg="hedge")]
    with pytest.raises(StrategyBug, match="hedge"):
        bench.run(3)
