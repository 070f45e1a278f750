"""A bot that sends too much gets patient, then stops; and an order may be asked to rest for a while."""

from __future__ import annotations

from pathlib import Path

from core.market.commands import Quote, Take
from core.market.order import Side
from tests.trading.scripted_venue import PERP, ScriptedVenue
from tests.trading.test_live_change import change
from tests.trading.workbench import Bench


def moving(bench: Bench, seconds: int, step_ticks: int) -> None:
    """Let a second pass after the other, and want both sides that much farther up in each."""
    for second in range(seconds):
        mid = 10_000 + (second % 8) * step_ticks
        bench.strategy.wanted = (Quote(Side.BUY, mid - 300, 10), Quote(Side.SELL, mid + 300, 10))
        bench.run(1)


def test_a_bot_that_moves_its_orders_too_often_gets_patient_and_stays_inside_the_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_orders_per_min": 40}, price_tolerance_pct=0.1)
    moving(bench, 120, 11)  # 0.11 % each second
    counts = bench.loop.snapshot()["stats"]
    assert 20 <= counts["orders_created"] <= 80
    assert bench.gates == [] and len(bench.resting) == 2
    free = Bench(tmp_path / "free", price_tolerance_pct=0.1)
    moving(free, 120, 11)
    assert free.loop.snapshot()["stats"]["orders_created"] > 160


def test_a_bot_that_cannot_be_patient_is_stopped_at_the_limit_and_goes_on_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_orders_per_min": 11}, price_tolerance_pct=-1)
    moving(bench, 10, 11)
    assert ("churn" in bench.gates, bench.resting) == (True, {})
    assert len(bench.venue.submitted) == 11
    bench.run(62)
    assert 11 < len(bench.venue.submitted) <= 22


def test_a_restart_gives_no_orders_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_orders_per_min": 10}, price_tolerance_pct=-1)
    moving(bench, 10, 11)
    bench.die()
    bench.begin()
    moving(bench, 10, 11)
    assert len(bench.venue.submitted) == 10
    assert "churn" in bench.gates


def test_a_restart_gives_no_amendments_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_orders_per_min": 10}, price_tolerance_pct=0.0, amend_orders=True)
    moving(bench, 3, 200)
    sent = len(bench.venue.submitted) + len(bench.venue.amends)
    assert sent < 10 and bench.venue.amends
    for _ in range(3):  # each life moves its orders a little
        bench.die()
        bench.begin()
        moving(bench, 4, 200)
    assert len(bench.venue.submitted) + len(bench.venue.amends) == 10
    assert "churn" in bench.gates
    bench.run(62)
    moving(bench, 3, 200)
    assert len(bench.venue.submitted) + len(bench.venue.amends) > 10


def test_too_many_cancels_for_the_fills_take_the_quotes_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_cancel_fill_ratio": 8, "cancel_fill_window_s": 30}, price_tolerance_pct=0)
    moving(bench, 6, 11)
    assert ("churn" in bench.gates, bench.resting) == (True, {})
    bench.run(32)  # what is wanted moves no more
    assert (bench.gates, len(bench.resting)) == ([], 2)


def test_what_rests_well_stays_while_nothing_more_may_be_placed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_orders_per_min": 2}, max_order_age_s=0)
    bench.run(5)
    assert (bench.gates, len(bench.resting), bench.venue.cancels) == (["churn"], 2, [])
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(5)
    assert list(bench.resting) == ["sell.0"]  # no second bid yet
    bench.run(60)
    assert (bench.gates, len(bench.venue.submitted)) == ([], 3)


def test_fills_make_room_for_cancels(tmp_path: Path) -> None:
    risk = {"max_cancel_fill_ratio": 8, "cancel_fill_window_s": 30}
    bench = Bench(tmp_path, risk=risk, price_tolerance_pct=0)
    bench.run(1)
    for _ in range(5):
        bench.venue.fill(bench.order_id("buy.0"), 1)
    moving(bench, 6, 11)
    assert bench.gates == []
    change(bench, risk | {"max_cancel_fill_ratio": 1}, price_tolerance_pct=0)
    bench.run(1)
    assert "churn" in bench.gates
    change(bench, {}, price_tolerance_pct=0)
    bench.run(1)
    assert (bench.gates, len(bench.resting)) == ([], 2)


def test_a_close_is_not_held_back(tmp_path: Path) -> None:
    venue = ScriptedVenue(PERP)
    risk = {"max_orders_per_min": 2, "max_position": 100}
    bench = Bench(tmp_path, venue, risk=risk, price_tolerance_pct=-1)
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1)
    assert "churn" in bench.gates
    sent = len(venue.submitted)
    bench.strategy.says = [Take(Side.SELL, 9_999, 10, reduce_only=True)]
    bench.run(1)
    assert len(venue.submitted) == sent + 1


def test_what_was_kept_for_patience_is_moved_once_that_is_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_orders_per_min": 5}, price_tolerance_pct=0.1, max_order_age_s=0)
    moving(bench, 2, 100)
    assert len(bench.venue.submitted) == 4  # eightfold now
    bench.strategy.wanted = (Quote(Side.BUY, 9_770, 10), Quote(Side.SELL, 10_430, 10))  # 0.3 % from what rests
    bench.run(10)
    assert sorted(bench.resting.values()) == [9_800, 10_400]
    bench.run(60)
    assert sorted(bench.resting.values()) == [9_770, 10_430]


def test_another_tolerance_is_a_reason_to_look_at_the_orders_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    (leg,), settings = bench.loop._bot.legs, bench.settings
    tolerances = [settings.tolerance, settings.tolerance, settings.tolerance.widened(2), settings.tolerance]
    leg.wish_moved(settings, settings.tolerance)
    assert [leg.wish_moved(settings, one) for one in tolerances] == [False, False, True, True]


def test_orders_stay_where_they_are_until_they_have_rested_long_enough(tmp_path: Path) -> None:
    bench = Bench(tmp_path, order_refresh_s=5.0, price_tolerance_pct=0)
    moving(bench, 4, 11)
    assert len(bench.venue.submitted) == 2
    moving(bench, 4, 11)
    assert len(bench.venue.submitted) == 4
    bench.strategy.wanted = ()
    bench.run(1)
    assert bench.resting == {}


def test_a_restart_forgives_no_cancels(tmp_path: Path) -> None:
    risk = {"max_cancel_fill_ratio": 8, "cancel_fill_window_s": 30}
    bench = Bench(tmp_path, risk=risk, price_tolerance_pct=0)
    moving(bench, 6, 11)
    assert "churn" in bench.gates
    bench.stop()
    bench.die()
    bench.begin()
    bench.run(2)
    assert ("churn" in bench.gates, bench.resting) == (True, {})
    bench.run(40)
    assert (bench.gates, len(bench.resting)) == ([], 2)
