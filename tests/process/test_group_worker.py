"""A group in a real worker that is killed while it quotes both legs: nothing is left, and both ledgers are right."""

from __future__ import annotations

import json
import os
import signal
from decimal import Decimal

from tests.process.fleet_parts import Fleet
from tests.process.test_hedge_worker import net, rows
from utils.home import CHECKOUT

LEGS = {"main": "BTC-PERP", "leg2": "BTC-27DEC30"}


def add_group(fleet: Fleet) -> None:
    """Write the config of a bot whose quotes fill often."""
    config = json.loads((CHECKOUT / "config" / "templates" / "paper_avellaneda_stoikov_group.json").read_text())
    config["metadata"]["name"] = "grp"
    config["daemon_config"].update(backoff_initial_s=0.1, min_uptime_s=1)
    config["exchange_config"].update(touch_prob=1.0, synthetic_trades_per_s=20)
    config["strategy_config"].update(layers=1, fallback_spread_bps=0.1)
    (fleet.home.active / "grp.json").write_text(json.dumps(config))


def legs_with(fleet: Fleet, what: str) -> set[str]:
    """Return the legs of which the ledger has open orders, or fills."""
    query = {"orders": "SELECT DISTINCT leg FROM orders WHERE closed = 0", "fills": "SELECT DISTINCT leg FROM fills"}
    return {row[0] for row in rows(fleet.home.bot_state("grp") / "ledger.db", query[what])}


def test_a_group_killed_while_it_quotes_leaves_nothing_and_knows_all_its_fills(fleet: Fleet) -> None:
    add_group(fleet)
    fleet.start().quoting("grp", seconds=40)
    fleet.until(lambda: legs_with(fleet, "orders") == legs_with(fleet, "fills") == set(LEGS), 60)
    os.kill(fleet.bot("grp")["pid"], signal.SIGKILL)
    fleet.until(lambda: fleet.bot("grp")["restarts"] >= 1 and fleet.is_quoting("grp"), 40)
    legs = fleet.bot("grp")["legs"]
    assert {leg["leg"]: leg["symbol"] for leg in legs} == LEGS
    assert fleet.run("stop").returncode == 0

    assert fleet.open_paper_orders() == []
    ledger = fleet.home.bot_state("grp") / "ledger.db"
    for leg, symbol in LEGS.items():
        in_ledger = rows(ledger, f"SELECT side, size FROM fills WHERE leg = '{leg}'")
        at_venue = rows(fleet.home.state / "paper" / f"paper-grp-{symbol}.db", "SELECT side, size FROM fills")
        assert (len(in_ledger), net(in_ledger)) == (len(at_venue), net(at_venue)), leg
        assert abs(net(in_ledger)) <= Decimal("0.2")
    trades = rows(ledger, "SELECT leg, trade_id FROM fills")
    assert len(trades) == len(set(trades))
