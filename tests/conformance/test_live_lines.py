"""A bot on a live venue whose lines break, that says what nobody knows, or nothing: it finds back to the truth."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.market.order import OrderState, Side
from tests.conformance.live_stage import (
    CANCEL,
    LOGIN,
    WITH_LOGIN,
    WRITE,
    Stage,
)
from utils.errors import VenueUnreachable

BREAKS: dict[str, dict[str, Any]] = {
    "disconnect": {},
    "garbage": {},
    "huge_message": {"bytes": 20_000_000},
    "half_open": {},
}


@pytest.mark.parametrize("kind", BREAKS)
def test_line_that_breaks_is_a_lost_link_and_loses_nothing(stage: Stage, kind: str) -> None:
    assert stage.fault(kind, **BREAKS[kind])["hit"] == 1
    stage.bot.run(lambda: "link" in stage.gates, 40)
    stage.trade()
    stage.recovers(40)
    stage.trade("buy")
    stage.bot.run(stage.booked)
    stage.recovers()


@pytest.mark.parametrize(("kind", "count"), [("unknown_field", 20), ("unknown_enum", 1)])
def test_words_that_nobody_knows_lose_nothing(stage: Stage, kind: str, count: int) -> None:
    stage.fault(kind, count=count)
    stage.trade()
    stage.bot.run(lambda: stage.is_used_up(kind), 40)
    stage.recovers(40)
    stage.trade("buy")
    stage.bot.run(stage.booked)
    stage.recovers()


def test_line_that_breaks_again_and_again_comes_back(stage: Stage) -> None:
    hits = 0
    for _ in range(5):
        hits += stage.fault("disconnect")["hit"]
        stage.bot.run_for(0.4)
    assert hits
    stage.recovers(40)


def test_line_that_breaks_during_a_submit_doubles_nothing(stage: Stage) -> None:
    stage.fault("drop_answer", WRITE)
    stage.trade()
    stage.bot.run(lambda: stage.is_used_up("drop_answer"))
    stage.fault("disconnect")
    stage.bot.run_for(1)
    stage.recovers(40)


@pytest.mark.parametrize("stage", WITH_LOGIN, indirect=True)
def test_login_that_expires_is_renewed(stage: Stage) -> None:
    logins = stage.asked(LOGIN)
    assert stage.fault("expire_token")["hit"]
    stage.bot.run(lambda: stage.asked(LOGIN) > logins, 40)
    stage.trade()
    stage.recovers(40)


def test_history_that_fails_is_asked_for_again(stage: Stage) -> None:
    stage.fault("incomplete", count=3)
    stage.trade()
    stage.bot.run(lambda: stage.is_used_up("incomplete"), 40)
    stage.recovers()


def test_no_order_is_ever_of_unknown_outcome_for_long(stage: Stage) -> None:
    stage.fault("drop_answer", WRITE)
    stage.fault("drop_answer", CANCEL)
    stage.trade()
    stage.bot.run(lambda: stage.is_used_up("drop_answer"), 40)
    stage.recovers(40)
    states = {order.state for order in stage.bot.bot.ledger.open_orders("main")}
    assert OrderState.UNKNOWN not in states
    assert {Side(order["side"]) for order in stage.bot.open_at_venue()} == set(Side)


def test_changed_tick_size_ends_the_bot_and_its_next_life_counts_in_it(stage: Stage) -> None:
    tick = stage.venue.sim.tick(stage.bot.bot.clients[0].instrument.venue_symbol, 5)
    stage.fault("disconnect")  # on a new connection the listing is read again
    with pytest.raises(VenueUnreachable, match="tick size"):
        stage.bot.run(lambda: False, 40)
    stage.bot.kill()
    stage.bot.risk = {"breaker_cooldown_s": 1}  # what was refused meanwhile has opened it, and it outlives a restart
    stage.bot = stage.bot.again().start()
    stage.bot.run(stage.is_whole, 25)
    assert [order["price"] for order in stage.bot.open_at_venue() if Decimal(order["price"]) % tick] == []
