"""Avellaneda-Stoikov quotes: the golden numbers, and the laws of the model."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.market.auto_gamma import AutoGamma, AutoGammaSettings
from core.market.avellaneda import as_quote, base_spread, full_inventory_shift, solve_gamma
from core.market.book import Level, OrderBook
from core.market.ladder import build_side, linear_rungs
from core.market.order import Side
from tests.golden_parts import golden
from tests.market_parts import instrument

GOLDEN = golden("quotes")
SECOND = 1_000_000_000

gammas = st.floats(1e-4, 5.0)
kappas = st.floats(0.05, 20.0)
sigmas = st.floats(0.01, 10.0)
taus = st.floats(0.01, 100.0)
inventories = st.floats(-5.0, 5.0)


@pytest.mark.parametrize("row", GOLDEN["avellaneda_stoikov"])
def test_golden_quotes_are_met(row: dict[str, float]) -> None:
    quote = as_quote(row["s"], row["q"], row["gamma"], row["kappa"], row["sigma"], row["tau"])
    assert quote.reservation == pytest.approx(row["reservation"], rel=1e-12)
    assert quote.spread == pytest.approx(row["spread"], rel=1e-12)
    assert quote.bid == pytest.approx(row["bid"], rel=1e-12)
    assert quote.ask == pytest.approx(row["ask"], rel=1e-12)


@pytest.mark.parametrize("row", GOLDEN["placement"])
def test_golden_placements_round_outward_and_stay_outside_the_touch(row: dict[str, float]) -> None:
    tick, traded, rungs = row["tick"], instrument(), linear_rungs(1, 0.0, 0.0)
    book = OrderBook((Level(round(row["best_bid"] / tick), 1),), (Level(round(row["best_ask"] / tick), 1),))
    (bid,) = build_side(Side.BUY, row["bid"] / tick, rungs, [1], ["buy.0"], book, traded)
    (ask,) = build_side(Side.SELL, row["ask"] / tick, rungs, [1], ["sell.0"], book, traded)
    assert bid.price_ticks == round(row["post_only_bid"] / tick)
    assert ask.price_ticks == round(row["post_only_ask"] / tick)


@given(inventories, gammas, kappas, sigmas, taus)
def test_the_other_inventory_mirrors_the_quotes_about_the_mid(
    q: float, gamma: float, kappa: float, sigma: float, tau: float
) -> None:
    long, short = (as_quote(100.0, sign * q, gamma, kappa, sigma, tau) for sign in (1, -1))
    assert long.bid - 100 == pytest.approx(100 - short.ask, rel=1e-9, abs=1e-9)
    assert long.spread == short.spread


@given(st.floats(0.1, 5), gammas, kappas, sigmas, taus)
def test_more_inventory_lowers_both_quotes(q: float, gamma: float, kappa: float, sigma: float, tau: float) -> None:
    assume(gamma * sigma**2 * tau * q > 1e-9)
    flat, held = (as_quote(100.0, inventory, gamma, kappa, sigma, tau) for inventory in (0.0, q))
    assert held.bid < flat.bid
    assert held.ask < flat.ask


@given(st.floats(1e-3, 1e3), inventories, gammas, kappas, sigmas, taus)
def test_quotes_scale_with_the_unit_of_price(
    scale: float, q: float, gamma: float, kappa: float, sigma: float, tau: float
) -> None:
    one = as_quote(100.0, q, gamma, kappa, sigma, tau)
    other = as_quote(100.0 * scale, q, gamma / scale, kappa / scale, sigma * scale, tau)
    size = 100 * scale + abs(other.bid)
    assert other.bid == pytest.approx(scale * one.bid, abs=1e-11 * size)
    assert other.ask == pytest.approx(scale * one.ask, abs=1e-11 * size)


@given(gammas, kappas, sigmas, taus, st.floats(1.1, 3.0))
def test_spread_rises_with_risk_and_falls_with_kappa(
    gamma: float, kappa: float, sigma: float, tau: float, more: float
) -> None:
    quote = as_quote(100.0, 0.0, gamma, kappa, sigma, tau)
    assert as_quote(100.0, 0.0, gamma, kappa, sigma * more, tau).spread > quote.spread
    assert as_quote(100.0, 0.0, gamma, kappa * more, sigma, tau).spread < quote.spread


@given(gammas, kappas, st.floats(1.1, 10.0))
def test_base_spread_falls_with_gamma_from_two_over_kappa(gamma: float, kappa: float, more: float) -> None:
    assert base_spread(gamma * more, kappa) < base_spread(gamma, kappa) < 2 / kappa


@pytest.mark.parametrize("gamma", [0.0, 1e-300, 1e-15, 1e-10])
def test_base_spread_has_its_limit_without_a_jump(gamma: float) -> None:
    assert base_spread(gamma, 1.5) == pytest.approx(2 / 1.5, rel=1e-9)


GOOD: dict[str, float] = {"mid": 100.0, "q": 1.0, "gamma": 0.1, "kappa": 1.5, "sigma": 2.0, "tau_s": 1.0}


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_give_no_quote(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="no quote"):
        as_quote(**(GOOD | {name: value}))


@pytest.mark.parametrize(("name", "value"), [("mid", 0), ("kappa", 0), ("gamma", -1), ("sigma", -1), ("tau_s", -1)])
def test_numbers_outside_the_model_give_no_quote(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="no quote"):
        as_quote(**(GOOD | {name: value}))


# gamma: auto


@given(st.floats(0.05, 1.9), kappas, st.floats(1e-6, 1e4))
def test_solved_gamma_moves_the_quotes_by_the_wanted_half_spreads(shift: float, kappa: float, variance: float) -> None:
    gamma = solve_gamma(shift, kappa, variance)
    assume(gamma is not None)
    quote = as_quote(1e6, 1.0, gamma, kappa, math.sqrt(variance), 1.0)
    moved = gamma * variance
    assert moved == pytest.approx(shift * quote.spread / 2, rel=1e-9)
    assert full_inventory_shift(gamma, kappa, variance) == pytest.approx(shift, rel=1e-9)


@given(kappas, st.floats(0.01, 100.0), gammas, gammas)
def test_shift_grows_with_gamma_and_never_reaches_two(
    kappa: float, variance: float, gamma: float, other: float
) -> None:
    low, high = sorted((gamma, other))
    assert full_inventory_shift(low, kappa, variance) <= full_inventory_shift(high, kappa, variance) < 2


def test_a_market_that_does_not_move_has_no_gamma() -> None:
    assert solve_gamma(1.0, 1.5, 0.0) is None
    assert solve_gamma(0.0, 1.5, 1.0) == 0.0


@pytest.mark.parametrize("shift", [-0.1, 2.0, 5.0, math.nan])
def test_a_shift_that_no_gamma_reaches_is_refused(shift: float) -> None:
    with pytest.raises(ValueError, match="no gamma"):
        solve_gamma(shift, 1.5, 1.0)


def test_auto_gamma_is_solved_at_its_interval_only() -> None:
    auto = AutoGamma(AutoGammaSettings(refresh_s=60))
    first = auto.update(0, 1.5, 2.0, 1.0)
    assert auto.update(59 * SECOND, 1.5, 9.0, 1.0) == first
    assert auto.update(60 * SECOND, 1.5, 9.0, 1.0) != first


def test_auto_gamma_moves_by_a_share_at_a_time() -> None:
    auto = AutoGamma(AutoGammaSettings(weight=0.3))
    first = auto.update(0, 1.5, 2.0, 1.0)
    second = auto.update(60 * SECOND, 1.5, 2.2, 1.0)
    solved = solve_gamma(1.0, 1.5, 2.2**2)
    assert first is not None
    assert solved is not None
    assert second == pytest.approx(0.7 * first + 0.3 * solved)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8))
def test_auto_gamma_never_lags_far_behind_the_market(sigmas: list[float]) -> None:
    auto = AutoGamma(AutoGammaSettings(most_factor=2.0))
    for number, sigma in enumerate(sigmas):
        gamma, solved = auto.update(number * 60 * SECOND, 1.5, sigma, 1.0), solve_gamma(1.0, 1.5, sigma**2)
        assert gamma is not None
        assert solved is not None
        assert solved / 2.0001 <= gamma <= solved * 2.0001
        assert 0.25 <= full_inventory_shift(gamma, 1.5, sigma**2) <= 2


def test_auto_gamma_keeps_the_last_one_while_nothing_moves() -> None:
    auto = AutoGamma(AutoGammaSettings())
    assert auto.update(0, 1.5, 0.0, 1.0) is None
    first = auto.update(SECOND, 1.5, 2.0, 1.0)
    assert auto.update(100 * SECOND, 1.5, 0.0, 1.0) == first
