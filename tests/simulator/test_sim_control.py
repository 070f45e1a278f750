from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.echo_venue import Bench, run
from tests.simulator.exchange_parts import PERP, SPOT


def test_health_tells_the_venue() -> None:
    async def scenario(bench: Bench) -> None:
        status, answer = await bench.control("health")
        assert status == 200 and answer["ok"] and answer["venue"] == "echo" and answer["pid"] == bench.hello["pid"]

    run(scenario)


def test_hello_line_has_addresses_symbols_and_credentials() -> None:
    async def scenario(bench: Bench) -> None:
        hello = bench.hello
        assert hello["base_url"].startswith("http://127.0.0.1:") and hello["base_url"].endswith("/v1")
        assert hello["ws_url"].startswith("ws://127.0.0.1:") and hello["ws_url"].endswith("/ws")
        assert hello["symbols"] == [SPOT, PERP]
        assert hello["accounts"][0] == {
            "account": "a",
            "credentials": {"api_key": "key-a-1"},
            "balances": {"SOL": "10", "USDC": "1000"},
        }

    run(scenario)


def test_order_of_another_trader_fills_a_resting_one_and_the_state_shows_both() -> None:
    async def scenario(bench: Bench) -> None:
        maker = {"account": "a", "symbol": SPOT, "side": "buy", "price": "99.99", "size": 0.5, "client_id": 7}
        status, resting = await bench.control("order", {**maker, "post_only": True})
        assert status == 200 and (resting["state"], resting["client_id"]) == ("NEW", "7")
        _, state = await bench.control("state")
        assert [order["price"] for order in state["accounts"]["a"]["open_orders"]] == ["99.99"]
        for size in ("0.2", "0.1"):
            taker = {"account": "b", "symbol": "SOL-USDC", "side": "sell", "price": "90", "size": size, "tif": "IOC"}
            await bench.control("order", taker)
        _, state = await bench.control("state?account=a&fills=1")
        assert list(state["accounts"]) == ["a"] and state["accounts"]["a"]["fill_count"] == 2
        (fill,) = state["accounts"]["a"]["fills"]
        assert (fill["price"], fill["size"], fill["liquidity"], fill["client_id"]) == ("99.99", "0.100", "maker", "7")
        assert state["accounts"]["a"]["balances"]["SOL"] == {"total": "10.300", "available": "10.300"}

    run(scenario)


def test_null_price_is_a_market_order_and_a_position_is_shown() -> None:
    async def scenario(bench: Bench) -> None:
        order = {"account": "a", "symbol": PERP, "side": "sell", "price": None, "size": "1"}
        assert (await bench.control("order", order))[1]["state"] == "FILLED"
        _, state = await bench.control("state")
        assert state["accounts"]["a"]["positions"][PERP]["size"] == "-1.000"
        closing = {**order, "side": "buy", "size": "2", "reduce_only": True}
        assert (await bench.control("order", closing))[1]["filled"] == "1.000"

    run(scenario)


def test_rejected_order_is_an_answer_with_its_reason() -> None:
    async def scenario(bench: Bench) -> None:
        order = {"account": "a", "symbol": SPOT, "side": "buy", "price": "90", "size": "1000"}
        status, answer = await bench.control("order", order)
        assert status == 200 and answer["state"] == "REJECTED"
        assert answer["reason"].startswith("insufficient_balance USDC")

    run(scenario)


def test_cancel_ends_one_order_or_all_of_an_account() -> None:
    async def scenario(bench: Bench) -> None:
        order = {"account": "a", "symbol": SPOT, "side": "buy", "price": "90", "size": "1"}
        ids = [(await bench.control("order", order))[1]["order_id"] for _ in range(3)]
        assert await bench.control("cancel", {"account": "a", "order_id": ids[1]}) == (200, {"cancelled": [ids[1]]})
        assert await bench.control("cancel", {"account": "a", "order_id": ids[1]}) == (200, {"cancelled": []})
        assert await bench.control("cancel", {"account": "a", "symbol": PERP}) == (200, {"cancelled": []})
        assert await bench.control("cancel", {"account": "a"}) == (200, {"cancelled": [ids[0], ids[2]]})

    run(scenario)


def test_new_account_has_keys_and_its_own_balances_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        status, first = await bench.control("account", {})
        assert status == 200 and first["account"] == "s1" and first["credentials"] == {"api_key": "key-s1-1"}
        asked = {"account": "mine", "balances": {"USDC": "5"}, "credentials": {"api_key": "given"}}
        _, second = await bench.control("account", asked)
        assert second == {"account": "mine", "credentials": {"api_key": "given"}, "balances": {"USDC": "5"}}
        assert bench.server.exchange.balances("mine")["USDC"][0] == 5
        assert bench.server.accounts["mine"].credentials == {"api_key": "given"}
        assert (await bench.control("account", {"account": "mine"}))[0] == 400

    run(scenario)


def test_moved_price_is_the_new_mark() -> None:
    async def scenario(bench: Bench) -> None:
        status, answer = await bench.control("price", {"symbol": SPOT, "price": "123.45"})
        assert status == 200 and answer["symbol"] == SPOT and float(answer["mark"]) == pytest.approx(123.45, abs=0.01)

    run(scenario)


