"""What goes wrong between a bot and a live venue: nothing is lost, nothing doubled, unknown is never zero.

A whole bot (loop, ledger, client) against the venue's simulator over real sockets. The numbers in comments are those
of the acceptance scenarios in the strategies' specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.market.order import OrderState, Side
from tests.conformance.live_bot import LiveBot
from tests.conformance.live_venues import LiveUnderTest
from tests.conformance.venues import VENUES

SLOTS = 4  # two layers a side
SIZES = {"backpack": "0.1", "backpack_perp": "0.1", "thalex": "0.01"}
LIVE = sorted(SIZES)
RESTING_ON = ["backpack", "backpack_perp"]  # after the connection is lost; at the others orders die with it
WITH_POSITIONS = ["backpack_perp", "thalex"]
WITH_LOGIN = ["thalex"]  # at the others each request is signed
WRITE = {"backpack": "POST /api/v1/order", "thalex": "private/insert"}
CANCEL = {"backpack": "DELETE /api/v1/order", "thalex": "private/cancel"}
POSITION = {"backpack": "GET /api/v1/position", "thalex": "private/portfolio"}


@dataclass(slots=True)
class Stage:
    """A bot that quotes, and the simulator's levers."""

    venue: LiveUnderTest
    bot: LiveBot

    def fault(self, kind: str, match: dict[str, str] | None = None, **params: Any) -> None:
        if match is not None:
            params["match"] = match[self.venue.venue]
        self.venue.sim.fault(kind, account=self.venue.account, **params)

    def trade(self, side: str = "sell", share: float = 1.0) -> None:
        """Let somebody take our best quote on the other side, or a share of it."""
        self.bot.run(lambda: self.resting(side))
        ours = self.resting(side)
        best = (max if side == "sell" else min)(ours, key=lambda order: float(order["price"]))
        lots = self.bot.bot.clients[0].instrument.to_lots(Decimal(best["size"]) - Decimal(best["filled"]))
        self.fault("partial_fill", lots=max(1, int(lots * share)), order_id=best["order_id"])

    def resting(self, against: str) -> list[Any]:
        """Return our open orders that trade against a side."""
        return [order for order in self.bot.open_at_venue() if order["side"] != against]

    def fills(self) -> int:
        return len(self.bot.account_at_venue()["fills"])

    def recovers(self, timeout_s: float = 25.0) -> None:
        """Wait until the bot quotes as if nothing had been, and its books are the venue's."""
        self.bot.run(self.is_whole, timeout_s)
        self.bot.run(self.booked, 10)
        self.bot.assert_books_agree()

    def is_whole(self) -> bool:
        leg = self.bot.loop.snapshot()["legs"][0]
        resting = self.bot.open_at_venue()
        return self.bot.loop.phase == "QUOTING" and len(resting) == SLOTS == leg["open_orders"]

    def booked(self) -> bool:
        return len(self.bot.bot.ledger.fills("main")) == self.fills()


@pytest.fixture
def risk() -> dict[str, Any]:
    """Return limits of a test's own."""
    return {}


@pytest.fixture(params=LIVE)
def stage(request: pytest.FixtureRequest, tmp_path: Path, risk: dict[str, Any]) -> Iterator[Stage]:
    venue = VENUES[request.param](tmp_path)
    assert isinstance(venue, LiveUnderTest)
    made = Stage(venue, LiveBot(venue, tmp_path / "state", SIZES[request.param], risk=risk).start())
    made.bot.run(made.is_whole)
    yield made
    made.bot.kill()
    venue.sim.reset()


def test_a_bot_quotes_trades_stops_and_leaves_nothing(stage: Stage) -> None:
    stage.trade("sell")
    stage.trade("buy")
    stage.bot.run(lambda: stage.fills() >= 2 and stage.booked())
    stage.recovers()
    ended = stage.bot.stop()
    assert ended.clean and ended.left_orders == ()
    assert stage.bot.open_at_venue() == []


def test_lost_acknowledgement_leaves_exactly_one_order_a_slot(stage: Stage) -> None:  # 1
    stage.fault("drop_answer", WRITE)
    stage.trade()
    stage.bot.run_for(1)
    stage.recovers()
    resting = [(order["side"], order["price"]) for order in stage.bot.open_at_venue()]
    assert len(resting) == len(set(resting)) == SLOTS


def test_fill_that_overtakes_a_cancel_counts_once(stage: Stage) -> None:  # 2
    stage.fault("delay", CANCEL, seconds=0.7, count=2)
    stage.bot.loop.pause()  # every quote is being cancelled now
    stage.bot.run_for(0.1)
    stage.trade()
    stage.bot.run(lambda: not stage.bot.open_at_venue())
    stage.bot.run(stage.booked)
    stage.bot.assert_books_agree()
    assert stage.fills() == 1
    stage.bot.loop.resume()
    stage.recovers()


def test_fill_that_is_told_twice_counts_once(stage: Stage) -> None:  # 3
    stage.fault("duplicate_fill")
    stage.trade()
    stage.bot.run(lambda: stage.fills() == 1 and stage.booked())
    stage.bot.run_for(1)
    stage.recovers()
    assert stage.fills() == 1


