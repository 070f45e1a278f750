"""What goes wrong between a bot and a live venue: nothing is lost, nothing doubled, unknown is never zero.

A whole bot (loop, ledger, client) against the venue's simulator over real sockets. The numbers in comments are those
of the acceptance scenarios in the strategies' specification.
"""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from core.market.order import OrderState
from tests.conformance.live_stage import (
    BOOK,
    CANCEL,
    FILLS,
    LOGIN,
    POSITION,
    RESTING_ON,
    SLOTS,
    STILL,
    WITH_LOGIN,
    WITH_POSITIONS,
    WRITE,
    Stage,
)

TIGHT = {"recv_window_ms": 1000}
CLOCK_STEPS = [(-8, {}), (8, {}), (-3, TIGHT), (3, TIGHT)]  # 3 s are within what a request may take as a rule


def test_a_bot_quotes_trades_stops_and_leaves_nothing(stage: Stage) -> None:
    stage.trade("sell")
    stage.trade("buy")
    stage.bot.run(stage.booked)
    stage.recovers()
    ended = stage.bot.stop()
    assert ended.clean and ended.left_orders == ()
    assert stage.bot.open_at_venue() == []


def test_lost_acknowledgement_leaves_exactly_one_order_a_slot(stage: Stage) -> None:  # 1
    stage.fault("drop_answer", WRITE)
    stage.trade()
    stage.bot.run(lambda: stage.is_used_up("drop_answer"))
    stage.bot.run_for(1)
    stage.recovers()
    resting = [(order["side"], order["price"]) for order in stage.bot.open_at_venue()]
    assert len(resting) == len(set(resting)) == SLOTS


@STILL
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_fill_that_is_told_after_the_cancel_was_acknowledged_counts_once(stage: Stage, share: float) -> None:  # 2
    before = stage.calm()
    stage.fault("delay", FILLS, seconds=4, count=4)
    stage.trade(share=share)
    stage.bot.loop.pause()  # every quote is being cancelled now
    stage.bot.run(lambda: not stage.bot.bot.ledger.open_orders("main"))
    stage.bot.run_for(4.5)
    stage.bot.run(stage.booked)
    stage.bot.assert_books_agree()
    assert stage.fills() == before + 1
    stage.bot.loop.resume()
    stage.recovers()


@STILL
def test_fill_that_overtakes_a_cancel_counts_once(stage: Stage) -> None:  # 2
    before = stage.calm()
    stage.fault("delay", CANCEL, seconds=2, count=SLOTS)
    stage.bot.loop.pause()  # every quote is being cancelled now
    stage.bot.run_for(0.1)
    stage.trade()
    stage.bot.run(lambda: not stage.bot.open_at_venue())
    assert stage.is_used_up("delay")
    stage.bot.run(stage.booked)
    stage.bot.assert_books_agree()
    assert stage.fills() == before + 1
    stage.bot.loop.resume()
    stage.recovers()


@STILL
def test_fill_that_is_told_twice_counts_once(stage: Stage) -> None:  # 3
    before = stage.calm()
    stage.fault("duplicate_fill")
    stage.trade()
    stage.bot.run(lambda: stage.fills() == before + 1 and stage.booked())
    assert stage.is_used_up("duplicate_fill")
    stage.bot.run_for(1)
    stage.recovers()
    assert stage.fills() == before + 1


@STILL
def test_killed_bot_is_succeeded_by_one_with_the_same_books(stage: Stage) -> None:  # 4
    fills = stage.calm()
    stage.trade()
    stage.bot.run(lambda: stage.fills() == fills + 1 and stage.booked())
    before = stage.bot.bot.ledger.position("main")
    stage.bot.kill()
    stage.bot = stage.bot.again().start()
    assert stage.bot.bot.ledger.position("main") == before
    stage.recovers()


@STILL
@pytest.mark.parametrize("stage", RESTING_ON, indirect=True)
def test_fill_while_nobody_lived_is_booked_before_the_first_quote(stage: Stage) -> None:
    before = stage.calm()
    stage.bot.kill()
    stage.trade()
    stage.bot = stage.bot.again().start()
    stage.bot.run(lambda: stage.bot.loop.reconciled)
    assert stage.counted("orders_created") == 0
    stage.bot.assert_books_agree()
    assert stage.fills() == before + 1
    stage.recovers()


@pytest.mark.parametrize("risk", [{"max_position_age_s": 6.0, "max_book_age_s": 600.0}])
@pytest.mark.parametrize("stage", WITH_POSITIONS, indirect=True)
def test_position_that_cannot_be_asked_for_is_not_zero_and_gets_old(stage: Stage) -> None:  # 5
    before = stage.calm()
    stage.trade()
    stage.bot.run(lambda: stage.fills() == before + 1 and stage.booked())
    held = stage.bot.bot.ledger.position("main").size_lots
    what = POSITION[stage.venue.venue]
    asked = stage.asked(what if " " in what else f"WS {what}")
    stage.fault("status", POSITION, status=503, count=10_000)
    stage.bot.run(lambda: stage.is_off("stale"), 30)
    stage.bot.run(lambda: stage.asked(what if " " in what else f"WS {what}") >= asked + 10, 60)
    stage.assert_places_nothing(2)
    assert "stale" in stage.gates
    assert stage.bot.bot.ledger.position("main").size_lots == held != 0
    assert stage.bot.loop.snapshot()["position"] != "0"
    assert stage.fills() == before + 1  # nothing was closed
    stage.venue.sim.fault("clear")
    stage.recovers()


