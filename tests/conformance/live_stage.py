"""A whole bot before a live venue's simulator whose levers a test has in hand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.live_bot import LiveBot
from tests.conformance.live_venues import LiveUnderTest

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


def wrong_times(venue: LiveUnderTest) -> int:
    """Return how many requests the simulator has refused for the time in them, of anybody."""
    counters = venue.sim.state(venue.account, fills=0)["counters"]
    return int(counters["violations"].get("bad_timestamp", 0))


@dataclass(slots=True)
class Stage:
    """A bot that quotes, and the simulator's levers."""

    venue: LiveUnderTest
    bot: LiveBot
    wrong_times_before: int = 0

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

    def wrongly_stamped(self) -> int:
        """Return how many requests were refused for the time in them, since before the bot was started."""
        return wrong_times(self.venue) - self.wrong_times_before

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
