"""The regime model and the tuner: the golden numbers, the laws, and what is refused."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.regime_features import FEATURES, LABELS, RegimeFeatures, component_labels
from core.market.regime_model import RegimeModel, SmoothRegime, blend
from core.market.tuner import Tuner, TunerSettings
from tests.golden_parts import golden

GOLDEN = golden("regime")
PLAIN = GOLDEN["model"]
MODEL = RegimeModel.from_plain(PLAIN)
TUNING = golden("tuner")
points = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3)


@pytest.mark.parametrize("row", GOLDEN["rows"])
def test_golden_probabilities_and_blend_are_met(row: dict[str, Any]) -> None:
    found = MODEL.probabilities(row["x"])
    assert found is not None
    assert found == pytest.approx(row["p"], abs=1e-9)
    assert blend(found, GOLDEN["gamma_by_label"]) == pytest.approx(row["gamma"], rel=1e-9)


@given(points, st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3))
def test_probabilities_add_up_and_the_blend_lies_between_its_values(point: list[float], values: list[float]) -> None:
    found = MODEL.probabilities(point)
    assert found is not None
    assert sum(found) == pytest.approx(1)
    assert min(values) * (1 - 1e-9) <= blend(found, values) <= max(values) * (1 + 1e-9)


@pytest.mark.parametrize("point", [[math.nan, 1, 1], [1, math.inf, 1], [1, 1], [1, 1, 1, 1]])
def test_a_point_that_is_none_has_no_probabilities(point: list[float]) -> None:
    assert MODEL.probabilities(point) is None


def test_a_point_like_none_that_was_trained_on_has_no_probabilities() -> None:
    densities = [float(MODEL.log_densities(row["x"]).max()) for row in GOLDEN["rows"]]
    bounded = RegimeModel.from_plain(PLAIN | {"least_log_density": min(densities) - 1e-9})
    assert all(bounded.probabilities(row["x"]) for row in GOLDEN["rows"])
    assert bounded.probabilities([50.0, 50.0, 50.0]) is None
    assert MODEL.probabilities([50.0, 50.0, 50.0]) is not None


def damaged(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    plain = copy.deepcopy(PLAIN)
    spot = plain
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = value
    return plain


@pytest.mark.parametrize(
    ("plain", "fault"),
    [
        ({}, "format"),
        (damaged(("format",), "pickle"), "format"),
        (damaged(("weights", 0), 0.9), "add up to 1"),
        (damaged(("weights",), [1.0, 0.5, -0.5]), "positive"),
        (damaged(("scale", 1), 0.0), "scale"),
        (damaged(("precisions_cholesky", 0, 0, 0), -1.0), "diagonals"),
        (damaged(("means", 0, 0), math.nan), "means"),
        (damaged(("means", 0), [1.0]), "means"),
        (damaged(("means",), "import os"), "means"),
        (damaged(("labels", 0), "ranging"), "no two the same"),
        (damaged(("labels",), None), "not a regime model"),
        (damaged(("features",), []), "features"),
        (damaged(("features",), [str(n) for n in range(17)]), "1 to 16"),
        (damaged(("least_log_density",), math.nan), "least_log_density"),
    ],
)
def test_a_model_that_is_none_is_refused_and_says_why(plain: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        RegimeModel.from_plain(plain)


def test_probabilities_move_by_a_tenth_at_a_time() -> None:
    trending, ranging = GOLDEN["rows"][3]["x"], GOLDEN["rows"][0]["x"]
    smooth = SmoothRegime(MODEL)
    smooth.update(trending)
    smooth.update(ranging)
    assert smooth.probabilities == pytest.approx((0.9, 0.1, 0.0), abs=1e-6)


def test_unknown_features_fall_back_to_the_configured_parameter() -> None:
    smooth = SmoothRegime(MODEL)
    assert smooth.value({"trending": 9.0}, 0.1) == 0.1
    smooth.update(GOLDEN["rows"][3]["x"])
    assert smooth.value({"trending": 9.0}, 0.1) == pytest.approx(9.0, rel=1e-6)
    assert smooth.value({}, 0.1) == pytest.approx(0.1)
    smooth.update(None)
    assert smooth.value({"trending": 9.0}, 0.1) == 0.1


# features


def test_features_are_what_the_windows_say() -> None:
    closes = (100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 200)))).tolist()
    made = RegimeFeatures(20, 100)
    for close in closes:
        made.update(close)
    assert made.value is not None
    returns, recent = np.diff(np.log(closes)), closes[-21:]
    slow, fast = np.sqrt(np.mean(returns[-100:] ** 2)), np.sqrt(np.mean(returns[-20:] ** 2))
    expected = (
        math.log(recent[-1] / recent[0]) / (slow * math.sqrt(20)),
        fast / slow,
        abs(recent[-1] - recent[0]) / np.abs(np.diff(recent)).sum(),
    )
    assert made.value == pytest.approx(expected, rel=1e-9)
    assert len(FEATURES) == len(expected)


def test_features_need_a_whole_window_that_moves() -> None:
    made = RegimeFeatures(2, 3)
    for close in (100.0, 101.0, 100.0, math.nan):
        made.update(close)
    assert made.value is None
    made.update(100.0)
    assert made.value == pytest.approx((-1 / math.sqrt(2) * math.sqrt(3 / 2), math.sqrt(3) / 2, 1.0), rel=1e-6)
    for _ in range(4):
        made.update(100.0)
    assert made.value is None


def test_components_are_named_by_what_they_are_like() -> None:
    assert component_labels(FEATURES, PLAIN["means"]) == tuple(PLAIN["labels"])
    assert sorted(component_labels(FEATURES, PLAIN["means"][::-1])) == sorted(LABELS)
    with pytest.raises(ValueError, match="2 components"):
        component_labels(FEATURES, PLAIN["means"][:2])


# the tuner


def test_golden_round_trips_tune_as_told() -> None:
    tuner = Tuner(TunerSettings(**TUNING["params"]))
    for number, row in enumerate(TUNING["steps"]):
        tuner = tuner.after_trip(row["pnl"])
        assert (tuner.gamma, tuner.kappa) == pytest.approx((row["gamma"], row["kappa"]), rel=1e-9), number


BASE = TunerSettings(0.1, 1.5)


@given(st.lists(st.floats(-1e300, 1e300), max_size=120))
def test_parameters_stay_in_their_band_and_move_by_a_bounded_step(profits: list[float]) -> None:
    tuner = Tuner(BASE)
    for profit in profits:
        before, tuner = tuner, tuner.after_trip(profit)
        step = BASE.eta + BASE.rho * math.log(BASE.band) + 1e-12
        assert abs(tuner.gamma_offset - before.gamma_offset) <= step
        assert abs(tuner.kappa_offset - before.kappa_offset) <= step
        assert 0.1 / 4.0001 <= tuner.gamma <= 0.1 * 4.0001
        assert 1.5 / 4.0001 <= tuner.kappa <= 1.5 * 4.0001
        assert len(tuner.profits) <= BASE.window


def test_losing_raises_gamma_and_winning_lowers_it() -> None:
    losing, winning = Tuner(BASE), Tuner(BASE)
    for _ in range(200):
        losing, winning = losing.after_trip(-1.0), winning.after_trip(1.0)
    assert losing.gamma > 0.1 > winning.gamma
    assert losing.kappa < 1.5 < winning.kappa


def test_few_trips_tune_nothing_and_nothing_is_no_win() -> None:
    tuner = Tuner(BASE)
    for _ in range(9):
        tuner = tuner.after_trip(-5.0)
    assert (tuner.gamma, tuner.kappa) == (0.1, 1.5)
    for _ in range(50):
        tuner = tuner.after_trip(0.0)
    assert tuner.gamma > 0.1


@given(st.lists(st.floats(-100, 100), max_size=70))
def test_record_reads_back_and_is_ignored_by_another_base(profits: list[float]) -> None:
    tuner = Tuner(BASE)
    for profit in profits:
        tuner = tuner.after_trip(profit)
    plain = json.loads(json.dumps(tuner.to_plain()))
    assert Tuner.from_plain(plain, BASE) == tuner
    other = TunerSettings(0.2, 1.5)
    assert Tuner.from_plain(plain, other) == Tuner(other)


@pytest.mark.parametrize("change", [{"gamma_offset": None}, {"profits": [math.nan]}, {"kappa_offset": math.inf}])
def test_damaged_record_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="record"):
        Tuner.from_plain(Tuner(BASE).to_plain() | change, BASE)


def test_a_record_beyond_a_narrower_band_is_held_in_it() -> None:
    plain = Tuner(BASE).to_plain() | {"gamma_offset": math.log(4)}
    narrow = TunerSettings(0.1, 1.5, band=2.0)
    assert Tuner.from_plain(plain, narrow).gamma == pytest.approx(0.2)


@pytest.mark.parametrize("wrong", [{"gamma0": 0.0}, {"band": 0.5}, {"rho": 2.0}, {"min_n": 0}, {"min_n": 60}])
def test_settings_that_tune_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TunerSettings(**({"gamma0": 0.1, "kappa0": 1.5} | wrong))


def test_a_profit_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="profit"):
        Tuner(BASE).after_trip(math.nan)
