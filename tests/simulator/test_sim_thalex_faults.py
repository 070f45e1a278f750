"""The faults of the Thalex simulator, as a client meets them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.simulator.thalex_talker import BOOK, FUTURE, PERP, Cut, Desk, Refused, Row

ORDER = {"instrument_name": PERP, "direction": "buy", "price": 64_000, "amount": 0.1}


def test_dropped_answer_was_carried_out_and_cuts_the_socket(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    desk.simulator.fault("drop_answer", account=account["account"], match="private/insert")
    assert talker.call("private/open_orders") == []
    with pytest.raises(Cut):
        talker.call("private/insert", **ORDER, label="lost")
    assert [row["label"] for row in desk.open_orders(account)] == ["lost"]


def test_dropped_answer_of_a_guarded_session_takes_the_order_with_it(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account, guard_s=6)
    desk.simulator.fault("drop_answer", account=account["account"], match="private/insert")
    with pytest.raises(Cut):
        talker.call("private/insert", **ORDER)
    desk.simulator.until(lambda _: not desk.open_orders(account))
    assert desk.session(account).call("private/order_history")["orders"] == []


def test_delayed_request_is_carried_out_late_and_others_pass_it(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    desk.simulator.fault("delay", account=account["account"], match="private/insert", seconds=2)
    began = time.monotonic()
    number = talker.send("private/insert", **ORDER)
    assert talker.call("private/open_orders") == []
    assert talker.answer(number)["status"] == "open" and time.monotonic() - began >= 2


def test_delayed_request_dies_with_its_session(desk: Desk) -> None:
    account = desk.account()
    talker, other = desk.session(account), desk.session(account)
    desk.simulator.fault("delay", account=account["account"], match="private/insert", seconds=2)
    talker.send("private/insert", **ORDER)
    desk.simulator.until(lambda state: not [row for row in state["faults"] if row["kind"] == "delay"])
    due = time.monotonic() + 2
    talker.close()
    while time.monotonic() < due + 0.5:
        assert other.call("private/open_orders") == []


@pytest.mark.parametrize(
    ("kind", "params", "method", "code"),
    [
        ("status", {"status": 503}, "private/insert", 20),
        ("rate_limit", {"retry_after": 0.1}, "private/insert", 4),
        ("reject_next", {"code": 13}, "private/insert", 13),
        ("reject_next", {}, "private/insert", 24),
        ("incomplete", {}, "private/trade_history", 10),
    ],
)
def test_refusing_fault_is_an_error_and_nothing_was_done(
    desk: Desk, kind: str, params: Row, method: str, code: int
) -> None:
    account = desk.account()
    talker = desk.session(account)
    desk.simulator.fault(kind, account=account["account"], match=method, **params)
    arguments: Row = ORDER if method == "private/insert" else {}
    with pytest.raises(Refused) as caught:
        talker.call(method, **arguments)
    assert caught.value.code == code and not desk.open_orders(account)
    assert talker.call("private/order_history")["orders"] == []


def test_rate_limit_holds_for_as_long_as_it_says(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    desk.simulator.fault("rate_limit", account=account["account"], match="private/", retry_after=4)
    for _ in range(3):
        with pytest.raises(Refused):
            talker.call("private/insert", **ORDER)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert talker.call("private/insert", **ORDER)["status"] == "open"
            break
        except Refused as exc:
            assert exc.code == 4 and time.monotonic() < deadline
        time.sleep(0.05)


def test_duplicated_fill_is_told_twice_and_counted_once(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("private/subscribe", channels=["account.orders", "account.trade_history"])
    desk.simulator.fault("duplicate_fill", account=account["account"])
    talker.call("private/buy", instrument_name=FUTURE, amount=0.01, order_type="market")
    trades = talker.until(lambda: len(talker.of("account.trade_history")) == 2 and talker.of("account.trade_history"))
    told = [row["fills"] for rows in talker.of("account.orders") for row in rows if row["fills"]]
    assert trades[0] == trades[1] and len(told) == 2 and told[0] == told[1]
    assert talker.call("private/trade_history")["trades"] == trades[0]


def test_skipped_book_message_shows_in_the_totals(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("public/subscribe", channels=[BOOK])
    talker.until(lambda: talker.of(BOOK))
    desk.simulator.fault("skip_sequence", match="book.")
    talker.insert("buy", 64_000, 0.1)
    talker.insert("buy", 64_001, 0.2)
    talker.until(lambda: len(talker.of(BOOK)) == 2)
    first, second = talker.of(BOOK)
    assert second["bid_changes"] == [[64_001, 0.2, 0.2]]
    assert second["total_bid_amount"] - first["total_bid_amount"] == pytest.approx(0.3)


def test_frozen_book_is_silent_while_the_socket_lives_and_is_true_afterwards(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("public/subscribe", channels=[BOOK, f"ticker.{PERP}.raw"])
    talker.until(lambda: talker.of(BOOK))
    desk.simulator.fault("freeze_book")
    talker.insert("buy", 64_000, 0.1)
    talker.insert("buy", 64_001, 0.2)
    assert len(talker.of(BOOK)) == 1
    desk.simulator.fault("clear", which="freeze_book")
    talker.until(lambda: len(talker.of(BOOK)) == 2)
    assert talker.of(BOOK)[1]["bid_changes"] == [[64_001, 0.2, 0.2], [64_000, 0.1, 0.1]]


def test_disconnect_cuts_the_sockets_of_the_account(desk: Desk) -> None:
    account = desk.account()
    talker, other = desk.session(account), desk.session()
    desk.simulator.fault("disconnect", account=account["account"])
    with pytest.raises(Cut):
        talker.read()
    assert other.call("private/open_orders") == []


def test_announced_disconnect_is_told_on_the_system_channel(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("public/subscribe", channels=["system"])
    desk.simulator.fault("disconnect", account=account["account"], match="system")
    assert talker.until(lambda: talker.of("system")) == [{"event": "reconnect"}]


def test_garbage_and_huge_messages_arrive(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    desk.simulator.fault("garbage", account=account["account"])
    with pytest.raises(ValueError):
        talker.read()
    desk.simulator.fault("huge_message", account=account["account"], bytes=3_000_000)
    assert len(str(talker.read())) > 3_000_000
    assert talker.call("private/open_orders") == []


@pytest.mark.parametrize("where", ["private/insert", "account.orders"])
def test_unknown_field_is_in_the_message(desk: Desk, where: str) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("private/subscribe", channels=["account.orders"])
    talker.until(lambda: talker.of("account.orders"))
    desk.simulator.fault("unknown_field", account=account["account"], match=where)
    row: Any = talker.call("private/insert", **ORDER)
    (notified,) = talker.of("account.orders")[1]
    assert ("zz_added_later" in row) == (where == "private/insert")
    assert ("zz_added_later" in notified) == (where == "account.orders")


@pytest.mark.parametrize("where", ["private/insert", "account.orders"])
def test_unknown_word_is_in_the_message(desk: Desk, where: str) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("private/subscribe", channels=["account.orders"])
    talker.until(lambda: talker.of("account.orders"))
    desk.simulator.fault("unknown_enum", account=account["account"], match=where)
    row = talker.call("private/insert", **ORDER)
    (notified,) = talker.of("account.orders")[1]
    words = {"private/insert": ("suspended", "open"), "account.orders": ("open", "suspended")}
    assert (row["status"], notified["status"]) == words[where]
    assert talker.call("private/open_orders")[0]["status"] == "open"


def test_half_open_socket_says_nothing_and_its_guarded_orders_go(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account, guard_s=1)
    talker.insert("buy", 64_000)
    desk.simulator.fault("half_open", account=account["account"])
    talker.socket.ping()
    with pytest.raises(TimeoutError):
        talker.read(1.5)
    desk.simulator.until(lambda _: not desk.open_orders(account))


def test_expired_login_needs_a_new_one_and_new_subscriptions(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account, guard_s=6)
    talker.call("private/subscribe", channels=["account.orders"])
    talker.insert("buy", 64_000, label="before")
    desk.simulator.fault("expire_token", account=account["account"])
    with pytest.raises(Refused) as caught:
        talker.call("private/open_orders")
    assert caught.value.code == 7 and len(desk.open_orders(account)) == 1
    talker.log_in(account["credentials"])
    heard = len(talker.of("account.orders"))
    assert talker.insert("buy", 64_000, label="after")["persistent"] is False
    assert len(talker.of("account.orders")) == heard
    assert talker.call("private/subscribe", channels=["account.orders"]) == ["account.orders"]


def test_late_notification_comes_after_later_ones(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("private/subscribe", channels=["account.orders"])
    talker.until(lambda: talker.of("account.orders"))
    desk.simulator.fault("delay", account=account["account"], match="account.orders", seconds=2)
    talker.insert("buy", 64_000, client_order_id=1)
    talker.call("private/cancel", client_order_id=1)
    talker.until(lambda: len(talker.of("account.orders")) == 3)
    assert [value[0]["change_reason"] for value in talker.of("account.orders")[1:]] == ["cancel", "insert"]
