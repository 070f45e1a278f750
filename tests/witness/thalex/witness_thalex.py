"""The official thalex package drives the Thalex simulator: login, data, orders, fills; /_sim/state must agree.

Run by tests/witness/run_witness.py in an environment of its own; imports nothing of makerd.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.request import ProxyHandler, build_opener

import thalex as th

PERP = "BTC-PERPETUAL"
BOOK, TICKER = f"book.{PERP}.none.all.raw", f"ticker.{PERP}.raw"
PRIVATE = ["account.orders", "session.orders", "account.trade_history", "account.portfolio", "account.summary"]
ANSWER_S, GUARD_S = 20, 6  # the package pings every 5 s
_OPENER = build_opener(ProxyHandler({}))


class Witness:
    """One session of the package beside the simulator's own record of its account."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self.control_url, row = hello["control_url"], hello["accounts"][0]
        self.name, self.keys = row["account"], row["credentials"]
        # The package only asks its network for `.value`.
        self.venue = th.Thalex(SimpleNamespace(value=hello["ws_url"]))
        self.heard: list[tuple[str, Any]] = []
        self._ids = itertools.count(1)

    async def ask(self, call: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any) -> Any:
        """Return the answer to a call of the package: a result, or the error object."""
        number = next(self._ids)
        await call(*args, **kwargs, id=number)
        while (message := await self.read()).get("id") != number:
            pass
        return message["result"] if "result" in message else message["error"]

    async def read(self) -> dict[str, Any]:
        """Return the next message; a notification is also kept."""
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.venue.receive(), ANSWER_S))
        if "channel_name" in message:
            self.heard.append((message["channel_name"], message["notification"]))
        return message

    async def until(self, what: Callable[[], Any]) -> Any:
        """Read on until `what` is true and return it."""
        while not (found := what()):
            await self.read()
        return found

    def of(self, channel: str) -> list[Any]:
        """Return what a channel said so far."""
        return [value for name, value in self.heard if name == channel]

    def state(self) -> dict[str, Any]:
        """Return the simulator's whole state."""
        with _OPENER.open(f"{self.control_url}/_sim/state", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def account(self) -> dict[str, Any]:
        """Return the simulator's record of our account."""
        found: dict[str, Any] = self.state()["accounts"][self.name]
        return found


def same(told: Any, recorded: str) -> bool:
    """Tell whether a JSON number is the recorded decimal."""
    return Decimal(str(told)) == Decimal(recorded)


async def check_login(witness: Witness) -> None:
    """A private call before login, a wrong key, a right one, and cancel on disconnect."""
    venue, keys = witness.venue, witness.keys
    await venue.connect()
    assert venue.connected()
    assert (await witness.ask(venue.open_orders))["code"] == 7
    refused = await witness.ask(venue.login, "K0", keys["private_key"])
    assert refused["code"] == 19, refused
    found = await witness.ask(venue.login, keys["key_id"], keys["private_key"], account=keys["venue_account"])
    assert found == {"account_number": keys["venue_account"]}, found
    assert await witness.ask(venue.set_cancel_on_disconnect, GUARD_S) == {"message_rate": 50}


async def check_market_data(witness: Witness) -> float:
    """Instruments, ticker, book, candles, and the book channel against them; returns the mark price."""
    venue = witness.venue
    rows = {row["instrument_name"]: row for row in await witness.ask(venue.instruments)}
    market = witness.state()["markets"]
    assert rows.keys() == market.keys()
    assert same(rows[PERP]["tick_size"], market[PERP]["tick_size"])
    assert same(rows[PERP]["volume_tick_size"], market[PERP]["lot_size"])
    ticker = await witness.ask(venue.ticker, PERP)
    assert ticker["best_bid_price"] < ticker["mark_price"] < ticker["best_ask_price"]
    book = await witness.ask(venue.book, PERP)
    assert 0 < len(book["bids"]) <= 5 and book["bids"][0][0] < book["asks"][0][0]
    assert (await witness.ask(venue.index, "BTCUSD"))["price"] > 0
    now = int(time.time())
    # The package cannot turn its own Resolution into JSON (a TypeError), so it is given the word.
    candles = await witness.ask(venue.mark_price_historical_data, PERP, now - 600, now, "1m")
    assert len(candles["mark"]) in (9, 10), candles
    wanted = [BOOK, TICKER, "instruments", "nonsense"]
    assert await witness.ask(venue.public_subscribe, wanted) == wanted[:-1]
    await witness.until(lambda: len(witness.of(BOOK)) > 20 and witness.of(TICKER))
    check_book(witness.of(BOOK))
    return float(ticker["mark_price"])


def check_book(told: list[Any]) -> None:
    """A book kept by the rule is never crossed, and its sizes add up to the totals that are told."""
    sides: dict[str, dict[float, Decimal]] = {"bid": {}, "ask": {}}
    for value in told:
        for side, levels in sides.items():
            levels.update({row[0]: Decimal(str(row[1])) for row in value.get(f"{side}_changes", [])})
            for price in [price for price, amount in levels.items() if not amount]:
                del levels[price]
            assert same(value[f"total_{side}_amount"], str(sum(levels.values()))), value
        assert max(sides["bid"]) < min(sides["ask"])


async def check_resting_order(witness: Witness, mark: float) -> None:
    """A limit order is placed, told, listed, amended and cancelled; the wrong ones are refused by code."""
    venue, price = witness.venue, round(mark * 0.98)
    assert await witness.ask(venue.private_subscribe, PRIVATE) == PRIVATE
    order = await witness.ask(
        venue.insert, th.Direction.BUY, PERP, 0.1, client_order_id=1001, price=price, label="w1",
        order_type=th.OrderType.LIMIT, time_in_force=th.TimeInForce.GTC, post_only=True, reject_post_only=True,
    )  # fmt: skip
    assert (order["status"], order["label"], order["persistent"]) == ("open", "w1", False), order
    (recorded,) = witness.account()["open_orders"]
    assert recorded["order_id"] == order["order_id"] and recorded["label"] == "w1"
    assert same(order["price"], recorded["price"]) and same(order["amount"], recorded["size"])
    assert [row["order_id"] for row in await witness.ask(venue.open_orders)] == [order["order_id"]]
    again = await witness.ask(venue.buy, PERP, 0.1, client_order_id=1001, price=price)
    assert again["code"] == 2, again
    assert (await witness.ask(venue.buy, PERP, 0.1, price=price + 0.5))["code"] == 15
    assert (await witness.ask(venue.buy, "XRP-PERPETUAL", 0.1, price=price))["code"] == 5
    amended = await witness.ask(venue.amend, 0.2, price - 10, client_order_id=1001)
    assert (amended["price"], amended["amount"], amended["change_reason"]) == (price - 10, 0.2, "amend")
    assert same(amended["amount"], witness.account()["open_orders"][0]["size"])
    crossing = await witness.ask(venue.sell, PERP, 0.1, price=round(mark * 0.99), post_only=True, reject_post_only=True)
    assert (crossing["status"], crossing["delete_reason"]) == ("cancelled", "immediate_cancel"), crossing
    cancelled = await witness.ask(venue.cancel, order_id=order["order_id"])
    assert (cancelled["status"], cancelled["delete_reason"]) == ("cancelled", "client_cancel")
    assert (await witness.ask(venue.cancel, order_id=order["order_id"]))["code"] == 1
    assert not witness.account()["open_orders"]
    told = [row for rows in witness.of("session.orders") for row in rows if row["order_id"] == order["order_id"]]
    assert [row["change_reason"] for row in told] == ["insert", "amend", "cancel"], told


async def check_fill(witness: Witness, mark: float) -> None:
    """An order that takes is filled; reply, channels, history, position and money agree with the record."""
    venue = witness.venue
    order = await witness.ask(
        venue.insert, th.Direction.BUY, PERP, 0.05, price=round(mark * 1.01), label="w2",
        time_in_force=th.TimeInForce.IOC,
    )  # fmt: skip
    assert (order["status"], order["filled_amount"], order["remaining_amount"]) == ("filled", 0.05, 0), order
    await witness.until(lambda: witness.of("account.trade_history"))
    channel = [row for rows in witness.of("account.trade_history") for row in rows]
    history = (await witness.ask(venue.trade_history, limit=100, sort=th.Sort.ASC))["trades"]
    recorded = witness.account()["fills"]
    ids = [fill["trade_id"] for fill in order["fills"]]
    assert ids == [row["trade_id"] for row in history] == [row["trade_id"] for row in recorded]
    assert {row["trade_id"] for row in channel} <= set(ids)
    for row, fill in zip(history, recorded, strict=True):
        assert same(row["price"], fill["price"]) and same(row["amount"], fill["size"]) and same(row["fee"], fill["fee"])
        assert (row["maker_taker"], row["label"], row["direction"]) == ("taker", "w2", "buy")
    portfolio = await witness.ask(venue.portfolio)
    assert same(portfolio[0]["position"], witness.account()["positions"][PERP]["size"])
    summary, money = await witness.ask(venue.account_summary), witness.account()["balances"]["USD"]
    assert same(summary["cash"][0]["balance"], money["total"]) and summary["required_margin"] > 0
    breakdown = await witness.ask(venue.account_breakdown)
    assert breakdown["account_number"] == witness.keys["venue_account"]
    margin = await witness.ask(venue.required_margin_for_order, instrument_name=PERP, price=mark, amount=1)
    assert margin["with_buy"]["required_margin"] > margin["current"]["required_margin"]
    finished = (await witness.ask(venue.order_history))["orders"]
    assert [row["label"] for row in finished] == ["w2"]  # unfilled orders of a guarded session are not listed
    told = [row for rows in witness.of("account.orders") for row in rows if row.get("label") == "w2"]
    assert [fill["trade_id"] for row in told for fill in row["fills"]] == ids
    reduced = await witness.ask(venue.sell, PERP, 1, price=round(mark * 0.99), reduce_only=True)
    assert reduced["amount"] == 0.05 and reduced.get("reduce_only") is True, reduced


async def check_quotes(witness: Witness, mark: float) -> None:
    """Mass quotes need a protection, stand on both sides, and go together."""
    venue = witness.venue
    quote = th.Quote(PERP, th.SideQuote(round(mark * 0.98), 0.1), th.SideQuote(round(mark * 1.02), 0.1))
    assert (await witness.ask(venue.mass_quote, [quote]))["n_fail"] == 2
    assert await witness.ask(venue.set_mm_protection, th.Product.BTC_FUTURES, 1, 2) is None
    found = await witness.ask(venue.mass_quote, [quote], label="q", post_only=True)
    assert found == {"n_success": 2, "n_fail": 0, "errors": []}, found
    assert len(witness.account()["open_orders"]) == 2
    await witness.ask(venue.cancel_mass_quote, th.Product.BTC_FUTURES)
    assert not witness.account()["open_orders"]


async def check_end(witness: Witness, mark: float) -> None:
    """The package's pings keep a guarded session alive; its end takes the orders with it."""
    venue = witness.venue
    assert await witness.ask(venue.cancel_session) is None
    assert await witness.ask(venue.unsubscribe, [BOOK, TICKER]) == [BOOK, TICKER]
    for number in range(2):
        await witness.ask(venue.buy, PERP, 0.1, price=round(mark * 0.98) - number)
    assert await witness.ask(venue.cancel_all) == 2
    await witness.ask(venue.buy, PERP, 0.1, price=round(mark * 0.98))
    quiet_until = time.monotonic() + GUARD_S + 1
    while time.monotonic() < quiet_until:  # we ask nothing; what the package sends by itself has to do
        await witness.read()
    assert len(witness.account()["open_orders"]) == 1
    await venue.disconnect()
    deadline = time.monotonic() + 10
    while witness.account()["open_orders"]:
        assert time.monotonic() < deadline, "orders of a closed session are still there"
        await asyncio.sleep(0.02)


async def testify(hello: dict[str, Any]) -> None:
    """Check everything, one after the other."""
    witness = Witness(hello)
    await check_login(witness)
    mark = await check_market_data(witness)
    await check_resting_order(witness, mark)
    await check_fill(witness, mark)
    await check_quotes(witness, mark)
    await check_end(witness, mark)


if __name__ == "__main__":
    asyncio.run(testify(json.loads(sys.argv[1])))
