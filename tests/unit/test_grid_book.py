"""Cells of a grid under any path of prices and any fills: no order too many, no profit but of matched pairs."""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.commands import Quote
from core.market.grid_book import GridBook, in_batches, nearest
from core.market.grid_cell import Cell, CellState, Parcel
from core.market.instrument import Instrument
from core.market.order import Fill, Side
from tests.market_parts import book, fill, instrument

SPOT = instrument(tick_size=Decimal("0.01"), lot_size=Decimal("0.1"), min_notional=Decimal(0))
LINES = (1000, 1010, 1020, 1030, 1040, 1050)
LOTS = 10
FEE_PER_LOT = Decimal("0.003")
DIRECTIONS = st.sampled_from(Side)


def grid(opening: Side = Side.BUY, traded: Instrument = SPOT, keeps_base: bool = False, lots: int = LOTS) -> GridBook:
    """Return a grid of five cells without anything held."""
    pairs = list(pairwise(LINES))
    cells = [
        Cell(k, opening, *((low, high) if opening is Side.BUY else (high, low)), lots)
        for k, (low, high) in enumerate(pairs)
    ]
    return GridBook(traded, cells, keeps_base)


def wanted(one: GridBook, price: int) -> tuple[Quote, ...]:
    """Return what a grid wants at a price."""
    one.follow(price)
    return one.quotes(book(price - 1, price + 1), one.wishes())


def trade(one: GridBook, quote: Quote, lots: int, price: int | None = None) -> Fill:
    """Fill a part of a quote."""
    made = fill(quote.side, quote.price_ticks if price is None else price, lots, fee=FEE_PER_LOT * lots)
    cell = one.cell_of(quote.slot, made.side, made.price_ticks)
    assert cell is not None
    one.on_fill(cell, made)
    return made


def reached(quote: Quote, price: int) -> bool:
    """Tell whether a price fills a quote."""
    return (quote.price_ticks - price) * quote.side.sign >= 0


def walk(one: GridBook, start: int, path: list[int]) -> None:
    """Let the price go from place to place; what rests fills when it is reached, whole and at its own price."""
    quotes = wanted(one, start)
    for price in path:
        for quote in quotes:
            if reached(quote, price):
                trade(one, quote, quote.size_lots)
        quotes = wanted(one, price)
        check_orders(one, quotes, price)


def check_orders(one: GridBook, quotes: tuple[Quote, ...], price: int) -> None:
    """Assert that no cell has two orders, no price either, and none crosses the touch."""
    assert len({quote.slot for quote in quotes}) == len(quotes)
    assert len({quote.price_ticks for quote in quotes}) == len(quotes)
    buys = [quote.price_ticks for quote in quotes if quote.side is Side.BUY]
    sells = [quote.price_ticks for quote in quotes if quote.side is Side.SELL]
    assert max(buys, default=0) <= price
    assert min(sells, default=1 << 60) >= price
    assert max(buys, default=0) < min(sells, default=1 << 60)
    for quote in quotes:
        cell = one.cell_of(quote.slot, quote.side, quote.price_ticks)
        assert cell is not None
        assert (quote.side is cell.opening) == (cell.state is CellState.OPENING)


class Crossings:
    """What a cell does on a path of prices, told without cells: it opens at one line and closes at the other."""

    def __init__(self, cell: Cell, price: int) -> None:
        self.cell, self.trips, self.holds = cell, 0, cell.state is CellState.HELD
        self.armed = self.holds or cell.is_beyond(price)

    def go(self, price: int) -> None:
        sign, cell = self.cell.opening.sign, self.cell
        beyond, behind = (price - cell.close_ticks) * sign >= 0, (cell.open_ticks - price) * sign >= 0
        if self.holds and beyond:
            self.holds, self.trips = False, self.trips + 1
        elif self.armed and not self.holds and behind:
            self.holds = True
        self.armed = self.armed or beyond


def test_a_path_down_up_down_makes_a_round_trip_of_each_line_it_crosses_twice() -> None:
    one = grid()
    one.place(1055)
    walk(one, 1055, [*range(1055, 995, -1), *range(995, 1056), *range(1055, 995, -1)])
    assert one.round_trips == 5
    gained = sum((Decimal(high - low) * SPOT.tick_size for low, high in pairwise(LINES)), Decimal(0))
    assert one.grid_profit == gained * SPOT.to_size(LOTS) - 2 * 5 * LOTS * FEE_PER_LOT
    assert [cell.state_name for cell in one.cells] == ["SELLING"] * 5


