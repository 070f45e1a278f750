"""The past of a bot that lives: its ledger is read while its worker writes it."""

from __future__ import annotations

import json
from decimal import Decimal

from core.history import ledger_reader as reader
from tests.process.fleet_parts import Fleet

ALL_NS = (0, 2**62)


def test_a_live_workers_ledger_is_read_all_the_while_and_the_worker_does_not_notice(fleet: Fleet) -> None:
    fleet.add(
        "one", exchange_config={"synthetic_trades_per_s": 50, "touch_prob": 0.8}, strategy_config={"interval_s": 0.5}
    )
    fleet.start().quoting("one")
    path = fleet.home.bot_state("one") / "ledger.db"
    numbers: list[int] = []

    def has_filled() -> bool:
        found = reader.fills(path, limit=1000)
        numbers.append(len(found))
        assert [fill.number for fill in found] == list(range(len(found), 0, -1))
        return len(found) >= 3 and bool(reader.series(path, *ALL_NS, points=1000))

    fleet.until(has_filled)
    assert numbers == sorted(numbers)
    assert {order.closed for order in reader.open_orders(path)} == {False}
    row = fleet.bot("one")
    assert (row["restarts"], row["gates"]) == (0, [])
    fleet.run("stop")
    last = reader.series(path, *ALL_NS, points=10**6)[-1]
    final = json.loads(fleet.run("status", "--json").stdout)["bots"][0]
    assert Decimal(last.position) == Decimal(final["position"])
    assert Decimal(last.fees) == sum((Decimal(fill.fee) for fill in reader.fills_between(path, *ALL_NS)), Decimal(0))
