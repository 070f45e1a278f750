"""What the tests of the console share: a daemon on a real control socket, configs, services that start nothing."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

from core.door_services import DoorServices
from core.process.control import NAME
from core.process.pid_file import PidFile
from utils.home import Home

ROW: dict[str, Any] = {
    "name": "sol-mm",
    "kind": "bot",
    "state": "RUNNING",
    "wanted": True,
    "pid": 4250,
    "uptime_s": 11.9,
    "restarts": 0,
    "last_exit": None,
    "reason": "",
    "paused": False,
    "closed": False,
    "exchange": "paper",
    "symbol": "SOL-USDC",
    "strategy": "market_maker",
    "mode": "paper",
    "network": None,
    "phase": "QUOTING",
    "heartbeat_age_s": 0.4,
    "cpu_pct": 0.6,
    "pss_mb": 9.1,
    "open_orders": 6,
    "position": "0.40",
    "mid": "150.255",
    "realised_pnl": "1.2031",
    "unrealised_pnl": "-0.0100",
    "fees": "-0.0120",
    "funding": "0",
    "fills": 31,
    "quote_uptime_pct": 99.2,
    "gates": [],
    "config_digest": None,
    "stats": {
        "cycles": 118,
        "orders_created": 420,
        "time_at_touch_pct": 61.5,
        "spread_captured_bps": 1.2,
        "adverse_markout_bps": {"1": 0.1, "5": 0.4, "30": None, "60": None},
        "cancel_fill_ratio": 12.9,
        "wear_rate": -0.00004,
        "cycle_ms": {"p50": 0.4, "p99": 1.9},
        "peak_equity": "1001.2",
        "drawdown_pct": 0.02,
    },
    "legs": [
        {
            "leg": "main",
            "exchange": "paper",
            "account": "sol-mm",
            "symbol": "SOL-USDC",
            "position": "0.40",
            "open_orders": 6,
            "dead_man": "none",
            "clock_offset_ms": None,
        }
    ],
}


def row(**changes: Any) -> dict[str, Any]:
    return {**ROW, **changes}


class Daemon:
    """Holds the lock of a home, listens on its control socket and answers what it is told to answer."""

    def __init__(self, home: Home, run_dir: Path | None = None) -> None:
        self.bots = [row()]
        self.invalid: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}  # verb -> data; text is a refusal
        self.linger_s = 0.0  # between the answer to a stop and the end
        self.home = home
        self.run_dir = run_dir or home.run
        home.make_folders()
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.pid_file = PidFile(self.run_dir)
        assert self.pid_file.acquire()
        self._listener = socket.socket(socket.AF_UNIX)
        folder = os.open(self.run_dir, os.O_RDONLY)
        self._listener.bind(f"/proc/self/fd/{folder}/{NAME}")
        os.close(folder)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        daemon = {"state": "running", "pid": os.getpid(), "uptime_s": 12.5, "version": "0.1.0"}
        return {"daemon": {**daemon, "home": str(self.home.root)}, "bots": self.bots, "invalid": self.invalid}

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rwb") as stream:
                line = stream.readline()
                if not line:
                    return
                asked = json.loads(line)
                self.asked.append((asked["verb"], asked["args"]))
                stream.write(json.dumps(self._reply(asked["verb"])).encode() + b"\n")

    def _reply(self, verb: str) -> dict[str, Any]:
        if verb == "stop":
            threading.Timer(self.linger_s, self.pid_file.release).start()
        answer = self.answers.get(verb, self.status() if verb == "status" else {})
        return {"ok": False, "error": answer} if isinstance(answer, str) else {"ok": True, "data": answer}

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            folder = os.open(self.run_dir, os.O_RDONLY)
            last.connect(f"/proc/self/fd/{folder}/{NAME}")
            os.close(folder)
        self._thread.join()
        self._listener.close()
        (self.run_dir / NAME).unlink()
        self.pid_file.release()


class Services(DoorServices):
    """The real ones, but that a daemon is not really started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, ...]] = []
        self.refusal: Exception | None = None
        self.invalid: list[dict[str, Any]] = []

    def start_daemon(self, home: Home, names: Any) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        self.started.append(tuple(names))
        return {"ready": True, "pid": 4242, "bots": 2, "invalid": self.invalid}

    def run_foreground(self, home: Home, names: Any) -> int:
        self.started.append(("foreground", *names))
        return 0


def config(name: str = "sol-mm", **sections: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "exchange": "paper", "strategy": "market_maker", "schema_version": 1},
        "daemon_config": {},
        "exchange_config": {},
        "strategy_config": {"symbol": "SOL-USDC", "order_size_quote": 75},
        **sections,
    }


def write_config(home: Home, plain: Any, file: str = "a.json") -> Path:
    path = home.active / file
    path.write_text(plain if isinstance(plain, str) else json.dumps(plain, indent=2))
    return path
