"""A changed config taken over while the bot quotes: what still matches keeps its place, what is too much goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.market.order import Side
from core.trading.latches import Latches
from tests.trading.scripted_venue import LOSE, PERP, ScriptedVenue
from tests.trading.test_gates import lose_money
from tests.trading.test_paper_loop import STRATEGY, PaperBot
from tests.trading.workbench import BOTH_SIX, Bench
from utils.errors import ConfigError, StrategyBug


def change(bench: Bench, risk: dict[str, Any] | None = None, **keys: Any) -> None:
    """Take over what a section would say."""
    prepared = bench.loop.prepare_change({"interval_s": 1.0, "ack_timeout_s": 2.0, **keys}, risk or {}, 5.0)
    bench.loop.apply_change(prepared)


def six_resting(folder: Path, **more: Any) -> Bench:
    bench = Bench(folder, **more)
    bench.strategy.wanted = BOTH_SIX
    bench.run(1)
    assert len(bench.resting) == 6
    return bench


def test_orders_that_still_match_are_not_touched(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    before = dict(bench.venue.open_orders)
    change(bench, {"max_position": 50.0}, requote_bps=3.0)
    bench.run(5)
    assert bench.venue.open_orders == before  # same ids, same venue ids: their place in the queue is kept
    assert bench.venue.cancels == []


def test_the_next_decision_comes_soon_whatever_the_interval(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, interval_s=600.0)
    bench.strategy.wanted = tuple(replace(quote, price_ticks=quote.price_ticks - 50) for quote in BOTH_SIX)
    change(bench, interval_s=600.0)
    bench.run(1)
    assert sorted(bench.resting.values()) == sorted(quote.price_ticks for quote in bench.strategy.wanted)


def test_a_new_interval_counts_from_then_on(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, interval_s=600.0)
    change(bench, interval_s=2.0)
    bench.run(1)
    bench.strategy.heard.clear()
    bench.run(10)
    assert len(bench.strategy.heard) == 5


def test_limits_below_what_could_fill_cancel_the_farthest_orders_at_once(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, interval_s=600.0, min_cycle_s=60.0)
    change(bench, {"max_position": 1.5}, interval_s=600.0, min_cycle_s=60.0)
    bench.step(2)  # no time has passed: no decision was made
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}
    worst = sum(order.size_lots for order in bench.venue.open_orders.values() if order.side is Side.BUY)
    assert worst <= 15


def test_raised_limits_bring_the_orders_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_position": 1.0})
    bench.strategy.wanted = BOTH_SIX
    bench.run(2)
    assert len(bench.resting) == 2
    kept = dict(bench.venue.open_orders)
    change(bench, {"max_position": 50.0})
    bench.run(2)
    assert len(bench.resting) == 6
    assert kept.items() <= bench.venue.open_orders.items()


def test_orders_are_trimmed_with_the_position_that_is_held(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, interval_s=600.0, min_cycle_s=60.0)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.step(2)
    change(bench, {"max_position": 1.0}, interval_s=600.0, min_cycle_s=60.0)
    bench.step(2)
    assert bench.resting == {"sell.0": 10_010, "sell.1": 10_020}  # 10 held: no buy, and sells down to -10


def test_a_tripped_latch_is_not_cleared(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), risk={"max_loss": 3, "max_loss_action": "close"})
    lose_money(bench)
    bench.venue.script.submit = LOSE
    bench.run(1)
    change(bench, {"max_loss": 1_000})
    bench.run(1)
    assert "max_loss" in bench.gates
    assert Latches(tmp_path / "latches.json").get("max_loss") is not None


def test_a_lowered_loss_limit_trips_with_what_was_lost_already(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    lose_money(bench)
    bench.run(2)
    assert bench.loop.finished is None
    change(bench, {"max_loss": 1})
    ended = bench.end()
    assert (ended.status, ended.clean) == (77, True)


def test_a_limit_below_a_lot_is_refused_and_nothing_has_changed(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    settings, limits = bench.loop._bot.settings, bench.loop._bot.legs[0].limits
    with pytest.raises(ConfigError, match="less than one lot"):
        change(bench, {"max_position": 0.01}, interval_s=99.0)
    assert (bench.loop._bot.settings, bench.loop._bot.legs[0].limits) == (settings, limits)


class Fussy(Exception):
    """What a strategy says that does not like its parameters."""


def test_a_strategy_that_does_not_take_its_parameters_keeps_the_old_ones_and_so_does_the_loop(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    settings, limits = bench.loop._bot.settings, bench.loop._bot.legs[0].limits
    given: list[Any] = []

    def reconfigure(params: Any) -> None:
        given.append(params)
        if params == "new":
            raise Fussy("no")

    bench.strategy.params = "old"
    bench.strategy.reconfigure = reconfigure  # type: ignore[method-assign]
    bench.strategy.params_from = lambda _section: "new"  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ConfigError, match="Fussy: no"):
        change(bench, {"max_position": 5.0}, interval_s=99.0)
    assert given == ["new", "old"]
    assert (bench.loop._bot.settings, bench.loop._bot.legs[0].limits) == (settings, limits)
    bench.run(3)
    assert len(bench.resting) == 6


def test_a_strategy_that_takes_neither_is_a_bug_of_the_strategy(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)

    def reconfigure(params: Any) -> None:
        raise Fussy("no")

    bench.strategy.reconfigure = reconfigure  # type: ignore[method-assign]
    with pytest.raises(StrategyBug, match="neither"):
        change(bench)


def test_a_shorter_duration_counts_from_when_the_run_began(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.run(10)
    change(bench, duration_s=15.0)
    bench.run(3)
    assert bench.loop.finished is None
    bench.run(3)
    assert bench.loop.finished is not None
    assert "duration" in bench.loop.finished.reason


def test_a_new_stop_deadline_holds_for_the_next_stop(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.loop.apply_change(bench.loop.prepare_change({"interval_s": 1.0}, {}, 1.0))
    bench.venue.script.cancel = LOSE
    began_ns = bench.clock.now_ns()
    bench.loop.begin_stop("test")
    bench.end()
    assert bench.clock.now_ns() - began_ns < 2_000_000_000


def test_a_new_breaker_limit_counts_what_was_refused_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_consecutive_rejects": 50})
    bench.venue.script.refuse = "no"
    bench.run(4)
    assert bench.gates == []
    change(bench, {"max_consecutive_rejects": 2})
    bench.run(2)
    assert bench.gates == ["breaker"]


def rests_at(bot: PaperBot) -> dict[str, str | None]:
    return {order.client_order_id: order.venue_order_id for order in bot.loop._bot.legs[0].tracker.quotes()}


def test_the_shipped_strategy_keeps_its_orders_and_follows_new_layers_on_the_paper_venue(tmp_path: Path) -> None:
    bot = PaperBot(tmp_path, {"max_position": 0.02})
    bot.run(3)
    wide = {**STRATEGY, "spread_pct": 1.0, "price_tolerance_pct": 1.0, "inventory_skew_enabled": False}
    bot.loop.apply_change(bot.loop.prepare_change(wide, {"max_position": 0.02}, 20.0))
    bot.run(2)
    before = rests_at(bot)
    assert len(before) >= 3
    more = {**wide, "layers": 4}
    bot.loop.apply_change(bot.loop.prepare_change(more, {"max_position": 0.02}, 20.0))
    bot.run(2)
    after = rests_at(bot)
    assert before.items() <= after.items()
    assert len(after) > len(before)
    bot.die()
