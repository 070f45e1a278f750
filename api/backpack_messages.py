"""What Backpack's streams say, as typed values. Unknown fields are ignored; a broken message raises ValueError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.backpack_values import (
    MS,
    US,
    amount,
    complete,
    mapping,
    moment_ns,
    optional,
    optional_whole,
    side,
    state,
    text,
    whole,
)
from api.sequenced_book import BookDelta, Change
from core.market.instrument import Instrument
from core.market.order import OrderState, Side

_MS_PER_US = 1_000
DEPTH, TRADE, BOOK_TICKER, MARK_PRICE = "depth", "trade", "bookTicker", "markPrice"
ORDER_UPDATE, POSITION_UPDATE = "account.orderUpdate", "account.positionUpdate"
OWN_ORIGIN = "USER"  # any other: the venue traded for the account

Levels = list[tuple[Decimal, Decimal]]  # price, size


@dataclass(frozen=True, slots=True)
class DepthNews:
    """Absolute sizes that changed, with the numbers of the first and last update in them."""

    symbol: str
    first: int
    last: int
    bids: Levels
    asks: Levels
    venue_ns: int


@dataclass(frozen=True, slots=True)
class TradeNews:
    """Anybody's execution."""

    symbol: str
    trade_id: str
    price: Decimal
    size: Decimal
    taker: Side
    venue_ns: int


@dataclass(frozen=True, slots=True)
class BestPrices:
    """The best level of each side; price and size."""

    symbol: str
    bid: tuple[Decimal, Decimal]
    ask: tuple[Decimal, Decimal]
    sequence: int
    venue_ns: int


@dataclass(frozen=True, slots=True)
class MarkNews:
    """The mark price, and the funding to come: its estimate as a share, and when it is paid."""

    symbol: str
    mark_price: Decimal
    funding_rate: Decimal | None
    funding_utc_ns: int | None
    index_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FillNews:
    """The execution in an order update."""

    trade_id: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    venue_ns: int  # whole milliseconds, as the fill history tells it


@dataclass(frozen=True, slots=True)
class OrderNews:
    """An order update; `event` and `state` as far as we know the words."""

    symbol: str
    event: str
    order_id: str
    client_id: int | None
    side: Side
    order_type: str
    time_in_force: str
    price: Decimal | None
    size: Decimal
    filled: Decimal
    state: OrderState | None
    reason: str | None
    reduce_only: bool
    post_only: bool
    origin: str
    venue_ns: int
    fill: FillNews | None


@dataclass(frozen=True, slots=True)
class PositionNews:
    """A position update; `event` is None for the one that describes an open position after subscribing."""

    symbol: str
    event: str | None
    size: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    realised: Decimal | None
    unrealised: Decimal | None
    venue_ns: int


News = DepthNews | TradeNews | BestPrices | MarkNews | OrderNews | PositionNews


@dataclass(frozen=True, slots=True)
class StreamProblem:
    """An error frame."""

    payload: Any


def parse_frame(frame: Any) -> News | StreamProblem | None:
    """Return what a frame says, None for a stream or a frame that we did not ask for."""
    whole_frame = mapping(frame)
    if whole_frame.get("error") is not None:
        return StreamProblem(whole_frame["error"])
    stream = whole_frame.get("stream")
    if not isinstance(stream, str):
        return None
    parser = _PARSERS.get(_kind_of(stream))
    return None if parser is None else parser(mapping(whole_frame.get("data")))


def _kind_of(stream: str) -> str:
    """Return the first word of a stream's name, the first two of an account stream."""
    words = stream.split(".", 2)
    return ".".join(words[:2]) if words[0] == "account" else words[0]


def levels(value: Any) -> Levels:
    """Return price and size of each level."""
    if not isinstance(value, list):
        raise ValueError("levels are not a list")
    found = []
    for row in value:
        if not isinstance(row, list) or len(row) < 2:
            raise ValueError(f"{row!r} is not a level")
        price, size = amount(row[0]), amount(row[1])
        if price <= 0 or size < 0:
            raise ValueError(f"{row!r} is not a level")
        found.append((price, size))
    return found


