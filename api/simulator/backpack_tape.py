"""What was traded on one Backpack market: recent trades, the day's figures, candles; pure.

Before the simulator began there is a made-up past, the same for the same market and start price, so that a client
that asks for yesterday's candles gets some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

from api.simulator.backpack_shapes import Json, plain, public_trade
from api.simulator.exchange_types import MarketPrint
from core.market.instrument import Instrument
from core.market.order import Side

INTERVALS = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14_400,
    "6h": 21_600, "8h": 28_800, "12h": 43_200, "1d": 86_400, "3d": 259_200, "1w": 604_800, "1month": 2_592_000,
}  # fmt: skip
MAX_CANDLES = 1000
_MAX_PRINTS = 50_000
_WIGGLE_TICKS_ROOT = 0.0002  # standard deviation of the made-up past, of the price, per candle


class Tape:
    """The prints of one market, oldest first; the oldest are forgotten."""

    def __init__(self, instrument: Instrument, start_ns: int) -> None:
        self._instrument, self._start_s = instrument, start_ns // 10**9
        self._prints: deque[MarketPrint] = deque(maxlen=_MAX_PRINTS)

    def add(self, print_: MarketPrint) -> None:
        """Remember a trade."""
        self._prints.append(print_)

    def trades(self, limit: int, offset: int = 0) -> list[Json]:
        """Return the newest trades, newest first."""
        rows = list(self._prints)[::-1][offset : offset + limit]
        return [public_trade(self._instrument, print_) for print_ in rows]

    def day(self) -> Json | None:
        """Return `GET /api/v1/ticker`, None when nothing was traded."""
        if not self._prints:
            return None
        prices = [print_.price_ticks for print_ in self._prints]
        first, last = (self._instrument.to_price(prices[at]) for at in (0, -1))
        lots, quote = self._volume(self._prints)
        return {
            "symbol": self._instrument.venue_symbol,
            "firstPrice": plain(first),
            "lastPrice": plain(last),
            "priceChange": plain(last - first),
            "priceChangePercent": plain(((last - first) / first).quantize(Decimal("0.000001"))),
            "high": plain(self._instrument.to_price(max(prices))),
            "low": plain(self._instrument.to_price(min(prices))),
            "volume": plain(lots),
            "quoteVolume": plain(quote),
            "trades": str(len(prices)),
        }

    def _volume(self, prints: Iterable[MarketPrint]) -> tuple[Decimal, Decimal]:
        rows = list(prints)
        base = self._instrument.to_size(sum(print_.size_lots for print_ in rows))
        quote = sum((self._instrument.notional_quote(found.price_ticks, found.size_lots) for found in rows), Decimal(0))
        return base, quote

    def candles(self, step_s: int, start_s: int, end_s: int, now_price: Decimal) -> list[Json]:
        """Return the candles that begin in [start, end], oldest first, at most MAX_CANDLES."""
        by_start: dict[int, list[MarketPrint]] = {}
        for print_ in self._prints:
            at_s = print_.at_ns // 10**9
            by_start.setdefault(at_s - at_s % step_s, []).append(print_)
        first = -(-start_s // step_s) * step_s
        starts = list(range(first, end_s + 1, step_s))[:MAX_CANDLES]
        return [self._candle(start, step_s, by_start.get(start, []), now_price) for start in starts]

    def _candle(self, start_s: int, step_s: int, prints: list[MarketPrint], now_price: Decimal) -> Json:
        if not prints and start_s + step_s <= self._start_s:
            prints = self._made_up(start_s, now_price)
        lots, quote = self._volume(prints)
        shape: Json = {
            "start": _moment(start_s),
            "end": _moment(start_s + step_s),
            "open": None,
            "high": None,
            "low": None,
            "close": None,
            "volume": plain(lots),
            "quoteVolume": plain(quote),
            "trades": str(len(prints)),
        }
        if prints:
            prices = [print_.price_ticks for print_ in prints]
            ends = {"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
            shape |= {name: plain(self._instrument.to_price(price)) for name, price in ends.items()}
        return shape

    def _made_up(self, start_s: int, now_price: Decimal) -> list[MarketPrint]:
        draw = Random(f"{self._instrument.venue_symbol}/{start_s}")  # a made-up past, not a secret
        middle = float(now_price)
        prices = [Decimal(str(round(middle * (1 + draw.gauss(0, _WIGGLE_TICKS_ROOT)), 8))) for _ in range(4)]
        symbol, lots = self._instrument.venue_symbol, draw.randint(1, 500)
        ticks = [max(1, self._instrument.to_ticks(price)) for price in prices]
        return [MarketPrint(symbol, "0", tick, lots, Side.BUY, start_s * 10**9) for tick in ticks]


def _moment(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}"
