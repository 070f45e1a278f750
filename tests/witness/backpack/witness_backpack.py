"""bpx-py drives the Backpack simulator: markets, book, orders, fills, balances, positions; /_sim/state must agree."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal
from typing import Any
from urllib.request import ProxyHandler, build_opener

from bpx.account import Account
from bpx.public import Public

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
_OPENER = build_opener(ProxyHandler({}))


class Witness:
    """One account of bpx-py beside the simulator's own record of it."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self.control_url, row = hello["control_url"], hello["accounts"][0]
        Public.BASE_URL = Account.BPX_API_URL = hello["base_url"] + "/"
        self.name, keys = row["account"], row["credentials"]
        self.public, self.account = Public(), Account(keys["api_key"], keys["api_secret"])
        self.stranger = Account(keys["api_key"], hello["accounts"][1]["credentials"]["api_secret"])

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price; this one call of the synchronous half is a coroutine in bpx-py 2.0.11."""
        return Decimal(asyncio.run(self.public.get_all_mark_prices(symbol))[0]["markPrice"])

    def state(self) -> dict[str, Any]:
        """Return the simulator's record of our account."""
        with _OPENER.open(f"{self.control_url}/_sim/state", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)["accounts"][self.name]
        return found


def check_markets(witness: Witness) -> None:
    """Markets, book, time and candles as a stranger reads them."""
    markets = {row["symbol"]: row for row in witness.public.get_markets()}
    assert markets.keys() == {SPOT, PERP}, markets
    assert markets[PERP]["marketType"] == "PERP"
    assert Decimal(markets[SPOT]["filters"]["price"]["tickSize"]) > 0
    book = witness.public.get_depth(SPOT)
    best_bid, best_ask = max(Decimal(row[0]) for row in book["bids"]), min(Decimal(row[0]) for row in book["asks"])
    assert 0 < best_bid < best_ask and int(book["lastUpdateId"]) > 0
    assert abs(int(witness.public.get_time()) - time.time() * 1000) < 2000
    assert witness.public.get_status()["status"] == "Ok"
    candles = witness.public.get_klines(SPOT, "1m", int(time.time()) - 600)
    assert len(candles) >= 9 and Decimal(candles[0]["close"]) > 0
    assert witness.mark(PERP) > 0
    assert witness.public.get_funding_interval_rates(PERP)[0]["symbol"] == PERP
    assert isinstance(witness.public.get_recent_trades(SPOT), list)


def check_resting_order(witness: Witness) -> None:
    """A limit order is placed, listed, found and cancelled, by venue id and by client id."""
    account = witness.account
    price = str((witness.mark(PERP) * Decimal("0.9")).quantize(Decimal("0.01")))
    placed = account.execute_order(PERP, "Bid", "Limit", "GTC", "1.5", price, post_only=True, client_id=77)
    assert placed["status"] == "New" and placed["clientId"] == 77, placed
    (ours,) = witness.state()["open_orders"]
    assert ours["order_id"] == placed["id"] and ours["client_id"] == "77"
    assert Decimal(ours["price"]) == Decimal(placed["price"]) == Decimal(price)
    assert Decimal(ours["size"]) == Decimal(placed["quantity"])
    assert [row["id"] for row in account.get_open_orders(symbol=PERP)] == [placed["id"]]
    assert account.get_open_order(PERP, client_id=77)["id"] == placed["id"]
    assert account.cancel_order(PERP, client_id=77)["status"] == "Cancelled"
    assert account.get_open_order(PERP, order_id=placed["id"])["code"] == "RESOURCE_NOT_FOUND"
    for _ in range(2):
        account.execute_order(PERP, "Bid", "Limit", quantity="1", price=price)
    assert len(witness.state()["open_orders"]) == 2
    assert [row["status"] for row in account.cancel_all_orders(PERP)] == ["Cancelled", "Cancelled"]
    assert account.get_open_orders() == [] and witness.state()["open_orders"] == []


