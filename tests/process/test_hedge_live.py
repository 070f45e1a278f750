"""A hedged maker over real sockets: spot is made and the perpetual hedges it, on one account with one key."""

from __future__ import annotations

import json
import os
import signal
from decimal import Decimal

import pytest

from tests.process.fleet_parts import Fleet
from tests.process.live_fleet import LiveFleet

SPOT, PERP = "SOL-USDC", "SOL-PERP"


def add_pair(live: LiveFleet) -> None:
    """Write the config of a bot whose two legs are two markets of one venue."""
    path = live.add("pair")
    config = json.loads(path.read_text())
    config["metadata"]["strategy"] = "maker_taker_hedge"
    config["strategy_config"] = {
        "symbol": SPOT,
        "mode": "cross_venue",
        "hedge_symbol": PERP,
        "order_size": 1,
        "interval_s": 1,
        "price_tolerance_pct": 0.05,
        "depth_factor_pct": 100,
        "taker_slippage_bps": 50,
        "hedge_slippage_bps": 50,
    }
    config["risk_config"] = {"max_position": 20}
    path.write_text(json.dumps(config))


def hit(live: LiveFleet) -> None:
    """Let a stranger sell to our bid."""
    other = live.sim.account()["account"]
    live.sim.order(other, SPOT, "sell", None, 3)


@pytest.mark.parametrize("venue", ["backpack"])
def test_spot_that_was_bought_is_sold_on_the_perpetual_and_a_kill_leaves_nothing(fleet: Fleet, live: LiveFleet) -> None:
    add_pair(live)
    fleet.start("--live").quoting("pair", seconds=60)
    hit(live)

    def held() -> list[Decimal]:
        return [Decimal(leg["position"]) for leg in fleet.bot("pair")["legs"]]

    fleet.until(lambda: fleet.bot("pair")["fills"] >= 2 and sum(held()) == 0, 40)
    os.kill(fleet.bot("pair")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("pair")["restarts"] >= 1 and fleet.is_quoting("pair"), 60)
    fleet.until(lambda: sum(held()) == 0, 40)  # the market goes on trading with us
    assert fleet.run("stop").returncode == 0
    assert live.open_orders() == []
    assert set(live.violations()) <= {"unknown_cancel"}  # at the touch an order may fill while its cancel is under way
