"""The Thalex simulator's channels: what comes first, what comes later, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.sim_process import SimProcess, start_simulator
from tests.simulator.thalex_talker import BOOK, FUTURE, PERP, Desk, Refused, Row, desk_of

ORDERS = ["account.orders", "account.persistent_orders", "session.orders"]


@pytest.fixture(scope="module")
def lively_simulator() -> Iterator[SimProcess]:
    with start_simulator("thalex", "--trades-per-s", "50", "--volatility-bps", "5", "--interval-ms", "10") as process:
        yield process


@pytest.fixture
def lively(lively_simulator: SimProcess) -> Iterator[Desk]:
    with desk_of(lively_simulator) as found:
        yield found


class ReplayedBook:
    """A book kept from notifications, as the rule says."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}

    def take(self, value: Row) -> None:
        for side, levels in self.sides.items():
            for price, amount, outright in value.get(f"{side}_changes", []):
                assert amount == outright
                if amount:
                    levels[Decimal(str(price))] = Decimal(str(amount))
                else:
                    del levels[Decimal(str(price))]  # nothing is removed that was never told

    def totals(self) -> dict[str, Decimal]:
        return {f"total_{side}_amount": sum(levels.values(), Decimal(0)) for side, levels in self.sides.items()}

    def top(self, side: str, depth: int) -> list[list[float]]:
        prices = sorted(self.sides[side], reverse=side == "bid")[:depth]
        return [[float(price), float(self.sides[side][price])] for price in prices]


def totals_of(value: Row) -> dict[str, Decimal]:
    return {key: Decimal(str(amount)) for key, amount in value.items() if key.startswith("total_")}


# -- subscribing ----------------------------------------------------------------------------------------------------
def test_answer_lists_the_channels_really_subscribed(desk: Desk) -> None:
    talker = desk.visitor()
    wanted = [
        BOOK,
        "trades.BTC-PERPETUAL",
        f"ticker.{PERP}.raw",
        "orders",
        f"ticker.{PERP}.50ms",
        "account.orders",
        "system",
    ]
    assert talker.call("public/subscribe", channels=wanted) == [BOOK, f"ticker.{PERP}.raw", "system"]


@pytest.mark.parametrize(
    "name",
    [
        "book.BTC-PERP.none.all.raw",
        f"book.{PERP}.none.all",
        f"book.{PERP}.none.0.raw",
        f"book.{PERP}.0.5.all.raw",
        f"book.{PERP}.x.all.raw",
        "recent_trades.BTCUSD.single",
        f"recent_trades.{PERP}.all",
        "price_index.XRPUSD",
        "",
        "book",
    ],
)
def test_malformed_channel_is_just_missing(desk: Desk, name: str) -> None:
    assert desk.visitor().call("public/subscribe", channels=[name]) == []


def test_private_channels_need_a_login(desk: Desk) -> None:
    with pytest.raises(Refused) as caught:
        desk.visitor().call("private/subscribe", channels=ORDERS)
    assert caught.value.code == 7
    assert desk.session().call("private/subscribe", channels=[*ORDERS, BOOK]) == ORDERS


def test_unsubscribed_channel_is_silent(desk: Desk) -> None:
    talker = desk.session()
    talker.call("private/subscribe", channels=ORDERS)
    talker.call("public/subscribe", channels=[BOOK])
    assert talker.call("unsubscribe", channels=[BOOK, "session.orders", "nonsense"]) == [BOOK, "session.orders"]
    before = len(talker.of(BOOK)) + len(talker.of("session.orders"))
    talker.insert("buy", 64_000)
    talker.until(lambda: len(talker.of("account.orders")) == 2)
    assert len(talker.of(BOOK)) + len(talker.of("session.orders")) == before


# -- market data ----------------------------------------------------------------------------------------------------
def test_first_book_is_whole_and_changes_keep_it_true(lively: Desk) -> None:
    talker = lively.visitor()
    talker.call("public/subscribe", channels=[BOOK])
    talker.until(lambda: len(talker.of(BOOK)) >= 200)
    book = ReplayedBook()
    for number, value in enumerate(talker.of(BOOK)):
        assert number or {"bid_changes", "ask_changes"} <= value.keys()
        book.take(value)
        assert book.totals() == totals_of(value)


