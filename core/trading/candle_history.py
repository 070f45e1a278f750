"""Candles of before this life, for a strategy that would else wait for its own: asked of the venue at the start."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from core.market.bars import Bar
from core.trading.clock import seconds
from core.trading.log_fields import fields
from utils.errors import VenueAuthError, VenueError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.base_client import Candle
    from core.trading.leg_state import LegState
    from strategies.base import Strategy

_log = logging.getLogger("makerd.market")


def preload_candles(leg: LegState, strategy: Strategy, utc_ns: int) -> None:
    """Give a strategy the finished candles that the venue of its first leg has; without any it begins with none.

    Raises VenueAuthError; any other trouble is a line in the log, since nothing depends on them.
    """
    wanted = strategy.history_wanted()
    if wanted is None:
        return
    length_s, count = wanted
    found: list[Bar] = []
    reason = "candles are of whole seconds"
    if length_s == int(length_s):
        try:
            candles = leg.client.candles(int(length_s), count + 1)  # the newest is not finished
            found, reason = _finished(candles, float(leg.instrument.tick_size), seconds(length_s), utc_ns), "none told"
        except VenueAuthError:
            raise
        except VenueError as exc:
            reason = str(exc)
    if not found:
        _log.info("no_candle_history", extra=fields(leg=leg.name, reason=reason))
        return
    strategy.take_history(found[-count:])
    _log.info("candle_history", extra=fields(leg=leg.name, candles=len(found[-count:])))


def _finished(candles: Iterable[Candle], tick: float, length_ns: int, utc_ns: int) -> list[Bar]:
    """Return the candles as bars in ticks, those that are over and make sense."""
    bars = []
    for one in candles:
        opened, high, low, close = (float(price) / tick for price in (one.open, one.high, one.low, one.close))
        bar = Bar(opened, high, low, close, start_ns=one.start_ns)
        if one.start_ns + length_ns <= utc_ns and bar.is_sound:
            bars.append(bar)
    return bars