@pytest.mark.parametrize("risk", [{"max_book_age_s": 1.0}])
def test_frozen_book_pulls_the_quotes(stage: Stage) -> None:  # 6
    stage.market_fault("freeze_book")
    stage.bot.run(lambda: stage.is_off("stale"))
    stage.venue.sim.fault("clear")
    stage.recovers()


@STILL
def test_gap_in_the_book_is_read_anew_before_the_next_quote(stage: Stage) -> None:  # 7
    stage.calm()  # between two messages of a moving market a lost one may heal by itself
    instrument, mid = stage.bot.bot.clients[0].instrument, Decimal(stage.bot.loop.snapshot()["mid"])
    stage.market_fault("delay", BOOK, seconds=6)
    stage.market_fault("skip_sequence")
    for share in (Decimal("0.985"), Decimal("0.984")):
        price = instrument.to_price(instrument.to_ticks(mid * share))
        stage.venue.sim.order("b", instrument.venue_symbol, "buy", price, "0.1")
    stage.bot.run(lambda: stage.is_off("link"))
    assert stage.is_used_up("skip_sequence")
    stage.bot.run(lambda: stage.is_used_up("delay"))
    stage.assert_places_nothing(3)
    stage.venue.sim.feed(paused=False)
    stage.recovers()


@pytest.mark.parametrize("ahead_s", [-3, 3])
@pytest.mark.parametrize("exchange", [TIGHT])
def test_clock_that_is_off_when_the_bot_starts_signs_nothing_wrong(stage: Stage, ahead_s: int) -> None:  # 24
    assert stage.bot.bot.clients[0].clock_offset_ms() == pytest.approx(ahead_s * 1000, abs=1000)
    stage.trade()
    stage.recovers()
    assert stage.wrongly_stamped() == 0


@pytest.mark.parametrize(("seconds", "exchange"), CLOCK_STEPS)
def test_clock_that_is_off_is_corrected_not_signed_wrong_again_and_again(stage: Stage, seconds: int) -> None:  # 24
    logins = stage.asked(LOGIN)
    stage.market_fault("clock_skew", seconds=seconds)
    if stage.venue.venue in WITH_LOGIN:  # only a login is dated
        stage.fault("disconnect")
        stage.bot.run(lambda: stage.asked(LOGIN) > logins)
    stage.bot.run(lambda: abs((stage.bot.bot.clients[0].clock_offset_ms() or 0) - seconds * 1000) < 1000)
    stage.bot.run_for(1)  # what was under way has arrived
    found = stage.wrongly_stamped()
    assert (found == 0) if stage.venue.venue in WITH_LOGIN else (1 <= found <= 2 * SLOTS)  # one decision's requests
    stage.trade()
    stage.recovers()
    assert stage.wrongly_stamped() == found


def test_rate_limit_is_waited_for_and_everything_comes_back(stage: Stage) -> None:  # 25
    stage.fault("rate_limit", retry_after=1, count=3)
    stage.trade()
    stage.bot.run(lambda: stage.is_used_up("rate_limit"))
    stage.recovers()


@STILL
@pytest.mark.parametrize("stage", RESTING_ON, indirect=True)
def test_retry_after_is_obeyed_and_then_cancels_go_before_creates(stage: Stage) -> None:  # 25
    stage.calm()
    symbol, began_ns = stage.bot.bot.clients[0].instrument.venue_symbol, time.time_ns()
    stage.fault("rate_limit", WRITE, retry_after=3)
    stage.trade()  # the free slot is filled again, and that is what the venue refuses
    stage.bot.run(lambda: stage.counted("orders_rejected"))
    stage.bot.run(lambda: OrderState.PENDING_NEW in {o.state for o in stage.bot.bot.ledger.open_orders("main")})
    stage.venue.sim.price(symbol, Decimal(stage.bot.loop.snapshot()["mid"]) * Decimal("1.0003"))  # all must move
    stage.recovers()
    asked = [one for one in stage.venue.sim.requests(stage.venue.account) if one["at_ns"] >= began_ns]
    limited = next(one for one in asked if one["request"].startswith(WRITE["backpack"]))
    later = [one for one in asked if one["at_ns"] > limited["at_ns"] + 10**9]  # not what was under way
    assert later[0]["at_ns"] - limited["at_ns"] >= 3 * 10**9
    writes = [one["request"] for one in later if not one["request"].startswith("GET")]
    assert writes[0].startswith(CANCEL["backpack"])


def test_stop_under_a_rate_limit_leaves_nothing(stage: Stage) -> None:  # 25
    stage.fault("rate_limit", retry_after=1, count=3)
    assert stage.bot.stop().clean
    assert stage.is_used_up("rate_limit")
    assert stage.bot.open_at_venue() == []
