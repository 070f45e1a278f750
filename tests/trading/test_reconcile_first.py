"""Before the first quote, after a gap and every few seconds: what the venue knows, taken in without guessing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from core.market.events import LinkDown, LinkUp
from core.market.order import Order, OrderState, Side
from tests.trading.scripted_venue import LOSE, LOSE_ANSWER, PERP, ScriptedVenue
from tests.trading.workbench import BOTH, BOTH_SIX, Bench
from utils.errors import VenueUnreachable


def order_at(venue: ScriptedVenue, key: str, price_ticks: int, side: Side = Side.BUY) -> None:
    """Let an order rest that this incarnation did not send."""
    venue.rest(Order(key, "main", side, price_ticks, 10, state=OrderState.NEW), tell=False)


def held_back(bench: Bench) -> None:
    bench.run(5)
    assert (bench.phase, bench.loop.reconciled, bench.venue.submitted) == ("SYNC", False, [])


def test_nothing_is_sent_before_a_complete_report(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.script.reports.extend(["none"] * 50)
    held_back(Bench(tmp_path, venue))


def test_an_incomplete_report_is_asked_again_and_never_taken_for_empty(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.script.reports.extend(["incomplete"] * 4)
    bench = Bench(tmp_path, venue)
    bench.run(0.3)
    assert not bench.loop.reconciled
    bench.run(5)
    assert bench.loop.reconciled
    assert len(venue.reports_asked) == 5


def test_incomplete_reports_are_asked_for_less_and_less_often(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.script.reports.extend(["incomplete"] * 1000)
    bench = Bench(tmp_path, venue)
    bench.run(60)
    assert 10 < len(venue.reports_asked) < 25


def test_a_venue_that_cannot_report_is_asked_again(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.script.report_error = VenueUnreachable("down")
    bench = Bench(tmp_path, venue)
    held_back(bench)
    venue.script.report_error = None
    bench.run(6)
    assert bench.phase == "QUOTING"


def test_the_first_report_is_asked_for_with_the_ledgers_mark(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 5)
    bench.run(11)
    bench.die()
    bench.venue.reports_asked.clear()
    bench.begin()
    bench.run(1)
    assert bench.venue.reports_asked[0] == "1"


def test_fills_made_while_no_worker_lived_are_booked_before_the_first_quote(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    bench.die()
    bench.venue.fill(buy, 10, stream=False)
    sent = len(bench.venue.submitted)
    bench.begin()
    bench.step(1)
    bench.step(1)
    assert bench.booked() == 1
    assert len(bench.venue.submitted) == sent
    assert bench.loop.snapshot()["position"] == "1.0"


def test_a_restart_has_the_same_position_profit_fees_and_fills(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1)
    bench.venue.fill(bench.order_id("sell.0"), 4)
    bench.run(1)
    keys = ("position", "realised_pnl", "unrealised_pnl", "fees", "fills")
    before = {key: bench.loop.snapshot()[key] for key in keys}
    bench.die()
    bench.begin()
    bench.run(1)
    assert {key: bench.loop.snapshot()[key] for key in keys} == before
    assert before["realised_pnl"] == "0.08"
    assert bench.ledger.replay("main") == bench.ledger.position("main")


def test_orders_of_the_last_incarnation_are_kept_in_their_slots(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.strategy.wanted = BOTH_SIX
    bench.run(1)
    before = dict(bench.venue.open_orders)
    bench.die()
    bench.begin()
    bench.run(3)
    assert bench.venue.open_orders.keys() == before.keys()
    assert bench.venue.cancels == []


def test_orders_of_ours_that_no_ledger_knows_are_adopted_into_a_wanted_slot_or_cancelled(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    bench = Bench(tmp_path, venue)
    wanted, unwanted = bench.ids.prefix + "000010000100", bench.ids.prefix + "000010000101"
    order_at(venue, wanted, BOTH[0].price_ticks)
    order_at(venue, unwanted, 9_000)
    bench.run(3)
    assert wanted in venue.open_orders
    assert venue.cancels == [unwanted]
    assert sorted(order.price_ticks for order in venue.open_orders.values()) == [9_990, 10_010]


def test_foreign_orders_are_left_alone(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    order_at(venue, "somebody-elses-order", 9_990)
    bench = Bench(tmp_path, venue)
    bench.run(3)
    bench.stop()
    assert list(venue.open_orders) == ["somebody-elses-order"]
    assert bench.loop.finished is not None
    assert bench.loop.finished.clean


def test_foreign_orders_count_toward_the_position_limit(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    order_at(venue, "somebody-elses-order", 9_900)
    bench = Bench(tmp_path, venue, risk={"max_position": 1.0})
    bench.run(3)
    assert bench.resting == {"sell.0": 10_010}


def test_an_order_in_flight_at_the_kill_is_waited_for_before_quoting(tmp_path: Path) -> None:
    venue = ScriptedVenue(late_arrival_s=4)
    bench = Bench(tmp_path, venue)
    venue.script.submit = LOSE
    bench.run(0.1)
    bench.die()
    venue.script.submit = "answer"
    bench.begin()
    bench.run(3)
    assert len(venue.submitted) == 2
    assert not bench.loop.reconciled
    venue.rest(venue.unsent[0], tell=False)  # it does arrive late
    bench.run(6)
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}
    assert len(venue.open_orders) == 2


def test_an_order_in_flight_at_the_kill_is_not_waited_for_again_after_a_confirmed_sweep(tmp_path: Path) -> None:
    venue = ScriptedVenue(late_arrival_s=40)
    bench = Bench(tmp_path, venue)
    venue.script.submit = LOSE
    bench.run(0.1)
    bench.die()
    venue.script.submit = "answer"
    bench.begin(swept=True)
    bench.run(3)
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}
    assert {order.client_order_id for order in bench.ledger.open_orders()} == set(venue.open_orders)


def test_an_order_whose_answer_the_kill_swallowed_is_found(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.submit = LOSE_ANSWER
    bench.run(0.1)
    bench.die()
    bench.venue.script.submit = "answer"
    bench.begin()
    bench.run(3)
    assert len(bench.venue.submitted) == 2
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}


def test_the_position_is_confirmed_often_enough_to_stay_fresh(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    for _ in range(60):
        bench.run(1)
        assert bench.gates == []
    assert 5 <= len(bench.venue.reports_asked) <= 8


def test_after_a_gap_the_link_is_good_only_once_it_is_reconciled(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    buy = bench.order_id("buy.0")
    bench.venue.link_down()
    bench.run(1)
    assert bench.gates == ["link"]
    assert bench.resting == {}
    bench.venue.fill(buy, 2, stream=False)
    bench.venue.script.reports.append("incomplete")
    bench.venue.link_up()
    bench.step(2)
    assert bench.gates == ["link"]
    bench.run(2)
    assert bench.phase == "QUOTING"
    assert bench.booked() == 1
    links = [type(event) for event in bench.strategy.heard if isinstance(event, (LinkUp, LinkDown))]
    assert links == [LinkUp, LinkDown, LinkUp]


def test_an_answer_asked_for_before_an_order_was_sent_does_not_judge_that_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    before = bench.venue.report(2, None)
    bench.venue.script.reports.append("none")
    bench.run(10)
    assert len(bench.venue.reports_asked) == 2  # the periodic question is out
    bench.strategy.wanted = tuple(replace(quote, price_ticks=quote.price_ticks + 100) for quote in BOTH)
    bench.run(2.5)
    moved = set(bench.venue.open_orders)
    assert moved.isdisjoint(order.client_order_id for order in before.open_orders)
    bench.venue.inbox.put(before)
    bench.run(1)
    assert set(bench.venue.open_orders) == moved
    assert {order.client_order_id for order in bench.ledger.open_orders()} == moved


def test_a_position_that_the_venue_keeps_seeing_differently_becomes_an_adjustment(tmp_path: Path) -> None:
    venue = ScriptedVenue(PERP)
    venue.position_lots = 7
    bench = Bench(tmp_path, venue)
    bench.run(4)
    assert bench.phase == "SYNC"
    bench.run(10)
    (entry,) = bench.ledger.fills("main")
    assert (entry.liquidity, entry.size_lots, entry.side) == ("adjustment", 7, Side.BUY)
    assert bench.loop.snapshot()["position"] == "0.7"
    assert bench.ledger.replay("main") == bench.ledger.position("main")
    assert bench.ledger.position("main").realised_pnl == Decimal(0)
    assert (bench.phase, bench.gates) == ("QUOTING", [])  # it was there before us


def test_a_position_that_changes_without_us_opens_the_breaker_for_a_while(tmp_path: Path) -> None:
    venue = ScriptedVenue(PERP)
    bench = Bench(tmp_path, venue, risk={"breaker_cooldown_s": 20, "max_position": 100})
    bench.run(3)
    assert bench.phase == "QUOTING"
    venue.position_lots = -7
    bench.run(19)
    assert (bench.gates, bench.resting) == (["breaker"], {})
    assert bench.loop.snapshot()["position"] == "-0.7"
    bench.run(20)
    assert (bench.gates, len(bench.resting)) == ([], 2)


def test_a_fill_that_the_venues_position_has_first_is_no_adjustment(tmp_path: Path) -> None:
    venue = ScriptedVenue(PERP)
    bench = Bench(tmp_path, venue)
    bench.run(9)
    venue.position_lots = 4  # the fill itself is on its way
    bench.run(3)
    assert len(venue.reports_asked) > 2
    venue.fill(bench.order_id("buy.0"), 4)
    bench.run(12)
    assert [fill.liquidity for fill in bench.ledger.fills("main")] == ["maker"]


def test_order_that_vanished_counts_until_the_history_had_time_to_tell_its_fill(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.capabilities = replace(venue.capabilities, history_lag_s=3.0)
    bench = Bench(tmp_path, venue, risk={"max_position": 1.0})
    bench.run(1)
    key = bench.order_id("buy.0")
    filled = venue.open_orders.pop(key)  # while the line was down; no report has the fill yet
    venue.inbox.put(LinkDown("main", "gone"))
    venue.inbox.put(LinkUp("main"))
    sent = len(venue.submitted)
    bench.run(2)
    venue.fill(key, filled.size_lots, stream=False)
    bench.run(10)
    assert bench.loop.snapshot()["position"] == "1.0"
    assert [order for order in venue.submitted[sent:] if order.side is Side.BUY] == []


def test_order_that_vanished_for_longer_than_the_history_takes_was_cancelled(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.capabilities = replace(venue.capabilities, history_lag_s=3.0)
    bench = Bench(tmp_path, venue, risk={"max_position": 1.0})
    bench.run(1)
    del venue.open_orders[bench.order_id("buy.0")]
    venue.inbox.put(LinkDown("main", "gone"))
    venue.inbox.put(LinkUp("main"))
    bench.run(10)
    assert {order.side for order in venue.open_orders.values()} == set(Side)
