"""Every published sample of the venue is understood: streams, answers and errors, mapped to its normalised values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from api import backpack_answers as answers
from api import backpack_markets as markets
from api import backpack_messages as messages
from api.backpack_errors import Problem, expiry_class, problem_of
from api.backpack_messages import DepthNews, OrderNews, PositionNews, parse_frame
from api.sequenced_book import BookStep, SequencedBook
from core.market.order import OrderState
from tests.unit.backpack_samples import CASES, SAMPLES, SOL

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
