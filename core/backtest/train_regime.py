"""Trains a model of regimes on recorded events. Only `run.py train-regime` imports it: it needs scikit-learn.

The model is written as numbers in JSON; whoever uses it scores it with numpy alone (`core/market/regime_model.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from core.backtest.data import data_of
from core.backtest.regime_points import feature_points
from core.backtest.walk import Progress
from core.market.regime_features import FEATURES, LABELS, LONG, SHORT, component_labels
from core.market.regime_model import FORMAT, RegimeModel
from utils.errors import ConfigError
from utils.files import write_atomic
from utils.home import Home

LEAST_POINTS = 200
RARE = 0.001  # this share of the training's points is less likely than what the model will answer for
_STARTS = 5  # of the search, the best counts

Points = NDArray[np.float64]


def train(points: Points, candle_s: float, seed: int) -> tuple[dict[str, Any], GaussianMixture]:
    """Return the model of points as its JSON file has it, and scikit-learn's. Raises ConfigError for too few points."""
    if len(points) < LEAST_POINTS:
        raise ConfigError(f"{len(points)} candles with features, at least {LEAST_POINTS} are needed: more data")
    mean, scale = points.mean(axis=0), points.std(axis=0)
    if not np.all(scale > 0):
        raise ConfigError("a feature never changes in the data: no regimes can be told apart")
    scaled = (points - mean) / scale
    mixture = GaussianMixture(len(LABELS), covariance_type="full", n_init=_STARTS, random_state=seed)
    with threadpool_limits(1):  # several threads wait for one another: so little is ten times as fast without
        mixture.fit(scaled)
    plain: dict[str, Any] = {
        "format": FORMAT,
        "features": list(FEATURES),
        "labels": list(component_labels(FEATURES, mixture.means_.tolist())),
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "weights": mixture.weights_.tolist(),
        "means": mixture.means_.tolist(),
        "precisions_cholesky": mixture.precisions_cholesky_.tolist(),
        "candle_s": candle_s,
        "windows": [SHORT, LONG],
        "samples": len(points),
    }
    model = RegimeModel.from_plain(plain)
    best = [float(model.log_densities(point).max()) for point in points.tolist()]
    return plain | {"least_log_density": float(np.quantile(best, RARE))}, mixture


def train_regime(home: Home, request: Mapping[str, Any], progress: Progress | None = None) -> dict[str, Any]:
    """Train on events and write the model; return what came out. Raises ConfigError, OSError.

    `request`: files, from, to, candle_s, seed, out.
    """
    data, candle_s = data_of(home, request), float(request["candle_s"])
    plain, mixture = train(feature_points(data, candle_s, progress), candle_s, int(request["seed"]))
    plain |= {"symbol": data.market.symbol, "from_ns": data.first_ns, "to_ns": data.last_ns}
    RegimeModel.from_plain(plain)
    out = Path(request["out"])
    out.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(out, (json.dumps(plain, indent=1) + "\n").encode())
    centres = np.array(plain["means"]) * plain["scale"] + plain["mean"]
    rows = zip(plain["labels"], plain["weights"], centres.tolist(), strict=True)
    return {
        "symbol": data.market.symbol,
        "candle_s": candle_s,
        "samples": plain["samples"],
        "converged": bool(mixture.converged_),
        "regimes": {
            label: {"weight": weight, **dict(zip(FEATURES, centre, strict=True))} for label, weight, centre in rows
        },
        "out": str(out),
    }
