"""Thalex's messages that are broken, unknown or refusals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from api import thalex_account as account
from api import thalex_messages as messages
from api.thalex_errors import MEANINGS, Verdict, ended_because, meaning_of, reason_of
from api.thalex_order_view import ended_event, has_ended, read_order
from api.thalex_wire import Refusal, WireFault, is_market_data, read_frame
from core.market.order import OrderEvent, OrderState
from tests.unit.thalex_samples import PUBLISHED


@pytest.mark.parametrize(
    "frame",
    ["", "{", "garbage", "[]", "null", "17", "{}", '{"id":1}', '{"result":1}', '{"id":"1","result":1}', b"\xff\xfe"],
)
def test_garbage_is_a_fault(frame: str | bytes) -> None:
    with pytest.raises(WireFault):
        read_frame(frame)


@pytest.mark.parametrize("value", [None, "1", True, [], Decimal("NaN"), Decimal("1E+99"), 10**40, float("nan")])
def test_what_is_not_a_usable_number_is_a_fault(value: Any) -> None:
    with pytest.raises(WireFault):
        messages.number(value)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"bid_changes": [[1]], "time": 1},
        {"bid_changes": [[1, -1]], "time": 1},
        {"bid_changes": {}, "time": None},
        {"bid_changes": [["1", 1]], "time": 1},
    ],
)
def test_broken_book_is_a_fault(body: Any) -> None:
    with pytest.raises(WireFault):
        messages.read_book(body)


def test_refusal_without_a_number_or_a_code_is_still_a_refusal() -> None:
    assert read_frame('{"id":null,"error":{"message":"bad"}}') == Refusal(None, -1, "bad")


def test_unknown_fields_are_ignored() -> None:
    source = PUBLISHED["/components/schemas/OrderStatus"]
    assert read_order(source | {"novelty": {"a": [1]}}) == read_order(source)


def test_unknown_status_is_unknown_and_not_closed() -> None:
    view = read_order(PUBLISHED["/components/schemas/OrderStatus"] | {"status": "hibernating"})
    assert view.state is OrderState.UNKNOWN and not has_ended(view) and not view.is_live


def test_bookings_of_the_venue_are_no_executions() -> None:
    source = PUBLISHED["/components/schemas/Trade"]
    kinds = ("normal", "daily_mark", "expiration", "internal_transfer", "liquidation", "novelty")
    found = [bool(list(account.read_executions([source | {"trade_type": kind}]))) for kind in kinds]
    assert found == [True, False, False, False, True, True]  # a kind that is new may be an execution


# Errors

CODES = [
    ("not_found never", (1,)),
    ("duplicate_id check", (2,)),
    ("rate_limit safe", (3, 4, 58)),
    ("bad_request never", (5, 6, 12, 31, 8, 9, 52)),
    ("auth never", (7, 19, 28, 26)),
    ("server check", (10, 20, 37)),
    ("limit never", (11, 53, 49, 50, 22, 23, 44)),
    ("invalid_order never", (13, 14, 15, 25, 45, 41, 43)),
    ("funds never", (24,)),
    ("geo never", (42,)),
    ("reduce_only never", (57,)),
]


@pytest.mark.parametrize(("expected", "code"), [(name, code) for name, codes in CODES for code in codes])
def test_code_means_what_the_fact_sheet_says(expected: str, code: int) -> None:
    assert f"{MEANINGS[code].name} {MEANINGS[code].retry}" == expected


def test_code_that_nobody_listed_may_mean_that_something_was_done() -> None:
    assert meaning_of(999).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("code", "start"),
    [(24, "insufficient"), (13, "price 13"), (15, "price 15"), (14, "min_size 14"), (4, "rate_limited 4"), (5, "5: ")],
)
def test_reason_begins_as_all_venues_spell_it_and_says_what_to_do(code: int, start: str) -> None:
    reason = reason_of(code, "the words")
    assert reason.startswith(start) and f"{code}: the words; " in reason and not reason.endswith("; ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "filled", "delete_reason": "filled"}, (OrderEvent.FULL_FILL, "")),
        ({"delete_reason": "session_end"}, (OrderEvent.CANCELED, "disconnect")),
        ({"delete_reason": "client_bulk_cancel"}, (OrderEvent.CANCELED, "user")),
        ({"delete_reason": "margin_breach"}, (OrderEvent.CANCELED, "margin_breach")),
        ({"delete_reason": "something_new"}, (OrderEvent.CANCELED, "something_new")),
        ({"delete_reason": "immediate_cancel", "time_in_force": "immediate_or_cancel"}, (OrderEvent.EXPIRED, "ioc")),
        ({"delete_reason": "immediate_cancel"}, (OrderEvent.REJECTED, "post_only_would_cross")),
    ],
)
def test_end_of_an_order_is_told_in_our_words(changes: dict[str, Any], expected: tuple[OrderEvent, str]) -> None:
    source = PUBLISHED["/components/schemas/OrderStatus"] | {"status": "cancelled"} | changes
    assert ended_event(read_order(source)) == expected


def test_partly_filled_immediate_order_has_expired() -> None:
    source = PUBLISHED["/components/schemas/OrderStatus"] | {
        "status": "cancelled_partially_filled",
        "delete_reason": "immediate_cancel",
        "time_in_force": "immediate_or_cancel",
        "filled_amount": Decimal("0.4"),
    }
    assert ended_event(read_order(source)) == (OrderEvent.EXPIRED, "ioc")


def test_only_market_data_may_be_dropped() -> None:
    assert is_market_data('{"channel_name":"book.BTC-PERPETUAL.none.all.raw","notification":{}}')
    assert is_market_data('{"notification":[],"channel_name":"recent_trades.BTC-PERPETUAL.single"}')
    for channel in ("account.orders", "account.trade_history", "session.orders", "system"):
        assert not is_market_data(f'{{"channel_name":"{channel}","notification":[]}}')
    assert not is_market_data('{"id":3,"result":["book.BTC-PERPETUAL.none.all.raw"]}')


def test_words_for_an_end_are_ours_where_we_have_one() -> None:
    assert ended_because("client_cancel") == "user" and ended_because("failover") == "failover"
