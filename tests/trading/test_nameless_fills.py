"""Fills that name only the venue's order id: each finds its order, or waits until it is sure that it is not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.market.events import FillEvent
from core.market.order import Fill, OrderEvent, OrderState
from tests.trading.scripted_venue import LOSE, LOSE_ANSWER, ScriptedVenue
from tests.trading.workbench import BOTH, Bench


class Nameless(ScriptedVenue):
    """Tells its own order ids only when something fills."""

    def __init__(self, late_arrival_s: float = 0.0) -> None:
        super().__init__(late_arrival_s=late_arrival_s)
        self.ids: dict[str, str] = {}

    def fill(self, key: str, lots: int, stream: bool = True, price_ticks: int | None = None) -> Fill:
        if key in self.open_orders:
            self.ids[key] = self.open_orders[key].venue_order_id or ""
        made = super().fill(key, lots, False, price_ticks)
        return self._nameless(made, self.ids[key], stream)

    def foreign_fill(self, stream: bool = False) -> Fill:
        made = super().fill(self.submitted[0].client_order_id, 1, False)
        return self._nameless(replace(made, trade_id=f"f{made.trade_id}"), "somebody", stream)

    def _nameless(self, made: Fill, venue_order_id: str, stream: bool) -> Fill:
        self.fills[-1] = made = replace(made, client_order_id="", venue_order_id=venue_order_id)
        if stream:
            self.inbox.put(FillEvent(self.leg, made))
        return made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, Nameless())
    made.run(1)
    return made


@pytest.mark.parametrize("stream", [True, False])
def test_a_fill_of_an_order_that_is_closed_by_now_finds_it(bench: Bench, stream: bool) -> None:
    key = bench.order_id("buy.0")
    bench.venue.ids[key] = bench.venue.open_orders[key].venue_order_id  # type: ignore[attr-defined]
    bench.strategy.wanted = BOTH[1:]
    bench.run(2)
    assert key not in bench.venue.open_orders
    bench.venue.fill(key, 4, stream=stream)
    bench.run(11)
    assert [(fill.client_order_id, fill.size_lots) for fill in bench.ledger.fills("main")] == [(key, 4)]


def test_a_fill_of_an_order_that_only_the_ledger_remembers_finds_it(bench: Bench) -> None:
    key = bench.order_id("buy.0")
    bench.venue.ids[key] = bench.venue.open_orders[key].venue_order_id  # type: ignore[attr-defined]
    bench.strategy.wanted = BOTH[1:]
    bench.run(2)
    bench.die()
    bench.venue.fill(key, 4, stream=False)
    bench.begin()
    bench.run(2)
    assert [fill.client_order_id for fill in bench.ledger.fills("main")] == [key]
    order = bench.ledger.order(key)
    assert order is not None
    assert (order.state, order.filled_lots) == (OrderState.CANCELED, 4)


def test_a_fill_of_an_order_that_was_never_answered_comes_again_until_its_venue_id_is_known(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Nameless(late_arrival_s=60))
    bench.venue.script.submit = LOSE_ANSWER
    bench.run(0.1)
    key = bench.order_id("buy.0")
    bench.venue.fill(key, 10, stream=False)
    bench.run(12)
    assert (bench.booked(), bench.ledger.mark("main")) == (0, "0")
    bench.venue.tell(key, OrderEvent.ACCEPTED, venue_order_id=bench.venue.ids[key])  # type: ignore[attr-defined]
    bench.run(6)
    assert [fill.client_order_id for fill in bench.ledger.fills("main")] == [key]
    assert bench.ledger.mark("main") == "1"


def test_a_fill_that_matches_nothing_is_somebody_elses_once_all_our_orders_have_venue_ids(bench: Bench) -> None:
    bench.venue.foreign_fill()  # type: ignore[attr-defined]
    bench.run(11)
    assert (bench.booked(), bench.ledger.mark("main")) == (0, "1")


def test_an_order_sent_after_a_foreign_fill_was_first_seen_does_not_hold_the_mark(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Nameless(late_arrival_s=60))
    bench.venue.script.submit = LOSE
    bench.run(1)
    bench.venue.foreign_fill()  # type: ignore[attr-defined]
    bench.run(11)
    assert bench.ledger.mark("main") == "0"  # it could be of the first two orders
    bench.strategy.wanted = (*BOTH, replace(BOTH[0], price_ticks=9_980, slot="buy.1"))
    bench.run(1.5)
    assert len(bench.venue.submitted) == 3
    for order in bench.venue.unsent[:2]:
        bench.venue.rest(order)
    bench.run(11)
    assert bench.ledger.mark("main") == "1"


def test_a_streamed_fill_without_a_match_asks_for_a_report_while_an_order_has_no_venue_id(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Nameless(late_arrival_s=60))
    bench.venue.script.submit = LOSE
    bench.run(0.5)
    asked = len(bench.venue.reports_asked)
    bench.venue.foreign_fill(stream=True)  # type: ignore[attr-defined]
    bench.run(0.2)
    assert len(bench.venue.reports_asked) == asked + 1


def test_a_streamed_fill_without_a_match_is_left_alone_when_all_orders_have_venue_ids(bench: Bench) -> None:
    asked = len(bench.venue.reports_asked)
    bench.venue.foreign_fill(stream=True)  # type: ignore[attr-defined]
    bench.run(0.5)
    assert (bench.booked(), len(bench.venue.reports_asked)) == (0, asked)
