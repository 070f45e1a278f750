"""Gates on the market's price: it moved too far too fast, or it is not where a second price is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.events import PerpFacts
from core.market.price_shock import MidWindow, PriceShock
from core.market.risk_gates import Gate, tripped_gates
from core.market.risk_limits import RiskLimits
from tests.market_parts import NOW, SECOND, instrument, risk_state
from utils.errors import ConfigError

MOVE = RiskLimits(max_price_move_pct=1.0)
APART = RiskLimits(reference_deviation_bps=20.0)
MIDS = st.lists(st.tuples(st.integers(0, 30), st.integers(900, 1100)), min_size=1, max_size=40)


def names(gates: list[Gate]) -> list[str]:
    return [gate.name for gate in gates]


@given(MIDS, st.integers(1, 60))
def test_the_move_is_between_the_outermost_mids_of_the_window(steps: list[tuple[int, int]], window: int) -> None:
    kept, now, seen = MidWindow(), 0, []
    for pause, mid in steps:
        now += pause
        seen.append((now, mid))
        inside = [price for at, price in seen if at >= now - window]
        found = kept.move_pct(float(mid), now, window)
        assert found == pytest.approx((max(inside) / min(inside) - 1) * 100)


@pytest.mark.parametrize(("ago_s", "is_shut"), [(0, True), (59, True), (60, False), (600, False)])
def test_quotes_stay_off_for_the_cooldown_after_a_move(ago_s: int, is_shut: bool) -> None:
    state = risk_state(shock=PriceShock(1.2, NOW - ago_s * SECOND))
    assert names(tripped_gates(MOVE, state)) == ["price_move"] * is_shut
    assert tripped_gates(RiskLimits(), state) == []


def facts(index: str | None, mark: str | None = "150.05") -> PerpFacts:
    return PerpFacts("main", mark and Decimal(mark), index_price=index and Decimal(index))


@pytest.mark.parametrize(
    ("told", "age_ns", "shut"),
    [
        (facts("150.05"), 0, []),
        (facts("150.3"), 0, []),
        (facts("150.4"), 0, ["reference_deviation"]),
        (facts("149.7"), 0, ["reference_deviation"]),
        (facts("150.05", "140"), 0, []),
        (facts(None), 0, []),
        (facts(None, "140"), 0, ["reference_deviation"]),
        (facts(None, None), 0, ["reference_unknown"]),
        (facts("150.05"), 5 * SECOND + 1, ["reference_unknown"]),
        (facts("140"), 5 * SECOND + 1, ["reference_unknown"]),
        (None, None, ["reference_unknown"]),
    ],
)
def test_the_mid_is_held_against_the_index_or_else_the_mark(
    told: PerpFacts | None, age_ns: int | None, shut: list[str]
) -> None:
    state = risk_state(instrument=instrument(kind="perp"), facts=told, facts_age_ns=age_ns)
    gates = tripped_gates(APART, state)
    assert names(gates) == shut and not any(gate.latched for gate in gates)
    assert tripped_gates(RiskLimits(), state) == []


def test_a_spot_market_has_no_second_price() -> None:
    with pytest.raises(ConfigError, match="SOL-USDC is a spot market"):
        RiskLimits.from_config({"reference_deviation_bps": 20}, instrument())
    assert RiskLimits.from_config({"reference_deviation_bps": 20}, instrument(kind="perp")) == APART
