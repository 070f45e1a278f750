"""How Backpack writes its stream messages; pure. `at_us` is the venue's time in microseconds."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from api.simulator.backpack_account_shapes import (
    STATUSES,
    client_id,
    expiry_reason,
    position_id,
    reserved_quote,
    unrealised,
)
from api.simulator.backpack_shapes import (
    FUNDING_RATE,
    IMF,
    MMF,
    SIDES,
    Json,
    level,
    next_funding_ms,
    plain,
    price_text,
    size_text,
)
from api.simulator.exchange_types import MarketPrint, SimFill, SimOrder
from core.market.book import Level
from core.market.instrument import Instrument
from core.market.order import OrderState, Side

Changes = Iterable[tuple[Side, int, int]]

INVALID_STREAM = 4006  # the only number seen in a published client, with the words "Invalid stream"
EVENTS = {
    "accepted": "orderAccepted",
    "fill": "orderFill",
    "cancelled": "orderCancelled",
    "expired": "orderExpired",
    "modified": "orderModified",
}


def envelope(stream: str, data: Json) -> Json:
    """Return a message as it travels."""
    return {"stream": stream, "data": data}


def error(code: int, message: str) -> Json:
    """Return the answer to a frame that cannot be served."""
    return {"id": None, "error": {"code": code, "message": message}}


def depth(instrument: Instrument, first: int, last: int, changes: Changes, at_us: int) -> Json:
    """Return a book delta: absolute sizes, `U` and `u` the first and last number in it."""
    sides: dict[Side, list[list[str]]] = {Side.BUY: [], Side.SELL: []}
    for side, price_ticks, size_lots in changes:
        sides[side].append(level(instrument, price_ticks, size_lots))
    return {
        "e": "depth",
        "E": at_us,
        "s": instrument.venue_symbol,
        "a": sides[Side.SELL],
        "b": sides[Side.BUY],
        "U": first,
        "u": last,
        "T": at_us - 1,
    }


def book_ticker(instrument: Instrument, bid: Level, ask: Level, sequence: int, at_us: int) -> Json:
    """Return the best prices; the number is text here."""
    bid_price, bid_size = level(instrument, *bid)
    ask_price, ask_size = level(instrument, *ask)
    return {
        "e": "bookTicker",
        "E": at_us,
        "s": instrument.venue_symbol,
        "a": ask_price,
        "A": ask_size,
        "b": bid_price,
        "B": bid_size,
        "u": str(sequence),
        "T": at_us - 1,
    }


def trade(instrument: Instrument, print_: MarketPrint, at_us: int) -> Json:
    """Return a trade of the tape. The order ids of both sides are made up: nobody can look them up."""
    number = int(print_.trade_id)
    return {
        "e": "trade",
        "E": at_us,
        "s": instrument.venue_symbol,
        "p": price_text(instrument, print_.price_ticks),
        "q": size_text(instrument, print_.size_lots),
        "b": str(111_063_000_000_000_000 + 2 * number),
        "a": str(111_063_000_000_000_001 + 2 * number),
        "t": number,
        "T": at_us - 1,
        "m": print_.aggressor is Side.SELL,
    }


def mark_price(instrument: Instrument, mark: Decimal, at_us: int) -> Json:
    """Return mark and index price and the running funding estimate."""
    return {
        "e": "markPrice",
        "E": at_us,
        "s": instrument.venue_symbol,
        "p": plain(mark),
        "f": plain(FUNDING_RATE),
        "i": plain(mark),
        "n": next_funding_ms(at_us * 1000),
        "T": at_us - 1,
    }


def ticker(symbol: str, day: Json, at_us: int) -> Json:
    """Return the day's figures; `day` is what `GET /api/v1/ticker` answers."""
    names = {"o": "firstPrice", "c": "lastPrice", "h": "high", "l": "low", "v": "volume", "V": "quoteVolume"}
    shape: Json = {"e": "ticker", "E": at_us, "s": symbol}
    shape |= {short: day[long] for short, long in names.items()}
    return shape | {"n": int(day["trades"])}