def test_coarser_tick_is_listed_displayed_and_asked_for_until_a_reset() -> None:
    async def scenario(bench: Bench) -> None:
        order = {"account": "a", "symbol": SPOT, "side": "buy", "price": "90", "size": "1"}
        await bench.control("order", order)
        _, state = await bench.control("state")
        first = Decimal(state["markets"][SPOT]["tick_size"])
        status, answer = await bench.control("tick", {"symbol": SPOT, "multiple": 7})
        assert (status, Decimal(answer["tick_size"])) == (200, 7 * first)
        _, state = await bench.control("state")
        market = state["markets"][SPOT]
        assert Decimal(market["tick_size"]) == 7 * first and not state["accounts"]["a"]["open_orders"]
        assert [price for price, _ in market["bids"] + market["asks"] if Decimal(price) % (7 * first)] == []
        assert (await bench.control("order", {**order, "price": str(first * 701)}))[0] == 400
        assert (await bench.control("order", {**order, "price": str(first * 700)}))[0] == 200
        await bench.control("reset", {})
        _, state = await bench.control("state")
        assert Decimal(state["markets"][SPOT]["tick_size"]) == first

    run(scenario)


def test_delisted_market_has_no_orders_until_a_reset() -> None:
    async def scenario(bench: Bench) -> None:
        order = {"account": "a", "symbol": SPOT, "side": "buy", "price": "90", "size": "1"}
        await bench.control("order", order)
        status, answer = await bench.control("delist", {"symbol": SPOT})
        assert status == 200 and not bench.server.exchange.markets[SPOT].is_listed
        _, state = await bench.control("state")
        assert not state["accounts"]["a"]["open_orders"] and answer
        await bench.control("reset", {})
        assert bench.server.exchange.markets[SPOT].is_listed

    run(scenario)


@pytest.mark.parametrize("multiple", [0, -1, 1.5, True, None, 10**6])
def test_tick_that_makes_no_sense_is_refused(multiple: object) -> None:
    async def scenario(bench: Bench) -> None:
        status, answer = await bench.control("tick", {"symbol": SPOT, "multiple": multiple})
        assert status == 400 and "multiple is" in answer["error"]

    run(scenario)


def test_reset_leaves_no_orders_and_no_faults_and_a_market_that_moves() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.control("order", {"account": "a", "symbol": SPOT, "side": "buy", "price": "90", "size": "1"})
        await bench.fault("freeze_book")
        await bench.control("feed", {"paused": True})
        _, state = await bench.control("state")
        assert state["paused"] and state["faults"][0]["kind"] == "freeze_book"
        status, _ = await bench.control("reset", {})
        _, state = await bench.control("state")
        assert status == 200 and not state["paused"] and not state["faults"]
        assert not state["accounts"]["a"]["open_orders"]

    run(scenario)


def test_state_tells_the_newest_requests_when_asked() -> None:
    async def scenario(bench: Bench) -> None:
        for where in ("/ping", "/nowhere", "/ping"):
            await bench.venue("GET", where)
        _, state = await bench.control("state")
        assert state["recent"] == []
        _, state = await bench.control("state?requests=2")
        assert [row["request"] for row in state["recent"]] == ["GET (unknown)", "GET /v1/ping"]
        first, second = (row["at_ns"] for row in state["recent"])
        assert first <= second and state["recent"][0]["account"] is None

    run(scenario)


def test_state_counts_requests_by_route_and_never_shows_credentials() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.venue("GET", "/ping")
        await bench.venue("GET", "/nowhere/1")
        await bench.venue("GET", "/nowhere/2")
        _, state = await bench.control("state")
        assert state["counters"]["requests"] == {"GET (unknown)": 2, "GET /v1/ping": 1}
        assert "key-a-1" not in str(state)

    run(scenario)


@pytest.mark.parametrize(
    ("what", "body", "message"),
    [
        ("fault", "{not json", "the body is not JSON"),
        ("fault", "[" * 100_000, "the body is not JSON"),
        ("fault", "[]", "the body is not a JSON object"),
        ("fault", b"\xff\xfe", "the body is not JSON"),
        ("fault", {"kind": "nonsense"}, "fault kind 'nonsense' is not known"),
        ("fault", {"kind": "delay", "seconds": 1, "account": "zz"}, "there is no account 'zz'; there are: a, b"),
        ("fault", {"kind": "accepted_cancel", "seconds": "x"}, "seconds is 'x'"),
        ("price", {"symbol": SPOT, "price": 0}, "price is 0"),
        ("price", {"symbol": SPOT, "price": "many"}, "'many' is not a number"),
        ("price", {"symbol": "BTC", "price": 1}, f"there is no symbol 'BTC'; there are: {SPOT}, {PERP}"),
        ("account", {"account": 7}, "account is 7"),
        ("account", {"balances": {"USDC": -1}}, "balances: -1 is not"),
        ("account", {"credentials": 1}, "credentials is 1"),
        ("order", {"account": "a", "symbol": SPOT, "side": "up"}, "side is 'up'"),
        (
            "order",
            {"account": "a", "symbol": SPOT, "side": "buy", "price": 1, "size": "x"},
            "size: 'x' is not a number",
        ),
        ("order", {"account": "a", "symbol": SPOT, "side": "buy", "price": "1.001", "size": 1}, "price '1.001' is not"),
        ("order", {"symbol": SPOT}, "there is no account None"),
        ("feed", {"paused": "yes"}, "paused is 'yes'"),
        ("cancel", {"account": "a", "symbol": "BTC"}, "there is no symbol 'BTC'"),
    ],
)
def test_bad_request_is_refused_in_one_clear_line(what: str, body: Any, message: str) -> None:
    async def scenario(bench: Bench) -> None:
        status, answer = await bench.control(what, body)
        assert status == 400 and message in answer["error"] and "\n" not in answer["error"]

    run(scenario)


def test_bad_query_of_the_state_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.control("state?fills=many"))[0] == 400
        assert (await bench.control("state?account=zz"))[0] == 400

    run(scenario)
