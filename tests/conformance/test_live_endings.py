"""How a bot of a live venue ends and changes: handed over, closed, reconfigured; the simulator's books decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.trading.trading_loop import LoopExit, SpotRule
from tests.conformance.live_bot import STRATEGY, LiveBot
from tests.conformance.live_stage import LIVE, RESTING_ON, SIZES, SLOTS, WITH_POSITIONS, Stage
from tests.conformance.live_venues import LiveUnderTest
from tests.conformance.venues import VENUES

# A fixture of the same name as the one in `conftest.py`, but with quotes that nothing moves.
CALM = {"price_tolerance_pct": 5, "requote_bps": 0, "spread_pct": 0.3}


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    venue = VENUES[request.param](tmp_path)
    assert isinstance(venue, LiveUnderTest)
    made = Stage(venue, LiveBot(venue, tmp_path / "state", SIZES[request.param], CALM).start())
    made.bot.run(made.is_whole)
    yield made
    made.bot.kill()
    venue.sim.reset()


def on(venues: Sequence[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stage", venues, indirect=True)


def ended(bot: LiveBot, begin: Callable[[], None], timeout_s: float = 30.0) -> LoopExit:
    """Begin an end and wait for it."""
    begin()
    deadline = time.monotonic() + timeout_s
    while bot.loop.finished is None:
        assert time.monotonic() < deadline, bot.loop.snapshot()
        bot._step(deadline)
    return bot.loop.finished


def venue_ids(stage: Stage) -> set[Any]:
    return {order["order_id"] for order in stage.bot.open_at_venue()}


@on(RESTING_ON)
def test_orders_are_handed_over_and_keep_their_place_at_the_venue(stage: Stage) -> None:
    before, on_record = venue_ids(stage), []
    said = ended(stage.bot, lambda: stage.bot.loop.begin_handover("upgrade", 20.0, on_record.extend))
    assert (said.status, said.handover, len(on_record)) == (0, True, SLOTS), said
    stage.bot.kill()
    assert venue_ids(stage) == before
    stage.bot = stage.bot.again().start()
    stage.bot.run(stage.is_whole)
    stage.bot.run_for(1.5)
    assert venue_ids(stage) == before
    assert stage.bot.stop().clean
    assert stage.bot.open_at_venue() == []


@on(RESTING_ON)
def test_a_fill_between_two_hands_is_booked_once(stage: Stage) -> None:
    ended(stage.bot, lambda: stage.bot.loop.begin_handover("upgrade", 20.0, lambda orders: None))
    stage.bot.kill()
    best = stage.resting("sell")[0]
    stage.fault("partial_fill", lots=1, order_id=best["order_id"])
    stage.bot = stage.bot.again().start()
    stage.bot.run(stage.booked)
    stage.bot.assert_books_agree()
    assert stage.fills() == 1


@on([name for name in LIVE if name not in RESTING_ON])
def test_a_venue_that_ends_orders_with_the_line_gets_a_confirmed_stop(stage: Stage) -> None:
    said = ended(stage.bot, lambda: stage.bot.loop.begin_handover("upgrade", 20.0, lambda orders: None))
    assert (said.status, said.clean, said.handover) == (0, True, False)
    assert "connection" in said.reason
    assert stage.bot.open_at_venue() == []


@on(WITH_POSITIONS)
def test_a_close_ends_flat_in_the_venues_own_books(stage: Stage) -> None:
    stage.trade("sell")
    stage.bot.run(lambda: stage.fills() >= 1 and stage.booked())
    assert stage.bot.bot.ledger.position("main").size_lots != 0
    said = ended(stage.bot, lambda: stage.bot.loop.begin_close("flatten", SpotRule.LEAVE), 60.0)
    assert (said.status, said.clean, said.closed) == (0, True, True), said
    assert stage.bot.open_at_venue() == []
    fills = stage.bot.account_at_venue()["fills"]
    net = sum(float(fill["size"]) * (1 if fill["side"] == "buy" else -1) for fill in fills)
    assert abs(net) < 1e-9
    stage.bot.assert_books_agree()


@on(LIVE)
def test_a_live_change_leaves_orders_that_match_where_they_are(stage: Stage) -> None:
    before = venue_ids(stage)
    keys = {**STRATEGY, **CALM, "symbol": stage.venue.symbol, "order_size": float(stage.bot.order_size)}
    bot = stage.bot
    bot.loop.apply_change(bot.loop.prepare_change({**keys, "interval_s": 0.3}, {"max_position": 0.9}, 15.0))
    bot.run_for(1.5)
    assert venue_ids(stage) == before
    bot.loop.apply_change(bot.loop.prepare_change({**keys, "layers": 1}, {"max_position": 0.9}, 15.0))
    bot.run(lambda: len(bot.open_at_venue()) == 2)
    assert venue_ids(stage) < before
