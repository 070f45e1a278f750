"""A whole bot that amends its orders, before Thalex's simulator: nothing is lost or doubled on the way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.market.order import OrderState
from tests.conformance.live_bot import LiveBot
from tests.conformance.live_stage import SIZES, Stage
from tests.conformance.live_venues import VENUES, LiveUnderTest

AMEND = {"thalex": "private/amend"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    venue = VENUES["thalex"](tmp_path)
    assert isinstance(venue, LiveUnderTest)
    strategy, risk = {"amend_orders": True}, {"max_book_age_s": 600.0}
    made = Stage(venue, LiveBot(venue, tmp_path / "state", SIZES["thalex"], strategy, risk).start())
    made.calm()
    yield made
    made.bot.kill()
    venue.sim.reset()


def move(stage: Stage, factor: str) -> None:
    """Move the market by a share."""
    symbol = stage.bot.bot.clients[0].instrument.venue_symbol
    stage.venue.sim.price(symbol, Decimal(stage.bot.loop.snapshot()["mid"]) * Decimal(factor))


def assert_terms_agree(stage: Stage) -> None:
    """Check that the ledger has each open order on the terms that the venue has."""
    instrument = stage.bot.bot.clients[0].instrument
    ours = {
        (instrument.to_price(own.price_ticks), instrument.to_size(own.size_lots), instrument.to_size(own.filled_lots))
        for own in stage.bot.bot.ledger.open_orders("main")
    }
    assert ours == {
        tuple(Decimal(order[name]) for name in ("price", "size", "filled")) for order in stage.bot.open_at_venue()
    }


def test_quotes_are_amended_away_from_the_market_and_replaced_towards_it(stage: Stage) -> None:
    before = {order["order_id"]: order["side"] for order in stage.bot.open_at_venue()}
    move(stage, "0.9998")
    stage.bot.run(lambda: stage.counted("orders_amended") >= 2)
    stage.recovers()
    after = {order["order_id"]: order["side"] for order in stage.bot.open_at_venue()}
    assert {side for key, side in before.items() if key in after} == {"buy"}
    assert {side for key, side in after.items() if key not in before} == {"sell"}
    assert_terms_agree(stage)
    assert stage.venue.sim.state(stage.venue.account, fills=0)["counters"]["violations"] == {}


def test_a_fill_while_an_amendment_is_on_its_way_counts_once_and_the_rest_is_right(stage: Stage) -> None:
    fills = stage.fills()
    stage.fault("delay", AMEND, seconds=3, count=2)  # longer than the bot waits for an answer
    move(stage, "0.9998")
    stage.bot.run(lambda: stage.is_used_up("delay"))
    stage.trade("sell", share=0.5)  # a bid that is being amended
    tracker = stage.bot.loop._bot.legs[0].tracker
    assert OrderState.PENDING_REPLACE in {own.state for own in tracker.live()}
    stage.bot.run(lambda: OrderState.UNKNOWN in {own.state for own in tracker.live()})
    stage.recovers()
    assert stage.fills() == fills + 1
    stage.bot.run(lambda: stage.counted("orders_amended") >= 2)
    stage.bot.run_for(0.5)
    assert_terms_agree(stage)


def test_an_amendment_whose_answer_is_lost_with_its_connection_leaves_one_order_a_slot(stage: Stage) -> None:
    stage.fault("drop_answer", AMEND)
    move(stage, "0.9998")
    stage.bot.run(lambda: stage.is_used_up("drop_answer"))
    stage.bot.run_for(0.5)
    stage.recovers()
    resting = [(order["side"], order["price"]) for order in stage.bot.open_at_venue()]
    assert len(resting) == len(set(resting)) == 4
    assert_terms_agree(stage)
