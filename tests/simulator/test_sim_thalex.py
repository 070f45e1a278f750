"""The Thalex simulator over its socket: login, the envelope, public calls, sessions and what dies with them."""

from __future__ import annotations

import json
import time
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.simulator.thalex_talker import FUTURE, PERP, Cut, Desk, Refused, Row, code_of, token


# -- login ----------------------------------------------------------------------------------------------------------
def test_login_answers_the_account_number(desk: Desk) -> None:
    account = desk.account()
    assert desk.visitor().log_in(account["credentials"]) == account["credentials"]["venue_account"]


def test_private_call_before_login_is_code_7(desk: Desk) -> None:
    assert code_of(desk.visitor(), "private/open_orders") == 7


def test_wrong_key_is_code_19_and_counted(desk: Desk) -> None:
    one, other = (row["credentials"] for row in desk.simulator.hello["accounts"])
    before = desk.violations().get("bad_signature", 0)
    assert code_of(desk.visitor(), "public/login", token=token(one["key_id"], other["private_key"])) == 19
    assert desk.violations()["bad_signature"] == before + 1


def test_old_token_is_code_19(desk: Desk) -> None:
    keys = desk.account()["credentials"]
    name = token(keys["key_id"], keys["private_key"], time.time() - 61)
    assert code_of(desk.visitor(), "public/login", token=name) == 19


def test_venue_clock_decides_about_a_token(desk: Desk) -> None:
    keys = desk.account()["credentials"]
    desk.simulator.fault("clock_skew", seconds=-100)
    assert code_of(desk.visitor(), "public/login", token=token(keys["key_id"], keys["private_key"])) == 19
    late = token(keys["key_id"], keys["private_key"], time.time() - 100)
    assert desk.visitor().call("public/login", token=late)["account_number"] == keys["venue_account"]


def test_account_of_somebody_else_is_code_28(desk: Desk) -> None:
    keys = desk.account()["credentials"]
    name = token(keys["key_id"], keys["private_key"])
    assert code_of(desk.visitor(), "public/login", token=name, account="A1") == 28


def test_revoked_key_is_code_19(desk: Desk) -> None:
    keys = desk.account(account="x-revoked")["credentials"]
    assert code_of(desk.visitor(), "public/login", token=token(keys["key_id"], keys["private_key"])) == 19


def test_key_that_may_only_look_cannot_insert(desk: Desk) -> None:
    talker = desk.session(desk.account(account="x-view"))
    params = {"instrument_name": PERP, "direction": "buy", "price": 64_000, "amount": 0.1}
    assert code_of(talker, "private/insert", **params) == 28
    assert talker.call("private/open_orders") == []


# -- the envelope ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["{", "[]", "7", '{"method": 7}', '{"method": "x", "params": []}', "[" * 50_000])
def test_what_is_no_request_is_code_6(desk: Desk, text: str) -> None:
    talker = desk.visitor()
    talker.socket.send(text)
    with pytest.raises(Refused) as caught:
        talker.answer(None)
    assert caught.value.code == 6


def test_request_without_id_is_answered_with_null(desk: Desk) -> None:
    talker = desk.visitor()
    talker.socket.send('{"method": "public/system_info", "params": {}}')
    assert talker.answer(None)["api_version"] == "2.0.0"


def test_unknown_method_is_code_31(desk: Desk) -> None:
    assert code_of(desk.visitor(), "public/unsubscribe", channels=[]) == 31


def test_null_argument_is_refused(desk: Desk) -> None:
    params = {"instrument_name": PERP, "direction": "buy", "price": 64_000, "amount": 0.1}
    assert code_of(desk.session(), "private/insert", **params, label=None) == 6


# -- public ---------------------------------------------------------------------------------------------------------
def test_instruments_are_a_perpetual_and_a_dated_future(desk: Desk) -> None:
    talker = desk.visitor()
    rows = {row["instrument_name"]: row for row in talker.call("public/instruments")}
    assert (rows[PERP]["type"], rows[FUTURE]["type"]) == ("perpetual", "future")
    assert rows[FUTURE]["expiration_timestamp"] > time.time()
    assert talker.call("public/instrument", instrument_name=PERP) == rows[PERP]
    assert talker.call("public/all_instruments") == list(rows.values())


def test_book_has_five_levels_at_most_and_agrees_with_the_ticker(desk: Desk) -> None:
    talker = desk.visitor()
    book, ticker = (talker.call(f"public/{what}", instrument_name=PERP) for what in ("book", "ticker"))
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][:2] == [ticker["best_bid_price"], ticker["best_bid_amount"]]
    assert book["asks"][0][:2] == [ticker["best_ask_price"], ticker["best_ask_amount"]]
    assert ticker["collar_low"] < ticker["mark_price"] < ticker["collar_high"]


