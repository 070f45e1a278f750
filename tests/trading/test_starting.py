"""What a start does about orders and a position that it finds: before the first quote, across a kill, and once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.market.commands import Quote
from core.market.events import FillEvent
from core.market.order import Order, Side
from tests.trading.scripted_venue import ANSWER, LOSE, PERP, SPOT, ScriptedVenue
from tests.trading.test_closing import fill_takes, takes_of
from tests.trading.test_operator_close import holding
from tests.trading.workbench import Bench
from utils.exit_statuses import CONFIG, RISK_HALT


def start_again(bench: Bench, fresh: bool = True) -> int:
    """Begin the next life after a sweep; return how many orders the venue had seen before."""
    bench.die()
    bench.venue.open_orders.clear()
    seen = len(bench.venue.submitted)
    bench.begin(swept=True, fresh=fresh)
    return seen


def position(bench: Bench) -> int:
    return bench.loop._bot.legs[0].position.size_lots


@pytest.mark.parametrize(
    ("wish", "lots", "takes"),
    [
        ("close_all", 20, [(Side.SELL, 20)]),
        ("close_all", -20, [(Side.BUY, 20)]),
        ("close_long", 20, [(Side.SELL, 20)]),
        ("close_long", -20, []),
        ("close_short", -20, [(Side.BUY, 20)]),
        ("close_short", 20, []),
        ("keep", 20, []),
    ],
)
def test_a_start_closes_what_the_config_wants_closed_before_it_quotes(
    tmp_path: Path, wish: str, lots: int, takes: list[tuple[Side, int]]
) -> None:
    bench = holding(tmp_path, lots, startup_position=wish)
    assert takes_of(bench.venue) == []
    fill_takes(bench.venue, price_ticks=10_000)
    seen = start_again(bench)
    bench.run(8)
    assert takes_of(bench.venue) == takes
    assert position(bench) == (0 if takes else lots)
    assert bench.phase == "QUOTING"
    assert [order.time_in_force for order in bench.venue.submitted[seen:]][: len(takes)] == ["IOC"] * len(takes)
    assert len(bench.resting) == 2


@pytest.mark.parametrize("wish", ["close_all", "refuse"])
def test_a_worker_that_follows_a_crash_or_a_restart_goes_on_with_its_position(tmp_path: Path, wish: str) -> None:
    bench = holding(tmp_path, 20, startup_position=wish)
    start_again(bench, fresh=False)
    bench.run(8)
    assert (bench.phase, position(bench), takes_of(bench.venue)) == ("QUOTING", 20, [])


def test_a_close_at_the_start_that_a_kill_cuts_short_is_finished_by_the_next_life_and_by_no_later_one(
    tmp_path: Path,
) -> None:
    bench = holding(tmp_path, 20, startup_position="close_all")
    bench.venue.script.submit = LOSE
    start_again(bench)
    bench.run(1)
    assert (bench.phase, bench.gates, len(takes_of(bench.venue))) == ("CLOSING", ["flatten"], 1)
    bench.venue.script.submit = ANSWER
    fill_takes(bench.venue, price_ticks=9_999)
    start_again(bench, fresh=False)
    bench.run(8)
    assert (position(bench), bench.phase) == (0, "QUOTING")
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1)
    sent = len(takes_of(bench.venue))
    start_again(bench, fresh=False)
    bench.run(8)
    assert (position(bench), len(takes_of(bench.venue))) == (10, sent)


def test_a_kill_before_anything_was_reconciled_does_not_lose_the_wish(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, startup_position="close_all")
    fill_takes(bench.venue, price_ticks=9_999)
    start_again(bench)
    start_again(bench, fresh=False)  # the life before never made a step
    bench.run(8)
    assert (position(bench), takes_of(bench.venue)) == (0, [(Side.SELL, 20)])


def test_a_start_on_spot_sells_what_was_bought_and_no_more_than_is_there(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, ScriptedVenue(SPOT), startup_position="close_long")
    bench.venue.balances["SOL"] = Decimal("1.5")
    fill_takes(bench.venue, price_ticks=9_999)
    start_again(bench)
    bench.run(8)
    assert takes_of(bench.venue) == [(Side.SELL, 15)]
    assert bench.phase == "QUOTING"


def test_a_start_on_spot_buys_nothing_back(tmp_path: Path) -> None:
    bench = holding(tmp_path, -20, ScriptedVenue(SPOT), startup_position="close_all")
    start_again(bench)
    bench.run(8)
    assert (takes_of(bench.venue), position(bench), bench.phase) == ([], -20, "QUOTING")


def test_the_strategy_hears_of_what_the_start_has_closed(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, startup_position="close_all")
    fill_takes(bench.venue, price_ticks=9_999)
    bench.strategy.heard.clear()
    start_again(bench)
    bench.run(8)
    heard = [event.fill.size_lots for event in bench.strategy.heard if isinstance(event, FillEvent)]
    assert heard == [20]


def test_without_a_price_the_start_waits_and_quotes_nothing(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, startup_position="close_all")
    bench.feed = None
    seen = start_again(bench)
    bench.run(30)
    assert (bench.phase, len(bench.venue.submitted)) == ("CLOSING", seen)
    assert "there is no book" in str(bench.loop.snapshot()["closing"])
    bench.feed = (9_999, 10_001)
    fill_takes(bench.venue, price_ticks=9_999)
    bench.run(8)
    assert (position(bench), bench.phase) == (0, "QUOTING")


def test_a_position_that_is_refused_ends_the_start_with_a_word_on_what_to_do(tmp_path: Path) -> None:
    bench = holding(tmp_path, 20, startup_position="refuse")
    seen = start_again(bench)
    ended = bench.end()
    assert (ended.status, ended.clean, ended.closed) == (CONFIG, True, False)
    assert "main: 2.0 SOL" in ended.reason
    assert 'or set startup_position to "keep"' in ended.reason
    assert len(bench.venue.submitted) == seen


def test_a_flat_bot_that_refuses_positions_quotes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), startup_position="refuse")
    start_again(bench)
    bench.run(3)
    assert bench.phase == "QUOTING"


def test_a_close_that_an_operator_asks_for_takes_over_from_the_start(tmp_path: Path) -> None:
    from core.trading.trading_loop import SpotRule

    bench = holding(tmp_path, 20, startup_position="close_all")
    bench.venue.script.refuse = "not now"
    start_again(bench)
    bench.run(2)
    bench.loop.begin_close("asked to close", SpotRule.LEAVE)
    bench.venue.script.refuse = ""
    fill_takes(bench.venue, price_ticks=9_999)
    ended = bench.end()
    assert (ended.reason, ended.closed, position(bench)) == ("asked to close", True, 0)


# Orders


def test_own_orders_that_are_found_are_cancelled_and_confirmed_before_anything_is_quoted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, startup_orders="cancel_all")
    bench.run(1)
    early, sent = set(bench.venue.open_orders), len(bench.venue.submitted)
    assert len(early) == 2
    bench.die()
    bench.venue.script.cancel = LOSE
    bench.begin()
    bench.run(5)
    assert (bench.phase, len(bench.venue.submitted)) == ("SYNC", sent)
    assert early <= set(bench.venue.cancels)
    bench.venue.script.cancel = ANSWER
    bench.run(8)
    assert bench.phase == "QUOTING"
    assert early.isdisjoint(bench.venue.open_orders)
    assert len(bench.resting) == 2


def test_what_filled_unheard_while_orders_were_cancelled_counts_before_a_position_is_judged(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), startup_orders="cancel_all", startup_position="refuse")
    bench.run(1)
    sent = len(bench.venue.submitted)
    bench.die()
    buy = bench.order_id("buy.0")

    def fill_unheard(order: Order) -> None:
        if order.client_order_id == buy:
            bench.venue.fill(buy, 4, stream=False)

    bench.venue.script.before_cancel = fill_unheard
    bench.begin(fresh=True)
    ended = bench.end(4.0)
    assert (ended.status, len(bench.venue.submitted)) == (CONFIG, sent)
    assert "main: 0.4 SOL" in ended.reason


def test_own_orders_that_are_found_and_fit_stay_where_they_are_by_default(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    early = set(bench.venue.open_orders)
    bench.die()
    bench.begin()
    bench.run(5)
    assert (bench.phase, set(bench.venue.open_orders)) == ("QUOTING", early)


def test_an_order_that_fills_while_the_start_cancels_it_is_closed_with_the_rest(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), startup_orders="cancel_all", startup_position="close_all")
    bench.run(1)
    bench.die()
    buys = [order for order in bench.venue.open_orders.values() if order.side is Side.BUY]
    bench.venue.script.before_cancel = lambda order: (
        bench.venue.fill(order.client_order_id, 10) if order in buys else None
    )
    fill_takes(bench.venue, price_ticks=9_999)
    bench.begin(fresh=True)
    bench.run(8)
    assert takes_of(bench.venue) == [(Side.SELL, 10)]
    assert (position(bench), bench.phase) == (0, "QUOTING")


def test_a_long_position_that_has_turned_short_before_it_is_closed_stays_as_it_is(tmp_path: Path) -> None:
    bench = holding(tmp_path, 10, startup_position="close_long")
    bench.strategy.wanted = (Quote(Side.SELL, 10_010, 20),)
    bench.run(2)
    bench.die()
    bench.venue.script.before_cancel = lambda order: bench.venue.fill(order.client_order_id, order.size_lots)
    fill_takes(bench.venue, price_ticks=10_000)
    bench.strategy.wanted = ()
    bench.begin(fresh=True)
    bench.run(8)
    assert (position(bench), takes_of(bench.venue), bench.loop._parts.starting.is_on) == (-10, [], False)


def test_a_limit_that_trips_while_the_start_waits_for_its_cancels_ends_the_bot(tmp_path: Path) -> None:
    bench = Bench(tmp_path, startup_orders="cancel_all", risk={"max_loss": 3})
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1)
    bench.die()
    bench.venue.script.cancel = LOSE
    bench.begin()
    bench.run(1)
    assert bench.phase == "SYNC"
    bench.feed = (9_499, 9_501)
    ended = bench.end(8.0)
    assert (ended.status, ended.clean) == (RISK_HALT, False)
    assert "max_loss" in ended.reason