@given(DIRECTIONS, st.integers(995, 1055), st.lists(st.integers(990, 1060), max_size=40), st.integers(0, 60))
def test_round_trips_are_the_crossings_of_any_path(opening: Side, start: int, path: list[int], stock: int) -> None:
    one = grid(opening)
    one.loose = [Parcel(SPOT.to_size(stock), SPOT.to_price(start))] if stock else []
    one.place(start)
    one.loose = []  # what no cell was funded with is not there
    oracle = [Crossings(cell, start) for cell in one.cells]
    walk(one, start, path)
    for price in path:
        for each in oracle:
            each.go(price)
    assert one.round_trips == sum(each.trips for each in oracle)
    assert [bool(cell.parcels) for cell in one.cells] == [each.holds for each in oracle]


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Return steps: price, which of the wanted orders fills, how many lots of it."""
    step = st.tuples(st.integers(985, 1065), st.integers(0, 9), st.integers(1, LOTS + 2))
    return draw(st.lists(step, max_size=60))


@given(DIRECTIONS, st.integers(995, 1055), stories(), st.integers(0, 60), st.booleans())
def test_profit_is_that_of_matched_pairs_whatever_fills_when(
    opening: Side, start: int, story: list[tuple[int, int, int]], stock: int, keeps_base: bool
) -> None:
    keeps_base = keeps_base and opening is Side.BUY
    one = grid(opening, keeps_base=keeps_base)
    one.loose = [Parcel(SPOT.to_size(stock), SPOT.to_price(start))] if stock else []
    one.place(start)
    queues: dict[str, deque[tuple[int, Decimal]]] = defaultdict(deque)  # slot -> (price, fee) of each lot
    profit = Decimal(0)
    traded = 0
    for price, which, lots in story:
        quotes = wanted(one, price)
        check_orders(one, quotes, price)
        for cell in one.cells:  # funded just now, or at the start
            queue = queues[cell.slot]
            queue.extend([(start, Decimal(0))] * (cell.held_lots(SPOT) - len(queue)))
        if not quotes:
            continue
        quote = quotes[which % len(quotes)]
        done = min(lots, quote.size_lots)
        trade(one, quote, done)
        traded += done * quote.side.sign * opening.sign
        queue = queues[quote.slot]
        for _ in range(done):
            if quote.side is opening:
                queue.append((quote.price_ticks, FEE_PER_LOT))
            else:
                entry, fee = queue.popleft()
                profit += (quote.price_ticks - entry) * opening.sign * SPOT.unit_quote - fee - FEE_PER_LOT
        if keeps_base and quote.side is not opening and one.cells[int(quote.slot[5:])].state is CellState.OPENING:
            queue.clear()  # what is left is kept
    assert one.grid_profit == profit
    assert one.unmatched == 0
    kept = sum((parcel.size for parcel in one.kept), Decimal(0))
    assert one.held() + kept == SPOT.to_size(stock + traded)


@given(DIRECTIONS, stories(), st.booleans())
def test_a_grid_taken_up_in_the_middle_goes_on_as_if_nothing_had_been(
    opening: Side, story: list[tuple[int, int, int]], keeps_base: bool
) -> None:
    keeps_base = keeps_base and opening is Side.BUY
    one, other = grid(opening, keeps_base=keeps_base), grid(opening, keeps_base=keeps_base)
    one.place(1025)
    other.place(1025)
    for price, which, lots in story:
        quotes = wanted(one, price)
        assert quotes == wanted(other, price)
        if quotes:
            quote = quotes[which % len(quotes)]
            trade(one, quote, min(lots, quote.size_lots))
            trade(other, quote, min(lots, quote.size_lots))
        fresh = grid(opening, keeps_base=keeps_base)
        fresh.take_up(other.to_plain())
        other = fresh
    assert other.to_plain() == one.to_plain()


def test_the_cell_with_the_price_stays_empty_until_the_price_leaves_it_on_top() -> None:
    one = grid()
    one.place(1025)
    assert [cell.state_name for cell in one.cells] == ["BUYING", "BUYING", "EMPTY", "EMPTY", "EMPTY"]
    one.follow(1015)
    assert one.cells[2].state_name == "EMPTY"
    one.follow(1030)
    assert one.cells[2].state_name == "BUYING"


def test_cells_nearest_to_the_price_are_funded_first() -> None:
    one = grid()
    one.loose = [Parcel(Decimal("1.5"), Decimal(10))]
    one.place(1015)
    assert [cell.held for cell in one.cells] == [0, 0, Decimal(1), Decimal("0.5"), 0]
    assert [cell.state_name for cell in one.cells] == ["BUYING", "EMPTY", "HELD", "HELD", "EMPTY"]


def test_a_half_filled_purchase_is_sold_once_the_price_is_past_the_middle() -> None:
    one = grid()
    one.place(1015)
    (quote,) = wanted(one, 1015)
    trade(one, quote, 4)
    assert wanted(one, 1004)[0].side is Side.BUY
    (sale,) = wanted(one, 1006)
    assert (sale.side, sale.price_ticks, sale.size_lots, sale.slot) == (Side.SELL, 1010, 4, quote.slot)
    trade(one, quote, 6)  # the rest came after all
    assert [quote.size_lots for quote in wanted(one, 1006)] == [10]


def test_a_fee_in_base_leaves_less_to_sell_and_the_rest_joins_the_next_sale() -> None:
    one = grid()
    one.place(1015)
    (quote,) = wanted(one, 1015)
    cell = one.cells[0]
    one.on_fill(cell, fill(Side.BUY, 1000, 10, fee=Decimal("0.06"), fee_asset="SOL"))
    assert cell.held == Decimal("0.94")
    (sale,) = wanted(one, 1004)
    assert sale.size_lots == 9
    trade(one, sale, 9)
    assert (cell.state_name, cell.held) == ("BUYING", Decimal("0.04"))
    one.on_fill(cell, fill(Side.BUY, 1000, 10, fee=Decimal("0.06"), fee_asset="SOL"))
    assert wanted(one, 1004)[0].size_lots == 9
    assert cell.held == Decimal("0.98")
    assert quote.slot == sale.slot


def test_base_mode_sells_what_repays_and_keeps_the_rest() -> None:
    one = grid(keeps_base=True, lots=1010)
    one.place(1015)
    (quote,) = wanted(one, 1015)
    one.on_fill(one.cells[0], fill(Side.BUY, 1000, 1010))
    (sale,) = wanted(one, 1004)
    assert sale.size_lots == 1000  # 1010 lots at 10.00 are repaid by 1000 at 10.10
    one.on_fill(one.cells[0], fill(Side.SELL, 1010, 1000))
    assert [parcel.size for parcel in one.kept] == [Decimal(1)]
    assert one.grid_profit == Decimal("0.1") * 100
    assert wanted(one, 1011)[0].size_lots == 1010
    assert quote.slot == sale.slot


def test_where_a_purchase_and_a_sale_meet_the_sale_goes_first() -> None:
    one = grid()
    one.place(1025)
    one.on_fill(one.cells[0], fill(Side.BUY, 1000, 10))  # below a purchase that has not filled
    assert [(q.slot, q.side.value) for q in wanted(one, 1025)] == [("cell.0", "sell")]


def test_orders_behind_the_touch_stay_strictly_ordered() -> None:
    one = grid()
    for cell in one.cells:
        cell.fund([Parcel(Decimal(1), Decimal(10))])
    quotes = wanted(one, 1200)
    assert [quote.price_ticks for quote in quotes] == [1200, 1201, 1202, 1203, 1204]
    assert [quote.slot for quote in quotes] == [f"cell.{k}" for k in range(5)]


def test_an_order_beside_the_touch_keeps_off_prices_where_others_still_rest() -> None:
    one = grid()
    for cell in one.cells[:2]:
        cell.fund([Parcel(Decimal(1), Decimal(10))])
    quotes = one.quotes(book(1199, 1201), one.wishes(), {"cell.1": 1200, "cell.0": 1201})
    assert [(quote.slot, quote.price_ticks) for quote in quotes] == [("cell.0", 1201), ("cell.1", 1200)]


def test_a_fill_without_a_slot_belongs_to_the_cell_of_its_side_and_line() -> None:
    one = grid()
    for side, price, number in [(Side.BUY, 1010, 1), (Side.SELL, 1010, 0)]:
        cell = one.cell_of("", side, price)
        assert cell is not None
        assert cell.number == number
    assert one.cell_of("", Side.BUY, 1011) is None
    assert one.cell_of("take", Side.BUY, 1010) is None


def test_what_somebody_else_sold_is_taken_from_the_farthest_cells() -> None:
    one = grid()
    one.loose = [Parcel(Decimal("0.5"), Decimal(10))]
    for cell in one.cells[2:]:
        cell.fund([Parcel(Decimal(1), Decimal(10))])
    gone = one.take_out(Decimal(2))
    assert sum(parcel.size for parcel in gone) == 2
    assert [cell.held for cell in one.cells] == [0, 0, 1, Decimal("0.5"), 0]
    assert one.cells[4].state_name == "EMPTY"


def test_what_is_sold_and_held_by_no_cell_is_counted() -> None:
    one = grid()
    one.on_fill(one.cells[0], fill(Side.SELL, 1010, 3))
    assert (one.unmatched, one.grid_profit, one.round_trips) == (Decimal("0.3"), 0, 0)


def test_only_the_nearest_orders_are_kept_and_new_ones_come_in_batches() -> None:
    one = grid()
    one.place(1055)
    one.follow(1055)
    chosen = nearest(one.wishes(), 1055.0, 3, None)
    assert [wish[2] for wish in chosen] == [1040, 1030, 1020]
    assert [wish[2] for wish in nearest(one.wishes(), 1055.0, 0, 2.0)] == [1040]
    quotes = one.quotes(book(1054, 1056), chosen)
    assert [q.slot for q in in_batches(quotes, {"cell.2"}, 1055.0, 1)] == ["cell.4", "cell.2"]
    assert in_batches(quotes, set(), 1055.0, None) == quotes


@pytest.mark.parametrize("opening", Side)
def test_a_closing_order_of_a_position_only_reduces(opening: Side) -> None:
    one = grid(opening)
    one.cells[2].fund([Parcel(Decimal(1), Decimal(10))])
    (quote,) = one.quotes(book(1024, 1026), one.wishes(), reduce_only=True)
    assert (quote.side, quote.reduce_only) == (opening.opposite, True)
