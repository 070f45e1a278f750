"""A planned end that leaves the orders: only when all is settled and on record, and the next life finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.base_client import DeadManScope
from core.market.commands import Take
from core.market.order import Side
from core.trading.latches import Latches
from core.trading.trading_loop import LoopSettings, SpotRule
from tests.trading.scripted_venue import ANSWER, LOSE, LOSE_ANSWER, PERP, ScriptedVenue
from tests.trading.test_closing import fill_takes
from tests.trading.workbench import BOTH, BOTH_SIX, Bench
from utils.errors import LedgerError, VenueUnreachable


class Record:
    """What the worker would write to disk."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error
        self.orders: tuple[str, ...] | None = None

    def __call__(self, orders: Sequence[str]) -> None:
        if self.error is not None:
            raise self.error
        self.orders = tuple(orders)


def six_resting(folder: Path, **more: Any) -> Bench:
    bench = Bench(folder, **more)
    bench.strategy.wanted = BOTH_SIX
    bench.run(1)
    assert len(bench.resting) == 6
    return bench


def hand_over(bench: Bench, settle_s: float = 5.0, record: Record | None = None) -> Record:
    record = record or Record()
    bench.loop.begin_handover("upgrade", settle_s, record)
    return record


def stopped_instead(bench: Bench, record: Record, *words: str) -> None:
    """It became an ordinary stop: confirmed, nothing on record, and the reason is told."""
    ended = bench.end()
    assert (ended.status, ended.clean, ended.handover, ended.left_orders) == (0, True, False, ())
    assert bench.venue.open_orders == {}
    assert record.orders is None
    assert [word for word in ("upgrade", "no handover", *words) if word not in ended.reason] == []


