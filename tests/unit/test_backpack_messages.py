"""Every published sample of the venue is understood: streams, answers and errors, mapped to its normalised values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from api import backpack_answers as answers
from api import backpack_markets as markets
from api import backpack_messages as messages
from api.backpack_errors import Problem, expiry_class, expiry_reason, problem_of, reject_reason
from api.backpack_messages import DepthNews, OrderNews, PositionNews, parse_frame
from api.backpack_values import amount, moment_ns, whole
from api.sequenced_book import BookStep, SequencedBook
from core.market.order import Order, OrderState, Side
from tests.market_parts import instrument

FOLDER = Path(__file__).parents[1] / "golden" / "backpack"
SAMPLES: dict[str, dict[str, Any]] = {
    sample["id"]: sample for sample in json.loads((FOLDER / "messages.json").read_text())["samples"]
}
CASES: list[dict[str, Any]] = json.loads((FOLDER / "rest_cases.json").read_text())["cases"]
SOL = instrument(venue_symbol="SOL_USDC", tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_lots=10)
STATE_WORDS = {
    OrderState.NEW: "open",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "cancelled",
    OrderState.EXPIRED: "expired",
    OrderState.PENDING_NEW: "pending",
    OrderState.REJECTED: "rejected",
}


# How our values are said in the vocabulary of the samples


def number(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")


def levels(rows: messages.Levels, best_first: int = 0) -> list[list[str | None]]:
    ordered = sorted(rows, key=lambda row: best_first * row[0]) if best_first else rows
    return [[number(price), number(size)] for price, size in ordered]


def word(state: OrderState | None) -> str | None:
    return None if state is None else STATE_WORDS[state]


def said_order(news: Any, ts_ns: int) -> dict[str, Any]:
    ended = {OrderState.EXPIRED: "expired"}.get(news.state)
    reason = expiry_class(news.reason) if news.reason is not None else ended
    return {
        "type": "order",
        "symbol": news.symbol,
        "order_id": news.order_id,
        "client_id": None if news.client_id is None else str(news.client_id),
        "side": news.side.value,
        "order_type": news.order_type,
        "time_in_force": news.time_in_force,
        "post_only": news.post_only,
        "reduce_only": news.reduce_only,
        "price": number(news.price),
        "size": number(news.size),
        "filled": number(news.filled),
        "remaining": number(news.size - news.filled),
        "state": word(news.state),
        "reason": reason,
        "ts_ms": ts_ns // 1_000_000,
    }


def said_frame(payload: dict[str, Any]) -> dict[str, Any]:
    news = parse_frame(payload)
    assert news is not None and not isinstance(news, messages.StreamProblem)
    ts_ms = news.venue_ns // 1_000_000
    if isinstance(news, DepthNews):
        sides = {"bids": levels(news.bids), "asks": levels(news.asks)}
        numbers = {"first_sequence": news.first, "last_sequence": news.last, "ts_ms": ts_ms}
        return {"type": "book_delta", "symbol": news.symbol, **sides, **numbers}
    if isinstance(news, messages.TradeNews):
        told = {"price": number(news.price), "size": number(news.size), "taker_side": news.taker.value}
        return {"type": "trade", "symbol": news.symbol, **told, "trade_id": news.trade_id, "ts_ms": ts_ms}
    if isinstance(news, messages.BestPrices):
        told = {"bid": levels([news.bid])[0], "ask": levels([news.ask])[0], "sequence": news.sequence}
        return {"type": "best_prices", "symbol": news.symbol, **told, "ts_ms": ts_ms}
    if isinstance(news, PositionNews):
        return said_position(news)
    order = said_order(news, news.venue_ns)
    if news.fill is None:
        return order
    return {"type": "order_and_fill", "order": order, "fill": said_fill(news, news.fill)}


def said_fill(news: OrderNews, fill: messages.FillNews) -> dict[str, Any]:
    return {
        "symbol": news.symbol,
        "order_id": news.order_id,
        "trade_id": fill.trade_id,
        "side": news.side.value,
        "price": number(fill.price),
        "size": number(fill.size),
        "fee": number(fill.fee),
        "fee_asset": fill.fee_asset,
        "liquidity": "maker" if fill.is_maker else "taker",
        "ts_ms": fill.venue_ns // 1_000_000,
    }


def said_position(news: PositionNews) -> dict[str, Any]:
    return {
        "type": "position",
        "symbol": news.symbol,
        "size": number(news.size),
        "entry_price": number(news.entry_price),
        "mark_price": number(news.mark_price),
        "unrealised_pnl": number(news.unrealised),
        "realised_pnl": number(news.realised),
        "snapshot": news.event is None,
        "ts_ms": news.venue_ns // 1_000_000,
    }


def said_market(payload: Any) -> dict[str, Any]:
    market = markets.market_of(payload)
    return {
        "type": "market",
        "symbol": market.symbol,
        "base": market.base,
        "quote": market.quote,
        "kind": market.kind,
        "tick_size": number(market.tick_size),
        "size_step": number(market.size_step),
        "min_size": number(market.min_size),
        "max_size": number(market.max_size),
        "min_notional": None,
        "trading": market.trading,
    }


def said_depth(payload: Any) -> dict[str, Any]:
    picture = answers.depth_of(payload)
    sides = {"bids": levels(picture.bids, -1), "asks": levels(picture.asks, 1)}
    ts_ms = picture.venue_ns // 1_000_000
    return {"type": "book_snapshot", "symbol": "SOL_USDC", **sides, "sequence": picture.sequence, "ts_ms": ts_ms}


def said_balances(payload: Any) -> dict[str, Any]:
    items = [
        {
            "asset": balance.asset,
            "available": number(balance.available),
            "locked": number(balance.total - balance.available),
            "total": number(balance.total),
        }
        for balance in answers.capital_of(payload)
    ]
    return {"type": "balances", "items": items}


def said_orders(payload: Any) -> dict[str, Any]:
    return {"type": "orders", "items": [said_order(order, order.created_ns) for order in answers.orders_of(payload)]}


def said_batch(payload: Any) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for result in answers.batch_of(payload):
        if isinstance(result, Problem):
            items.append({"ok": False, "error_class": result.kind, "retry": result.retry})
        else:
            items.append({"ok": True, **said_order(result, result.created_ns)})
    return {"type": "batch_result", "items": items}


def said_error(payload: Any, status: int) -> dict[str, Any]:
    problem = problem_of(status, payload)
    return {"type": "error", "error_class": problem.kind, "retry": problem.retry}


REST: dict[str, Callable[[Any], dict[str, Any]]] = {
    "market": said_market,
    "book_snapshot": said_depth,
    "balances": said_balances,
    "orders": said_orders,
    "batch_result": said_batch,
}


def said(sample: dict[str, Any]) -> dict[str, Any]:
    if sample["transport"] == "ws":
        return said_frame(sample["payload"])
    if sample["channel_or_call"].startswith("HTTP "):
        return said_error(sample["payload"], int(sample["channel_or_call"].split()[1]))
    return REST[sample["normalised"]["type"]](sample["payload"])


def holds(found: Any, expected: Any) -> bool:
    """Tell whether everything expected is found; a sample leaves out what does not apply to it."""
    if isinstance(expected, dict):
        return all(name in found and holds(found[name], value) for name, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(holds, found, expected))
    return bool(found == expected)


PLAIN = [sample for sample in SAMPLES.values() if sample["transport"] != "scenario"]


@pytest.mark.parametrize("sample", PLAIN, ids=lambda sample: sample["id"])
def test_sample_has_its_normalised_values(sample: dict[str, Any]) -> None:
    found = said(sample)
    assert holds(found, sample["normalised"]), found


def test_book_scenario_ends_as_told() -> None:
    sample = SAMPLES["scenario_buffered_then_gap"]
    book, expected = SequencedBook(), sample["normalised"]
    before, resync_at = book.picture(10, 0), None
    for place, step in enumerate(sample["payload"]["steps"]):
        if book.is_whole:
            before = book.picture(10, 0)
        if fed(book, step) is BookStep.GAP:
            resync_at = place
            break
    assert resync_at == expected["resync_at_step"]
    assert before.sequence == expected["book_before_resync"]["sequence"]
    for side, rows in (("bids", before.bids), ("asks", before.asks)):
        told = [[number(SOL.to_price(row[0])), number(SOL.to_size(row[1]))] for row in rows]
        assert told == expected["book_before_resync"][side]


def fed(book: SequencedBook, step: dict[str, Any]) -> BookStep:
    if "snapshot" in step:
        picture = answers.depth_of(step["snapshot"])
        found = messages.changes(picture.bids, picture.asks, SOL)
        return book.snapshot(picture.sequence, found, picture.venue_ns)
    news = parse_frame({"stream": "depth.SOL_USDC", "data": step["delta"]})
    assert isinstance(news, DepthNews)
    return book.delta(messages.book_delta(news, SOL))


# Captured answers


def test_captured_orders_have_the_values_of_their_source() -> None:
    states = {"open": {"open", "pending"}, "closed": {"filled"}, "canceled": {"cancelled"}}
    checked = 0
    for case in CASES:
        if case["method"] not in ("createOrder", "fetchOpenOrder", "cancelOrder", "fetchOrders"):
            continue
        many = isinstance(case["response"], list)
        found = answers.orders_of(case["response"] if many else [case["response"]])
        for order, expected in zip(found, case["expected"] if many else [case["expected"]], strict=True):
            check_order(order, expected, states)
            checked += 1
    assert checked == 10


def check_order(order: answers.VenueOrder, expected: dict[str, Any], states: dict[str, set[str]]) -> None:
    assert order.order_id == expected["id"]
    assert word(order.state) in states[expected["status"]]
    checks: dict[str, Any] = {
        "timestamp": order.created_ns // 1_000_000,
        "type": order.order_type,
        "side": order.side.value,
        "price": order.price,
        "filled": order.filled,
        "average": order.average,
        "cost": order.filled_quote,
        "clientOrderId": None if order.client_id is None else str(order.client_id),
    }
    for name, value in checks.items():
        if name in expected:
            wanted = expected[name]
            assert value == (Decimal(str(wanted)) if isinstance(value, Decimal) else wanted), name
    if expected.get("amount") is not None:
        assert order.size == Decimal(str(expected["amount"]))


def case_of(method: str) -> dict[str, Any]:
    return next(case for case in CASES if case["method"] == method)


def test_waiting_trigger_order_has_the_size_that_it_will_have() -> None:
    case = next(case for case in CASES if case["response"] and "trigger order" in case["name"])
    order = answers.order_of(case["response"])
    assert (order.size, order.state) == (Decimal("0.001"), OrderState.PENDING_NEW)


def test_captured_fills_have_the_values_of_their_source() -> None:
    case = case_of("fetchMyTrades")
    found = {fill.trade_id: fill for fill in answers.fills_of(case["response"])}
    for expected in case["expected"]:
        fill = found[expected["id"]]
        assert fill.side.value == expected["side"] and fill.price == Decimal(str(expected["price"]))
        assert fill.fee == Decimal(str(expected["fee"]["cost"])) and fill.fee_asset == expected["fee"]["currency"]
        if "order" in expected:
            assert (fill.order_id, fill.venue_ns // 1_000_000) == (expected["order"], expected["timestamp"])
            assert fill.size == Decimal(str(expected["amount"])) and not fill.is_maker


def test_fills_without_an_id_are_told_apart_by_what_they_are() -> None:
    row = {"symbol": "SOL_USDC", "orderId": "7", "side": "Bid", "price": "100.00", "quantity": "1", "fee": "0"}
    row |= {"feeSymbol": "USDC", "isMaker": True, "timestamp": "2025-11-20T08:00:00.123"}
    rows = [row, row | {"price": "100.01"}, row | {"quantity": "2"}, row]
    ids = [fill.trade_id for fill in answers.fills_of(rows)]
    assert len(set(ids)) == 3 and ids[0] == ids[3]


def test_captured_position_has_the_values_of_its_source() -> None:
    case = case_of("fetchPositions")
    (held,), (expected,) = answers.positions_of(case["response"]), case["expected"]
    assert held.size == Decimal(expected["contracts"]) and held.entry_price == Decimal(expected["entryPrice"])
    assert held.mark_price == Decimal(expected["markPrice"]) and held.unrealised == Decimal(expected["unrealizedPnl"])


@pytest.mark.parametrize(("told", "expected"), [("81.5", Decimal("81.5")), ("0", None), (None, None)])
def test_a_liquidation_price_of_zero_is_none(told: str | None, expected: Decimal | None) -> None:
    row = case_of("fetchPositions")["response"][0] | {"estLiquidationPrice": told}
    assert answers.positions_of([row])[0].liquidation_price == expected


def test_captured_balances_have_the_values_of_their_source() -> None:
    case = case_of("fetchBalance")
    for balance in answers.capital_of(case["response"]):
        expected = case["expected"][balance.asset]
        assert balance.total == Decimal(str(expected["total"])) and balance.available == Decimal(str(expected["free"]))


def test_captured_candle_begins_in_utc() -> None:
    case = case_of("fetchOHLCV")
    (candle,), (expected,) = answers.candles_of(case["response"]), case["expected"]
    assert candle.start_ns // 1_000_000 == expected[0]
    prices = [candle.open, candle.high, candle.low, candle.close, candle.volume]
    assert prices == [Decimal(str(value)) for value in expected[1:]]


def test_candle_in_which_nothing_traded_is_left_out() -> None:
    row = dict(case_of("fetchOHLCV")["response"][0], open=None)
    assert answers.candles_of([row]) == []


def test_nothing_cancelled_is_an_empty_list() -> None:
    assert answers.orders_of(case_of("cancelAllOrders")["response"]) == []


def test_no_sample_is_left_out() -> None:
    assert len(PLAIN) == len(SAMPLES) - 1  # the book scenario has a test of its own
    read = {"createOrder", "cancelOrder", "cancelAllOrders", "fetchOpenOrder", "fetchOrders", "fetchMyTrades"}
    read |= {"fetchPositions", "fetchBalance", "fetchOHLCV", "fetchStatus"}
    never_asked = {"fetchTicker", "fetchFundingRate", "fetchFundingHistory"}
    assert {case["method"] for case in CASES} == read | never_asked and len(CASES) == 19


def test_captured_status_is_the_one_that_lets_a_client_open() -> None:
    assert case_of("fetchStatus")["response"]["status"] == "Ok"


# What samples do not say


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


def reason(code: str, lots: int = 10) -> str:
    return reject_reason(problem_of(400, {"code": code, "message": "No"}), Order("a", "main", Side.BUY, 1, lots), SOL)


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