def check_fills(witness: Witness) -> None:
    """Market and IOC orders fill; history, balances and positions agree with the simulator's record."""
    account = witness.account
    bought = account.execute_order(SPOT, "Bid", "Market", quantity="1.25")
    assert bought["status"] == "Filled" and Decimal(bought["executedQuantity"]) == Decimal("1.25"), bought
    ask = min(Decimal(row[0]) for row in witness.public.get_depth(PERP)["asks"])
    price = str((ask * Decimal("1.01")).quantize(Decimal("0.01")))
    taken = account.execute_order(PERP, "Bid", "Limit", "IOC", "0.5", price)
    assert taken["status"] == "Filled", taken
    _same_fills(account.get_fill_history(), witness.state()["fills"])
    past = account.get_order_history(limit=10)
    assert [row["id"] for row in past[:2]] == [taken["id"], bought["id"]], past
    for asset, row in account.get_balances().items():
        ours = witness.state()["balances"][asset]
        assert Decimal(row["available"]) + Decimal(row["locked"]) == Decimal(ours["total"]), (asset, row, ours)
    (position,) = account.get_open_positions()
    ours = witness.state()["positions"][PERP]
    assert Decimal(position["netQuantity"]) == Decimal(ours["size"]) == Decimal("0.5")
    assert Decimal(position["entryPrice"]) == Decimal(ours["entry_price"])


def _same_fills(told: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
    assert len(told) == len(kept) >= 2
    for row, ours in zip(told, reversed(kept), strict=True):
        assert str(row["tradeId"]) == str(ours["trade_id"]) and row["orderId"] == ours["order_id"]
        assert row["side"] == {"buy": "Bid", "sell": "Ask"}[ours["side"]] and row["symbol"] == ours["symbol"]
        for name, our_name in (("price", "price"), ("quantity", "size"), ("fee", "fee")):
            assert Decimal(row[name]) == Decimal(ours[our_name]), (row, ours)
        assert row["feeSymbol"] == ours["fee_asset"] and row["isMaker"] == (ours["liquidity"] == "maker")


def check_account(witness: Witness) -> None:
    """Settings, collateral, limits and lending."""
    account = witness.account
    account.update_account(leverage_limit="5")
    assert Decimal(account.get_account()["leverageLimit"]) == 5
    collateral = account.get_collateral()
    assert Decimal(collateral["netEquity"]) > 0 and {row["symbol"] for row in collateral["collateral"]} == {
        "SOL",
        "USDC",
    }
    assert Decimal(account.get_max_order_quantity(PERP, "Bid", "150")["maxOrderQuantity"]) > 0
    assert account.execute_borrow_lend("10", "Lend", "USDC") == ""
    assert Decimal(account.get_borrow_lend_positions()[0]["netQuantity"]) == 10


def check_refusals(witness: Witness) -> None:
    """What is wrong is refused with a code."""
    account = witness.account
    assert witness.stranger.get_balances()["code"] == "INVALID_SIGNATURE"
    assert account.execute_order("NO_SUCH", "Bid", "Limit", quantity="1", price="150")["code"] == "INVALID_SYMBOL"
    assert account.execute_order(SPOT, "Bid", "Limit", quantity="1", price="150.001")["code"] == "INVALID_PRICE"
    assert account.execute_order(SPOT, "Bid", "Market", quantity="99999")["code"] == "INSUFFICIENT_FUNDS"
    assert account.cancel_order(SPOT, order_id="1")["code"] == "RESOURCE_NOT_FOUND"


def main() -> None:
    """Check everything; an assertion that fails ends the process with status 1."""
    witness = Witness(json.loads(sys.argv[1]))
    for check in (check_markets, check_resting_order, check_fills, check_account, check_refusals):
        check(witness)
        print(f"bpx-py: {check.__name__} holds", flush=True)


if __name__ == "__main__":
    main()
