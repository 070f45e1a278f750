"""Cells of a margin grid, what they may order, and the worst that can come of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.grid_cell import CellState, Parcel
from core.market.grid_lines import make_lines
from core.market.grid_sizing import Sizing
from core.market.grid_worst_case import check_worst_case, worst_case
from core.market.instrument import Instrument
from core.market.order import Side
from core.market.perp_grid import PerpGrid, make_cells
from core.market.perp_layout import GridTerms, PerpLayout
from core.market.risk_limits import RiskLimits
from tests.market_parts import book, fill, instrument
from utils.errors import ConfigError

PERP = instrument(kind="perp", tick_size=Decimal("0.01"), lot_size=Decimal("0.1"), min_notional=Decimal(0))
ONE = Sizing(quantity=Decimal(1))
LOTS = 10


def layout(
    grid_type: str = "neutral", centre: int = 1050, leverage: int = 1, traded: Instrument = PERP, **terms: int
) -> PerpLayout:
    """Return a grid of five lines from 10.00 to 11.00."""
    lines = make_lines("arithmetic", 1000, 1100, 5)
    return PerpLayout.make(GridTerms(grid_type, Decimal(leverage), True, **terms), lines, centre, ONE, traded)


def cells_of(one: PerpLayout) -> list[tuple[str, int, int]]:
    return [(cell.opening.value, cell.open_ticks, cell.close_ticks) for cell in one.grid.book.cells]


def test_long_cells_buy_first_and_short_cells_sell_first() -> None:
    assert cells_of(layout("long")) == [("buy", low, low + 25) for low in (1000, 1025, 1050, 1075)]
    assert cells_of(layout("short")) == [("sell", low + 25, low) for low in (1000, 1025, 1050, 1075)]


def test_below_the_centre_cells_are_long_above_it_short() -> None:
    assert [row[0] for row in cells_of(layout())] == ["buy", "buy", "sell", "sell"]


def test_the_cell_with_the_centre_in_it_is_split_there() -> None:
    assert cells_of(layout(centre=1060))[2:4] == [("buy", 1050, 1060), ("sell", 1075, 1060)]


def test_a_half_that_cannot_earn_is_left_out() -> None:
    dear = instrument(
        kind="perp",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.1"),
        maker_fee_bps=Decimal(5),
        min_notional=Decimal(0),
    )
    assert cells_of(layout(centre=1051, traded=dear))[2:] == [("sell", 1075, 1051), ("sell", 1100, 1075)]
    assert cells_of(layout(centre=1051))[2] == ("buy", 1050, 1051)


def test_a_cell_opens_as_soon_as_the_price_is_beyond_its_line() -> None:
    grid = layout().grid
    grid.book.place(1051.0)
    assert [cell.state_name for cell in grid.book.cells] == ["BUYING", "BUYING", "SELLING", "SELLING"]


def test_a_line_beyond_the_price_is_not_opened_at_the_market() -> None:
    grid = layout().grid
    grid.book.place(1010.0)  # the price has gone through a long cell, and lies below every short one
    assert [cell.state_name for cell in grid.book.cells] == ["BUYING", "EMPTY", "SELLING", "SELLING"]
    grid.book.follow(1025.0)
    assert grid.book.cells[1].state_name == "EMPTY"
    grid.book.follow(1025.5)
    assert grid.book.cells[1].state_name == "BUYING"


@given(st.integers(1001, 1099), st.lists(st.integers(950, 1150), max_size=30))
def test_a_neutral_grid_opens_no_short_below_its_centre_and_no_long_above(centre: int, path: list[int]) -> None:
    grid = layout(centre=centre).grid
    grid.book.place(centre)
    for price in path:
        grid.book.follow(price)
        for cell, side, line, _ in grid.wishes(grid.net_lots, 0):
            assert cell.state is CellState.OPENING
            assert line <= centre if side is Side.BUY else line >= centre


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """Return steps: price, which order fills, how many lots, and by how much the position is off."""
    step = st.tuples(
        st.integers(960, 1140), st.integers(0, 9), st.integers(1, LOTS), st.sampled_from([0, 0, 0, 0, 3, -3, 12, -12])
    )
    return draw(st.lists(step, max_size=60))


@given(st.sampled_from(["neutral", "long", "short"]), st.integers(1005, 1095), lives())
def test_closing_orders_never_exceed_the_position_and_cover_what_the_grid_holds(
    grid_type: str, centre: int, life: list[tuple[int, int, int, int]]
) -> None:
    grid = layout(grid_type, centre).grid
    grid.book.place(centre)
    off, bought, cash = 0, 0, Decimal(0)
    for price, which, lots, more in life:
        off += more
        position = grid.net_lots + off
        grid.book.follow(price)
        grid.net_out()
        assert not (grid.held_lots(Side.BUY) and grid.held_lots(Side.SELL))
        wishes = grid.wishes(position, 0)
        quotes = grid.book.quotes(book(price - 1, price + 1), wishes, reduce_only=True)
        assert len({quote.slot for quote in quotes}) == len(quotes)
        assert len({quote.price_ticks for quote in quotes}) == len(quotes)
        for side in Side:
            closing = sum(q.size_lots for q in quotes if q.reduce_only and q.side is side)
            assert closing <= max(0, -side.sign * position)
        if not off:  # all that is held is offered, but for openings that go on
            closing = sum(q.size_lots for q in quotes if q.reduce_only)
            opening = sum(c.held_lots(PERP) for c in grid.book.cells if c.state is CellState.OPENING)
            assert closing + opening == abs(position)
        if quotes:
            quote = quotes[which % len(quotes)]
            cell = grid.book.cell_of(quote.slot, quote.side, quote.price_ticks)
            assert cell is not None
            done = min(lots, quote.size_lots)
            grid.book.on_fill(cell, fill(quote.side, quote.price_ticks, done))
            bought += done * quote.side.sign
            cash -= done * quote.side.sign * quote.price_ticks * PERP.unit_quote
    assert grid.net_lots == bought
    assert grid.book.unmatched == 0
    open_profit = sum(
        parcel.size * (PERP.to_price(1050) - parcel.price) * cell.opening.sign
        for cell in grid.book.cells
        for parcel in cell.parcels
    )
    assert grid.book.grid_profit + open_profit == cash + bought * 1050 * PERP.unit_quote


def test_what_long_and_short_cells_hold_against_each_other_is_closed_without_a_trade() -> None:
    grid = holding(c1=10, c3=4)
    assert grid.net_out()
    assert [cell.held for cell in grid.book.cells] == [0, Decimal("0.6"), 0, 0]
    assert grid.book.grid_profit == Decimal("0.4") * (Decimal("11.00") - Decimal("10.25"))
    assert not grid.net_out()


def test_outside_the_range_nothing_opens_on_the_losing_side() -> None:
    grid = layout().grid
    grid.book.place(1050.0)
    assert {side for _, side, _, _ in grid.wishes(0, 1)} == {Side.BUY}
    assert {side for _, side, _, _ in grid.wishes(0, -1)} == {Side.SELL}


def holding(**held: int) -> PerpGrid:
    """Return a neutral grid in which cells hold lots; `c0=10` is cell 0."""
    grid = layout().grid
    for name, lots in held.items():
        cell = grid.book.cells[int(name[1:])]
        cell.fund([Parcel(PERP.to_size(lots), PERP.to_price(cell.open_ticks))])
    return grid


def test_what_no_cell_holds_goes_to_the_cell_nearest_to_the_entry_after_two_looks() -> None:
    grid = holding(c0=10)
    assert not grid.settle(15, Decimal("10.20"))
    assert grid.uncovered(15) == 5
    assert grid.settle(15, Decimal("10.20"))
    assert [cell.held for cell in grid.book.cells] == [1, Decimal("0.5"), 0, 0]
    assert grid.uncovered(15) == 0


def test_a_difference_that_does_not_stay_is_left_alone() -> None:
    grid = holding(c0=10)
    for position in (15, 16, 10, 15, 10):
        assert not grid.settle(position, Decimal("10.20"))
    assert grid.net_lots == 10


def test_what_is_not_there_any_more_is_taken_from_the_farthest_cells() -> None:
    grid = holding(c0=10, c1=10)
    assert grid.uncovered(5) == -15
    grid.settle(5, Decimal(10))
    assert grid.settle(5, Decimal(10))
    assert [cell.held for cell in grid.book.cells] == [Decimal("0.5"), 0, 0, 0]
    short = holding(c2=10, c3=10)
    short.settle(0, None)
    assert short.settle(0, None)
    assert [cell.state_name for cell in short.book.cells] == ["EMPTY"] * 4


def test_the_worst_case_of_a_long_grid() -> None:
    worst = worst_case(layout("long").grid.book.cells, Side.BUY, 950, Decimal(5), PERP)
    assert worst is not None
    assert (worst.size_lots, worst.average_price, worst.end_price) == (40, Decimal("10.375"), Decimal(10))
    assert worst.loss == Decimal("1.5")  # 4 x (10.375 - 10.00)
    assert worst.loss_at_stop == Decimal("3.5")
    assert worst.margin == Decimal("8.3")  # 4 x 10.375 / 5
    assert worst.liquidation_price == pytest.approx(Decimal("8.3") / Decimal("0.995"))


def test_the_worst_case_of_a_short_grid() -> None:
    worst = worst_case(layout("short").grid.book.cells, Side.SELL, None, Decimal(5), PERP)
    assert worst is not None
    assert (worst.size_lots, worst.average_price, worst.end_price) == (40, Decimal("10.625"), Decimal(11))
    assert (worst.loss, worst.loss_at_stop) == (Decimal("1.5"), None)
    assert worst.liquidation_price == pytest.approx(Decimal("12.75") / Decimal("1.005"))


def test_a_side_without_cells_has_no_worst_case() -> None:
    assert worst_case(layout("long").grid.book.cells, Side.SELL, None, Decimal(1), PERP) is None
    check_worst_case(None, RiskLimits(max_position_lots=1), PERP)


@given(st.sampled_from(["neutral", "long", "short"]), st.integers(1005, 1095), lives())
def test_no_path_of_prices_holds_more_than_the_worst_case(
    grid_type: str, centre: int, life: list[tuple[int, int, int, int]]
) -> None:
    one = layout(grid_type, centre)
    most = {worst.side: worst.size_lots for worst in one.worst}
    one.grid.book.place(centre)
    for price, which, lots, _ in life:
        one.grid.book.follow(price)
        quotes = one.grid.book.quotes(book(price - 1, price + 1), one.grid.wishes(one.grid.net_lots, 0))
        if quotes:
            quote = quotes[which % len(quotes)]
            cell = one.grid.book.cell_of(quote.slot, quote.side, quote.price_ticks)
            assert cell is not None
            one.grid.book.on_fill(cell, fill(quote.side, quote.price_ticks, min(lots, quote.size_lots)))
        assert -most.get(Side.SELL, 0) <= one.grid.net_lots <= most.get(Side.BUY, 0)


@pytest.mark.parametrize(
    ("leverage", "limits", "told"),
    [
        (1, RiskLimits(max_position_lots=39), "grid holds 4.0 SOL, risk_config.max_position is 3.9"),
        (1, RiskLimits(max_position_quote=Decimal(39)), "worth 40.00.*max_position_usd is 39"),
        (40, RiskLimits(), "liquidated near 10.16"),
    ],
)
def test_a_grid_that_cannot_be_carried_to_its_end_is_refused(leverage: int, limits: RiskLimits, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        layout("long", leverage=leverage).check(limits)


def test_a_grid_that_can_be_carried_is_taken() -> None:
    layout("long", leverage=5).check(RiskLimits(max_position_lots=40, max_position_quote=Decimal(40)))


def test_a_layout_is_taken_up_as_it_was_unless_the_market_or_its_halves_changed() -> None:
    one, terms = layout(centre=1060), GridTerms("neutral", Decimal(1), True)
    one.grid.book.cells[0].fund([Parcel(Decimal(1), Decimal(10))])
    again = PerpLayout.from_plain(one.to_plain(), terms, ONE, PERP)
    assert again is not None
    assert again.to_plain() == one.to_plain()
    assert PerpLayout.from_plain(one.to_plain(), terms, ONE, instrument(kind="perp", tick_size=Decimal("0.07"))) is None
    dear = instrument(kind="perp", tick_size=Decimal("0.01"), lot_size=Decimal("0.1"), maker_fee_bps=Decimal(60))
    assert PerpLayout.from_plain(one.to_plain(), terms, ONE, dear) is None


def test_cells_need_lines_that_can_earn() -> None:
    dear = instrument(kind="perp", tick_size=Decimal("0.01"), lot_size=Decimal("0.1"), maker_fee_bps=Decimal(300))
    assert make_cells((1000, 1050, 1100), "neutral", 1025, ONE, dear, True)[0].opening is Side.SELL
    with pytest.raises(ConfigError, match="a round trip earns"):
        layout(traded=dear).check(RiskLimits())
