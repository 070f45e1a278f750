"""A made-up market, reproducible from a seed: a mid that moves, a book with depth, Poisson trades.

The logarithm of the mid is, in blocks of about 1024 s, a random walk tied down at both ends (a Brownian bridge)
between independent normal anchors. Their spread is chosen so that the increments over one block have the variance of
the walk itself: it looks like a random walk, reverts within the hour and stays within about three anchor deviations
for ever. Everything random is drawn from generators keyed by (seed, block): the state at any time costs one block.
"""

from __future__ import annotations

import math
import zlib
from decimal import Decimal

import numpy as np
import numpy.random  # numpy loads it on first use: each forked worker would then have its own copy

from api.feed import PRINT_COLUMNS, BlockFeed, Ints, Levels
from api.market_facts import Market
from core.market.book import Level

_BLOCK_NS = 1024 * 10**9
_ANCHORS, _PATH, _PRINTS, _SIZES = range(4)  # what a generator is for; part of its key
_MAX_ANCHOR = 3.0  # standard deviations
# The shape of the made-up book and tape; the knobs that matter to a user are in the exchange's schema.
_SPREAD_BPS, _LEVEL_STEP_BPS = 1.0, 0.5
_LEVEL_QUOTE, _PRINT_QUOTE = 20_000.0, 2_000.0  # mean value of a level and of a print
_GROWTH = 0.25  # each level holds this much more than the one before it
_SWEEP_SHARE = 0.15  # of the prints, those that reach the second level
_SIZE_TABLE = 4096  # a power of two
_SIZE_LIFE_NS = 10**9  # how long a level keeps its size


class SyntheticFeed(BlockFeed):
    """The made-up market of one seed."""

    def __init__(
        self,
        market: Market,
        start_price: Decimal,
        seed: int,
        interval_ns: int,
        depth: int,
        volatility_bps: float,
        trades_per_s: float,
    ) -> None:
        super().__init__(interval_ns, max(1, round(_BLOCK_NS / interval_ns)))
        self._depth, self._trades_per_s = depth, trades_per_s
        # One seed, another path for each symbol; a future follows its perpetual, at a constant basis.
        self._key = [seed & (2**64 - 1), zlib.crc32(market.symbol.encode())]
        followed = f"{market.base}-PERP" if market.kind == "future" else market.symbol
        self._path_key = [self._key[0], zlib.crc32(followed.encode())]
        self._start_ticks = float(start_price / market.tick_size)
        # `volatility_bps` is per square root of a second.
        self._step_sd = volatility_bps / 10_000 * math.sqrt(interval_ns / 10**9)
        self._anchor_sd = self._step_sd * math.sqrt(self._per_block / 2)
        self._spread = max(1, round(self._start_ticks * _SPREAD_BPS / 10_000))
        self._level_step = max(1, round(self._start_ticks * _LEVEL_STEP_BPS / 10_000))
        lot_quote = float(start_price * market.lot_size)
        self._print_lots = max(1.0, _PRINT_QUOTE / lot_quote)
        sizes = self._generator(_SIZES, 0).exponential(max(1.0, _LEVEL_QUOTE / lot_quote), _SIZE_TABLE)
        self._sizes: list[int] = np.maximum(1, sizes.astype(np.int64)).tolist()
        self._bids: Ints = np.empty(0, dtype=np.int64)
        self._pictures_per_size = max(1, _SIZE_LIFE_NS // interval_ns)
        self._size_age = 0  # of picture 0 of the block

    def _generator(self, purpose: int, block: int) -> np.random.Generator:
        key = self._path_key if purpose in (_ANCHORS, _PATH) else self._key
        return np.random.default_rng([purpose, *key, block])

    def _anchor(self, block: int) -> float:
        """Return the logarithm of mid / start price at the beginning of a block; the first one is 0."""
        if block == 0:
            return 0.0
        normal = float(self._generator(_ANCHORS, block).standard_normal())
        return self._anchor_sd * min(_MAX_ANCHOR, max(-_MAX_ANCHOR, normal))

    def _load(self, block: int) -> Ints:
        count = self._per_block
        walk = np.cumsum(self._generator(_PATH, block).normal(0.0, self._step_sd, count))
        done = np.arange(1, count + 1) / count
        start, end = self._anchor(block), self._anchor(block + 1)
        path = np.empty(count)  # path[i] is the state at picture i; the walk's last value belongs to the next block
        path[0] = start
        path[1:] = (start + (end - start) * done + walk - walk[-1] * done)[:-1]
        mids = self._start_ticks * np.exp(path)
        lowest = self._spread + self._depth * self._level_step
        self._bids = np.maximum(lowest, np.floor(mids - self._spread / 2)).astype(np.int64)
        self._size_age = block * count
        return self._tape(block)

    def _tape(self, block: int) -> Ints:
        random = self._generator(_PRINTS, block)
        count = int(random.poisson(self._trades_per_s * self._block_ns / 10**9))
        prints = np.empty((count, PRINT_COLUMNS), dtype=np.int64)
        prints[:, 0] = np.sort(random.integers(0, self._block_ns, count))
        prints[:, 3] = aggressors = np.where(random.random(count) < 0.5, 1, -1)
        swept = (random.random(count) < _SWEEP_SHARE) * self._level_step
        bids = self._bids[prints[:, 0] // self._interval_ns]
        prints[:, 1] = np.where(aggressors > 0, bids + self._spread + swept, bids - swept)
        prints[:, 2] = np.maximum(1, random.exponential(self._print_lots, count))
        return prints

    def _levels(self, picture: int) -> tuple[Levels, Levels]:
        best_bid = int(self._bids[picture])
        best_ask = best_bid + self._spread
        # A level's size hangs on its number and the second, and not on the mid: it does not flicker as the mid moves.
        key = (self._size_age + picture) // self._pictures_per_size * 64
        step = self._level_step
        bids = tuple(Level(best_bid - step * i, self._size(key + 2 * i, i)) for i in range(self._depth))
        asks = tuple(Level(best_ask + step * i, self._size(key + 2 * i + 1, i)) for i in range(self._depth))
        return bids, asks

    def _size(self, key: int, level: int) -> int:
        return int(self._sizes[key * 2654435761 >> 7 & (_SIZE_TABLE - 1)] * (1 + _GROWTH * level)) or 1
