"""Backpack's messages that no sample has: unknown fields, broken frames, errors, spoilt values."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from api import backpack_answers as answers
from api import backpack_markets as markets
from api import backpack_messages as messages
from api.backpack_errors import expiry_reason, problem_of, reject_reason
from api.backpack_messages import DepthNews, OrderNews, parse_frame
from api.backpack_values import amount, moment_ns, whole
from core.market.order import Side
from tests.unit.backpack_samples import CASES, SAMPLES, SOL, reason


def test_market_is_known_by_our_name_and_by_the_venues() -> None:
    row = copy.deepcopy(SAMPLES["market_spot"]["payload"])
    assert markets.market_of(row).names == ("SOL-USDC", "SOL_USDC")
    row |= {"symbol": "SOL_USDC_PERP", "marketType": "PERP"}
    assert markets.market_of(row).names == ("SOL-PERP", "SOL-USDC-PERP", "SOL_USDC_PERP")
    row |= {"symbol": "SOL_USDT_PERP", "quoteSymbol": "USDT"}
    assert markets.market_of(row).names[0] == "SOL-USDT-PERP"


def test_broken_market_hides_no_other() -> None:
    row = SAMPLES["market_spot"]["payload"]
    assert [market.symbol for market in markets.markets_of([{"symbol": "X"}, row])] == ["SOL_USDC"]


COLLATERAL = {
    "netEquityAvailable": "4980.1",
    "collateral": [{"symbol": "USDC", "totalQuantity": "5000", "lendQuantity": "4900", "availableQuantity": "100"}],
}


@pytest.mark.parametrize(("margin_asset", "available"), [("USDC", "4980.1"), (None, "5000")])
def test_lent_money_is_available_as_far_as_the_margin_account_is_free(margin_asset: str | None, available: str) -> None:
    (balance,) = answers.collateral_of(COLLATERAL, margin_asset)
    assert (balance.total, balance.available) == (Decimal(5000), Decimal(available))


def test_error_frame_is_a_problem_and_a_foreign_stream_is_nothing() -> None:
    found = parse_frame({"error": {"code": 4002, "message": "Invalid signature"}, "id": None})
    assert isinstance(found, messages.StreamProblem)
    assert parse_frame({"stream": "liquidation", "data": {}}) is None
    assert parse_frame({"id": 1, "result": None}) is None


def test_unknown_field_is_ignored_and_an_unknown_event_is_told() -> None:
    frame = copy.deepcopy(SAMPLES["order_accepted"]["payload"])
    frame["data"] |= {"news": {"deep": [1]}, "e": "orderTeleported", "X": "Elsewhere"}
    news = parse_frame(frame)
    assert isinstance(news, OrderNews)
    assert (news.event, news.state) == ("orderTeleported", None)


@pytest.mark.parametrize(
    "frame",
    [
        [],
        "text",
        None,
        {"stream": "depth.SOL_USDC"},
        {"stream": "depth.SOL_USDC", "data": {"s": "SOL_USDC"}},
        {"stream": "depth.SOL_USDC", "data": {"s": "S", "U": 2, "u": 1, "a": [], "b": [], "T": 1}},
        {"stream": "depth.SOL_USDC", "data": {"s": "S", "U": 1, "u": 1, "a": [["NaN", "1"]], "b": [], "T": 1}},
        {"stream": "depth.SOL_USDC", "data": {"s": "S", "U": 1, "u": 1, "a": [["1"]], "b": [], "T": 1}},
        {"stream": "depth.SOL_USDC", "data": {"s": "S", "U": 1, "u": 1, "a": [["-1", "1"]], "b": [], "T": 1}},
        {"stream": "account.orderUpdate", "data": {"s": "SOL_USDC", "i": "1", "S": "Sideways", "T": 1}},
    ],
)
def test_broken_frame_is_a_value_error(frame: Any) -> None:
    with pytest.raises(ValueError):
        parse_frame(frame)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999999", "", "abc", True, [], {}, float("nan")])
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        amount(value)


@pytest.mark.parametrize(("value", "expected"), [("1.50", "1.5"), (2, "2"), (0.1, "0.1"), ("1e-6", "0.000001")])
def test_amount_is_exact_in_each_spelling(value: Any, expected: str) -> None:
    assert amount(value) == Decimal(expected)


@pytest.mark.parametrize("value", [1.5, "1.5", None, True, "9" * 50])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        whole(value)


def test_time_without_a_zone_is_utc() -> None:
    expected = 1_757_621_440_699_000_000
    spellings = ["2025-09-11T20:10:40.699", "2025-09-11 20:10:40.699", "2025-09-11T20:10:40.699+00:00"]
    assert {moment_ns(spelling) for spelling in spellings} == {expected}
    assert moment_ns("1757621440699") == moment_ns(1757621440699) == expected


# Errors


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (401, "UNAUTHORIZED", "", "auth"),
        (403, "FORBIDDEN", "", "auth"),
        (400, "INVALID_CLIENT_REQUEST", "Invalid timestamp", "clock"),
        (400, "INVALID_CLIENT_REQUEST", "Request has expired", "clock"),
        (400, "INVALID_CLIENT_REQUEST", "Unknown field", "bad_request"),
        (400, "INSUFFICIENT_MARGIN", "", "funds"),
        (404, "RESOURCE_NOT_FOUND", "", "not_found"),
        (503, "MAINTENANCE", "", "maintenance"),
        (500, "SERVER_ERROR", "", "unknown_outcome"),
        (400, "TIMEOUT", "", "unknown_outcome"),
        (400, "NEVER_HEARD_OF", "", "bad_request"),
        (503, "NEVER_HEARD_OF", "", "unknown_outcome"),
    ],
)
def test_error_has_its_class(status: int, code: str, message: str, kind: str) -> None:
    assert problem_of(status, {"code": code, "message": message}).kind == kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (503, "unknown_outcome"),
        (302, "unknown_outcome"),
        (429, "rate_limit"),
        (401, "auth"),
        (400, "bad_request"),
        (403, "unknown_outcome"),
        (404, "unknown_outcome"),
    ],
)
def test_answer_without_the_venues_words_is_judged_by_its_status(status: int, kind: str) -> None:
    assert problem_of(status, None).kind == kind


def test_reason_begins_with_the_word_that_all_venues_share() -> None:
    assert reason("INSUFFICIENT_FUNDS").startswith("insufficient_funds INSUFFICIENT_FUNDS: No; deposit")
    assert reason("INVALID_PRICE").startswith("price INVALID_PRICE")
    assert reason("INVALID_QUANTITY", lots=9).startswith("min_size INVALID_QUANTITY")
    assert reason("INVALID_QUANTITY").startswith("size INVALID_QUANTITY")
    assert reason("BORROW_REQUIRES_LEND_REDEEM").endswith("set auto_lend_redeem in exchange_config")


@pytest.mark.parametrize("spelling", ["PostOnlyTaker", "POST_ONLY_TAKER", "post_only_taker"])
def test_post_only_refusal_has_one_reason_in_each_spelling(spelling: str) -> None:
    refused = {"code": "INVALID_ORDER", "message": "Order would immediately match and take"}
    assert expiry_reason(spelling) == reject_reason(problem_of(400, refused), None, SOL) == "post_only_would_cross"


def test_expiry_reason_says_what_the_venue_said() -> None:
    assert expiry_reason("PRICE_BAND").startswith("price PRICE_BAND")
    assert expiry_reason("InsufficientFunds").startswith("insufficient_funds InsufficientFunds")
    assert expiry_reason("ImmediateOrCancel") == "ImmediateOrCancel"
    assert expiry_reason(None) == "expired"


def test_level_between_two_ticks_is_rounded_away_from_the_middle() -> None:
    rows = [(Decimal("100.005"), Decimal("1.0009")), (Decimal("100.01"), Decimal(0))]
    found = messages.changes(rows, rows, SOL)
    assert found == [(Side.BUY, 10000, 1000), (Side.BUY, 10001, 0), (Side.SELL, 10001, 1000), (Side.SELL, 10001, 0)]


def test_level_that_cannot_be_counted_is_broken() -> None:
    with pytest.raises(ValueError, match="bounds"):
        messages.changes([(Decimal("1e39"), Decimal(1))], [], SOL)


JUNK = [None, True, -1, 10**30, 1.5, "", "x", "NaN", "1e400", [], {}, [[]], [["1"]], {"a": 1}, "٣", "2025-13-45"]
JUNK_READERS: list[Callable[[Any], Any]] = [
    parse_frame,
    answers.depth_of,
    answers.orders_of,
    answers.batch_of,
    answers.fills_of,
    answers.positions_of,
    answers.capital_of,
    answers.candles_of,
    markets.markets_of,
    markets.account_of,
    lambda value: answers.collateral_of(value, "USDC"),
    lambda value: problem_of(400, value),
]


def spoilt(value: Any, draw: Random) -> Any:
    """Return a value with one of its parts replaced by junk, or left out."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(sorted(value))
        if draw.random() < 0.2:
            return {name: part for name, part in value.items() if name != key}
        return value | {key: spoilt(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.9:
        place = draw.randrange(len(value))
        return [*value[:place], spoilt(value[place], draw), *value[place + 1 :]]
    return draw.choice(JUNK)


def test_spoilt_messages_are_read_or_refused_and_nothing_else() -> None:
    draw = Random(5)
    payloads = [sample["payload"] for sample in SAMPLES.values()] + [case["response"] for case in CASES] + [COLLATERAL]
    for _ in range(6_000):
        value = spoilt(draw.choice(payloads), draw)
        for read in JUNK_READERS:
            try:
                read(value)
            except ValueError:
                pass


def test_spoilt_levels_never_reach_a_book_as_anything_but_whole_numbers() -> None:
    draw = Random(6)
    for _ in range(3_000):
        frame = spoilt(SAMPLES["depth_delta"]["payload"], draw)
        try:
            news = parse_frame(frame)
            found = messages.book_delta(news, SOL).changes if isinstance(news, DepthNews) else []
        except ValueError:
            continue
        assert all(type(ticks) is int and type(lots) is int and lots >= 0 for _, ticks, lots in found)
