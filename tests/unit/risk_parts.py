"""A state of risk for tests."""

from __future__ import annotations

from hypothesis import strategies as st

from core.market.risk_gates import Gate
from core.market.risk_limits import RiskLimits

FREE = RiskLimits()


def names(gates: list[Gate]) -> list[str]:
    return [gate.name for gate in gates]


limits = st.builds(
    RiskLimits,
    max_position_lots=st.none() | st.integers(1, 2000),
    max_position_quote=st.none() | st.decimals(1, 400, places=2),
    max_order_lots=st.none() | st.integers(1, 400),
    max_open_orders=st.integers(1, 12),
    price_floor_ticks=st.none() | st.integers(1300, 1600),
    price_ceiling_ticks=st.none() | st.integers(1300, 1600),
)
