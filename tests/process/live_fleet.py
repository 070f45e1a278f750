"""A fleet whose bots trade on a venue behind real sockets, and the simulators that play the venues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.process.fleet_parts import Fleet
from tests.sim_process import SimProcess
from utils.home import CHECKOUT

SYMBOLS = {"backpack": "SOL-USDC", "thalex": "BTC-PERPETUAL"}
SECRET_KEYS = {"backpack": ("api_key", "api_secret"), "thalex": ("key_id", "private_key")}
VENUES = pytest.mark.parametrize("venue", sorted(SYMBOLS))


class LiveFleet:
    """A fleet whose bots have keys for one simulated venue."""

    def __init__(self, fleet: Fleet, sim: SimProcess, venue: str) -> None:
        self.fleet, self.sim, self.venue = fleet, sim, venue
        self.account = f"t{sim.process.pid}{len(sim.state()['accounts'])}"
        self.keys = {key: str(value) for key, value in sim.account(account=self.account)["credentials"].items()}
        self._violations = self._counted()
        self.give_secrets()

    def _counted(self) -> dict[str, int]:
        found: dict[str, int] = self.sim.state()["counters"]["violations"]
        return found

    def violations(self) -> dict[str, int]:
        """Return what the simulator counts against its clients since this fleet was made."""
        return {
            kind: more for kind, count in self._counted().items() if (more := count - self._violations.get(kind, 0))
        }

    def give_secrets(self, environ: Mapping[str, str] | None = None, **changed: str) -> dict[str, str]:
        """Write `.env` with the account's keys, some of them changed, and other names; return the keys."""
        keys = {**self.keys, **changed}
        named = {key.upper(): keys[key] for key in SECRET_KEYS[self.venue]} | dict(environ or {})
        lines = [f"{name}={json.dumps(value)}\n" for name, value in named.items()]
        path = self.fleet.home.env_file
        path.write_text("".join(lines))
        path.chmod(0o600)
        return keys

    def give_wrong_secret(self) -> dict[str, str]:
        """Write somebody else's: it is well formed, and signs nothing of ours. Return the keys."""
        name = SECRET_KEYS[self.venue][1]
        others = [str(account["credentials"][name]) for account in self.sim.hello["accounts"]]
        return self.give_secrets(**{name: next(secret for secret in others if secret != self.keys[name])})

    def add(self, name: str, account: str = "main", **exchange_config: Any) -> Path:
        """Write the config of a live bot; `account` is its label."""
        path = CHECKOUT / "config" / "templates" / f"{self.venue}_market_maker.json"
        config = json.loads(path.read_text())
        config["metadata"]["name"] = name
        config["daemon_config"].update(backoff_initial_s=0.1, min_uptime_s=1, stop_timeout_s=30)
        config["strategy_config"]["symbol"] = SYMBOLS[self.venue]
        section = config["exchange_config"]
        addresses = {key: self.sim.hello[key] for key in ("base_url", "ws_url")}
        section |= {"mode": "live", "account": account, **addresses}
        section |= {key: f"${{{key.upper()}}}" for key in SECRET_KEYS[self.venue]}
        section |= exchange_config
        written = self.fleet.home.active / f"{name}.json"
        written.write_text(json.dumps(config))
        return written

    def open_orders(self) -> list[dict[str, Any]]:
        """Return what rests at the venue on our account."""
        orders: list[dict[str, Any]] = self.sim.state(self.account)["accounts"][self.account]["open_orders"]
        return orders

    def comes_to(self, name: str, state: str, seconds: float = 40) -> dict[str, Any]:
        """Wait until a bot is in a state; return its row."""
        row: dict[str, Any] = self.fleet.until(lambda: (row := self.fleet.bot(name))["state"] == state and row, seconds)
        return row
