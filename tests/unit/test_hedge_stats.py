"""Figures of hedging."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.hedge_stats import HedgeStats, RoundTrips, cash_of, quantile
from core.market.order import Side
from tests.market_parts import fill, instrument

MARKET = instrument()


def test_a_round_trip_earns_the_difference_of_both_prices_less_all_fees() -> None:
    trips = RoundTrips()
    trips.made(Decimal(1), Decimal("-99.9"), Decimal(1))
    trips.hedged(Decimal(-1), Decimal("100.1"))
    assert (trips.pnl, trips.volume) == (Decimal("0.2"), Decimal("99.9"))
    assert trips.capture_bps == pytest.approx(20.02, abs=0.01)


def test_a_hedge_of_a_part_matches_that_part() -> None:
    trips = RoundTrips()
    trips.made(Decimal(2), Decimal(-200), Decimal(1))
    trips.hedged(Decimal(-1), Decimal(101))
    assert (trips.pnl, trips.volume) == (Decimal(1), Decimal(100))


@given(st.lists(st.tuples(st.booleans(), st.integers(-5, 5), st.integers(90, 110)), max_size=40))
def test_once_all_is_hedged_the_round_trips_have_earned_all_the_cash(moves: list[tuple[bool, int, int]]) -> None:
    trips, base, cash = RoundTrips(), Decimal(0), Decimal(0)
    for is_maker, size, price in [*moves, (False, -sum(size for _, size, _ in moves), 100)]:
        one, paid = Decimal(size), Decimal(-size * price)
        base, cash = base + one, cash + paid
        if is_maker:
            trips.made(one, paid, Decimal(1))
        else:
            trips.hedged(one, paid)
    assert base == 0
    assert abs(trips.pnl - cash) < Decimal("1e-15")


@pytest.mark.parametrize(("asset", "paid"), [("USDC", "-100.5"), ("SOL", "-150"), ("BNB", "-100")])
def test_a_fee_counts_in_the_asset_that_it_is_of(asset: str, paid: str) -> None:
    made = fill(Side.BUY, 1000, 1000, fee=Decimal("0.5"), fee_asset=asset)
    assert cash_of(made, MARKET, Decimal(1)) == (Decimal(1), Decimal(paid))
    assert cash_of(made, MARKET, Decimal(2))[1] == 2 * Decimal(paid)


def test_the_latency_is_from_the_first_fill_that_waits_to_the_hedges_fill() -> None:
    stats = HedgeStats()
    stats.on_maker_fill(1_000_000_000)
    stats.on_maker_fill(1_010_000_000)
    stats.on_sent(1000.0)
    stats.on_hedge_fill(fill(Side.SELL, 999, 10), 1_030_000_000)
    stats.on_hedge_fill(fill(Side.SELL, 998, 30), 1_050_000_000)
    told = stats.told()
    assert told["hedge_latency_ms"] == {"p50": 30.0, "p99": 30.0}
    assert told["hedge_slippage_bps"] == pytest.approx(17.5)  # 10 bps of 10 lots, 20 bps of 30
    assert told["hedges"] == 1


def test_before_anything_happened_figures_are_not_known_and_not_zero() -> None:
    told = HedgeStats().told()
    assert (told["hedge_latency_ms"]["p50"], told["hedge_slippage_bps"], told["capture_bps"]) == (None, None, None)


def test_a_quantile_is_a_sample() -> None:
    assert [quantile([3.0, 1.0, 2.0], share) for share in (0, 0.5, 0.99, 1)] == [1.0, 2.0, 3.0, 3.0]
    assert quantile([], 0.5) is None
