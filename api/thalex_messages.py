"""What Thalex says, taken from parsed frames: every number exact, unknown fields ignored, bad ones a WireFault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.thalex_wire import WireFault
from core.market.order import Side

Row = tuple[Decimal, Decimal]  # price, amount
_MAX_DIGITS = 30
_KINDS = {"perpetual": "perp", "future": "future"}


def number(value: Any, what: str = "number") -> Decimal:
    """Return a JSON number as an exact Decimal. Raises WireFault."""
    if isinstance(value, Decimal):
        if value.is_finite() and -_MAX_DIGITS <= value.adjusted() <= _MAX_DIGITS:
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and -(10**_MAX_DIGITS) < value < 10**_MAX_DIGITS:
        return Decimal(value)
    raise WireFault(f"{what} is {str(value)[:40]!r}, expected a number")


def at_ns(seconds: Any, what: str = "time") -> int:
    """Return a venue time (seconds with a fraction) in nanoseconds."""
    return int(number(seconds, what) * 1_000_000_000)


def member(source: Any, key: str) -> Any:
    """Return a member of an object. Raises WireFault."""
    if not isinstance(source, Mapping) or key not in source:
        raise WireFault(f"{key} is missing")
    return source[key]


def number_of(source: Any, key: str) -> Decimal:
    """Return a member that is a number. Raises WireFault."""
    return number(member(source, key), key)


def maybe_of(source: Mapping[str, Any], key: str) -> Decimal | None:
    """Return a member that is a number, null or absent. Raises WireFault."""
    value = source.get(key)
    return None if value is None else number(value, key)


def text_of(source: Any, key: str) -> str:
    """Return a member that is a text. Raises WireFault."""
    value = member(source, key)
    if not isinstance(value, str):
        raise WireFault(f"{key} is not a text")
    return value


def side_of(value: Any) -> Side:
    """Return `buy` or `sell` as a side. Raises WireFault."""
    if value not in ("buy", "sell"):
        raise WireFault(f"side is {str(value)[:20]!r}, expected buy or sell")
    return Side(value)


def rows(value: Any, what: str) -> Iterable[Any]:
    """Return the elements of a list. Raises WireFault."""
    if not isinstance(value, list):
        raise WireFault(f"{what} is not a list")
    return value


def rows_of(value: Any, what: str, instrument: str | None) -> Iterator[Any]:
    """Yield the objects of a list that are about an instrument; those of others may be of kinds that we cannot read."""
    for row in rows(value, what):
        if not isinstance(row, Mapping):
            raise WireFault(f"{what} has a row that is not an object")
        if instrument is None or row.get("instrument_name") == instrument:
            yield row


# Markets


@dataclass(frozen=True, slots=True)
class ThalexMarket:
    """A listed instrument that we can trade: a perpetual or a dated future."""

    name: str  # theirs
    kind: str  # perp | future
    base: str
    quote: str
    tick_size: Decimal
    size_step: Decimal
    min_size: Decimal
    product: str
    expiry_ms: int | None

    @property
    def symbol(self) -> str:
        """Return our name."""
        return f"{self.base}-PERP" if self.kind == "perp" else self.name


def read_market(source: Any) -> ThalexMarket | None:
    """Return an instrument, None for a kind that we do not trade (options, combinations)."""
    kind = _KINDS.get(text_of(source, "type"))
    if kind is None:
        return None
    quote, underlying = text_of(source, "base_currency"), text_of(source, "underlying")
    expiry = maybe_of(source, "expiration_timestamp")
    return ThalexMarket(
        name=text_of(source, "instrument_name"),
        kind=kind,
        base=underlying.removesuffix(quote),
        quote=quote,
        tick_size=number_of(source, "tick_size"),
        size_step=number_of(source, "volume_tick_size"),
        min_size=number_of(source, "min_order_amount"),
        product=str(source.get("product", "")),
        expiry_ms=None if expiry is None else int(expiry * 1000),
    )


# Market data


@dataclass(frozen=True, slots=True)
class BookChange:
    """Absolute sizes at prices, 0 removes; the first of a subscription is the whole book."""

    bids: tuple[Row, ...]
    asks: tuple[Row, ...]
    total_bid: Decimal | None
    total_ask: Decimal | None
    venue_ns: int


def read_book(body: Any) -> BookChange:
    """Return a notification of a book channel. Its `trades` may be old ones and are left to the trades channel."""
    return BookChange(
        bids=_levels(body, "bid_changes"),
        asks=_levels(body, "ask_changes"),
        total_bid=maybe_of(body, "total_bid_amount"),
        total_ask=maybe_of(body, "total_ask_amount"),
        venue_ns=at_ns(member(body, "time")),
    )


def _levels(body: Any, key: str) -> tuple[Row, ...]:
    if not isinstance(body, Mapping):
        raise WireFault("a book is not an object")
    found = []
    for row in rows(body.get(key) or [], key):
        if not isinstance(row, list) or len(row) < 2:
            raise WireFault(f"{key} has a row that is not price and amount")
        price, amount = number(row[0], "price"), number(row[1], "amount")
        if amount < 0:
            raise WireFault(f"{key} has a negative amount")
        found.append((price, amount))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Ticker:
    """The best prices and what the venue computes; None where a side is empty."""

    bid: Row | None
    ask: Row | None
    mark_price: Decimal | None
    index_price: Decimal | None
    last_price: Decimal | None
    funding_rate: Decimal | None
    venue_ns: int | None


def read_ticker(body: Any) -> Ticker:
    """Return a ticker."""
    if not isinstance(body, Mapping):
        raise WireFault("a ticker is not an object")
    stamp = body.get("mark_timestamp")
    return Ticker(
        bid=_best(body, "bid"),
        ask=_best(body, "ask"),
        mark_price=maybe_of(body, "mark_price"),
        index_price=maybe_of(body, "index"),
        last_price=maybe_of(body, "last_price"),
        funding_rate=maybe_of(body, "funding_rate"),
        venue_ns=None if stamp is None else at_ns(stamp),
    )


def _best(body: Mapping[str, Any], side: str) -> Row | None:
    price, amount = maybe_of(body, f"best_{side}_price"), maybe_of(body, f"best_{side}_amount")
    return None if price is None or amount is None else (price, amount)


@dataclass(frozen=True, slots=True)
class TapeTrade:
    """Anybody's execution; `side` is the aggressor's."""

    price: Decimal
    amount: Decimal
    side: Side
    venue_ns: int
    instrument: str


def read_trades(body: Any) -> list[TapeTrade]:
    """Return the rows of a trades channel in the order of time."""
    found = []
    for row in rows(body, "trades"):
        if not isinstance(row, list) or len(row) < 4:
            raise WireFault("a trade has fewer than four members")
        name = row[4] if len(row) > 4 and isinstance(row[4], str) else ""
        found.append(TapeTrade(number(row[0]), number(row[1]), side_of(row[2]), at_ns(row[3]), name))
    return sorted(found, key=lambda trade: trade.venue_ns)


@dataclass(frozen=True, slots=True)
class MarkCandle:
    """A candle of the mark price."""

    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


def read_candles(result: Any) -> list[MarkCandle]:
    """Return the candles of `public/mark_price_historical_data`, oldest first."""
    found = []
    for row in rows(member(result, "mark"), "mark"):
        if not isinstance(row, list) or len(row) < 5:
            raise WireFault("a candle has fewer than five members")
        found.append(MarkCandle(at_ns(row[0]), *(number(value) for value in row[1:5])))
    return sorted(found, key=lambda candle: candle.start_ns)


def read_channels(result: Any) -> list[str]:
    """Return the channels that were really subscribed."""
    return [channel for channel in rows(result, "channels") if isinstance(channel, str)]
