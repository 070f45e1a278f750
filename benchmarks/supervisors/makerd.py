"""makerd's own rows: the peers' worker as a job, forked warm, and real paper bots that quote."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.fleet_driver import DOOR, MANY, SLOW_BOOKS, Fleet, NotReached, is_quoting
from benchmarks.parts import CHECKOUT
from benchmarks.supervisors.beats import SLOW_POLL_S, Beats, Life, TooLate
from benchmarks.supervisors.installs import Tools
from benchmarks.supervisors.managers import FAULT_SIZE, Manager
from benchmarks.supervisors.processes import is_alive
from core.process.pid_file import holder
from utils.version import __version__

SUPERVISED = {"backoff_initial_s": 0, "max_restarts": 1000}
STUCK_AFTER_S = 3  # with FAULT_SIZE workers; else the default, 10
TEMPLATES = CHECKOUT / "config" / "templates"


class Makerd(Manager):
    """The daemon with a job per worker."""

    name = "makerd"
    settings = (
        "one config per worker, job `heartbeat`, backoff_initial_s=0, max_restarts=1000, heartbeat_timeout_s=3 for the "
        "faults (default 10); `start --daemon`, logs, control socket and health sampling on as always"
    )

    @classmethod
    def version(cls, _tools: Tools) -> str:
        """Return the version of this checkout."""
        return f"{__version__} (Python {sys.version.split()[0]})"

    def _beats_folder(self) -> Path:
        return self.folder / "home" / "var" / "data" / "heartbeats"

    def configure(self) -> None:
        """Write a config per worker."""
        self.fleet = Fleet(self.folder / "home")
        for place, name in enumerate(self.names):
            self._add(name, self._config(name, place))

    def _add(self, name: str, config: dict[str, Any]) -> None:
        (self.fleet.home.active / f"{name}.json").write_text(json.dumps(config))

    def _config(self, name: str, _place: int) -> dict[str, Any]:
        metadata, params = {"name": name}, {"job": "heartbeat"}
        return {"kind": "job", "metadata": metadata, "daemon_config": self._supervised(), "job_config": params}

    def _supervised(self) -> dict[str, Any]:
        faults = len(self.names) == FAULT_SIZE
        return {**SUPERVISED, **({"heartbeat_timeout_s": STUCK_AFTER_S} if faults else {})}

    def launch(self) -> None:
        """Start the daemon."""
        own = {"MAKERD_HOME": str(self.fleet.home.root), "MAKERD_CLAIMS_DIR": str(self.folder / "claims")}
        self._process = self.spawn([sys.executable, DOOR, "start", "--daemon"], own)

    def root_pid(self) -> int:
        """Return the supervisor's pid."""
        found = holder(self.fleet.home.run)
        assert found is not None
        return found.pid


@dataclass(slots=True)
class Quotes(Beats):
    """Bots as if they were workers that beat: a sign of life is an order that the venue has acknowledged."""

    fleet: Fleet | None = None
    asked_ns: int = 0  # UTC; nothing before counts
    _seen: dict[str, set[int]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the status; none when nobody answers."""
        assert self.fleet is not None
        rows = self.fleet.rows()
        for row in rows:
            if row["pid"]:
                self._seen.setdefault(row["name"], set()).add(row["pid"])
        return rows

    def lives(self, name: str) -> dict[int, Life]:
        """Return the processes that were ever seen under a name; their times are those of the last status."""
        rows = {row["pid"]: row for row in self.rows() if row["name"] == name}
        return {pid: _life(rows.get(pid)) for pid in self._seen.get(name, ())}

    def living(self) -> dict[str, dict[int, Life]]:
        """Return those that still live, for every name."""
        rows = {row["pid"]: row for row in self.rows()}
        return {name: {p: _life(rows.get(p)) for p in self._seen.get(name, ()) if is_alive(p)} for name in self.names}

    def all_beat_ns(self, patience_s: float) -> int:
        """Wait until every bot quotes; return when the last one had its first order acknowledged. Raises TooLate."""
        deadline = time.monotonic() + patience_s
        while len([row for row in self.rows() if is_quoting(row)]) < len(self.names):
            if time.monotonic() > deadline:
                raise TooLate(f"not all bots quote after {patience_s:.0f} s")
            time.sleep(SLOW_POLL_S)
        return max((self._acknowledged_ns(name, self.asked_ns) for name in self.names), default=time.monotonic_ns())

    def successor_ns(self, name: str, known: set[int], patience_s: float) -> int | None:
        """Wait for the first acknowledged order of a bot from now on; None when there is none in time."""
        try:
            return self._acknowledged_ns(name, time.time_ns())
        except NotReached:
            return None

    def _acknowledged_ns(self, name: str, after_utc_ns: int) -> int:
        assert self.fleet is not None
        utc_ns = self.fleet.first_ack_ns(name, after_utc_ns)
        return utc_ns - time.time_ns() + time.monotonic_ns()


def _life(row: dict[str, Any] | None) -> Life:
    age_s = row["heartbeat_age_s"] if row else None
    at_ns = time.monotonic_ns() - int((age_s or 0.0) * 1e9)
    return Life(at_ns, at_ns)


class MakerdBots(Makerd):
    """The daemon with a paper bot per worker."""

    name = "makerd-bots"
    settings = (
        "paper_market_maker_synthetic.json, a seed per bot, from 100 bots on book_interval_ms=1000 (ten books a second "
        "of each are more than the processor can do), the same daemon_config; alive means: an order of the bot is "
        "acknowledged by its venue, after sweep and reconciliation"
    )
    template: ClassVar[str] = "paper_market_maker_synthetic.json"

    def configure(self) -> None:
        """Write a config per bot."""
        super().configure()
        self.beats = Quotes(self.beats.folder, self.names, self.fleet)

    def _config(self, name: str, place: int) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((TEMPLATES / self.template).read_text())
        config["metadata"]["name"] = name
        config["exchange_config"]["seed"] = place + 1
        config["daemon_config"].update(self._supervised())
        if len(self.names) >= MANY:
            config["exchange_config"] |= SLOW_BOOKS
        return config

    def launch(self) -> None:
        """Start the daemon."""
        assert isinstance(self.beats, Quotes)
        self.beats.asked_ns = time.time_ns()
        super().launch()

    def orders_left(self) -> int:
        """Return how many orders rest on paper venues."""
        left = 0
        for path in (self.fleet.home.state / "paper").glob("*.db"):
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as books:
                left += int(books.execute("SELECT COUNT(*) FROM orders").fetchone()[0])
        return left


class MakerdBotsAlone(MakerdBots):
    """The same without the time that orders take to their simulated venue: what is left is makerd's own."""

    name = "makerd-bots-0ms"
    settings = "as makerd-bots, latency_ms=0 (default 20)"

    def _config(self, name: str, place: int) -> dict[str, Any]:
        config = super()._config(name, place)
        config["exchange_config"]["latency_ms"] = 0
        return config


class MakerdReplay(MakerdBots):
    """Bots on the shipped recording; with none, the daemon has one bot that it does not start."""

    name = "makerd-replay"
    settings = "paper_market_maker.json (a recorded minute, in a loop), a seed per bot, the same daemon_config"
    template = "paper_market_maker.json"

    def configure(self) -> None:
        """Write a config per bot."""
        super().configure()
        if not self.names:
            config = self._config("resting", 0)
            config["daemon_config"]["autostart"] = False
            self._add("resting", config)


OURS: Sequence[type[Manager]] = (Makerd, MakerdBots, MakerdBotsAlone, MakerdReplay)
