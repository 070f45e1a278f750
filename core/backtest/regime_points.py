"""What a regime model is trained on: the features of each candle of a market's mid, as a bot would see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from api.event_file import EventSpan
from core.backtest.walk import Progress, walk
from core.market.bars import BarBuilder
from core.market.order import Side
from core.market.regime_features import FEATURES, RegimeFeatures


def feature_points(data: EventSpan, candle_s: float, progress: Progress | None = None) -> NDArray[np.float64]:
    """Return one row for each finished candle whose features are whole, in the order of `FEATURES`."""
    candles, features = BarBuilder(candle_s), RegimeFeatures()
    points: list[tuple[float, ...]] = []

    def see_mid(utc_ns: int, mid: float) -> None:
        bar = candles.update(utc_ns, mid)
        if bar is None:
            return
        features.update(bar.close)
        if features.value is not None:
            points.append(features.value)

    def no_trade(utc_ns: int, price_ticks: int, mid: float, side: Side) -> None:
        """Leave prints out: closes are of the mid."""

    walk(data, see_mid, no_trade, progress)
    return np.array(points, dtype=np.float64).reshape(-1, len(FEATURES))
