"""What single fills have earned, read from a ledger: equal to the change of the realised profit of its position."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.history.fill_profits import Traded, profits, profits_of
from core.history.ledger_reader import fills
from core.market.order import Side
from core.market.position import Position
from tests.history.ledger_parts import Past
from tests.market_parts import fill, instrument

BUY, SELL = Side.BUY, Side.SELL
TRADES = st.lists(st.tuples(st.sampled_from(Side), st.integers(900, 1100), st.integers(1, 50)), max_size=30)


@given(TRADES, st.integers(0, 29), st.sampled_from(["1", "0.01"]))
def test_each_profit_is_what_the_position_realised_wherever_one_begins_to_read(
    trades: list[tuple[Side, int, int]], begin: int, contract: str
) -> None:
    traded = instrument(kind="perp", contract_size=Decimal(contract))
    position, rows, realised = Position("main"), [], {}
    for number, (side, ticks, lots) in enumerate(trades):
        after = position.after_fill(fill(side, ticks, lots), traded)
        signed = traded.to_size(lots) * side.sign
        rows.append(Traded(number, signed, traded.to_price(ticks), traded.to_size(position.size_lots)))
        if position.size_lots * side.sign < 0:
            realised[number] = after.realised_pnl - position.realised_pnl
        position = after
    whole = profits(rows, Decimal(contract))
    assert whole.keys() == realised.keys()
    assert all(abs(whole[number] - realised[number]) < Decimal("1e-15") for number in realised)
    part = profits(rows[begin:], Decimal(contract))
    assert all(abs(profit - realised[number]) < Decimal("1e-15") for number, profit in part.items())


def test_a_page_of_fills_has_its_profits_and_openings_have_none(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.fill(0, BUY, 10_000, 10)  # 1 SOL at 100
    past.fill(1, BUY, 10_200, 10)  # 1 SOL at 102
    past.fill(2, SELL, 10_300, 10)  # a half of 2 SOL at 101
    past.fill(3, SELL, 10_000, 20)  # the other half, and a short one
    past.fill(4, BUY, 9_900, 10)
    found = fills(past.path, limit=10)
    earned = profits_of(past.path, found)
    assert [earned.get(one.number) for one in reversed(found)] == [None, None, "2", "-1", "1"]
    older = fills(past.path, before=found[1].number, limit=1)
    assert profits_of(past.path, older) == {older[0].number: "2"}
    assert profits_of(past.path, []) == {}


def test_a_long_past_is_read_back_to_the_last_time_it_was_flat_only(tmp_path: Path) -> None:
    past = Past(tmp_path)
    for at in range(0, 1_200, 2):
        past.fill(at, BUY, 10_000 + at, 10)
        past.fill(at + 1, SELL, 10_001 + at, 10)
    newest = fills(past.path, limit=2)
    assert profits_of(past.path, newest) == {newest[0].number: "0.01"}
    oldest = fills(past.path, before=3, limit=2)
    assert profits_of(past.path, oldest) == {oldest[0].number: "0.01"}


def test_a_beginning_is_where_the_position_was_flat_or_changed_its_side() -> None:
    one = Traded(1, Decimal(-3), Decimal(100), Decimal(2))
    assert one.is_beginning
    assert not replace(one, signed=Decimal(-1)).is_beginning
    assert replace(one, signed=Decimal(-2)).is_beginning
    assert replace(one, before=Decimal(0)).is_beginning