def changes(bids: Levels, asks: Levels, instrument: Instrument) -> list[Change]:
    """Return levels in ticks and lots, bids rounded down and asks up. Raises ValueError for what cannot be counted."""
    tick, lot = instrument.tick_size, instrument.lot_size
    try:
        found = [(Side.BUY, int(price // tick), int(size / lot)) for price, size in bids]
        found += [(Side.SELL, int(price // tick) + (price % tick > 0), int(size / lot)) for price, size in asks]
    except ArithmeticError:
        raise ValueError("a level is beyond all bounds") from None
    return found


def book_delta(news: DepthNews, instrument: Instrument) -> BookDelta:
    """Return a depth update for the local book."""
    return BookDelta(news.first, news.last, changes(news.bids, news.asks, instrument), news.venue_ns)


def _depth(data: dict[str, Any]) -> DepthNews:
    first, last = whole(data["U"]), whole(data["u"])
    if first > last:
        raise ValueError(f"updates {first} to {last}")
    venue_ns = moment_ns(data["T"] if "T" in data else data["E"], US)
    return DepthNews(text(data["s"]), first, last, levels(data["b"]), levels(data["a"]), venue_ns)


def _trade(data: dict[str, Any]) -> TradeNews:
    taker = Side.SELL if data["m"] else Side.BUY  # m: the buyer was the maker
    venue_ns = moment_ns(data["T"], US)
    return TradeNews(text(data["s"]), text(data["t"]), amount(data["p"]), amount(data["q"]), taker, venue_ns)


def _best(data: dict[str, Any]) -> BestPrices:
    bid, ask = (amount(data["b"]), amount(data["B"])), (amount(data["a"]), amount(data["A"]))
    return BestPrices(text(data["s"]), bid, ask, whole(data["u"]), moment_ns(data["T"], US))


def _order(data: dict[str, Any]) -> OrderNews:
    venue_ns = moment_ns(data["T"] if "T" in data else data["E"], US)
    return OrderNews(
        symbol=text(data["s"]),
        event=str(data.get("e", "")),
        order_id=text(data["i"]),
        client_id=optional_whole(data.get("c")),
        side=side(data["S"]),
        order_type=str(data.get("o", "")).lower(),
        time_in_force=str(data.get("f", "")),
        price=optional(data.get("p")),
        size=optional(data.get("q")) or Decimal(0),
        filled=optional(data.get("z")) or Decimal(0),
        state=state(data.get("X")),
        reason=None if data.get("R") is None else str(data["R"]),
        reduce_only=bool(data.get("r")),
        post_only=bool(data.get("y")),
        origin=str(data.get("O", OWN_ORIGIN)),
        venue_ns=venue_ns,
        fill=_fill(data, venue_ns) if data.get("t") is not None and data.get("l") is not None else None,
    )


def _fill(data: dict[str, Any], venue_ns: int) -> FillNews:
    return FillNews(
        trade_id=text(data["t"]),
        price=amount(data["L"]),
        size=amount(data["l"]),
        fee=optional(data.get("n")) or Decimal(0),
        fee_asset=str(data.get("N") or ""),
        is_maker=bool(data.get("m")),
        venue_ns=venue_ns // (US * _MS_PER_US) * US * _MS_PER_US,
    )


def _mark(data: dict[str, Any]) -> MarkNews:
    due = data.get("n")
    return MarkNews(
        symbol=text(data["s"]),
        mark_price=amount(data["p"]),
        funding_rate=optional(data.get("f")),
        funding_utc_ns=None if due is None else moment_ns(due, MS),
        index_price=optional(data.get("i")),
    )


def _position(data: dict[str, Any]) -> PositionNews:
    return PositionNews(
        symbol=text(data["s"]),
        event=None if data.get("e") is None else str(data["e"]),
        size=amount(data["q"]),
        entry_price=optional(data.get("B")),
        mark_price=optional(data.get("M")),
        realised=optional(data.get("p")),
        unrealised=optional(data.get("P")),
        venue_ns=moment_ns(data["T"] if "T" in data else data["E"], US),
    )


_PARSERS: dict[str, Callable[[dict[str, Any]], News]] = {
    DEPTH: complete(_depth),
    TRADE: complete(_trade),
    BOOK_TICKER: complete(_best),
    MARK_PRICE: complete(_mark),
    ORDER_UPDATE: complete(_order),
    POSITION_UPDATE: complete(_position),
}
