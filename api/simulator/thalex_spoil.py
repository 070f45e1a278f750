"""Messages that a client has never seen the like of: unknown fields, unknown words. Pure."""

from __future__ import annotations

from typing import Any

from api.simulator.thalex_shapes import Json

_FIELD = {"zz_added_later": {"nested": [1, None, "text"]}}
# Where a new word may turn up: the member that tells what an object is -> the members that get one.
_WORDS = {
    "order_type": {"status": "suspended", "change_reason": "rebalanced"},
    "trade_type": {"trade_type": "sponsored"},
    "product": {"type": "everlasting", "reason": "rebalanced"},
}


def with_unknown_field(message: Json) -> Json:
    """Return the message with a new member in its envelope and in every object of its content."""
    return {**{key: _widened(value) for key, value in message.items()}, **_FIELD}


def _widened(value: Any) -> Any:
    if isinstance(value, list):
        return [_widened(row) for row in value]
    return {**value, **_FIELD} if isinstance(value, dict) else value


def with_unknown_enum(message: Json) -> Json:
    """Return the message with new words in its orders, trades, instruments and protection groups."""
    return {key: _reworded(value) for key, value in message.items()}


def _reworded(value: Any) -> Any:
    if isinstance(value, list):
        return [_reworded(row) for row in value]
    if not isinstance(value, dict):
        return value
    words = {word: new for mark, news in _WORDS.items() if mark in value for word, new in news.items() if word in value}
    return {**{key: _reworded(row) if isinstance(row, (dict, list)) else row for key, row in value.items()}, **words}
