"""A trained model is the same model when it is read again, and knows the regimes that it was trained on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.event_file import CLEAR, LEVEL, ROW, EventSpan, EventWriter
from core.backtest.regime_points import feature_points
from core.backtest.train_regime import RARE, Points, train, train_regime
from core.market.regime_features import FEATURES, LABELS, RegimeFeatures
from core.market.regime_model import RegimeModel
from core.market.regimes import parse_regime_model
from tests.backtest.made_events import MARKET, START_NS
from utils.errors import ConfigError
from utils.home import Home

ROOT = Path(__file__).resolve().parents[2]
SECOND = 10**9
CENTRES = {"trending": (2.0, 1.0, 0.8), "ranging": (0.0, 0.8, 0.15), "volatile": (0.0, 2.0, 0.3)}


def clouds(each: int = 400) -> Points:
    """Return points around three centres, one after the other."""
    made_by = np.random.default_rng(5)
    return np.concatenate([made_by.normal(centre, (0.3, 0.08, 0.05), (each, 3)) for centre in CENTRES.values()])


def market(candles: int) -> EventSpan:
    """Return a market with candles of a second that drifts, swings and stands nearly still in turns."""
    made_by, mid = np.random.default_rng(3), 1_000_000.0
    rows: list[tuple[int, ...]] = [(START_NS, START_NS, 0, 0, CLEAR, 0)]
    best: dict[int, int] = {}
    for number in range(candles):
        at, phase = START_NS + number * SECOND, number // 150 % 3
        mid += (60, 0, 0)[phase] + made_by.normal(0, (40, 30, 300)[phase])
        for sign in (1, -1):
            price = round(mid) - sign
            rows += [(at, at, 0, best[sign], LEVEL, sign)] if sign in best and best[sign] != price else []
            rows.append((at, at, 5, price, LEVEL, sign))
            best[sign] = price
    return EventSpan(MARKET, np.array(rows, dtype=ROW), 0)


def test_the_file_scores_as_the_model_that_was_trained_does() -> None:
    points = clouds()
    plain, mixture = train(points, 60.0, 1)
    model = parse_regime_model(json.dumps(plain), 60.0, set(LABELS))
    scaled = (points - plain["mean"]) / plain["scale"]
    densities = np.array([model.log_densities(point) for point in points.tolist()])
    assert np.logaddexp.reduce(densities, axis=1) == pytest.approx(mixture.score_samples(scaled), abs=1e-9)
    shares = [model.probabilities(point) for point in points.tolist()]
    answered = [number for number, one in enumerate(shares) if one is not None]
    assert len(points) - len(answered) <= np.ceil(RARE * len(points))
    theirs = mixture.predict_proba(scaled[answered])
    assert np.array([shares[number] for number in answered]) == pytest.approx(theirs, abs=1e-9)


def test_clouds_are_told_apart_by_their_names_and_a_point_far_from_all_is_not_judged() -> None:
    plain, _ = train(clouds(), 60.0, 1)
    model = RegimeModel.from_plain(plain)
    for label, centre in CENTRES.items():
        shares = model.probabilities(centre)
        assert shares is not None and dict(zip(model.labels, shares, strict=True))[label] > 0.99
    assert model.probabilities((9.0, 9.0, 9.0)) is None


def test_the_same_seed_gives_the_same_model() -> None:
    assert train(clouds(), 60.0, 1)[0] == train(clouds(), 60.0, 1)[0]


@pytest.mark.parametrize(
    ("points", "fault"), [(clouds(20), "60 candles with features"), (np.ones((300, 3)), "never changes")]
)
def test_points_that_teach_nothing_are_refused(points: Points, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        train(points, 60.0, 1)


def test_the_points_of_a_market_are_the_features_that_a_bot_sees() -> None:
    span = market(160)
    points, features = feature_points(span, 1.0), RegimeFeatures()
    bids = span.rows["price_ticks"][(span.rows["side"] == 1) & (span.rows["size_lots"] > 0)]
    for bid in bids[:102]:
        features.update(float(bid) + 1)
    assert len(points) == 58  # the last mid is told by no later event, and its candle is not finished
    assert points[1] == pytest.approx(features.value)


def test_a_recorded_market_becomes_a_model_file(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "made.events", MARKET)
    writer.write(market(1200).rows)
    writer.finish()
    home = Home(tmp_path / "home")
    home.make_folders()
    request: dict[str, Any] = {"files": [str(tmp_path / "made.events")], "candle_s": 1.0, "seed": 1}
    result = train_regime(home, request | {"out": str(tmp_path / "model.json")})
    assert set(result["regimes"]) == set(LABELS)
    assert result["regimes"]["volatile"]["vol_ratio"] == max(one["vol_ratio"] for one in result["regimes"].values())
    model = parse_regime_model((tmp_path / "model.json").read_text(), 1.0, set(LABELS))
    assert model.features == FEATURES
    with pytest.raises(ValueError, match="candles"):
        parse_regime_model((tmp_path / "model.json").read_text(), 60.0, set())


def test_nothing_that_a_worker_or_a_door_imports_imports_scikit_learn() -> None:
    modules = ["core.process.worker", "core.process.daemon", "core.process.zygote", "strategies.avellaneda_stoikov",
               "core.backtest.run", "core.backtest.calibrate", "core.jobs.calibrate", "core.door_services",
               "core.daemon_manager", "run"]  # fmt: skip
    code = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\nprint('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
