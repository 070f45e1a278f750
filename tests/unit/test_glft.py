"""GLFT quotes: the golden numbers, and the closed form against the stationary solution itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.glft import GlftTerms, glft_quote, glft_terms
from tests.golden_parts import golden

ROWS = golden("quotes")["glft"]
EXACT = [row for row in ROWS if "exact" in row]
MID = 1000.0


def terms_of(row: dict[str, float]) -> GlftTerms:
    return glft_terms(row["gamma"], row["k"], row["A"], row["sigma"], row["order_size"], row["xi"])


def stationary_distances(row: dict[str, float], most: int = 30) -> dict[int, tuple[float, float]]:
    """Return bid and ask distance by inventory, from the smallest eigenvalue's vector (order size 1, xi = gamma)."""
    gamma, kappa = row["gamma"], row["k"]
    held = np.arange(-most, most + 1)
    eta = row["A"] * (1 + gamma / kappa) ** -(1 + kappa / gamma)
    matrix = np.diag(kappa * gamma * row["sigma"] ** 2 / 2 * held**2)
    matrix -= eta * (np.eye(2 * most + 1, k=1) + np.eye(2 * most + 1, k=-1))
    vector = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    base = math.log1p(gamma / kappa) / gamma
    value = dict(zip(held.tolist(), vector, strict=True))
    return {
        q: (
            float(np.log(value[q] / value[q + 1])) / kappa + base,
            float(np.log(value[q] / value[q - 1])) / kappa + base,
        )
        for q in range(-3, 4)
    }


def test_the_terms_of_the_specification_are_met() -> None:
    """Scenario 19."""
    terms = glft_terms(0.05, 0.2, 1.0, 2.0, 1.0, 0.05)
    assert terms.c1 == pytest.approx(math.log(1.25) / 0.05, rel=1e-12)
    assert terms.c2 == pytest.approx(math.sqrt(0.125 * 1.25**5), rel=1e-12)
    figures = (terms.c1, terms.c2, terms.half_spread, terms.skew)
    assert figures == pytest.approx((4.46287, 0.61763, 5.08050, 1.23526), abs=1e-5)


@pytest.mark.parametrize("row", ROWS)
def test_golden_terms_are_met(row: dict[str, float]) -> None:
    terms = terms_of(row)
    for name in ("c1", "c2", "half_spread", "skew"):
        assert getattr(terms, name) == pytest.approx(row[name], rel=1e-9)


@pytest.mark.parametrize("row", EXACT)
def test_golden_distances_are_met_at_each_inventory(row: dict[str, dict[str, dict[str, float]]]) -> None:
    for q, expected in row["exact"].items():
        quote = glft_quote(MID, float(q), terms_of(row))
        assert MID - quote.bid == pytest.approx(expected["bid_approx"], abs=1e-9)
        assert quote.ask - MID == pytest.approx(expected["ask_approx"], abs=1e-9)


@pytest.mark.parametrize("row", EXACT)
def test_stationary_solution_gives_the_golden_exact_distances(row: dict[str, dict[str, dict[str, float]]]) -> None:
    solved = stationary_distances(row)
    for q, expected in row["exact"].items():
        assert solved[int(q)] == pytest.approx((expected["bid"], expected["ask"]), abs=1e-6)


@pytest.mark.parametrize(("row", "gap"), list(zip(EXACT, (0.001, 0.75, 0.0022), strict=True)))
def test_closed_form_is_near_the_stationary_solution(row: dict[str, float], gap: float) -> None:
    terms = terms_of(row)
    for q, (bid, ask) in stationary_distances(row).items():
        quote = glft_quote(MID, float(q), terms)
        assert MID - quote.bid == pytest.approx(bid, abs=gap)
        assert quote.ask - MID == pytest.approx(ask, abs=gap)


@given(st.floats(0.001, 1), st.floats(0.1, 10), st.floats(0.1, 100), st.floats(0.01, 10), st.floats(-5, 5))
def test_quotes_mirror_and_the_spread_does_not_hang_on_inventory(
    gamma: float, kappa: float, intensity: float, sigma: float, q: float
) -> None:
    terms = glft_terms(gamma, kappa, intensity, sigma)
    long, short = glft_quote(MID, q, terms), glft_quote(MID, -q, terms)
    assert long.bid - MID == pytest.approx(MID - short.ask, abs=1e-9)
    assert long.spread == short.spread == 2 * terms.half_spread


def test_small_xi_runs_into_the_mean_variance_model() -> None:
    limit = glft_terms(0.1, 1.5, 140.0, 2.0, xi=0.0)
    for xi in (1e-9, 1e-14, 1e-300):
        assert glft_terms(0.1, 1.5, 140.0, 2.0, xi=xi) == pytest.approx(limit, rel=1e-8)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("place", range(4))
def test_numbers_outside_the_model_give_no_quote(place: int, bad: float) -> None:
    numbers = [0.1, 1.5, 140.0, 2.0]
    numbers[place] = bad
    with pytest.raises(ValueError, match="no quote"):
        glft_terms(*numbers)


def test_no_quote_without_a_mid_or_an_inventory() -> None:
    terms = glft_terms(0.1, 1.5, 140.0, 2.0)
    for mid, q in ((0.0, 0.0), (math.nan, 0.0), (100.0, math.nan), (math.inf, 0.0)):
        with pytest.raises(ValueError, match="no quote"):
            glft_quote(mid, q, terms)