def test_book_of_the_channel_is_the_book_of_the_call(desk: Desk) -> None:
    talker = desk.session()
    talker.call("public/subscribe", channels=[BOOK])
    talker.insert("buy", talker.mid() - 1, 0.037)
    found = talker.call("public/book", instrument_name=PERP)
    book = ReplayedBook()
    for value in talker.of(BOOK):
        book.take(value)
    assert book.top("bid", 5) == [row[:2] for row in found["bids"]]
    assert book.top("ask", 5) == [row[:2] for row in found["asks"]]


def test_resubscribed_book_is_whole_again(desk: Desk) -> None:
    talker = desk.visitor()
    for _ in range(2):
        talker.call("public/subscribe", channels=[BOOK])
        talker.until(lambda: talker.of(BOOK))
        talker.call("unsubscribe", channels=[BOOK])
    first, second = talker.of(BOOK)
    assert first["bid_changes"] == second["bid_changes"]


def test_bounded_book_removes_what_leaves_its_window(lively: Desk) -> None:
    name = f"book.{PERP}.none.3.raw"
    talker = lively.visitor()
    talker.call("public/subscribe", channels=[name])
    talker.until(lambda: len(talker.of(name)) >= 50)
    book = ReplayedBook()
    for value in talker.of(name):
        book.take(value)
        assert len(book.sides["bid"]) == len(book.sides["ask"]) == 3


def test_grouped_book_never_promises_a_better_price(desk: Desk) -> None:
    name = f"book.{PERP}.10.2.raw"
    talker = desk.visitor()
    talker.call("public/subscribe", channels=[name])
    (value,) = talker.until(lambda: talker.of(name))
    best = talker.call("public/book", instrument_name=PERP)
    (bid, bid_size, _), (ask, _, _) = value["bid_changes"][0], value["ask_changes"][0]
    assert bid % 10 == ask % 10 == 0 and bid <= best["bids"][0][0] and ask >= best["asks"][0][0]
    assert bid_size == pytest.approx(sum(row[1] for row in best["bids"] if row[0] >= bid))


def test_delay_bounds_how_often_a_channel_speaks(lively: Desk) -> None:
    name = f"book.{PERP}.none.all.500ms"
    talker = lively.visitor()
    talker.call("public/subscribe", channels=[name])
    talker.until(lambda: len(talker.of(name)) == 4)
    times = [value["time"] for value in talker.of(name)]
    assert all(after - before >= 0.49 for before, after in pairwise(times))


def test_first_book_tells_trades_from_before(desk: Desk) -> None:
    talker = desk.session()
    trade = talker.call("private/buy", instrument_name=FUTURE, amount=0.001, order_type="market")["fills"][0]
    name = f"book.{FUTURE}.none.all.raw"
    talker.call("public/subscribe", channels=[name])
    (value,) = talker.until(lambda: talker.of(name))
    assert value["trades"][-1] == [trade["price"], 0.001, "buy", trade["time"], False]


def test_recent_trades_begin_with_a_snapshot(desk: Desk) -> None:
    talker = desk.session()
    talker.call("private/buy", instrument_name=FUTURE, amount=0.001, order_type="market")
    names = [f"recent_trades.{FUTURE}.single", "recent_trades.BTCUSD.all", "recent_trades.BTCUSD.options"]
    assert talker.call("public/subscribe", channels=names) == names
    talker.until(lambda: all(talker.of(name) for name in names))
    talker.call("private/sell", instrument_name=FUTURE, amount=0.002, order_type="market")
    news = talker.until(lambda: talker.of(names[0])[1:])
    assert [row[1:3] + row[4:] for row in news[0]] == [[0.002, "sell", FUTURE, False]]
    assert talker.of(names[2]) == [[]]


def test_tickers_and_index_come_at_once(desk: Desk) -> None:
    names = [f"ticker.{PERP}.100ms", f"lwt.{PERP}.raw", "price_index.BTCUSD", "instruments"]
    talker = desk.visitor()
    talker.call("public/subscribe", channels=names)
    talker.until(lambda: all(talker.of(name) for name in names))
    ticker, light, index, instruments = (talker.of(name)[0] for name in names)
    assert light["b"][:2] == [ticker["best_bid_price"], ticker["best_bid_amount"]]
    assert (light["m"], index["price"]) == (ticker["mark_price"], ticker["index"])
    assert [row["added"]["instrument_name"] for row in instruments] == [PERP, FUTURE]
    talker.until(lambda: len(talker.of("price_index.BTCUSD")) == 3)


