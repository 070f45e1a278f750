"""Getting flat after a tripped limit: across a kill, against closed doors, and never twice."""

from __future__ import annotations

from pathlib import Path

from core.market.order import OrderEvent, Side
from tests.trading.scripted_venue import ANSWER, LOSE, ScriptedVenue
from tests.trading.test_gates import lose_money
from tests.trading.workbench import Bench

CLOSE = {"max_loss": 3, "max_loss_action": "close"}


def takes_of(venue: ScriptedVenue) -> list[tuple[Side, int]]:
    return [(order.side, order.size_lots) for order in venue.submitted if order.time_in_force == "IOC"]


def fill_takes(venue: ScriptedVenue, told: bool = True, price_ticks: int = 9_499) -> None:
    """From now on every immediate order fills at once; `told` False: only reports tell of the fill."""
    rest = venue.rest

    def taking(order, tell=True):  # type: ignore[no-untyped-def]
        rest(order, tell)
        if order.time_in_force == "IOC":
            venue.open_orders.pop(order.client_order_id, None)
            venue.fill(order.client_order_id, order.size_lots, stream=told, price_ticks=price_ticks)
            venue.tell(order.client_order_id, OrderEvent.EXPIRED)

    venue.rest = taking  # type: ignore[method-assign]


def test_a_close_cut_short_by_a_kill_is_finished_by_the_next_life(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk=CLOSE)
    lose_money(bench)
    bench.venue.script.submit = LOSE
    bench.run(1)
    assert bench.phase == "CLOSING"
    bench.die()
    bench.venue.script.submit = ANSWER
    fill_takes(bench.venue)
    bench.begin()
    bench.run(10)
    ended = bench.loop.finished
    assert ended is not None
    assert (ended.status, ended.clean, bench.loop.snapshot()["position"]) == (77, True, "0.0")
    sent = len(bench.venue.submitted)
    bench.die()
    bench.begin()  # the third life finds everything done
    assert bench.loop.finished is not None
    assert (bench.loop.finished.status, len(bench.venue.submitted)) == (77, sent)


def test_an_open_breaker_does_not_hold_a_losing_position_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk={**CLOSE, "breaker_cooldown_s": 3600, "max_position": 0.5})
    lose_money(bench)
    for group in range(5):
        bench.loop._bot.breaker.rejected(bench.clock.now_ns(), group=group)
    fill_takes(bench.venue)
    bench.run(10)
    assert bench.loop.finished is not None
    assert bench.loop.snapshot()["position"] == "0.0"


def test_an_end_heard_before_its_fill_does_not_close_the_position_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path, risk=CLOSE)
    lose_money(bench)
    fill_takes(bench.venue, told=False)
    bench.run(20)
    assert takes_of(bench.venue) == [(Side.SELL, 10)]
    assert bench.loop.snapshot()["position"] == "0.0"
