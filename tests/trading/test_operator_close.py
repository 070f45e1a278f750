"""Closing because an operator asks: flat by the venue's word, within the limits, or it says why it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.market.order import Order, OrderEvent, Side
from core.trading.latches import Latches
from core.trading.trading_loop import SpotRule
from tests.trading.scripted_venue import LOSE, PERP, SPOT, ScriptedVenue
from tests.trading.test_closing import fill_takes, takes_of
from tests.trading.test_gates import lose_money
from tests.trading.workbench import Bench

LEAVE, SELL = SpotRule.LEAVE, SpotRule.SELL


def holding(folder: Path, lots: int, venue: ScriptedVenue | None = None, **more: Any) -> Bench:
    """Return a quoting bot that holds lots, negative is short."""
    bench = Bench(folder, venue or ScriptedVenue(PERP), **more)
    bench.run(1)
    side = "buy.0" if lots > 0 else "sell.0"
    for _ in range(abs(lots) // 10):
        bench.venue.fill(bench.order_id(side), 10)
        bench.run(1.5)
    assert bench.loop._bot.legs[0].position.size_lots == lots
    return bench


@pytest.mark.parametrize(("lots", "side", "price"), [(20, Side.SELL, 9_999), (-20, Side.BUY, 10_001)])
def test_a_close_takes_the_quotes_off_trades_the_position_away_and_ends_with_0(
    tmp_path: Path, lots: int, side: Side, price: int
) -> None:
    bench = holding(tmp_path, lots)
    resting: list[int] = []
    fill_takes(bench.venue, price_ticks=price)
    seen = bench.venue.rest

    def note(order: Order, tell: bool = True) -> None:
        resting.append(len(bench.venue.open_orders))
        seen(order, tell)

    bench.venue.rest = note  # type: ignore[method-assign]
    bench.loop.begin_close("the operator said so", LEAVE)
    assert bench.phase == "CLOSING"
    ended = bench.end()
    assert (ended.status, ended.clean, ended.closed, ended.reason) == (0, True, True, "the operator said so")
    assert takes_of(bench.venue) == [(side, 20)]
    assert resting == [0]  # nothing else rested when it went out
    assert all(order.reduce_only for order in bench.venue.submitted if order.time_in_force == "IOC")
    assert bench.ledger.position("main").size_lots == 0
    assert not Latches(tmp_path / "latches.json").all()


def test_what_is_held_on_spot_is_not_sold_unless_asked(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, ScriptedVenue(SPOT))
    bench.loop.begin_close("flatten", LEAVE)
    ended = bench.end()
    assert (ended.status, ended.closed, ended.reason) == (0, True, "flatten")
    assert (takes_of(bench.venue), bench.venue.open_orders) == ([], {})
    assert bench.ledger.position("main").size_lots == 20


def test_what_was_bought_on_spot_is_sold_when_asked(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, ScriptedVenue(SPOT))
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_close("flatten", SELL)
    assert bench.end().closed
    assert takes_of(bench.venue) == [(Side.SELL, 20)]


def test_what_was_sold_on_spot_is_not_bought_back(tmp_path: Path) -> None:
    bench = holding(tmp_path, -20, ScriptedVenue(SPOT))
    bench.loop.begin_close("flatten", SELL)
    assert bench.end().closed
    assert takes_of(bench.venue) == []


def test_a_second_close_may_ask_for_more_and_not_for_less(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, ScriptedVenue(SPOT))
    bench.feed = None
    bench.run(6)
    bench.loop.begin_close("first", SELL)
    bench.run(2)
    bench.loop.begin_close("second", LEAVE)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.feed = (9_999, 10_001)
    assert bench.end().reason == "first"
    assert takes_of(bench.venue) == [(Side.SELL, 20)]


def test_no_closing_order_is_larger_than_the_limit_of_one_order(tmp_path: Path) -> None:
    bench = holding(tmp_path, 30)
    bench.loop._bot.legs[0].limits = replace(bench.loop._bot.legs[0].limits, max_order_lots=12)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_close("flatten", LEAVE)
    assert bench.end().closed
    assert takes_of(bench.venue) == [(Side.SELL, 12), (Side.SELL, 12), (Side.SELL, 6)]


def test_what_is_too_small_for_an_order_stays_and_is_told(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    legs = bench.loop._bot.legs
    legs[0].instrument = replace(legs[0].instrument, min_lots=25)
    bench.loop.begin_close("flatten", LEAVE)
    ended = bench.end()
    assert ended.closed
    assert ended.reason == "flatten (too small for an order, left as it is: main: 2.0 SOL)"


def closes_after(bench: Bench, cure: Callable[[], None], *words: str) -> None:
    """The close is stuck, tells why, stays alive, and goes on once the cause is gone."""
    bench.run(30)
    assert bench.loop.finished is None
    told = bench.loop.snapshot()["closing"]
    assert [word for word in ("main", "2.0 SOL to close", *words) if word not in told] == []
    cure()
    assert bench.end().closed


def test_without_a_book_it_waits_and_says_so(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.feed = None
    bench.run(10)
    bench.loop.begin_close("flatten", LEAVE)

    def cure() -> None:
        bench.feed = (9_999, 10_001)

    closes_after(bench, cure, "the book is", "s old")


def test_a_side_that_was_pulled_away_is_no_price(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.feed = (1, 10_001)
    bench.loop.begin_close("flatten", LEAVE)

    def cure() -> None:
        assert takes_of(bench.venue) == []
        bench.feed = (9_999, 10_001)

    closes_after(bench, cure, "bps off the mid")


def test_a_closing_order_trades_no_farther_through_the_touch_than_its_collar(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_close("flatten", LEAVE)
    bench.end()
    (take,) = [order for order in bench.venue.submitted if order.time_in_force == "IOC"]
    assert 9_949 <= take.price_ticks <= 9_999  # 50 bps


def test_refused_orders_are_sent_again_once_a_second_and_the_venues_word_is_told(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.venue.script.refuse = "reduce only is closed"
    bench.loop.begin_close("flatten", LEAVE)
    sent = len(bench.venue.submitted)

    def cure() -> None:
        assert 10 <= len(bench.venue.submitted) - sent <= 31
        bench.venue.script.refuse = ""
        fill_takes(bench.venue, price_ticks=9_999)

    closes_after(bench, cure, "reduce only is closed")


def test_an_order_that_only_partly_fills_is_followed_by_another(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    rest = bench.venue.rest

    def partly(order: Order, tell: bool = True) -> None:
        rest(order, tell)
        bench.venue.fill(order.client_order_id, min(7, order.size_lots), price_ticks=9_999)
        if bench.venue.open_orders.pop(order.client_order_id, None):
            bench.venue.tell(order.client_order_id, OrderEvent.EXPIRED)

    bench.venue.rest = partly  # type: ignore[method-assign]
    bench.loop.begin_close("flatten", LEAVE)
    assert bench.end().closed
    assert takes_of(bench.venue) == [(Side.SELL, 20), (Side.SELL, 13), (Side.SELL, 6)]


def test_a_lost_closing_order_is_looked_up_before_another_is_sent(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, ScriptedVenue(PERP, late_arrival_s=4))
    bench.venue.script.submit = LOSE
    bench.loop.begin_close("flatten", LEAVE)
    bench.run(3)
    assert len(takes_of(bench.venue)) == 1
    bench.venue.script.submit = "answer"
    fill_takes(bench.venue, price_ticks=9_999)
    bench.venue.rest(bench.venue.unsent.pop(), tell=False)  # late, and it fills
    assert bench.end().closed
    assert takes_of(bench.venue) == [(Side.SELL, 20)]
    assert bench.ledger.position("main").size_lots == 0


def test_a_stop_ends_a_close_that_cannot_be_finished(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.feed = None
    bench.run(6)
    bench.loop.begin_close("flatten", LEAVE)
    bench.run(5)
    bench.loop.begin_stop("asked to stop")
    ended = bench.end()
    assert (ended.status, ended.clean, ended.closed) == (0, True, False)
    assert "not closed: main: 2.0 SOL to close" in ended.reason


def test_a_close_is_never_held_up_by_an_open_breaker_or_a_small_position_limit(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.loop._bot.legs[0].limits = replace(bench.loop._bot.legs[0].limits, max_position_lots=1)
    for group in range(5):
        bench.loop._bot.breaker.rejected(bench.clock.now_ns(), group=group)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_close("flatten", LEAVE)
    assert bench.end().closed


def test_a_strategy_that_raises_cannot_break_a_close(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.loop.begin_close("flatten", LEAVE)

    def on_event(event: object, view: object) -> list[Any]:
        raise ZeroDivisionError

    bench.strategy.on_event = on_event  # type: ignore[method-assign]
    assert bench.end().closed


def test_a_close_before_the_first_report_cancels_what_the_ledger_knows_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.run(1)
    bench.die()
    bench.venue.script.reports.extend(["none"] * 5)
    bench.begin()
    bench.loop.begin_close("flatten", LEAVE)
    bench.step(2)
    assert not bench.loop.reconciled
    assert bench.venue.open_orders == {}
    assert bench.end(120).closed


def test_resume_and_pause_during_a_close_change_nothing(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20)
    bench.feed = None
    bench.run(6)
    bench.loop.begin_close("flatten", LEAVE)
    bench.loop.pause()
    bench.run(1)
    bench.loop.resume()
    fill_takes(bench.venue, price_ticks=9_999)
    bench.feed = (9_999, 10_001)
    assert bench.end().closed
    assert bench.venue.open_orders == {}


def test_a_gate_that_trips_during_a_close_is_latched_and_told_at_the_end(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, risk={"max_loss": 3})
    bench.venue.script.refuse = "not now"
    bench.loop.begin_close("flatten", LEAVE)
    bench.feed = (9_499, 9_501)
    bench.run(3)
    bench.venue.script.refuse = ""
    fill_takes(bench.venue)
    ended = bench.end()
    assert (ended.status, ended.closed) == (77, True)
    assert Latches(tmp_path / "latches.json").get("max_loss") is not None


def test_a_close_asked_of_a_bot_that_a_limit_closes_already_goes_the_same_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={"max_loss": 3, "max_loss_action": "close"})
    lose_money(bench)
    bench.venue.script.submit = LOSE
    bench.run(1)
    assert bench.phase == "CLOSING"
    bench.loop.begin_close("flatten", LEAVE)
    bench.venue.script.submit = "answer"
    fill_takes(bench.venue)
    ended = bench.end()
    assert (ended.status, ended.closed, bench.loop.snapshot()["position"]) == (77, True, "0.0")


def latched(folder: Path, name: str = "max_loss", action: str = "cancel", done: bool = True) -> str:
    Latches(folder / "latches.json").set(name, action, "lost too much", 1, done)
    return (folder / "latches.json").read_text()


@pytest.mark.parametrize(("action", "done"), [("cancel", True), ("close", False), ("close_and_stop", True)])
def test_a_worker_that_only_closes_works_behind_a_latch_and_leaves_it_as_it_is(
    tmp_path: Path, action: str, done: bool
) -> None:
    bench = holding(tmp_path, 20)
    bench.die()
    before = latched(tmp_path, action=action, done=done)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.begin(LEAVE)
    assert bench.gates == ["max_loss"]
    ended = bench.end()
    assert (ended.status, ended.clean, ended.closed) == (0, True, True)
    assert bench.ledger.position("main").size_lots == 0
    assert (tmp_path / "latches.json").read_text() == before


def test_a_worker_that_only_closes_leaves_a_demand_to_sell_spot_unmet(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, ScriptedVenue(SPOT))
    bench.die()
    before = latched(tmp_path, action="close", done=False)
    bench.begin(LEAVE)
    assert bench.end().closed
    assert takes_of(bench.venue) == []
    assert (tmp_path / "latches.json").read_text() == before
    assert json.loads(before)["latches"]["max_loss"]["done"] is False


def test_a_worker_that_only_closes_never_quotes_never_trips_and_has_no_end_of_its_time(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, risk={"max_loss": 1}, duration_s=30.0)
    bench.die()
    sent = len(bench.venue.submitted)
    bench.feed = (9_499, 9_501)
    bench.venue.script.refuse = "not now"
    bench.begin(LEAVE)
    bench.run(60)
    assert bench.loop.finished is None
    assert {order.time_in_force for order in bench.venue.submitted[sent:]} == {"IOC"}
    bench.venue.script.refuse = ""
    fill_takes(bench.venue)
    ended = bench.end()
    assert (ended.status, ended.closed) == (0, True)
    assert not (tmp_path / "latches.json").exists()


def test_a_worker_that_only_closes_cancels_what_an_earlier_life_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(SPOT))
    bench.run(1)
    bench.die()
    assert bench.venue.open_orders
    bench.begin(LEAVE)
    assert bench.end().closed
    assert bench.venue.open_orders == {}


def test_a_worker_that_only_closes_books_what_happened_before_it_trades(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP))
    bench.run(1)
    key = bench.order_id("buy.0")
    bench.die()
    bench.venue.fill(key, 10, stream=False)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.begin(LEAVE)
    assert bench.end().closed
    assert takes_of(bench.venue) == [(Side.SELL, 10)]
    assert bench.booked() == 2
