"""A fleet whose bots trade on a venue behind real sockets, and the simulators that play the venues."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.process.fleet_parts import Fleet
from tests.sim_process import SimProcess, Simulators
from utils.home import CHECKOUT

SYMBOLS = {"backpack": "SOL-USDC", "thalex": "BTC-PERPETUAL"}
SECRET_KEYS = {"backpack": ("api_key", "api_secret"), "thalex": ("key_id", "private_key")}
_NUMBERS = itertools.count(1)  # of accounts
VENUES = pytest.mark.parametrize("venue", sorted(SYMBOLS))


class LiveFleet:
    """A fleet whose bots have keys for one simulated venue.

    Several may share a daemon: `label` tells their accounts and keys apart, `secrets` is what all have in `.env`.
    """

    def __init__(
        self, fleet: Fleet, sim: SimProcess, venue: str, label: str = "", secrets: dict[str, str] | None = None
    ) -> None:
        self.fleet, self.sim, self.venue, self.label = fleet, sim, venue, label
        self.account = f"t{sim.process.pid}-{next(_NUMBERS)}"
        self.keys = {key: str(value) for key, value in sim.account(account=self.account)["credentials"].items()}
        prefix = f"{label}_".replace("-", "_") if label else ""
        self.names = {key: f"{prefix}{key}".upper() for key in SECRET_KEYS[venue]}
        self._secrets = {} if secrets is None else secrets
        self._violations = self._counted()
        self.give_secrets()

    def _counted(self) -> dict[str, int]:
        found: dict[str, int] = self.sim.state(self.account, fills=0)["counters"]["violations"]
        return found

    def violations(self) -> dict[str, int]:
        """Return what the simulator counts against its clients since this fleet was made."""
        return {
            kind: more for kind, count in self._counted().items() if (more := count - self._violations.get(kind, 0))
        }

    def give_secrets(self, environ: Mapping[str, str] | None = None, **changed: str) -> dict[str, str]:
        """Write `.env` with the account's keys, some of them changed, and other names; return the keys."""
        keys = {**self.keys, **changed}
        self._secrets |= {name: keys[key] for key, name in self.names.items()} | dict(environ or {})
        path = self.fleet.home.env_file
        path.touch(0o600)
        path.write_text("".join(f"{name}={json.dumps(value)}\n" for name, value in self._secrets.items()))
        return keys

    def give_wrong_secret(self) -> dict[str, str]:
        """Write somebody else's: it is well formed, and signs nothing of ours. Return the keys."""
        name = SECRET_KEYS[self.venue][1]
        others = [str(account["credentials"][name]) for account in self.sim.hello["accounts"]]
        return self.give_secrets(**{name: next(secret for secret in others if secret != self.keys[name])})

    def add(self, name: str, account: str = "", autostart: bool = True, **exchange_config: Any) -> Path:
        """Write the config of a live bot; `account` is its label."""
        path = CHECKOUT / "config" / "templates" / f"{self.venue}_market_maker.json"
        config = json.loads(path.read_text())
        config["metadata"]["name"] = name
        config["daemon_config"].update(backoff_initial_s=0.1, min_uptime_s=1, stop_timeout_s=30, autostart=autostart)
        config["strategy_config"]["symbol"] = SYMBOLS[self.venue]
        section = config["exchange_config"]
        addresses = {key: self.sim.hello[key] for key in ("base_url", "ws_url")}
        section |= {"mode": "live", "account": account or self.label or "main", **addresses}
        section |= {key: f"${{{name}}}" for key, name in self.names.items()}
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

    def start(self) -> str:
        """Start the bot of the label under a daemon that runs; return its name. It may still be on its way up."""
        self.fleet.run("bot", "start", self.label)
        return self.label

    def stop(self) -> None:
        """Stop it, so that it does no more work."""
        self.fleet.run("bot", "stop", self.label, timeout=90)

    def told(self, name: str, event: str) -> list[dict[str, Any]]:
        """Return the lines of the daemon's log that are of one bot and one event; one half written is not yet there."""
        text = (self.fleet.home.log / "daemon.log").read_text()
        rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [row for row in rows if (row["event"], row.get("bot")) == (event, name)]


Crew = dict[tuple[str, str], LiveFleet]


def add_crew(fleet: Fleet, simulators: Simulators, wanted: Mapping[tuple[str, str], Mapping[str, Any]]) -> Crew:
    """Write the config of a bot for each name and venue, with what differs from the template.

    Each has an account and keys of its own and starts when it is told to. `label` is its name.
    """
    crew, secrets = Crew(), dict[str, str]()
    for (name, venue), sections in wanted.items():
        member = crew[name, venue] = LiveFleet(fleet, simulators[venue], venue, f"{name}-{venue}", secrets)
        path = member.add(member.label, autostart=False)
        config = json.loads(path.read_text())
        for section, values in sections.items():
            config[section] |= values
        path.write_text(json.dumps(config))
    return crew
