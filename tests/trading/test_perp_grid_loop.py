"""A margin grid in the loop, on a real ledger: its closing orders cover its position, whatever happens to them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core.market.order import OrderEvent, Side
from strategies.perp_grid_strategy import PerpGridStrategy
from tests.trading.grid_bench import AnyGridBench
from tests.trading.scripted_venue import PERP, ScriptedVenue

GRID: dict[str, Any] = {"lower": 99, "upper": 101, "grid_num": 9, "quantity": 1, "position_sync_s": 2}


class PerpBench(AnyGridBench):
    """A neutral grid of eight cells around 100.00 on a scripted venue where the price goes where a test says."""

    kind = PerpGridStrategy

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.config = GRID | keys
        super().__init__(folder, ScriptedVenue(PERP), max_order_age_s=0, risk={"max_position": 8})
        self.die()
        self.again()

    @property
    def position(self) -> int:
        """Return the venue's position in lots."""
        return sum(fill.side.sign * fill.size_lots for fill in self.venue.fills)

    @property
    def closing(self) -> dict[str, int]:
        """Return what of the resting orders only reduces, by slot."""
        return {o.slot: o.remaining_lots for o in self.venue.open_orders.values() if o.reduce_only}

    def check(self) -> None:
        """Assert that no cell and no price has two orders, and that closing orders never exceed the position."""
        resting = [order for order in self.venue.open_orders.values() if order.slot.startswith("cell.")]
        assert all(count == 1 for count in Counter(order.slot for order in resting).values())
        assert all(count == 1 for count in Counter(order.price_ticks for order in resting).values())
        assert sum(self.closing.values()) <= abs(self.position)

    def check_books(self) -> None:
        """Assert that cells, ledger and venue agree."""
        laid = self.strategy._laid  # type: ignore[attr-defined]
        assert laid.grid.net_lots == self.position == self.ledger.position("main").size_lots

    def take_away(self, slot: str) -> None:
        """Let the venue cancel an order."""
        key = self.order_id(slot)
        del self.venue.open_orders[key]
        self.venue.tell(key, OrderEvent.CANCELED)


