"""When a decision is made, what goes into it, and what the bot tells about itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.market.commands import Quotes
from core.market.events import FillEvent, Timer, TradePrint, Watch
from core.market.order import Side
from core.trading.clock import seconds
from tests.trading.scripted_venue import ScriptedVenue
from tests.trading.workbench import BOTH, Bench
from utils.errors import ConfigError

SNAPSHOT_KEYS = {
    "phase", "open_orders", "live_orders", "position", "mid", "realised_pnl", "unrealised_pnl", "fees", "funding",
    "fills", "quote_uptime_pct", "gates", "paused", "closing", "legs", "book_age_s", "last_ack_age_s", "loop_lag_ms",
    "stats",
}  # fmt: skip


def causes(bench: Bench) -> list[str]:
    return [event.reason for event in bench.strategy.heard if isinstance(event, Timer)]


def test_decisions_are_made_once_an_interval(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=10.0)
    bench.run(1)
    bench.strategy.heard.clear()
    bench.run(30)
    assert causes(bench) == ["interval"] * 3


def test_a_move_of_the_mid_makes_a_decision_due(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0, requote_bps=5.0)
    bench.run(2)
    bench.strategy.heard.clear()
    bench.feed = (10_003, 10_005)  # 4 bps
    bench.run(2)
    assert causes(bench) == []
    bench.feed = (10_004, 10_006)  # 5 bps
    bench.run(2)
    assert causes(bench) == ["move"]


def test_a_fill_makes_a_decision_due_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    bench.run(2)
    bench.strategy.heard.clear()
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.2)
    assert causes(bench) == ["own"]
    assert len(bench.resting) == 2  # the slot is filled again


def moved(bench: Bench, ticks: int) -> None:
    bench.strategy.wanted = tuple(replace(quote, price_ticks=quote.price_ticks + ticks) for quote in BOTH)


def answer_cancels(bench: Bench) -> None:
    """Let the cancels that got lost arrive after all, and be answered."""
    bench.venue.script.cancel = "answer"
    for key in list(bench.venue.open_orders):
        bench.venue._cancel(key)


def cancelling(folder: Path, **keys: float) -> Bench:
    """Return a bench that has decided to move its quotes; the answers to its cancels are on their way."""
    bench = Bench(folder, **{"interval_s": 60.0, "min_cycle_s": 5.0, "price_tolerance_pct": 0, **keys})
    bench.run(6)
    bench.venue.script.cancel = "lose"
    moved(bench, 2)
    bench.loop._bot.timer.hurry("own")
    bench.run(0.1)
    assert len(bench.venue.cancels) == 2
    bench.strategy.heard.clear()
    return bench


def test_a_slot_that_a_cancel_frees_is_filled_at_once_without_a_decision(tmp_path: Path) -> None:
    bench = cancelling(tmp_path)
    answer_cancels(bench)
    bench.run(0.05)
    assert bench.resting == {"buy.0": 9_992, "sell.0": 10_012}
    assert causes(bench) == []
    bench.run(6)
    assert causes(bench) == ["own"]
    assert len(bench.venue.submitted) == 4


def test_a_freed_slot_waits_for_a_decision_when_the_market_moved_meanwhile(tmp_path: Path) -> None:
    bench = cancelling(tmp_path, requote_bps=5.0)
    bench.feed = (10_007, 10_009)
    bench.run(0.5)
    answer_cancels(bench)
    bench.run(0.5)
    assert (bench.resting, causes(bench)) == ({}, [])
    bench.run(6)
    assert (len(bench.resting), causes(bench)[0]) == (2, "move")


def test_a_freed_slot_waits_for_a_decision_when_something_filled_meanwhile(tmp_path: Path) -> None:
    bench = cancelling(tmp_path)
    bench.venue.fill(bench.order_id("buy.0"), 3)
    answer_cancels(bench)
    bench.run(0.5)
    assert bench.resting == {}


def test_a_freed_slot_is_not_filled_through_the_touch(tmp_path: Path) -> None:
    bench = cancelling(tmp_path)
    bench.feed = (9_985, 9_989)
    bench.run(0.5)
    answer_cancels(bench)
    bench.run(0.5)
    assert bench.resting == {"sell.0": 10_012}


def test_a_freed_slot_is_not_filled_while_a_gate_is_shut(tmp_path: Path) -> None:
    bench = cancelling(tmp_path)
    bench.loop.pause()
    answer_cancels(bench)
    bench.run(0.5)
    assert bench.resting == {}


def test_orders_that_the_venue_cancelled_by_itself_are_not_replaced_before_a_decision(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0, min_cycle_s=5.0)
    bench.run(6)
    moved(bench, 0)
    bench.loop._bot.timer.hurry("own")
    bench.run(0.1)
    for key in list(bench.venue.open_orders):
        bench.venue._cancel(key)
    bench.run(0.5)
    assert bench.resting == {}


def test_decisions_are_never_closer_than_min_cycle(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0, min_cycle_s=0.5, requote_bps=0.0001)
    bench.run(1)
    bench.strategy.heard.clear()
    bench.feed = None
    for number in range(100):
        bench.venue.book(9_990 + number % 5, 10_001)
        bench.run(0.02)
    assert 3 <= len(causes(bench)) <= 5


def test_a_decision_of_a_changing_strategy_does_not_cause_the_next_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=5.0)
    bench.venue.script.cancel = "lose"
    bench.run(1)
    bench.strategy.heard.clear()
    for number in range(40):
        bench.strategy.wanted = BOTH[: number % 2]
        bench.run(0.25)
    assert len(causes(bench)) == 2


def test_a_strategy_that_speaks_on_its_own_is_followed_soon(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    bench.strategy.wanted = None
    bench.run(1)
    bench.strategy.says = [Quotes(BOTH)]
    bench.run(0.7)
    assert len(bench.resting) == 2


def test_a_bot_without_a_book_is_warming_up_and_sends_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.feed = None
    bench.run(3)
    assert (bench.phase, bench.venue.submitted, bench.gates) == ("WARMUP", [], ["stale"])
    assert bench.loop.snapshot()["mid"] is None


def test_the_snapshot_tells_how_far_the_venues_clock_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    assert bench.loop.snapshot()["legs"][0]["clock_offset_ms"] is None
    monkeypatch.setattr(bench.venue, "clock_offset_ms", lambda: -1234.56)
    assert bench.loop.snapshot()["legs"][0]["clock_offset_ms"] == -1235


def test_the_snapshot_has_exactly_the_keys_of_the_contract(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(2):
        shot = bench.loop.snapshot()
        assert shot.keys() == SNAPSHOT_KEYS
        assert shot["legs"][0].keys() == {
            "leg", "exchange", "account", "symbol", "position", "open_orders", "dead_man", "clock_offset_ms",
        }  # fmt: skip
        bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.6)
    shot = bench.loop.snapshot()
    told = {key: shot[key] for key in ("position", "mid", "realised_pnl", "unrealised_pnl", "fees", "fills")}
    assert told == {
        "position": "1.0",
        "mid": "100.00",
        "realised_pnl": "0",
        "unrealised_pnl": "0.1",
        "fees": "0.01",
        "fills": 1,
    }


def test_quote_uptime_counts_the_time_with_both_sides_since_ready(tmp_path: Path) -> None:
    bench = Bench(tmp_path, min_cycle_s=0.1)
    bench.run(50)
    bench.strategy.wanted = BOTH[:1]
    bench.run(50)
    assert 49.0 < bench.loop.snapshot()["quote_uptime_pct"] < 52.0


def test_balances_of_the_view_follow_fills_before_the_next_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    asked = len(bench.venue.reports_asked)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(0.3)
    balances = bench.loop._bot.view.balances["main"]
    assert len(bench.venue.reports_asked) == asked
    assert balances["SOL"].total == Decimal(1001)
    assert balances["USDC"].total == Decimal(100_000) - Decimal("99.90") - Decimal("0.01")


def test_a_wish_that_stays_is_cut_anew_when_the_account_holds_less_or_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    sizes = []
    for held in (Decimal(50), Decimal(1000)):
        bench.venue.balances["USDC"] = held  # somebody moves money, the next report tells
        bench.run(15)
        sizes.append(bench.venue.open_orders[bench.order_id("buy.0")].size_lots)
    assert sizes == [4, 10]


def test_a_fee_in_an_asset_without_a_price_is_counted_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    made = bench.venue.fill(bench.order_id("buy.0"), 1, stream=False)
    for number, asset in enumerate(("BNB", "BNB", "SOL", "USDC")):
        bench.venue.inbox.put(FillEvent("main", replace(made, trade_id=f"x{number}", fee_asset=asset)))
    bench.run(0.3)
    assert bench.loop.snapshot()["stats"]["fees_unvalued"] == 2
    assert [record.getMessage() for record in caplog.records].count("fee_unvalued") == 1
    assert bench.loop.snapshot()["fees"] == "1.009"


def test_a_report_that_knows_a_fill_before_the_stream_does_not_count_it_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(9.9)
    made = bench.venue.fill(bench.order_id("buy.0"), 10, stream=False)
    bench.run(1)
    bench.venue.inbox.put(FillEvent("main", made))
    bench.run(1)
    assert bench.loop._bot.view.balances["main"]["SOL"].total == Decimal(1001)


def test_old_closed_orders_leave_the_ledger_and_fills_stay(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    first = bench.order_id("buy.0")
    bench.venue.fill(first, 10)
    bench.run(1)
    bench.clock.advance(seconds(86_400))
    bench.run(5)
    assert bench.ledger.order(first) is None
    assert bench.booked() == 1


def test_a_loop_with_nothing_to_do_asks_to_be_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    for pause in (False, True):
        if pause:
            bench.loop.pause()
        bench.run(2)
        steps, end_ns = 0, bench.clock.now_ns() + seconds(60)
        while bench.clock.now_ns() < end_ns:
            bench.clock.wait(bench.loop.step(), ())
            steps += 1
        assert steps <= 60 * 3


def test_a_machine_that_slept_finds_its_book_stale_before_it_decides(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(2)
    bench.feed = None
    sent = len(bench.venue.submitted)
    bench.clock.advance(seconds(3_600))
    bench.run(0.2)
    assert (bench.gates, bench.resting, len(bench.venue.submitted)) == (["stale"], {}, sent)


def test_a_limit_below_one_lot_is_a_config_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_position"):
        Bench(tmp_path, ScriptedVenue(), risk={"max_position": 0.01})


def test_a_decision_in_a_step_in_which_nothing_happens_goes_by_the_time_of_that_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(2)
    bench.feed = None
    bench.strategy.decided.clear()
    bench.run(3)
    assert len(bench.strategy.decided) == 3
    assert all(view_ns == timer_ns for timer_ns, view_ns, _ in bench.strategy.decided)


def test_a_decision_goes_by_a_report_that_came_in_the_same_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(2.5)
    asked_ns = bench.clock.now_ns()
    bench.loop._bot.legs[0].want_report(asked_ns)
    bench.loop.step()
    bench.clock.advance(seconds(1))
    bench.loop.step()
    assert bench.strategy.decided[-1][2] == asked_ns


@pytest.mark.parametrize(("price_ticks", "is_heard"), [(10_000, True), (10_090, True), (10_150, False), (8_000, False)])
def test_a_print_far_outside_the_book_is_told_to_no_strategy(tmp_path: Path, price_ticks: int, is_heard: bool) -> None:
    bench = Bench(tmp_path)
    bench.strategy.wanted = ()
    bench.run(1)
    bench.strategy.heard.clear()
    bench.venue.inbox.put(TradePrint("main", price_ticks, 1, Side.BUY, 0, 0))
    bench.step()
    bench.venue.book(*bench.feed)
    bench.step()
    assert any(isinstance(event, TradePrint) for event in bench.strategy.heard) is is_heard
    assert bench.loop.snapshot()["stats"].get("prints_off_market", 0) == (0 if is_heard else 1)


def test_a_print_that_the_next_book_bears_out_is_told_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.strategy.wanted = ()
    bench.run(1)
    bench.strategy.heard.clear()
    bench.venue.inbox.put(TradePrint("main", 9_500, 1, Side.SELL, 0, 0))
    bench.venue.book(9_495, 9_505)
    bench.step()
    assert [event.price_ticks for event in bench.strategy.heard if isinstance(event, TradePrint)] == [9_500]
    assert "prints_off_market" not in bench.loop.snapshot()["stats"]


def test_before_there_is_a_book_a_print_says_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.strategy.heard.clear()
    bench.venue.inbox.put(TradePrint("main", 10_000, 1, Side.BUY, 0, 0))
    bench.loop.step()
    assert not any(isinstance(event, TradePrint) for event in bench.strategy.heard)


@pytest.mark.parametrize("hears", [True, False])
def test_only_a_print_that_the_strategy_hears_has_a_shut_gate_looked_at(tmp_path: Path, hears: bool) -> None:
    bench = Bench(tmp_path, interval_s=60.0)
    bench.strategy.wanted = ()
    bench.run(1)
    bench.loop.pause()
    bench.step()
    bench.strategy.hears_prints = hears
    bench.strategy.heard.clear()
    bench.venue.inbox.put(TradePrint("main", 10_000, 1, Side.BUY, 0, 0))
    bench.step()
    assert [type(event) for event in bench.strategy.heard] == ([TradePrint, Watch] if hears else [])
