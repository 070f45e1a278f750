"""The simulator's Thalex shapes and login against the samples and tokens that came with the venue's description."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from api.market_facts import Market
from api.simulator.exchange import SimFill, SimOrder
from api.simulator.thalex_auth import TokenRefused, check_token, public_key, throwaway_key_pem
from api.simulator.thalex_candles import MarkCandles
from api.simulator.thalex_instruments import expiry_of, instrument_row
from api.simulator.thalex_shapes import (
    OrderNote,
    TradeNote,
    number,
    order_id_digits,
    order_id_text,
    order_row,
    portfolio_row,
    seconds,
    summary_row,
    trade_row,
)
from core.market.order import OrderState, Side
from tests.simulator.thalex_talker import token
from utils.home import CHECKOUT

GOLDEN = CHECKOUT / "tests" / "golden" / "thalex"
SAMPLES = {row["id"]: row["payload"] for row in json.loads((GOLDEN / "messages.json").read_text())["samples"]}
LOGINS = [case for case in json.loads((GOLDEN / "vectors.json").read_text())["cases"] if case["call"] == "login_token"]
MARKET = Market(
    "BTC-PERP", "BTC-PERPETUAL", "perp", "BTC", "USD", Decimal(1), Decimal("0.001"), Decimal(0), {}, source="test"
)
INSTRUMENT = MARKET.instrument(Decimal(2), Decimal(5))
CREATED, FILLED, CLOSED = 1795189677_500000000, 1795189678_379000000, 1795189679_500000000


def order(**changes: Any) -> SimOrder:
    known: dict[str, Any] = {
        "account": "a", "symbol": "BTC-PERPETUAL", "order_id": "3", "client_id": "1001", "side": Side.BUY,
        "price_ticks": 64989, "size_lots": 100, "created_ns": CREATED, "label": "mm1", "persistent": False,
    }  # fmt: skip
    return SimOrder(**(known | changes))


def fill_of(made: SimOrder, lots: int = 40) -> SimFill:
    fee = INSTRUMENT.notional_quote(64989, lots) * 2 / 10_000
    return SimFill("7", "a", made.symbol, made, made.side, 64989, lots, "maker", fee, "USD", FILLED, 1)


NOTE = OrderNote(client_order_id=1001)


def test_open_order_is_told_as_in_the_sample() -> None:
    (sample,) = SAMPLES["order_open"]["notification"]
    assert order_row(order(), INSTRUMENT, NOTE, [], "insert") == sample


def test_partial_fill_is_told_as_in_the_sample() -> None:
    (sample,) = SAMPLES["order_partial"]["notification"]
    made = order(filled_lots=40, state=OrderState.PARTIALLY_FILLED)
    row = order_row(made, INSTRUMENT, NOTE, [fill_of(made)], "fill")
    assert len(row["fills"][0].pop("trade_id")) == len(sample["fills"][0].pop("trade_id"))
    assert row == sample


def test_cancelled_partly_filled_order_is_told_as_in_the_sample() -> None:
    (sample,) = SAMPLES["order_cancelled_partial"]["notification"]
    made = order(filled_lots=40, state=OrderState.CANCELED, reason="user", closed_ns=CLOSED)
    assert order_row(made, INSTRUMENT, NOTE, [], "cancel") == sample


def test_refused_post_only_order_is_told_as_in_the_sample() -> None:
    made = order(
        order_id="9", price_ticks=65001, state=OrderState.REJECTED, reason="post_only_would_cross",
        closed_ns=CREATED + 100_000_000,
    )  # fmt: skip
    row = order_row(made, INSTRUMENT, replace(NOTE, client_order_id=1002), [], "cancel")
    assert row == SAMPLES["order_post_only_refused"]["result"]


def test_trade_is_told_as_in_the_sample() -> None:
    (sample,) = SAMPLES["fill"]["notification"]
    row = trade_row(TradeNote(fill_of(order()), Decimal("0.04"), Decimal("65001.2")), INSTRUMENT, NOTE)
    assert len(row.pop("trade_id")) == len(sample.pop("trade_id"))
    assert row == sample


def test_position_has_all_that_the_sample_has() -> None:
    (sample,) = SAMPLES["portfolio"]["notification"]
    mark = Decimal("64998.641439")
    row = portfolio_row("BTC-PERPETUAL", Decimal("-0.04"), Decimal(64989), mark, mark, Decimal(0))
    assert {key: row[key] for key in sample} == {**sample, "entry_value": -2599.56}


def test_instrument_is_told_as_in_the_sample() -> None:
    assert instrument_row(MARKET, INSTRUMENT, 1631250800_103645000) == SAMPLES["instrument"]


def test_dated_future_says_when_it_expires() -> None:
    market = replace(MARKET, venue_symbol="BTC-25DEC26", kind="future")
    row = instrument_row(market, INSTRUMENT, 0)
    assert (row["type"], row["expiry_date"], row["expiration_timestamp"]) == ("future", "2026-12-25", 1798185600)
    assert expiry_of("BTC-PERPETUAL") is None


def test_margin_adds_up() -> None:
    cash = {"USD": Decimal(10_000)}
    row = summary_row(cash, Decimal("-0.39"), Decimal("130.2"), Decimal(0), "USD", "USDT")
    assert (row["margin"], row["remaining_margin"], row["cash"][0]["currency"]) == (9999.61, 9869.41, "USDT")


def test_order_ids_come_back_as_they_went() -> None:
    assert order_id_text("3") == "001BF14D00000003" and order_id_digits("001BF14D00000003") == "3"
    assert [order_id_digits(text) for text in ("3", "zz1BF14D00000003", "0000000000000001", 3, None)] == [None] * 5


def test_numbers_and_times_are_json_numbers() -> None:
    assert (number(Decimal("1.000")), number(Decimal("0.1")), number(0)) == (1, 0.1, 0)
    assert json.dumps(seconds(1795189677_012345678)) == "1795189677.012346"


# -- login ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", LOGINS, ids=[case["description"] for case in LOGINS])
def test_token_of_the_official_package_is_good(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    keys = {inputs["key_id"]: public_key(inputs["private_key_pem"])}
    assert check_token(case["expected"]["token_from_sdk"], keys, inputs["iat"] + 59) == inputs["key_id"]


@pytest.mark.parametrize("late_s", [61, -61])
def test_token_of_another_time_is_refused(late_s: int) -> None:
    case = LOGINS[0]
    keys = {case["inputs"]["key_id"]: public_key(case["inputs"]["private_key_pem"])}
    with pytest.raises(TokenRefused) as caught:
        check_token(case["expected"]["token_from_sdk"], keys, case["inputs"]["iat"] + late_s)
    assert caught.value.violation == "bad_timestamp"


def test_token_by_another_key_is_refused() -> None:
    keys = {"K1": public_key(throwaway_key_pem("right"))}
    with pytest.raises(TokenRefused) as caught:
        check_token(token("K1", throwaway_key_pem("wrong"), 1000.0), keys, 1000.0)
    assert caught.value.violation == "bad_signature"


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256"])
def test_token_of_another_algorithm_is_refused(algorithm: str) -> None:
    keys = {"K1": public_key(throwaway_key_pem("right"))}
    with pytest.raises(TokenRefused):
        check_token(token("K1", throwaway_key_pem("right"), 1000.0, algorithm), keys, 1000.0)


@pytest.mark.parametrize(
    "text", [None, 7, "", "..", "a.b.c", "é.b.c", "e30.e30.", "e30=.e30.AA", "W10.W10.AA", "[" * 9999]
)
def test_what_is_no_token_is_refused(text: Any) -> None:
    with pytest.raises(TokenRefused):
        check_token(text, {}, 0)


@pytest.mark.parametrize("claims", ['{"iat": "1000"}', '{"iat": true}', '{"iat": NaN}', "{}"])
def test_token_without_a_time_is_refused(claims: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = throwaway_key_pem("right")
    monkeypatch.setattr(
        "tests.simulator.thalex_talker.json.dumps",
        lambda part: claims if "iat" in part else '{"alg":"RS512","kid":"K1"}',
    )
    with pytest.raises(TokenRefused) as caught:
        check_token(token("K1", pem), {"K1": public_key(pem)}, 1000)
    assert caught.value.violation == "bad_timestamp"


def test_throw_away_key_is_the_same_for_the_same_seed() -> None:
    assert throwaway_key_pem("right") == throwaway_key_pem.__wrapped__("right") != throwaway_key_pem("wrong")
    assert public_key(throwaway_key_pem("right")).key_size == 2048


# -- candles --------------------------------------------------------------------------------------------------------
def test_candles_join_without_a_gap_and_agree_between_resolutions() -> None:
    born = 1_000_000 * 60 * 10**9
    candles = MarkCandles(born, Decimal(65_000), "X")
    candles.note(born + 5 * 10**9, Decimal(65_010))
    candles.note(born + 200 * 10**9, Decimal(64_990))
    minutes = candles.rows(1_000_000 * 60 - 600, 1_000_000 * 60 + 240, 60)
    assert [start // 60 for start, _ in minutes] == list(range(999_990, 1_000_004))
    assert all(after.open == before.close for (_, before), (_, after) in pairwise(minutes))
    (_, five), *_ = candles.rows(1_000_000 * 60, 1_000_000 * 60 + 300, 300)
    assert five == (65_000.0, 65_010.0, 64_990.0, 64_990.0)


def test_candles_end_with_the_minute_that_runs() -> None:
    candles = MarkCandles(60 * 10**9 * 1000, Decimal(100), "X")
    assert [start for start, _ in candles.rows(60_000 - 120, 10**9, 60)] == [59_880, 59_940, 60_000]