def test_a_closing_order_that_the_venue_cancels_is_placed_again_until_it_covers_the_position(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    bench.go(9_948)
    assert bench.closing == {"cell.3": 10, "cell.2": 10}
    for _ in range(2):
        bench.take_away("cell.2")
        bench.run(1.5)
        assert bench.closing == {"cell.3": 10, "cell.2": 10}
        assert sum(bench.closing.values()) == bench.position
    bench.check_books()


def test_one_that_is_cancelled_again_and_again_is_closed_at_once(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    bench.go(9_970)
    for _ in range(3):
        bench.take_away("cell.3")
        bench.run(1.2)
    bench.run(1)
    take = bench.venue.submitted[-1]
    assert (take.time_in_force, take.side, take.size_lots, take.reduce_only) == ("IOC", Side.SELL, 10, True)
    bench.venue.fill(take.client_order_id, 10, price_ticks=9_969)
    bench.run(1.5)
    assert bench.position == 0
    assert bench.closing == {}
    assert "cell.3" not in bench.resting  # it opens again once the price is above its line
    assert {"cell.4", "cell.5", "cell.6", "cell.7"} <= bench.resting.keys()  # they made way for it
    bench.check_books()


def test_a_closing_order_that_we_cancelled_ourselves_is_not_lost(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    bench.go(9_970)
    for _ in range(4):
        bench.loop.pause()
        bench.run(1)
        assert bench.venue.open_orders == {}
        bench.loop.resume()
        bench.run(1)
    assert bench.closing == {"cell.3": 10}
    assert bench.strategy.stats()["pending_close"] == []


def test_a_neutral_grid_sells_nothing_short_below_its_centre(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    for price in (9_980, 9_910, 9_960, 9_930, 9_995, 10_003, 10_090, 10_001):
        bench.go(price)
    opened_short = [o for o in bench.venue.submitted if o.side is Side.SELL and not o.reduce_only]
    assert opened_short
    assert min(order.price_ticks for order in opened_short) > 10_000
    assert min(f.price_ticks for f in bench.venue.fills if f.side is Side.SELL) > 9_900
    bench.check_books()


def test_a_killed_grid_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    bench.go(9_960)
    resting, closing = bench.resting, bench.closing
    bench.die()
    bench.again()
    assert (bench.resting, bench.closing) == (resting, closing)
    bench.die()
    bench.venue.fill(bench.order_id("cell.3"), 10, stream=False)
    bench.again()
    assert bench.position == 0
    bench.check()
    bench.check_books()


def test_a_failed_position_query_resets_no_cell(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    bench.go(9_960)
    closing, cells, asked = bench.closing, bench.strategy.saved(), len(bench.venue.reports_asked)
    bench.venue.script.reports.extend(["incomplete", "none"] * 60)
    bench.run(8)
    assert bench.closing == closing
    bench.run(100)
    assert len(bench.venue.reports_asked) >= asked + 10
    assert (bench.gates, bench.resting) == (["stale"], {})
    assert not [order for order in bench.venue.submitted if order.time_in_force == "IOC"]
    assert bench.strategy.saved() == cells
    bench.check_books()
    bench.venue.script.reports.clear()
    bench.run(30)
    assert bench.closing == closing


def test_a_position_that_somebody_else_made_is_closed_by_the_grid(tmp_path: Path) -> None:
    bench = PerpBench(tmp_path)
    bench.go(9_990)
    bench.venue.position_lots = 6
    bench.run(90)  # the breaker opens for a while
    assert sum(bench.closing.values()) == 6
    assert bench.strategy.stats()["uncovered"] == "0.0"


MOVES: dict[str, Any] = {"range_exit_confirm_s": 0, "position_sync_s": 1, "trail_limit": 20}
KINDS: list[dict[str, Any]] = [
    {},
    {"grid_type": "long"},
    {"grid_type": "short", "initial_position": "maker"},
    {},
    {"grid_type": "long"},
    {"grid_type": "long", "on_range_exit": "trail_both", **MOVES},
    {"grid_type": "short", "on_range_exit": "trail_both", **MOVES},
    {"on_range_exit": "recenter", "max_recenters": 9, "range_pct": 1, **MOVES},
]


@pytest.mark.parametrize(("seed", "kind"), list(enumerate(KINDS)))
def test_no_life_of_any_length_loses_count(tmp_path: Path, seed: int, kind: dict[str, Any]) -> None:
    bench, dice, price = PerpBench(tmp_path, **kind), random.Random(seed), 10_000
    room, places = (400 if "on_range_exit" in kind else 130), set()
    for _ in range(60):
        price = min(10_000 + room, max(10_000 - room, price + dice.randint(-40, 40) * (1 if room == 130 else 3)))
        event = dice.random()
        if event < 0.15:
            bench.die()
            for key, order in list(bench.venue.open_orders.items()):
                if (order.price_ticks - price) * order.side.sign >= 0:
                    bench.venue.fill(key, dice.randint(1, order.remaining_lots), stream=False)
            bench.feed = (price - 1, price + 1)
            bench.again(1.5)
        elif event < 0.3 and bench.venue.open_orders:
            key = dice.choice(sorted(bench.venue.open_orders))
            bench.venue.fill(key, dice.randint(1, bench.venue.open_orders[key].remaining_lots))
            bench.run(dice.random())
        elif event < 0.4 and bench.closing:
            bench.take_away(dice.choice(sorted(bench.closing)))
            bench.run(1.2)
        else:
            bench.venue.script.submit = "lose answer" if dice.random() < 0.2 else "answer"
            bench.go(price, stream=dice.random() < 0.8)
        for order in list(bench.venue.open_orders.values()):
            if order.time_in_force == "IOC":
                bench.venue.fill(order.client_order_id, order.remaining_lots)
                bench.run(1.0)
        places.add(bench.strategy._laid.bounds())  # type: ignore[attr-defined]
    bench.venue.script.submit = "answer"
    bench.run(20)
    bench.check()
    bench.check_books()
    assert bench.booked() > 10
    assert (len(places) > 2) == ("on_range_exit" in kind)
