"""The tables of Avellaneda & Stoikov (2008), simulated anew: means and spreads inside their intervals."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.paper_tables import PUBLISHED, Row, lines, page, picture, simulate, tables

PATHS = 10_000
# gamma, strategy -> profit and its std, |final q| below, std of final q: three standard errors of 10,000 runs
INTERVALS = {
    (0.1, "inventory"): ((64.69, 65.08), (6.41, 6.69), 0.088, (2.87, 2.99)),
    (0.1, "symmetric"): ((67.81, 68.62), (13.02, 13.87), 0.252, (8.22, 8.58)),
    (0.01, "inventory"): ((68.13, 68.67), (8.74, 9.17), 0.157, (5.10, 5.33)),
    (0.01, "symmetric"): ((68.25, 69.07), (13.22, 14.11), 0.262, (8.53, 8.90)),
    (0.5, "inventory"): ((48.38, 48.74), (5.78, 6.03), 0.059, (1.92, 2.00)),
    (0.5, "symmetric"): ((59.53, 60.27), (11.97, 12.68), 0.208, (6.76, 7.06)),
    (1.0, "inventory"): ((31.31, 31.60), (4.74, 4.95), 0.049, (1.61, 1.68)),
    (1.0, "symmetric"): ((43.35, 43.99), (10.45, 11.01), 0.155, (5.06, 5.28)),
}
RATIOS = {0.1: (0.487, 0.019), 0.01: (0.655, 0.029), 0.5: (0.479, 0.019), 1.0: (0.451, 0.017)}
# The variant that quotes each step's spread around the mid: profit, std.
IN_TIME = {0.1: (68.00, 13.25), 0.01: (68.65, 13.65), 0.5: (58.33, 11.51), 1.0: (44.09, 9.63)}


@cache
def simulated(gamma: float, strategy: str) -> Row:
    return simulate(gamma, strategy, PATHS, seed=20080301).row()


@pytest.mark.parametrize(("gamma", "strategy"), list(INTERVALS))
def test_simulated_row_is_inside_its_intervals(gamma: float, strategy: str) -> None:
    row, (profit, std, q, q_std) = simulated(gamma, strategy), INTERVALS[gamma, strategy]
    assert profit[0] <= row.profit <= profit[1]
    assert std[0] <= row.profit_std <= std[1]
    assert abs(row.final_q) <= q
    assert q_std[0] <= row.q_std <= q_std[1]


@pytest.mark.parametrize("gamma", list(RATIOS))
def test_inventory_strategy_has_its_share_of_the_risk(gamma: float) -> None:
    ratio, most = RATIOS[gamma]
    found = simulated(gamma, "inventory").profit_std / simulated(gamma, "symmetric").profit_std
    assert found == pytest.approx(ratio, abs=most)


@pytest.mark.parametrize("gamma", list(IN_TIME))
def test_symmetric_strategy_with_the_spread_of_the_moment_is_another_one(gamma: float) -> None:
    row, (profit, std) = simulate(gamma, "symmetric_in_time", PATHS, seed=3).row(), IN_TIME[gamma]
    assert row.profit == pytest.approx(profit, abs=3 * std / PATHS**0.5)
    assert row.profit_std == pytest.approx(std, rel=0.033)


@pytest.mark.parametrize(("gamma", "strategy"), list(PUBLISHED))
def test_published_row_is_within_the_noise_of_its_thousand_runs(gamma: float, strategy: str) -> None:
    published, ours = PUBLISHED[gamma, strategy], simulated(gamma, strategy)
    assert published.spread == pytest.approx(ours.spread, abs=0.015)
    assert published.profit == pytest.approx(ours.profit, abs=3 * ours.profit_std / 1000**0.5)
    assert published.final_q == pytest.approx(ours.final_q, abs=3 * ours.q_std / 1000**0.5)
    assert published.q_std == pytest.approx(ours.q_std, rel=3 * 0.03)


def test_same_seed_gives_the_same_runs_and_another_does_not() -> None:
    one, again, other = (simulate(0.1, "inventory", 100, seed) for seed in (1, 1, 2))
    assert one.profit.tolist() == again.profit.tolist() != other.profit.tolist()


def test_page_and_picture_hold_every_row() -> None:
    found = tables(50, 1)
    assert len(lines(found)) == 2 + 2 * len(PUBLISHED)
    drawn = picture(found)
    assert drawn.count("fill-opacity") == len(PUBLISHED)
    assert "img/paper-tables.svg" in page(found, 50, 1)
