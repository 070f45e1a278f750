"""The small parts of the trading loop, each alone."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from api.base_client import Inbox
from core.market.order import Fill, Order, OrderState, Side
from core.market.reports import Balance, VenueReport
from core.trading.balance_sheet import BalanceSheet
from core.trading.clock import SimulatedClock, SystemClock, seconds
from core.trading.cycle_timer import CycleTimer
from core.trading.loop_lag import LoopLag
from core.trading.loop_settings import LoopSettings
from core.trading.quote_uptime import QuoteUptime
from core.trading.reject_breaker import RejectBreaker
from core.trading.report_desk import ReportDesk, ReportTiming
from tests.market_parts import instrument
from tests.trading.scripted_venue import ScriptedVenue


def test_the_simulated_clock_moves_when_waited_on_and_never_back() -> None:
    clock = SimulatedClock(100, 1_000)
    assert clock.wait(150, [3]) == []
    clock.wait(120, [])
    assert (clock.now_ns(), clock.utc_ns()) == (150, 1_050)


def test_the_system_clock_wakes_for_a_descriptor_and_for_the_time() -> None:
    clock = SystemClock()
    reader, writer = os.pipe()
    try:
        began = clock.now_ns()
        assert clock.wait(began + seconds(0.01), [reader]) == []
        assert clock.now_ns() - began >= seconds(0.01)
        os.write(writer, b"x")
        assert clock.wait(clock.now_ns() + seconds(60), [reader]) == [reader]
        assert clock.now_ns() - began < seconds(30)
    finally:
        os.close(reader)
        os.close(writer)
    assert abs(clock.utc_ns() - time.time_ns()) < seconds(5)


def test_uptime_is_the_share_since_the_begin() -> None:
    uptime = QuoteUptime()
    uptime.update(0, True)
    assert uptime.pct(50) == 0.0
    uptime.begin(100)
    uptime.update(150, False)
    assert uptime.pct(200) == 50.0
    uptime.update(200, True)
    assert uptime.pct(300) == 75.0


def test_the_breaker_opens_only_for_rejects_in_a_row_inside_the_window() -> None:
    breaker = RejectBreaker(3, 100, 50)
    for now in (0, 60, 120):
        breaker.rejected(now, group=now)
    assert not breaker.is_open(120)
    breaker.accepted()
    breaker.rejected(130, group=130)
    breaker.rejected(131, group=131)
    assert not breaker.is_open(131)
    breaker.rejected(132, group=132)
    assert breaker.is_open(132)


def test_a_whole_ladder_refused_together_is_one_reject() -> None:
    breaker = RejectBreaker(3, 100, 50)
    for _ in range(10):
        breaker.rejected(5, group=1)
    assert not breaker.is_open(5)


def test_the_breaker_probes_once_after_the_cooldown() -> None:
    breaker = RejectBreaker(2, 100, 50)
    breaker.rejected(0, group=0)
    breaker.rejected(1, group=1)
    assert breaker.is_open(50)
    assert not breaker.is_open(51)
    breaker.rejected(52, group=52)
    assert breaker.is_open(53)
    assert not breaker.is_open(102)
    breaker.accepted()
    breaker.rejected(103, group=103)
    assert not breaker.is_open(103)


def test_the_timer_prefers_an_own_event_over_a_move_and_forgets_both_once_decided() -> None:
    timer = CycleTimer(1_000, 100)
    assert timer.take(0) == "interval"
    timer.hurry("own")
    timer.hurry("move")
    assert timer.take(99) is None
    assert timer.take(100) == "own"
    assert timer.due_ns == 1_100


def test_the_timer_can_be_woken_before_the_interval_and_not_before_the_shortest_cycle() -> None:
    timer = CycleTimer(1_000, 100)
    timer.take(0)
    timer.wake(500)
    assert timer.due_ns == 500
    timer.wake(50)
    assert timer.due_ns == 100
    assert timer.take(100) == "interval"
    assert timer.due_ns == 1_100
    timer.wake(5_000)
    assert timer.due_ns == 1_100


def test_the_timer_lets_a_freed_slot_be_filled_once_unless_something_else_happened() -> None:
    timer = CycleTimer(1_000, 100)
    assert timer.take(0) == "interval"
    timer.hurry("freed")
    assert timer.may_refill
    timer.refilled()
    assert (timer.may_refill, timer.due_ns) == (False, 100)
    timer.hurry("freed")
    assert timer.may_refill
    timer.hurry("move")
    timer.hurry("freed")
    assert (timer.may_refill, timer.take(100)) == (False, "move")
    timer.hurry("freed")
    assert timer.take(200) == "own"
    assert not timer.may_refill


def test_lag_is_the_worst_of_this_second_and_the_one_before() -> None:
    lag = LoopLag()
    lag.called(0)
    lag.promised_ns = 100
    lag.called(400)
    assert lag.worst_ns() == 300
    lag.promised_ns = 10**9
    lag.called(10**9 + 5)
    assert lag.worst_ns() == 300
    lag.promised_ns = 2 * 10**9 + 5
    lag.called(2 * 10**9 + 5)
    assert lag.worst_ns() == 5


def test_settings_read_the_loops_keys_and_keep_defaults_for_what_is_missing_or_null() -> None:
    read = LoopSettings.from_config(
        {"interval_s": 0.5, "price_tolerance_pct": -1, "max_order_age_s": 0, "duration_s": None}, {}
    )
    assert (read.interval_ns, read.duration_ns) == (seconds(0.5), 0)
    assert (read.tolerance.price_pct, read.tolerance.size_pct, read.tolerance.max_order_age_ns) == (-1, 10, 0)
    assert read.reports.interval_ns == seconds(10)


def test_reports_are_asked_for_often_enough_for_a_short_position_age() -> None:
    read = LoopSettings.from_config({}, {"max_position_age_s": 6})
    assert read.reports.interval_ns == seconds(2)
    assert read.reports.timeout_ns <= seconds(2)


# The report desk


def desk(**timing: int) -> tuple[ScriptedVenue, ReportDesk]:
    venue = ScriptedVenue()
    venue.open(Inbox(), "main")
    return venue, ReportDesk(venue, ReportTiming(**timing))


def test_an_urgent_question_is_asked_at_once_and_only_one_at_a_time() -> None:
    venue, asking = desk()
    venue.script.reports.extend(["none"] * 9)
    due = asking.step(100, True, "m")
    asking.step(due, True, "m")
    assert venue.reports_asked == ["m"]


def test_an_unanswered_question_is_asked_again_after_the_time_out() -> None:
    venue, asking = desk(timeout_ns=1_000, first_backoff_ns=10, max_backoff_ns=20, gap_ns=1)
    venue.script.reports.extend(["none"] * 9)
    asking.step(0, True, None)
    assert asking.step(999, True, None) == 1_000
    asking.step(1_000, True, None)
    assert len(venue.reports_asked) == 2


def test_a_late_answer_to_an_older_question_still_counts_until_a_newer_one_was_answered() -> None:
    venue, asking = desk(timeout_ns=1_000, first_backoff_ns=1, max_backoff_ns=1, gap_ns=1)
    venue.script.reports.extend(["none"] * 9)
    asking.step(5, True, None)
    asking.step(2_000, True, None)
    assert asking.take(VenueReport("main", 1, True)) == 5
    assert asking.take(VenueReport("main", 2, True)) == 2_000
    assert asking.take(VenueReport("main", 1, True)) is None


def test_nothing_is_asked_between_intervals_when_nothing_is_urgent() -> None:
    venue, asking = desk(interval_ns=1_000)
    asking.step(0, True, None)
    asking.take(VenueReport("main", 1, True))
    assert asking.step(500, False, None) == 1_000
    asking.step(1_000, False, None)
    assert len(venue.reports_asked) == 2


def test_a_desk_says_until_when_it_has_nothing_to_ask_by_itself() -> None:
    venue, asking = desk(interval_ns=1_000, timeout_ns=300, gap_ns=1)
    venue.script.reports.extend(["none"] * 9)
    asking.step(0, False, None)
    assert asking.idle_until_ns == 0  # whoever asks next is told when an answer is given up
    assert asking.step(10, False, None) == asking.idle_until_ns == 300
    asking.take(VenueReport("main", 1, True))
    assert asking.idle_until_ns == 0
    assert asking.step(20, False, None) == asking.idle_until_ns == 1_000
    asking.step(30, True, None)
    assert asking.idle_until_ns == 0
    asking.take(VenueReport("main", 2, False))
    asking.step(40, False, None)
    assert asking.idle_until_ns == 0  # an answer that was not complete is asked for again


# The tracker


def made(key: str = "a", **changes: object) -> Order:
    return replace(Order(key, "main", Side.BUY, 100, 10), **changes)  # type: ignore[arg-type]


# The balance sheet


def balances(base: str, quote: str, free_quote: str | None = None) -> tuple[Balance, ...]:
    return (
        Balance("SOL", Decimal(base), Decimal(base)),
        Balance("USDC", Decimal(quote), Decimal(free_quote or quote)),
    )


def test_what_our_own_orders_reserve_is_usable_and_what_others_reserve_is_not() -> None:
    sheet = BalanceSheet(instrument())
    own = made(price_ticks=1_000, size_lots=2_000, state=OrderState.NEW)  # 100 x 2 = 200
    sheet.rebase(balances("1", "1000", "500"), [own], 0, frozenset())
    assert sheet.usable == {"SOL": Decimal(1), "USDC": Decimal(700)}
    assert sheet.view([own])["USDC"].available == Decimal(500)


def test_fills_move_the_balances_until_a_report_has_them() -> None:
    sheet = BalanceSheet(instrument())
    sheet.rebase(balances("1", "1000"), [], 0, frozenset())
    bought = Fill("t1", "a", "main", Side.BUY, 1_000, 2_000, "maker", Decimal("0.002"), "SOL", 0)
    sheet.book_fill(bought, 10)
    assert sheet.totals == {"SOL": Decimal("2.998"), "USDC": Decimal(800)}
    sheet.rebase(balances("1", "1000"), [], 5, frozenset())  # asked before the fill, made before it
    assert sheet.totals == {"SOL": Decimal("2.998"), "USDC": Decimal(800)}
    sheet.rebase(balances("2.998", "800"), [], 5, frozenset({"t1"}))  # asked before it, made after it
    assert sheet.totals == {"SOL": Decimal("2.998"), "USDC": Decimal(800)}


def test_nothing_is_known_before_the_first_report_and_a_missing_asset_is_zero_after_it() -> None:
    sheet = BalanceSheet(instrument())
    sheet.book_fill(Fill("t1", "a", "main", Side.BUY, 1_000, 1, "maker", Decimal(0), "USDC", 0), 1)
    assert sheet.totals == {}
    sheet.rebase((), [], 2, frozenset())
    assert sheet.totals == {"SOL": Decimal(0), "USDC": Decimal(0)}


@pytest.mark.parametrize("kind", ["perp", "future"])
def test_orders_on_a_margin_venue_reserve_nothing_by_our_account(kind: str) -> None:
    sheet = BalanceSheet(instrument(kind=kind))
    sheet.rebase(balances("0", "1000", "400"), [made(price_ticks=1_000, size_lots=2_000)], 0, frozenset())
    assert sheet.usable["USDC"] == Decimal(400)