def test_killed_bot_is_succeeded_by_one_with_the_same_books(stage: Stage) -> None:  # 4
    stage.trade()
    stage.bot.run(lambda: stage.fills() == 1 and stage.booked())
    before = stage.bot.bot.ledger.position("main")
    stage.bot.kill()
    stage.bot = stage.bot.again().start()
    assert stage.bot.bot.ledger.position("main") == before
    stage.recovers()


@pytest.mark.parametrize("stage", RESTING_ON, indirect=True)
def test_fill_while_nobody_lived_is_booked_before_the_first_quote(stage: Stage) -> None:
    stage.bot.kill()
    stage.trade()
    stage.bot = stage.bot.again().start()
    stage.bot.run(lambda: stage.bot.loop.reconciled)
    stage.bot.assert_books_agree()
    assert stage.fills() == 1
    stage.recovers()


@pytest.mark.parametrize("stage", WITH_POSITIONS, indirect=True)
def test_position_that_cannot_be_asked_for_is_not_zero(stage: Stage) -> None:  # 5
    stage.trade()
    stage.bot.run(lambda: stage.fills() == 1 and stage.booked())
    held = stage.bot.bot.ledger.position("main").size_lots
    stage.fault("status", POSITION, status=503, count=60)
    stage.bot.run_for(3)
    assert stage.bot.bot.ledger.position("main").size_lots == held
    assert stage.bot.loop.snapshot()["position"] != "0"
    stage.venue.sim.reset()
    stage.recovers()


@pytest.mark.parametrize("risk", [{"max_book_age_s": 1.0}])
def test_frozen_book_pulls_the_quotes(stage: Stage) -> None:  # 6
    loop = stage.bot.loop
    stage.venue.sim.fault("freeze_book", seconds=6)  # the market's, not an account's
    stage.bot.run(lambda: "stale" in loop.snapshot()["gates"] and not stage.bot.open_at_venue(), 8)
    stage.recovers()


def test_gap_in_the_book_is_read_anew_before_the_next_quote(stage: Stage) -> None:  # 7
    stage.venue.sim.fault("skip_sequence")  # the market's, not an account's
    stage.bot.run_for(2)
    stage.recovers()


@pytest.mark.parametrize("seconds", [-8, 8])
def test_clock_that_is_off_is_corrected_not_signed_wrong_again_and_again(stage: Stage, seconds: int) -> None:  # 24
    stage.fault("clock_skew", seconds=seconds)
    stage.bot.run_for(1)
    stage.trade()
    stage.recovers()
    assert stage.venue.sim.state()["counters"]["violations"].get("bad_timestamp", 0) < 20


def test_rate_limit_is_waited_for_and_everything_comes_back(stage: Stage) -> None:  # 25
    stage.fault("rate_limit", retry_after=1, count=3)
    stage.trade()
    stage.bot.run_for(2)
    stage.recovers()


def test_stop_under_a_rate_limit_leaves_nothing(stage: Stage) -> None:  # 25
    stage.fault("rate_limit", retry_after=1, count=3)
    assert stage.bot.stop().clean
    assert stage.bot.open_at_venue() == []


TROUBLE: dict[str, dict[str, Any]] = {
    "disconnect": {},
    "garbage": {},
    "unknown_field": {"count": 20},
    "unknown_enum": {},
    "huge_message": {"bytes": 20_000_000},
    "half_open": {},
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_on_the_line_loses_nothing(stage: Stage, kind: str) -> None:
    stage.fault(kind, **TROUBLE[kind])
    stage.bot.run_for(0.3)
    if stage.bot.open_at_venue():
        stage.trade()
    stage.bot.run_for(1)
    stage.recovers(40)
    stage.trade("buy")
    stage.bot.run(stage.booked)
    stage.recovers()


def test_line_that_breaks_again_and_again_comes_back(stage: Stage) -> None:
    for _ in range(5):
        stage.fault("disconnect")
        stage.bot.run_for(0.4)
    stage.recovers(40)


def test_line_that_breaks_during_a_submit_doubles_nothing(stage: Stage) -> None:
    stage.fault("drop_answer", WRITE)
    stage.trade()
    stage.fault("disconnect")
    stage.bot.run_for(1)
    stage.recovers(40)


@pytest.mark.parametrize("stage", WITH_LOGIN, indirect=True)
def test_login_that_expires_is_renewed(stage: Stage) -> None:
    stage.fault("expire_token")
    stage.bot.run_for(1)
    stage.trade()
    stage.recovers(40)


def test_history_that_fails_is_asked_for_again(stage: Stage) -> None:
    stage.fault("incomplete", count=3)
    stage.trade()
    stage.bot.run_for(1)
    stage.recovers()


def test_no_order_is_ever_of_unknown_outcome_for_long(stage: Stage) -> None:
    stage.fault("drop_answer", WRITE)
    stage.fault("drop_answer", CANCEL)
    stage.trade()
    stage.bot.run_for(2)
    stage.recovers(40)
    states = {order.state for order in stage.bot.bot.ledger.open_orders("main")}
    assert OrderState.UNKNOWN not in states
    assert {Side(order["side"]) for order in stage.bot.open_at_venue()} == set(Side)
