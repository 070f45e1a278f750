"""A group over real sockets: a perpetual and a dated future of one account with one key, each leg on its own line."""

from __future__ import annotations

import json
import os
import signal
from decimal import Decimal

import pytest

from tests.process.fleet_parts import Fleet
from tests.process.live_fleet import LiveFleet

MARKETS = {"BTC-PERPETUAL": "BTC-PERP", "BTC-27DEC30": "BTC-27DEC30"}


def add_group(live: LiveFleet) -> None:
    """Write the config of a bot whose quotes are the best of both markets."""
    path = live.add("grp")
    config = json.loads(path.read_text())
    config["metadata"]["strategy"] = "avellaneda_stoikov_group"
    config["strategy_config"] = {
        "symbol": "BTC-PERP",
        "instruments": [{"symbol": symbol, "max_position": 0.5} for symbol in MARKETS.values()],
        "group_max_position": 0.4,
        "order_size": 0.1,
        "layers": 1,
        "interval_s": 1,
        "price_tolerance_pct": 0.05,
        "fallback_spread_bps": 0.1,
        "fee_floor_mult": 0,
        "sigma_window": 1000,
        "sigma_min_samples": 1000,  # the static spread throughout
        "leverage": None,
        "margin_mode": None,
    }
    config["risk_config"] = {"max_book_age_s": 60}
    path.write_text(json.dumps(config))


def quoted(live: LiveFleet) -> set[str]:
    """Return the markets on which something of ours rests."""
    return {str(order["symbol"]) for order in live.open_orders()}


def held(live: LiveFleet) -> dict[str, Decimal]:
    """Return what the venue says that we hold."""
    account = live.sim.state(live.account)["accounts"][live.account]
    return {market: Decimal(str(account["positions"].get(market, {}).get("size", 0))) for market in MARKETS}


@pytest.mark.parametrize("venue", ["thalex"])
def test_a_group_killed_on_a_live_venue_leaves_nothing_and_knows_what_each_leg_holds(
    fleet: Fleet, live: LiveFleet
) -> None:
    add_group(live)
    fleet.start("--live").quoting("grp", seconds=60)
    fleet.until(lambda: quoted(live) == set(MARKETS), 40)
    other = live.sim.account()["account"]

    def is_held() -> bool:
        for market, size in held(live).items():
            if not size:
                live.sim.order(other, market, "sell", None, 1)  # through our bid, and beyond
        return all(held(live).values())

    fleet.until(is_held, 40)
    os.kill(fleet.bot("grp")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("grp")["restarts"] >= 1 and fleet.is_quoting("grp"), 60)

    def agree() -> bool:
        legs = {leg["symbol"]: Decimal(leg["position"]) for leg in fleet.bot("grp")["legs"]}
        return {MARKETS[market]: size for market, size in held(live).items()} == legs

    fleet.until(agree, 40)
    assert fleet.run("stop").returncode == 0
    assert live.open_orders() == []
    assert abs(sum(held(live).values())) <= Decimal("0.4")
    assert set(live.violations()) <= {"unknown_cancel"}
