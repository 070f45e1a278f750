"""ccxt drives the Backpack simulator: REST, a book kept from the stream, private order messages."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from urllib.request import ProxyHandler, build_opener

import ccxt.pro as ccxt

SPOT, PERP = "SOL/USDC", "SOL/USDC:USDC"
_SECONDS = 30
_OPENER = build_opener(ProxyHandler({}))


def _state(hello: dict[str, Any]) -> dict[str, Any]:
    with _OPENER.open(f"{hello['control_url']}/_sim/state", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def check_rest(venue: Any, hello: dict[str, Any]) -> None:
    """Markets, book, an order's life, a batch, fills, balances and positions."""
    markets = await venue.load_markets()
    assert {SPOT, PERP} <= markets.keys(), list(markets)
    assert markets[SPOT]["spot"] and markets[PERP]["swap"]
    assert (markets[PERP]["precision"]["price"], markets[PERP]["precision"]["amount"]) == (0.01, 0.01)
    book = await venue.fetch_order_book(PERP, 20)
    assert 0 < book["bids"][0][0] < book["asks"][0][0] and len(book["bids"]) == 20
    assert book["bids"] == sorted(book["bids"], reverse=True)
    price = round(book["bids"][0][0] * 0.9, 2)
    placed = await venue.create_order(PERP, "limit", "buy", 1.5, price, {"postOnly": True})
    (ours,) = _state(hello)["accounts"]["a"]["open_orders"]
    assert (placed["id"], placed["status"]) == (ours["order_id"], "open")
    assert (float(ours["price"]), float(ours["size"])) == (price, 1.5) == (placed["price"], placed["amount"])
    assert [row["id"] for row in await venue.fetch_open_orders(PERP)] == [placed["id"]]
    assert (await venue.cancel_order(placed["id"], PERP))["status"] == "canceled"
    order = {"symbol": PERP, "type": "limit", "side": "buy", "amount": 1, "price": price}
    assert [row["status"] for row in await venue.create_orders([order, order])] == ["open", "open"]
    await venue.cancel_all_orders(PERP)
    assert _state(hello)["accounts"]["a"]["open_orders"] == []
    assert len(await venue.fetch_ohlcv(SPOT, "1m", limit=10)) >= 9


async def check_fills(venue: Any, hello: dict[str, Any]) -> None:
    """A market order fills; trades, balances and positions agree with the simulator's record."""
    await venue.create_order(SPOT, "market", "buy", 1.25)
    await venue.create_order(PERP, "market", "sell", 0.5)
    kept = _state(hello)["accounts"]["a"]
    trades = {row["id"]: row for row in await venue.fetch_my_trades()}
    assert trades.keys() == {str(row["trade_id"]) for row in kept["fills"]}
    for row in kept["fills"]:
        told = trades[str(row["trade_id"])]
        assert (told["price"], told["amount"], told["side"]) == (float(row["price"]), float(row["size"]), row["side"])
        assert (told["fee"]["cost"], told["fee"]["currency"]) == (float(row["fee"]), row["fee_asset"])
    balance = await venue.fetch_balance()
    for asset, row in kept["balances"].items():
        assert abs(balance[asset]["total"] - float(row["total"])) < 1e-9, (asset, balance[asset], row)
    (position,) = await venue.fetch_positions()
    assert (position["symbol"], position["side"], float(position["contracts"])) == (PERP, "short", 0.5), position


async def check_stream_book(venue: Any, hello: dict[str, Any]) -> None:
    """A book that ccxt keeps from snapshot and deltas stays uncrossed and goes forward."""
    first = await venue.watch_order_book(SPOT)
    numbers = [first["nonce"]]
    for _ in range(20):
        book = await venue.watch_order_book(SPOT)
        numbers.append(book["nonce"])
        assert book["bids"][0][0] < book["asks"][0][0], book
    assert numbers == sorted(numbers) and numbers[-1] > numbers[0]


async def check_stream_orders(venue: Any, hello: dict[str, Any]) -> None:
    """A signed subscription tells a new order."""
    watching = asyncio.ensure_future(venue.watch_orders(PERP))
    placed: list[str] = []
    while not watching.done():
        book = await venue.fetch_order_book(PERP, 5)
        order = await venue.create_order(PERP, "limit", "buy", 1, round(book["bids"][0][0] * 0.9, 2))
        placed.append(order["id"])
        await asyncio.wait([watching], timeout=0.2)
    told = watching.result()
    assert told[-1]["id"] in placed and told[-1]["status"] == "open", told
    await venue.cancel_all_orders(PERP)


async def check_refusals(venue: Any, hello: dict[str, Any]) -> None:
    """What is wrong becomes ccxt's own errors."""
    secret, venue.secret = venue.secret, hello["accounts"][1]["credentials"]["api_secret"]
    assert await _raised(venue.fetch_balance()) is ccxt.AuthenticationError
    venue.secret = secret
    book = await venue.fetch_order_book(SPOT, 5)
    crossing = venue.create_order(SPOT, "limit", "buy", 1, book["asks"][0][0], {"postOnly": True})
    assert await _raised(crossing) is ccxt.InvalidOrder
    assert await _raised(venue.create_order(SPOT, "market", "buy", 99_999)) is ccxt.InsufficientFunds


async def _raised(call: Any) -> type[BaseException] | None:
    try:
        await call
    except ccxt.BaseError as exc:
        return type(exc)
    return None


async def witness(hello: dict[str, Any]) -> None:
    """Check everything within a time."""
    keys = hello["accounts"][0]["credentials"]
    venue = ccxt.backpack({"apiKey": keys["api_key"], "secret": keys["api_secret"], "enableRateLimit": False})
    ws_url = hello["ws_url"]
    venue.urls["api"] = {"public": hello["base_url"], "private": hello["base_url"]}
    venue.urls["api"]["ws"] = {"public": ws_url, "private": ws_url}
    try:
        for check in (check_rest, check_fills, check_stream_book, check_stream_orders, check_refusals):
            await asyncio.wait_for(check(venue, hello), _SECONDS)
            print(f"ccxt: {check.__name__} holds", flush=True)
    finally:
        await venue.close()


if __name__ == "__main__":
    asyncio.run(witness(json.loads(sys.argv[1])))
