"""Bringing base back to its share of the value: when it begins, how much, when it ends."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.lasting import Moment, moment_after
from core.market.order import Side
from core.market.rebalance import Account, Move, Rebalancer, RebalanceRules, needed_move
from tests.market_parts import NOW, SECOND, instrument

MARKET = instrument(tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_notional=Decimal(5))
RULES = RebalanceRules()
START = Moment(7 * SECOND, NOW)


def worth(base_value: str, total: str = "1000") -> Account:
    """Return an account at a price of 100 whose base is worth so much of a total."""
    return Account(Decimal(base_value) / 100, Decimal(total) - Decimal(base_value), Decimal(100))


@pytest.mark.parametrize(
    ("base_value", "expected"),
    [
        ("150", None),  # the worked example: below 150 or above 450 of 1000
        ("149.9", Move(Side.BUY, 1501)),
        ("300", None),
        ("450", None),
        ("450.1", Move(Side.SELL, 1501)),
        ("0", Move(Side.BUY, 3000)),
        ("1000", Move(Side.SELL, 7000)),
    ],
)
def test_it_begins_strictly_beyond_the_threshold_and_aims_for_the_target(
    base_value: str, expected: Move | None
) -> None:
    assert Rebalancer(RULES).look(worth(base_value), MARKET, START) == expected


def test_it_ends_within_half_of_the_threshold_and_the_amount_follows_the_balances() -> None:
    rebalancer = Rebalancer(RULES)
    assert rebalancer.look(worth("500"), MARKET, START) == Move(Side.SELL, 2000)
    assert rebalancer.look(worth("400"), MARKET, START) == Move(Side.SELL, 1000)
    assert rebalancer.look(worth("375.1"), MARKET, START) == Move(Side.SELL, 751)
    assert rebalancer.look(worth("375"), MARKET, START) is None
    assert rebalancer.look(worth("500"), MARKET, START) is None  # not looked at before the cool-down is over
    assert rebalancer.look(worth("500"), MARKET, moment_after(START, 299 * SECOND)) is None
    assert rebalancer.look(worth("500"), MARKET, moment_after(START, 300 * SECOND)) == Move(Side.SELL, 2000)


def test_a_look_that_finds_nothing_is_not_repeated_at_once() -> None:
    rebalancer = Rebalancer(RULES)
    assert rebalancer.look(worth("300"), MARKET, START) is None
    assert rebalancer.look(worth("900"), MARKET, moment_after(START, 299 * SECOND)) is None
    assert rebalancer.look(worth("900"), MARKET, moment_after(START, 300 * SECOND)) is not None


@pytest.mark.parametrize(("total", "is_done"), [("49.9", False), ("50", True)])
def test_an_account_of_less_than_ten_smallest_orders_is_left_alone(total: str, is_done: bool) -> None:
    assert (Rebalancer(RULES).look(worth("0", total), MARKET, START) is not None) == is_done


def test_a_part_of_what_pays_is_left_alone() -> None:
    all_of_it = RebalanceRules(target_pct=Decimal(100))
    assert needed_move(worth("200"), all_of_it, MARKET) == Move(Side.BUY, 7600)  # 95 % of 800
    none_of_it = RebalanceRules(target_pct=Decimal(0))
    assert needed_move(worth("200"), none_of_it, MARKET) == Move(Side.SELL, 1900)


def test_an_account_that_is_empty_or_has_no_price_is_left_alone() -> None:
    assert Rebalancer(RULES).look(Account(Decimal(0), Decimal(0), Decimal(100)), MARKET, START) is None
    assert Rebalancer(RULES).look(Account(Decimal(5), Decimal(0), Decimal(0)), MARKET, START) is None


def test_what_is_under_way_and_the_time_of_the_next_look_outlive_a_restart() -> None:
    first = Rebalancer(RULES)
    first.look(worth("500"), MARKET, START)
    saved = first.to_plain()
    assert first.to_plain() is saved
    other, later = Rebalancer(RULES), Moment(SECOND, NOW + 100 * SECOND)  # another clock of decisions
    other.take_up(json.loads(json.dumps(saved)), later)
    assert other.look(worth("400"), MARKET, later) == Move(Side.SELL, 1000)
    assert not other.may_take(later.now_ns + 199 * SECOND)
    assert other.may_take(later.now_ns + 200 * SECOND)


amounts = st.decimals("0", "100000", places=4)


@given(amounts, amounts, st.decimals("0.5", "5000", places=2), st.integers(0, 100), st.integers(0, 50))
def test_a_move_never_takes_the_share_past_its_target_nor_more_than_is_there(
    base: Decimal, quote: Decimal, price: Decimal, target: int, buffer: int
) -> None:
    account = Account(base, quote, price)
    if account.total <= 0:
        return
    rules = RebalanceRules(target_pct=Decimal(target), buffer_pct=Decimal(buffer))
    move = needed_move(account, rules, MARKET)
    size = MARKET.to_size(move.size_lots) * move.side.sign
    before, after = (value * price * 100 - target * account.total for value in (base, base + size))
    assert abs(after) <= abs(before) + Decimal("1e-9")
    assert before * after >= -Decimal("1e-6") * account.total
    kept = 1 - Decimal(buffer) / 100
    assert size * price <= quote * kept + Decimal("1e-9")
    assert -size <= base * kept + Decimal("1e-9")
