"""Requests that make no sense: the Thalex simulator refuses them and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest

from api.simulator.thalex_methods import ENGINE
from tests.sim_process import SimProcess, start_simulator
from tests.simulator.thalex_talker import BOOK, PERP, Desk, Row, Talker, desk_of

_ODD = [None, True, -1, 0, 2**70, 10**40, 1e300, 1e-300, "", "x" * 5000, "\ud800", [], [[]], {}, {"p": {}}, "1-", "0x1"]
_NAMES = [
    "instrument_name", "direction", "price", "amount", "client_order_id", "order_id", "label", "channels", "quotes",
    "product", "from", "to", "resolution", "limit", "bookmark", "time_low", "time_high", "sort", "timeout_secs",
    "trade_amount", "quote_amount", "underlying", "index_name", "instrument_names", "collar", "order_type",
]  # fmt: skip
_METHODS = [
    "public/subscribe", "private/subscribe", "unsubscribe", "public/instrument", "public/ticker", "public/book",
    "public/index", "public/mark_price_historical_data", "public/index_price_historical_data", "private/open_orders",
    "private/order_history", "private/trade_history", "private/portfolio", "private/required_margin_for_order",
    "private/set_cancel_on_disconnect", *sorted(ENGINE),
]  # fmt: skip
_SENSE = {
    "instrument_name": PERP, "direction": "buy", "price": 64_000, "amount": 0.001, "resolution": "1m",
    "from": 1_795_000_000, "to": 1_795_030_000, "channels": [BOOK],
    "quotes": [{"i": PERP, "b": [[64_000, 0.1]], "a": {"p": 66_000, "a": 0.1}}],
    "product": "FBTCUSD", "trade_amount": 1, "quote_amount": 1, "timeout_secs": 60,
}  # fmt: skip


def request_of(source: Random) -> Row:
    """Return a request that is near to a good one."""
    odd: Row = {source.choice(_NAMES): source.choice(_ODD) for _ in range(source.randrange(4))}
    if source.random() < 0.2:
        odd["quotes"] = [{"i": PERP, "b": source.choice(_ODD), "a": [[source.choice(_ODD), source.choice(_ODD)]]}]
    return {"method": source.choice(_METHODS), "params": _SENSE | odd, "id": source.choice([*_ODD, 7, "seven"])}


def read_to_the_end(talker: Talker) -> None:
    talker.socket.send(json.dumps({"method": "public/system_info", "id": "end"}))
    while talker.read().get("id") != "end":
        pass


@pytest.fixture(scope="module")
def patient() -> Iterator[SimProcess]:
    """A simulator that lets everybody ask as often as they like."""
    with start_simulator("thalex", "--requests-per-minute", "6000000") as process:
        yield process


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_is_sent_breaks_the_simulator(patient: SimProcess, seed: int) -> None:
    source = Random(seed)
    with desk_of(patient) as desk:
        talker = desk.session(guard_s=60)
        for _ in range(3):
            for _ in range(300):
                talker.socket.send(json.dumps(request_of(source)))
            read_to_the_end(talker)
        found = desk.violations()
        assert "simulator_error" not in found and not {"rate_limited", "not_logged_in"} & found.keys()
        assert_still_works(desk)


def assert_still_works(desk: Desk) -> None:
    talker = desk.session()
    order_id = talker.insert("buy", 64_000)["order_id"]
    assert talker.call("private/cancel", order_id=order_id)["status"] == "cancelled"
