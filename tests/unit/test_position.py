"""Fills in, position and profit out: against the golden sequences, and as laws over any sequence."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.instrument import Instrument
from core.market.order import Fill, Side
from core.market.position import VOLUMES, Position
from tests.market_parts import fill, instrument, sides

GOLDEN = Path(__file__).parents[1] / "golden" / "quant" / "ledger.json"
SEQUENCES = json.loads(GOLDEN.read_text())
FINE = instrument(tick_size=Decimal("1e-8"), lot_size=Decimal("0.01"))
ONE = instrument(tick_size=Decimal("0.1"), lot_size=Decimal(1))

steps = st.lists(st.tuples(sides, st.integers(1, 5000), st.integers(1, 400)), min_size=1, max_size=30)


def played(moves: list[tuple[Side, int, int]], traded: Instrument, fee: Decimal = Decimal(0)) -> Position:
    position = Position("main")
    for side, price_ticks, size_lots in moves:
        position = position.after_fill(fill(side, price_ticks, size_lots, fee=fee), traded)
    return position


def golden_fill(step: dict[str, Any]) -> Fill:
    price, size = Decimal(step["price"]), Decimal(step["qty"])
    fee = price * size * Decimal(step["fee_rate"])
    return fill(Side(step["side"]), FINE.to_ticks(price), FINE.to_lots(size), fee=fee)


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence["name"])
def test_golden_sequence_gives_its_exact_decimals_after_each_step(sequence: dict[str, Any]) -> None:
    position = Position("main")
    for step in sequence["steps"]:
        if step["event"] == "funding":
            due = position.funding_due(Decimal(step["mark"]), Decimal(step["rate"]), FINE)
            assert due == Decimal(step["payment"])
            position = position.after_funding(due)
        elif step["event"] == "fill":
            before, position = position, position.after_fill(golden_fill(step), FINE)
            assert position.realised_pnl - before.realised_pnl == Decimal(step["realised"])
            assert position.grid_profit - before.grid_profit == Decimal(step["grid_profit"])
            assert FINE.to_size(position.size_lots) == Decimal(step["position"])
            average = position.average_price(FINE) or Decimal(0)
            assert average.quantize(Decimal("1e-12")) == Decimal(step["avg_price"]).quantize(Decimal("1e-12"))
            assert position.fees_paid == Decimal(step["fees_total"])
        else:
            mark = Decimal(step["mark"])
            assert position.realised_pnl == Decimal(step["realised_avg_total"])
            assert position.grid_profit == Decimal(step["realised_fifo_total"])
            assert position.unrealised_pnl(mark, FINE) == Decimal(step["unrealised_avg"])
            assert position.unrealised_grid(mark, FINE) == Decimal(step["unrealised_fifo"])
            assert position.funding_paid == Decimal(step["funding_total"])
            assert position.net_pnl(mark, FINE) == Decimal(step["net_pnl"])


def test_golden_file_holds_all_sequences() -> None:
    assert len(SEQUENCES) == 11


@given(steps, st.integers(1, 5000))
def test_average_cost_plus_unrealised_equals_fifo_plus_unrealised(moves: list[Any], mark_ticks: int) -> None:
    position, mark = played(moves, ONE), ONE.to_price(mark_ticks)
    by_average = position.realised_pnl + position.unrealised_pnl(mark, ONE)
    assert by_average == position.grid_profit + position.unrealised_grid(mark, ONE)


@given(steps, st.integers(1, 5000))
def test_net_equals_cash_plus_holding_minus_fees(moves: list[Any], mark_ticks: int) -> None:
    traded, fee = instrument(contract_size=Decimal("0.5")), Decimal("0.013")
    mark = traded.to_price(mark_ticks)
    cash = -sum((side.sign * traded.notional_quote(price, size) for side, price, size in moves), Decimal(0))
    held = sum(side.sign * size for side, _, size in moves)
    expected = cash + held * mark * traded.lot_size * traded.contract_size - fee * len(moves)
    assert played(moves, traded, fee).net_pnl(mark, traded) == expected


@given(steps, st.integers(0, 10_000), st.decimals(-3, 3, places=4), st.decimals(-3, 3, places=7))
def test_the_line_of_the_net_is_the_net_to_the_digit_at_any_mark(
    moves: list[Any], half_ticks: int, fee: Decimal, funding: Decimal
) -> None:
    traded = instrument(contract_size=Decimal("0.5"))
    position = played(moves, traded, fee).after_funding(funding)
    mark = traded.tick_size * Decimal(half_ticks / 2)
    assert str(position.net_line(traded).at(mark)) == str(position.net_pnl(mark, traded))


@given(steps)
def test_lots_add_up_to_the_position_and_never_disagree_in_sign(moves: list[Any]) -> None:
    position = played(moves, ONE)
    assert sum(lots for lots, _ in position.lots) == position.size_lots
    assert all(lots * position.size_lots > 0 for lots, _ in position.lots)
    assert position.entry_value >= 0


@given(steps)
def test_both_books_agree_when_flat(moves: list[Any]) -> None:
    position = played(moves, ONE)
    if position.size_lots:
        closing = fill(Side.SELL if position.size_lots > 0 else Side.BUY, 1234, abs(position.size_lots))
        position = position.after_fill(closing, ONE)
    assert position.realised_pnl == position.grid_profit
    assert position.entry_value == 0
    assert position.lots == ()


def pairs_of(moves: list[tuple[Side, int, int]]) -> tuple[int, list[int]]:
    """Return the profit of matched pairs in ticks x lots and what is left, lot by lot: the plainest way to count."""
    held: list[int] = []  # a price for each lot; negative for sold ones
    profit = 0
    for side, price, lots in moves:
        for _ in range(lots):
            if held and (held[0] > 0) != (side is Side.BUY):
                entry = held.pop(0)
                profit += price - entry if entry > 0 else -entry - price
            else:
                held.append(price * side.sign)
    return profit, held


@given(st.lists(st.tuples(sides, st.integers(1, 50), st.integers(1, 12)), max_size=25))
def test_grid_profit_is_that_of_the_matched_pairs(moves: list[tuple[Side, int, int]]) -> None:
    position, (profit, held) = played(moves, ONE), pairs_of(moves)
    assert position.grid_profit == profit * ONE.tick_size
    assert position.size_lots == sum(1 if one > 0 else -1 for one in held)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 500), st.integers(1, 500), sides)
def test_a_flip_closes_what_was_held_and_opens_the_rest_at_its_own_price(
    held: int, more: int, entry: int, price: int, side: Side
) -> None:
    flipped = played([(side, entry, held), (side.opposite, price, held + more)], ONE)
    in_two = played([(side, entry, held), (side.opposite, price, held), (side.opposite, price, more)], ONE)
    assert flipped.size_lots == -side.sign * more
    assert flipped.average_price(ONE) == ONE.to_price(price)
    assert (flipped.realised_pnl, flipped.lots) == (in_two.realised_pnl, in_two.lots)


@given(steps, st.integers(1, 5000), st.decimals("-0.01", "0.01", places=6))
def test_funding_is_paid_by_longs_and_added_to_the_net(moves: list[Any], mark_ticks: int, rate: Decimal) -> None:
    position, mark = played(moves, ONE), ONE.to_price(mark_ticks)
    due = position.funding_due(mark, rate, ONE)
    assert due == -ONE.to_size(position.size_lots) * mark * rate
    assert position.after_funding(due).net_pnl(mark, ONE) == position.net_pnl(mark, ONE) + due


@given(steps)
def test_record_read_back_is_the_same_position(moves: list[Any]) -> None:
    position, traded = played(moves, instrument(), Decimal("-0.001")), instrument()
    text = json.dumps(position.to_plain(traded.lot_size))
    assert Position.from_plain(json.loads(text), traded.lot_size) == position


def test_record_holds_sizes_in_base_units_without_exponents() -> None:
    plain = played([(Side.BUY, 1500, 2500)], instrument()).to_plain(Decimal("0.001"))
    assert plain["size"] == "2.5"
    assert plain["lots"] == [["2.5", "150"]]
    assert plain["entry_value"] == "375"


def test_record_survives_a_finer_lot_of_the_venue() -> None:
    plain = played([(Side.SELL, 1500, 7)], instrument()).to_plain(Decimal("0.001"))
    assert Position.from_plain(plain, Decimal("0.0001")).size_lots == -70


def test_record_that_is_no_whole_number_of_lots_is_refused() -> None:
    plain = played([(Side.BUY, 1500, 7)], instrument()).to_plain(Decimal("0.001"))
    with pytest.raises(ValueError, match=r"0\.007 is not a whole number of lots of 0\.01"):
        Position.from_plain(plain, Decimal("0.01"))


@pytest.mark.parametrize("damage", [{"size": "x"}, {"lots": [["1"]]}, {"fills": None}, {"realised_pnl": "1,5"}])
def test_damaged_record_is_refused_as_a_value_error(damage: dict[str, Any]) -> None:
    plain = Position("main").to_plain() | damage
    with pytest.raises(ValueError):
        Position.from_plain(plain)


def test_fee_in_base_is_worth_the_fill_price() -> None:
    position = Position("main").after_fill(
        fill(Side.BUY, 1500, 1000, fee=Decimal("0.001"), fee_asset="SOL"), instrument()
    )
    assert position.fees_paid == Decimal("0.15")
    assert position.size_lots == 1000  # what was traded; the fee lowers the balance, not the position


def test_fee_in_a_third_asset_is_kept_apart_not_guessed() -> None:
    position = Position("main")
    for _ in range(2):
        position = position.after_fill(fill(Side.BUY, 1500, 1, fee=Decimal("0.01"), fee_asset="BNB"), instrument())
    assert position.fees_paid == 0
    assert position.other_fees == (("BNB", Decimal("0.02")),)


def test_rebate_raises_the_net() -> None:
    position = played([(Side.BUY, 1500, 1000)], instrument(), fee=Decimal("-0.015"))
    assert position.net_pnl(Decimal(150), instrument()) == Decimal("0.015")


def test_fills_of_one_price_share_one_lot() -> None:
    position = played([(Side.BUY, 1500, 10), (Side.BUY, 1500, 5), (Side.BUY, 1499, 1)], instrument())
    assert position.lots == ((15, Decimal("150.0")), (1, Decimal("149.9")))


def test_counters_count_every_fill() -> None:
    position = played([(Side.BUY, 1500, 1000), (Side.SELL, 1510, 400)], instrument())
    assert position.fills == 2
    assert (position.volume_quote, position.volume_base) == (Decimal("210.4"), Decimal("1.4"))


def test_volumes_of_makers_and_takers_are_apart_and_an_adjustment_is_neither() -> None:
    position = Position("main")
    for liquidity, size_lots in (("maker", 1000), ("taker", 400), ("adjustment", 10)):
        one = replace(fill(Side.BUY, 1500, size_lots), liquidity=liquidity)
        position = position.after_fill(one, instrument())
    assert (position.maker_volume, position.taker_volume) == (150, 60)
    assert (position.volume_quote, position.volume_base) == (Decimal("211.5"), Decimal("1.41"))


def test_a_record_from_before_there_were_volumes_is_read_with_none() -> None:
    plain = played([(Side.BUY, 1500, 1000)], instrument()).to_plain(Decimal("0.001"))
    for name in VOLUMES:
        del plain[name]
    read = Position.from_plain(plain, Decimal("0.001"))
    assert (read.size_lots, read.volume_quote, read.volume_base) == (1000, 150, 0)


def test_flat_position_has_no_average() -> None:
    assert Position("main").average_price(instrument()) is None


def test_splitting_a_cost_a_thousand_times_loses_nothing() -> None:
    moves = [(Side.BUY, 1000, 1), (Side.BUY, 1001, 2)] + [(Side.SELL, 1000, 1), (Side.BUY, 1003, 1)] * 500
    position = played([*moves, (Side.SELL, 1000, 3)], ONE)
    assert position.realised_pnl == position.grid_profit == Decimal("-150.2")