@pytest.mark.parametrize("method", ["ticker", "book", "instrument"])
def test_unknown_instrument_is_code_5(desk: Desk, method: str) -> None:
    assert code_of(desk.visitor(), f"public/{method}", instrument_name="BTC-PERP") == 5


def test_index_is_that_of_the_underlying(desk: Desk) -> None:
    talker = desk.visitor()
    row = talker.call("public/index", underlying="BTCUSD")
    assert row["index_name"] == "BTCUSD" and row["price"] == talker.call("public/ticker", instrument_name=PERP)["index"]
    assert code_of(talker, "public/index", underlying="XRPUSD") == 5


@pytest.mark.parametrize(("name", "kind", "columns"), [(PERP, "perpetual", 7), (FUTURE, "future", 6)])
def test_mark_history_has_the_rows_asked_for(desk: Desk, name: str, kind: str, columns: int) -> None:
    end = int(time.time()) // 300 * 300
    params = {"instrument_name": name, "from": end - 1500, "to": end}
    found = desk.visitor().call("public/mark_price_historical_data", **params, resolution="5m")
    assert found["instrument_type"] == kind
    assert [row[0] for row in found["mark"]] == list(range(end - 1500, end, 300))
    assert all(len(row) == columns and row[3] <= min(row[1], row[4]) <= row[2] for row in found["mark"])
    assert {row[-1] for row in found["mark"]} == {None}


def test_http_gives_the_same_public_answers(desk: Desk) -> None:
    opener = build_opener(ProxyHandler({}))
    base = desk.simulator.hello["base_url"]

    def ask(path: str) -> Row:
        with opener.open(f"{base}/public/{path}", timeout=10) as answer:
            found: Row = json.load(answer)
            return found

    assert ask("instruments")["result"] == desk.visitor().call("public/instruments")
    assert len(ask(f"book?instrument_name={PERP}")["result"]["bids"]) == 5
    assert ask("ticker?instrument_name=X")["error"]["code"] == 5
    query = f"mark_price_historical_data?instrument_name={PERP}&from=1795230000&to=1795230300&resolution=1m"
    assert len(ask(query)["result"]["mark"]) == 5
    assert ask("login?token=x")["error"]["code"] == 31


# -- sessions -------------------------------------------------------------------------------------------------------
def test_orders_of_a_guarded_session_die_with_its_socket(desk: Desk) -> None:
    account = desk.account()
    talker, watcher = desk.session(account), desk.session(account)
    watcher.call("private/subscribe", channels=["account.orders"])
    talker.insert("buy", 64_000, label="stays")
    assert talker.call("private/set_cancel_on_disconnect", timeout_secs=6) == {"message_rate": 50}
    assert talker.insert("buy", 64_000, label="goes")["persistent"] is False
    talker.close()
    desk.simulator.until(lambda _: len(desk.open_orders(account)) == 1)
    assert [row["label"] for row in desk.open_orders(account)] == ["stays"]
    ended = watcher.until(
        lambda: [rows[0] for rows in watcher.of("account.orders") if rows and "close_time" in rows[0]]
    )
    assert [(row["label"], row["delete_reason"]) for row in ended] == [("goes", "session_end")]


def test_silent_guarded_session_is_ended(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account, guard_s=1)
    talker.insert("buy", 64_000)
    with pytest.raises(Cut):
        talker.until(lambda: False)
    assert not desk.open_orders(account)


def test_pings_keep_a_guarded_session_alive(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account, guard_s=2)
    talker.insert("buy", 64_000)
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        talker.socket.ping()
        with pytest.raises(TimeoutError):
            talker.read(0.3)
    assert len(desk.open_orders(account)) == 1


def test_cancel_session_ends_what_would_die_with_it(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.insert("buy", 64_000, label="stays")
    assert code_of(talker, "private/cancel_session") == 52
    talker.call("private/set_cancel_on_disconnect", timeout_secs=6)
    talker.insert("buy", 64_000, label="goes")
    assert talker.call("private/cancel_session") is None
    assert [row["label"] for row in talker.call("private/open_orders")] == ["stays"]


@pytest.mark.parametrize(("guard_s", "rate"), [(None, 10), (6, 50)])
def test_too_many_requests_to_the_engine_are_code_4(desk: Desk, guard_s: int | None, rate: int) -> None:
    talker = desk.session(guard_s=guard_s)
    numbers = [talker.send("private/cancel", client_order_id=1) for _ in range(3 * rate)]
    codes = []
    for number in numbers:
        with pytest.raises(Refused) as caught:
            talker.answer(number)
        codes.append(caught.value.code)
    assert codes[:rate] == [1] * rate and codes.count(4) >= rate
    assert talker.call("private/open_orders") == []  # not for the engine
