"""What goes wrong between a bot and a live venue: nothing is lost, nothing doubled, unknown is never zero.

A whole bot (loop, ledger, client) against the venue's simulator over real sockets. The numbers in comments are those
of the acceptance scenarios in the strategies' specification.
"""

from __future__ import annotations

import time
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
from utils.errors import VenueUnreachable

SLOTS = 4  # two layers a side
SIZES = {"backpack": "0.1", "backpack_perp": "0.1", "thalex": "0.01"}
LIVE = sorted(SIZES)
RESTING_ON = ["backpack", "backpack_perp"]  # after the connection is lost; at the others orders die with it
WITH_POSITIONS = ["backpack_perp", "thalex"]
WITH_LOGIN = ["thalex"]  # at the others each request is signed
WRITE = {"backpack": "POST /api/v1/order", "thalex": "private/insert"}
CANCEL = {"backpack": "DELETE /api/v1/order", "thalex": "private/cancel"}
POSITION = {"backpack": "GET /api/v1/position", "thalex": "private/portfolio"}
BOOK = {"backpack": "GET /api/v1/depth", "thalex": "public/subscribe"}
FILLS = {"backpack": "account.orderUpdate", "thalex": "account.trade_history"}
LOGIN = "WS public/login"


# For tests in which the market stands still, so that nothing trades by itself: its book may be as old as it likes.
STILL = pytest.mark.parametrize("risk", [{"max_book_age_s": 600.0}])


@dataclass(slots=True)
class Stage:
    """A bot that quotes, and the simulator's levers."""

    venue: LiveUnderTest
    bot: LiveBot

    def fault(self, kind: str, match: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        """Let something go wrong for our account, where `match` says so for the venue."""
        return self.market_fault(kind, match, account=self.venue.account, **params)

    def market_fault(self, kind: str, match: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        """Let something go wrong for everybody."""
        if match is not None:
            params["match"] = match[self.venue.venue]
        return self.venue.sim.fault(kind, **params)

    def is_used_up(self, kind: str) -> bool:
        """Tell whether a fault has struck as often as it was armed for."""
        return all(fault["kind"] != kind for fault in self.venue.sim.state(self.venue.account, fills=0)["faults"])

    def calm(self) -> int:
        """Let nothing trade by itself (with STILL); return how many fills there were until now."""
        self.venue.sim.feed(paused=True)
        self.bot.run(lambda: self.is_whole() and self.booked())
        return self.fills()

    def trade(self, side: str = "sell", share: float = 1.0) -> None:
        """Let somebody take our best quote on the other side, or a share of it."""
        self.bot.run(lambda: self._hit(side, share))

    def _hit(self, side: str, share: float) -> bool:
        ours = self.resting(side)
        if not ours:
            return False
        best = (max if side == "sell" else min)(ours, key=lambda order: float(order["price"]))
        lots = self.bot.bot.clients[0].instrument.to_lots(Decimal(best["size"]) - Decimal(best["filled"]))
        done = self.fault("partial_fill", lots=max(1, int(lots * share)), order_id=best["order_id"])
        return bool(done["hit"])  # it may have been cancelled, or filled, since we looked

    def resting(self, against: str) -> list[Any]:
        """Return our open orders that trade against a side."""
        return [order for order in self.bot.open_at_venue() if order["side"] != against]

    def fills(self) -> int:
        return len(self.bot.account_at_venue()["fills"])

    def asked(self, what: str) -> int:
        """Return how often the simulator was asked for something, by anybody."""
        return int(self.venue.sim.state(self.venue.account, fills=0)["counters"]["requests"].get(what, 0))

    @property
    def gates(self) -> set[str]:
        return set(self.bot.loop.snapshot()["gates"])

    def counted(self, name: str) -> int:
        """Return one of the bot's counters."""
        return int(self.bot.loop.snapshot()["stats"].get(name, 0))

    def is_off(self, gate: str) -> bool:
        """Tell whether a gate is shut and nothing rests."""
        return gate in self.gates and not self.bot.open_at_venue()

    def assert_places_nothing(self, seconds: float) -> None:
        """Let time pass and see that no order is made."""
        before = self.counted("orders_created")
        self.bot.run_for(seconds)
        assert self.counted("orders_created") == before and self.bot.open_at_venue() == []

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


@pytest.mark.parametrize("seconds", [-8, 8])
def test_clock_that_is_off_is_corrected_not_signed_wrong_again_and_again(stage: Stage, seconds: int) -> None:  # 24
    def refused() -> int:
        return int(
            stage.venue.sim.state(stage.venue.account, fills=0)["counters"]["violations"].get("bad_timestamp", 0)
        )

    before, logins = refused(), stage.asked(LOGIN)
    stage.market_fault("clock_skew", seconds=seconds)
    if stage.venue.venue in WITH_LOGIN:  # only a login is dated
        stage.fault("disconnect")
        stage.bot.run(lambda: stage.asked(LOGIN) > logins)
    stage.bot.run_for(1)
    stage.trade()
    stage.recovers()
    found = refused() - before
    assert (found == 0) if stage.venue.venue in WITH_LOGIN else (1 <= found < 20)


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
    stage.bot = stage.bot.again().start()
    stage.bot.run(stage.is_whole, 25)
    assert [order["price"] for order in stage.bot.open_at_venue() if Decimal(order["price"]) % tick] == []
