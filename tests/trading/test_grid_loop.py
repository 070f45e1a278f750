"""A grid in the loop, on a real ledger: killed, restarted, told late, and never with two orders on a line."""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.market.events import FillEvent
from core.market.order import OrderEvent, Side
from core.trading.trading_loop import SpotRule
from strategies.base import Idle
from strategies.grid_strategy import GridStrategy
from tests.trading.grid_bench import AnyGridBench
from tests.trading.scripted_venue import SPOT
from tests.trading.test_paper_loop import PaperBot, venue_report
from utils.errors import ConfigError

GRID: dict[str, Any] = {"lower": 99, "upper": 101, "grid_num": 9, "quantity": 1}
LOTS = 10


class GridBench(AnyGridBench):
    """A grid of eight cells around 100.00 on a scripted venue where the price goes where a test says."""

    kind = GridStrategy

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.config = GRID | keys
        super().__init__(folder, max_order_age_s=0)
        self.die()
        self.again()

    @property
    def grid(self) -> GridStrategy:
        """Return the strategy of this life."""
        assert isinstance(self.strategy, GridStrategy)
        return self.strategy

    def check(self) -> None:
        """Assert that no line has two orders, nor a cell."""
        resting = [order for order in self.venue.open_orders.values() if order.slot.startswith("cell.")]
        assert all(count == 1 for count in Counter(order.slot for order in resting).values())
        assert all(count == 1 for count in Counter(order.price_ticks for order in resting).values())

    def check_books(self) -> None:
        """Assert that cells, ledger and venue agree, and that the profit is that of matched pairs."""
        book = self.grid._grid.book  # type: ignore[union-attr]
        bought = sum(fill.side.sign * fill.size_lots for fill in self.ledger.fills("main"))
        assert book.held() == SPOT.to_size(4 * LOTS + bought)
        assert book.unmatched == 0
        assert abs(book.grid_profit - matched_profit(self)) < Decimal("1e-15")  # a fee that is split is split there


def matched_profit(bench: GridBench) -> Decimal:
    """Return the profit of matched pairs by the ledger's fills: first in, first out, in each cell."""
    queues: dict[str, deque[int]] = defaultdict(deque)
    for number in range(4, 8):
        queues[f"cell.{number}"].extend([10_000] * LOTS)
    profit = Decimal(0)
    open_fees: dict[str, deque[Decimal]] = defaultdict(deque)
    for fill, slot in bench.ledger.fills_after(0):
        share = fill.fee / fill.size_lots
        for _ in range(fill.size_lots):
            if fill.side is Side.BUY:
                queues[slot].append(fill.price_ticks)
                open_fees[slot].append(share)
            else:
                profit += (fill.price_ticks - queues[slot].popleft()) * SPOT.unit_quote - share
                if len(open_fees[slot]) > len(queues[slot]):
                    profit -= open_fees[slot].popleft()
    return profit