# -- orders and fills -----------------------------------------------------------------------------------------------
def test_life_of_an_order_is_told_step_by_step(desk: Desk) -> None:
    account = desk.account()
    talker = desk.session(account)
    talker.call("private/subscribe", channels=ORDERS)
    talker.insert("buy", 64_000, 0.1, client_order_id=1)
    desk.simulator.fault("partial_fill", account=account["account"], lots=40)
    talker.call("private/amend", client_order_id=1, price=64_001, amount=0.2)
    talker.call("private/cancel", client_order_id=1)
    talker.until(lambda: all(len(talker.of(name)) == 5 for name in ORDERS))
    for name in ORDERS:
        rows = [value[0] for value in talker.of(name)[1:]]
        assert [row["change_reason"] for row in rows] == ["insert", "fill", "amend", "cancel"]
        assert [len(row["fills"]) for row in rows] == [0, 1, 0, 0]
        assert [row["status"] for row in rows[1:]] == ["partially_filled"] * 2 + ["cancelled_partially_filled"]


def test_open_orders_come_as_existing_with_all_their_fills(desk: Desk) -> None:
    account = desk.account()
    maker, watcher = desk.session(account), desk.session(account)
    maker.insert("buy", 64_000, 0.1)
    for _ in range(2):
        desk.simulator.fault("partial_fill", account=account["account"], lots=10)
    watcher.call("private/subscribe", channels=ORDERS)
    watcher.until(lambda: all(watcher.of(name) for name in ORDERS))
    ((row,),) = watcher.of("account.orders")
    assert (row["change_reason"], len(row["fills"]), row["filled_amount"]) == ("existing", 2, 0.02)
    assert watcher.of("session.orders") == [[]]


def test_orders_that_die_with_a_session_are_not_among_the_persistent_ones(desk: Desk) -> None:
    talker = desk.session(guard_s=6)
    talker.call("private/subscribe", channels=ORDERS)
    talker.insert("buy", 64_000)
    talker.until(lambda: len(talker.of("session.orders")) == 2)
    assert talker.of("account.persistent_orders") == [[]]


def test_fill_is_told_by_the_order_channels_before_the_trade_history(desk: Desk) -> None:
    talker = desk.session()
    names = ["account.orders", "account.trade_history", "account.order_history", "account.portfolio"]
    talker.call("private/subscribe", channels=names)
    row = talker.call("private/buy", instrument_name=FUTURE, amount=0.01, order_type="market", label="t")
    (trade,), _ = (
        talker.until(lambda: talker.of("account.trade_history")),
        talker.until(lambda: talker.of("account.order_history")),
    )
    order = [name for name, value in talker.heard if value]
    assert order.index("account.orders") < order.index("account.portfolio") < order.index("account.trade_history")
    assert trade[0]["trade_id"] == row["fills"][0]["trade_id"] and trade[0]["label"] == "t"
    assert talker.of("account.portfolio")[1][0]["position"] == trade[0]["position_after"] == 0.01
    assert talker.of("account.order_history")[0][0]["delete_reason"] == "filled"
    assert talker.call("private/trade_history")["trades"] == trade


def test_other_account_hears_nothing(desk: Desk) -> None:
    talker, other = desk.session(), desk.session()
    other.call("private/subscribe", channels=[*ORDERS, "account.trade_history"])
    talker.call("private/buy", instrument_name=FUTURE, amount=0.01, order_type="market")
    with pytest.raises(TimeoutError):
        other.until(lambda: any(value for _, value in other.heard), seconds=0.3)


def test_account_summary_comes_again_and_again(desk: Desk) -> None:
    talker = desk.session()
    talker.call("private/subscribe", channels=["account.summary"])
    talker.until(lambda: len(talker.of("account.summary")) == 2)
    assert talker.of("account.summary")[0] == talker.call("private/account_summary")


def test_position_is_told_again_when_the_mark_moves_by_more_than_a_percent(desk: Desk) -> None:
    talker = desk.session()
    talker.call("private/buy", instrument_name=FUTURE, amount=0.01, order_type="market")
    talker.call("private/subscribe", channels=["account.portfolio"])
    mark = talker.until(lambda: talker.of("account.portfolio"))[0][0]["mark_price"]
    desk.simulator.price(FUTURE, round(mark * 1.02))
    talker.until(lambda: len(talker.of("account.portfolio")) == 2)
    desk.simulator.price(FUTURE, round(mark))
    assert talker.of("account.portfolio")[1][0]["mark_price"] == pytest.approx(mark * 1.02, rel=1e-3)
