"""The Backpack simulator's streams: books that can be followed, signed private messages, nothing acknowledged."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.simulator.backpack import BackpackServer
from api.simulator.control import Control
from api.simulator.faults import Faults
from api.simulator.market_setup import FeedOptions, build_exchange
from api.simulator.running import Running
from api.simulator.server import SimCredentials
from core.market.fill_rules import MatchingRules
from tests.sim_process import SimProcess
from tests.simulator.backpack_caller import Caller, Stream

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
SIMULATOR = ("--trades-per-s", "5", "--interval-ms", "20")
_GOLDEN = Path(__file__).parent.parent / "golden" / "backpack"
_SAMPLES = {row["id"]: row for row in json.loads((_GOLDEN / "messages.json").read_text())["samples"]}


def _is(event: str) -> Any:
    return lambda message: message.get("data", {}).get("e") == event


def _orders(stream: Stream, user: Caller, count: int) -> list[dict[str, Any]]:
    """Return the data of the next order events."""
    return [
        stream.until(lambda message: "account.orderUpdate" in message.get("stream", ""))["data"] for _ in range(count)
    ]


def _ready(stream: Stream, user: Caller) -> None:
    """Subscribe to orders and make sure that it holds: nothing is acknowledged."""
    stream.subscribe("account.orderUpdate", signer=user)
    _, order = user.limit("Bid", "140", "0.01")
    stream.until(lambda message: message.get("data", {}).get("i") == order["id"])
    user.call("DELETE", "/api/v1/order", symbol=SPOT, orderId=order["id"])
    stream.until(_is("orderCancelled"))


def _same_shape(message: dict[str, Any], sample: str, optional: frozenset[str] = frozenset()) -> None:
    wanted, found = _SAMPLES[sample]["payload"]["data"], message["data"]
    assert found.keys() - optional == wanted.keys() - optional
    for key in found.keys() & wanted.keys() - {"E", "T", "i"}:
        assert type(found[key]) is type(wanted[key]), key


# -- public ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("interval", ["", "200ms."])
def test_a_book_followed_by_deltas_is_the_snapshot_taken_later(user: Caller, stream: Stream, interval: str) -> None:
    stream.subscribe(f"depth.{interval}{SPOT}")
    first = stream.until(_is("depth"))["data"]
    book = user.public("/api/v1/depth", symbol=SPOT)
    levels = {side: dict(book[name]) for side, name in (("b", "bids"), ("a", "asks"))}
    number, last = int(book["lastUpdateId"]), first["u"]
    for _ in range(60):
        later = user.public("/api/v1/depth", symbol=SPOT)
        while last < int(later["lastUpdateId"]):
            delta = stream.until(_is("depth"))["data"]
            assert delta["U"] == last + 1
            last = delta["u"]
            if last > number:
                for side in ("b", "a"):
                    levels[side] |= dict(delta[side])
        if last == int(later["lastUpdateId"]) > number:
            break
    assert {price: size for price, size in levels["b"].items() if Decimal(size)} == dict(later["bids"])
    assert {price: size for price, size in levels["a"].items() if Decimal(size)} == dict(later["asks"])


def test_public_messages_have_the_documented_fields(stream: Stream) -> None:
    stream.subscribe(f"depth.{SPOT}", f"bookTicker.{SPOT}", f"trade.{SPOT}", f"markPrice.{PERP}")
    for event, sample in (("depth", "depth_delta"), ("bookTicker", "book_ticker"), ("trade", "public_trade")):
        message = stream.until(_is(event))
        assert message["stream"] == f"{event}.{SPOT}"
        _same_shape(message, sample)
    mark = stream.until(_is("markPrice"))["data"]
    assert Decimal(mark["p"]) > 0 and mark["n"] % 3_600_000 == 0


def test_some_depth_messages_have_their_times_as_text(stream: Stream) -> None:
    stream.subscribe(f"depth.{SPOT}")
    message = stream.until(lambda found: isinstance(found.get("data", {}).get("E"), str))
    assert isinstance(message["data"]["T"], str) and isinstance(message["data"]["u"], int)


def test_nothing_more_comes_after_an_unsubscription(stream: Stream) -> None:
    stream.subscribe(f"depth.{SPOT}")
    stream.until(_is("depth"))
    stream.socket.send(json.dumps({"method": "UNSUBSCRIBE", "params": [f"depth.{SPOT}"]}))
    stream.subscribe("nonsense")
    stream.until(lambda message: "error" in message)
    stream.subscribe(f"trade.{SPOT}")
    assert stream.next()["stream"] == f"trade.{SPOT}"


@pytest.mark.parametrize(
    "frame",
    ['{"method":"SUBSCRIBE","params":["depth.NO_SUCH"]}', "{", "[]", '{"method":"PING"}', '{"method":"SUBSCRIBE"}'],
)
def test_a_frame_that_cannot_be_served_gets_an_error_frame(stream: Stream, frame: str) -> None:
    stream.socket.send(frame)
    assert stream.next()["error"].keys() == {"code", "message"}


def test_the_streams_are_at_ws_too(sim: SimProcess) -> None:
    with Stream(sim.hello["ws_url"] + "ws") as other:
        other.subscribe(f"depth.{SPOT}")
        other.until(_is("depth"))


def test_the_server_pings_and_cuts_who_never_answers() -> None:
    asyncio.run(_never_answer())


async def _never_answer() -> None:
    accounts = [SimCredentials("a", BackpackServer.new_credentials("a", 1, {}))]
    exchange = build_exchange(BackpackServer.listings(), FeedOptions(), MatchingRules(), time.time_ns())
    exchange.add_account("a", {})
    server = BackpackServer(exchange, Faults(time.time_ns), accounts, time.time_ns)
    server.ping_interval_s, server.pong_within_s = 0.02, 0.1
    running = Running(server, Control(server, 1).app())
    hello = await running.start()
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(hello["ws_url"], autoping=False) as socket:
            kinds = [(await asyncio.wait_for(socket.receive(), 10)).type for _ in range(2)]
            assert kinds[0] is aiohttp.WSMsgType.PING
            while kinds[-1] is aiohttp.WSMsgType.PING:
                kinds.append((await asyncio.wait_for(socket.receive(), 10)).type)
            assert kinds[-1] in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSING)
    finally:
        await running.close()


def test_a_client_that_pings_is_answered(stream: Stream) -> None:
    stream.socket.ping("x")
    opcode, _ = stream.socket.recv_data(control_frame=True)
    assert opcode == 0xA


# -- private --------------------------------------------------------------------------------------------------------
def test_an_order_is_told_from_acceptance_to_cancel(stream: Stream, user: Caller) -> None:
    _ready(stream, user)
    _, order = user.limit("Bid", "140.10", "1.50", PERP, postOnly=True, clientId=9)
    (accepted,) = _orders(stream, user, 1)
    assert (accepted["e"], accepted["X"], accepted["i"], accepted["c"]) == ("orderAccepted", "New", order["id"], 9)
    assert (accepted["S"], accepted["o"], accepted["p"], accepted["q"], accepted["y"]) == (
        "Bid",
        "LIMIT",
        "140.1",
        "1.5",
        True,
    )
    user.call("DELETE", "/api/v1/order", symbol=PERP, clientId=9)
    (cancelled,) = _orders(stream, user, 1)
    assert (cancelled["e"], cancelled["X"], cancelled["z"]) == ("orderCancelled", "Cancelled", "0")


def test_an_accepted_order_has_the_captured_fields(stream: Stream, user: Caller) -> None:
    _ready(stream, user)
    user.limit("Ask", "178", "1")
    _same_shape(stream.until(_is("orderAccepted")), "order_accepted", frozenset({"y"}))


def test_a_market_order_is_told_as_accepted_then_filled_with_its_fill(stream: Stream, user: Caller) -> None:
    _ready(stream, user)
    _, order = user.market("Bid", "0.01")
    stream.until(_is("orderAccepted"))
    message = stream.until(_is("orderFill"))
    _same_shape(message, "order_fill_taker")
    (fill,) = user.call("GET", "/wapi/v1/history/fills")[1]
    data = message["data"]
    assert (data["i"], data["t"], data["L"], data["l"]) == (
        order["id"],
        fill["tradeId"],
        fill["price"],
        fill["quantity"],
    )
    assert (data["n"], data["N"], data["m"], data["X"], data["z"]) == (fill["fee"], "SOL", False, "Filled", "0.01")


def test_a_partial_fill_leaves_the_order_partially_filled(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _ready(stream, user)
    user.limit("Bid", "140", "1")
    assert sim.fault("partial_fill", lots=30, account=user.account)["hit"] == 1
    data = stream.until(_is("orderFill"))["data"]
    assert (data["X"], data["l"], data["z"], data["m"]) == ("PartiallyFilled", "0.3", "0.3", True)
    ((open_order),) = user.call("GET", "/api/v1/orders")[1]
    assert (open_order["status"], open_order["executedQuantity"]) == ("PartiallyFilled", "0.3")


def test_an_ioc_rest_is_told_as_expired_with_the_reason(stream: Stream, user: Caller) -> None:
    _ready(stream, user)
    user.limit("Bid", "140", "1", timeInForce="IOC")
    data = stream.until(_is("orderExpired"))["data"]
    assert (data["X"], data["R"]) == ("Expired", "ImmediateOrCancel")


def test_only_the_own_account_is_told(sim: SimProcess, stream: Stream, user: Caller) -> None:
    _ready(stream, user)
    with Caller(sim.hello["base_url"], sim.account()) as other:
        other.limit("Bid", "140", "1")
    _, mine = user.limit("Bid", "141", "1")
    assert _orders(stream, user, 1)[0]["i"] == mine["id"]


def test_a_stream_of_one_market_leaves_out_the_others(stream: Stream, user: Caller) -> None:
    stream.subscribe(f"account.orderUpdate.{PERP}", signer=user)
    stream.subscribe("nonsense")
    stream.until(lambda message: "error" in message)
    user.limit("Bid", "140", "1", SPOT)
    _, mine = user.limit("Bid", "140", "1", PERP)
    message = stream.next()
    assert (message["stream"], message["data"]["i"]) == (f"account.orderUpdate.{PERP}", mine["id"])


def test_positions_are_described_at_subscription_and_told_when_they_change(stream: Stream, user: Caller) -> None:
    user.market("Bid", "2", PERP)
    stream.subscribe("account.positionUpdate", signer=user)
    described = stream.next()
    assert "e" not in described["data"] and described["data"]["q"] == "2"
    _same_shape(described, "position_snapshot", frozenset({"l"}))
    user.market("Ask", "2", PERP)  # it may take several levels, each a message
    assert stream.until(_is("positionClosed"))["data"]["q"] == "0"
    user.market("Ask", "0.01", PERP)
    opened = stream.next()["data"]
    assert (opened["e"], opened["q"], opened["Q"]) == ("positionOpened", "-0.01", "0.01")


def test_a_wrong_signature_gets_an_error_frame_and_no_messages(sim: SimProcess, stream: Stream, user: Caller) -> None:
    stream.subscribe("account.orderUpdate", signer=user, spoil=True)
    assert stream.next()["error"]["message"] == "Invalid signature"
    user.limit("Bid", "140", "1")
    stream.subscribe("account.orderUpdate")
    assert "signature" in stream.next()["error"]["message"]


def test_public_and_private_streams_share_a_signed_frame(stream: Stream, user: Caller) -> None:
    stream.subscribe(f"bookTicker.{SPOT}", "account.orderUpdate", signer=user)
    stream.until(_is("bookTicker"))
    user.limit("Bid", "140", "1")
    stream.until(_is("orderAccepted"))
