"""What every venue's server inherits: faults on requests and on sockets, over real loopback connections."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
import pytest

from api.simulator import sockets
from tests.simulator.echo_venue import Bench, bench, run
from tests.simulator.exchange_parts import SPOT

GONE = (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSING)


async def connect(bench: Bench, name: str = "a") -> aiohttp.ClientWebSocketResponse:
    socket = await bench.http.ws_connect(bench.hello["ws_url"], autoping=False)
    await socket.send_str(name)
    assert (await socket.receive(5)).data == name
    return socket


def test_answer_that_is_dropped_belongs_to_a_request_that_was_carried_out() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("drop_answer", match="POST /v1/order")
        assert (await bench.venue("GET", "/ping"))[0] == 200
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await bench.venue("POST", "/order")
        assert len(bench.server.exchange.open_orders("a")) == 1
        assert (await bench.venue("POST", "/order"))[0] == 200

    run(scenario)


def test_request_that_is_answered_with_a_status_was_not_carried_out() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("status", status=503, body={"code": "DOWN"})
        assert await bench.venue("POST", "/order") == (503, '{"code": "DOWN"}')
        assert bench.server.exchange.open_orders("a") == []

    run(scenario)


def test_rate_limit_tells_when_to_come_back() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("rate_limit", retry_after=2, account="b")
        assert (await bench.venue("GET", "/ping", **{"X-Account": "a"}))[0] == 200
        url = bench.hello["base_url"] + "/ping"
        async with bench.http.get(url, headers={"X-Account": "b"}) as answer:
            assert answer.status == 429 and answer.headers["Retry-After"] == "2"

    run(scenario)


def test_incomplete_history_fails_while_other_requests_do_not() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("incomplete")
        assert (await bench.venue("GET", "/ping"))[0] == 200
        assert (await bench.venue("GET", "/history"))[0] == 503
        assert (await bench.venue("GET", "/history"))[0] == 200

    run(scenario)


def test_delayed_answer_comes_late() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("delay", seconds=0.2)
        before = time.monotonic()
        assert (await bench.venue("GET", "/ping"))[0] == 200
        assert time.monotonic() - before >= 0.2

    run(scenario)


def test_skewed_clock_is_the_venues_and_does_not_move_the_market() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("clock_skew", seconds=3600)
        _, text = await bench.venue("GET", "/ping")
        assert json.loads(text)["utc_ns"] - time.time_ns() > 3590 * 10**9
        assert abs(time.time_ns() - bench.server.exchange.now_ns) < 10 * 10**9
        await bench.control("fault", {"kind": "clear", "which": "clock_skew"})
        _, text = await bench.venue("GET", "/ping")
        assert abs(time.time_ns() - json.loads(text)["utc_ns"]) < 10 * 10**9

    run(scenario)


def test_bug_in_a_handler_is_counted() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.venue("GET", "/boom"))[0] == 500
        _, state = await bench.control("state")
        assert state["counters"]["violations"] == {"simulator_error": 1}

    run(scenario)


def test_disconnect_cuts_the_sockets_that_it_is_meant_for() -> None:
    async def scenario(bench: Bench) -> None:
        first, second = await connect(bench, "a"), await connect(bench, "b")
        assert await bench.fault("disconnect", account="a") == {"hit": 1}
        assert (await first.receive(5)).type in GONE
        await second.send_str("still here")
        assert (await second.receive(5)).data == "still here"
        await second.close()

    run(scenario)


def test_garbage_and_a_huge_message_arrive_at_every_socket() -> None:
    async def scenario(bench: Bench) -> None:
        socket = await bench.http.ws_connect(bench.hello["ws_url"], max_msg_size=0)
        await socket.send_str("a")
        await socket.receive(5)
        assert await bench.fault("garbage", text="{oops", match="WS /ws") == {"hit": 1}
        assert (await socket.receive(5)).data == "{oops"
        await bench.fault("huge_message", bytes=9_000_000)
        assert len((await socket.receive(5)).data) > 9_000_000
        await socket.close()

    run(scenario)


def test_half_open_socket_answers_nothing_and_a_new_one_works() -> None:
    async def scenario(bench: Bench) -> None:
        dead = await connect(bench)
        await bench.fault("half_open")
        await dead.ping()
        await dead.send_str("hello?")
        with pytest.raises(asyncio.TimeoutError):
            await dead.receive(0.3)
        fresh = await connect(bench)
        await fresh.ping()
        assert (await fresh.receive(5)).type is aiohttp.WSMsgType.PONG
        await fresh.close()
        assert len(bench.server.sockets) >= 1

    run(scenario)


def test_socket_knows_when_it_heard_the_last_frame_of_any_sort() -> None:
    async def scenario(bench: Bench) -> None:
        socket = await connect(bench)
        (served,) = bench.server.sockets
        served.heard_s = before = 0.0
        await socket.ping()
        await socket.receive(5)
        assert served.heard_s > before
        await socket.close()

    run(scenario)


def test_market_that_breaks_ends_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async def whole() -> None:
        async with bench() as found:
            monkeypatch.setattr(found.server, "advance", lambda: 1 / 0)
            await found.running.wait(asyncio.Event())

    with pytest.raises(ZeroDivisionError):
        asyncio.run(whole())


def test_half_open_socket_thaws_after_its_time() -> None:
    async def scenario(bench: Bench) -> None:
        socket = await connect(bench)
        await bench.fault("half_open", seconds=0.1)
        await socket.send_str("later")
        assert (await socket.receive(5)).data == "later"
        await socket.close()

    run(scenario)


def test_socket_that_the_client_closed_is_forgotten() -> None:
    async def scenario(bench: Bench) -> None:
        socket = await connect(bench)
        assert len(bench.server.sockets) == 1
        await socket.close()
        deadline = time.monotonic() + 5
        while bench.server.sockets and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert not bench.server.sockets

    run(scenario)


def test_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MAX_QUEUE", 10)

    async def scenario(bench: Bench) -> None:
        socket = await connect(bench)
        (served,) = bench.server.sockets
        for _ in range(11):
            served.send("x")  # the writer has no chance to run in between
        assert served.is_gone
        await socket.close()

    run(scenario)


def test_upgrade_meets_only_a_fault_that_names_it() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.fault("status", status=503)
        await (await connect(bench)).close()
        assert (await bench.venue("GET", "/ping"))[0] == 503
        await bench.fault("status", status=503, match="WS /ws")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await connect(bench)
        await (await connect(bench)).close()

    run(scenario)


def test_partial_fill_fills_a_part_of_an_open_order_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.fault("partial_fill", lots=1) == {"hit": 0}
        for _ in range(2):
            await bench.venue("POST", "/order")
        first, second = bench.server.exchange.open_orders("a")
        assert await bench.fault("partial_fill", lots=30, account="a", symbol=SPOT) == {"hit": 1}
        assert await bench.fault("partial_fill", lots=40, order_id=second.order_id) == {"hit": 1}
        assert (first.filled_lots, second.filled_lots) == (30, 40)

    run(scenario)


def test_fault_of_the_venues_own_is_done_and_one_that_it_lacks_is_armed_for_nobody() -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.fault("expire_token") == {"hit": 7}

    run(scenario)