def test_it_buys_below_and_sells_what_it_has_above(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    assert bench.resting == {f"cell.{k}": 9_900 + 25 * k for k in range(4)} | {
        f"cell.{k}": 9_925 + 25 * k for k in range(4, 8)
    }


def test_a_path_down_up_down_earns_each_line_that_it_crosses_twice(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    for price in [*range(10_000, 9_890, -5), *range(9_890, 10_001, 5), *range(10_000, 9_890, -5)]:
        bench.go(price, run_s=0.6)
    stats = bench.grid.stats()
    fees = Decimal("0.01") * 2 * 4
    assert stats["round_trips"] == 4
    assert Decimal(stats["grid_profit"]) == 4 * Decimal("0.25") - fees
    bench.check_books()


def test_a_grid_killed_mid_way_doubles_no_line_and_forgets_no_cell(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    bench.go(9_960)
    before, resting = bench.grid.saved(), bench.resting
    bench.die()
    bench.again()
    assert bench.resting == resting
    assert bench.grid.saved() == before
    assert len(bench.venue.submitted) == len({order.client_order_id for order in bench.venue.submitted})
    bench.check()
    bench.check_books()


def test_what_filled_while_nobody_looked_is_sold_and_not_bought_again(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    bench.die()
    for slot in ("cell.3", "cell.2"):
        bench.venue.fill(bench.order_id(slot), LOTS, stream=False)
    submitted = len(bench.venue.submitted)
    bench.feed = (9_946, 9_948)
    bench.again()
    new = bench.venue.submitted[submitted:]
    assert sorted((order.slot, order.side, order.price_ticks) for order in new) == [
        ("cell.2", Side.SELL, 9_975),
        ("cell.3", Side.SELL, 10_000),
    ]
    bench.check()
    bench.check_books()


def test_orders_that_were_cancelled_while_nobody_looked_are_placed_again(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    bench.die()
    resting = bench.resting
    for slot in ("cell.1", "cell.6"):
        del bench.venue.open_orders[bench.order_id(slot)]
    bench.again()
    assert bench.resting == resting
    bench.check_books()


def test_an_order_that_the_venue_cancels_comes_back_with_the_next_decision(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    key = bench.order_id("cell.1")
    del bench.venue.open_orders[key]
    bench.venue.tell(key, OrderEvent.CANCELED)
    bench.run(1.5)
    assert bench.resting["cell.1"] == 9_925


def test_an_order_whose_end_comes_before_its_fill_is_not_placed_again(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    key = bench.order_id("cell.3")
    bench.venue.script.reports.extend(["none"] * 50)
    made = bench.venue.fill(key, LOTS, stream=False)
    bench.venue.tell(key, OrderEvent.FULL_FILL)
    bench.feed = (9_970, 9_980)
    bench.run(3)
    assert "cell.3" not in bench.resting
    bench.venue.inbox.put(FillEvent("main", made))
    bench.run(1.5)
    assert bench.resting["cell.3"] == 10_000
    bench.check_books()


def test_what_an_operator_sold_is_not_offered_any_more(tmp_path: Path) -> None:
    bench = GridBench(tmp_path)
    bench.go(9_970)
    bench.die()
    bench.strategy = Idle(None)  # type: ignore[assignment]
    bench.begin(SpotRule.SELL)
    bench.run(1)
    bench.venue.fill(bench.venue.submitted[-1].client_order_id, LOTS, price_ticks=9_969)
    bench.end()
    bench.die()
    bench.again()
    held = bench.grid._grid.book.held()  # type: ignore[union-attr]
    assert held == SPOT.to_size(4 * LOTS)
    assert "cell.7" not in bench.resting


@pytest.mark.parametrize("seed", range(6))
def test_no_life_of_any_length_loses_count(tmp_path: Path, seed: int) -> None:
    bench, dice, price = GridBench(tmp_path), random.Random(seed), 10_000
    for _ in range(60):
        price = min(10_130, max(9_870, price + dice.randint(-40, 40)))
        event = dice.random()
        if event < 0.15:
            bench.die()
            for key, order in list(bench.venue.open_orders.items()):
                if (order.price_ticks - price) * order.side.sign >= 0:
                    bench.venue.fill(key, dice.randint(1, order.remaining_lots), stream=False)
            bench.feed = (price - 1, price + 1)
            bench.again(1.5)
            bench.check()
        elif event < 0.3 and bench.venue.open_orders:
            key = dice.choice(sorted(bench.venue.open_orders))
            bench.venue.fill(key, dice.randint(1, bench.venue.open_orders[key].remaining_lots))
            bench.run(dice.random())
        else:
            bench.venue.script.submit = "lose answer" if dice.random() < 0.2 else "answer"
            bench.go(price, stream=dice.random() < 0.8)
    bench.venue.script.submit = "answer"
    bench.run(15)
    bench.check()
    bench.check_books()
    assert bench.booked() > 10


def test_a_grid_that_cannot_be_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="largest usable grid_num is 201"):
        GridBench(tmp_path, grid_num=400)


def test_a_stop_sells_what_is_held_and_ends_for_good(tmp_path: Path) -> None:
    bench = GridBench(tmp_path, stop_lower=98.5)
    bench.go(9_849, run_s=0.5)
    for _ in range(20):
        for order in [o for o in bench.loop._bot.legs[0].tracker.live() if o.time_in_force == "IOC"]:
            bench.venue.fill(order.client_order_id, order.size_lots, price_ticks=9_848)
        bench.run(0.5)
    assert bench.loop.finished is not None
    assert (bench.loop.finished.status, bench.venue.open_orders) == (77, {})
    assert "stop_lower" in bench.loop.finished.reason
    assert bench.grid._grid.book.held() == 0  # type: ignore[union-attr]
    sold = sum(f.size_lots for f in bench.ledger.fills("main") if f.side is Side.SELL)
    assert sold == 8 * LOTS


class PaperGrid(PaperBot):
    """A grid on the embedded venue, as it is shipped."""

    config: ClassVar[dict[str, Any]] = {
        "auto_range": True,
        "range_pct": 0.15,
        "grid_num": 31,
        "quantity": 0.0005,
        "initial_inventory": "none",
        "interval_s": 1.0,
        "price_tolerance_pct": 0.001,
        "max_order_age_s": 0,
    }

    def make_strategy(self) -> GridStrategy:
        return GridStrategy(GridStrategy.params_from(self.config))


@pytest.mark.parametrize("swept", [True, False])
def test_a_grid_on_paper_survives_kills_with_cells_and_fills_together(tmp_path: Path, swept: bool) -> None:
    bot = PaperGrid(tmp_path)
    for _ in range(4):
        bot.run(40)
        bot.die()
        if swept:
            bot.sweep()
        bot.begin()
    bot.run(20)
    grid = bot.loop._strategy
    assert isinstance(grid, GridStrategy)
    assert grid._grid is not None
    book = grid._grid.book
    assert book.round_trips > 3
    assert book.unmatched == 0
    net = sum(f.side.sign * f.size_lots for f in bot.ledger.fills("main"))
    assert book.held() == book.instrument.to_size(net)
    told = venue_report(bot)
    assert [fill.trade_id for fill in bot.ledger.fills("main")] == [fill.trade_id for fill in told.fills]
    resting = Counter(order.price_ticks for order in told.open_orders)
    assert resting
    assert set(resting.values()) == {1}