def test_a_handover_leaves_every_order_and_puts_it_on_record(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    record = hand_over(bench)
    ended = bench.end()
    assert (ended.status, ended.clean, ended.handover, ended.reason) == (0, False, True, "upgrade")
    assert record.orders == ended.left_orders == tuple(sorted(bench.venue.open_orders))
    assert bench.venue.cancels == []
    assert {order.client_order_id for order in bench.ledger.open_orders()} == set(record.orders)


def test_the_next_life_keeps_the_orders_that_still_match_and_moves_the_others(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    hand_over(bench)
    bench.end()
    before = {key: order.venue_order_id for key, order in bench.venue.open_orders.items()}
    bench.die()
    bench.strategy.wanted = tuple(
        replace(quote, price_ticks=quote.price_ticks - 60) if quote.level == 2 else quote for quote in BOTH_SIX
    )
    bench.begin()
    bench.run(3)
    after = {key: order.venue_order_id for key, order in bench.venue.open_orders.items()}
    kept = {key: venue_id for key, venue_id in before.items() if after.get(key) == venue_id}
    assert (len(kept), len(after)) == (4, 6)
    assert set(bench.venue.cancels) == before.keys() - kept.keys()


def test_the_next_life_waits_for_its_first_book_before_it_judges_the_orders(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    hand_over(bench)
    bench.end()
    bench.die()
    before = dict(bench.venue.open_orders)
    bench.feed = None
    bench.begin()
    bench.venue.link_down()
    bench.run(2)
    bench.venue.link_up()
    bench.run(2)
    assert (bench.gates, bench.venue.open_orders) == (["stale"], before)
    bench.feed = (9_999, 10_001)
    bench.run(3)
    assert (bench.phase, bench.venue.open_orders) == ("QUOTING", before)


def test_a_next_life_with_lower_limits_holds_them_before_its_first_decision(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    hand_over(bench)
    bench.end()
    bench.die()
    bench.settings = LoopSettings.from_config({"interval_s": 1.0}, {"max_position": 1.0, "max_position_usd": 100_000})
    bench.feed = None
    bench.begin()
    bench.run(1)
    assert bench.resting == {"buy.0": 9_990, "sell.0": 10_010}


def test_a_book_that_does_not_come_takes_the_orders_off(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    hand_over(bench)
    bench.end()
    bench.die()
    bench.feed = None
    bench.begin()
    bench.run(4.9)
    assert len(bench.venue.open_orders) == 6
    bench.run(0.3)  # max_book_age_s is 5
    assert bench.venue.open_orders == {}


def test_a_line_that_is_lost_after_the_first_decision_takes_the_orders_off_at_once(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    hand_over(bench)
    bench.end()
    bench.die()
    bench.begin()
    bench.run(1)
    bench.venue.link_down()
    bench.step(2)
    assert bench.venue.open_orders == {}


@pytest.mark.parametrize("reason", ["pause", "spread", "latch"])
def test_another_reason_not_to_quote_is_not_waited_for(tmp_path: Path, reason: str) -> None:
    bench = six_resting(tmp_path, risk={"max_spread_bps": 50.0, "max_loss": 3})
    hand_over(bench)
    bench.end()
    bench.die()
    bench.feed = (9_000, 11_000) if reason == "spread" else None
    if reason == "latch":
        Latches(tmp_path / "latches.json").set("max_loss", "close", "lost", 1, done=False)
    bench.begin()
    if reason == "pause":
        bench.loop.pause()
    bench.run(1)
    assert bench.venue.open_orders == {}


def test_a_fill_between_the_two_lives_is_booked_before_the_next_order(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    hand_over(bench)
    bench.end()
    bench.die()
    bench.venue.fill(bench.order_id("buy.0"), 10, stream=False)
    sent = len(bench.venue.submitted)
    bench.begin()
    bench.step(2)
    assert (bench.booked(), len(bench.venue.submitted)) == (1, sent)
    bench.run(3)
    assert len(bench.resting) == 6


def test_nothing_is_decided_any_more(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.venue.script.submit = LOSE_ANSWER
    bench.strategy.says = [Take(Side.BUY, 10_001, 1)]
    bench.venue.link_up()
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.step(1)  # the fill is heard, its answer is under way
    bench.strategy.heard.clear()
    sent = len(bench.venue.submitted)
    hand_over(bench)
    assert bench.phase == "STOPPING"
    bench.venue.fill(bench.order_id("sell.0"), 10)
    bench.end()
    assert (bench.strategy.heard, len(bench.venue.submitted)) == ([], sent)


def test_an_order_in_flight_is_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.script.submit = LOSE
    bench.run(0.3)
    record = hand_over(bench)
    bench.run(1)
    assert record.orders is None
    for order in bench.venue.unsent:
        bench.venue.rest(order)
    bench.run(1)
    assert record.orders is not None
    assert len(record.orders) == 2


def test_a_cancel_in_flight_is_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.venue.script.cancel = LOSE
    bench.strategy.wanted = BOTH[:1]
    bench.run(1.2)
    record = hand_over(bench)
    bench.run(0.5)
    assert record.orders is None
    bench.venue.script.cancel = ANSWER
    (key,) = bench.venue.cancels
    bench.venue.cancel([key])
    bench.run(0.5)
    assert record.orders == (bench.order_id("buy.0"),)


def test_what_does_not_settle_in_time_becomes_a_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ack_timeout_s=60.0)
    bench.venue.script.submit = LOSE
    bench.run(0.3)
    record = hand_over(bench, settle_s=2.0)
    bench.run(1.9)
    assert bench.loop.finished is None
    stopped_instead(bench, record, "2 requests are not answered")


def test_a_venue_that_ends_orders_with_the_connection_gets_a_stop(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.capabilities = replace(venue.capabilities, dead_man_scope=DeadManScope.CONNECTION)
    bench = Bench(tmp_path, venue)
    bench.run(1)
    stopped_instead(bench, hand_over(bench), "connection")


def test_a_record_that_cannot_be_written_becomes_a_stop(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    stopped_instead(bench, hand_over(bench, record=Record(OSError(28, "No space left"))), "No space left")


def test_a_ledger_that_cannot_be_written_becomes_a_stop(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    write = bench.ledger.write

    def fail(batch: Any) -> int:
        raise LedgerError("disk full")

    bench.ledger.write = fail  # type: ignore[method-assign]
    record = hand_over(bench, settle_s=2.0)
    bench.run(3)
    bench.ledger.write = write  # type: ignore[method-assign]
    stopped_instead(bench, record, "ledger")


def test_a_bot_whose_quotes_are_off_has_nothing_to_hand_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(1)
    bench.loop.pause()
    bench.run(1)
    stopped_instead(bench, hand_over(bench), "quotes are off")


def test_a_bot_that_is_not_reconciled_stops_instead(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.die()
    bench.venue.script.reports.extend(["incomplete"] * 3)
    bench.begin()
    bench.run(0.3)
    assert not bench.loop.reconciled
    stopped_instead(bench, hand_over(bench), "quotes are off")


def test_a_gate_that_shuts_meanwhile_turns_it_into_a_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ack_timeout_s=60.0)
    bench.run(1)
    bench.venue.script.cancel = LOSE
    bench.strategy.wanted = BOTH[:1]
    bench.run(1.2)
    record = hand_over(bench, settle_s=60.0)
    bench.feed = None
    bench.run(6)
    bench.venue.script.cancel = ANSWER
    stopped_instead(bench, record, "stale")


def test_an_order_that_vanished_is_waited_for_until_it_is_known_what_became_of_it(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.capabilities = replace(venue.capabilities, history_lag_s=3.0)
    bench = Bench(tmp_path, venue, interval_s=600.0)
    bench.run(1)
    key = bench.order_id("buy.0")
    gone = venue.open_orders.pop(key)  # it has filled; no report tells of that for a while
    bench.loop._bot.legs[0].want_report(bench.clock.now_ns())
    bench.run(0.5)
    record = hand_over(bench, settle_s=60.0)
    bench.run(1)
    assert record.orders is None
    venue.fill(key, gone.size_lots, stream=False)
    bench.run(4)
    assert record.orders == (bench.order_id("sell.0"),)
    assert bench.booked() == 1


def test_a_limit_that_trips_meanwhile_goes_before_a_handover(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedVenue(PERP), risk={"max_loss": 3, "max_loss_action": "close"}, ack_timeout_s=60.0)
    bench.run(1)
    bench.venue.fill(bench.order_id("buy.0"), 10)
    bench.run(1.5)
    bench.venue.script.cancel = LOSE
    bench.strategy.wanted = BOTH[:1]
    bench.run(1.2)
    record = hand_over(bench, settle_s=60.0)
    bench.feed = (9_499, 9_501)
    fill_takes(bench.venue)
    bench.run(2)
    bench.venue.script.cancel = ANSWER
    ended = bench.end(120)
    assert (ended.status, ended.handover, ended.closed, record.orders) == (77, False, True, None)
    assert bench.ledger.position("main").size_lots == 0
    assert Latches(tmp_path / "latches.json").get("max_loss") is not None


def test_a_stop_or_a_close_that_is_asked_meanwhile_wins(tmp_path: Path) -> None:
    for name in ("stop", "close"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name, ScriptedVenue(PERP), ack_timeout_s=60.0)
        bench.venue.script.submit = LOSE
        bench.run(0.3)
        record = hand_over(bench, settle_s=60.0)
        if name == "stop":
            bench.loop.begin_stop("asked to stop")
        else:
            bench.loop.begin_close("flatten", SpotRule.LEAVE)
        bench.venue.script.submit = ANSWER
        for order in bench.venue.unsent:
            bench.venue.rest(order)
        ended = bench.end()
        assert (ended.clean, ended.handover, ended.closed, record.orders) == (True, False, name == "close", None)
        assert bench.venue.open_orders == {}


def test_a_handover_asked_of_a_bot_that_stops_changes_nothing(tmp_path: Path) -> None:
    bench = six_resting(tmp_path)
    bench.loop.begin_stop("asked to stop")
    hand_over(bench)
    ended = bench.end()
    assert (ended.reason, ended.clean, ended.handover) == ("asked to stop", True, False)


def test_a_venue_that_loses_the_line_while_it_settles_gets_a_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ack_timeout_s=60.0)
    bench.venue.script.submit = LOSE
    bench.run(0.3)
    record = hand_over(bench, settle_s=60.0)
    bench.venue.script.report_error = VenueUnreachable("cable")
    bench.venue.link_down()
    bench.run(1)
    bench.venue.script.report_error = None
    stopped_instead(bench, record, "link")


def test_the_end_of_the_run_is_the_same_for_the_successor(tmp_path: Path) -> None:
    bench = six_resting(tmp_path, duration_s=30.0)
    bench.run(15)
    hand_over(bench)
    bench.end()
    bench.die()
    bench.begin()
    bench.run(13)
    assert bench.loop.finished is None
    bench.run(4)
    assert bench.loop.finished is not None
    assert "duration" in bench.loop.finished.reason
