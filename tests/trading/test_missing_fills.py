"""Ends, fills and reports of one order come over different ways, in any order: what has filled counts at once."""

from __future__ import annotations

import tempfile
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.base_client import Inbox
from core.market.commands import Quote
from core.market.events import FillEvent, OrderUpdate
from core.market.order import Order, OrderEvent, Side
from core.market.reports import VenueReport
from core.market.risk_gates import Gate
from core.trading.intake import Intake
from tests.trading.scripted_venue import ScriptedVenue
from tests.trading.workbench import BOTH, Bench

LIMIT_LOTS = 20
WAYS = (OrderUpdate, FillEvent, VenueReport)


class ManyWays(ScriptedVenue):
    """Order updates, fills and reports arrive when the test lets them: each kind in order, between kinds in any."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[type, deque[Any]] = {kind: deque() for kind in WAYS}
        self.direct = True

    def open(self, inbox: Inbox, leg: str) -> None:
        super().open(inbox, leg)
        self._real, self.inbox = inbox, self  # type: ignore[assignment]

    def put(self, item: Any) -> None:
        """Stand in for the inbox."""
        if type(item) in self.waiting and not self.direct:
            self.waiting[type(item)].append(item)
        else:
            self._real.put(item)

    def deliver(self, kind: type) -> None:
        """Let the oldest item of a kind arrive."""
        if self.waiting[kind]:
            self._real.put(self.waiting[kind].popleft())

    def deliver_all(self) -> None:
        self.direct = True
        for kind in WAYS:
            while self.waiting[kind]:
                self.deliver(kind)

    def _cancel(self, key: str) -> None:
        rested = self.open_orders.pop(key, None) is not None
        event = OrderEvent.CANCELED if rested else OrderEvent.CANCEL_REJECTED
        self.tell(key, event, filled_lots=self.filled.get(key, 0) if rested else None)

    def trade(self, key: str, lots: int) -> None:
        """Execute a part of an order; of the last part the end is told, too."""
        self.fill(key, min(lots, self.open_orders[key].remaining_lots))
        if key not in self.open_orders:
            self.tell(key, OrderEvent.FULL_FILL)

    def worst_lots(self, side: Side) -> int:
        """Return the position that the venue would hold once everything on a side has filled."""
        held = sum(fill.side.sign * fill.size_lots for fill in self.fills)
        return held * side.sign + sum(o.remaining_lots for o in self.open_orders.values() if o.side is side)


def bench_on(folder: Path) -> tuple[Bench, ManyWays]:
    venue = ManyWays()
    bench = Bench(folder, venue, risk={"max_position": LIMIT_LOTS / 10}, interval_s=0.2)
    bench.strategy.wanted = tuple(replace(quote, size_lots=LIMIT_LOTS) for quote in BOTH)
    bench.run(1)
    venue.direct = False
    return bench, venue


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["trade"]), st.integers(0, 50)),
            st.tuples(st.sampled_from(["end", "move", "wait"]), st.integers(0, 50)),
            st.tuples(st.just("deliver"), st.sampled_from(WAYS)),
        ),
        max_size=30,
    )
)
def test_in_any_order_of_ends_fills_and_reports_the_worst_case_stays_in_the_limit(actions: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench, venue = bench_on(Path(folder))
        for action, what in actions:
            keys = sorted(venue.open_orders)
            if action == "deliver":
                venue.deliver(what)
            elif action == "trade" and keys:
                venue.trade(keys[what % len(keys)], 1 + what % 13)
            elif action == "end" and keys:
                venue._cancel(keys[what % len(keys)])
            elif action == "move":
                bench.strategy.wanted = (
                    Quote(Side.BUY, 9_990 - what, LIMIT_LOTS),
                    Quote(Side.SELL, 10_010 + what, LIMIT_LOTS),
                )
            bench.run(0.3 if action != "wait" else 1 + what / 10)
            assert max(venue.worst_lots(side) for side in Side) <= LIMIT_LOTS
        venue.deliver_all()
        bench.run(15)
        assert bench.booked() == len(venue.fills)
        assert bench.loop._bot.legs[0].tracker.missing() == ()
        bench.die()


def ended_before_its_fill(folder: Path, event: OrderEvent, lots: int, **told: Any) -> tuple[Bench, ManyWays, Order]:
    """Return a bench whose buy of 20 has filled in part and ended; the end is heard, the fill is not."""
    bench, venue = bench_on(folder)
    order = venue.open_orders[bench.order_id("buy.0")]
    bench.strategy.wanted = bench.strategy.wanted and bench.strategy.wanted[:1]  # only buys
    venue.fill(order.client_order_id, lots)
    venue.open_orders.pop(order.client_order_id, None)
    venue.tell(order.client_order_id, event, **told)
    venue.deliver(OrderUpdate)
    return bench, venue, order


@pytest.mark.parametrize("event", [OrderEvent.CANCELED, OrderEvent.EXPIRED, OrderEvent.REJECTED])
def test_an_end_with_a_filled_size_frees_only_the_room_that_is_left(tmp_path: Path, event: OrderEvent) -> None:
    bench, venue, _ = ended_before_its_fill(tmp_path, event, 15, filled_lots=15)
    bench.run(0.5)
    assert [order.size_lots for order in venue.open_orders.values() if order.side is Side.BUY] == [5]


def test_what_fits_beside_missing_fills_is_left_alone_while_the_wish_stays(tmp_path: Path) -> None:
    bench, venue = bench_on(tmp_path)
    key = bench.order_id("buy.0")
    venue.fill(key, 15)
    venue.open_orders.pop(key)
    venue.tell(key, OrderEvent.CANCELED, filled_lots=15)
    venue.deliver(OrderUpdate)
    bench.run(0.5)
    venue.deliver(OrderUpdate)
    sent = len(venue.submitted)
    bench.run(2)
    assert [order.size_lots for order in venue.open_orders.values() if order.side is Side.BUY] == [5]
    assert len(venue.submitted) == sent


def test_a_full_fill_whose_fills_are_missing_frees_no_room(tmp_path: Path) -> None:
    bench, venue, _ = ended_before_its_fill(tmp_path, OrderEvent.FULL_FILL, 20)
    bench.run(0.5)
    assert [order for order in venue.open_orders.values() if order.side is Side.BUY] == []


def test_a_report_is_wanted_for_missing_fills_and_ends_the_matter(tmp_path: Path) -> None:
    bench, venue, _ = ended_before_its_fill(tmp_path, OrderEvent.CANCELED, 15, filled_lots=15)
    asked = len(venue.reports_asked)
    bench.run(0.5)
    assert len(venue.reports_asked) > asked
    venue.deliver(VenueReport)
    bench.run(0.3)
    assert bench.loop.snapshot()["position"] == "1.5"
    assert bench.loop._bot.legs[0].tracker.missing() == ()


def test_missing_fills_do_not_make_room_on_the_other_side(tmp_path: Path) -> None:
    bench, venue, _ = ended_before_its_fill(tmp_path, OrderEvent.CANCELED, 15, filled_lots=15)
    bench.strategy.wanted = (Quote(Side.SELL, 10_020, 2 * LIMIT_LOTS),)
    bench.run(0.5)
    venue.deliver(OrderUpdate)
    bench.run(0.5)
    assert [order.size_lots for order in venue.open_orders.values()] == [LIMIT_LOTS]


def test_missing_fills_that_no_report_brings_are_an_error_and_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench, venue, order = ended_before_its_fill(tmp_path, OrderEvent.CANCELED, 15, filled_lots=15)
    venue.fills.clear()
    venue.direct = True
    bench.run(30)
    errors = [record for record in caplog.records if record.getMessage() == "fills_do_not_add_up"]
    assert [error.fields["id"] for error in errors] == [order.client_order_id]  # type: ignore[attr-defined]
    assert [order.size_lots for order in venue.open_orders.values()] == [LIMIT_LOTS]


def test_closing_waits_for_missing_fills(tmp_path: Path) -> None:
    bench, venue = bench_on(tmp_path)
    key = bench.order_id("buy.0")
    venue.trade(key, 10)
    venue.deliver(FillEvent)
    venue.trade(key, 5)
    venue._cancel(key)
    venue.deliver(OrderUpdate)
    bench.loop._guard.trip(Gate("max_loss", "close", True, "test"), bench.clock.now_ns())
    for _ in range(5):
        bench.run(0.5)
        venue.deliver(OrderUpdate)
    assert not [order for order in venue.submitted if order.time_in_force == "IOC"]
    venue.deliver_all()
    bench.run(1)
    assert [order.size_lots for order in venue.submitted if order.time_in_force == "IOC"] == [15]


def test_the_property_is_about_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = Intake.on_update

    def without_size(self: Intake, leg: Any, update: OrderUpdate, now_ns: int, inferred: bool = False) -> None:
        apply(self, leg, replace(update, filled_lots=None), now_ns, inferred)

    monkeypatch.setattr(Intake, "on_update", without_size)
    bench, venue, _ = ended_before_its_fill(tmp_path, OrderEvent.CANCELED, 15, filled_lots=15)
    bench.run(0.5)
    assert venue.worst_lots(Side.BUY) > LIMIT_LOTS
