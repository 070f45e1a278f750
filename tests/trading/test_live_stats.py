"""How well a bot quotes, as its status tells it: worked out by hand on a scripted venue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.market.order import Side
from tests.trading.scripted_venue import PERP, ScriptedVenue
from tests.trading.workbench import Bench

STILL = {"price_tolerance_pct": 5.0, "size_tolerance_pct": 50.0, "interval_s": 60.0}


def stats(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.loop.snapshot()["stats"]
    return found


def test_before_anything_happened_nothing_is_known(tmp_path: Path) -> None:
    told = stats(Bench(tmp_path))
    assert told["time_at_touch_pct"] == 0.0
    assert told["spread_captured_bps"] is None
    assert told["adverse_markout_bps"] == {"1": None, "5": None, "30": None, "60": None}
    assert (told["cancel_fill_ratio"], told["wear_rate"], told["cycle_ms"]) == (0.0, None, {"p50": None, "p99": None})
    assert (told["peak_equity"], told["drawdown_pct"]) == (None, None)


def test_a_fill_is_judged_by_the_mid_that_it_met_and_by_those_that_follow(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), **STILL)
    bench.run(2)
    bench.venue.fill(bench.order_id("buy.0"), 10)  # 1 SOL at 99.90, the mid is 100.00, fee 0.01
    bench.step()
    assert stats(bench)["spread_captured_bps"] == pytest.approx(10.01, abs=1e-4)
    assert stats(bench)["wear_rate"] == pytest.approx((0.01 - 0.1) / 99.9, abs=1e-8)
    bench.feed = (9_979, 9_981)  # 99.80
    bench.run(2)
    assert stats(bench)["adverse_markout_bps"]["1"] == pytest.approx(10.01, abs=1e-4)
    bench.feed = (10_009, 10_011)
    bench.run(6)
    told = stats(bench)["adverse_markout_bps"]
    assert (told["5"], told["30"]) == (pytest.approx(-20.02, abs=1e-4), None)


def test_a_fill_that_a_report_brings_after_a_gap_is_not_judged(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), **STILL)
    bench.run(2)
    key = bench.order_id("buy.0")
    bench.venue.link_down()
    bench.run(1)
    bench.venue.fill(key, 10, stream=False)
    bench.venue.link_up()
    bench.run(4)
    assert bench.booked() == 1
    assert stats(bench)["spread_captured_bps"] is None


@pytest.mark.parametrize(
    ("feed", "least", "most"),
    [((9_999, 10_001), 0.0, 0.0), ((9_990, 10_050), 95.0, 100.0), ((9_950, 10_010), 95.0, 100.0)],
)
def test_the_time_at_the_touch_is_that_of_a_best_price_on_either_side(
    tmp_path: Path, feed: tuple[int, int], least: float, most: float
) -> None:
    bench = Bench(tmp_path, **STILL)
    bench.feed = feed
    bench.run(20)
    assert len(bench.resting) == 2
    assert least <= stats(bench)["time_at_touch_pct"] <= most


def test_the_touch_that_moves_away_and_the_order_that_goes_end_the_time_at_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, **STILL)
    bench.feed = (9_990, 10_050)
    bench.run(10)
    bench.feed = (9_991, 10_009)
    bench.run(10)
    assert stats(bench)["time_at_touch_pct"] == pytest.approx(50.0, abs=3.0)
    bench.feed = (9_990, 10_050)
    bench.run(10)
    bench.strategy.wanted = ()
    bench.loop._bot.timer.hurry("own")
    bench.run(10)
    assert bench.resting == {}
    assert stats(bench)["time_at_touch_pct"] == pytest.approx(50.0, abs=3.0)


def test_cancels_are_told_for_each_fill(tmp_path: Path) -> None:
    bench = Bench(tmp_path, price_tolerance_pct=0, interval_s=1.0)
    bench.run(2)
    for step in range(3):
        bench.strategy.wanted = tuple(
            type(one)(one.side, one.price_ticks + step, one.size_lots) for one in bench.strategy.wanted or ()
        )
        bench.run(2)
    cancelled = stats(bench)["orders_cancelled"]
    assert cancelled >= 4
    assert stats(bench)["cancel_fill_ratio"] == cancelled
    for side in (Side.BUY, Side.SELL):
        bench.venue.fill(bench.order_id(f"{side.value}.0"), 5)
    bench.step()
    told = stats(bench)
    assert told["cancel_fill_ratio"] == pytest.approx(told["orders_cancelled"] / 2)


def test_decisions_are_timed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(5)
    assert stats(bench)["cycle_ms"] == {"p50": 0.0, "p99": 0.0}  # a simulated clock stands still meanwhile
    for took_ns in range(1_000_000, 101_000_000, 1_000_000):
        bench.loop._bot.live.cycle(took_ns)
    assert stats(bench)["cycle_ms"]["p99"] == pytest.approx(99.0, abs=1.0)


def test_the_peak_and_the_fall_from_it_are_those_of_the_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), **STILL)
    bench.run(2)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.feed = (10_999, 11_001)  # 10.10 up, less the fee of 0.01
    bench.run(2)
    start = bench.loop._bot.session.start_equity
    assert start is not None
    assert float(stats(bench)["peak_equity"]) == pytest.approx(float(start) + 10.09)
    bench.feed = (9_999, 10_001)
    bench.run(2)
    assert stats(bench)["drawdown_pct"] == pytest.approx(100 * 10 / (float(start) + 10.09), abs=1e-4)


def test_volumes_are_those_of_the_ledger_by_who_was_the_maker(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), **STILL)
    bench.run(2)
    bench.venue.fill(bench.order_id("buy.0"), 10)  # 1 SOL at 99.90
    bench.step()
    told = stats(bench)
    assert (told["volume_base"], told["volume_quote"]) == ("1", "99.9")
    assert (told["maker_volume"], told["taker_volume"], told["avg_entry"]) == ("99.9", "0", "99.9")


def test_the_spread_that_is_quoted_is_that_of_the_best_own_orders(tmp_path: Path) -> None:
    bench = Bench(tmp_path, **STILL)
    assert stats(bench)["spread_quoted_bps"] is None
    bench.run(2)
    assert stats(bench)["spread_quoted_bps"] == pytest.approx(20.0)  # 99.90 and 100.10
    bench.strategy.wanted = (bench.strategy.wanted or ())[:1]
    bench.loop._bot.timer.hurry("own")
    bench.run(2)
    assert len(bench.resting) == 1
    assert stats(bench)["spread_quoted_bps"] is None


def test_the_position_is_told_as_a_share_of_its_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "limited", ScriptedVenue(PERP), **STILL, risk={"max_position": 4.0})
    bench.run(2)
    assert stats(bench)["inventory_ratio"] == 0.0
    bench.venue.fill(bench.order_id("sell.0"), 10)
    bench.step()
    assert stats(bench)["inventory_ratio"] == -0.25
    assert stats(Bench(tmp_path / "free", ScriptedVenue(PERP), **STILL))["inventory_ratio"] is None


def test_a_strategy_with_a_ratio_of_its_own_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), **STILL, risk={"max_position": 4.0})
    monkeypatch.setattr(bench.strategy, "stats", lambda: {"inventory_ratio": 0.75})
    assert stats(bench)["inventory_ratio"] == 0.75


def test_what_was_sent_last_is_told_with_its_age(tmp_path: Path) -> None:
    bench = Bench(tmp_path, **STILL)
    assert (stats(bench)["last_action"], stats(bench)["last_action_age_s"]) == (None, None)
    bench.run(3)
    assert stats(bench)["last_action"] == "place 2 main"
    age_s = stats(bench)["last_action_age_s"]
    bench.run(2)
    assert stats(bench)["last_action_age_s"] == pytest.approx(age_s + 2, abs=0.2)
    bench.loop.pause()
    bench.run(1)
    assert stats(bench)["last_action"] == "cancel 2 main"


def test_the_breaker_is_told_open_then_probing_then_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, **STILL)
    bench.run(2)
    assert stats(bench)["breaker_state"] == "closed"
    breaker, clock = bench.loop._bot.breaker, bench.clock
    breaker.open(clock.now_ns())
    assert stats(bench)["breaker_state"] == "open"
    over_ns = clock.now_ns() + bench.loop._bot.settings.breaker_cooldown_ns
    assert (breaker.state(over_ns), breaker.state(over_ns - 1)) == ("probing", "open")
    assert not breaker.is_open(over_ns)
    assert breaker.state(over_ns) == "probing"
    breaker.accepted()
    assert breaker.state(over_ns) == "closed"