def order_update(found: SimOrder, instrument: Instrument, what: str, at_us: int) -> Json:
    """Return an order event; `c` only when the order has a client id, `t` null outside fills."""
    shape: Json = {
        "e": EVENTS[what],
        "E": at_us,
        "s": found.symbol,
        "S": SIDES[found.side],
        "o": "LIMIT" if found.price_ticks is not None else "MARKET",
        "f": found.time_in_force,
        "q": size_text(instrument, found.size_lots),
        "X": STATUSES[found.state],
        "i": found.order_id,
        "t": None,
        "z": size_text(instrument, found.filled_lots),
        "Z": plain(found.filled_quote),
        "r": found.reduce_only,
        "V": "RejectTaker",
        "O": "USER",
        "T": at_us - 1,
    }
    if found.price_ticks is None:
        shape["Q"] = plain(reserved_quote(found, instrument))
    else:
        shape["p"] = price_text(instrument, found.price_ticks)
        shape["Q"] = plain(instrument.notional_quote(found.price_ticks, found.size_lots))
        shape["y"] = found.post_only
    if found.client_id is not None:
        shape["c"] = client_id(found)
    if what == "expired":
        shape["R"] = expiry_reason(found.reason)
    return shape


def order_fill(fill: SimFill, found: SimOrder, instrument: Instrument, at_us: int) -> Json:
    """Return the event that carries both the fill and the order's state after it."""
    state = OrderState.FILLED if not found.remaining_lots else OrderState.PARTIALLY_FILLED
    return order_update(found, instrument, "fill", at_us) | {
        "X": STATUSES[state],
        "t": int(fill.trade_id),
        "l": size_text(instrument, fill.size_lots),
        "L": price_text(instrument, fill.price_ticks),
        "m": fill.liquidity == "maker",
        "n": plain(fill.fee),
        "N": fill.fee_asset,
    }


def position(
    instrument: Instrument, lots: int, entry: Decimal | None, mark: Decimal, realised: Decimal, at_us: int
) -> Json:
    """Return a position without `e`: the first message after subscribing describes it so."""
    size = instrument.to_size(lots)
    return {
        "E": at_us,
        "s": instrument.venue_symbol,
        "b": plain(entry or Decimal(0)),
        "B": plain(entry or Decimal(0)),
        "l": "0",
        "f": plain(IMF),
        "M": plain(mark),
        "m": plain(MMF),
        "q": plain(size),
        "Q": plain(abs(size)),
        "n": plain(abs(size) * mark),
        "i": position_id(instrument.venue_symbol),
        "p": plain(realised),
        "P": plain(unrealised(instrument, lots, entry, mark)),
        "T": at_us - 1,
    }


def position_event(lots_before: int, lots: int) -> str:
    """Return what happened to a position."""
    if not lots_before and lots:
        return "positionOpened"
    return "positionAdjusted" if lots else "positionClosed"


def long_times_as_text(data: Json) -> Json:
    """Return a message with its times as text, as some were captured."""
    return data | {key: str(data[key]) for key in ("E", "T") if key in data}


def with_unknown_field(message: Any) -> Any:
    """Return a message with a field that nobody has heard of."""
    if isinstance(message, list):
        return [with_unknown_field(row) for row in message]
    return message | {"zzNewField": {"nested": [1, "2", None]}} if isinstance(message, dict) else message


def with_unknown_word(message: Any) -> Any:
    """Return a message whose enumerated words are ones that nobody has heard of."""
    if isinstance(message, list):
        return [with_unknown_word(row) for row in message]
    if not isinstance(message, dict):
        return message
    words = {"e": "somethingNew", "X": "SomethingNew", "status": "SomethingNew", "orderBookState": "SomethingNew"}
    return message | {key: word for key, word in words.items() if key in message}
