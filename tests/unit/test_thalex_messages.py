"""Every shared sample of Thalex: what a client must take from an inbound payload."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from api import thalex_account as account
from api import thalex_messages as messages
from api import thalex_wire as wire
from api.thalex_errors import meaning_of
from api.thalex_order_view import OrderView, ended_event, has_ended, read_order, read_orders
from api.thalex_wire import Answer, Notification, Refusal, WireFault, read_frame
from api.wire_json import loads_exact
from core.market.order import OrderEvent, OrderState
from tests.unit.thalex_samples import GOLDEN, PUBLISHED

SAMPLES: list[dict[str, Any]] = loads_exact((GOLDEN / "messages.json").read_text())["samples"]
WORDS = {"post_only_would_cross": "would_take"}
STATES = {
    OrderState.NEW: "open",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.CANCELED: "cancelled",
    OrderState.REJECTED: "rejected",
}


def text(value: Decimal | int | None) -> str | None:
    return None if value is None else format(Decimal(value), "f")


def ms(ns: int | None) -> int | None:
    return None if ns is None else ns // 1_000_000


def symbol_of(frame: Notification) -> str:
    return frame.channel.split(".")[1]


def heard(payload: dict[str, Any]) -> Notification:
    frame = read_frame(json.dumps(payload, default=float))
    assert isinstance(frame, Notification)
    return frame


def levels(rows: Any) -> list[list[str | None]]:
    return [[text(price), text(amount)] for price, amount in rows]


def market(payload: dict[str, Any]) -> dict[str, Any]:
    found = messages.read_market(payload)
    assert found is not None and found.symbol == "BTC-PERP"
    return {
        "type": "market",
        "symbol": found.name,
        "base": found.base,
        "quote": found.quote,
        "kind": found.kind,
        "tick_size": text(found.tick_size),
        "size_step": text(found.size_step),
        "min_size": text(found.min_size),
        "max_size": None,
        "min_notional": None,
        "product": found.product,
        "trading": "open",
    }


def ticker(payload: dict[str, Any]) -> dict[str, Any]:
    frame = heard(payload)
    found = messages.read_ticker(frame.body)
    return {
        "type": "ticker",
        "symbol": symbol_of(frame),
        "bid": found.bid and [text(value) for value in found.bid],
        "ask": found.ask and [text(value) for value in found.ask],
        "mark_price": text(found.mark_price),
        "index_price": text(found.index_price),
        "last_price": text(found.last_price),
        "funding_rate": text(found.funding_rate),
        "ts_ms": ms(found.venue_ns),
    }


def book(payload: dict[str, Any], kind: str, sequence: str) -> dict[str, Any]:
    frame = heard(payload)
    found = messages.read_book(frame.body)
    return {
        "type": kind,
        "symbol": symbol_of(frame),
        "bids": levels(found.bids),
        "asks": levels(found.asks),
        sequence: None,
        "ts_ms": ms(found.venue_ns),
    }


def trades(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "trade",
            "symbol": trade.instrument,
            "price": text(trade.price),
            "size": text(trade.amount),
            "taker_side": trade.side.value,
            "trade_id": None,
            "ts_ms": ms(trade.venue_ns),
        }
        for trade in messages.read_trades(heard(payload).body)
    ]


def order(view: OrderView) -> dict[str, Any]:
    reason = ended_event(view)[1] if has_ended(view) else ""
    plain: dict[str, Any] = {
        "type": "order",
        "symbol": view.instrument,
        "order_id": view.order_id,
        "client_id": str(view.client_order_id),
        "side": view.side.value,
        "price": text(view.price),
        "size": text(view.amount),
        "filled": text(view.filled),
        "remaining": text(view.remaining),
        "state": STATES[view.state],
        "reason": WORDS.get(reason, reason) or None,
        "reduce_only": view.reduce_only,
    }
    fills = [
        {
            "trade_id": fill.trade_id,
            "price": text(fill.price),
            "size": text(fill.amount),
            "liquidity": fill.liquidity,
            "ts_ms": ms(fill.venue_ns),
        }
        for fill in view.fills
    ]
    return plain | ({"fills": fills} if fills else {})


def orders(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [order(view) for view in read_orders(heard(payload).body)]


def fills(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "fill",
            "symbol": trade.instrument,
            "order_id": trade.order_id,
            "client_id": str(trade.client_order_id),
            "trade_id": trade.trade_id,
            "side": trade.side.value,
            "price": text(trade.price),
            "size": text(trade.amount),
            "fee": text(trade.fee),
            "fee_asset": "USD",
            "liquidity": trade.liquidity,
            "ts_ms": ms(trade.venue_ns),
        }
        for trade in account.read_executions(heard(payload).body)
    ]


def positions(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "position",
            "symbol": line.instrument,
            "size": text(line.size),
            "entry_price": text(line.entry_price),
            "mark_price": text(line.mark_price),
            "unrealised_pnl": text(line.unrealised_pnl),
            "liquidation_price": None,
        }
        for line in account.read_positions(heard(payload).body)
    ]


def error(payload: dict[str, Any]) -> dict[str, Any]:
    frame = read_frame(json.dumps(payload))
    assert isinstance(frame, Refusal) and frame.number == payload["id"]
    meaning = meaning_of(frame.code)
    return {"type": "error", "error_class": meaning.name, "retry": meaning.retry, "code": frame.code}


def answered(payload: dict[str, Any]) -> Any:
    frame = read_frame(json.dumps(payload, default=float))
    assert isinstance(frame, Answer) and frame.number == payload["id"]
    return frame.result


def subscribed(payload: dict[str, Any]) -> dict[str, Any]:
    asked = ["ticker.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL"]
    channels = messages.read_channels(answered(payload))
    missing = [channel for channel in asked if channel not in channels]
    return {"type": "subscribed", "channels": channels, "missing_when_asked_for": asked, "missing": missing}


TAKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "instrument": market,
    "ticker": ticker,
    "book_first": lambda payload: book(payload, "book_snapshot", "sequence"),
    "book_change": lambda payload: book(payload, "book_delta", "last_sequence"),
    "trades": trades,
    "order_open": orders,
    "order_partial": orders,
    "order_cancelled_partial": orders,
    "order_post_only_refused": lambda payload: order(read_order(answered(payload))),
    "fill": fills,
    "portfolio": positions,
    "error_throttle": error,
    "error_not_found": error,
    "login_ok": lambda payload: {"type": "auth_ok", "account": answered(payload)["account_number"]},
    "subscribe_nothing": subscribed,
}


@pytest.mark.parametrize("sample", [each for each in SAMPLES if each["transport"] != "scenario"], ids=lambda s: s["id"])
def test_sample_is_read_as_it_should_be(sample: dict[str, Any]) -> None:
    assert TAKEN[sample["id"]](sample["payload"]) == sample["normalised"]


def test_no_sample_is_left_out() -> None:
    assert {sample["id"] for sample in SAMPLES} == {*TAKEN, "scenario_book"}


# What the venue itself published


def test_published_option_is_no_market_of_ours() -> None:
    assert messages.read_market(PUBLISHED["/components/schemas/Instrument"]) is None


def test_published_dated_instrument_read_as_a_future_has_its_expiry() -> None:
    source = PUBLISHED["/components/schemas/Instrument"] | {"type": "future", "instrument_name": "BTC-10SEP21"}
    found = messages.read_market(source)
    assert found is not None
    assert (found.symbol, found.kind, found.expiry_ms) == ("BTC-10SEP21", "future", 1631260800000)


def test_published_book_change_has_its_rows_and_totals() -> None:
    found = messages.read_book(PUBLISHED["/components/schemas/Book"])
    assert found.bids == ((Decimal("9120.5"), 0), (9121, 54)) and found.asks == ()
    assert (found.total_bid, found.total_ask, found.venue_ns) == (45, 30, 1683901254785744000)


def test_published_ticker_and_tape_row_are_read() -> None:
    found = messages.read_ticker(PUBLISHED["/components/schemas/Ticker"])
    assert found.bid == (47240, Decimal("0.4")) and found.ask == (47260, 1) and found.last_price is None
    (trade,) = messages.read_trades([PUBLISHED["/components/schemas/RecentTradesPayload/items"]])
    assert (trade.price, trade.amount, trade.venue_ns) == (400, 1, 1652187265515000000)


def test_published_money_is_exact() -> None:
    found = account.read_summary(PUBLISHED["/components/schemas/AccountSummary"])
    assert found.equity == Decimal("1000000004994.1586") and found.available == Decimal("999999991870.2781")
    assert found.cash == (("USDT", Decimal("1000000004483.9625")),)


def test_published_order_id_of_digits_stays_a_text_and_a_missing_label_is_empty() -> None:
    view = read_order(PUBLISHED["/components/schemas/OrderStatus"])
    assert (view.order_id, view.label, view.client_order_id, view.state) == ("1728379719872", "", None, OrderState.NEW)


def test_published_lists_of_orders_and_trades_are_read() -> None:
    listed = next(value for key, value in PUBLISHED.items() if "open_orders" in key)
    traded = next(value for key, value in PUBLISHED.items() if "trade_history" in key)
    assert [view.amount for view in read_orders(listed)] == [Decimal("1.1")]
    found = list(account.read_executions(traded["trades"]))
    assert [trade.amount for trade in found] == [Decimal("0.1"), 1] and found[0].fee is None


def test_published_fee_is_a_cost() -> None:
    # The account breakdown of the same description books these fees of 1.18 as -1.18 of realised profit.
    assert account.read_trade(PUBLISHED["/components/schemas/Trade"]).fee == Decimal("1.18")
    breakdown = next(value for key, value in PUBLISHED.items() if "account_breakdown" in key)
    assert breakdown["portfolio"][0]["session_realised_pnl"] == Decimal("-1.18")


def test_published_candles_are_read_in_the_order_of_time() -> None:
    source = next(value for key, value in PUBLISHED.items() if "mark_price_historical_data" in key)
    first, second = messages.read_candles(source)
    assert (first.open, first.high, first.low, first.close) == (94700, 94701, 94445, 94409)
    assert second.start_ns - first.start_ns == 60 * 10**9


def published(path: str, what: str) -> Any:
    """Return the one published example of a call."""
    (found,) = [value for key, value in PUBLISHED.items() if f"private~1{path}/" in key and what in key]
    return found


def test_published_requests_are_those_that_we_send() -> None:
    asked = published("amend", "requestBody")
    assert wire.amend(Decimal("1.1"), Decimal(40000), order_id=asked["order_id"]).params == asked
    asked = published("cancel", "requestBody")
    assert wire.cancel(order_id=asked["order_id"]).params == asked


def test_published_answers_to_requests_are_read() -> None:
    taken = read_order(published("insert", "responses")["result"])
    assert (taken.state, taken.filled, taken.price) == (OrderState.NEW, 0, 45000)
    ended = read_order(published("cancel", "responses"))
    assert has_ended(ended) and ended_event(ended) == (OrderEvent.CANCELED, "user")
    assert published("cancel_all", "responses") == {"result": 42}  # a count, and no word of which


def test_published_position_and_system_event_are_read() -> None:
    (line,) = account.read_positions([PUBLISHED["/components/schemas/PortfolioEntry"]])
    assert (line.size, line.entry_price) == (1, 47260)
    event = heard({"channel_name": "system", "notification": PUBLISHED["/components/schemas/SystemEvent"]})
    assert (event.channel, event.body) == ("system", {"event": "reconnect"})


def test_published_example_with_misprinted_numbers_is_a_fault() -> None:
    with pytest.raises(WireFault, match="price"):
        read_order(PUBLISHED["/components/schemas/OrderHistory"])


def test_no_published_example_was_lost() -> None:
    assert len(PUBLISHED) == 19
