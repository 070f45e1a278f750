"""`config preview` of a live venue: its public prices over real sockets, and nothing that is sent or signed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.process.live_fleet import SYMBOLS, VENUES, LiveFleet

pytestmark = pytest.mark.timeout(300)


def preview(live: LiveFleet, name: str) -> dict[str, Any]:
    done = live.fleet.run("config", "preview", name, "--json", timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@VENUES
def test_a_live_bot_is_looked_at_on_the_prices_of_its_venue_and_nobody_signs(live: LiveFleet) -> None:
    live.add("one")
    live.sim.feed(paused=True)
    try:
        found = preview(live, "one")
    finally:
        live.sim.feed(paused=False)
    assert (found["exchange"], found["symbol"]) == (live.venue, SYMBOLS[live.venue])
    assert {order["side"] for order in found["orders"]} == {"buy", "sell"}
    mid = float(found["mid"])
    for order in found["orders"]:
        assert float(order["price"]) == pytest.approx(mid * (1 + order["from_mid_bps"] / 10_000), rel=1e-6)
    assert live.sim.requests(live.account) == []
    assert live.open_orders() == []
    assert live.violations() == {}
    assert not (live.fleet.home.state / "one").exists()


@pytest.mark.parametrize("venue", ["thalex"])
def test_a_symbol_that_the_venue_does_not_list_is_told(live: LiveFleet) -> None:
    file = live.add("one")
    config = json.loads(file.read_text())
    config["strategy_config"]["symbol"] = "NONE-PERP"
    config["risk_config"]["max_position"] = 100
    file.write_text(json.dumps(config))
    done = live.fleet.run("config", "preview", "one", timeout=120)
    assert done.returncode == 1
    assert "thalex lists no perpetual or future 'NONE-PERP'" in done.stderr
