"""Thalex frames: requests built and texts taken apart, without a socket.

Numbers go out as plain JSON numbers written from Decimal, never by way of a binary float and never with an exponent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from api.wire_json import loads_exact
from core.market.order import Side

TIME_IN_FORCE = {"GTC": "good_till_cancelled", "IOC": "immediate_or_cancel"}
_SNIPPET = 120


class WireFault(ValueError):
    """The venue sent something that we cannot read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call; the number that its answer carries is given at the moment of sending."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, number: int) -> str:
        """Return the frame as it goes out."""
        return plain_json({"method": self.method, "params": self.params, "id": number})


@dataclass(frozen=True, slots=True)
class Answer:
    """A call was carried out."""

    number: int
    result: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call was not carried out; `number` is None when the venue could not tell which."""

    number: int | None
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Notification:
    """News of a channel."""

    channel: str
    body: Any


def plain_json(value: Any) -> str:
    """Return compact JSON with every Decimal as the plain number that it is. Raises TypeError for a float."""
    if value is True or value is False or value is None or isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(key)}:{plain_json(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(plain_json, value)) + "]"
    raise TypeError(f"{type(value).__name__} does not go on the wire: numbers are int or Decimal")


def number_text(value: Decimal) -> str:
    """Return a finite Decimal as digits, exactly and without an exponent. Raises ValueError for others."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a number that can be sent")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_frame(text: str | bytes) -> Answer | Refusal | Notification:
    """Take a text apart. Raises WireFault when it is not a frame of this venue."""
    try:
        frame = loads_exact(text)
    except ValueError:
        raise WireFault(f"not JSON: {_snippet(text)}") from None
    if not isinstance(frame, dict):
        raise WireFault(f"not an object: {_snippet(text)}")
    channel = frame.get("channel_name")
    if isinstance(channel, str) and "notification" in frame:
        return Notification(channel, frame["notification"])
    number, error = _whole(frame.get("id")), frame.get("error")
    if isinstance(error, dict):
        code = _whole(error.get("code"))
        return Refusal(number, -1 if code is None else code, str(error.get("message", "")))
    if number is not None and "result" in frame:
        return Answer(number, frame["result"])
    raise WireFault(f"neither an answer nor a notification: {_snippet(text)}")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _snippet(text: str | bytes) -> str:
    start = text[:_SNIPPET]
    return repr(start if isinstance(start, str) else start.decode("utf-8", "replace"))


def is_market_data(text: str) -> bool:
    """Tell whether a text may be dropped when too much waits: books, trades and tickers, never what is ours."""
    if '"channel_name"' not in text or '"account.' in text or '"session.' in text:
        return False
    return '"book.' in text or '"recent_trades.' in text or '"ticker.' in text


# Requests. An absent optional argument is left out: the venue does not take null.


def login(token: str, account: str | None = None) -> Request:
    """Return the request that opens the private half of a connection."""
    return Request("public/login", _present(token=token, account=account))


def insert(
    side: Side,
    instrument: str,
    amount: Decimal,
    price: Decimal,
    *,
    time_in_force: str = "GTC",
    client_order_id: int | None = None,
    label: str | None = None,
    post_only: bool = False,
    reduce_only: bool = False,
) -> Request:
    """Return the request for a new limit order.

    A post-only order carries both flags: with the first alone the venue moves the price instead of refusing.
    """
    fields = _present(
        direction=side.value,
        instrument_name=instrument,
        amount=amount,
        client_order_id=client_order_id,
        price=price,
        label=label,
        order_type="limit",
        time_in_force=TIME_IN_FORCE[time_in_force],
        post_only=post_only or None,
        reject_post_only=post_only or None,
        reduce_only=reduce_only or None,
    )
    return Request("private/insert", fields)


def amend(
    amount: Decimal, price: Decimal, *, order_id: str | None = None, client_order_id: int | None = None
) -> Request:
    """Return the request that changes an order; `amount` is the new total, the filled part included."""
    return Request("private/amend", _named(order_id, client_order_id) | {"amount": amount, "price": price})


def cancel(*, order_id: str | None = None, client_order_id: int | None = None) -> Request:
    """Return the request that ends an order; by the number that we gave it only on the socket that placed it."""
    return Request("private/cancel", _named(order_id, client_order_id))


def cancel_all() -> Request:
    """Return the request that ends every order of the account: for a person, never for a bot."""
    return Request("private/cancel_all")


def cancel_on_disconnect(timeout_s: int) -> Request:
    """Return the request that makes the orders of this connection die with it."""
    return Request("private/set_cancel_on_disconnect", {"timeout_secs": timeout_s})


def subscribe(channels: Sequence[str], private: bool = False) -> Request:
    """Return a subscription; the answer lists the channels that exist."""
    return Request(f"{'private' if private else 'public'}/subscribe", {"channels": list(channels)})


def unsubscribe(channels: Sequence[str]) -> Request:
    """Return the end of subscriptions."""
    return Request("unsubscribe", {"channels": list(channels)})


def protection(product: str, trade_amount: Decimal, quote_amount: Decimal) -> Request:
    """Return the request that sets the market maker protection, which mass quotes need."""
    fields = {"product": product, "trade_amount": trade_amount, "quote_amount": quote_amount}
    return Request("private/set_mm_protection", fields)


def mass_quote(
    quotes: Sequence[Mapping[str, Any]], label: str | None = None, post_only: bool = False, reject: bool = False
) -> Request:
    """Return the request that sets quotes; each is made by `double_quote`."""
    flags = _present(label=label, post_only=post_only or None, reject_post_only=reject or None)
    return Request("private/mass_quote", {"quotes": list(quotes)} | flags)


def double_quote(
    instrument: str, bid: tuple[Decimal, Decimal] | None = None, ask: tuple[Decimal, Decimal] | None = None
) -> dict[str, Any]:
    """Return one quote of price and amount a side; amount 0 deletes a side, a side left out stays as it is."""
    sides = {key: {"a": pair[1], "p": pair[0]} for key, pair in (("b", bid), ("a", ask)) if pair is not None}
    return {"i": instrument, **sides}


def history(time_low: Decimal | None, instrument: str, bookmark: str | None = None, limit: int = 1000) -> Request:
    """Return the request for our executions since a venue time in seconds, oldest first."""
    fields = _present(
        limit=limit, time_low=time_low, bookmark=bookmark, sort="ascending", instrument_names=[instrument]
    )
    return Request("private/trade_history", fields)


def _named(order_id: str | None, client_order_id: int | None) -> dict[str, Any]:
    if (order_id is None) == (client_order_id is None):
        raise ValueError("an order is named by its order_id or by its client_order_id, by one of them")
    return _present(order_id=order_id, client_order_id=client_order_id)


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
