"""Recovery, liquidation and inventory skew: the golden numbers and the laws."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.inventory_skew import inventory_skew
from core.market.liquidation import liquidation_complaint, liquidation_price
from core.market.order import Side
from core.market.recovery import SCALES, Recovery, RecoverySettings, RecoveryState
from tests.golden_parts import golden
from tests.market_parts import sides

GOLDEN = golden("risk")
SECOND = 10**9
SETTINGS = RecoverySettings()
looks = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=60)


def test_golden_recovery_is_met_at_each_look() -> None:
    rows = GOLDEN["recovery"]
    settings = RecoverySettings(rows["cooldown"], rows["dwell"], rows["max_cooldown"])
    recovery = Recovery()
    for row in rows["steps"]:
        recovery = recovery.after(round(row["t"] * 1e9), row["breach"], row["healthy"], settings)
        assert (recovery.state.value, recovery.size_scale) == (row["state"], row["size_scale"]), row


@given(looks)
def test_size_never_rises_by_more_than_a_step_and_only_after_its_time(rows: list[tuple[int, bool, bool]]) -> None:
    recovery, now_s = Recovery(), 1000
    for wait_s, breach, healthy in rows:
        now_s += wait_s
        before, recovery = recovery, recovery.after(now_s * SECOND, breach, healthy, SETTINGS)
        rise = recovery.size_scale - before.size_scale
        assert rise <= 0.25
        if breach:
            assert (recovery.size_scale, recovery.since_ns) == (0.0, now_s * SECOND)
        if rise > 0:
            least_s = 9.0 if before.state is RecoveryState.HALTED else 30.0
            assert healthy
            assert now_s * SECOND - before.since_ns >= least_s * SECOND
        assert Recovery.from_plain(json.loads(json.dumps(recovery.to_plain()))) == recovery
        assert recovery.spread_factor >= 1


def test_wait_doubles_with_each_breach_on_the_way_back_up_to_its_most() -> None:
    recovery, now_s, waits = Recovery().after(0, True, False, SETTINGS), 0, []
    for _ in range(9):
        waits.append(recovery.cooldown_s)
        now_s += 1000
        recovery = recovery.after(now_s * SECOND, False, True, SETTINGS).after(now_s * SECOND, True, False, SETTINGS)
    assert waits == [9, 18, 36, 72, 144, 288, 576, 600, 600]


def test_breach_while_halted_begins_the_same_wait_anew() -> None:
    halted = Recovery().after(0, True, False, SETTINGS).after(5 * SECOND, True, False, SETTINGS)
    assert halted.after(13 * SECOND, False, True, SETTINGS).state is RecoveryState.HALTED
    assert halted.after(14 * SECOND, False, True, SETTINGS).state is RecoveryState.RECOVERING


def test_resume_ends_the_wait_but_skips_no_step() -> None:
    halted = Recovery().after(1000 * SECOND, True, False, SETTINGS)
    resumed = halted.resumed()
    assert resumed.after(1001 * SECOND, False, False, SETTINGS).state is RecoveryState.HALTED
    assert resumed.after(1001 * SECOND, False, True, SETTINGS).size_scale == SCALES[0]
    assert resumed.cooldown_s == halted.cooldown_s
    assert Recovery().resumed() == Recovery()


@pytest.mark.parametrize("change", [{"state": "lost"}, {"step": 4}, {"step": None}, {"since_ns": "x"}])
def test_damaged_record_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Recovery.from_plain(Recovery().to_plain() | change)


# liquidation


@pytest.mark.parametrize("row", GOLDEN["liquidation"])
def test_golden_liquidation_prices_are_met(row: dict[str, Any]) -> None:
    numbers = (Decimal(str(row[name])) for name in ("entry", "qty", "margin", "mmr"))
    found = liquidation_price(Side.BUY if row["side"] == "long" else Side.SELL, *numbers)
    if row["liquidation"] is None:
        assert found is None
    else:
        assert float(found or 0) == pytest.approx(row["liquidation"], rel=1e-12)


@given(
    sides,
    st.decimals("1", "100000", places=2),
    st.decimals("0.01", "100", places=2),
    st.decimals("0", "100000", places=2),
    st.decimals("0", "0.1", places=3),
)
def test_at_the_liquidation_price_margin_and_loss_leave_the_maintenance(
    held: Side, entry: Decimal, size: Decimal, margin: Decimal, rate: Decimal
) -> None:
    price = liquidation_price(held, entry, size, margin, rate)
    if price is not None:
        left = margin + held.sign * size * (price - entry)
        assert float(left) == pytest.approx(float(rate * size * price), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("held", "mark", "ours", "venues", "fault"),
    [
        (Side.BUY, 100, 90, 91, None),
        (Side.BUY, 100, 90, None, None),
        (Side.BUY, 100, None, None, None),
        (Side.BUY, 100, 101, None, "wrong side"),
        (Side.SELL, 100, 99, None, "wrong side"),
        (Side.BUY, 100, 90, 70, "more than 10 %"),
        (Side.BUY, 100, 96, None, "nearer"),
        (Side.SELL, 100, 104, 104, "nearer"),
        (Side.SELL, 100, 110, 106, None),
    ],
)
def test_liquidation_that_is_wrong_far_off_or_near_is_told(
    held: Side, mark: int, ours: int | None, venues: int | None, fault: str | None
) -> None:
    values = [None if one is None else Decimal(one) for one in (ours, venues)]
    complaint = liquidation_complaint(held, Decimal(mark), *values, Decimal(5))
    assert (complaint is None) if fault is None else (fault in (complaint or ""))


def test_what_is_no_position_has_no_liquidation_price() -> None:
    with pytest.raises(ValueError, match="no position"):
        liquidation_price(Side.BUY, Decimal(100), Decimal(0), Decimal(1), Decimal("0.01"))


# inventory skew


@pytest.mark.parametrize("row", GOLDEN["skew"])
def test_golden_skews_are_met(row: dict[str, float]) -> None:
    given_names = ("position", "mid", "max_position_usd", "factor", "half_spread")
    found = inventory_skew(*(row[name] for name in given_names))
    assert found == pytest.approx(tuple(row[name] for name in ("ratio", "shift", "bid_scale", "ask_scale")), rel=1e-12)


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e5), st.floats(1, 1e6), st.floats(0, 2), st.floats(0, 100))
def test_skew_is_odd_in_the_position(
    position: float, mid: float, largest: float, factor: float, half_spread: float
) -> None:
    long, short = (inventory_skew(sign * position, mid, largest, factor, half_spread) for sign in (1, -1))
    assert (long.ratio, long.shift) == (-short.ratio, -short.shift)
    assert (long.bid_scale, long.ask_scale) == (short.ask_scale, short.bid_scale)
    assert max(long.bid_scale, long.ask_scale) == 1
    assert min(long.bid_scale, long.ask_scale) >= 0


@pytest.mark.parametrize("wrong", [(1.0, 0.0, 1.0, 1.0, 1.0), (1.0, 1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 1.0, 2.1, 1.0)])
def test_what_is_no_skew_is_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no skew"):
        inventory_skew(*wrong)
